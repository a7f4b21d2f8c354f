"""Synapses against their closed forms: charges, currents, peaks, and the volatile memristor."""

import pytest
import torch

import ship
from ship.network.monitor import recordable

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


def driven(target, synapse, *, dt=1e-4, steps=1000, events=(0,), n=1, target_options=None, **options):
    """One source, one synapse, one target; returns the network after a run with the events given."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(target, "t", n=n, **({"v_th": 1e6} if target is ship.LIF else {}) | (target_options or {}))
    net.add(synapse, "s", source="in", target="t", **options)
    net.init(dt=dt, dtype=D)
    x = torch.zeros(1, steps, 1)
    for k in events:
        x[0, k] += 1
    net.monitor("s", "output", *(name for name in recordable(net._specs["s"]) if name in ("i", "g")))
    net.monitor("t", "v") if target is not ship.AdEx else None
    net.run(x)
    return net


@pytest.mark.parametrize("dt", [1e-3, 1e-4])
@pytest.mark.parametrize("side", ["post", "pre", "connection"])
@pytest.mark.parametrize(
    ("model", "taus"),
    [
        (ship.ExpSynapse, {"tau": 5e-3}),
        (ship.DoubleExpSynapse, {"tau": 8e-3, "tau_rise": 4e-3}),
        (ship.AlphaSynapse, {"tau": 3e-3}),
    ],
)
def test_charge_of_each_slot_is_the_exact_integral(model, taus, side, dt):
    """Exponential w/tau e^(-t/tau); double exponential w (e^(-t/tau) - e^(-t/r)) / (tau - r); alpha w t/tau^2 e^(-t/tau): their
    integrals.
    """
    net = driven(ship.LIF, model, dt=dt, steps=round(0.1 / dt), weight=0.7, side=side, **taus)
    got = net.records["s"].output[0, :, 0]
    edge = torch.arange(len(got) + 1, dtype=D) * dt
    tau = taus["tau"]
    if model is ship.AlphaSynapse:
        integral = 1 - (1 + edge / tau) * torch.exp(-edge / tau)
    elif model is ship.ExpSynapse:
        integral = 1 - torch.exp(-edge / tau)
    else:
        r = taus["tau_rise"]
        integral = 1 - (tau * torch.exp(-edge / tau) - r * torch.exp(-edge / r)) / (tau - r)
    assert float((got - 0.7 * torch.diff(integral)).abs().max()) < 1e-14
    assert float(got.sum()) == pytest.approx(0.7, rel=1e-4)  # the total is the weight, whatever tau


@pytest.mark.parametrize(
    ("tau", "rise", "time", "peak"), [(8, 4, 5.54518, 0.25), (15, 5, 8.23959, 0.3849), (10, 2, 4.02359, 0.534992)]
)
def test_double_exponential_peak(tau, rise, time, peak):
    """Science D4, with the normalisation of the area taken out; the mean over a slot stands for the current at its middle."""
    dt = 1e-5
    net = driven(ship.LIF, ship.DoubleExpSynapse, dt=dt, steps=3000, weight=1.0, tau=tau * 1e-3, tau_rise=rise * 1e-3)
    current = net.records["s"].output[0, :, 0] / dt * (tau - rise) * 1e-3
    k = int(current.argmax())
    assert (k + 0.5) * dt == pytest.approx(time * 1e-3, abs=1e-5)
    assert float(current[k]) == pytest.approx(peak, rel=1e-5)


def test_double_exponential_exact_drive():
    """Response of a membrane to the two exponentials: the sum of two closed forms, at any dt."""
    tau_m = 20e-3

    def psp(t, tau_s):
        return tau_m * tau_s / (tau_m - tau_s) * (torch.exp(-t / tau_m) - torch.exp(-t / tau_s))

    for dt in (1e-3, 1e-4):
        net = driven(
            ship.LIF, ship.DoubleExpSynapse, dt=dt, steps=round(0.08 / dt), weight=1.0, tau=10e-3, tau_rise=2e-3, drive="exact"
        )
        t = net.timeline()
        exact = (psp(t, 10e-3) - psp(t, 2e-3)) / 8e-3
        assert float((net.records["t"].v[0, :, 0] - exact).abs().max()) < 1e-12


def test_alpha_current_peak_of_the_response():
    """LIF(20 ms) under an alpha current of 0.5 ms peaks at 2.756585 ms (science D3)."""
    net = driven(ship.LIF, ship.AlphaSynapse, dt=1e-6, steps=5000, weight=1.0, tau=0.5e-3)
    assert int(net.records["t"].v.argmax()) * 1e-6 == pytest.approx(2.756585e-3, abs=2e-6)


def test_psp_amplitudes_of_the_cuba_network():
    """Science D5: weights of 1.62 and -9 mV as currents over tau_s (5, 10 ms) into 20 ms: 0.25513 mV at 9.242 ms, -2.250 mV at
    13.863 ms.

    The jump is in the unit of v and the current obeys tau_m dv/dt = g: one spike's displacement without leak is w tau_s / tau_m.
    """
    for w, tau_s, peak, time in ((1.62e-3, 5e-3, 0.25513e-3, 9.242e-3), (-9e-3, 10e-3, -2.250e-3, 13.863e-3)):
        net = driven(ship.LIF, ship.ExpSynapse, dt=1e-5, steps=3000, weight=w * tau_s / 20e-3, tau=tau_s, drive="exact")
        v = net.records["t"].v[0, :, 0]
        k = int(v.abs().argmax())
        assert float(v[k]) == pytest.approx(peak, rel=2e-4)
        assert k * 1e-5 == pytest.approx(time, abs=1e-5)


def test_volatile_memristor_facilitation_and_relaxation():
    """The two-step map g <- g_off + (g - g_off) e^(-T/tau), g <- g + alpha (g_on - g), on each connection with its own tau."""
    taus = torch.tensor([[20e-3, 100e-3, 5e-3]])
    net = driven(ship.LIF, ship.VolatileMemristor, dt=1e-3, steps=100, events=(5, 15, 15, 40), n=3, tau=taus)
    g = torch.full((3,), 1e-6, dtype=D)
    events = {5: 1, 15: 2, 40: 1}
    for k in range(100):
        for _ in range(events.get(k, 0)):
            g = g + 0.2 * (100e-6 - g)
        assert torch.allclose(net.records["s"].g[0, k, 0], g, rtol=1e-12, atol=0)
        charge = 1e7 * 0.2 * 1e-3 * g * events.get(k, 0)
        assert torch.allclose(net.records["s"].output[0, k], charge, rtol=1e-12, atol=0)
        g = 1e-6 + (g - 1e-6) * torch.exp(-1e-3 / taus[0].double())
