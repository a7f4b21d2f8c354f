"""Adaptive exponential neurons against their theory; winner-take-all, bias, and the activity of a default network."""

import itertools
import math

import pytest
import torch

import ship

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


def test_adex_rest_and_subthreshold_response():
    """A small current moves v by I / (g_L + a), once w has settled (the exponential adds less than 1e-4 there)."""
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=1)
    net.add(ship.AdEx, "a", n=1)
    net.add(ship.Link, "l", source="i", target="a", port="current")
    net.init(dt=1e-4, dtype=D)
    net.monitor("a", "v", "w")
    net.run(torch.full((1, 15_000, 1), 50e-12, dtype=D))
    step = float(net.records["a"].v[0, -1, 0]) + 70.6e-3
    assert step == pytest.approx(50e-12 / 34e-9, rel=2e-3)
    assert float(net.records["a"].w[0, -1, 0]) == pytest.approx(4e-9 * step, rel=1e-3)


def adex_rate(current, dt=1e-4, duration=1.5):
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=1)
    net.add(ship.AdEx, "a", n=1, output=True)
    net.add(ship.Link, "l", source="i", target="a", port="current")
    net.init(dt=dt, dtype=D)
    return net.run(torch.full((1, round(duration / dt), 1), current, dtype=D))[0, :, 0].nonzero().flatten() * dt


def test_adex_rheobase():
    """Default parameters: silent below, spiking above the rheobase of a Hopf bifurcation, 627.18 pA (science D12)."""
    # A slow ramp is not needed: a step reaches the threshold a little below, through its transient; so test well on either side.
    assert len(adex_rate(560e-12)) == 0
    assert len(adex_rate(660e-12)) > 3


def test_adex_adapts_and_converges():
    """Intervals grow under a constant current; the first spike time converges with order 1 in dt."""
    spikes = adex_rate(900e-12)
    gaps = torch.diff(spikes)
    assert float(gaps[-1]) > 1.5 * float(gaps[0])
    firsts = [float(adex_rate(900e-12, dt, 0.08)[0]) for dt in (8e-5, 4e-5, 2e-5, 1e-5)]
    steps = [abs(a - b) for a, b in itertools.pairwise(firsts)]
    assert steps[2] < steps[0]
    assert steps[2] < 4e-5


def test_adex_conductances_pull_to_their_reversal():
    """A large conductance on a port brings v to its reversal potential; charge into a level port becomes its mean over the
    slot.
    """
    for port, target in (("inh", -80e-3), ("exc", -58e-3)):
        net = ship.Network()
        net.add(ship.CurrentInput, "g", n=1)
        net.add(ship.AdEx, "a", n=1, e_exc=-58e-3)
        net.add(ship.Link, "l", source="g", target="a", port=port)
        net.init(dt=1e-4, dtype=D)
        net.monitor("a", "v")
        net.run(torch.full((1, 1000, 1), 30e-6, dtype=D))
        assert float(net.records["a"].v[0, -1, 0]) == pytest.approx(target, abs=2e-5)
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=1)
    net.add(ship.AdEx, "a", n=1, g_leak=1e-15, a=0.0, e_exc=0.0, initial={"v": -70e-3}, v_t=1.0)
    net.add(ship.ExpSynapse, "s", source="x", target="a", port="exc", weight=1e-12, tau=2e-3)
    net.init(dt=1e-4, dtype=D)
    net.monitor("a", "v")
    x = torch.zeros(1, 1000, 1)
    x[0, 0] = 1
    net.run(x)
    # int g dt = 1e-12 S s: v relaxes by exp(-1e-12 / C), C = 281 pF.
    assert float(net.records["a"].v[0, -1, 0]) == pytest.approx(-70e-3 * math.exp(-1e-12 / 281e-12), rel=1e-4)


def test_winner_take_all():
    """The largest margin wins, the lowest index among equals; all are reset and share the dead time; samples do not interact."""
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=3)
    net.add(ship.LIF, "w", n=3, winner_take_all=True, t_ref=2e-3, tau=float("inf"), output=True)
    net.add(ship.Link, "l", source="i", target="w")
    net.init(dt=1e-3)
    x = torch.zeros(2, 13, 3)
    x[0] = torch.tensor([1000.0, 1500.0, 1500.0])
    x[1] = torch.tensor([2000.0, 0.0, 1500.0])
    out = net.run(x)
    assert out[0].nonzero().tolist() == [[k, 1] for k in (1, 4, 7, 10)]
    assert out[1].nonzero().tolist() == [[k, 0] for k in (1, 4, 7, 10)]


def test_bias_is_a_level():
    """0.5 V/s for 100 ms into a perfect integrator: 50 mV, beside impulses, charges and values alike."""
    for source, weight in ((ship.SpikeInput, 0.0), (ship.CurrentInput, 0.0)):
        net = ship.Network()
        net.add(source, "in", n=1)
        net.add(ship.LeakyIntegrator, "t", n=2, tau=float("inf"), output=True)
        net.add(ship.WeightedSum, "s", source="in", target="t", weight=weight, bias=torch.tensor([0.5, 1.0]))
        net.init(dt=1e-3, dtype=D)
        out = net.run(torch.zeros(1, 101, 1))
        assert out[0, -1].tolist() == pytest.approx([0.05, 0.1])


def test_default_network_is_neither_silent_nor_saturated():
    for n in (10, 100, 1000):
        net = ship.Network()
        net.add(ship.PoissonSource, "in", n=n, rate=50.0)
        net.add(ship.LIF, "hid", n=100, output=True)
        net.add(ship.ExpSynapse, "s", source="in", target="hid")
        net.init(dt=1e-3)
        rate = float(net.run(duration=1.0).mean()) / 1e-3
        assert 1 < rate < 100
