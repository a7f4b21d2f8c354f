"""Exponential neurons: rate as the integral of 1 / f, onset, order, limits; patterns of the adaptive one by an integration."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

import ship
from neurons import driven, mean_rate, times

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
TAU, REST, V_T, DELTA, PEAK, RESET = 10e-3, -65e-3, -59.9e-3, 3.48e-3, -30e-3, -68e-3


def slope(v, level):
    return (REST - v + DELTA * np.exp((v - V_T) / DELTA)) / TAU + level


@pytest.mark.parametrize("dt", [2e-4, 1e-4])
def test_rate_is_the_integral(dt):
    """T = integral dv / f(v) from v_reset to v_peak; seen at the next slot."""
    levels = [0.3, 0.6, 1.5, 5.0]
    spikes, _ = driven(ship.EIF, levels, 0.3, dt=dt)
    for j, level in enumerate(levels):
        exact = quad(lambda v, level=level: 1 / slope(v, level), RESET, PEAK, limit=200)[0]
        assert spikes[:, j].sum() > 4
        assert -0.5 * dt < 1 / mean_rate(spikes, dt, j) - exact < 2 * dt  # the upswing takes a few slots


def test_onset_of_the_exponential_neuron():
    """f has its minimum at v_t: silent below (v_t - v_rest - delta_t) / tau = 0.162 V/s."""
    onset = (V_T - REST - DELTA) / TAU
    spikes, _ = driven(ship.EIF, [0.99 * onset, 1.01 * onset], 2.5, dt=1e-3)
    assert (spikes.sum(0) > 0).tolist() == [False, True]


def test_order_two_below_threshold():
    truth = solve_ivp(lambda t, v: slope(v, 0.3), (0, 0.008), [REST], rtol=1e-12, atol=1e-15, method="DOP853").y[0, -1]
    errors = []
    for dt in (1e-3, 0.5e-3, 0.25e-3):
        _, record = driven(ship.EIF, 0.3, 0.008 + dt, dt=dt, watch=("v",))
        errors.append(abs(float(record.v[0, -1, 0]) - truth))
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(2, abs=0.25)


def test_a_small_slope_is_a_leaky_neuron_at_v_t():
    """T = tau ln((v_inf - v_reset) / (v_inf - v_t)), v_inf = v_rest + tau i."""
    dt, level = 1e-5, 1.0
    spikes, _ = driven(ship.EIF, level, 0.04, dt=dt, delta_t=1e-9)
    v_inf = REST + TAU * level
    exact = TAU * math.log((v_inf - RESET) / (v_inf - V_T))
    assert -1e-9 < 1 / mean_rate(spikes, dt) - exact < 2 * dt


@pytest.mark.parametrize(
    ("model", "level", "options"),
    [
        (ship.EIF, 1.6e3, {}),
        (ship.EIF, 1.6e10, {"delta_t": 1e-12, "tau": 1e-9}),
        (ship.QIF, 2.5e12, {"tau": 1e-9}),
        (ship.AdEx, 6e-6, {}),
        (ship.AdEx, 6e-6, {"delta_t": 1e-12, "c_m": 1e-18, "tau_w": 1e-9}),
        (ship.HodgkinHuxley, 1.3e-5, {}),
        (ship.Izhikevich, 4e4, {}),
        (ship.ConductanceLIF, 1e-6, {"c_m": 1e-18}),
    ],
)
def test_ten_thousand_times_the_onset(model, level, options):
    """In slots of 1 us to 1 s: never NaN, and where it resets it spikes all along in the longer ones."""
    for dt in (1e-6, 1e-3, 1.0):
        states = model.states._fields
        spikes, record = driven(model, [level, -level], 12 * dt, dt=dt, watch=states, **options)
        assert all(bool(torch.isfinite(record[name]).all()) for name in states)
        assert spikes[:, 1].sum() == 0
        if dt > 1e-5 and model is not ship.HodgkinHuxley:
            assert spikes[1:, 0].sum() >= (8 if model is ship.AdEx else 11)


# -- AdEx ----------------------------------------------------------------------------------------------------------------------

DEFAULT = {
    "c": 281e-12,
    "g": 30e-9,
    "e": -70.6e-3,
    "t": -50.4e-3,
    "d": 2e-3,
    "tau": 144e-3,
    "a": 4e-9,
    "b": 80.5e-12,
    "r": -70.6e-3,
}


def test_where_rest_is_lost():
    """A Hopf bifurcation: g_L / C (e^((v - v_T) / D) - 1) = 1 / tau_w; the current that rests there is 627.18 pA."""
    p = DEFAULT
    v = p["t"] + p["d"] * math.log1p(p["c"] / (p["g"] * p["tau"]))
    hold = lambda v: p["g"] * (v - p["e"]) - p["g"] * p["d"] * math.exp((v - p["t"]) / p["d"]) + p["a"] * (v - p["e"])  # noqa: E731
    assert hold(v) == pytest.approx(627.18e-12, abs=0.01e-12)
    levels = [0.97 * hold(v), 1.005 * hold(v)]
    rest = brentq(lambda x: hold(x) - levels[0], p["e"], v)
    start = {"v": torch.tensor([rest + 1e-4, v]), "w": torch.tensor([p["a"] * (rest - p["e"]), p["a"] * (v - p["e"])])}
    spikes, record = driven(ship.AdEx, levels, 1.2, dt=5e-5, watch=("v",), engine="fused", initial=start)
    assert (spikes.sum(0) > 0).tolist() == [False, True]
    assert float(record.v[0, -1, 0]) == pytest.approx(rest, abs=3e-6)


PATTERNS = {  # Naud et al., Biol. Cybern. 99:335 (2008)
    "tonic": ({"c": 200e-12, "g": 10e-9, "e": -70e-3, "a": 2e-9, "tau": 30e-3, "b": 0.0, "r": -58e-3}, 500e-12),
    "adaptation": ({"c": 200e-12, "g": 12e-9, "e": -70e-3, "a": 2e-9, "tau": 300e-3, "b": 60e-12, "r": -58e-3}, 500e-12),
    "initial burst": ({"c": 130e-12, "g": 18e-9, "e": -58e-3, "a": 4e-9, "tau": 150e-3, "b": 120e-12, "r": -50e-3}, 400e-12),
}
NAMES = {"c": "c_m", "g": "g_leak", "e": "e_leak", "t": "v_t", "d": "delta_t", "tau": "tau_w", "a": "a", "b": "b", "r": "v_reset"}


def integrated(p, current, duration):
    """Spike times by an adaptive method, with the spike as an event; independent of the package."""

    def side(t, y):
        v, w = y
        up = p["g"] * p["d"] * math.exp((v - p["t"]) / p["d"])
        return [(p["g"] * (p["e"] - v) + up - w + current) / p["c"], (p["a"] * (v - p["e"]) - w) / p["tau"]]

    cut = lambda t, y: y[0]  # noqa: E731
    cut.terminal = True
    t, y, found = 0.0, [p["e"], 0.0], []
    while True:
        run = solve_ivp(side, (t, duration), y, rtol=1e-9, atol=1e-14, events=cut, max_step=5e-3)
        if run.status != 1:
            return np.array(found)
        t, y = run.t[-1], [p["r"], run.y[1, -1] + p["b"]]
        found.append(t)


@pytest.mark.parametrize("name", PATTERNS)
def test_firing_patterns(name):
    given, current = PATTERNS[name]
    p = DEFAULT | {"t": -50e-3, "d": 2e-3} | given
    dt = 1e-5
    spikes, _ = driven(ship.AdEx, current, 0.3, dt=dt, engine="fused", **{NAMES[k]: v for k, v in p.items()})
    found, right = times(spikes, dt).numpy(), integrated(p, current, 0.3)
    assert len(found) == pytest.approx(len(right), abs=1)
    n = min(len(found), len(right))
    assert n >= 4
    # Order 1: a spike is late by up to a slot for each one before it, and by the error of its own upswing.
    assert np.abs(found[:n] - right[:n]).max() < 6 * dt * n
    gaps = np.diff(found)
    if name == "tonic":
        assert np.ptp(gaps[4:]) < 0.03 * gaps[-1]
    elif name == "adaptation":
        assert gaps[-1] > 2 * gaps[0]
    else:
        assert gaps[-1] > 3 * gaps[0]
