"""Current-voltage loops, switching statistics and maps of devices whose numbers are known."""

from typing import NamedTuple

import numpy as np

import ship

UNIT = {"voltage": "V", "current": "A"}


class Known(NamedTuple):
    """A device with two states: medians (S), scatter of ln G and of the switching voltages (V)."""

    on: float = 200e-6
    off: float = 2e-6
    c2c_on: float = 0.1
    c2c_off: float = 0.4
    d2d_on: float = 0.0
    d2d_off: float = 0.0
    v_set: float = 1.2
    v_reset: float = -1.0
    c2c_set: float = 0.1
    c2c_reset: float = 0.08
    b: float = 0.0  # 1/V, of a sinh; 0: ohmic


STANDARD = Known()


def current(g, v, b):
    """The current of a state: ohmic, or g / b sinh(b v)."""
    return g * v if b == 0 else g / b * np.sinh(b * v)


def loops(
    known=STANDARD, devices=1, cycles=10, *, points=100, reach=2.0, noise=0.01, meter=0.0, compliance=None, sides=(1, -1), seed=0
):
    """Loops 0, +reach, 0, -reach, 0 of devices and cycles: columns, and the truth of each loop by name.

    A SET at positive voltage where v_set is above 0; compliance limits the current of that side. ``meter``: A, an offset.
    """
    rng = np.random.default_rng(seed)
    up = np.linspace(0, reach, points)
    parts, truth = [], {name: [] for name in ("device", "on", "off", "v_set", "v_reset")}
    for d in range(devices):
        shift_on, shift_off = known.d2d_on * rng.standard_normal(), known.d2d_off * rng.standard_normal()
        off = known.off * np.exp(shift_off + known.c2c_off * rng.standard_normal())
        for c in range(cycles):
            on = known.on * np.exp(shift_on + known.c2c_on * rng.standard_normal())
            after = known.off * np.exp(shift_off + known.c2c_off * rng.standard_normal())
            v_set = known.v_set + known.c2c_set * rng.standard_normal()
            v_reset = known.v_reset + known.c2c_reset * rng.standard_normal()
            for name, x in zip(truth, (f"d{d}", on, off, v_set, v_reset), strict=True):
                truth[name].append(x)
            first = 1 if known.v_set > 0 else -1
            for side in (first, -first):
                if side not in sides:
                    continue
                v = side * np.r_[up, up[::-1]]
                out = np.arange(len(v)) < points
                if side == first:
                    g = np.where(out & (np.abs(v) < abs(v_set)), off, on)
                    if abs(v_set) > reach:
                        g = np.full(len(v), off)
                else:
                    g = np.where(out & (np.abs(v) < abs(v_reset)), on, after)
                i = current(g, v, known.b) * (1 + noise * rng.standard_normal(len(v)))
                if compliance is not None and side == first:
                    i = np.clip(i, -compliance, compliance)
                parts.append((f"d{d}", str(c), v, i + meter))
            off = after
    columns = {
        "device": np.concatenate([[d] * len(v) for d, _, v, _ in parts]),
        "cycle": np.concatenate([[c] * len(v) for _, c, v, _ in parts]),
        "voltage": np.concatenate([v for _, _, v, _ in parts]),
        "current": np.concatenate([i for _, _, _, i in parts]),
    }
    return columns, {name: np.array(x) for name, x in truth.items()}


def fit_loops(columns, **more):
    """Fit loops as the kind iv, read at 0.2 V."""
    return ship.fit(columns, "iv", unit=UNIT, **({"v_read": 0.2, "replicates": 50} | more))


def sine(known=STANDARD, points=200, phase=0.0, noise=0.0, reach=2.0, seed=0):
    """One period of a sine that starts at a phase (of 1), of a device that is off before its positive half: V and A."""
    t = np.arange(points) / points
    v = reach * np.sin(2 * np.pi * t)
    on = (
        ((v >= known.v_set) | ((t > 0.25) & (v > 0)) | (t >= 0.5)) & ~((t > 0.5) & (v <= known.v_reset)) & ~((t > 0.75) & (v < 0))
    )
    i = current(np.where(on, known.on, known.off), v, known.b) * (1 + noise * np.random.default_rng(seed).standard_normal(points))
    shift = round(phase * points)
    return np.roll(v, -shift), np.roll(i, -shift)
