"""Devices whose numbers are known, measured by simulation: for tests of fits, and for `make coverage`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray


class Known(NamedTuple):
    """A measurement of a known device: quantities in SI (or labels) by their roles, and true values by rows of the summary."""

    kind: str
    rows: dict[str, Any]
    truth: Mapping[str, float]
    options: dict[str, Any]  # of `ship.fit`, which no file says
    units: dict[str, str]


def loop(on: float, off: float, v_set: float, v_reset: float, rng: np.random.Generator, points: int = 60) -> Array:
    """Return one sweep ``[row, (V, A)]`` of a device with two states: 0 to 2 V and back, to -2 V and back, 1 % noise.

    The on state is ohmic, the off state ``off sinh(1.5 V) / 1.5`` (S at 0 V); it is set at v_set and reset at -v_reset.
    """
    up = np.linspace(0, 2, points)
    v = np.concatenate([up, up[::-1], -up, -up[::-1]])
    order = np.arange(len(v))
    set_at, reset_at = np.flatnonzero(v >= v_set), np.flatnonzero((v <= -v_reset) & (order >= 2 * points))
    is_on = (order >= (set_at[0] if len(set_at) else len(v))) & (order < (reset_at[0] if len(reset_at) else len(v)))
    current = np.where(is_on, on * v, off * np.sinh(1.5 * v) / 1.5)
    return np.stack([v, current * (1 + 0.01 * rng.standard_normal(len(v))) + 1e-10 * rng.standard_normal(len(v))], axis=1)


def loops(rng: np.random.Generator, devices: int = 1, cycles: int = 12) -> Known:
    """Loops with scatter of both states (0.1 and 0.3 of ln from cycle to cycle, 0.3 from device to device) and voltages (0.1)."""
    own = 0.3 * rng.standard_normal((devices, 2)) * (devices > 1)
    rows, cycle, device = [], [], []
    for i in range(devices):
        for j in range(cycles):
            on, off = np.array([1e-4, 1e-6]) * np.exp(own[i] + [0.1, 0.3] * rng.standard_normal(2))
            v_set, v_reset = 1.2 * np.exp(0.1 * rng.standard_normal()), 0.8 * np.exp(0.1 * rng.standard_normal())
            rows.append(loop(on, off, v_set, v_reset, rng))
            cycle += [str(j + 1)] * len(rows[-1])
            device += [f"M{i + 1}"] * len(rows[-1])
    data = np.concatenate(rows)
    low = 1e-6 * np.sinh(0.3) / 0.3  # conductance at 0.2 V
    step = 2 / 59 / 2  # a switch is seen half a step of the sweep late, on average
    truth = {"on at 0.2 V, median": 1e-4, "off at 0.2 V, median": low, "on/off, median": 1e-4 / low}
    truth |= {"ln on, c2c": 0.1, "ln off, c2c": 0.3} | ({"ln on, d2d": 0.3, "ln off, d2d": 0.3} if devices > 1 else {})
    truth |= {"v_set, median": 1.2 + step, "v_reset, median": -(0.8 + step)}
    rows_of = {"voltage": data[:, 0], "current": data[:, 1], "cycle": cycle, "device": device}
    return Known("iv", rows_of, truth, {"v_read": 0.2}, {"voltage": "V", "current": "A"})


def switching(rng: np.random.Generator, n: int = 100) -> Known:
    """Log-normal voltages (v_reset of which some lie beyond a sweep that ends at 1.1 V) and states of one device."""
    v_set, v_reset = 1.2 * np.exp(0.15 * rng.standard_normal(n)), 0.9 * np.exp(0.2 * rng.standard_normal(n))
    rows = {"v_set": v_set, "v_reset": np.minimum(v_reset, 1.1)}
    rows |= {"on": 1e-4 * np.exp(0.1 * rng.standard_normal(n)), "off": 1e-6 * np.exp(0.8 * rng.standard_normal(n))}
    truth = {"v_set, median": 1.2, "v_reset, median": 0.9, "on, median": 1e-4, "off, median": 1e-6}
    return Known("statistics", rows, truth, {}, {"voltage": "V", "conductance": "S"})


def windows(rng: np.random.Generator, n: int = 300) -> Known:
    """Endurance of one cell: both states log-normal around levels that stay."""
    rows: dict[str, Any] = {"cycle": 100.0 * np.arange(1, n + 1), "on": 8e-5 * np.exp(0.05 * rng.standard_normal(n))}
    rows["off"] = 1e-5 * np.exp(0.3 * rng.standard_normal(n))
    return Known("endurance", rows, {}, {}, {"conductance": "S"})


def decay(rng: np.random.Generator, n: int = 80) -> Known:
    """Retention of one level, ``50 uS t^-0.03`` from 1 s to 10^4 s, with reads that scatter by 1 %."""
    t = np.geomspace(1, 1e4, n)
    g = 5e-5 * t**-0.03 * (1 + 0.01 * rng.standard_normal(n))
    return Known("retention", {"time": t, "conductance": g}, {}, {}, {"time": "s", "conductance": "S"})


def trains(rng: np.random.Generator, devices: int = 6, n: int = 40) -> Known:
    """Trains of n pulses up and n down of several devices, which saturate softly between 10 and 90 uS, give or take 5 %."""
    g, device, polarity = [], [], []
    for i in range(devices):
        low, high = 1e-5 * np.exp(0.05 * rng.standard_normal()), 9e-5 * np.exp(0.05 * rng.standard_normal())
        w = 0.0
        for up in (True, False):
            for _ in range(n):
                w = min(max(w + (0.06 * (1 - w) if up else -0.06 * w) * (1 + 0.1 * rng.standard_normal()), 0.0), 1.0)
                g.append(low + (high - low) * w)
                device.append(f"D{i + 1}")
                polarity.append("up" if up else "down")
    rows = {"conductance": np.array(g), "polarity": polarity, "device": device}
    return Known("pulses", rows, {}, {}, {"conductance": "S"})
