"""What the report of a pulse fit says of the data themselves, and its figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from .figures import Panel, Series
from .pulse_noise import Noise, Scale
from .report import Estimate, Fitted
from .trains import PulseTrain

Array = np.ndarray
MANY = 6  # branches of one direction, above which a figure shows bands instead of each
WIDTH = 100  # pulse numbers of a band, at most


def summary(trains: Sequence[PulseTrain], scale: Scale, noise: Noise) -> dict[str, Estimate]:
    """Return facts about the data: the ends of branches, what lies between, spread, steps and noise."""
    made = {"window, lower": Estimate(scale.low, unit="S"), "window, upper": Estimate(scale.high, unit="S")}
    if scale.low > 0:
        made["on/off"] = Estimate(scale.high / scale.low)
    made |= {"devices": Estimate(float(len(trains))), "branches": Estimate(float(sum(len(t.branches) for t in trains)))}
    for up in (True, False):
        made |= _of_branches(trains, up, scale)
    made["scatter around neighbours"] = Estimate(_around(trains, scale), unit="of ln G" if scale.log else "of the window")
    made["step noise"] = noise.estimate("step", 1.0, "of the window, each pulse")
    if noise.relative == 0 or noise.additive > 0:
        made["read noise"] = noise.estimate("additive", 1.0, "S")
    if noise.relative > 0:
        made["read noise, relative"] = noise.estimate("relative", 1.0, "of the conductance")
    if scale.log:
        made["step noise"] = noise.estimate("step", scale.span, "of ln G, each pulse")
    return made


def _around(trains: Sequence[PulseTrain], scale: Scale) -> float:
    """Return the scatter of reads around their neighbours: ``1 / sqrt(6)`` of that of second differences."""
    parts = [np.diff(part, 2) for t in trains for part in np.split(scale.of(t.g), t.starts[1:]) if len(part) > 2]
    return float(np.sqrt(np.mean(np.concatenate(parts) ** 2) / 6)) * (scale.span if scale.log else 1.0)


def _of_branches(trains: Sequence[PulseTrain], up: bool, scale: Scale) -> dict[str, Estimate]:
    """Return the facts of the branches of one direction: medians over devices and branches, ranges from 5 to 95 %."""
    found = [
        (k, t.g[a : a + n], t.counts[a : a + n])
        for k, t in enumerate(trains)
        for (u, n), a in zip(t.branches, t.starts, strict=True)
        if u == up
    ]
    if not found:
        return {}
    side = "up" if up else "down"
    first, last = np.array([g[0] for _, g, _ in found]), np.array([g[-1] for _, g, _ in found])
    made = {f"{side}, first read": _middle(first, "S"), f"{side}, last read": _middle(last, "S")}
    low, high = (first, last) if up else (last, first)
    if (low > 0).all():
        made[f"{side}, ratio of its ends"] = _middle(high / low)
    made[f"{side}, pulses"] = _middle(np.array([float(c.sum()) for _, _, c in found]))
    right = np.concatenate([np.diff(g) > 0 if up else np.diff(g) < 0 for _, g, _ in found])
    made[f"{side}, share of steps that {'rise' if up else 'fall'}"] = Estimate(float(right.mean()))
    devices = np.array([k for k, _, _ in found])
    if len(trains) >= 3:
        for name, values in (("first", first), ("last", last)):
            means = np.array([values[devices == k].mean() for k in dict.fromkeys(devices.tolist())])
            if means.mean() > 0:
                made[f"{side}, spread of the {name} read over devices"] = Estimate(float(means.std(ddof=1) / means.mean()))
    several = [devices == k for k in dict.fromkeys(devices.tolist()) if (devices == k).sum() >= 3]
    if several:
        for name, values in (("first", first), ("last", last)):
            part = [float(values[m].std(ddof=1) / values[m].mean()) for m in several if values[m].mean() > 0]
            if part:
                made[f"{side}, scatter of the {name} read over cycles"] = Estimate(float(np.sqrt(np.mean(np.square(part)))))
    if scale.log:
        slope = np.array([np.polyfit(np.cumsum(c), np.log(g), 1)[0] for _, g, c in found])
        low_slope, high_slope = np.percentile(slope, [5, 95]).tolist()
        made[f"{side}, slope of ln G"] = Estimate(float(slope.mean()), low_slope, high_slope, "each pulse")
        if len(trains) >= 3:
            of_devices = np.array([slope[devices == k].mean() for k in dict.fromkeys(devices.tolist())])
            made[f"{side}, spread of that slope over devices"] = Estimate(float(of_devices.std(ddof=1) / abs(of_devices.mean())))
    return made


def _middle(values: Array, unit: str = "") -> Estimate:
    low, middle, high = np.percentile(values, [5, 50, 95]).tolist()
    return Estimate(middle, low, high, unit) if len(values) > 2 else Estimate(middle, unit=unit)


def panels(
    trains: Sequence[PulseTrain], models: Mapping[str, Sequence[Array]], order: Sequence[Fitted], scale: Scale
) -> list[Panel]:
    """Plot data and models over pulses, then the residuals: each read where branches are few, else medians and bands.

    Args:
        trains: the data.
        models: the conductance (S) of each model at each read, by name.
        order: the models, best first.
        scale: the scale of the fit; decades are drawn on a logarithmic axis.
    """
    most = max(sum(u == up for t in trains for u, _ in t.branches) for up in (True, False))
    return _bands(trains, models, order, scale) if most > MANY else _course(trains, models, order, scale)


def _unit(high: float) -> tuple[str, float]:
    for name, factor in (("mS", 1e3), ("uS", 1e6), ("nS", 1e9)):
        if high * factor >= 0.1:
            return name, factor
    return "pS", 1e12


def _label(fitted: Fitted) -> str:
    return f"{fitted.name}{'' if fitted.fits else ' (refused)'}: {fitted.residual:.1%}"


def _course(
    trains: Sequence[PulseTrain], models: Mapping[str, Sequence[Array]], order: Sequence[Fitted], scale: Scale
) -> list[Panel]:
    """Plot the device with most pulses, pulse by pulse."""
    k = max(range(len(trains)), key=lambda i: len(trains[i].g))
    g, x = trains[k].g, np.cumsum(trains[k].counts)
    unit, factor = _unit(scale.high)
    width = max(1, len(g) // 60)
    box = np.ones(width) / width
    data, errors = [Series(x, g * factor, "measured", "points")], []
    for i, fitted in enumerate(order):
        model = models[fitted.name][k]
        data.append(Series(x, model * factor, _label(fitted), "line", i + 1))
        left = 100 * (scale.of(g) - scale.of(np.maximum(model, 1e-30) if scale.log else model))
        errors.append(Series(np.convolve(x, box, "valid"), np.convolve(left, box, "valid"), fitted.name, "line", i + 1))
    title = f"device {trains[k].device} of {len(trains)}" if len(trains) > 1 else ""
    word = "the window of ln G" if scale.log else "the window"
    smooth = f"residual (% of {word})\nmean of {width} reads" if width > 1 else f"residual\n(% of {word})"
    zero = Series(x[[0, -1]], np.zeros(2), "", "dashed", 0)
    return [
        Panel("pulse number", f"conductance ({unit})", tuple(data), title, log_y=scale.log),
        Panel("pulse number", smooth, (*errors, zero), height=0.8),
    ]


def _bands(
    trains: Sequence[PulseTrain], models: Mapping[str, Sequence[Array]], order: Sequence[Fitted], scale: Scale
) -> list[Panel]:
    """Plot each direction over the pulse number within a branch: the median and the range from 5 to 95 %, with the models."""
    unit, factor = _unit(scale.high)
    made: list[Panel] = []
    best = next((f.name for f in order if f.fits), order[0].name)
    branches = sum(len(t.branches) for t in trains)
    for up in (True, False):
        masks = [t.side(up) for t in trains]
        if not any(m.any() for m in masks):
            continue
        number = np.concatenate([t.pulse_numbers()[m] for t, m in zip(trains, masks, strict=True)])
        at = _knots(number)
        g = np.concatenate([t.g[m] for t, m in zip(trains, masks, strict=True)])
        x, low, middle, high = _quantiles(number, g, at)
        series = [
            Series(x, low * factor, "measured, 5 to 95 %", "band", 0, high * factor),
            Series(x, middle * factor, "measured, median", "solid", 0),
        ]
        for i, fitted in enumerate(sorted(order, key=lambda f: f.name != best)[:3]):
            values = np.concatenate([m[mask] for m, mask in zip(models[fitted.name], masks, strict=True)])
            x, _, line, _ = _quantiles(number, values, at)
            series.append(Series(x, line * factor, f"{_label(fitted)}, median", "line", i + 1))
        title = f"{len(trains)} devices, {branches} branches: " if not made else ""
        word = "up" if up else "down"
        made.append(
            Panel(f"pulse number in a branch {word}", f"conductance ({unit})", tuple(series), title + word, log_y=scale.log)
        )
    made.append(_residual_band(trains, models[best], best, scale))
    return made


def _residual_band(trains: Sequence[PulseTrain], model: Sequence[Array], name: str, scale: Scale) -> Panel:
    series = []
    for up, colour, word in ((True, 2, "up"), (False, 1, "down")):
        masks = [t.side(up) for t in trains]
        if not any(m.any() for m in masks):
            continue
        number = np.concatenate([t.pulse_numbers()[m] for t, m in zip(trains, masks, strict=True)])
        left = [
            100 * (scale.of(t.g[k]) - scale.of(np.maximum(m[k], 1e-30) if scale.log else m[k]))
            for t, m, k in zip(trains, model, masks, strict=True)
        ]
        x, low, middle, high = _quantiles(number, np.concatenate(left), _knots(number))
        series += [Series(x, low, "", "band", colour, high), Series(x, middle, f"{name}, {word}", "solid", colour)]
    word = "the window of ln G" if scale.log else "the window"
    return Panel("pulse number in a branch", f"residual\n(% of {word})", tuple(series), "median and 5 to 95 %", height=0.8)


def _knots(number: Array) -> Array:
    """Return the borders of the bands: each pulse number, or as many ranges as can be told apart."""
    last = int(number.max())
    return np.unique(np.round(np.linspace(0.5, last + 0.5, min(last, WIDTH) + 1) - 0.5)) + 0.5


def _quantiles(number: Array, values: Array, borders: Array) -> tuple[Array, Array, Array, Array]:
    """Return pulse numbers, with the 5 %, 50 % and 95 % points of the values there."""
    bins = np.digitize(number, borders)
    kept = np.unique(bins).tolist()
    rows = [(float(number[bins == b].mean()), *np.percentile(values[bins == b], [5, 50, 95])) for b in kept]
    x, low, middle, high = np.array(rows).T
    return x, low, middle, high


def law_words(names: Sequence[str]) -> str:
    """Return what the names of parameters mean, for a note."""
    made = "w_0 is the state before the first pulse; parameters with _p belong to pulses up, with _d to pulses down"
    if any(n.startswith("log ") for n in names):
        made += "; the laws with 'log' move ln G instead of G"
    return made


def decades(trains: Sequence[PulseTrain]) -> float:
    """Return the ratio of the highest to the lowest conductance, without the outermost 2 %; 0 where some are not above 0 S."""
    g = np.concatenate([t.g for t in trains])
    if float(g.min()) <= 0:
        return 0.0
    low, high = np.percentile(g, [2, 98])
    return float(high / low) if math.isfinite(high / low) else 0.0
