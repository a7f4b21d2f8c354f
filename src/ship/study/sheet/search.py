"""The search for the value of an imperfection at which the accuracy has fallen by a chosen amount.

First the interval with this value is halved on a few chips, until its ends differ by less than a quarter. Then values around it,
at equal distances of the logarithm, are measured on all chips. The required value is where the fall of the accuracy, made rising
by isotonic regression, meets the drop, with a straight line between points. Falls are paired: the same chips (equal draws,
whatever the value) and the same test samples, beside floating point on these samples. The 95 % interval is that of 1000 resamples
of chips and, independently of these, of test samples; values are added where an end of it lies beyond those measured. An
imperfection by which chips do not differ is measured on one of them, and its interval is over test samples alone.

Sources: Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), ch. 13 (percentile interval); of resampling both factors
of a table: Owen, Ann. Appl. Stat. 1:386 (2007); of the formula of isotonic regression: Robertson, Wright & Dykstra, *Order
Restricted Statistical Inference* (1988), sec. 1.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...base.statistics import Interval, mean_interval
from ..requirement import Search, crossing
from .findings import Point

RESAMPLES = 1000
COARSE = math.log(1.25)  # to which the first interval is halved, and the distance of the values that follow
AROUND = 2  # values on either side of the one that was found on a few chips
MORE = 6  # values that may be added beyond these
Hits = Callable[[float, int], Tensor]  # (value, chips) -> [chip, sample], whether each sample was right
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Truth:
    """What all values of all axes are compared with.

    Args:
        hits: ``[sample]``, whether each test sample is right in floating point.
        drop: the fall of the accuracy that is sought.
        chips, few: numbers of chips, and of those on which a search begins.
        seed: the seed of the resamples.
    """

    hits: Tensor
    drop: float
    chips: int
    few: int
    seed: int

    @property
    def target(self) -> float:
        """The accuracy that is sought."""
        return float(self.hits.double().mean()) - self.drop

    def falls(self, hits: Sequence[Tensor]) -> tuple[Array, Array]:
        """Return the fall of the accuracy at each value, ``[value]``, and that of each resample, ``[resample, value]``.

        Args:
            hits: ``[chip, sample]`` of each value, of the same chips.
        """
        rng = np.random.default_rng(self.seed)
        exact, table = self.hits.numpy().astype(np.float64), [h.numpy().astype(np.float64) for h in hits]
        chips, samples = table[0].shape
        dies = rng.multinomial(chips, np.full(chips, 1 / chips), size=RESAMPLES) / chips
        drawn = rng.multinomial(samples, np.full(samples, 1 / samples), size=RESAMPLES) / samples
        at = np.array([exact.mean() - h.mean() for h in table])
        resampled = np.stack([((exact - dies @ h) * drawn).sum(-1) for h in table], axis=-1)
        return at, resampled

    def estimate(self, hits: Tensor) -> tuple[Interval, Interval]:
        """Return the accuracy of chips, and its fall, each with the 95 % interval over chips and test samples."""
        at, resampled = self.falls([hits])
        low, high = np.quantile(resampled[:, 0], [0.025, 0.975])
        mine = Truth(torch.zeros_like(self.hits), 0.0, self.chips, self.few, self.seed)
        value, accuracies = mine.falls([hits])
        ends = np.quantile(-accuracies[:, 0], [0.025, 0.975])
        return Interval(float(-value[0]), float(ends[0]), float(ends[1])), Interval(float(at[0]), float(low), float(high))


@dataclass
class Measured:
    """The values that were measured, and where."""

    at: Hits
    coarse: dict[float, Tensor] = field(default_factory=dict)  # on a few chips
    fine: dict[float, Tensor] = field(default_factory=dict)  # on all

    def mean(self, value: float, chips: int) -> float:
        """Return the accuracy at a value on the first chips."""
        if value in self.fine:
            return float(self.fine[value][:chips].double().mean())
        if value not in self.coarse:
            self.coarse[value] = self.at(value, chips)
        return float(self.coarse[value].double().mean())

    def measure(self, value: float, chips: int) -> None:
        """Measure a value on all chips."""
        if value not in self.fine:
            known = self.coarse.get(value)
            self.fine[value] = known if known is not None and len(known) == chips else self.at(value, chips)

    @property
    def curve(self) -> tuple[Point, ...]:
        """All values with the accuracy of the most chips that each of them was measured on."""
        return tuple(point(value, hits) for value, hits in sorted((self.coarse | self.fine).items()))


@dataclass(frozen=True)
class Located:
    """What a search found: the required value, how it lies in the range, and the curve."""

    required: Interval
    found: str
    curve: tuple[Point, ...]


def point(value: float, hits: Tensor) -> Point:
    """Return a point of a curve, of ``hits [chip, sample]``."""
    each = hits.double().mean(-1)
    return Point(value, mean_interval(each) if len(each) > 1 else Interval(float(each[0])), len(each))


def locate(at: Hits, seek: Search, truth: Truth, *, less: bool) -> Located:
    """Find the value at which the accuracy has fallen by the drop.

    Args:
        at: what each test sample was taken for, by value and number of chips.
        seek: the range.
        truth: what it is compared with.
        less: whether less of it is better.
    """
    good, bad = (seek.low, seek.high) if less else (seek.high, seek.low)
    seen = Measured(at)
    if seen.mean(bad, truth.few) >= truth.target:
        for value in (bad, seek.between(good, bad)):
            seen.measure(value, truth.chips)
        if float(seen.fine[bad].double().mean()) >= truth.target:
            end = math.inf if less else -math.inf
            return Located(Interval(math.nan, end, end), "never", seen.curve)
    if seen.mean(good, truth.few) < truth.target:
        seen.measure(good, truth.chips)
        if float(seen.fine[good].double().mean()) < truth.target:
            end = -math.inf if less else math.inf
            return Located(Interval(math.nan, end, end), "always", seen.curve)
    lower, upper = good, bad
    while abs(seek.coordinate(upper) - seek.coordinate(lower)) > COARSE:
        middle = seek.between(lower, upper)
        if middle in (lower, upper):
            break
        lower, upper = (middle, upper) if seen.mean(middle, truth.few) >= truth.target else (lower, middle)
    centre = (seek.coordinate(lower) + seek.coordinate(upper)) / 2
    for k in range(-AROUND, AROUND + 1):
        seen.measure(_inside(seek, centre + k * COARSE), truth.chips)
    return _settled(seen, seek, truth, less=less)


def _inside(seek: Search, z: float) -> float:
    return min(max(seek.allowed(z), seek.low), seek.high)


def _settled(seen: Measured, seek: Search, truth: Truth, *, less: bool) -> Located:
    """Add values until the interval lies among them, or the range ends."""
    for _ in range(MORE):
        interval = interval_of(seen.fine, seek, truth, less=less)
        values = sorted(seen.fine)
        more = []
        if not math.isfinite(interval.low) and values[0] > seek.low:
            more.append(min(_inside(seek, seek.coordinate(values[0]) - COARSE), values[0] - seek.whole))
        if not math.isfinite(interval.high) and values[-1] < seek.high:
            more.append(max(_inside(seek, seek.coordinate(values[-1]) + COARSE), values[-1] + seek.whole))
        if not more:
            break
        for value in more:
            seen.measure(value, truth.chips)
    interval = interval_of(seen.fine, seek, truth, less=less)
    if math.isfinite(interval.value):
        return Located(interval, "bracketed", seen.curve)
    found = "never" if (interval.value > 0) == less else "always"
    return Located(Interval(math.nan, interval.low, interval.high), found, seen.curve)


def interval_of(measured: Mapping[float, Tensor], seek: Search, truth: Truth, *, less: bool) -> Interval:
    """Return the required value with its interval, from the hits at values on the same chips."""
    values = sorted(measured, reverse=not less)  # from the better end to the worse one
    at, resampled = truth.falls([measured[v] for v in values])
    z = np.array([seek.coordinate(v) for v in values])
    found = [crossing(z, -rising, -truth.drop) for rising in isotonic(np.concatenate([at[None], resampled]))]
    low, high = np.quantile(found[1:], [0.025, 0.975], method="inverted_cdf")
    value, least, most = (seek.at(float(x)) if math.isfinite(x) else float(x) for x in (found[0], low, high))
    return Interval(value, least, most)


def isotonic(y: Array) -> Array:
    """Return the rising sequences nearest to given ones, ``[..., value]``, by least squares.

    The formula is ``max over j <= i of min over k >= i of mean(y_j .. y_k)``.
    """
    n = y.shape[-1]
    total = np.concatenate([np.zeros((*y.shape[:-1], 1)), np.cumsum(y, -1)], -1)
    made = np.full(y.shape, -np.inf)
    for j in range(n):
        means = (total[..., j + 1 :] - total[..., j : j + 1]) / np.arange(1, n - j + 1)
        least = np.minimum.accumulate(means[..., ::-1], -1)[..., ::-1]
        made[..., j:] = np.maximum(made[..., j:], least)
    return made
