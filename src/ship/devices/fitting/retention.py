"""Retention: conductance over time at one or more levels; the published HfO2 law is one of the candidates.

A curve is what has one level, device and cycle. One level tells how a conductance drifts, and not the window: no device follows
from it alone, and `Found.measured` has its parts for a device whose window is measured elsewhere. Two times only (before and
after a bake) are compared in ``stages``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from ...base.errors import FitError, ShipError
from .. import Device
from ..materials import hfo2
from ..reading.columns import Columns
from . import retention_figure, to_device, trend, trend_noise, trend_parts, trend_result
from .components import components
from .report import Estimate, Fitted, Found, best, outcome, rank
from .stages import fit_stages

Array = np.ndarray
LEAST = 3  # points of a curve
READS = 30  # points of one curve from which on their scatter is called read noise
CROWD = 200  # curves from which on the exponential law is not tried
CLOCK = 1e8  # s; times that all lie above, and close together, are those of a clock
FACTS = 100  # reads whose median stands for the begin and the end of a long curve


class Curves(NamedTuple):
    """The curves of a measurement: times (s) and conductances (S) by name, with the labels of each, and notes."""

    curves: dict[str, tuple[Array, Array]]
    labels: trend_result.Labels
    notes: list[str]


def fit_retention(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Fit each law to the curves of all levels; two times only are compared."""
    if "time" not in columns or len(np.unique(columns["time"])) == 2:
        return fit_stages(columns, source, sha256, settings)
    found = _curves(columns, source)
    curves, notes = found.curves, found.notes
    noise = trend_noise.noise_of(list(curves.values()))
    fits = {law.name: trend.fit_law(law, curves, noise) for law in _candidates(curves, notes)}
    several = len(curves) > 1
    order = rank(
        [
            trend_result.fitted(fit, list(curves), noise, found.labels, scatter=noise.pooled if several else None)
            for fit in fits.values()
        ]
    )
    t0 = min(float(x.min()) for x, _ in curves.values())
    notes.append(f"t_0 of the power and logarithmic laws is the first time, {t0:g} s")
    notes.append(_intervals(noise))
    if "power" in fits:
        end = max(float(x.max()) for x, _ in curves.values())
        notes.append(trend_result.trend_in_words(trend_result.change_a_decade(fits["power"]), f"{t0:.3g} to {end:.3g} s"))
    if not several:
        notes.append("one curve: neither the spread from device to device nor how the law depends on the level can be estimated")
    elif len(set(found.labels.device)) == 1:
        notes.append("no labels of devices: what differs from curve to curve is taken as the scatter from write to write")
    settings = settings | {"points": sum(len(x) for x, _ in curves.values()), "curves": len(curves), "intervals": trend.INTERVALS}
    values = {n: {"levels": list(curves), "names": list(f.law.parameters), "parameters": f.theta} for n, f in fits.items()}
    summary = _summary(curves, fits, noise)
    panels = retention_figure.panels(found.curves, found.labels, fits, [f.name for f in order], noise.log)
    scale = "rms of ln G" if noise.log else "rms, of each curve's mean"
    measured, remarks, window = _measured(source, order, fits, found, noise, t0)
    to_device.add_read_voltage(columns, settings, measured, remarks)
    proof = to_device.evidence(columns, source, sha256)
    made = outcome(lambda: _device(proof, source, order, measured, remarks, window))
    return Found("retention", source, sha256, order, scale, summary, notes, panels, settings, values, made, measured, remarks)


def _candidates(curves: dict[str, tuple[Array, Array]], notes: list[str]) -> list[trend.Law]:
    made = [law for law in trend.laws("S", "s") if all(len(x) > len(law.kinds) for x, _ in curves.values())]
    if len(curves) > CROWD:
        made = [law for law in made if law.name != "exponential"]
        notes.append(f"more than {CROWD} curves: the exponential law was not tried")
    if all(_covered(x, y) for x, y in curves.values()):
        made.append(_published())
    else:
        notes.append("the published HfO2 law was not tried: it holds from 45 to 130 uS and from 10 s to 10000 s")
    return made


def _intervals(noise: trend_noise.TrendNoise) -> str:
    text = "intervals: Student's t, by what is left of the law"
    return text if noise.allan == 0 else f"{text}; slow scatter (1/f) of {noise.allan:.2%} is taken into account"


def _curves(columns: Columns, source: str) -> Curves:
    """Cut the rows into curves, times in order and above 0."""
    time, notes = np.asarray(columns["time"], dtype=float), list(columns.notes)
    if float(time.min()) > CLOCK and float(np.ptp(time)) < 0.1 * float(time.min()):
        notes.append(f"times are those of a clock: they count from the first read, at {time.min():.3f} s")
        time = time - time.min()
    if bool((time < 0).any()):
        row = columns.rows[int(np.flatnonzero(time < 0)[0])]
        raise FitError(f"{source}: {row}, time", "must be at least 0 s", got=f"{time.min():g}", fix="Count from the write.")
    shift = 0.0
    if bool((time == 0).any()) and bool((time > 0).any()):
        steps = np.diff(np.unique(time))
        shift = float(np.median(steps)) if len(steps) > 100 else float(steps.min())
        notes.append(f"the first read is at 0 s: the time from write to read, {shift:.3g} s, is assumed to be a step of time")
    keys = list(zip(*(columns.values.get(r, [""] * len(time)) for r in ("level", "device", "cycle")), strict=True))
    rows: dict[tuple[str, ...], list[int]] = {}
    for i, key in enumerate(keys):
        rows.setdefault(tuple(map(str, key)), []).append(i)
    words = ("level", "device", "cycle")
    curves: dict[str, tuple[Array, Array]] = {}
    for key, index in rows.items():
        used = [(w, k) for w, k in zip(words, key, strict=True) if k]
        name = used[0][1] if len(used) == 1 else ", ".join(f"{w} {k}" for w, k in used)
        where = f"{source}: {', '.join(f'{w} {k}' for w, k in used)}" if used else source
        x, y = time[index] + shift, np.asarray(columns["conductance"])[index]
        if len(np.unique(x)) < LEAST:
            raise FitError(where, f"needs at least {LEAST} different times", got=str(len(np.unique(x))))
        if not (y > 0).all():
            raise FitError(where, "conductances must be above 0 S", got=f"{y.min():g}")
        order = np.argsort(x, kind="stable")
        curves[name] = (x[order], y[order])
    return Curves(curves, trend_result.Labels(*zip(*rows, strict=True)), notes)


def _covered(x: Array, y: Array) -> bool:
    ratio = np.array([y.min(), y.max()]) * 1e6
    return bool(ratio[0] > 35 and ratio[1] < hfo2.W_MAX and x.min() >= hfo2.T_MIN and x.max() <= hfo2.T_MAX)


def _published() -> trend.Law:
    """Return the published HfO2 law, with the conductance as written as its only parameter."""

    def value(p: Array, x: Array, x0: float) -> Array:
        return drift_mean(float(p[0]), x)

    def starts(x: Array, y: Array, x0: float) -> list[tuple[float, ...]]:
        return [(float(y[0]),)]

    return trend.Law("hfo2", ("written",), ("S",), ("absolute",), value, starts, hfo2.W_MIN, hfo2.W_MAX)


GRID = np.array([hfo2.W_MIN + 1e-9, hfo2.KNEE - 1e-9, hfo2.KNEE + 1e-9, hfo2.W_MAX - 1e-9]) * 1e-6  # S; straight in between


@lru_cache(maxsize=64)
def _law_on_grid(times: tuple[float, ...]) -> Array:
    g = torch.tensor(GRID, dtype=torch.float64)
    return np.stack([hfo2.drift_mean(g, t).numpy() for t in times])


def drift_mean(written: float, t: Array) -> Array:
    """Return the mean conductance (S) of the published law at times ``t`` (s) after ``written`` (S)."""
    return np.array([np.interp(written, GRID, row) for row in _law_on_grid(tuple(t.tolist()))])


def _ends(y: Array) -> tuple[float, float]:
    """Return the begin and the end of a curve: of a long one, medians of its first and last reads."""
    k = FACTS if len(y) >= 4 * FACTS else 1
    return float(np.median(y[:k])), float(np.median(y[-k:]))


def _summary(
    curves: dict[str, tuple[Array, Array]], fits: dict[str, trend.TrendFit], noise: trend_noise.TrendNoise
) -> dict[str, Estimate]:
    ends = np.array([_ends(y) for _, y in curves.values()])
    lost = 1 - ends[:, 1] / ends[:, 0]
    made = {"curves": Estimate(float(len(curves)))}
    if len(curves) == 1:
        y = next(iter(curves.values()))[1]
        many = f", median of {FACTS} reads" if len(y) >= 4 * FACTS else ""
        made |= {
            "median": Estimate(float(np.median(y)), unit="S"),
            f"first{many}": Estimate(float(ends[0, 0]), unit="S"),
            f"last{many}": Estimate(float(ends[0, 1]), unit="S"),
            "change, first to last": Estimate(float(-lost[0]), unit="of the first value"),
        }
    else:
        made |= {"lowest level": Estimate(float(ends[:, 0].min()), unit="S")}
        made |= {"highest level": Estimate(float(ends[:, 0].max()), unit="S")}
        made |= {"largest loss": Estimate(float(lost.max()), unit="of the first value")}
        made |= {"smallest loss": Estimate(float(lost.min()), unit="of the first value")}
    if "power" in fits:
        made["change a decade"] = trend_result.change_a_decade(fits["power"])
    made |= scatter(noise)
    if "hfo2" in fits:
        off = max(float(np.abs(m - y).max()) for m, (_, y) in zip(fits["hfo2"].model, curves.values(), strict=True))
        made["published HfO2 law, largest deviation"] = Estimate(off, unit="S")
    return made


def scatter(noise: trend_noise.TrendNoise) -> dict[str, Estimate]:
    """Return the scatter of a point from neighbours, with its interval, and the slow part of it."""
    from scipy import stats

    if noise.df < 1:
        return {}
    low, high = (noise.pooled * float(np.sqrt(noise.df / stats.chi2.ppf(q, noise.df))) for q in (0.975, 0.025))
    made = {"scatter of a read (white)": Estimate(noise.pooled, low, high, "of the value")}
    if noise.allan > 0:
        made["slow scatter (1/f), Allan deviation"] = Estimate(noise.allan, unit="of the value")
    return made


Measured = tuple[dict[str, Any], dict[str, str], dict[str, Any]]


def _measured(
    source: str,
    order: tuple[Fitted, ...],
    fits: dict[str, trend.TrendFit],
    found: Curves,
    noise: trend_noise.TrendNoise,
    t0: float,
) -> Measured:
    """Return what is measured of a device, what a reader should know of it, and the window of the levels (none: one level)."""
    measured: dict[str, Any] = {}
    remarks: dict[str, str] = {}
    window: dict[str, Any] = {}
    chosen, text = _chosen(order)
    first = _levels(found, fits[chosen.name]) if chosen is not None else {}
    if len(first) > 1:
        by_size = sorted(first.values(), key=lambda level: level[0])
        for name, level in (("g_min", by_size[0]), ("g_max", by_size[-1])):
            window[name] = trend_parts.varied(*level)
            remarks[name] = "the lowest and the highest level whose retention was measured"
    if chosen is not None:
        ends = (by_size[0][0], by_size[-1][0]) if window else None
        try:
            measured["retention"] = trend_parts.retention(fits[chosen.name], chosen, found.labels, t0, ends)
            remarks["retention"] = f"the law {chosen.name!r}, t_0 {t0:.3g} s{text}"
        except ShipError as error:
            remarks["retention"] = str(error)
    if max(len(x) for x, _ in found.curves.values()) >= READS and noise.model is not None:
        measured["noise"], remarks["noise"] = trend_parts.read_noise(noise, len(first) or 1)
    return window | measured, remarks, window


def _chosen(order: tuple[Fitted, ...]) -> tuple[Fitted | None, str]:
    """Return the law for a device, and why not the first one: of which all is determined, and which misses little."""
    if not any(f.fits for f in order):
        return None, ""
    first = order[0]
    if not first.open:
        return first, ""
    near = sorted((f for f in order if not f.open), key=lambda f: f.residual)
    near = [f for f in near if f.residual <= max(trend_result.ACCEPT, first.residual)]
    if not near:
        return first, ""
    text = f", within {near[0].residual:.1%}; {first.name!r} is closer, and leaves {' and '.join(first.open)} open"
    return near[0], text


def _levels(found: Curves, fit: trend.TrendFit) -> dict[str, tuple[float, float]]:
    """Return the median of the first values (S) of each level, by its label, and their spread from device to device."""
    first, error = np.array([m[0] for m in fit.model]), np.sqrt(fit.error[:, 0, 0])
    error = error * (first if fit.log else fit.scale)
    labels, devices = np.array(found.labels.level), np.array(found.labels.device)
    made = {}
    for label in dict.fromkeys(labels.tolist()):
        own = labels == label
        split = components(first[own], list(devices[own]), error=float((error[own] ** 2).mean()))
        made[label] = float(np.median(first[own])), 0.0 if split.d2d is None else split.d2d.value
    return made


def _device(
    proof: to_device.Evidence,
    source: str,
    order: tuple[Fitted, ...],
    measured: dict[str, Any],
    remarks: dict[str, str],
    window: dict[str, Any],
) -> Device:
    """Return the device with the window of the levels whose conductances drift by the best law."""
    best(source, order)
    if not window:
        raise FitError(
            "fit: device",
            "needs the retention of at least two levels, for a window",
            got="one level",
            fix="What it determines (Found.measured) can be joined with a measurement of the window: pulses, or an I-V loop.",
        )
    if "retention" not in measured:
        raise FitError("fit: device", "no part of the library follows from the best law", got=remarks["retention"])
    spreads = {"c2c": "the read noise, the scatter of the drift"} if "noise" in measured else {}
    return to_device.assembled(proof, measured, spreads=spreads, remarks={k: v for k, v in remarks.items() if k in measured})
