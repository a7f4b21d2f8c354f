"""Synapses of circuits against their closed forms: the DPI synapse, and the volatile memristor at a steady rate."""

import math

import pytest
import torch

import ship
from circuits import D, assert_invariant, assert_same_on_both_engines

no_grad = pytest.mark.usefixtures("no_grad")
TAU = 1.5e-12 * 25e-3 / (0.705 * 10e-12)  # s, with the defaults


def current(dt, steps, events, **options):
    """The current of one synapse at each t_k, and its charges, into a leaky integrator that takes them."""
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=1)
    net.add(ship.LeakyIntegrator, "t", n=1, tau=math.inf)
    net.add(ship.DPISynapse, "s", source="x", target="t", **options)
    net.init(dt=dt, dtype=D)
    net.monitor("s", "i", "output")
    x = torch.zeros(1, steps, 1)
    x[0, events] = 1
    net.run(x)
    return net.records["s"].i[0, :, 0], net.records["s"].output[0, :, 0]


@no_grad
@pytest.mark.parametrize("dt", [1e-4, 1e-3, 2e-2])
def test_dpi_synapse_impulse_response(dt):
    """An event adds (I_th / I_tau) I_w (1 - e^(-t_pulse / tau)), which decays with 5.319 ms; charges are exact integrals."""
    assert pytest.approx(5.319e-3, abs=1e-6) == TAU
    i, charge = current(dt, 50, [3], weight=2e-9)
    t = torch.arange(-3, 48, dtype=D) * dt
    wanted = torch.where(t >= 0, 100 * 2e-9 * -math.expm1(-10e-6 / TAU) * torch.exp(-t.clamp(min=0) / TAU), 0.0)
    assert torch.allclose(i, wanted[:-1], rtol=1e-12, atol=0)
    assert torch.allclose(charge, -TAU * torch.diff(wanted) + torch.where(t[:-1] == -dt, TAU * wanted[3], 0.0), rtol=1e-9, atol=0)


@no_grad
def test_dpi_synapse_jump_of_the_published_chip():
    """Rockpool's DynapSE2: C 24.5 pF, tau 10 ms, gain 100, pulse 10 us, I_w 1 nA: 99.95 pA a spike (science C8)."""
    i_tau = 24.5e-12 * 25e-3 / (0.705 * 10e-3)
    i, _ = current(1e-3, 2, [0], c_syn=24.5e-12, i_tau=i_tau, i_th=100 * i_tau)
    assert float(i[0]) == pytest.approx(99.95e-12, rel=1e-5)


@no_grad
@pytest.mark.parametrize("dt", [1e-4, 5e-3])
def test_dpi_synapse_step_response(dt):
    """Pulses without a gap are a constant input: i rises as (I_th / I_tau) I_w (1 - e^(-t / tau)), science D18."""
    steps = round(0.06 / dt)
    i, _ = current(dt, steps, slice(None), t_pulse=dt, weight=0.3e-9)
    wanted = 100 * 0.3e-9 * -torch.expm1(-(torch.arange(steps, dtype=D) + 1) * dt / TAU)
    assert torch.allclose(i, wanted, rtol=1e-12, atol=0)
    assert float(i[-1]) == pytest.approx(30e-9, rel=1e-4)


@no_grad
def test_dpi_synapse_follows_its_bias_currents_and_the_thermal_voltage():
    """tau is proportional to U_T and to 1 / I_tau; the area of a response, jump times tau, to (I_th / I_tau) t_pulse."""
    for own, tau in (({"u_t": 30e-3}, TAU * 1.2), ({"i_tau": 5e-12, "i_th": 0.5e-9}, TAU * 2), ({"c_syn": 3e-12}, TAU * 2)):
        i, charge = current(1e-3, 400, [0], **own)
        assert float(i[1] / i[0]) == pytest.approx(math.exp(-1e-3 / tau), rel=1e-12)
        assert float(charge.sum()) == pytest.approx(100 * 1e-9 * 10e-6, rel=2e-3)


@no_grad
def test_dpi_synapse_into_a_dpi_neuron():
    """The neuron gets the mean current of each slot, so that the total charge does not depend on dt."""
    counts = []
    for dt in (1e-4, 5e-5):
        net = ship.Network()
        net.add(ship.SpikeInput, "x", n=1)
        net.add(ship.DPINeuron, "a", n=1, output=True)
        net.add(ship.DPISynapse, "s", source="x", target="a", port="current", weight=7e-9)
        net.init(dt=dt, dtype=D)
        x = torch.zeros(1, round(0.5 / dt), 1)
        x[0, :: round(5e-4 / dt)] = 1  # 2 kHz
        counts.append(float(net.run(x).sum()))
    assert counts[0] > 10
    assert abs(counts[0] - counts[1]) <= 1
    # a mean of 100 * 7 nA * 2 kHz * 10 us = 14 nA
    i, _ = current(1e-4, 5000, slice(None, None, 5), weight=7e-9)
    assert float(i[2000:].mean()) == pytest.approx(14e-9, rel=0.02)


@no_grad
def test_dpi_synapse_refuses_a_leak_of_nothing():
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=1)
    net.add(ship.LeakyIntegrator, "t", n=1)
    net.add(ship.DPISynapse, "s", source="x", target="t", i_tau=0.0)
    with pytest.raises(ship.ParameterError, match=r"DPISynapse 's'.i_tau: must be above 0 A; got 0"):
        net.init(dt=1e-3)


def build():
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=4)
    net.add(ship.DPINeuron, "a", n=3, output=True, i_spike=0.3e-9)
    weight = torch.linspace(2e-9, 8e-9, 12, dtype=D).reshape(4, 3)
    net.add(
        ship.DPISynapse, "s", source="x", target="a", port="current", weight=weight, trainable=True,
        i_tau=ship.Varied(10e-12, d2d=0.2),
    )  # fmt: skip
    return net, {"dt": 1e-3}


def trains():
    return {"x": (torch.rand(2, 60, 4, generator=torch.Generator().manual_seed(5)) < 0.4).double()}


def test_both_engines_agree():
    assert_same_on_both_engines(build, trains(), {"s": ["i"], "a": ["i"]}, spikes=8)


@no_grad
def test_batches_pieces_and_chips():
    assert_invariant(build, trains())


@no_grad
def test_volatile_memristor_at_a_steady_rate():
    """The fixed point of its two-step map, ``(g_off (1 - e)(1 - alpha) + alpha g_on) / (1 - (1 - alpha) e)``, e = e^(-T/tau)."""
    for slots in (5, 20):
        net = ship.Network()
        net.add(ship.SpikeInput, "x", n=1)
        net.add(ship.LeakyIntegrator, "t", n=1)
        net.add(ship.VolatileMemristor, "m", source="x", target="t")
        net.init(dt=1e-3, dtype=D)
        net.monitor("m", "g")
        x = torch.zeros(1, 60 * slots + 1, 1)
        x[0, ::slots] = 1
        net.run(x)
        e = math.exp(-slots * 1e-3 / 50e-3)
        wanted = (1e-6 * (1 - e) * 0.8 + 0.2 * 100e-6) / (1 - 0.8 * e)
        assert float(net.records["m"].g[0, -1, 0, 0]) == pytest.approx(wanted, rel=1e-9)
