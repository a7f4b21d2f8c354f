"""Fits of retention, current-voltage curves, statistics, endurance and neurons: known truth comes back."""

import math

import numpy as np
import pytest

import ship
from ship.devices.fitting.neuron import rate

pytestmark = pytest.mark.usefixtures("no_grad")


def test_retention_power_law():
    rng, t = np.random.default_rng(0), np.geomspace(1, 1e4, 12)
    g = np.concatenate([g0 * t**-0.05 * (1 + 0.003 * rng.standard_normal(12)) for g0 in (150e-6, 200e-6, 300e-6)])
    columns = {"time_s": np.tile(t, 3), "G (uS)": g * 1e6, "level": np.repeat([0, 1, 2], 12)}
    found = ship.fit(columns, replicates=50)
    assert (found.kind, found.best.name) == ("retention", "power")
    nu = found.best.parameters["nu, mean"]
    assert nu.low < 0.05 < nu.high
    assert nu.value == pytest.approx(0.05, abs=0.001)


def test_retention_exponential():
    t = np.linspace(1, 300, 40)
    g = 5e-6 + 20e-6 * np.exp(-t / 60) + 0.05e-6 * np.random.default_rng(0).standard_normal(40)
    found = ship.fit({"t": t, "g": g}, "retention", unit={"time": "s", "conductance": "S"}, replicates=40)
    assert found.best.name == "exponential"
    tau = found.best.parameters["tau"]
    assert tau.low < 60 < tau.high
    with pytest.raises(ship.FitError, match="two levels"):
        _ = found.device


def iv_sweep(a_on, a_off, b, noise_of=0.01, seed=0):
    v = np.concatenate([np.linspace(0, 1, 100), np.linspace(1, 0, 100), np.linspace(0, -1, 100), np.linspace(-1, 0, 100)])
    a = np.concatenate([np.full(100, a_off), np.full(100, a_on), np.full(100, a_on), np.full(100, a_off)])
    i = a * np.sinh(b * v)
    return v, i * (1 + noise_of * np.random.default_rng(seed).standard_normal(400))


def test_iv_sinh_and_states():
    sweeps = [iv_sweep(2e-6, 2e-7, 3.0, seed=s) for s in range(4)]
    columns = {
        "voltage": np.concatenate([v for v, _ in sweeps]),
        "current": np.concatenate([i for _, i in sweeps]),
        "sweep": np.repeat(range(4), 400),
    }
    found = ship.fit(columns, "iv", unit={"voltage": "V", "current": "A"}, v_read=0.1, replicates=40)
    assert found.best.name == "sinh"
    assert found.best.parameters["b, on"].value == pytest.approx(3.0, rel=0.02)
    assert found.best.parameters["a, off"].value == pytest.approx(2e-7, rel=0.05)
    assert found.summary["on/off, median"].value == pytest.approx(10, rel=0.03)
    # area: integral of the difference of both sinh, cosh(3) - 1 over 3 on each side
    area = 2 * (2e-6 - 2e-7) * (math.cosh(3) - 1) / 3
    assert found.summary["area of the loop, median"].value == pytest.approx(area, rel=0.08)
    g = 2e-6 * math.sinh(0.3) / 0.1
    assert float(found.device.g_max) == pytest.approx(g, rel=0.03)
    assert found.device.v_read == 0.1


def test_iv_by_a_shunt():
    v, i = iv_sweep(2e-6, 2e-7, 3.0)
    columns = {"shunt": i * 1000, "source": v + i * 1000}
    with pytest.raises(ship.FitError, match="shunt=1000"):
        ship.fit(columns, unit="V")
    found = ship.fit(columns, unit="V", shunt=1000.0, v_read=0.1, replicates=20)
    assert found.summary["on/off, median"].value == pytest.approx(10, rel=0.05)


def test_iv_without_hysteresis_gives_no_device():
    v, i = iv_sweep(1e-6, 1e-6, 3.0)
    found = ship.fit({"voltage": v, "current": i}, unit={"voltage": "V", "current": "A"}, v_read=0.2, replicates=20)
    with pytest.raises(ship.FitError, match="two states"):
        _ = found.device


def test_statistics():
    rng = np.random.default_rng(2)
    z = rng.standard_normal((2, 60))
    v_set = 1.2 + 0.1 * z[0]
    r_off = 1e5 * np.exp(0.5 * (0.8 * z[0] + 0.6 * z[1]))
    r_on = 1e3 * np.exp(0.1 * rng.standard_normal(60))
    columns = {"V_set (V)": v_set, "R_on (ohm)": r_on, "R_off (ohm)": r_off}
    found = ship.fit(columns, replicates=200)
    assert found.kind == "statistics"
    by_name = {f.name: f for f in found.ranking}
    mean = by_name["v_set: normal"].parameters["mean"]
    assert mean.low < 1.2 < mean.high
    assert not by_name["off: normal"].fits
    assert by_name["off: log-normal"].fits
    assert by_name["off: log-normal"].parameters["sigma of ln"].value == pytest.approx(0.5, rel=0.25)
    assert found.summary["rank correlation v_set, off"].value < -0.6  # of conductances
    assert float(found.device.g_max) == pytest.approx(1e-3, rel=0.05)
    assert float(found.device.v_set) == pytest.approx(1.2, rel=0.05)


def test_statistics_of_two_populations_are_refused():
    rng = np.random.default_rng(0)
    g = np.concatenate([1e-9 * np.exp(0.3 * rng.standard_normal(20)), 1e-3 * np.exp(0.3 * rng.standard_normal(20))])
    found = ship.fit({"g_on": g, "g_off": g / 100}, "statistics", unit="S", replicates=100)
    assert {f.name for f in found.ranking if f.fits} == {"on: two log-normal", "off: two log-normal"}
    with pytest.raises(ship.FitError, match=r"several populations; got 50 % around 9\.47e-10"):
        _ = found.device


def test_endurance():
    rng, n = np.random.default_rng(0), np.geomspace(1, 1e6, 25).round()
    on, off = (100 - 6 * np.log10(n)) * 1e-6, (5 + 0.5 * np.log10(n)) * 1e-6
    columns = {"cycle": n, "g_on": on * (1 + 0.01 * rng.standard_normal(25)), "g_off": off * (1 + 0.01 * rng.standard_normal(25))}
    found = ship.fit(columns, unit="S", replicates=40)
    assert (found.kind, found.best.name) == ("endurance", "logarithmic")
    b = found.best.parameters["b[on]"]
    assert b.low < 6e-6 < b.high


def test_neuron():
    current = np.linspace(0.5e-9, 6e-9, 30)
    f = rate("LIF", np.array([1.5e-9, 15e-3, 3e-3]), current)
    f = f * (1 + 0.01 * np.random.default_rng(0).standard_normal(30))
    found = ship.fit({"current_nA": current * 1e9, "rate_Hz": f}, replicates=60)
    assert (found.kind, found.best.name) == ("f-I", "LIF")
    for name, value in (("tau", 15e-3), ("t_ref", 3e-3), ("i_th", 1.5e-9)):
        estimate = found.best.parameters[name]
        assert estimate.value == pytest.approx(value, rel=0.05)
        assert estimate.low * 0.98 < value < estimate.high * 1.02
    lif, gain = found.values["ship.LIF"], found.values["input"]["V/s per A"]
    model = ship.LIF(tau=lif["tau"], t_ref=lif["t_ref"], v_th=lif["v_th"])
    assert model.tau == lif["tau"]
    v0 = lif["tau"] * gain * 4e-9
    predicted = 1 / (lif["t_ref"] + lif["tau"] * math.log(v0 / (v0 - lif["v_th"])))
    assert predicted == pytest.approx(float(rate("LIF", np.array([1.5e-9, 15e-3, 3e-3]), np.array([4e-9]))[0]), rel=0.02)
    with pytest.raises(ship.FitError, match="not a memory device"):
        _ = found.device


def test_rate_is_the_textbook():
    """f = 1 / (t_ref + tau ln(v0 / (v0 - theta))) with tau 10 ms, t_ref 5 ms, theta 10 mV: 34.508 Hz at v0 = 11 mV."""
    p = np.array([10e-3, 10e-3, 5e-3])
    assert rate("LIF", p, np.array([11e-3, 15e-3, 20e-3, 9e-3])) == pytest.approx([34.508, 62.554, 83.812, 0.0], rel=1e-4)
