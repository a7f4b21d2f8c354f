"""Switching: the distributions of switching voltages, currents and states over sweeps, and how they are correlated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...base.errors import FitError
from ...base.parameters import Varied
from .. import Device
from ..reading.columns import Columns
from ..reading.spelling import argument
from . import to_device
from .figures import Panel, Series
from .report import Estimate, Fitted, Found, outcome, rank
from .solve import interval

Array = np.ndarray
LEAST = 8  # values, for a distribution
CRITICAL = 0.05  # probability below which a distribution is refused


def fit_statistics(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Fit normal and log-normal distributions to each quantity, test them, and correlate the quantities."""
    names = [r for r in ("v_set", "v_reset", "i_on", "i_off", "on", "off") if r in columns]
    notes, rng = list(columns.notes), np.random.default_rng(settings["seed"])
    for name in names:
        if len(columns[name]) < LEAST:
            raise FitError(
                f"{source}: {name}",
                f"needs at least {LEAST} values for a distribution",
                got=str(len(columns[name])),
                fix=f"Measure more sweeps, or leave this column out of {argument('columns')}.",
            )
        if float(np.ptp(columns[name])) == 0:
            raise FitError(f"{source}: {name}", "must vary", got=f"a constant {columns[name][0]:g}")
    data = {n: columns[n] for n in names}
    ranked = [
        _distribution(n, x, law, columns, settings["replicates"], rng)
        for n, x in data.items()
        for law in ("normal", "log-normal")
    ]
    order = rank(_comparable([r for r in ranked if r is not None]), of=lambda f: f.name.split(":")[0])
    groups = columns.groups("device")
    values: dict[str, Any] = {"names": names}
    summary = {"sweeps": Estimate(float(len(columns.rows))), "devices": Estimate(float(len(groups)))}
    if len(names) > 1:
        values["rank correlation"] = correlation = _rank_correlation(data)
        for i, a in enumerate(names):
            for j in range(i + 1, len(names)):
                summary[f"rank correlation {a}, {names[j]}"] = _correlated(
                    data[a], data[names[j]], correlation[i, j], settings, rng
                )
    notes.append(
        f"distributions are tested by the Kolmogorov-Smirnov distance against {settings['replicates']} samples of the fitted one"
    )
    if len(groups) < to_device.LEAST:
        notes.append(
            f"{len(groups)} device(s): the scatter is from cycle to cycle; the spread from device to device cannot be estimated"
        )
    notes.append(
        "the device carries medians; a window or switching voltage that differs from cycle to cycle stands in the report only"
    )
    settings = settings | {"points": len(columns.rows), "devices": len(groups)}
    panels = [_panel(n, x, columns) for n, x in data.items()]
    made = outcome(lambda: _device(to_device.evidence(columns, source, sha256), order, data, groups))
    distance = "Kolmogorov-Smirnov distance"
    return Found("statistics", source, sha256, order, distance, summary, notes, panels, settings, values, made)


def _distribution(name: str, x: Array, law: str, columns: Columns, replicates: int, rng: np.random.Generator) -> Fitted | None:
    """Fit one distribution by maximum likelihood; None: log-normal for values of both signs."""
    sign = 1.0 if float(np.median(x)) > 0 else -1.0
    if law == "log-normal" and not (sign * x > 0).all():
        return None
    y = np.log(sign * x) if law == "log-normal" else x
    mean, std, n = float(y.mean()), float(y.std()), len(y)
    likelihood = -n * math.log(std) - n / 2 * (1 + math.log(2 * math.pi)) - (float(y.sum()) if law == "log-normal" else 0.0)
    distance = _distance(y)
    usual = np.array([_distance(rng.standard_normal(n)) for _ in range(replicates)])
    p = float((usual >= distance).mean())
    again = y[rng.integers(0, n, (replicates, n))]
    low, high = interval(again.mean(1)), interval(again.std(1))
    unit = {"v": "V", "i": "A", "o": "S"}[name[0]]
    if law == "log-normal":
        ends = [sign * math.exp(x) for x in low]
        made = {"median": Estimate(sign * math.exp(mean), min(ends), max(ends), unit)}
        made["sigma of ln"] = Estimate(std, *high)
    else:
        made = {"mean": Estimate(mean, *low, unit), "std": Estimate(std, *high, unit)}
    text = (
        f"possible (p = {p:.2g})"
        if p >= CRITICAL
        else f"{name} is no {law} sample (p = {p:.2g}): several populations, or a drift"
    )
    return Fitted(f"{name}: {law}", made, distance, 2 * 3 - 2 * likelihood, 2, text, p >= CRITICAL)


def _comparable(ranked: list[Fitted]) -> list[Fitted]:
    """Return models whose criteria count from the best distribution of the same quantity."""
    best: dict[str, float] = {}
    for fitted in ranked:
        quantity = fitted.name.split(":")[0]
        best[quantity] = min(best.get(quantity, math.inf), fitted.criterion)
    return [replace(f, criterion=f.criterion - best[f.name.split(":")[0]]) for f in ranked]


def _distance(y: Array) -> float:
    """Return the Kolmogorov-Smirnov distance from the normal distribution of the same mean and standard deviation."""
    from scipy.special import ndtr

    z = ndtr((np.sort(y) - y.mean()) / y.std())
    k = np.arange(len(y))
    return float(max((z - k / len(y)).max(), ((k + 1) / len(y) - z).max()))


def _rank_correlation(data: dict[str, Array]) -> Array:
    from scipy.stats import spearmanr

    found = np.asarray(spearmanr(np.stack(list(data.values()), axis=1)).statistic)
    return found if found.ndim else np.array([[1.0, found], [found, 1.0]])  # of two columns it is one number


def _correlated(a: Array, b: Array, r: float, settings: dict[str, Any], rng: np.random.Generator) -> Estimate:
    picks = rng.integers(0, len(a), (settings["replicates"], len(a)))
    draws = [_rank_correlation({"a": a[k], "b": b[k]})[0, 1] for k in picks if np.ptp(a[k]) > 0 and np.ptp(b[k]) > 0]
    return Estimate(float(r), *interval(np.array(draws)))


def _panel(name: str, x: Array, columns: Columns) -> Panel:
    """Plot the values in order against normal quantiles: a line where they are normal (in the logarithm)."""
    from scipy.special import ndtri

    unit = {"v": "V", "i": "A", "o": "S"}[name[0]]
    sign = 1.0 if float(np.median(x)) > 0 else -1.0
    wide = bool((sign * x > 0).all()) and float((sign * x).max() / (sign * x).min()) > 10
    z, ordered = ndtri((np.arange(len(x)) + 0.5) / len(x)), np.sort(sign * x)
    ends = np.array([z[0], z[-1]])
    y = np.log(ordered) if wide else ordered
    line = y.mean() + y.std() * ends
    label = "log-normal" if wide else "normal"
    series = (Series(z, ordered, "measured", "points", 1), Series(ends, np.exp(line) if wide else line, label, "line", 2))
    text = f"{'-' if sign < 0 else ''}{name} ({unit})"
    return Panel("normal quantile", text, series, log_y=wide, height=0.8)


def _device(proof: to_device.Evidence, order: Sequence[Fitted], data: dict[str, Array], groups: dict[str, Array]) -> Device:
    """Return the device with the medians of all sweeps, and their spread over devices where there are enough of them."""
    for name in data:
        if not any(f.fits for f in order if f.name.startswith(f"{name}:")):
            reason = next(f.verdict for f in order if f.name.startswith(f"{name}:"))
            raise FitError(
                "fit: device", reason, fix=f"Select one population with {argument('only')}, or one state of the device."
            )
    if not {"on", "off"} <= set(data):
        raise FitError("fit: device", "needs the conductances (or resistances) on and off", got=", ".join(data))
    values = {"g_max": data["on"], "g_min": data["off"]} | {n: data[n] for n in ("v_set", "v_reset") if n in data}
    made: dict[str, Any] = {}
    for name, x in values.items():
        centres = np.array([np.median(x[index]) for index in groups.values()])
        spread = float(centres.std(ddof=1)) if len(groups) >= to_device.LEAST else 0.0
        made[name] = Varied(float(np.median(centres)), d2d_abs=spread) if spread else float(np.median(x))
    return to_device.assembled(proof, made)
