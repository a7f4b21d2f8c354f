"""The resonate-and-fire neuron: an exact rotation, its resonance, what makes it fire."""

import cmath
import math

import pytest
import torch

import ship
from neurons import driven

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("dt", [1e-5, 1e-3, 9e-3])
@pytest.mark.parametrize("tau", [5e-3, 20e-3, math.inf])
def test_the_step_is_exact(dt, tau):
    """z(t) = i (e^(k t) - 1) / k under a constant current i, k = -1 / tau + 2 pi i 50 Hz, at any dt."""
    _, record = driven(ship.ResonateAndFire, 5.0, 20 * dt, dt=dt, watch=("u", "v"), tau=tau)
    k = complex(-1 / tau, 2 * math.pi * 50)
    for slot in (1, 2, 19):
        z = 5.0 * (cmath.exp(k * slot * dt) - 1) / k
        assert float(record.u[0, slot, 0]) == pytest.approx(z.real, abs=1e-14)
        assert float(record.v[0, slot, 0]) == pytest.approx(z.imag, abs=1e-14)


def test_resonance():
    """The amplitude for a sinusoidal current of angular frequency W is omega / |(1 / tau + i W)^2 + omega^2|, largest at W^2 =
    omega^2 - 1 / tau^2: 49.36 Hz for 50 Hz and 20 ms.
    """
    dt, tau, omega = 1e-4, 20e-3, 2 * math.pi * 50
    best = math.sqrt(omega**2 - 1 / tau**2) / (2 * math.pi)
    assert best == pytest.approx(49.3627, abs=1e-4)
    frequencies = torch.tensor([10.0, 0.9 * best, best, 1.1 * best, 100.0], dtype=D)
    t = (torch.arange(4000, dtype=D) + 0.5).unsqueeze(-1) * dt  # the level of a slot is that of its middle
    drive = torch.sin(2 * math.pi * frequencies * t)
    _, record = driven(ship.ResonateAndFire, drive, 0.4, dt=dt, watch=("v",), tau=tau)
    amplitude = record.v[0, 2000:].abs().amax(0)
    w = 2 * math.pi * frequencies
    exact = omega / torch.sqrt((omega**2 + 1 / tau**2 - w**2) ** 2 + (2 * w / tau) ** 2)
    torch.testing.assert_close(amplitude, exact, rtol=1e-3, atol=0)
    assert int(amplitude.argmax()) == 2


def test_a_doublet_at_its_period_fires_it():
    """Two impulses of 0.8 V: v is at most 0.8 (1 + e^(-T / tau)) e^(-T / 4 tau), T the interval, if they are a period apart."""
    dt = 1e-4
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.ResonateAndFire, "r", n=3, tau=0.1, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="r", weight=0.8 * torch.eye(3))
    net.init(dt=dt, dtype=D)
    x = torch.zeros(1, 600, 3)
    x[0, 10] = 1
    for unit, gap in enumerate((200, 100, 150)):  # a period, half a period, three quarters
        x[0, 10 + gap, unit] = 1
    net.monitor("r", "u", "v")
    out = net.run(x)[0]
    assert (out.sum(0) > 0).tolist() == [True, False, False]
    first = int(out[:, 0].argmax())
    assert net.records["r"].v[0, first].tolist()[0] == 1.0  # z = i, as published
    assert net.records["r"].u[0, first].tolist()[0] == 0.0
