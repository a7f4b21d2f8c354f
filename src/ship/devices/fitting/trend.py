"""Laws of a conductance over time or over cycles, fitted to several curves; residuals count relative to each curve's mean.

constant      ``y = y_0``
logarithmic   ``y = y_0 - b log10(x / x_0)``
power         ``y = y_0 (x / x_0)^-nu``
exponential   ``y = y_inf + (y_0 - y_inf) exp(-x / tau)``

``x_0`` is the smallest x of all curves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .report import Estimate, Fitted
from .solve import aicc, interval, least_squares

Array = np.ndarray
Value = Callable[[Array, Array, float], Array]  # (parameters, x, x_0) -> y, with y in units of its mean
ACCEPT = 0.05  # of the mean: up to here a law fits
WILD = 0.3  # of the mean: from here on none does


@dataclass(frozen=True)
class Law:
    """A law of one variable; the first of its parameters is the value at the start. Limits are for y in units of its mean."""

    name: str
    parameters: tuple[str, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    starts: tuple[tuple[float, ...], ...]
    value: Value
    scaled: tuple[bool, ...]  # whether a parameter is in units of y
    logarithm: tuple[bool, ...] = ()  # whether it enters as its logarithm, above x_0
    absolute: float = 0.0  # above 0: the law gives y itself, its parameter enters in this unit


def _exponential(p: Array, x: Array, x0: float) -> Array:
    return np.asarray(p[1] + (p[0] - p[1]) * np.exp(-x / (x0 * np.exp(p[2]))))


def laws(unit: str, unit_x: str) -> list[Law]:
    """Return the four laws, for y in ``unit`` over x in ``unit_x``."""
    return [
        Law("constant", ("y0",), (unit,), (0.0,), (5.0,), ((1.0,),), lambda p, x, x0: np.full(len(x), p[0]), (True,)),
        Law(
            "logarithmic",
            ("y0", "b"),
            (unit, f"{unit} per decade"),
            (0.0, -5.0),
            (10.0, 5.0),
            ((1.0, 0.0),),
            lambda p, x, x0: p[0] - p[1] * np.log10(x / x0),
            (True, True),
        ),
        Law(
            "power",
            ("y0", "nu"),
            (unit, ""),
            (0.0, -3.0),
            (10.0, 3.0),
            ((1.0, 0.0),),
            lambda p, x, x0: p[0] * (x / x0) ** -p[1],
            (True, False),
        ),
        Law(
            "exponential",
            ("y0", "y_inf", "tau"),
            (unit, unit, unit_x),
            (0.0, 0.0, -3.0),
            (10.0, 10.0, 25.0),
            ((1.1, 0.9, 1.0), (1.1, 0.9, 3.0), (1.1, 0.9, 6.0)),
            _exponential,
            (True, True, False),
            (False, False, True),
        ),
    ]


@dataclass
class TrendFit:
    """The fit of a law to all curves: parameters ``[curve, parameter]`` and ``[replicate, curve, parameter]``, in their units."""

    law: Law
    theta: Array
    model: list[Array]
    residual: list[Array]
    replicates: Array


def fit_law(law: Law, curves: Mapping[str, tuple[Array, Array]], replicates: int, rng: np.random.Generator) -> TrendFit:
    """Fit a law by least squares; for replicates, the residuals of all curves are enlarged and drawn again."""
    x0 = min(float(x.min()) for x, _ in curves.values())
    scale = np.array([abs(float(y.mean())) for _, y in curves.values()])
    low, high = np.array(law.low), np.array(law.high)

    def value(p: Array, x: Array, s: float) -> Array:
        return np.asarray(law.value(p, x, x0) / (s if law.absolute else 1.0))

    def solve(x: Array, y: Array, s: float, starts: Sequence[Array], rough: bool) -> Array:
        return least_squares(lambda p: value(p, x, s) - y, starts, low, high, rough=rough).theta

    raw, model, residual = [], [], []
    for (x, y), s in zip(curves.values(), scale, strict=True):
        starts = [np.array([float(y[0]) / law.absolute])] if law.absolute else [np.array(start) for start in law.starts]
        raw.append(solve(x, y / s, s, starts, False))
        model.append(value(raw[-1], x, s))
        residual.append(y / s - model[-1])
    n, k = sum(len(r) for r in residual), len(law.low) * len(curves)
    pool = np.concatenate(residual) * math.sqrt(n / max(n - k, 1))
    again = [
        [
            solve(x, m + rng.choice(pool, len(x)), s, [p], True)
            for (x, _), m, p, s in zip(curves.values(), model, raw, scale, strict=True)
        ]
        for _ in range(replicates)
    ]
    return TrendFit(
        law,
        _natural(law, np.array(raw), scale, x0),
        [m * s for m, s in zip(model, scale, strict=True)],
        residual,
        _natural(law, np.array(again), scale, x0),
    )


def _natural(law: Law, p: Array, scale: Array, x0: float) -> Array:
    if law.absolute:
        return np.asarray(p * law.absolute)
    out = np.array(p)
    for i, in_y in enumerate(law.scaled):
        if in_y:
            out[..., i] = out[..., i] * scale
        elif law.logarithm and law.logarithm[i]:
            out[..., i] = x0 * np.exp(out[..., i])
    return out


def fitted(fit: TrendFit, names: Sequence[str]) -> Fitted:
    """Return a law for the ranking: its parameters are means over the curves, or each curve's own where they are levels."""
    r = np.concatenate(fit.residual)
    n, k = len(r), fit.theta.size + 1
    made: dict[str, Estimate] = {}
    for i, (name, unit) in enumerate(zip(fit.law.parameters, fit.law.units, strict=True)):
        if len(names) == 1:
            made[name] = Estimate(float(fit.theta[0, i]), *interval(fit.replicates[:, 0, i]), unit)
        elif not fit.law.scaled[i]:
            made[f"{name}, mean"] = Estimate(float(fit.theta[:, i].mean()), *interval(fit.replicates[..., i].mean(1)), unit)
            made[f"{name}, spread"] = Estimate(
                float(fit.theta[:, i].std(ddof=1)), *interval(fit.replicates[..., i].std(1, ddof=1)), unit
            )
        else:
            for c, label in enumerate(names):
                made[f"{name}[{label}]"] = Estimate(float(fit.theta[c, i]), *interval(fit.replicates[:, c, i]), unit)
    rms = float(np.sqrt(np.mean(r**2)))
    fits, text = _verdict(fit, rms)
    return Fitted(fit.law.name, made, rms, aicc(float((r**2).sum()), n, k), k, text, fits)


def _verdict(fit: TrendFit, rms: float) -> tuple[bool, str]:
    if rms <= ACCEPT:
        return True, "fits"
    cut = 3 * float(np.median(np.abs(np.concatenate(fit.residual))))  # one wild point says nothing about its neighbours
    tame = [np.clip(r, -cut, cut) for r in fit.residual]
    pairs = np.concatenate([r[1:] * r[:-1] for r in tame])
    rho = float(pairs.mean()) / float(np.mean(np.concatenate(tame) ** 2))
    if rms > WILD:
        return False, f"{fit.law.name} misses {rms:.0%} of the mean: the values jump, there is no trend to fit"
    if abs(rho) * math.sqrt(len(pairs)) > 2:
        return (
            False,
            f"{fit.law.name} has not the shape of your curves: it misses {rms:.0%} of the mean, and successive misses are alike",
        )
    return True, f"fits within a scatter of {rms:.0%}"
