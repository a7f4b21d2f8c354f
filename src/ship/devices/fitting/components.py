"""Scatter in two parts: from device to device, and from cycle to cycle within a device.

With a measured value ``y_ij`` of cycle j on device i, ``y_ij = m + d_i + c_ij``, where d and c are independent and normal with
standard deviations ``d2d`` and ``c2c``. A label of a column says which rows are one device; without one, nothing can be said of
d2d. For a trial pair of variances the device means have the weights ``w_i = 1 / (d2d^2 + c2c^2 / n_i)``, and

    c2c^2 = SS_within / (N - k),     sum w_i (mean_i - m)^2 = k - 1,     m = sum w_i mean_i / sum w_i

give the estimates, for unequal groups, too. On their right sides stand the means of chi-square numbers with N - k and k - 1
degrees of freedom; with draws of these in their place, the equations give draws of ``d2d`` and ``c2c`` whose middle 95 % are the
intervals (generalised confidence intervals, which need no large number of devices). That of m is Student's, with k - 1 degrees
of freedom and the variance ``sum w_i (mean_i - m)^2 / ((k - 1) sum w_i)``: exact for equal groups. Within devices, scatter with
heavier tails than normal counts for fewer degrees of freedom, by its kurtosis. Where the values are estimates, the variance of
their own errors is taken off c2c^2, or off d2d^2 where each device has one value.

Sources: Mandel & Paule, Anal. Chem. 42:1194 (1970), for the weights; Weerahandi, J. Am. Stat. Assoc. 88:899 (1993), for the
intervals of the variances; Hartung & Knapp, Stat. Med. 20:3875 (2001), for that of m; Searle, Casella & McCulloch, Variance
Components (1992).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .report import Estimate
from .solve import interval

Array = np.ndarray
LEAST = 3  # devices (or cycles of one device) from which on a spread is estimated
DRAWS = 4000  # of the variances, at least
WILD = 5.0  # robust standard deviations from which on a value is left out where that is asked for


class Components(NamedTuple):
    """The centre and the two parts of the scatter of a quantity; None: it was not measured.

    In logarithmic scale ``centre`` is the median in the unit of the quantity, and the scatters are standard deviations of its
    natural logarithm. Below three devices the centre is that of these devices, and says nothing of others.
    """

    centre: Estimate
    d2d: Estimate | None
    c2c: Estimate | None
    log: bool
    devices: int
    wild: int = 0  # values that were left out, see `components`

    @property
    def whole(self) -> bool:
        """Whether d2d has c2c in it: one value a device does not tell them apart."""
        return self.d2d is not None and self.c2c is None


class Groups(NamedTuple):
    """What is left of values by device: it is sufficient for a normal scatter."""

    n: Array  # [device], values
    mean: Array  # [device]
    left: Array  # [row], differences from the mean of the device

    @property
    def df(self) -> int:
        """The degrees of freedom within devices."""
        return len(self.left) - len(self.n)


class Draws(NamedTuple):
    """Draws of what is not known, ``[draw]``; the first is the estimate."""

    centre: Array
    between: Array  # variance from device to device
    within: Array  # variance within devices


def components(
    values: Array,
    devices: Sequence[str] | None,
    *,
    log: bool = False,
    unit: str = "",
    seed: int = 0,
    replicates: int = 200,
    robust: bool = False,
    error: float = 0.0,
) -> Components:
    """Split the scatter of values into its parts, with 95 % intervals.

    Args:
        values: the values, ``[row]``; above 0 (or all below) where ``log``.
        devices: the device of each row; None: no label says which rows are one device, and all scatter counts as c2c.
        log: whether the scatter is that of the logarithm.
        unit: the unit of the values, for texts.
        seed: the seed of the draws.
        replicates: the number of draws, at least `DRAWS`.
        robust: whether to leave out what lies more than five robust standard deviations from its device's median, and devices
            that lie as far from the others; `Components.wild` counts the values.
        error: the variance of the error that each value has by itself, where values are estimates; it is no part of the scatter.
    """
    sign = -1.0 if log and float(np.median(values)) < 0 else 1.0
    y = np.log(sign * np.asarray(values, dtype=float)) if log else np.asarray(values, dtype=float)
    label = numbered(y, devices)
    keep = _tame(y, label) if robust else np.ones(len(y), dtype=bool)
    groups = grouped(y[keep], label[keep])
    made = _without(drawn(groups, np.random.default_rng(seed), max(replicates, DRAWS)), groups, error)
    few = devices is None or len(groups.n) < LEAST
    ends = sorted(sign * math.exp(v) if log else v for v in interval(made.centre[1:]))
    value = float(made.centre[0])
    centre = Estimate(sign * math.exp(value) if log else value, ends[0], ends[1], unit)
    own = "" if log else unit
    c2c = _size(made.within, own) if groups.df >= LEAST - 1 else None
    count = 0 if devices is None else len(groups.n)
    return Components(centre, None if few else _size(made.between, own), c2c, log, count, int((~keep).sum()))


def _without(made: Draws, groups: Groups, error: float) -> Draws:
    """Take the values' own errors off the scatter in which they are: that within devices, or the whole where there is no such."""
    if groups.df > 0:
        return made._replace(within=np.maximum(made.within - error, 0.0))
    return made._replace(between=np.maximum(made.between - error, 0.0))


def shrunk(
    values: Array, devices: Sequence[str], *, log: bool = False, unit: str = "", seed: int = 0, replicates: int = 200
) -> dict[str, Estimate]:
    """Return the mean of each device (the median where ``log``), drawn to the mean of all by what its own scatter leaves open.

    A device's mean counts with ``d2d^2 / (d2d^2 + c2c^2 / n_i)``, the mean of all with the rest; intervals have the uncertainty
    of both variances in them.

    Args:
        values, devices, log, unit, seed, replicates: see `components`; at least three devices.
    """
    sign = -1.0 if log and float(np.median(values)) < 0 else 1.0
    y = np.log(sign * np.asarray(values, dtype=float)) if log else np.asarray(values, dtype=float)
    label = numbered(y, devices)
    groups = grouped(y, label)
    rng = np.random.default_rng(seed)
    made = drawn(groups, rng, max(replicates, DRAWS))
    out = {}
    for k, name in enumerate(dict.fromkeys(np.asarray(devices, dtype=str).tolist())):
        own = made.within / groups.n[k]
        share = np.divide(made.between, made.between + own, out=np.ones_like(own), where=made.between + own > 0)
        at = made.centre + share * (groups.mean[k] - made.centre)
        spread = at + np.sqrt(share * own) * rng.standard_normal(len(at))
        v, *ends = (sign * math.exp(x) if log else x for x in (float(at[0]), *interval(spread[1:])))
        out[name] = Estimate(v, min(ends), max(ends), unit)
    return out


def grouped(y: Array, label: Array) -> Groups:
    """Return the values by device; ``label`` counts devices from 0, ``[row]``."""
    _, label = np.unique(label, return_inverse=True)
    n = np.bincount(label).astype(float)
    mean = np.bincount(label, y) / n
    return Groups(n, mean, y - mean[label])


def drawn(groups: Groups, rng: np.random.Generator, draws: int) -> Draws:
    """Draw centre and variances from what the data leave open; the estimate comes first."""
    k, df = len(groups.n), groups.df
    within = np.zeros(draws + 1)
    if df > 0:
        total = float((groups.left**2).sum())
        worth = df * _worth(groups)
        within = total / df * worth / np.r_[worth, rng.chisquare(worth, draws)]
    if k < LEAST:  # the centre of these devices
        share = np.full(k, 1 / k)
        error = np.sqrt((share**2 / groups.n).sum() * within)
        return Draws(float(share @ groups.mean) + error * np.r_[0.0, rng.standard_normal(draws)], np.zeros(draws + 1), within)
    between = _between(groups, within, np.r_[k - 1.0, rng.chisquare(k - 1, draws)])
    weight, centre = (float(v[0]) for v in _weighted(groups, between[:1], within[:1]))
    w = 1 / np.maximum(between[0] + within[0] / groups.n, 1e-300)
    error = math.sqrt(float(w @ (groups.mean - centre) ** 2) / ((k - 1) * weight))
    return Draws(centre + error * np.r_[0.0, rng.standard_t(k - 1, draws)], between, within)


def numbered(y: Array, devices: Sequence[str] | None) -> Array:
    """Return the number of each row's device, in order of appearance."""
    if devices is None:
        return np.zeros(len(y), dtype=int)
    place: dict[str, int] = {}
    return np.array([place.setdefault(str(d), len(place)) for d in devices], dtype=int)


def _tame(y: Array, label: Array) -> Array:
    """Return which rows are not wild; below ten values that tell the scatter, none is."""
    n = np.bincount(label)
    middle = np.array([np.median(y[label == k]) for k in range(len(n))])
    keep = np.ones(len(y), dtype=bool)
    left = y - middle[label]
    several = n[label] > 1
    if several.sum() >= 10 and (scale := 1.4826 * float(np.median(np.abs(left[several])))) > 0:
        keep &= np.abs(left) <= WILD * scale * np.sqrt(np.maximum(n[label] / np.maximum(n[label] - 1, 1), 1))
    if len(n) >= 10 and (scale := 1.4826 * float(np.median(np.abs(middle - np.median(middle))))) > 0:
        keep &= (np.abs(middle - np.median(middle)) <= WILD * scale)[label]
    return keep


def _worth(groups: Groups) -> float:
    """Return the degrees of freedom that one within devices is worth: fewer where tails are clearly heavier than normal."""
    df, left = groups.df, groups.left
    square = float((left**2).sum())
    if df < 10 or square == 0:
        return 1.0
    kurtosis = len(left) * float((left**4).sum()) / square**2 - 3
    if kurtosis < 3 * math.sqrt(24 / df):  # three standard errors of a normal sample's
        return 1.0
    return 1 / (1 + kurtosis / 2)


def _weighted(groups: Groups, between: Array, within: Array) -> tuple[Array, Array]:
    """Return the sum of the weights, and the weighted mean, ``[draw]``."""
    total, first = np.zeros(len(between)), np.zeros(len(between))
    for n in np.unique(groups.n):
        mean = groups.mean[groups.n == n]
        w = 1 / np.maximum(between + within / n, 1e-300)
        total += len(mean) * w
        first += w * float(mean.sum())
    return total, first / total


def _between(groups: Groups, within: Array, chi2: Array) -> Array:
    """Solve ``sum w_i (mean_i - m)^2 = chi2`` for the variance from device to device, ``[draw]``; 0 where it has no solution."""
    parts = [(n, groups.mean[groups.n == n]) for n in np.unique(groups.n)]

    def misses(between: Array) -> Array:
        _, centre = _weighted(groups, between, within)
        out = np.zeros(len(between))
        for n, mean in parts:
            ss = float(((mean - mean.mean()) ** 2).sum())
            out += (ss + len(mean) * (mean.mean() - centre) ** 2) / np.maximum(between + within / n, 1e-300)
        return np.asarray(out - chi2)

    low = np.zeros(len(chi2))
    high = float(((groups.mean - groups.mean.mean()) ** 2).sum()) / chi2  # there, no weight is above 1 / between
    found = misses(low) > 0
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = misses(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.where(found, 0.5 * (low + high), 0.0))


def _size(variance: Array, unit: str) -> Estimate:
    spread = np.sqrt(variance)
    low, high = interval(spread[1:])
    return Estimate(float(spread[0]), min(low, float(spread[0])), max(high, float(spread[0])), unit)
