"""Least squares with bounds and several starts, the criterion that models are ranked by, and intervals from replicates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray
RIDGE = 1e-3  # weight of a pull to the start, for what the data leave open; beside the data it does not count


class Solution(NamedTuple):
    """The solution of a least-squares problem."""

    theta: Array  # [parameter]
    rss: float  # sum of squared residuals, of the data alone


def least_squares(
    residual: Callable[[Array], Array],
    starts: Sequence[Array],
    low: Array,
    high: Array,
    *,
    ridge: Array | None = None,
    rough: bool = False,
) -> Solution:
    """Return the best of the local minima that are reached from several starts; the result is deterministic.

    Args:
        residual: the residuals of parameters, ``[parameter] -> [point]``, both of order 1.
        starts, low, high: the starting points and the limits, ``[parameter]``.
        ridge: the weights of the pull of each parameter to the first start (0: none).
        rough: whether to stop early, at a thousandth of the scatter of a replicate: for the bootstrap.
    """
    from scipy import optimize

    weight = np.zeros(len(low)) if ridge is None else RIDGE * ridge
    pull = weight > 0
    best: Solution | None = None
    for start in starts:
        x0 = np.clip(start, low + 1e-9 * (high - low), high - 1e-9 * (high - low))
        made = optimize.least_squares(
            lambda x: np.concatenate([residual(x), (weight * (x - starts[0]))[pull]]),
            x0,
            bounds=(low, high),
            x_scale=0.1,
            ftol=1e-4 if rough else 1e-9,
            max_nfev=40 if rough else 200,
        )
        rss = float((residual(made.x) ** 2).sum())
        if best is None or rss < best.rss * (1 - 1e-9):
            best = Solution(made.x, rss)
    assert best is not None
    return best


def aicc(rss: float, n: int, k: int) -> float:
    """Return Akaike's criterion for small samples, ``n ln(rss / n) + 2 k + 2 k (k + 1) / (n - k - 1)``.

    It is infinite where there are too many parameters for the points.

    Args:
        rss: the sum of squares of independent residuals.
        n: the number of points.
        k: the number of parameters, the variance included.
    """
    if n <= k + 1:
        return math.inf
    return n * math.log(max(rss, 1e-30) / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def interval(replicates: Array) -> tuple[float, float]:
    """Return the ends of the middle 95 % of replicates."""
    low, high = np.percentile(replicates, [2.5, 97.5])
    return float(low), float(high)
