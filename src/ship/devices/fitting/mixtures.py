"""Populations of values: mixtures of log-normal parts, over a flat background or none, and joined to what valleys part.

    p(y) = w_0 / (y_max - y_min) + sum_k w_k normal(y; m_k, s_k),    y = ln x

The background takes what belongs to no population (stuck or broken cells), so that it does not widen them; it has at most a
twentieth of the weight. The parameters are found by expectation and maximisation from several starts, the number of parts by the
Bayesian criterion, ``-2 ln L + k ln n``. A skewed population takes several parts: parts between which the density has no valley
(below 0.7 of the lower peak beside it) are one population, and so is each side of a valley; less than 2 % of the cells are none.

Sources: Dempster, Laird & Rubin, J. R. Stat. Soc. B 39, 1 (1977); Schwarz, Ann. Stat. 6, 461 (1978); the background: Banfield &
Raftery, Biometrics 49, 803 (1993); joining parts by valleys: Hennig, Adv. Data Anal. Classif. 4, 3 (2010).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

Array = np.ndarray
MOST = 6  # parts
VALLEY = 0.7  # of the lower peak beside it
STEPS = 500
FEW = 20  # steps from a given start
BACKGROUND = 0.05  # the most weight of the background
SMALLEST = 0.02  # share of the cells of a population
THINNEST = 0.02  # width of a population, of the standard deviation of all


class Mixture(NamedTuple):
    """Log-normal parts in ln x, from the lowest to the highest; ``weight`` has the background's at its end."""

    mean: Array  # [part]
    width: Array  # [part]
    weight: Array  # [part + 1]
    likelihood: float  # ln
    bic: float

    def parts(self, y: Array, span: tuple[float, float]) -> Array:
        """Return the density of each part, and of the background, ``[part + 1, value]``."""
        z = (y[None, :] - self.mean[:, None]) / self.width[:, None]
        dense = np.exp(-0.5 * z**2) / (self.width[:, None] * math.sqrt(2 * math.pi))
        flat = np.full((1, len(y)), 1 / max(span[1] - span[0], 1e-12))
        return np.asarray(self.weight[:, None] * np.concatenate([dense, flat]))

    def below(self, y: Array, span: tuple[float, float]) -> Array:
        """Return the share of the mixture below each value."""
        from scipy.special import ndtr

        parts = (self.weight[:-1, None] * ndtr((y - self.mean[:, None]) / self.width[:, None])).sum(0)
        return np.asarray(parts + self.weight[-1] * np.clip((y - span[0]) / max(span[1] - span[0], 1e-12), 0.0, 1.0))

    def distance(self, y: Array) -> float:
        """Return the Kolmogorov-Smirnov distance from values."""
        ordered = np.sort(y)
        share = self.below(ordered, (float(ordered[0]), float(ordered[-1])))
        k = np.arange(len(y))
        return float(max(np.abs(share - k / len(y)).max(), np.abs(share - (k + 1) / len(y)).max()))

    def valleys(self, span: tuple[float, float]) -> list[float]:
        """Return where the density has valleys, between peaks."""
        at = np.linspace(span[0], span[1], 2000)
        dense = self.parts(at, span)[:-1].sum(0)
        beside = np.r_[-1.0, dense, -1.0]
        peaks = np.flatnonzero((dense > beside[:-2]) & (dense >= beside[2:]))
        found: list[float] = []
        last = int(peaks[0])
        for peak in peaks[1:].tolist():
            low = last + int(np.argmin(dense[last : peak + 1]))
            if dense[low] < VALLEY * min(dense[last], dense[peak]):
                found.append(float(at[low]))
                last = peak
            elif dense[peak] > dense[last]:
                last = peak
        return found

    def members(self, y: Array) -> Array:
        """Return the population of each value, between valleys; -1: it belongs to the background, or to less than 2 %."""
        span = float(y.min()), float(y.max())
        parts = self.parts(y, span)
        edges = np.array(self.valleys(span))
        index = np.searchsorted(edges, y)
        index = np.where(np.argmax(parts, axis=0) == len(self.mean), -1, index)
        counts = [int((index == k).sum()) for k in range(len(edges) + 1)]
        kept = [k for k, n in enumerate(counts) if n >= SMALLEST * len(y)]
        made = np.full(len(y), -1)
        for new, old in enumerate(kept):
            made[index == old] = new
        return made


def mixture(
    y: Array, count: int, *, background: float = BACKGROUND, start: Mixture | None = None, thinnest: float = THINNEST
) -> Mixture:
    """Fit a number of parts to values ``y = ln x``.

    Args:
        y: the values.
        count: the number of parts.
        background: the most weight of the background.
        start: a mixture to start from, in few steps; None: several starts, of which the likeliest end is returned.
        thinnest: the least width of a part, of the standard deviation of all values.
    """
    span = float(y.min()), float(y.max())
    floor = max(thinnest * float(y.std()), 1e-6)
    best: Mixture | None = None
    for made in _starts(y, count, floor, background) if start is None else [start]:
        made = _climbed(y, made, span, floor, background, STEPS if start is None else FEW)
        if best is None or made.likelihood > best.likelihood:
            best = made
    assert best is not None
    order = np.argsort(best.mean)
    free = 3 * count - (0 if background else 1)  # means, widths, weights with the background's
    bic = -2 * best.likelihood + free * math.log(len(y))
    return Mixture(best.mean[order], best.width[order], np.r_[best.weight[:-1][order], best.weight[-1]], best.likelihood, bic)


def _climbed(y: Array, made: Mixture, span: tuple[float, float], floor: float, background: float, steps: int) -> Mixture:
    """Expect and maximise until the likelihood stays."""
    made = made._replace(likelihood=-math.inf)
    for _ in range(steps):
        parts = made.parts(y, span)
        total = parts.sum(0) + 1e-300
        likelihood = float(np.log(total).sum())
        done = likelihood - made.likelihood < 1e-7 * len(y)
        share = parts / total
        size = share.sum(1)
        inside = np.maximum(size[:-1], 1e-9)
        mean = (share[:-1] * y).sum(1) / inside
        width = np.sqrt((share[:-1] * (y - mean[:, None]) ** 2).sum(1) / inside)
        flat = min(float(size[-1]) / len(y), background)
        weight = np.r_[(1 - flat) * size[:-1] / size[:-1].sum(), flat]
        made = Mixture(mean, np.maximum(width, floor), weight, likelihood, 0.0)
        if done:
            break
    return made


def _starts(y: Array, count: int, floor: float, background: float) -> list[Mixture]:
    """Return mixtures to start from: at quantiles, at equal distances between the ends, and with a part at the mode."""
    low, high = np.percentile(y, [1, 99])
    even = (np.arange(count) + 0.5) / count
    means = [np.quantile(y, even), low + (high - low) * even]
    if count > 1 and len(y) > 5:
        near = np.abs(y - _mode(y)) < 0.3 * float(y.std())
        means.append(np.sort(np.append(np.quantile(y, np.linspace(0.1, 0.9, count - 1)), float(np.median(y[near])))))
    flat = min(0.02, background)
    width = np.full(count, max(float(y.std()) / count, floor))
    return [Mixture(m, width, np.r_[np.full(count, (1 - flat) / count), flat], -math.inf, math.inf) for m in means]


def _mode(y: Array) -> float:
    """Return the middle of the shortest interval with a quarter of the values."""
    ordered = np.sort(y)
    m = max(len(y) // 4, 1)
    k = int(np.argmin(ordered[m:] - ordered[:-m]))
    return float((ordered[k] + ordered[k + m]) / 2)


def mixtures(y: Array) -> list[Mixture]:
    """Return the mixtures of one part and more, as far as there are ten values for each part."""
    return [mixture(y, count) for count in range(1, MOST + 1) if len(y) >= 10 * count]
