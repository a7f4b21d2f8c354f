"""How several quantities vary together: from device to device, and from cycle to cycle within a device.

With vectors ``y_ij = m + d_i + c_ij`` for cycle j on device i, the scatter within devices gives the covariance of c, and that of
the device means what d adds to it: ``cov(means) = cov(d) + cov(c) / n_h``, n_h the harmonic mean of the numbers of cycles.
Intervals come from draws: with ``S = L W L^T``, W a Wishart matrix, its Cholesky factor ``s = L a`` gives ``L = s / a``, which
is exact for the correlation of two quantities. A spread that is no larger than its uncertainty has no correlation that could be
known: its interval is then as wide as -1 to 1. All correlations together are made a possible matrix by its closest positive one.

Sources: Berger & Sun, Ann. Stat. 36:963 (2008), for the draws; Searle, Casella & McCulloch, Variance Components (1992).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .components import LEAST, numbered
from .report import Estimate
from .solve import interval

Array = np.ndarray
DRAWS = 2000
SMALLEST = 1e-6  # of the eigenvalues of a correlation matrix that is made possible


class Correlated(NamedTuple):
    """The correlations of quantities, by pairs and as a matrix; None: the data have too few devices, or cycles, for them."""

    names: tuple[str, ...]
    between: dict[tuple[str, str], Estimate] | None
    within: dict[tuple[str, str], Estimate] | None
    between_matrix: Array | None  # [quantity, quantity], positive definite
    within_matrix: Array | None


def correlated(
    quantities: Mapping[str, Array], devices: Sequence[str] | None, *, log: Collection[str] = (), seed: int = 0
) -> Correlated:
    """Return how quantities vary together, between devices and within them.

    Args:
        quantities: the values of each quantity, ``[row]``; of one cycle in each row.
        devices: the device of each row; None: no label says which rows are one device, and all scatter is within.
        log: the names of quantities that count by their logarithm; above 0 (or all below).
        seed: the seed of the draws.
    """
    names = tuple(quantities)
    y = np.stack([np.log(np.abs(v)) if n in log else np.asarray(v, dtype=float) for n, v in quantities.items()], axis=1)
    label = numbered(y[:, 0], devices)
    n = np.bincount(label).astype(float)
    k, df = len(n), len(y) - len(n)
    mean = np.stack([np.bincount(label, column) / n for column in y.T], axis=1)
    left = y - mean[label]
    harmonic = k / float((1 / n).sum())
    rng = np.random.default_rng(seed)
    inside = left.T @ left / df if df >= len(names) else None
    outside = np.cov(mean, rowvar=False).reshape(len(names), -1) if devices is not None and k > max(len(names), LEAST) else None
    within: dict[tuple[str, str], Estimate] = {}
    between: dict[tuple[str, str], Estimate] = {}
    for a, b in itertools.combinations(range(len(names)), 2):
        pair = np.ix_([a, b], [a, b])
        c = np.zeros((DRAWS + 1, 2, 2)) if inside is None else _drawn(inside[pair], df, rng)
        if inside is not None:
            within[names[a], names[b]] = _correlation(c, rng)
        if outside is not None:
            between[names[a], names[b]] = _correlation(_drawn(outside[pair], k - 1, rng) - c / harmonic, rng)
    return Correlated(
        names,
        between if outside is not None else None,
        within if inside is not None else None,
        _matrix(names, between) if outside is not None else None,
        _matrix(names, within) if inside is not None else None,
    )


def _drawn(covariance: Array, df: int, rng: np.random.Generator) -> Array:
    """Return draws of the covariance of two quantities of which this is the estimate, ``[draw, 2, 2]``; it comes first itself."""
    size = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    r = float(np.clip(covariance[0, 1] / (size[0] * size[1]), -1, 1))
    s = np.array([[1.0, 0.0], [r, math.sqrt(1 - r**2)]])
    first, last = np.sqrt(rng.chisquare(df, DRAWS) / df), np.sqrt(rng.chisquare(df - 1, DRAWS) / df)
    off = rng.standard_normal(DRAWS) / math.sqrt(df)
    factor = np.zeros((DRAWS + 1, 2, 2))
    factor[0] = s
    factor[1:, 0, 0] = s[0, 0] / first
    factor[1:, 1, 1] = s[1, 1] / last
    factor[1:, 1, 0] = (s[1, 0] - s[1, 1] * off / last) / first
    return factor @ factor.transpose(0, 2, 1) * size[:, None] * size[None, :]


def _correlation(covariance: Array, rng: np.random.Generator) -> Estimate:
    """Return the correlation of two quantities from draws of their covariance, ``[draw, 2, 2]``; of no spread, it may be any."""
    square = covariance[:, 0, 0] * covariance[:, 1, 1]
    known = (covariance[:, 0, 0] > 0) & (covariance[:, 1, 1] > 0)
    r = np.clip(covariance[:, 0, 1] / np.sqrt(np.where(known, square, 1.0)), -1, 1)
    r = np.where(known, r, rng.uniform(-1, 1, len(r)))
    low, high = interval(r[1:])
    value = float(r[0]) if known[0] else 0.0
    return Estimate(value, min(low, value), max(high, value))


def _matrix(names: Sequence[str], pairs: Mapping[tuple[str, str], Estimate]) -> Array:
    out = np.eye(len(names))
    for (a, b), r in pairs.items():
        i, j = names.index(a), names.index(b)
        out[i, j] = out[j, i] = r.value
    return possible(out)


def possible(matrix: Array) -> Array:
    """Return the correlation matrix itself, or a positive definite one near it: without its eigenvalues below 0, rescaled."""
    values, vectors = np.linalg.eigh(matrix)
    if values.min() >= SMALLEST:
        return np.array(matrix)
    clipped = vectors * np.maximum(values, SMALLEST) @ vectors.T
    size = np.sqrt(np.diag(clipped))
    return np.asarray(clipped / np.outer(size, size))
