"""Dendrites with plateaus: the window of coincidence, the duration, what is lost, sequences, gradients."""

import math

import pytest
import torch

import ship
from circuits import D, assert_invariant, assert_same_on_both_engines

no_grad = pytest.mark.usefixtures("no_grad")


def soma(x, *, dt=1e-3, dtype=D, weight=0.6, programme=None, **options):
    """One train into a dendrite of a perfect integrator; returns the network after its run."""
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=1)
    net.add(ship.LeakyIntegrator, "soma", n=1, tau=math.inf)
    net.add(ship.PlateauDendrite, "d0", target="soma", **options)
    net.add(ship.ImpulseSynapse, "s0", source="x", target="d0", weight=weight)
    net.init(dt=dt, dtype=dtype)
    net.monitor("d0", "output", "on", "v")
    net.monitor("soma", "v")
    net.run(x, dt=programme)
    return net


def events(steps, *slots, n=1):
    x = torch.zeros(1, steps, n)
    for k, unit in slots:
        x[0, k, unit] += 1
    return x


@no_grad
def test_coincidence_window():
    """Two inputs of 0.6 V start a plateau if ``0.6 (1 + e^(-T / tau)) >= 1``: within tau ln(0.6 / 0.4) = 2.03 ms."""
    window = 5e-3 * math.log(0.6 / 0.4)
    for apart in range(1, 40):
        net = soma(events(60, (0, 0), (apart, 0)), dt=1e-4)
        started = bool(net.records["d0"].on.any())
        assert started == (apart * 1e-4 <= window)


@no_grad
@pytest.mark.parametrize("dtype", [torch.float32, D])
@pytest.mark.parametrize(
    ("dt", "duration"), [(1e-3, 20e-3), (1e-3, 20.5e-3), (1e-4, 0.7), (3e-4, 10e-3), (1e-5, 0.1), (1e-3, 0.5e-3)]
)
def test_plateau_duration(dt, duration, dtype):
    """``floor(duration / dt + 1/2)`` slots, in float32, too; the soma gets the charge level dt in each, and no more."""
    wanted = math.floor(duration / dt + 0.5)
    net = soma(events(wanted + 20, (2, 0)), dt=dt, weight=1.5, dtype=dtype, duration=duration, level=10.0)
    on = net.records["d0"].on[0, :, 0]
    assert on.nonzero().flatten().tolist() == list(range(2, 2 + wanted))
    assert float(net.records["soma"].v[0, -1, 0]) == pytest.approx(10.0 * wanted * dt, rel=1e-3)


@no_grad
def test_plateau_shorter_than_half_a_slot_does_not_happen():
    net = soma(events(10, (2, 0)), dt=1e-3, weight=1.5, duration=0.4e-3)
    assert not net.records["d0"].on.any()


@no_grad
def test_plateau_keeps_its_seconds_where_dt_changes():
    """30 ms of plateau from the third slot of 1 ms on: 8 of them, then 22 ms in slots of 0.5 ms."""
    net = soma(events(100, (2, 0)), weight=1.5, duration=30e-3, programme=[(1e-3, 10), (0.5e-3, 90)])
    assert int(net.records["d0"].on.sum()) == 8 + 44
    assert float(net.records["soma"].v[0, -1, 0]) == pytest.approx(10.0 * 30e-3, rel=1e-9)


@no_grad
def test_what_arrives_during_a_plateau_is_lost():
    net = soma(events(60, (0, 0), (5, 0), (9, 0), (25, 0)), weight=1.0, duration=20e-3)
    assert net.records["d0"].on[0, :, 0].nonzero().flatten().tolist() == list(range(20)) + list(range(25, 45))
    assert float(net.records["d0"].v[0, :20].abs().max()) == 0
    one = soma(events(60, (0, 0), (1, 0), (2, 0)), weight=1.0, duration=20e-3)
    assert int(one.records["d0"].on.sum()) == 20  # three inputs make no longer plateau than one


@no_grad
def test_a_chain_detects_a_sequence():
    """An input of 0.7 V starts the second dendrite only in the plateau of the first, which holds it at 80 V/s * 5 ms = 0.4 V."""
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=2)
    net.add(ship.LIF, "soma", n=1, output=True, v_th=0.5)
    net.add(ship.PlateauDendrite, "second", target="soma", level=80.0, duration=30e-3)
    net.add(ship.PlateauDendrite, "first", target="second", level=80.0, duration=50e-3)
    net.add(ship.ImpulseSynapse, "a", source="x", target="first", weight=[[1.2], [0.0]])
    net.add(ship.ImpulseSynapse, "b", source="x", target="second", weight=[[0.0], [0.7]])
    net.init(dt=1e-3, dtype=D)
    for first, second, fires in ((10, 40, True), (40, 10, False), (10, 90, False), (10, 12, False), (10, 59, True)):
        assert bool(net.run(events(150, (first, 0), (second, 1), n=2)).any()) == fires, (first, second)


def test_gradient_through_the_start_of_a_plateau():
    """The soma depends on the weight by the surrogate at the start, ``1 / (10 |x| + 1)^2``, times the charge of the plateau."""
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=1)
    net.add(ship.LeakyIntegrator, "soma", n=1, tau=math.inf, output=True)
    net.add(ship.PlateauDendrite, "d", target="soma", duration=20e-3)
    net.add(ship.ImpulseSynapse, "s", source="x", target="d", weight=1.25, trainable=True)
    net.init(dt=1e-3, dtype=D)
    net.run(events(40, (3, 0)).double())[0, -1, 0].backward()
    assert float(net["s"].weight.grad) == pytest.approx(10.0 * 20e-3 / (10 * 0.25 + 1) ** 2, rel=1e-9)


def build():
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=4)
    net.add(ship.LIF, "cell", n=3, v_th=0.25, output=True)
    net.add(ship.PlateauDendrite, "d", target="cell", duration=8e-3, level=ship.Varied(40.0, d2d=0.2), trainable=True)
    weight = torch.linspace(0.2, 0.9, 12, dtype=D).reshape(4, 3)
    net.add(ship.ImpulseSynapse, "s", source="x", target="d", weight=weight, trainable=True)
    net.add(ship.ExpSynapse, "e", source="x", target="d", weight=weight / 2, trainable=True)
    return net, {"dt": 1e-3}


def trains():
    return {"x": (torch.rand(2, 60, 4, generator=torch.Generator().manual_seed(5)) < 0.15).double()}


def test_both_engines_agree():
    assert_same_on_both_engines(build, trains(), {"d": ["v", "on", "output"], "cell": ["v"]}, spikes=8)


@no_grad
def test_batches_pieces_and_chips():
    assert_invariant(build, trains())


def test_runs_as_a_kernel():
    net, settings = build()
    net.init(**settings)
    assert "d: kernel" in net.explain()
