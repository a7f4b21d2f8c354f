"""Neurons beside Brian2 (peer test: skipped where it is not installed): slot for slot where both are exact, else to some slots.

A slot of Brian2 updates the state, compares and resets; its spike of slot k is what SHIP emits at t_{k+1}. In volts and seconds.
"""

import pytest
import torch

import ship
from neurons import driven

try:
    brian2 = pytest.importorskip("brian2")
except AttributeError:  # Brian2 2.9 with NumPy 2.4
    pytest.skip("Brian2 does not import with this NumPy", allow_module_level=True)
pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("no_grad")]
DT = 1e-4


def spikes_of_brian(equations, threshold, reset, levels, duration, *, method, initial, dt=DT, **names):
    """Slots of the spikes of each unit, as SHIP counts them."""
    brian2.prefs.codegen.target = "numpy"
    brian2.start_scope()
    brian2.defaultclock.dt = dt * brian2.second
    group = brian2.NeuronGroup(
        len(levels), equations + "\nlevel : 1 (constant)", threshold=threshold, reset=reset, method=method, namespace=names
    )
    group.level = levels
    for name, value in initial.items():
        setattr(group, name, value)
    monitor = brian2.SpikeMonitor(group)
    network = brian2.Network(group, monitor)
    network.run(duration * brian2.second)
    found = [[] for _ in levels]
    for unit, time in zip(monitor.i, monitor.t / brian2.second, strict=True):
        found[unit].append(round(float(time) / dt) + 1)
    return found


def slots(spikes):
    return [spikes[:, j].nonzero().flatten().tolist() for j in range(spikes.shape[1])]


def test_adaptive_threshold_slot_for_slot():
    levels = [60.0, 111.0, 237.0, 404.0]
    peer = spikes_of_brian(
        "dv/dt = -v / (20*ms) + level / second : 1\ndtheta/dt = -theta / (150*ms) : 1",
        "v >= 1 + theta",
        "v = 0; theta += 0.13",
        levels,
        0.4,
        method="exact",
        initial={},
    )
    spikes, _ = driven(ship.AdaptiveLIF, levels, 0.4 + DT, dt=DT, theta_step=0.13, tau_theta=0.15)
    assert slots(spikes) == peer
    assert sum(map(len, peer)) > 50


def test_adaptation_current_slot_for_slot():
    levels = [80.0, 131.0, 237.0, 404.0]
    peer = spikes_of_brian(
        "dv/dt = (-v - w) / (20*ms) + level / second : 1\ndw/dt = (0.7 * v - w) / (100*ms) : 1",
        "v >= 1",
        "v = 0; w += 0.17",
        levels,
        0.4,
        method="exact",
        initial={},
    )
    spikes, _ = driven(ship.CurrentAdaptiveLIF, levels, 0.4 + DT, dt=DT, a=0.7, b=0.17)
    assert slots(spikes) == peer
    assert sum(map(len, peer)) > 40


def test_izhikevich_in_small_slots():
    """Runge and Kutta's method of order 4 in slots of 20 us there, the exact update here: 10 slots over 0.15 s."""
    levels, dt = [5.0, 10.0, 20.0], 2e-5
    peer = spikes_of_brian(
        "dv/dt = (0.04 * v**2 + 5 * v + 140 - u + level) / ms : 1\ndu/dt = 0.02 * (0.2 * v - u) / ms : 1",
        "v >= 30",
        "v = -65; u += 8",
        levels,
        0.15,
        method="rk4",
        initial={"v": -65, "u": -13},
        dt=dt,
    )
    found = slots(driven(ship.Izhikevich, levels, 0.15 + dt, dt=dt, engine="fused")[0])
    near(found, peer, 10)


def test_hodgkin_and_huxley_in_small_slots():
    """Runge and Kutta's method of order 4 in slots of 20 us there, the split step of order 2 here: 3 slots over 60 ms."""
    levels, dt = [7.0, 10.0, 20.0], 2e-5
    equations = """
    dv/dt = (level - 120 * m**3 * h * (v - 50) - 36 * n**4 * (v + 77) - 0.3 * (v + 54.387)) / ms : 1
    dm/dt = (1 / exprel(-(v + 40) / 10) * (1 - m) - 4 * exp(-(v + 65) / 18) * m) / ms : 1
    dh/dt = (0.07 * exp(-(v + 65) / 20) * (1 - h) - h / (1 + exp(-(v + 35) / 10))) / ms : 1
    dn/dt = (0.1 / exprel(-(v + 55) / 10) * (1 - n) - 0.125 * exp(-(v + 65) / 80) * n) / ms : 1
    """
    start = {"v": -65.0, "m": 0.0529324852572496, "h": 0.596120753508460, "n": 0.317676914060697}
    peer = spikes_of_brian(equations, "v > 0", "", levels, 0.06, method="rk4", initial=start, dt=dt)
    peer = [[k for j, k in enumerate(unit) if j == 0 or k - unit[j - 1] > 1] for unit in peer]  # upward crossings
    found = slots(driven(ship.HodgkinHuxley, torch.tensor(levels) * 200e-12, 0.06, dt=dt, engine="fused")[0])
    near(found, peer, 3)


def near(found, peer, limit):
    assert [len(f) for f in found] == [len(p) for p in peer]
    assert sum(map(len, peer)) > 5
    for f, p in zip(found, peer, strict=True):
        assert max(abs(a - b) for a, b in zip(f, p, strict=True)) <= limit
