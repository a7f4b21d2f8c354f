"""Delays drawn from a distribution: whole slots of the dt of `init`, in memory proportional to the connections."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ship
from ship.network import memory_budget

MS = 1e-3
ENGINES = ["reference", "fused"]
pytestmark = pytest.mark.usefixtures("no_grad")


def network(n, delay, engine="auto", dt=MS, side="post", **keywords):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=n)
    net.add(ship.LeakyIntegrator, "out", n=n, tau=10 * MS, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="out", delay=delay, side=side, tau=5 * MS, **keywords)
    net.init(dt=dt, dtype=torch.float64, engine=engine, seed=4)
    return net


def delays(net):
    """``[pre, post]`` or ``[edge]``, as the plan has them."""
    return next(w.delay for w in net._wiring.wires if w.role == "signal")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("side", ["post", "connection"])
@pytest.mark.parametrize("sparse", [False, True])
def test_drawn_delays_act_as_the_same_delays_given(engine, side, sparse):
    """Also where dt changes: they are numbers of seconds then."""
    keywords = {"connect": ship.Probability(0.4)} if sparse else {}
    drawn = network(12, ship.Uniform(1 * MS, 9 * MS), engine, side=side, **keywords)
    given = delays(drawn)
    if sparse:
        whole = torch.zeros(12, 12, dtype=torch.float64)
        whole[drawn["s"].pre.long(), drawn["s"].post.long()] = given
        given = whole
    same = network(12, given, engine, side=side, **keywords)
    x = (torch.rand(2, 30, 12, generator=torch.Generator().manual_seed(0)) < 0.2).double()
    for dt in (MS, [(MS, 12), (MS / 4, 18)]):
        out = drawn.run(x, dt=dt)
        assert float(out.abs().sum()) > 0
        torch.testing.assert_close(out, same.run(x, dt=dt), rtol=1e-12, atol=1e-14)


def test_as_many_lines_as_slots_however_many_connections():
    """300 x 300 delays of 1 to 20 ms: 20 lines of a byte for each connection; they were 90,000 lines, 32 GB."""
    net = network(300, ship.Uniform(1 * MS, 20 * MS))
    feed = net._sim.nodes["s"].feed
    assert sorted({line.lag or round(line.delay / MS) for line in feed.lines}) == list(range(1, 21))
    masks = [mask for _, _, buckets in feed.sources for _, mask in buckets]
    assert sum(mask.nbytes for mask in masks) == 20 * 300 * 300
    assert torch.equal(sum(mask.int() for mask in masks), torch.ones(300, 300, dtype=torch.int32))
    out = net.run((torch.rand(1, 25, 300, generator=torch.Generator().manual_seed(0)) < 0.1).double())
    assert float(out[0, -1].abs().sum()) > 0
    # A uniform draw, rounded: 1 and 20 slots have half the probability of the others, 1/38; 90,000 draws.
    counts = np.bincount((delays(net) / MS).round().long().flatten().numpy(), minlength=21)[1:]
    p = np.full(20, 1 / 19)
    p[[0, -1]] /= 2
    assert (np.abs(counts - 9e4 * p) < 5 * np.sqrt(9e4 * p)).all()  # five standard deviations


def test_rounding_is_said_and_smaller_with_a_smaller_dt():
    said = network(8, ship.Uniform(1 * MS, 5 * MS)).explain()
    assert "in -> s: delay rounded to whole slots, by at most 0.000" in said
    fine, coarse = (
        delays(network(8, ship.Uniform(1 * MS, 5 * MS), dt=0.01 * MS)),
        delays(network(8, ship.Uniform(1 * MS, 5 * MS))),
    )
    assert 0 < float((fine - coarse).abs().max()) <= 0.5 * MS + 0.005 * MS


def test_too_many_given_delays_are_foreseen(monkeypatch):
    """3,600 different ones on 60 x 60 connections: 3,600^2 masks of a byte and weights of 8, 0.1 GiB."""
    monkeypatch.setattr(memory_budget, "available_bytes", lambda: 2**20)
    with pytest.raises(
        ship.ShipError, match=r"Network.init: needs about 0.1 GiB for 3600 different delays from 'in' on the conn"
    ):
        network(60, torch.linspace(1 * MS, 9 * MS, 3600).reshape(60, 60))
    network(60, ship.Uniform(1 * MS, 9 * MS))


@pytest.mark.parametrize("engine", ENGINES)
def test_states_on_connections_hold_few_slots_at_a_time(engine, monkeypatch):
    """The result does not depend on how many."""
    out = []
    for values in (1, 200, 10**6):
        monkeypatch.setattr("ship.engine.reference.connection.EDGE_VALUES", values)
        net = network(6, ship.Uniform(1 * MS, 5 * MS), engine, side="connection")
        out.append(net.run((torch.rand(2, 20, 6, generator=torch.Generator().manual_seed(0)) < 0.3).double()))
    assert torch.equal(out[0], out[2])
    assert torch.equal(out[1], out[2])
