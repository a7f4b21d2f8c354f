"""HfO2 resistive memory: the fit's reference numbers, populations, gradients, limits, writing and differential pairs."""

import math

import pytest
import torch

from ship.base.errors import ParameterError
from ship.devices import HfO2Drift
from ship.devices.materials import hfo2
from ship.devices.parts.programming import of_a_pair

D = torch.float64
MEANS = [(50, 48.82, 37.63), (60, 60.67, 56.38), (70, 69.59, 68.35), (120, 119.59, 118.35)]


def s(*micro):
    """Return siemens from microsiemens."""
    return torch.tensor(micro, dtype=D) * 1e-6


def drift_spread(g0, t):
    """sigma over the mean at t (s), from the published law."""
    return hfo2.spread_law(g0 * 1e6, math.log10(t))


def drifted(g0, t, xi, continuous=False):
    """What the part makes of g0 (S) after t (s), with one normal number for each device."""
    return HfO2Drift(continuous=continuous).drift(g0, torch.as_tensor(t, dtype=D), None, (xi,))


@pytest.mark.parametrize(("g0", "early", "late"), MEANS)
def test_reference_means(g0, early, late):
    """mu in uS at 10 s and 1e4 s; the reference has two decimals."""
    assert float(hfo2.drift_mean(s(g0), 10.0)) * 1e6 == pytest.approx(early, abs=0.0051)
    assert float(hfo2.drift_mean(s(g0), 1e4)) * 1e6 == pytest.approx(late, abs=0.0051)


@pytest.mark.parametrize(("g0", "early", "late"), [(50, 0.0826, 0.318), (120, 0.0153, 0.0456)])
def test_reference_spreads(g0, early, late):
    """sigma / mu at 10 s and 1e4 s; the reference has three digits."""
    assert float(drift_spread(s(g0), 10.0)) == pytest.approx(early, abs=5e-5)
    assert float(drift_spread(s(g0), 1e4)) == pytest.approx(late, rel=2e-3)


@pytest.mark.parametrize("t", [10.0, 100.0, 1e4])
def test_jump_of_the_published_law(t):
    """0.9546 w + 4.82 - w = 1.8958 uS from the levels and 8e-5 a decade from the slopes at w = 64.41; none if continuous."""
    around = s(64.41 - 1e-6, 64.41 + 1e-6)
    below, above = (hfo2.drift_mean(around, t) * 1e6).tolist()
    assert below - above == pytest.approx(1.8958, abs=1e-3)
    below, above = (hfo2.drift_mean(around, t, continuous=True) * 1e6).tolist()
    # The steepest slope is 0.9546 + 0.2302 * 4 = 1.876, over 2e-6 uS.
    assert below == pytest.approx(above, abs=4e-6)


def test_as_written():
    """At t = 0 every device has exactly g0, without spread."""
    g0 = s(50, 64, 120)
    assert torch.equal(drifted(g0, 0.0, torch.tensor([-2.0, 1.0, 3.0], dtype=D)), g0)
    assert torch.equal(hfo2.drift_mean(g0, 0.0), g0)


@pytest.mark.parametrize("g0", [50.0, 60.0, 70.0, 120.0])
@pytest.mark.parametrize("t", [10.0, 1e4])
def test_population(g0, t):
    """Of 1e5 devices the mean is within 3 sigma / sqrt(n), the standard deviation within 3 sigma / sqrt(2 n)."""
    n = 100_000
    xi = torch.randn(n, dtype=D, generator=torch.Generator().manual_seed(1))
    g = drifted(s(g0).expand(n), t, xi)
    mean = float(hfo2.drift_mean(s(g0), t))
    std = mean * float(drift_spread(s(g0), t))
    assert float(g.mean()) == pytest.approx(mean, abs=3 * std / math.sqrt(n))
    assert float(g.std()) == pytest.approx(std, abs=3 * std / math.sqrt(2 * n))
    assert float(g.min()) >= 0


def test_a_device_keeps_its_quantile():
    """One xi a device: (g - mu) / sigma gives it back at every t, so the order of devices never changes."""
    xi = torch.randn(1000, dtype=D, generator=torch.Generator().manual_seed(2)).clamp(-3, 3)
    g0 = s(55).expand(1000)
    for t in (10.0, 100.0, 1e3, 1e4):
        mean = hfo2.drift_mean(g0, t)
        quantile = (drifted(g0, t, xi) - mean) / (mean * drift_spread(g0, t))
        torch.testing.assert_close(quantile, xi, rtol=1e-10, atol=1e-10)


def test_never_below_zero():
    """At 50 uS and 1e4 s, 1 + 0.318 xi is negative from xi = -3.14 on."""
    g = drifted(s(50, 50, 50), 1e4, torch.tensor([-3.0, -3.2, -6.0], dtype=D))
    assert (g > 0).tolist() == [True, False, False]
    assert (g[1:] == 0).all()


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("t", [20.0, 3000.0])
def test_gradients(t, continuous):
    """The gradients pass `gradcheck` away from the kinks, in uS so that its step is small against the values."""
    w = torch.tensor([50.0, 58.0, 70.0, 119.0], dtype=D, requires_grad=True)
    xi = torch.tensor([0.3, -1.0, 2.0, -0.5], dtype=D, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w, xi: drifted(w * 1e-6, t, xi, continuous=continuous) * 1e6, (w, xi))


@pytest.mark.parametrize(
    ("g0", "t", "text"),
    [
        (60.0, 5.0, r"HfO2 drift: t: must be 0 or lie from 10 s to 10000 s, where the fit is valid; got 5 s\."),
        (60.0, 2e4, r"got 20000 s\."),
        (60.0, -1.0, r"got -1 s\."),
        (60.0, float("nan"), r"got nan s\."),
        (44.0, 10.0, r"HfO2 drift: g0: must lie from 45 uS to 130 uS, where the fit is valid; got 44 uS\."),
        (float("nan"), 10.0, "HfO2 drift: g0"),
    ],
)
def test_errors_of_drift(g0, t, text):
    with pytest.raises(ParameterError, match=text):
        hfo2.drift_mean(s(60.0, g0), t)


@pytest.mark.parametrize("levels", [2, 8, 64])
def test_programming_spread(levels):
    """Two devices that scatter independently give the weight (range / levels) / 6, within 3 sigma of 1e5 writes."""
    n, w_max = 100_000, 2.0
    plus, minus = torch.randn(2, n, dtype=D, generator=torch.Generator().manual_seed(3))
    sigma, span = of_a_pair(hfo2.G_MAX - hfo2.G_MIN, float(levels)), hfo2.G_MAX - hfo2.G_MIN
    weight = sigma * (plus - minus) * (w_max / span)
    expected = 2 * w_max / levels / 6
    assert float(weight.mean()) == pytest.approx(0, abs=3 * expected / math.sqrt(n))
    assert float(weight.std()) == pytest.approx(expected, abs=3 * expected / math.sqrt(2 * n))
