"""Questions of relevance: is there a trend that matters, is a distribution close enough?

A test of "no difference at all" says with 10^4 values that everything differs, and with ten that nothing does. Here a bound is
stated, and the interval of what was measured is compared with it: within the bound, outside, or open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .report import Estimate

Array = np.ndarray
LEVEL = 0.95
WILD = 5.0  # robust standard deviations at which a residual of a trend is cut
FEW = 3  # devices from which on their own slopes give the interval


class Relevance(NamedTuple):
    """An answer: the quantity with its 95 % interval, beside the bound that it was compared with."""

    estimate: Estimate
    within: float
    answer: str  # "within" the bound, "outside" or "open"
    text: str  # a sentence for a report

    @property
    def holds(self) -> bool:
        """Whether the interval says that the quantity is within the bound."""
        return self.answer == "within"


def _answered(estimate: Estimate, within: float, texts: dict[str, str]) -> Relevance:
    if -within <= estimate.low and estimate.high <= within:
        answer = "within"
    elif estimate.low > within or estimate.high < -within:
        answer = "outside"
    else:
        answer = "open"
    return Relevance(estimate, within, answer, texts[answer])


def no_trend(x: Array, y: Array, within: float, devices: Sequence[str] | None = None, *, unit: str = "decade") -> Relevance:
    """Ask whether values change by less than a bound, relative to themselves, in each decade of x (or each unit of x).

    The slope of ``ln|y|`` over ``log10 x`` (or x) is that of least squares with wild residuals cut; its interval is Student's.
    Where successive residuals are alike, n values count for ``n (1 - rho) / (1 + rho)``. With three devices or more, the slope
    is the mean of those of the devices, with the interval that their scatter gives. The interval lies within the bounds: this is
    a test of equivalence, at 2.5 % for each side.

    Args:
        x: the variable, such as the number of the cycle, ``[point]``; above 0 where the unit is a decade.
        y: the values, all of one sign, ``[point]``.
        within: the relative change that matters, e.g. 0.05.
        devices: the device of each point; None: all are one curve.
        unit: "decade" for the change in a decade of x; else the name of the unit of x, in which the change is counted.
    """
    t, z = np.log10(x) if unit == "decade" else np.asarray(x, dtype=float), np.log(np.abs(np.asarray(y, dtype=float)))
    label = np.zeros(len(t), dtype=int) if devices is None else np.unique(np.asarray(devices, dtype=str), return_inverse=True)[1]
    curves = [np.flatnonzero(label == k) for k in range(int(label.max()) + 1)]
    slopes = [s for i in curves if (s := _slope(t[i], z[i])) is not None]
    if not slopes:
        return Relevance(Estimate(math.nan), within, "open", "too few values to tell a trend")
    value, half = _joint(slopes)
    estimate = Estimate(math.expm1(value), math.expm1(value - half), math.expm1(value + half))
    span = f"{estimate.value:+.1%} [{estimate.low:+.1%}, {estimate.high:+.1%}] a {unit}"
    texts = {
        "within": f"no trend within {within:.0%} a {unit}: {span}",
        "outside": f"trend of {span}",
        "open": f"whether there is a trend above {within:.0%} a {unit} is open: {span}",
    }
    return _answered(estimate, within, texts)


class _Slope(NamedTuple):
    value: float
    error: float
    df: float


def _slope(t: Array, z: Array) -> _Slope | None:
    """Return the slope of a curve; None: too few points."""
    if len(t) < 4 or float(np.ptp(t)) == 0:
        return None
    order = np.argsort(t, kind="stable")
    t, z = t[order] - t.mean(), z[order]
    design = np.stack([np.ones_like(t), t], axis=1)
    goal = z
    for _ in range(10):
        found = np.linalg.lstsq(design, goal, rcond=None)[0]
        left = z - design @ found
        scale = 1.4826 * float(np.median(np.abs(left - np.median(left))))
        if scale == 0:
            break
        goal = z - left + np.clip(left, -WILD * scale, WILD * scale)
    left = goal - design @ found
    square = float(left @ left)
    rho = min(max(float(left[1:] @ left[:-1]) / square, 0.0), 0.99) if square > 0 else 0.0
    rho = min(rho + (1 + 4 * rho) / len(t), 0.99) if rho > 1 / math.sqrt(len(t)) else 0.0  # its bias: Kendall (1954)
    df = max((len(t) - 2) * (1 - rho) / (1 + rho), 1.0)
    return _Slope(float(found[1]), math.sqrt(square / df / float(t @ t)), df)


def _joint(slopes: Sequence[_Slope]) -> tuple[float, float]:
    from scipy import stats

    value = np.array([s.value for s in slopes])
    if len(slopes) >= FEW:
        return float(value.mean()), float(stats.t.ppf(0.975, len(value) - 1) * value.std(ddof=1)) / math.sqrt(len(value))
    weight = 1 / np.maximum(np.array([s.error for s in slopes]) ** 2, 1e-300)
    half = float(stats.t.ppf(0.975, sum(s.df for s in slopes))) / math.sqrt(float(weight.sum()))
    return float((weight * value).sum() / weight.sum()), half


def close_to(distribution: Any, values: Array, within: float = 0.05) -> Relevance:
    """Ask whether the values come from a distribution that differs from this one by less than a bound in each probability.

    The Kolmogorov-Smirnov distance D of n values from it has the range ``D +- sqrt(ln(2 / 0.05) / 2 n)`` (Dvoretzky, Kiefer,
    Wolfowitz, with the constant of Massart, Ann. Probab. 18:1269 (1990)), also where its parameters were fitted to them.

    Args:
        distribution: a frozen distribution of SciPy, or a function from values to their cumulative probabilities.
        values: the values, ``[row]``.
        within: the difference in probability that matters.
    """
    cumulative: Callable[[Array], Array] = getattr(distribution, "cdf", distribution)
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    p = np.asarray(cumulative(ordered))
    distance = float(max((p - np.arange(n) / n).max(), (np.arange(1, n + 1) / n - p).max()))
    half = math.sqrt(math.log(2 / (1 - LEVEL)) / (2 * n))
    estimate = Estimate(distance, max(distance - half, 0.0), min(distance + half, 1.0))
    span = f"distance {distance:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
    texts = {
        "within": f"fits within {within:g} in probability: {span}",
        "outside": f"differs by more than {within:g} in probability: {span}",
        "open": f"{n} values leave open whether it fits within {within:g} in probability: {span}",
    }
    return _answered(estimate, within, texts)
