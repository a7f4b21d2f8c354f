"""What is said of a law that was fitted to curves: parameters with intervals and spreads, the verdict, the trend in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .components import components
from .report import Estimate, Fitted
from .trend import TrendFit
from .trend_noise import TrendNoise

Array = np.ndarray
ACCEPT = 0.05  # of the mean: a law that misses by no more than this, beside the scatter, fits
WILD = 0.5  # of the mean: scatter of a single curve from which on it jumps
MANY = 8  # curves up to which each one's own levels are listed
LEAST = 3  # curves from which on their spread is estimated


class Labels(NamedTuple):
    """The labels of curves, by curve: a level, a device and a cycle; "" where there is no such column."""

    level: Sequence[str]
    device: Sequence[str]
    cycle: Sequence[str]


def fitted(
    fit: TrendFit,
    names: Sequence[str],
    noise: TrendNoise,
    labels: Labels | None = None,
    *,
    scatter: float | None = None,
    each: bool = False,
) -> Fitted:
    """Return a law for the ranking: its parameters are means over the curves, or each curve's own where they are levels.

    Args:
        fit: the fit.
        names: the name of each curve, for the parameters.
        noise: the scatter of the curves.
        labels: their labels, which say which of them are one device.
        scatter: the scatter beside which a miss of the law does not count, where it is part of the result, however large; None:
            that of the noise, and a curve that jumps has no trend.
        each: whether all parameters of each curve are listed.
    """
    made: dict[str, Estimate] = {}
    open_: list[str] = []
    for i, (name, kind) in enumerate(zip(fit.law.parameters, fit.law.kinds, strict=True)):
        undecided = [undetermined(fit, c, i) for c in range(len(names))]
        if len(names) == 1 or each or (kind in ("level", "absolute") and len(names) <= MANY):
            for c, label in enumerate(names):
                own = name if len(names) == 1 else f"{name}[{label}]"
                low, high = (math.nan, math.nan) if undecided[c] else fit.ends(c, i)
                made[own] = Estimate(float(fit.theta[c, i]), low, high, fit.law.units[i])
                if undecided[c]:
                    open_.append(own)
            continue
        over = _levels(fit, i) if kind in ("level", "absolute") else over_curves(fit, i, labels)
        made |= {f"{name}, {what}": value for what, value in over.items()}
        if sum(undecided) > len(names) / 2:
            open_ += [f"{name}, {what}" for what in over]
    rms = float(np.sqrt(np.mean(np.concatenate(fit.residual) ** 2)))
    fits, text = _verdict(fit, noise, rms, scatter)
    k = fit.raw.size
    return Fitted(fit.law.name, made, rms, criterion(fit, noise, k), k, text, fits, tuple(open_))


def criterion(fit: TrendFit, noise: TrendNoise, k: int) -> float:
    """Return the criterion of a law, see `trend`; infinite where there are too many parameters for the points."""
    n = fit.points
    if n <= k + 1:
        return math.inf
    nu = max(noise.df * n / max(sum(len(r) for r in fit.residual), 1), 1.0)
    return (nu + n) * math.log1p(fit.chi2 / nu) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def undetermined(fit: TrendFit, curve: int, parameter: int) -> bool:
    """Return whether the data leave a parameter open: at its limit, or a time beyond them or known to no factor of 3."""
    if fit.bound[curve, parameter]:
        return True
    if fit.law.name != "exponential":
        return False
    if fit.law.kinds[parameter] == "level":  # known to no more than its own size
        width = math.sqrt(float(fit.error[curve, parameter, parameter]))
        if width > 0.5 * (1.0 if fit.log else abs(float(fit.raw[curve, parameter]))):
            return True
    if parameter == 0:
        return False
    tau = fit.law.kinds.index("time")
    low, high = fit.ends(curve, tau)
    return float(fit.theta[curve, tau]) > fit.last[curve] or not high < 9 * low


def _levels(fit: TrendFit, i: int) -> dict[str, Estimate]:
    unit, values = fit.law.units[i], fit.theta[:, i]
    low, high = (Estimate(float(v), unit=unit) for v in np.percentile(values, [5, 95]))
    return {
        "median": Estimate(float(np.median(values)), *median_ends(values), unit),
        "5 % of curves": low,
        "95 % of curves": high,
    }


def over_curves(fit: TrendFit, i: int, labels: Labels | None = None) -> dict[str, Estimate]:
    """Return the mean of a parameter over the curves and its spread without the share of each fit's own uncertainty.

    Where labels say which curves are one device, the spread is split into d2d and c2c; a time has the median, for it spreads over
    decades.
    """
    from scipy import stats

    unit, kind = fit.law.units[i], fit.law.kinds[i]
    values, own = fit.theta[:, i], _own_variance(fit, i)
    n = len(values)
    if kind == "time":
        return {"median": Estimate(float(np.median(values)), *median_ends(values), unit)}
    if n < LEAST:
        half = float(stats.t.ppf(0.975, fit.freedom.min())) * math.sqrt(float(own.sum())) / n
        return {"mean": Estimate(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half, unit)}
    devices = list(labels.device) if labels is not None and len(set(labels.device)) > 1 else None
    split = components(values, devices, unit=unit, error=float(own.mean()))
    rest = {"spread" if devices is None else "c2c": split.c2c, "d2d": split.d2d}
    return {"mean": split.centre} | {what: size for what, size in rest.items() if size is not None}


def _own_variance(fit: TrendFit, i: int) -> Array:
    """Return the variance of each curve's own fit of a parameter, in its unit."""
    width = fit.scale if fit.law.kinds[i] == "slope" else 1.0
    return np.asarray(fit.error[:, i, i] * width**2)


def median_ends(values: Array, factor: float = 1.0) -> tuple[float, float]:
    """Return the 95 % interval of a median by order statistics, for ``factor`` times fewer values where they are alike.

    Source: Hollander, Wolfe & Chicken, Nonparametric Statistical Methods (2014), sec. 3.6.
    """
    from scipy import stats

    ordered = np.sort(values)
    n = len(ordered)
    if n < 6:  # the smallest and the largest hold it with less than 95 %
        return math.nan, math.nan
    if factor <= 1:
        k = int(stats.binom.ppf(0.025, n, 0.5))
        return float(ordered[max(k - 1, 0)]), float(ordered[min(n - k, n - 1)])
    half = 0.98 * math.sqrt(factor / n)
    low, high = np.quantile(ordered, [max(0.5 - half, 0.0), min(0.5 + half, 1.0)])
    return float(low), float(high)


def _verdict(fit: TrendFit, noise: TrendNoise, rms: float, scatter: float | None) -> tuple[bool, str]:
    if rms <= ACCEPT:
        return True, "fits"
    beside = noise.pooled if scatter is None else max(scatter, noise.pooled)
    miss = math.sqrt(max(rms**2 - noise.pooled**2, 0.0))
    if rms > WILD and scatter is None:
        return False, f"{fit.law.name} misses {rms:.0%} of the mean: the values jump, there is no trend to fit"
    if miss <= max(ACCEPT, beside / 2):
        return True, f"fits within a scatter of {max(rms, beside):.0%}"
    cut = 3 * float(np.median(np.abs(np.concatenate(fit.residual))))  # one wild point says nothing about its neighbours
    tame = [np.clip(r, -cut, cut) for r in fit.residual]
    pairs = np.concatenate([r[1:] * r[:-1] for r in tame])
    rho = float(pairs.mean()) / float(np.mean(np.concatenate(tame) ** 2)) if len(pairs) else 0.0
    if rho * math.sqrt(len(pairs)) > 2:
        shape = "has not the shape of your curves: it misses"
        return False, f"{fit.law.name} {shape} {miss:.0%} of the mean beside the scatter, and successive misses are alike"
    return True, f"fits within a scatter of {rms:.0%}"


def trend_in_words(change: Estimate, what: str, relevant: float = 0.01) -> str:
    """Say what a relative change in each decade means: a rise, a fall, none within its interval, or not determined.

    Args:
        change: the change in each decade, as a fraction, with its interval.
        what: what changes, and over what: ``"the conductance, 1 to 361 s"``.
        relevant: the change, as a fraction, below which a trend is none in use, however sure.
    """
    low, high = change.low, change.high
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{what}: a trend is not determined"
    size = max(abs(low), abs(high))
    if low <= 0 <= high or size <= relevant:
        bound = f"{_rounded_up(100 * size):g} % a decade"
        return f"{what}: no trend within {bound}" if size <= 0.5 else f"{what}: a trend is not determined (within {bound})"
    verb = "rises" if change.value > 0 else "falls"
    ends = sorted((100 * abs(low), 100 * abs(high)))
    return f"{what}: {verb} by {100 * abs(change.value):.3g} % a decade, {ends[0]:.3g} to {ends[1]:.3g} %"


def _rounded_up(value: float) -> float:
    step = 10.0 ** (math.floor(math.log10(max(value, 1e-9))) - 1)
    return math.ceil(value / step - 1e-9) * step


def change_a_decade(fit: TrendFit, curve: int | None = None) -> Estimate:
    """Return the relative change of y in each decade of x, of a fitted power law: of one curve, or the mean of all."""
    nu = (
        Estimate(float(fit.theta[curve, 1]), *fit.ends(curve, 1))
        if curve is not None
        else Estimate(float(fit.theta[0, 1]), *fit.ends(0, 1))
        if len(fit.raw) == 1
        else over_curves(fit, 1)["mean"]
    )
    value, low, high = (float(np.exp(min(-v * np.log(10), 700.0))) - 1 for v in (nu.value, nu.high, nu.low))
    return Estimate(value, low, high, "of the value")
