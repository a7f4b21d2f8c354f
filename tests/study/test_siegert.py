"""Siegert's rate against the integral as it is written, its limits, and the rates of Brunel's network that follow from it."""

import math

import pytest
from scipy.integrate import quad
from scipy.special import erf

import ship
from brunel import theory
from ship.study import siegert


@pytest.mark.parametrize(("mean", "std"), [(0.8, 0.3), (1.2, 0.3), (0.2, 0.5), (1.0, 1.5), (3.0, 0.8)])
def test_it_is_the_integral(mean, std):
    """``1 / rate = t_ref + tau sqrt(pi) int exp(x^2) (1 + erf(x)) dx``, x from reset to threshold, less mean, over std."""
    low, high = (0.3 - mean) / std, (1.0 - mean) / std
    integral = quad(lambda x: math.exp(x * x) * (1 + erf(x)), low, high, epsabs=0, epsrel=1e-12)[0]
    want = 1 / (2e-3 + 20e-3 * math.sqrt(math.pi) * integral)
    assert siegert(mean, std, tau=20e-3, v_th=1.0, v_reset=0.3, t_ref=2e-3) == pytest.approx(want, rel=1e-7)


@pytest.mark.parametrize("std", [0.0, 1e-12, 1e-6])
def test_without_noise_it_is_the_rate_of_the_deterministic_neuron(std):
    """``1 / (t_ref + tau ln(v0 / (v0 - theta)))``, 10 ms and 5 ms, 10 mV: 34.508, 62.554 and 83.812 Hz."""
    for v0, hz in ((11e-3, 34.508), (15e-3, 62.554), (20e-3, 83.812)):
        found = siegert(v0, std * 1e-2, tau=10e-3, v_th=10e-3, t_ref=5e-3)
        assert found == pytest.approx(hz, abs=5e-4)
        assert found == pytest.approx(1 / (5e-3 + 10e-3 * math.log(v0 / (v0 - 10e-3))), rel=1e-8)


def test_limits():
    """Silence far below threshold, 1 / t_ref far above it, and more spikes with more of either."""
    assert siegert(0.9, 0.0) == 0.0
    assert siegert(0.0, 0.03) == 0.0  # exp((1 / 0.03)^2) exceeds float64
    assert 0.0 < siegert(0.0, 0.05) < 1e-100
    assert siegert(1e9, 1.0, t_ref=2e-3) == pytest.approx(500.0, rel=1e-6)
    rates = [siegert(0.7, std) for std in (0.05, 0.1, 0.2, 0.4, 0.8)]
    assert rates == sorted(rates)


def test_errors():
    with pytest.raises(ship.ParameterError, match=r"study\.siegert: std: must be at least 0 V; got -1"):
        siegert(1.0, -1.0)
    with pytest.raises(ship.ParameterError, match=r"study\.siegert: tau: must be above 0 s; got 0"):
        siegert(1.0, 1.0, tau=0.0)
    with pytest.raises(ship.RunError, match="v_reset: must be below the threshold of 1 V; got 1"):
        siegert(1.0, 1.0, v_reset=1.0)


@pytest.mark.parametrize(
    ("g", "eta", "v_reset", "rate"),
    [(5, 2, 10e-3, 37.95), (6, 4, 10e-3, 55.84), (4.5, 0.9, 10e-3, 6.52), (3, 2, 10e-3, 327.0), (5, 2, 0.0, 32.03)],
)
def test_rates_of_brunels_network(g, eta, v_reset, rate):
    """The mean field of Brunel (2000), whose theory gives 38.0, 55.8 and 6.5 Hz in the irregular regimes."""
    assert theory(g, eta, v_reset) == pytest.approx(rate, abs=0.05 if rate > 100 else 0.006)
