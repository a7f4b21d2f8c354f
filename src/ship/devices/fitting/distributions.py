"""Distributions of a quantity by maximum likelihood, with values of which only a lower limit is known.

normal            mean m, standard deviation s
log-normal        ln x is normal: median exp(m), s
Weibull           ``P(X > x) = exp(-(x / scale)^shape)``
two log-normal    a share w from one log-normal distribution, the rest from another

A value that was cut off at x (the end of a sweep) adds ``ln P(X > x)``. Intervals of the normal ones without such values are the
exact ones (Student, chi-square), others are those of the curvature of the likelihood. How far a distribution is from the data is
the Kolmogorov-Smirnov distance, up to the smallest value that was cut off. It fits where that is at most 0.05, however many
values there are; where fewer values leave the distance of a right distribution larger, up to the 95 % point of that.

Source: of the 95 % point of the distance where mean and standard deviation are estimated, ``0.895 / (sqrt(n) - 0.01 + 0.85 /
sqrt(n))``: Stephens, J. Am. Stat. Assoc. 69, 730 (1974); it is taken for all four.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .report import Estimate
from .switching_voltages import survival

Array = np.ndarray
WITHIN = 0.05  # Kolmogorov-Smirnov distance up to which a distribution is as good as right
NARROW = 0.03  # of the whole spread of ln x: a population is not narrower
HUGE = 1e12


class Sample(NamedTuple):
    """Values above 0 or of both signs, and which of them are only lower limits."""

    x: Array
    cut: Array

    @property
    def positive(self) -> bool:
        """Whether all are above 0."""
        return bool((self.x > 0).all())


class Family(NamedTuple):
    """A distribution in free parameters: start values, ln of the density, ln of the share above, names with values."""

    name: str
    n_parameters: int
    needs_positive: bool
    starts: Callable[[Sample], list[Array]]
    density: Callable[[Array, Array], Array]
    above: Callable[[Array, Array], Array]
    shown: Callable[[Array], list[tuple[str, float, bool]]]  # name, value, whether in the unit of x


class Law(NamedTuple):
    """A distribution with the parameters that fit best."""

    family: Family
    theta: Array
    covariance: Array
    likelihood: float  # ln
    distance: float  # Kolmogorov-Smirnov
    parameters: dict[str, Estimate]

    def share_below(self, x: Array) -> Array:
        """Return the share of the distribution that lies below x."""
        return np.asarray(-np.expm1(self.family.above(self.theta, x)))


def _normal(z: Array) -> Array:
    return np.asarray(-0.5 * z**2 - 0.5 * math.log(2 * math.pi))


def _tail(z: Array) -> Array:
    from scipy.special import log_ndtr

    return np.asarray(log_ndtr(-z))


def _two(t: Array, y: Array, part: Callable[[Array], Array], scaled: bool) -> Array:
    """Return ln of the sum of both populations' parts; ``scaled``: a density, divided by the width."""
    share = np.array([-np.logaddexp(0, -t[4]), -np.logaddexp(0, t[4])])
    parts = [share[k] + part((y - t[2 * k]) / math.exp(t[2 * k + 1])) - scaled * t[2 * k + 1] for k in (0, 1)]
    return np.asarray(np.logaddexp(parts[0], parts[1]))


def _start_two(s: Sample) -> list[Array]:
    y = np.sort(np.log(s.x))
    made = []
    for share in (0.15, 0.35, 0.5, 0.65, 0.85):
        k = min(max(int(share * len(y)), 2), len(y) - 2)
        parts = y[:k], y[k:]
        widths = [max(float(p.std()), NARROW * float(y.std()), 1e-6) for p in parts]
        made.append(
            np.array([parts[0].mean(), math.log(widths[0]), parts[1].mean(), math.log(widths[1]), math.log(share / (1 - share))])
        )
    return made


def _weibull_start(s: Sample) -> list[Array]:
    y = np.log(s.x)
    return [np.array([float(y.mean()) + 0.577 * 0.78 * float(y.std()), math.log(1.28 / max(float(y.std()), 1e-9))])]


def _weibull_power(t: Array, x: Array) -> Array:
    return np.asarray(np.exp(np.minimum(math.exp(min(t[1], 20.0)) * (np.log(x) - t[0]), 50.0)))


def _first_two(y: Array) -> list[Array]:
    return [np.array([float(y.mean()), math.log(max(float(y.std()), 1e-300))])]


FAMILIES = (
    Family(
        "normal",
        2,
        False,
        lambda s: _first_two(s.x),
        lambda t, x: _normal((x - t[0]) / math.exp(t[1])) - t[1],
        lambda t, x: _tail((x - t[0]) / math.exp(t[1])),
        lambda t: [("mean", t[0], True), ("std", math.exp(t[1]), True)],
    ),
    Family(
        "log-normal",
        2,
        True,
        lambda s: _first_two(np.log(s.x)),
        lambda t, x: _normal((np.log(x) - t[0]) / math.exp(t[1])) - t[1] - np.log(x),
        lambda t, x: _tail((np.log(x) - t[0]) / math.exp(t[1])),
        lambda t: [("median", math.exp(t[0]), True), ("sigma of ln", math.exp(t[1]), False)],
    ),
    Family(
        "Weibull",
        2,
        True,
        _weibull_start,
        lambda t, x: t[1] + math.exp(min(t[1], 20.0)) * (np.log(x) - t[0]) - np.log(x) - _weibull_power(t, x),
        lambda t, x: -_weibull_power(t, x),
        lambda t: [("scale", math.exp(t[0]), True), ("shape", math.exp(t[1]), False)],
    ),
    Family(
        "two log-normal",
        5,
        True,
        _start_two,
        lambda t, x: _two(t, np.log(x), _normal, True) - np.log(x),
        lambda t, x: _two(t, np.log(x), _tail, False),
        lambda t: [
            ("median, first", math.exp(t[0]), True),
            ("sigma of ln, first", math.exp(t[1]), False),
            ("median, second", math.exp(t[2]), True),
            ("sigma of ln, second", math.exp(t[3]), False),
            ("share of the first", float(1 / (1 + math.exp(-t[4]))), False),
        ],
    ),
)


def fit_family(family: Family, sample: Sample, unit: str) -> Law | None:
    """Fit a distribution; None: it is not for such values, or there are too few of them."""
    from scipy.optimize import minimize

    n = len(sample.x)
    if (family.needs_positive and not sample.positive) or n < 2 * family.n_parameters:
        return None
    size = float(np.median(np.abs(sample.x)))
    scaled = Sample(sample.x / size, sample.cut)

    def cost(t: Array) -> float:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            total = -float(family.density(t, scaled.x[~scaled.cut]).sum()) - float(family.above(t, scaled.x[scaled.cut]).sum())
        return total if math.isfinite(total) else HUGE

    starts = family.starts(scaled)
    limits = None
    if family.n_parameters == 5:
        width = math.log(max(NARROW * float(np.log(scaled.x).std()), 1e-9))
        limits = [(None, None), (width, None), (None, None), (width, None), (-6.0, 6.0)]
    if family.name in ("normal", "log-normal") and not sample.cut.any():
        theta, least = starts[0], cost(starts[0])
    else:
        tried = [minimize(cost, t, method="L-BFGS-B", bounds=limits) for t in starts]
        best = min(tried, key=lambda m: float(m.fun))
        theta, least = np.asarray(best.x), float(best.fun)
    if family.n_parameters == 5 and theta[2] < theta[0]:
        theta = theta[[2, 3, 0, 1, 4]] * np.array([1, 1, 1, 1, -1])
    covariance = _covariance(cost, theta)
    distance = _distance(family, theta, scaled)
    exact = not sample.cut.any() and family.name in ("normal", "log-normal")
    made = _exact(family, scaled, size, unit) if exact else _curved(family, theta, covariance, size, unit, n)
    shifted = theta.copy()  # to the unit of x
    if family.name == "normal":
        shifted = np.array([theta[0] * size, theta[1] + math.log(size)])
    else:
        shifted[[0, 2] if family.n_parameters == 5 else [0]] += math.log(size)
    return Law(family, shifted, covariance, -least - int((~sample.cut).sum()) * math.log(size), distance, made)


def limit_of(n: int) -> float:
    """Return the Kolmogorov-Smirnov distance up to which a distribution of n values fits; see the module."""
    return max(WITHIN, 0.895 / (math.sqrt(n) - 0.01 + 0.85 / math.sqrt(n)))


def _distance(family: Family, theta: Array, s: Sample) -> float:
    """Return the Kolmogorov-Smirnov distance, up to the first value that was cut off."""
    at, alive, _, _ = survival(s.x, s.cut)
    below, before = 1 - alive, 1 - np.r_[1.0, alive[:-1]]
    share = -np.expm1(family.above(theta, at))
    return float(max(np.abs(share - below).max(), np.abs(share - before).max()))


def _covariance(cost: Callable[[Array], float], theta: Array) -> Array:
    """Return the inverse of the curvature of the cost at its least value, by differences."""
    k, h = len(theta), 1e-3
    curve = np.empty((k, k))
    steps = np.eye(k) * h
    for i in range(k):
        for j in range(i, k):
            a, b = steps[i], steps[j]
            curve[i, j] = curve[j, i] = (
                cost(theta + a + b) - cost(theta + a - b) - cost(theta - a + b) + cost(theta - a - b)
            ) / (4 * h * h)
    try:
        inverse = np.linalg.inv(curve)
    except np.linalg.LinAlgError:
        return np.full((k, k), np.nan)
    return inverse if bool((np.diag(inverse) > 0).all()) else np.full((k, k), np.nan)


def _exact(family: Family, s: Sample, size: float, unit: str) -> dict[str, Estimate]:
    """Return Student's interval of the mean and the chi-square one of the standard deviation, in x or ln x."""
    from scipy.stats import chi2, t

    log = family.name == "log-normal"
    y = np.log(s.x) if log else s.x
    n, mean, std = len(y), float(y.mean()), float(y.std(ddof=1))
    half = float(t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    low, high = (std * math.sqrt((n - 1) / float(chi2.ppf(q, n - 1))) for q in (0.975, 0.025))
    if log:
        middle, *ends = (size * math.exp(m) for m in (mean, mean - half, mean + half))
        return {"median": Estimate(middle, ends[0], ends[1], unit), "sigma of ln": Estimate(std, low, high)}
    return {
        "mean": Estimate(size * mean, size * (mean - half), size * (mean + half), unit),
        "std": Estimate(size * std, size * low, size * high, unit),
    }


def _curved(family: Family, theta: Array, covariance: Array, size: float, unit: str, n: int) -> dict[str, Estimate]:
    """Return intervals from the curvature of the likelihood, in the free parameters."""
    from scipy.stats import t

    reach = float(t.ppf(0.975, max(n - family.n_parameters, 1))) * np.sqrt(np.diag(covariance))
    made = {}
    rows = [family.shown(theta + sign * reach * np.eye(len(theta))[i]) for i in range(len(theta)) for sign in (-1, 1)]
    for i, (name, value, in_x) in enumerate(family.shown(theta)):
        ends = sorted((rows[2 * i][i][1], rows[2 * i + 1][i][1]))
        factor = size if in_x else 1.0
        made[name] = Estimate(factor * value, factor * ends[0], factor * ends[1], unit if in_x else "")
    return made
