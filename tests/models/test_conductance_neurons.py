"""Neurons with conductances: the leaky one against its closed form, Hodgkin and Huxley's against an adaptive integration."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import ship
from neurons import driven, mean_rate, times

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
PER_AREA = 200e-12  # A for 1 uA/cm^2 on 20,000 um^2


@pytest.mark.parametrize("dt", [1e-4, 2e-3])
def test_constant_conductances_are_solved_exactly(dt):
    """v = v_inf + (v_0 - v_inf) e^(-t G / C), G = g_L + g_e + g_i, v_inf = sum g E / G."""
    net = ship.Network()
    net.add(ship.ConductanceLIF, "c", n=1, v_th=1.0)
    for port in ("exc", "inh"):
        net.add(ship.CurrentInput, port, n=1)
        net.add(ship.Link, f"{port}>c", source=port, target="c", port=port)
    net.init(dt=dt, dtype=D)
    net.monitor("c", "v")
    net.run({"exc": torch.full((1, 20, 1), 6e-9, dtype=D), "inh": torch.full((1, 20, 1), 4e-9, dtype=D)})
    g, v_inf = 20e-9, (10 * -60e-3 + 4 * -80e-3) / 20
    t = torch.arange(20, dtype=D) * dt
    exact = v_inf + (-60e-3 - v_inf) * torch.exp(-t * g / 200e-12)
    torch.testing.assert_close(net.records["c"].v[0, :, 0], exact, rtol=1e-12, atol=0)


def test_rates_of_a_constant_current():
    """f = 1 / (t_ref + tau ln(v0 / (v0 - theta))), tau 10 ms, t_ref 5 ms, theta 10 mV: 34.508, 62.554, 83.812 Hz."""
    dt = 1e-5
    v0 = torch.tensor([11e-3, 15e-3, 20e-3], dtype=D)
    options = {"g_leak": 20e-9, "e_leak": 0.0, "v_reset": 0.0, "v_th": 10e-3, "t_ref": 5e-3}
    spikes, _ = driven(ship.ConductanceLIF, v0 * 20e-9, 0.3, dt=dt, engine="fused", **options)
    for j, rate in enumerate((34.508, 62.554, 83.812)):
        assert 0 <= 1 / mean_rate(spikes, dt, j) - 1 / rate < dt + 1e-6


# -- Hodgkin and Huxley --------------------------------------------------------------------------------------------------------


def ratio(x):
    return x / -math.expm1(-x) if abs(x) > 1e-9 else 1 + x / 2


def side(t, y, current):
    """The equations of 1952 per cm^2, in mV and ms; written anew."""
    v, m, h, n = y
    am, bm = ratio((v + 40) / 10), 4 * math.exp(-(v + 65) / 18)
    ah, bh = 0.07 * math.exp(-(v + 65) / 20), 1 / (1 + math.exp(-(v + 35) / 10))
    an, bn = 0.1 * ratio((v + 55) / 10), 0.125 * math.exp(-(v + 65) / 80)
    ionic = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
    return [current - ionic, am * (1 - m) - bm * m, ah * (1 - h) - bh * h, an * (1 - n) - bn * n]


START = [-65.0, 0.0529324852572496, 0.596120753508460, 0.317676914060697]


def integrated(current, duration):
    """Times (s) of upward crossings of 0 mV, and the last voltage (V)."""
    crossing = lambda t, y, current: y[0]  # noqa: E731
    crossing.direction = 1
    run = solve_ivp(side, (0, duration * 1e3), START, args=(current,), method="LSODA", rtol=1e-9, atol=1e-10, events=crossing)
    return run.t_events[0] * 1e-3, run.y[0, -1] * 1e-3


@pytest.mark.parametrize("current", [2.0, 5.0, 7.0, 10.0, 20.0])
def test_spikes_of_a_constant_current(current):
    """One spike for each upward crossing of 0 mV, at the times of an independent integration, to three slots over 150 ms."""
    dt = 2e-5
    spikes, _ = driven(ship.HodgkinHuxley, current * PER_AREA, 0.15, dt=dt, engine="fused")
    found, right = times(spikes, dt).numpy(), integrated(current, 0.15)[0]
    assert len(found) == len(right)
    assert len(found) >= (0 if current < 3 else 1)
    assert len(found) == 0 or np.abs(found - right).max() < 3 * dt


def test_onset_and_rate():
    """Repetitive firing begins between 6 and 6.5 uA/cm^2, at some 50 Hz at once (class II); 10 uA/cm^2 give 68.3 Hz."""
    dt = 5e-5
    levels = torch.tensor([5.9, 6.5, 10.0]) * PER_AREA
    spikes, _ = driven(ship.HodgkinHuxley, levels, 0.6, dt=dt, engine="fused")
    late = spikes[round(0.3 / dt) :].sum(0)
    assert late[0] == 0
    assert mean_rate(spikes, dt, 1) == pytest.approx(55.0, abs=1.0)
    assert mean_rate(spikes, dt, 2) == pytest.approx(68.3, abs=0.3)


def test_order_two():
    """The voltage in the upswing of the first spike under 10 uA/cm^2, at 2 ms, against an integration."""
    truth = integrated(10.0, 2e-3)[1]
    errors = []
    for dt in (5e-5, 2.5e-5, 1.25e-5):
        _, record = driven(ship.HodgkinHuxley, 10.0 * PER_AREA, 2e-3 + dt, dt=dt, watch=("v",))
        errors.append(abs(float(record.v[0, -1, 0]) - truth))
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(2, abs=0.25)


@pytest.mark.parametrize("v", [-80e-3, -65e-3, -55e-3, -40e-3, 20e-3])
def test_gates_at_a_clamped_voltage(v):
    """They settle at alpha / (alpha + beta), also at -40 and -55 mV, where a rate is 0 / 0 as written."""
    _, record = driven(ship.HodgkinHuxley, 0.0, 0.2, dt=1e-3, watch=("v", "m", "h", "n"), g_leak=1e3, e_leak=v)
    mv = 1e3 * v
    gates = {
        "m": (ratio((mv + 40) / 10), 4 * math.exp(-(mv + 65) / 18)),
        "h": (0.07 * math.exp(-(mv + 65) / 20), 1 / (1 + math.exp(-(mv + 35) / 10))),
        "n": (0.1 * ratio((mv + 55) / 10), 0.125 * math.exp(-(mv + 65) / 80)),
    }
    assert float(record.v[0, -1, 0]) == pytest.approx(v, abs=1e-9)
    for name, (alpha, beta) in gates.items():
        assert float(record[name][0, -1, 0]) == pytest.approx(alpha / (alpha + beta), rel=1e-6)


def test_rest():
    """The initial state is at rest to 10 uV: the leak potential of -54.387 mV is that of the shifted equations."""
    _, record = driven(ship.HodgkinHuxley, 0.0, 0.05, dt=1e-4, watch=("v",))
    assert float((record.v + 65e-3).abs().max()) < 1e-5
