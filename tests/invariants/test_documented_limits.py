"""What semantics.md says of the edges of the promises: equality at threshold, and drift within a run."""

from __future__ import annotations

import math

import pytest
import torch

import ship
from ship.devices import PowerDrift

ENGINES = ["reference", "fused"]
pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("weight", "v_th", "spikes"), [(0.1, 1.0, 54), (0.1, 0.95, 60), (0.125, 1.0, 75)])
def test_equality_at_threshold_is_that_of_the_numbers(engine, weight, v_th, spikes):
    """600 inputs; ten times 0.1 is below 1 in float64. The count is that of the sum done by Python."""
    v, count = 0.0, 0
    for _ in range(600):
        v += weight
        if v >= v_th:
            v, count = 0.0, count + 1
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "cell", n=1, tau=math.inf, v_th=v_th, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="cell", weight=weight)
    net.init(dtype=torch.float64, engine=engine)
    assert float(net.run(torch.ones(1, 600, 1)).sum()) == count == spikes


NU, T0 = 0.1, 1.0


def drifting(engine):
    device = ship.Device(g_min=0.0, g_max=1e-4, retention=PowerDrift(nu=NU, t0=T0))
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=1)
    net.add(ship.WeightedSum, "s", source="in", n=1, weight=2.0, device=device, output=True)
    net.init(dt=1.0, dtype=torch.float64, engine=engine)
    net.program()
    return net


@pytest.mark.parametrize("engine", ENGINES)
def test_drift_acts_between_the_stretches_of_a_run(engine):
    """``g = g0 (1 + age / t0)^-nu`` of both devices of a pair, so of the weight; the age is that at the start of a stretch."""

    def weights(*ages):
        return [2.0 * (1 + age / T0) ** -NU for age in ages]

    x = torch.ones(1, 12, 1)
    assert drifting(engine).run(x)[0, :, 0].tolist() == pytest.approx(weights(*[0] * 12), rel=1e-9)
    net = drifting(engine)
    pieces = torch.cat([net.run(x[:, :4]), net.run(x[:, 4:], reset=False)], 1)[0, :, 0]
    assert pieces.tolist() == pytest.approx(weights(*[0] * 4, *[4] * 8), rel=1e-9)
    programme = drifting(engine).run(x, dt=[(1.0, 4), (0.5, 4), (1.0, 4)])[0, :, 0]
    assert programme.tolist() == pytest.approx(weights(*[0] * 4, *[4] * 4, *[6] * 4), rel=1e-9)
    net = drifting(engine)
    steps = [float(net.step(x[:, 0])) for _ in range(5)]
    assert steps == pytest.approx(weights(0, 1, 2, 3, 4), rel=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_pieces_are_one_run_with_waits(engine):
    """What a piece lets pass is what `wait` lets pass."""
    pieces, waited = drifting(engine), drifting(engine)
    x = torch.ones(1, 3, 1)
    pieces.run(x)
    waited.wait(3.0)
    assert float(pieces.run(x)[0, 0]) == pytest.approx(float(waited.run(x)[0, 0]), rel=1e-12)
