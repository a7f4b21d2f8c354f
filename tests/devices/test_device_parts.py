"""Programming, read noise, current-voltage curves, faults and wear: formulas, populations, gradients, errors."""

import math

import pytest
import torch

import ship
from parts import D, bag, close_mean, close_std, normals, t
from ship.base.errors import ParameterError
from ship.devices import (
    AdditiveNoise,
    Bounded,
    FlickerNoise,
    GaussianProgramming,
    LevelProgramming,
    LogarithmicPulses,
    PolynomialProgramming,
    PooleFrenkelIV,
    PowerIV,
    RelativeNoise,
    SinhIV,
    Stuck,
    Wear,
)
from ship.devices.parts.programming import of_a_pair

N = 20_000


# -- programming -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "sigma"),
    [
        (GaussianProgramming(sigma=1e-6), 1e-6),
        (GaussianProgramming(relative=0.02), 1e-6),
        (GaussianProgramming(sigma=1e-6, relative=0.02), 2e-6),
        (PolynomialProgramming(coefficients=(1e-6, 0.0, 4e-6), g_ref=50e-6), 4e-6),  # (1 + 4 / 4) uS at g = 1/2, twice the window
        (LevelProgramming(levels=11), 10e-6 / 6),
        (LevelProgramming(levels=10, of="pair"), of_a_pair(100e-6, 10.0)),
    ],
)
def test_programming(part, sigma):
    """Targets of 50 uS in a window up to 100 uS: mean and standard deviation of what a write leaves."""
    made = ship.DeviceArray(ship.Device(g_min=0.0, g_max=100e-6, programming=part), N, seed=1, dtype=D)
    made.write(50e-6)
    assert close_mean(made.conductance(), 50e-6, sigma)
    assert close_std(made.conductance(), sigma)
    p = bag(part, 0.0, 100e-6)
    assert torch.autograd.gradcheck(lambda xi: part.write(t(50e-6), p, (xi,)) * 1e6, (t(0.4).requires_grad_(),))


def test_levels():
    """11 levels from 0 to 100 uS: targets go to the nearest ten, errors of 10 / 6 uS leave 99.73 % within half a level."""
    part = LevelProgramming(levels=11)
    g = part.write(t(4.0, 6.0, 94.0) * 1e-6, bag(part, 0.0, 100e-6), (torch.zeros(3, dtype=D),))
    assert torch.allclose(g, t(0.0, 10.0, 90.0) * 1e-6, atol=1e-18)
    kept = (part.write(torch.full((N,), 50e-6, dtype=D), bag(part, 0.0, 100e-6), (normals(N),)) - 50e-6).abs() < 5e-6
    assert abs(float(kept.double().mean()) - 0.9973) < 3 * math.sqrt(0.0027 / N)


# -- read noise ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "sigma"),
    [
        (RelativeNoise(sigma=0.02), 1e-6),
        (AdditiveNoise(sigma=0.3e-6), 0.3e-6),
        (FlickerNoise(q=0.01, t_read=1e-6, t0=0.0), 0.01 * 50e-6 * math.sqrt(math.log((100 + 1e-6) / 2e-6))),
    ],
)
def test_read_noise(part, sigma):
    """100 s after a write of 50 uS; two reads are independent, the conductance is untouched, gradients flow."""
    made = ship.DeviceArray(ship.Device(noise=part), N, seed=2, dtype=D)
    made.write(50e-6)
    made.wait(100.0)
    first, second = made.read(), made.read()
    assert close_mean(first, 50e-6, sigma)
    assert close_std(first, sigma)
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 3 / math.sqrt(N)
    assert torch.equal(made.conductance(), torch.full((N,), 50e-6, dtype=D))
    p = bag(part)
    read = lambda g, xi: part.read(g, g.detach(), t(100.0), p, (xi,))  # noqa: E731
    assert torch.autograd.gradcheck(read, (t(0.5).requires_grad_(), t(0.4).requires_grad_()))


def test_flicker_starts_at_zero():
    part = FlickerNoise(t0=0.0)
    t_read = t(250e-9).requires_grad_()
    seen = part.read(t(1.0), t(1.0), t(0.0), bag(part, t_read=t_read), (t(2.0),))
    assert float(seen.detach()) == 1.0
    seen.backward()
    assert float(t_read.grad) == 0.0  # and not NaN


# -- current-voltage -------------------------------------------------------------------------------------------------------------

CURVES = [
    (SinhIV(b=3.0), lambda v: math.sinh(3 * v) / 3),
    (PooleFrenkelIV(v0=0.4), lambda v: v * math.exp(math.sqrt(abs(v) / 0.4))),
    (PowerIV(v0=0.4, m=2.5), lambda v: v * (1 + (abs(v) / 0.4) ** 1.5)),
]


@pytest.mark.parametrize(("part", "formula"), CURVES, ids=["sinh", "poole-frenkel", "power"])
def test_curves(part, formula):
    """Formula; odd; zero at 0 V, where the slope is g, with finite gradients; the parts agree with a device's current."""
    p, v = bag(part), t(-1.2, -0.3, 0.0, 0.3, 1.2)
    i = part.current(t(2.0), v, p)
    assert torch.allclose(i, t(*(2.0 * formula(float(x)) for x in v)), rtol=1e-14)
    assert torch.equal(i, -i.flip(0))
    at = t(0.0, 0.3).requires_grad_()
    part.current(t(2.0), at, p).sum().backward()
    assert float(at.grad[0]) == pytest.approx(2.0, rel=1e-14)
    assert torch.autograd.gradcheck(lambda g, x: part.current(g, x, p), (t(2.0).requires_grad_(), t(0.3, -0.7).requires_grad_()))
    made = ship.DeviceArray(ship.Device(iv=part), 1, dtype=D)
    made.write(50e-6)
    assert float(made.current(0.3)[0]) == pytest.approx(50e-6 * formula(0.3), rel=1e-13)


# -- faults ----------------------------------------------------------------------------------------------------------------------


def test_stuck_fractions_are_disjoint():
    """9.04 % low, 1.75 % high, 2 % open of 20 000, within 3 binomial standard errors; the same at every write; none without
    variation."""
    device = ship.Device(faults=Stuck(low=0.0904, high=0.0175, open=0.02))
    made = ship.DeviceArray(device, N, seed=3, dtype=D)
    made.write(50e-6)
    g = made.conductance()
    for value, fraction in ((1e-6, 0.0904), (100e-6, 0.0175), (0.0, 0.02), (50e-6, 0.8721)):
        share = float((g - value).abs().lt(1e-15).double().mean())
        assert abs(share - fraction) < 3 * math.sqrt(fraction * (1 - fraction) / N)
    made.pulse(count=5)
    made.wait(1.0)
    broken = g != 50e-6
    assert torch.equal(made.conductance()[broken], g[broken])
    assert bool((made.conductance()[~broken] > 50e-6).all())
    sound = ship.DeviceArray(device, N, seed=3, dtype=D, variation=False)
    sound.write(50e-6)
    assert torch.equal(sound.conductance(), torch.full((N,), 50e-6, dtype=D))


def test_stuck_levels_vary():
    """Stuck at (10 +- 1) % of the window."""
    made = ship.DeviceArray(
        ship.Device(g_min=0.0, g_max=100e-6, faults=Stuck(low=1.0, low_at=ship.Varied(0.1, d2d_abs=0.01))), N, seed=3, dtype=D
    )
    assert close_mean(made.conductance(), 10e-6, 1e-6)
    assert close_std(made.conductance(), 1e-6)


def test_stuck_sum():
    with pytest.raises(ParameterError, match=r"rram 'a'\.faults: low \+ high \+ open must be at most 1; got 1.1\. They are"):
        ship.DeviceArray(ship.Device(name="rram", faults=Stuck(low=0.6, high=0.5)), 3, tag="a")
    ship.DeviceArray(ship.Device(faults=Stuck(low=0.7, high=0.2, open=0.1)), 3, dtype=torch.float32)  # a sum of 1 in float32


# -- wear ------------------------------------------------------------------------------------------------------------------------


def test_window_closes():
    """onset 100, rate 0.25 per decade, towards 0.4: half is gone after 10^4 cycles: 0.2 from below, 0.3 from above; then all."""
    part, cycles = Wear(onset=100.0, rate=0.25, towards=0.4), t(1.0, 100.0, 1e4, 1e6, 1e9)
    low, high = part.window(t(0.0), t(1.0), cycles, bag(part))
    assert torch.allclose(low, t(0.0, 0.0, 0.2, 0.4, 0.4), atol=1e-14)
    assert torch.allclose(high, t(1.0, 1.0, 0.7, 0.4, 0.4), atol=1e-14)


def test_a_window_of_decades_closes_in_its_logarithm():
    """1 to 100 uS, rate 0.25 per decade, towards 0.4: after 10^4 cycles half of two decades is gone, 0.4 of it from below."""
    part, cycles = Wear(onset=100.0, rate=0.25, towards=0.4, log=True), t(1.0, 1e4, 1e9)
    low, high = part.window(t(1e-6), t(1e-4), cycles, bag(part))
    assert torch.allclose(low.log10(), t(-6.0, -6 + 0.4, -6 + 0.8), atol=1e-12)
    assert torch.allclose(high.log10(), t(-4.0, -4 - 0.6, -4 - 1.2), atol=1e-12)
    with pytest.raises(ParameterError, match=r"array'\.endurance\.log: needs a g_min above 0 S"):
        ship.DeviceArray(ship.Device(g_min=0.0, endurance=part), 2)


def test_wear_acts_on_pulses_and_writes():
    """500 pulses up close the window by 0.2 lg(500 / 10) at the top; the next write reaches no further than that."""
    wear = Wear(onset=10.0, rate=0.2, towards=0.0)
    made = ship.DeviceArray(ship.Device(g_min=0.0, g_max=100e-6, update=Bounded(alpha_p=1e-3), endurance=wear), 1, dtype=D)
    made.pulse(count=500)
    top = 100e-6 * (1 - 0.2 * math.log10(50))
    assert float(made.window()[1]) == pytest.approx(top, rel=1e-12)
    made.write(100e-6)
    assert float(made.conductance()[0]) == pytest.approx(top, rel=1e-12)
    made.pulse(count=1000)
    assert float(made.conductance()[0]) <= top


def test_lifetimes_are_log_normal():
    """decades 3 +- 0.5: half of the devices fail by 10^3 cycles, 15.87 % by 10^2.5; a failed one is stuck, noise or not."""
    device = ship.Device(
        g_min=0.0,
        g_max=100e-6,
        update=Bounded(alpha_p=1e-6, alpha_d=1e-6),
        programming=GaussianProgramming(sigma=1e-6),
        endurance=Wear(onset=1e12, decades=ship.Varied(3.0, d2d_abs=0.5), fails_at=0.25),
    )
    for cycles, fraction in ((316, 0.5 * (1 + math.erf((math.log10(316) - 3) / 0.5 / math.sqrt(2)))), (1000, 0.5)):
        made = ship.DeviceArray(device, N, seed=4, dtype=D)
        made.pulse(count=cycles)
        made.write(80e-6)
        failed = made.conductance() == 25e-6
        assert abs(float(failed.double().mean()) - fraction) < 3 * math.sqrt(fraction * (1 - fraction) / N)
        made.write(60e-6)
        assert torch.equal(made.conductance()[failed], torch.full((int(failed.sum()),), 25e-6, dtype=D))


# -- errors ----------------------------------------------------------------------------------------------------------------------


def test_errors_name_part_parameter_rule_value():
    with pytest.raises(ParameterError, match=r"device 'x'\.iv\.b: must be above 0 1/V; got 0\."):
        ship.DeviceArray(ship.Device(iv=SinhIV(b=0.0)), 2, tag="x")
    with pytest.raises(ParameterError, match=r"LevelProgramming.of: must be one of 'device', 'pair'; got 'weight'\."):
        LevelProgramming(of="weight")
    with pytest.raises(ParameterError, match=r"Device.noise: must be ReadNoise or None; got SinhIV"):
        ship.Device(noise=SinhIV())
    with pytest.raises(ParameterError, match=r"device 'array'\.update: g_min: must be above 0 S, for a law of the resistance"):
        ship.DeviceArray(ship.Device(g_min=0.0, update=LogarithmicPulses()), 2)
