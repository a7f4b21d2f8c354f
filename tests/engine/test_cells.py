"""A neuron is one kernel with the connections that only feed it, and sums through weights are made while they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch

import ship
from ship.engine.compiled.nodes.cell import Sum
from ship.engine.compiled.run import single
from ship.engine.compiled.schedule import assemble

DT = 1e-3
F64 = torch.float64


def network(engine, *, chips=None, tau=5e-3, dtype=F64, watched=False, twice=False, variation=0.0):
    """Spikes and levels into refractory neurons, by a filter, a weighted sum and impulses."""
    draw = torch.Generator().manual_seed(3)
    weights = [torch.randint(-8, 25, (6, 200), generator=draw) / 16 for _ in range(3)]
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(ship.CurrentInput, "level", n=6)
    net.add(ship.LIF, "out", n=200, t_ref=2e-3, output=True)
    spread = ship.Varied(weights[0], d2d=variation) if variation else weights[0]
    net.add(ship.ExpSynapse, "filter", source="in", target="out", tau=tau, weight=spread)
    net.add(ship.WeightedSum, "sum", source="level", target="out", weight=40 * weights[1], bias=torch.full((200,), 2.0))
    net.add(ship.ImpulseSynapse, "impulse", source="in", target="out", weight=0.25 * weights[2], delay=2e-3)
    if twice:
        net.add(ship.LIF, "other", n=200, output=True)
        net.add(ship.Link, "on", source="out", target="other", gain=0.3)
    net.init(dt=DT, dtype=dtype, seed=1, chips=chips, engine=engine)
    if watched:
        net.monitor("filter", "output")
        net.monitor("sum", "output")
    return net


def given(batch=3, slots=40, dtype=F64):
    draw = torch.Generator().manual_seed(4)
    spikes = (torch.rand(batch, slots, 6, generator=draw) < 0.2).to(dtype)
    return {"in": spikes, "level": torch.rand(batch, slots, 6, generator=draw).to(dtype).round(decimals=1)}


def learnt(net, x, **options):
    net.zero_grad()
    out = net.run(x, **options)
    out.square().sum().backward()
    return out.detach(), {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


def assert_close(got, want):
    assert got.keys() == want.keys()
    for name, g in want.items():
        torch.testing.assert_close(got[name], g, rtol=1e-9, atol=1e-9 * float(g.abs().max()), msg=name)


def test_which_connections_are_part_of_a_kernel():
    """Those that feed one neuron, unit by unit, and are not looked at."""
    net = network("fused", twice=True)
    said = net.explain()
    for tag in ("filter", "sum", "impulse"):
        assert f"{tag}: part of the kernel of out" in said
    assert "on: part of the kernel of other" in said
    net.run(given())
    assert net._sim.fusion.layout.feeds == {"filter": "out", "sum": "out", "impulse": "out", "on": "other"}
    watched = network("fused", watched=True)
    watched.run(given())
    assert watched._sim.fusion.layout.feeds == {"impulse": "out"}


def test_a_connection_to_part_of_a_group_stays_alone():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "a", n=3, output=True)
    net.add(ship.LIF, "b", n=4, output=True)
    net.add(ship.ExpSynapse, "both", source="in", target=["a", "b"], weight=0.5)
    net.init(dt=DT, engine="fused")
    net.run(torch.ones(1, 9, 2))
    assert net._sim.fusion.layout.feeds == {}


@pytest.mark.parametrize("chips", [None, 2])
def test_looking_at_a_connection_changes_nothing(chips):
    """Alone and as part of a kernel: the same numbers, states and gradients, also where a run goes on."""
    x = given()
    nets = [network("fused", chips=chips, watched=watched, variation=0.1 * bool(chips)) for watched in (False, True)]
    (a, ga), (b, gb) = (learnt(net, x) for net in nets)
    assert a.sum() > 50
    assert torch.equal(a, b)
    assert_close(ga, gb)
    for first, second in zip(
        *([*(t for node in net._sim.nodes.values() for t in _leaves(node.state))] for net in nets), strict=True
    ):
        torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-15)
    assert torch.equal(*(net.run(x, reset=False).detach() for net in nets))


def _leaves(state):
    return torch.utils._pytree.tree_flatten(state)[0]


@pytest.mark.parametrize("options", [{}, {"dt": [(1e-3, 13), (5e-4, 20), (1e-3, 7)]}], ids=["one dt", "programme"])
@pytest.mark.parametrize("detach", [True, False])
def test_gradients_are_those_of_the_reference(options, detach):
    x = given()
    results = []
    for engine in ("reference", "fused"):
        net = network(engine)
        net.zero_grad()
        first = net.run(x, detach=detach, **options)
        second = net.run(x, reset=False, **options)
        (first.square().sum() + second.square().sum()).backward()
        results.append((torch.cat([first, second], 1).detach(), {n: p.grad.clone() for n, p in net.named_parameters()}))
    assert torch.equal(results[0][0], results[1][0])
    assert_close(results[1][1], results[0][1])


def test_chunks(monkeypatch):
    """A feed is one slot behind at the end of each chunk."""
    x = given()
    with torch.no_grad():
        want = network("fused").run(x)
        monkeypatch.setattr("ship.network.network.chunk_slots", lambda wiring, lead: 7)
        assert torch.equal(network("fused").run(x), want)


def test_a_kernel_that_fails_between_chunks(monkeypatch):
    """Where it cannot run any longer, reference nodes go on from where it was."""
    x = given()
    with torch.no_grad():
        want = network("reference").run(x)
        monkeypatch.setattr("ship.network.network.chunk_slots", lambda wiring, lead: 7)
        run, calls = assemble.TapeBlock.run, iter(range(99))

        def sometimes(*given):
            if next(calls) == 3:
                raise assemble.Untraceable("no more")
            return run(*given)

        monkeypatch.setattr(assemble.TapeBlock, "run", sometimes)
        net = network("fused")
        assert torch.equal(net.run(x), want)
        assert net._sim.fusion.reasons["out"] == "no more"
        assert torch.equal(net.run(x), want)


# -- sums ----------------------------------------------------------------------------------------------------------------------


def sums(monkeypatch):
    """How many sums a run leaves to its kernels."""
    found = []
    before = assemble.given_signals

    def spy(external, **options):
        made = before(external, **options)
        found.append(len(made.weights))
        assert sum(isinstance(x, Sum) for x in external) >= len(made.weights)
        return made

    monkeypatch.setattr(assemble, "given_signals", spy)
    return found


@pytest.mark.parametrize("chips", [None, 3])
@pytest.mark.parametrize("portion", [1, 2**14, 2**30])
def test_sums_in_portions(monkeypatch, chips, portion):
    """However many rows are worked on at a time, also where chips have weights of their own."""
    monkeypatch.setattr(single, "SUM_BYTES", portion)
    monkeypatch.setattr(single, "KEPT_BYTES", portion)
    found, x = sums(monkeypatch), given()
    want, slopes = learnt(network("reference", chips=chips, variation=0.1 * bool(chips)), x)
    net = network("fused", chips=chips, variation=0.1 * bool(chips))
    got, mine = learnt(net, x)
    assert max(found) >= 1
    assert torch.equal(got, want)
    assert_close(mine, slopes)
    with torch.no_grad():
        assert torch.equal(net.run(x), want)


def test_the_gradient_to_arrivals():
    """Through the weights to an input that asks for it, and from a layer to the one before."""
    results = []
    for engine in ("reference", "fused"):
        net = ship.Network()
        net.add(ship.CurrentInput, "in", n=3)
        net.add(ship.LIF, "a", n=4)
        net.add(ship.LIF, "b", n=5, output=True)
        draw = torch.Generator().manual_seed(2)
        net.add(ship.WeightedSum, "in>a", source="in", target="a", weight=80 * torch.rand(3, 4, generator=draw, dtype=F64))
        net.add(ship.ImpulseSynapse, "a>b", source="a", target="b", weight=torch.rand(4, 5, generator=draw, dtype=F64))
        net.init(dt=DT, dtype=F64, engine=engine)
        x = torch.rand(2, 30, 3, dtype=F64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out, slopes = learnt(net, x)
        assert out.sum() > 3
        results.append((out, slopes | {"x": x.grad}))
    assert torch.equal(results[0][0], results[1][0])
    assert_close(results[1][1], results[0][1])


def test_backward_twice_through_sums(monkeypatch):
    """A second backward pass gives the same gradients, although the first one has overwritten the sums."""
    found, net = sums(monkeypatch), network("fused")
    loss = net.run(given()).square().sum()
    loss.backward(retain_graph=True)
    once = {name: p.grad.clone() for name, p in net.named_parameters()}
    net.zero_grad()
    loss.backward()
    assert max(found) == 3
    for name, p in net.named_parameters():
        assert torch.equal(p.grad, once[name])


class Drawn(NamedTuple):
    v: torch.Tensor
    theta: torch.Tensor


@dataclass(frozen=True)
class Unbounded(ship.SpikingNeuron):
    """An integrator whose threshold is ``delta ln u``, which is infinite at u = 0."""

    delta: float = ship.param(0.1, unit="V", role="noise")
    noise = {"u": "uniform"}
    ports = {"charge": ship.Port("charge", "V")}
    states = Drawn(ship.State(0.0, unit="V", held=True), ship.State(0.0, unit="V"))

    def receive(self, state, jump, p):
        return state

    def margin(self, state, p):
        return state.v - 1.0 - state.theta

    def reset(self, state, fired, p):
        return state._replace(v=torch.where(fired, 0.0, state.v))

    def evolve(self, state, x, p, c):
        return Drawn(state.v + x.charge, p.delta * torch.log(x.u))


def test_gradients_are_finite_where_a_uniform_number_may_not_be_0():
    """Before the first slot nothing is drawn, and nothing is advanced; what stands for the number has a finite logarithm."""
    found = []
    for engine in ("reference", "fused"):
        net = ship.Network()
        net.add(ship.CurrentInput, "i", n=3)
        net.add(Unbounded, "n", n=3, trainable=["delta"], output=True)
        net.add(ship.Link, "l", source="i", target="n")
        net.init(dt=DT, dtype=F64, engine=engine)
        net.run(torch.full((2, 50, 3), 60.0, dtype=F64)).sum().backward()
        assert engine == "reference" or "n: kernel" in str(net.explain())
        found.append(net["n"].delta.grad)
    assert torch.isfinite(found[1]).all()
    assert torch.allclose(*found, rtol=1e-9)
