"""The scatter of curves around whatever trend they have: its size, the scale in which it lives, and how it goes on in time.

Its size comes from neighbours (`noise`): no law supplies it for itself. How it goes on is seen in means of m successive points,
each compared with the line through both neighbours, by which a smooth trend drops out. Of independent points the variance of
what is left falls as 1 / m; with 1/f noise it stays: ``v(m) = white^2 / m + flicker^2 g(m)``. Flicker is the driving noise of a
fractional difference of order 1/2, ``y_i = sum_k h_k e_{i-k}``, ``h_0 = 1, h_k = h_{k-1} (k - 1/2) / k``; its Allan deviation is
``sqrt(2 ln 2 / pi) flicker``, of however many points, and g follows from the same sum (by simulation, to 1 %).

Sources: Gasser, Sroka & Jennen-Steinmetz, Biometrika 73:625 (1986), for neighbours; Allan, Proc. IEEE 54:221 (1966); Kasdin,
Proc. IEEE 83:802 (1995), eq. 104, for the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .noise import NoiseModel, estimate_noise

Array = np.ndarray
Curve = tuple[Array, Array]  # (x, y), x in order
FLOOR = 1e-7  # of the value: scatter below it counts as this, so that data without any can be judged
BLOCKS = 8  # the fewest blocks of a mean
SHARE = 0.5  # degrees of freedom of departures, of the number of points (Gasser et al.: 18/35 for equal steps)
DENSE = 1000  # points of a curve above which they are averaged where scatter is slow
ALLAN = math.sqrt(2 * math.log(2) / math.pi)  # Allan deviation of flicker of 1
DEPARTURE = {1: 0.567, 2: 0.430, 4: 0.384, 8: 0.364}  # variance of departures of means of m points of flicker of 1
LIMIT = 0.360  # the same for more


class TrendNoise(NamedTuple):
    """The scatter of curves: in ln y, or in fractions of each curve's mean."""

    log: bool  # whether it grows with the value: the residuals are then those of ln y
    sigma: Array  # [curve], standard deviation of a point beside its neighbours
    white: Array  # [curve], its independent part
    flicker: Array  # [curve], its slow part (1/f); 0 where there is none
    df: float  # the degrees of freedom of sigma
    df_slow: float  # those of the slow part
    model: NoiseModel | None  # of all curves together, in S; None: too few points tell it

    @property
    def pooled(self) -> float:
        """The standard deviation of a point over all curves."""
        return float(np.sqrt(np.mean(self.sigma**2)))

    @property
    def allan(self) -> float:
        """The Allan deviation of the slow part, over all curves."""
        return ALLAN * float(np.sqrt(np.mean(self.flicker**2)))

    def averaged(self, curve: int, m: int) -> tuple[float, float]:
        """Return the white and the slow part of means of m successive points."""
        return float(self.white[curve]) / math.sqrt(m), float(self.flicker[curve])


def covariance(white: float, flicker: float, n: int) -> Array:
    """Return the covariance of successive points with such scatter, ``[n, n]``."""
    from scipy import linalg

    if flicker == 0:
        return white**2 * np.eye(n)
    h = np.cumprod(np.append(1.0, (np.arange(1, n) - 0.5) / np.arange(1, n)))
    lower = linalg.toeplitz(h, np.zeros(n)) * flicker
    return np.asarray(lower @ lower.T + white**2 * np.eye(n))


def noise_of(curves: Sequence[Curve], *, apart: bool = False) -> TrendNoise:
    """Estimate the scatter of curves.

    Args:
        curves: the curves, x and y above 0, x in order.
        apart: whether each curve has a scatter of its own, of ln y; else all have one, in S or of ln y by what is likelier.
    """
    x, y = (np.concatenate([c[i] for c in curves]) for i in (0, 1))
    groups = np.repeat(np.arange(len(curves)), [len(c[0]) for c in curves])
    model = estimate_noise(np.log(x), y, groups)
    log = apart or model is None or not model.sure or model.relative * float(np.median(y)) >= model.additive
    if apart:
        own = [estimate_noise(np.log(a), np.log(b)) for a, b in curves]
        sigma = np.array([0.0 if o is None else o.additive for o in own])
        df = min((o.df for o in own if o is not None), default=0.0)
    elif log:
        pooled = estimate_noise(np.log(x), np.log(y), groups)
        sigma = np.full(len(curves), 0.0 if pooled is None else pooled.additive)
        df = 0.0 if pooled is None else pooled.df
    else:
        assert model is not None
        sigma = np.array([float(np.sqrt(np.mean(model.sigma(b) ** 2))) / float(b.mean()) for _, b in curves])
        df = model.df
    sigma = np.maximum(sigma, FLOOR)
    scaled = [(a, (np.log(b) if log else b / float(b.mean())) / s) for (a, b), s in zip(curves, sigma, strict=True)]
    found = [slow_part([c]) for c in scaled] if apart else [slow_part(scaled)] * len(curves)
    flicker = sigma * np.array([f for f, _ in found])
    white = np.sqrt(np.maximum(sigma**2 - DEPARTURE[1] * flicker**2, 0.05 * sigma**2))
    return TrendNoise(log, sigma, white, flicker, df, min(d for _, d in found), model)


def departures(x: Array, y: Array) -> Array:
    """Return how far each inner point lies from the line through its neighbours, in standard deviations of one point."""
    width = x[2:] - x[:-2]
    safe = np.where(width > 0, width, 1.0)
    b = np.where(width > 0, (x[1:-1] - x[:-2]) / safe, 0.5)
    a = 1 - b
    return np.asarray((y[1:-1] - a * y[:-2] - b * y[2:]) / np.sqrt(1 + a * a + b * b))


def smallest(x: Array, y: Array) -> Array:
    """Return the departures over x or over ln x: of the two the smaller, for a bent trend only adds to them."""
    plain, log = departures(x, y), departures(np.log(x), y)
    return plain if float((plain**2).sum()) <= float((log**2).sum()) else log


def growth(curve: Curve) -> list[tuple[int, float, float]]:
    """Return (m, variance, degrees of freedom) of means of m successive points, m a power of 2, by their departures."""
    x, y = curve
    made, m = [], 1
    while len(x) // m >= BLOCKS:
        k = len(x) // m
        means = [v[: k * m].reshape(k, m).mean(1) for v in (x, y)]
        made.append((m, float((_straight(smallest(means[0], means[1])) ** 2).mean()), SHARE * (k - 2)))
        m *= 2
    return made


def _straight(departure: Array) -> Array:
    """Return departures without what changes slowly along the curve: that is its bend; scatter has next to nothing there."""
    degree = min(3, len(departure) // 4)
    at = np.linspace(-1.0, 1.0, len(departure))
    return np.asarray(departure - np.polynomial.Polynomial.fit(at, departure, degree)(at))


def slow_part(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return the flicker of curves, in units of y, with its degrees of freedom; 0 within a standard error of 0."""
    found: dict[int, tuple[float, float]] = {}
    for curve in curves:
        for m, variance, dof in growth(curve):
            total, weight = found.get(m, (0.0, 0.0))
            found[m] = (total + dof * variance, weight + dof)
    if len(found) < 3:
        return 0.0, math.inf
    sizes = np.array(list(found), dtype=float)
    seen = np.array([total / weight for total, weight in found.values()])
    free = np.array([weight for _, weight in found.values()])
    design = np.stack([1 / sizes, np.array([DEPARTURE.get(k, LIMIT) for k in found])], axis=1)
    white, slow, error = float(seen[0]), 0.0, math.inf
    for _ in range(5):  # weights follow the model
        sure = free / (2 * np.maximum(design @ np.array([white, slow]), 1e-300) ** 2)
        normal = (design * sure[:, None]).T @ design
        a, b = np.linalg.solve(normal, (design * sure[:, None]).T @ seen)
        white, slow = max(float(a), 1e-12), max(float(b), 0.0)
        error = math.sqrt(float(np.linalg.inv(normal)[1, 1]))
    return (math.sqrt(slow), 2 * (slow / error) ** 2) if slow > error else (0.0, math.inf)


def alike(y: Array) -> float:
    """Return by which factor successive values, because they are alike, are worth fewer independent ones: of their mean."""
    m, blocks = 1, []
    while len(y) // m >= 2 * BLOCKS:
        k = len(y) // m
        means = y[: k * m].reshape(k, m).mean(1)
        blocks.append(m * float(np.diff(means).var() / 2 + np.diff(means).mean() ** 2 / 2))
        m *= 2
    return max(1.0, blocks[-1] / blocks[0]) if len(blocks) > 2 and blocks[0] > 0 else 1.0
