"""Retention: conductance over time at one or more levels; the published HfO2 law is one of the candidates."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch

from ...base.errors import FitError
from .. import Device
from ..materials import hfo2
from ..reading.columns import Columns
from . import to_device, trend
from .figures import Panel, Series
from .report import Estimate, Found, best, outcome, rank

Array = np.ndarray
LEAST = 3  # points of a curve


def fit_retention(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Fit each law to the curves of all levels."""
    curves, notes = _curves(columns, source)
    rng = np.random.default_rng(settings["seed"])
    candidates = [law for law in trend.laws("S", "s") if all(len(x) > len(law.low) for x, _ in curves.values())]
    if all(_covered(x, y) for x, y in curves.values()):
        candidates.append(_published())
    else:
        notes.append("the published HfO2 law was not tried: it holds from 45 to 130 uS and from 10 s to 10000 s")
    fits = {law.name: trend.fit_law(law, curves, settings["replicates"], rng) for law in candidates}
    order = rank([trend.fitted(fit, list(curves)) for fit in fits.values()])
    t0 = min(float(x.min()) for x, _ in curves.values())
    notes += [
        f"t_0 of the power and logarithmic laws is the first time, {t0:g} s",
        f"intervals: {settings['replicates']} replicates, residuals of all curves drawn again",
    ]
    if len(curves) == 1:
        notes.append("one curve: neither the spread from device to device nor how the law depends on the level can be estimated")
    settings = settings | {"points": sum(len(x) for x, _ in curves.values()), "curves": len(curves)}
    values = {n: {"levels": list(curves), "names": list(f.law.parameters), "parameters": f.theta} for n, f in fits.items()}
    made = outcome(lambda: _device(to_device.evidence(columns, source, sha256), best(source, order).name, fits, t0))
    summary, panels, scale = _summary(curves, fits), _panels(curves, fits, order), "rms, of each curve's mean"
    return Found("retention", source, sha256, order, scale, summary, notes, panels, settings, values, made)


def _curves(columns: Columns, source: str) -> tuple[dict[str, tuple[Array, Array]], list[str]]:
    curves, notes, left = {}, list(columns.notes), 0
    if bool((columns["time"] < 0).any()):
        row = columns.rows[int(np.flatnonzero(columns["time"] < 0)[0])]
        raise FitError(
            f"{source}: {row}, time", "must be at least 0 s", got=f"{columns['time'].min():g}", fix="Count from the write."
        )
    for label, index in columns.groups("level").items():
        x, y = columns["time"][index], columns["conductance"][index]
        later = x > 0
        left += int((~later).sum())
        x, y = x[later], y[later]
        name = f"{source}: level {label}" if label else source
        if len(x) < LEAST or len(np.unique(x)) < LEAST:
            raise FitError(name, f"needs at least {LEAST} different times above 0 s", got=str(len(np.unique(x))))
        if not (y > 0).all():
            raise FitError(name, "conductances must be above 0 S", got=f"{y.min():g}")
        order = np.argsort(x, kind="stable")
        curves[label] = (x[order], y[order])
    if left:
        notes.append(f"{left} rows at t = 0 were left out: the laws are functions of log t")
    return curves, notes


def _covered(x: Array, y: Array) -> bool:
    ratio = np.array([y.min(), y.max()]) * 1e6
    return bool(ratio[0] > 35 and ratio[1] < hfo2.W_MAX and x.min() >= hfo2.T_MIN and x.max() <= hfo2.T_MAX)


def _published() -> trend.Law:
    """Return the published HfO2 law, with the conductance as written as its only parameter."""

    def value(p: Array, x: Array, x0: float) -> Array:
        return drift_mean(float(p[0]) * 1e-6, x)

    return trend.Law("hfo2", ("written",), ("S",), (hfo2.W_MIN,), (hfo2.W_MAX,), ((70.0,),), value, (True,), absolute=1e-6)


GRID = np.array([hfo2.W_MIN + 1e-9, hfo2.KNEE - 1e-9, hfo2.KNEE + 1e-9, hfo2.W_MAX - 1e-9]) * 1e-6  # S; straight in between


@lru_cache(maxsize=64)
def _law_on_grid(times: tuple[float, ...]) -> Array:
    g = torch.tensor(GRID, dtype=torch.float64)
    return np.stack([hfo2.drift_mean(g, t).numpy() for t in times])


def drift_mean(written: float, t: Array) -> Array:
    """Return the mean conductance (S) of the published law at times ``t`` (s) after ``written`` (S)."""
    return np.array([np.interp(written, GRID, row) for row in _law_on_grid(tuple(t.tolist()))])


def _summary(curves: dict[str, tuple[Array, Array]], fits: dict[str, trend.TrendFit]) -> dict[str, Estimate]:
    first = np.array([y[0] for _, y in curves.values()])
    lost = np.array([1 - y[-1] / y[0] for _, y in curves.values()])
    made = {"curves": Estimate(float(len(curves))), "lowest level": Estimate(float(first.min()), unit="S")}
    made |= {"highest level": Estimate(float(first.max()), unit="S")}
    made |= {"largest loss": Estimate(float(lost.max()), unit="of the first value")}
    made |= {"smallest loss": Estimate(float(lost.min()), unit="of the first value")}
    if "hfo2" in fits:
        off = max(float(np.abs(m - y).max()) for m, (_, y) in zip(fits["hfo2"].model, curves.values(), strict=True))
        made["published HfO2 law, largest deviation"] = Estimate(off, unit="S")
    return made


def _panels(curves: dict[str, tuple[Array, Array]], fits: dict[str, trend.TrendFit], order: Any) -> list[Panel]:
    data, left = [], []
    shown = [f.name for f in order[:2]]
    for c, (label, (x, y)) in enumerate(curves.items()):
        data.append(Series(x, y * 1e6, f"measured{' (one colour each level)' if label else ''}" if c == 0 else "", "points", c))
        for i, name in enumerate(shown):
            style = "line" if i == 0 else "dashed"
            data.append(Series(x, fits[name].model[c] * 1e6, name if c == 0 else "", style, c))
            marks = Series(x, 100 * fits[name].residual[c], name if c == 0 else "", "points" if i == 0 else "dashed", c)
            left.append(marks)
    left.append(
        Series(np.array([min(x.min() for x, _ in curves.values()), max(x.max() for x, _ in curves.values())]), np.zeros(2))
    )
    return [
        Panel("time (s)", "conductance (uS)", tuple(data), log_x=True, height=1.2),
        Panel("time (s)", "residual\n(% of the mean)", tuple(left), log_x=True, height=0.7),
    ]


def _device(proof: to_device.Evidence, law: str, fits: dict[str, trend.TrendFit], t0: float) -> Device:
    """Return the device with the window of the levels whose conductances drift by the best law."""
    fit = fits[law]
    first = np.array([m[0] for m in fit.model])
    if len(first) < 2:
        raise FitError("fit: device", "needs the retention of at least two levels, for a window", got="one curve")
    retention = to_device.retention(law, fit.theta, t0, float(first.min()), float(first.max()))
    measured = {"g_min": float(first.min()), "g_max": float(first.max()), "retention": retention}
    return to_device.assembled(proof, measured)
