"""Simple laws of the current over the voltage, each fitted to the medians of a branch in bins of the voltage.

ohmic            ``I = G V``
sinh             ``I = a sinh(b V)``
Poole-Frenkel    ``I = a V exp(b sqrt|V|)``
Schottky         ``I = a sign(V) (exp(b sqrt|V|) - 1)``
power            ``I = a V |V|^(m - 1)``, space-charge limited where m is 2

Residuals count relative to ``|I| + 1 %`` of the branch's largest current, or to ``|I|`` and twice the noise at small voltages
where that is more. The first parameter is linear, so that only the second
is searched for (variable projection). Models are compared by one noise, that of the medians themselves: what they differ from a
line through their neighbours, which no model supplies for itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .noise import given_noise
from .report import Fitted
from .switching_voltages import clustered

Array = np.ndarray
BINS = 40
FLOOR = 0.01  # of the largest current of a branch
ACCEPT = 0.05  # of the local current: a law that misses by no more than this beside the noise fits
RELEVANT = 0.02  # of the local current: what a law with more parameters must be closer by, to come first
LEAST = 8  # medians of a branch that is fitted
FINEST = 0.005  # relative: no model is asked to be closer than this
MOST = 100  # branches of a state that are fitted, spread over all


class Branch(NamedTuple):
    """The medians of one state at one polarity: V and A, both above 0 also on the negative side."""

    v: Array
    i: Array


class Law(NamedTuple):
    """A law of the current over the voltage: ``first * shape(second, V)``, with the limits of the second parameter."""

    name: str
    parameters: tuple[str, ...]
    units: tuple[str, ...]
    shape: Callable[[float, Array], Array]
    limits: tuple[float, float]


LAWS = (
    Law("ohmic", ("G",), ("S",), lambda _, v: v, (1.0, 1.0)),
    Law("sinh", ("a", "b"), ("A", "1/V"), lambda b, v: np.sinh(b * v), (1e-3, 60.0)),
    Law("Poole-Frenkel", ("a", "b"), ("S", "1/V^0.5"), lambda b, v: v * np.exp(b * np.sqrt(v)), (1e-3, 60.0)),
    Law("Schottky", ("a", "b"), ("A", "1/V^0.5"), lambda b, v: np.expm1(b * np.sqrt(v)), (1e-3, 60.0)),
    Law("power", ("a", "m"), ("A/V^m", ""), lambda m, v: v**m, (1e-3, 20.0)),
)


def branch_of(u: Array, j: Array) -> Branch:
    """Return the medians (both above 0 V) in bins of equal width, where there are points."""
    top = float(u.max())
    which = np.clip((u / top * BINS).astype(int), 0, BINS - 1)
    some = [k for k in range(BINS) if (which == k).any()]
    return Branch(np.array([np.median(u[which == k]) for k in some]), np.array([np.median(j[which == k]) for k in some]))


def weight_of(branch: Branch) -> Array:
    """Return what residuals of a branch count relative to, A."""
    size = np.abs(branch.i)
    low = _around(branch)[: max(len(size) // 3, 3)]  # where the current is small, and the noise is the meter's
    return np.asarray(size + max(FLOOR * float(size.max()), 2 * 1.4826 * float(np.median(np.abs(low)))))


def _around(branch: Branch) -> Array:
    """Return what medians differ from the line between their neighbours, as if each were alone with its noise, A.

    With independent medians of scatter s, what the middle of three differs from the line has the variance
    ``s^2 (1 + w^2 + (1 - w)^2)``, w being the share of the distance to the neighbour below.
    """
    v, i = branch
    if len(v) < 3:
        return np.zeros(1)
    w = (v[1:-1] - v[:-2]) / (v[2:] - v[:-2])
    return np.asarray((i[1:-1] - (1 - w) * i[:-2] - w * i[2:]) / np.sqrt(1 + w**2 + (1 - w) ** 2))


def noise_of(branches: Sequence[Branch]) -> float:
    """Return the relative scatter of medians around the line between their neighbours; at least 0.5 %.

    The middle half of the differences says what it is, so that a jump does not count.
    """
    parts = [_around(b) / weight_of(b)[1:-1] for b in branches if len(b.v) >= 3]
    size = 1.4826 * float(np.median(np.abs(np.concatenate(parts)))) if parts else 0.0
    return max(size, FINEST)


class LawFit(NamedTuple):
    """A law with its parameters for each branch ``[branch, parameter]``, and the relative residuals of all branches."""

    law: Law
    theta: Array
    left: Array

    def model(self, k: int, v: Array) -> Array:
        """Return the current (A) of branch ``k``."""
        second = float(self.theta[k, 1]) if self.theta.shape[1] > 1 else 1.0
        return np.asarray(self.theta[k, 0] * self.law.shape(second, v))


def fit_law(law: Law, branches: Sequence[Branch]) -> LawFit:
    """Fit a law to each branch by relative least squares."""
    theta, left = np.empty((len(branches), len(law.parameters))), []
    for k, branch in enumerate(branches):
        first, second, rest = _fit_branch(law, branch)
        theta[k] = [first, second][: theta.shape[1]]
        left.append(rest)
    return LawFit(law, theta, np.concatenate(left))


def _fit_branch(law: Law, branch: Branch) -> tuple[float, float, Array]:
    """Return both parameters of a law for one branch, and the relative residuals; the first has a closed form for each second."""
    weight = weight_of(branch)
    target = branch.i / weight

    def first(second: float) -> tuple[float, float]:
        shape = law.shape(second, branch.v) / weight
        with np.errstate(over="ignore"):  # (a shape far too steep: its cost is infinite)
            size = float(shape @ shape)
        a = max(float(shape @ target) / size, 0.0) if size > 0 and math.isfinite(size) else 0.0
        return a, float(((target - a * shape) ** 2).sum()) if math.isfinite(size) else math.inf

    second = _searched(lambda x: first(x)[1], law.limits)
    a = first(second)[0]
    return a, second, np.asarray(target - a * law.shape(second, branch.v) / weight)


def _searched(cost: Callable[[float], float], limits: tuple[float, float]) -> float:
    """Return where a cost is least: the best of a grid, then its surroundings."""
    from scipy.optimize import minimize_scalar

    low, high = limits
    if low == high:
        return low
    grid = np.geomspace(low, high, 60)
    costs = [cost(float(x)) for x in grid]
    k = int(np.argmin(costs))
    ends = (float(grid[max(k - 1, 0)]), float(grid[min(k + 1, len(grid) - 1)]))
    made = minimize_scalar(cost, bounds=ends, method="bounded", options={"xatol": 1e-7 * ends[1]})
    return float(made.x) if float(made.fun) <= costs[k] else float(grid[k])


def fitted(fits: dict[str, LawFit], noise: float, devices: Sequence[str] | None = None) -> Fitted:
    """Return a law for the ranking, with medians over branches and their intervals.

    Args:
        fits: the fit of the law for each state, such as on and off.
        noise: the relative scatter of medians that all laws are judged by.
        devices: the device of each branch; None: no label says it.
    """
    law = next(iter(fits.values())).law
    made, unknown = {}, []
    for state, fit in fits.items():
        for i, (name, unit) in enumerate(zip(law.parameters, law.units, strict=True)):
            values = fit.theta[:, i]
            shown = f"{name}, {state}" if state else name
            made[shown] = clustered(values, devices, unit)
            if i == 1 and _at_limit(float(np.median(values)), law.limits):
                unknown += (
                    [shown] if law.name != "sinh" else [shown.replace("b", "a", 1), shown]
                )  # of a sinh then only a b is known
    left = np.concatenate([fit.left for fit in fits.values()])
    k = sum(fit.theta.size for fit in fits.values())
    rms, n = float(np.sqrt(np.mean(left**2))), len(left)
    miss = math.sqrt(max(rms**2 - noise**2, 0.0))
    follows = miss <= max(ACCEPT, noise / 2)
    beside = f"misses the local current by {miss:.1%} (rms), beside a noise of {noise:.1%}"
    text = f"fits: it {beside}" if follows else f"{law.name} {beside}; use a measured table, or a narrower range"
    correction = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    criterion = given_noise(float((left**2).sum()) / noise**2, k) + correction
    return Fitted(law.name, made, rms, criterion, k, text, follows, tuple(unknown))


def nearly_ohmic(order: Sequence[Fitted]) -> list[str]:
    """Say the exponent of a power law where the current is ohmic by the ranking, but for a little."""
    first, power = (next((f for f in order if f.name == name), None) for name in ("ohmic", "power"))
    if first is None or first is not order[0] or not first.fits or power is None:
        return []
    sizes = [f"{name.replace('m, ', '')} {value}" for name, value in power.parameters.items() if name.split(",")[0] == "m"]
    return [f"the ohmic law is the simplest within {RELEVANT:.0%} of the closest; exponent of a power law: {', '.join(sizes)}"]


def _at_limit(value: float, limits: tuple[float, float]) -> bool:
    return value <= 2 * limits[0] or value >= 0.98 * limits[1]
