"""Switching voltages of loops, and medians where some values are only known to lie above a limit.

An excursion whose way back conducts more than its way out was a SET, one whose way back conducts less a RESET. On the way out
the distance ``d(V) = ln|I_back(V)| - ln|I_out(V)|`` between the two ways, at equal voltage, falls from ``d_0`` (its median up to
a third of the voltages) to nothing where the device switches. Where one step of the voltage (or 2 % of the points, if more)
takes half of d_0, the switching voltage is the first voltage after the steepest such step: an abrupt switch. Elsewhere it is
the first voltage from which on less than half of d_0 is left: there the conductance has crossed the geometric mean of the two
states. Both are one number for a sudden switch; the distance to the way back takes out what is only the curvature of both states.
Where neither happens below the end of the sweep, the device did not switch there: its voltage is above the end of the sweep.

Sources: the steepest change and the crossing are the two usual definitions, see Maldonado et al., Microelectronic Engineering
265, 111876 (2022); medians with values cut off: Kaplan & Meier, J. Am. Stat. Assoc. 53, 457 (1958); their interval: Brookmeyer &
Crowley, Biometrics 38, 29 (1982).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .loops import Excursion
from .report import Estimate

Array = np.ndarray
LEAST = math.log(1.5)  # distance of the two ways below which nothing switched
STEP = 0.02  # of the points of a way


class Switch(NamedTuple):
    """What happened on an excursion: 1 SET, -1 RESET, 0 nothing; the voltage (V, above 0), and whether it is only a limit."""

    kind: int
    voltage: float
    censored: bool


def gap(on_way: tuple[Array, Array], on_return: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return voltages of the way out and the distance ln|I_back| - ln|I_out| there; the ways are (V, A), both above 0 V."""
    (u, j), (x, y) = on_way, on_return
    order = np.argsort(x, kind="stable")
    inside = (u >= x[order[0]]) & (u <= x[order[-1]])
    back = np.interp(u[inside], x[order], y[order])
    floor = 1e-6 * float(max(np.abs(j).max(), np.abs(y).max()))
    return u[inside], np.log(np.maximum(np.abs(back), floor)) - np.log(np.maximum(np.abs(j[inside]), floor))


def switch_of(e: Excursion, voltage: Array, current: Array) -> Switch:
    """Return what happened on a whole excursion, and at which voltage; see the module."""
    ways = [(e.side * voltage[way], e.side * current[way]) for way in (e.out, e.back)]
    u, d = gap(ways[0], ways[1])
    end = float(ways[0][0].max())
    if len(u) < 4:
        return Switch(0, end, True)
    start = d[u <= max(end / 3, float(u[min(3, len(u) - 1)]))]
    before = float(np.median(start))
    if abs(before) < LEAST:
        return Switch(0, end, True)
    kind = 1 if before > 0 else -1
    left = kind * d  # what is left of the distance
    window = max(1, round(STEP * len(u)))
    fall = np.array([np.median(left[max(k - window, 0) : k]) - np.median(left[k : k + window]) for k in range(1, len(u))])
    k = int(np.argmax(fall)) + 1
    if fall[k - 1] >= 0.5 * kind * before:
        inside = np.arange(max(k - window, 0), min(k + window, len(u) - 1) + 1)
        steep = inside[1:][int(np.argmax(left[inside[:-1]] - left[inside[1:]]))]
        return Switch(kind, float(u[steep]), False)
    above = np.flatnonzero(left > 0.5 * kind * before)
    last = int(above[-1]) + 1 if len(above) else 0
    return Switch(kind, float(u[last]), False) if last < len(u) else Switch(kind, end, True)


def censored_median(values: Array, censored: Array, unit: str = "") -> Estimate:
    """Return the median of values of which some are only known to be larger (Kaplan-Meier), with its 95 % interval.

    The median is infinite where half or more of the values were cut off; an end of the interval that is not reached, too.

    Args:
        values: the values, or for those cut off the limit that they exceed; above 0.
        censored: which were cut off.
        unit: the unit, for texts.
    """
    if not censored.any():
        return median(values, unit)
    at, alive, low, high = survival(values, censored)
    cut = float(values[censored].min())
    plain = float(np.median(values))
    middle = plain if plain < cut else _below(at, alive)
    ends = _below(at, low), _below(at, high)
    return Estimate(middle, min(cut if math.isinf(ends[0]) else ends[0], middle), max(ends[1], middle), unit)


def _below(at: Array, alive: Array) -> float:
    """Return the first value at which at most half are left; infinite: none is."""
    under = np.flatnonzero(alive <= 0.5)
    return float(at[under[0]]) if len(under) else math.inf


def survival(values: Array, censored: Array) -> tuple[Array, Array, Array, Array]:
    """Return the different values that were not cut off, the share that lies above each, and the 95 % limits of that share.

    It is Kaplan and Meier's product, with Greenwood's variance and limits in ``ln(-ln S)``.
    """
    at = np.unique(values[~censored])
    risk = np.array([int((values >= x).sum()) for x in at], dtype=float)
    events = np.array([int((values[~censored] == x).sum()) for x in at], dtype=float)
    alive = np.cumprod(1 - events / risk)
    inside = (alive > 0) & (alive < 1)
    low, high = alive.copy(), alive.copy()
    variance = np.cumsum(events / (risk * np.maximum(risk - events, 0.5)))[inside]
    size = np.log(alive[inside])
    reach = 1.959964 * np.sqrt(variance) / np.abs(size)
    low[inside], high[inside] = np.exp(size * np.exp(reach)), np.exp(size * np.exp(-reach))
    return at, alive, low, high


def clustered(values: Array, devices: Sequence[str] | None, unit: str = "") -> Estimate:
    """Return the median with its interval; of several devices with several values it is that of the devices' medians."""
    names = [] if devices is None else list(dict.fromkeys(devices))
    if len(names) < 2 or len(names) == len(values):
        return median(values, unit)
    labels = np.array(devices)
    spread = median(np.array([np.median(values[labels == name]) for name in names]), unit)
    middle = float(np.median(values))
    return Estimate(middle, min(spread.low, middle), max(spread.high, middle), unit)


def median(values: Array, unit: str = "") -> Estimate:
    """Return the median with a 95 % interval between order statistics, which holds for any distribution.

    The ends are interpolated between neighbouring order statistics; below 6 values no two of them include the median with 95 %,
    and the interval is that of the mean of a normal sample (in the logarithm where all have one sign); below 3 there is none.

    Source: Hettmansperger & Sheather, Statistics & Probability Letters 4, 75 (1986).
    """
    from scipy.stats import binom, t

    x = np.sort(np.asarray(values, dtype=float))
    n, middle = len(x), float(np.median(x))
    if n < 3:
        return Estimate(middle, math.nan, math.nan, unit)
    if n < 6:
        sign = np.sign(middle)
        wide = bool((sign * x > 0).all())
        y = np.log(sign * x) if wide else x
        half = float(t.ppf(0.975, n - 1)) * float(y.std(ddof=1)) / math.sqrt(n)
        ends = np.array([float(y.mean()) - half, float(y.mean()) + half])
        ends = np.sort(sign * np.exp(ends)) if wide else ends
        return Estimate(middle, min(float(ends[0]), middle), max(float(ends[1]), middle), unit)

    def inside(k: int) -> float:  # the probability that the k-th from both ends include the median
        return float(1 - 2 * binom.cdf(k - 1, n, 0.5))

    k = max(k for k in range(1, n // 2 + 1) if inside(k) >= 0.95)
    wider, closer = inside(k), inside(k + 1) if k + 1 <= n // 2 else 0.0
    share = (wider - 0.95) / (wider - closer) if wider > closer else 0.0
    pull = (n - k) * share / (k + (n - 2 * k) * share)
    low = (1 - pull) * x[k - 1] + pull * x[k]
    high = (1 - pull) * x[n - k] + pull * x[n - k - 1]
    return Estimate(middle, float(min(low, middle)), float(max(high, middle)), unit)
