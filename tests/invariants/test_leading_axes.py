"""Values with leading axes, and where they meet: delays for each target, sweeps over the batch, parameters of targets."""

from __future__ import annotations

import math

import pytest
import torch

import ship

DT = 1e-3
pytestmark = pytest.mark.usefixtures("no_grad")


def fan(synapse=ship.ExpSynapse, n_post=3, cell=None, chips=None, **keywords):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LeakyIntegrator, "out", n=n_post, output=True, **(cell or {}))
    net.add(synapse, "s", source="in", target="out", **keywords)
    net.init(dt=DT, seed=5, chips=chips, dtype=torch.float64)
    return net


def three_pulses(batch=1):
    x = torch.zeros(batch, 12, 3)
    x[:, [0, 3, 4], [0, 1, 2]] = 1
    return x


def test_delay_of_one_value_for_each_target():
    try:
        out = fan(ship.ImpulseSynapse, n_post=2, cell={"tau": math.inf}, weight=1.0, delay=[1e-3, 2e-3]).run(three_pulses())
    except ship.ShipError:
        return
    assert out[0, -1].tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("name", "side"),
    [("weight", "post"), ("tau", "connection")],
)
@pytest.mark.parametrize("batch", [2, 3])
def test_sweeps_over_the_batch_equal_single_runs(name, side, batch):
    values = torch.linspace(2e-3, 9e-3, batch, dtype=torch.float64)
    out = fan(side=side, **{"weight": 1.0, name: ship.per_sample(values)}).run(three_pulses(batch))
    for b, value in enumerate(values.tolist()):
        single = fan(side=side, **{"weight": 1.0, name: value}).run(three_pulses())
        torch.testing.assert_close(out[b], single[0])


@pytest.mark.parametrize("side", ["pre", "connection"])
def test_exact_drive_does_not_depend_on_the_side(side):
    cell = {"tau": torch.tensor([5e-3, 20e-3, 80e-3])} if side == "pre" else {"tau": ship.Varied(20e-3, d2d=0.3)}
    runs = []
    for where in ("post", side):
        if side == "pre" and where == "pre":
            with pytest.raises(ship.GraphError):  # the charge depends on the target: it cannot be formed on the other side
                fan(drive="exact", side="pre", cell=cell)
            return
        net = fan(drive="exact", side=where, cell=cell, chips=2, weight=torch.arange(9.0).reshape(3, 3))
        runs.append(net.run(three_pulses(2)))
    torch.testing.assert_close(*runs)


def test_two_targets_of_which_one_varies():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "a", n=3, tau=ship.Varied(20e-3, d2d=0.1))
    net.add(ship.LIF, "b", n=2, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target=["a", "b"])
    net.init(chips=2)
    assert net.run(torch.ones(3, 4, 2)).shape == (2, 3, 4, 2)
