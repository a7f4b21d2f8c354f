"""The noise of a measurement from the data alone: no model supplies it for itself, so that all are judged by the same one.

A point is ``y = f(x) + sigma(y) xi`` with ``sigma(y)^2 = s_a^2 + (s_r y)^2``: additive, relative, or both. Where values are
repeated at one x, their scatter is the noise. Elsewhere it comes from divided differences of neighbours: those of order d vanish
for a polynomial of degree d - 1, so that what is left of a smooth curve is noise. Differences of order 2 are used, and those of a
higher order (up to 5) where they are clearly smaller, that is where the curve bends between neighbours; what it bends more
sharply counts as noise, which is then too large and refuses less. Wild values count as three standard deviations. The two sizes
are those of the largest (composite) likelihood, in which differences that share points count for the independent ones that they
are worth; both are used only where they explain the data better than one of them.

What neighbours have in common (a random walk, slow flicker noise) is no part of this noise: a curve alone does not tell it from
a law. Where it matters, repeat the curve and give the repetitions in one group.

Sources: Gasser, Sroka & Jennen-Steinmetz, Biometrika 73:625 (1986), for the differences; Satterthwaite, Biometrics Bulletin 2:110
(1946), for the degrees of freedom; Fujikoshi & Satoh, Biometrika 84:707 (1997), for the criterion with a given noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray
ORDERS = (2, 3, 4, 5)
WILD = 3.0  # standard deviations, as which a wild value counts at most
KAPPA = 0.99501  # the mean square of a normal number that is cut there
FLOOR = 1e-6  # of the largest value: no instrument is better
REPLICATES = 10  # degrees of freedom of repeated points, from which on they alone are used
LEAST = 2.5  # degrees of freedom; below, nothing is said
SURE = 4.0  # difference of -2 ln L, from which on a second size, or the kind of the noise, is taken as told by the data


class NoiseModel(NamedTuple):
    """The noise of a measurement, ``sigma(y)^2 = additive^2 + (relative y)^2``."""

    additive: float  # in the unit of y
    relative: float  # of y
    df: float  # the degrees of freedom that the estimate is worth
    basis: str  # what it rests on, in words
    sure: bool = True  # whether the data tell additive noise from relative

    def sigma(self, y: Array) -> Array:
        """Return the standard deviation of values ``y``, of any shape."""
        return np.sqrt(self.additive**2 + (self.relative * np.asarray(y, dtype=float)) ** 2)

    @property
    def kind(self) -> str:
        """The kind of the noise: additive, relative or both."""
        return "both" if self.additive and self.relative else "relative" if self.relative else "additive"

    def words(self, unit: str = "") -> str:
        """Say the noise, and what it rests on, for a report; ``unit`` is that of y."""
        sizes = [f"{self.additive:.3g} {unit}".rstrip()] * bool(self.additive)
        sizes += [f"{self.relative:.2%} of the value"] * bool(self.relative)
        text = f"noise of a point: {' and '.join(sizes)} ({self.basis}, {self.df:.0f} degrees of freedom)"
        return text if self.sure else f"{text}; the data do not tell additive noise from relative"


class Contrasts(NamedTuple):
    """Numbers without a trend: their variances are ``s_a^2 + s_r^2 square``, and together they are worth ``df`` ones."""

    e: Array  # [contrast], in the unit of y
    square: Array  # [contrast], mean square of y where it was taken
    df: float


def estimate_noise(x: Array | None, y: Array, groups: Sequence[object] | Array | None = None) -> NoiseModel | None:
    """Estimate the noise of a measurement from the data alone; None: too few points tell it.

    Args:
        x: the variable that the curve is smooth in (the logarithm of a time, the number of a pulse), ``[point]``; None: the
            order.
        y: the values, ``[point]``.
        groups: the curve of each point (a branch, a device); None: all are one curve. Points of a group at one x are repetitions.
    """
    y = np.asarray(y, dtype=float)
    x = np.arange(len(y), dtype=float) if x is None else np.asarray(x, dtype=float)
    labels = np.zeros(len(y), dtype=int) if groups is None else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    if not len(y):
        return None
    sets = [_sets(x[index], y[index]) for index in _split(labels)]
    repeated = joined([c for s in sets if (c := _repeated(s)) is not None])
    floor = FLOOR * max(float(np.abs(y).max()), 1e-140)
    signs = bool((y > 0).any() and (y < 0).any())
    if repeated is not None and repeated.df >= REPLICATES:
        return _model(repeated, floor, signs, "repeated points")
    found: NoiseModel | None = None
    for order in ORDERS:
        parts = [c for s in sets if (c := _differences(s, order)) is not None] + ([] if repeated is None else [repeated])
        made = joined(parts)
        if made is None or made.df < LEAST:
            continue
        name = f"differences of {order + 1} neighbours" + (" and repeated points" if repeated is not None else "")
        if found is None or _size(made, found) < math.exp(-2 * math.sqrt(2 / made.df)):
            found = _model(made, floor, signs, name)
    step = max(_resolution(s) for s in sets)
    if found is not None and step / math.sqrt(12) > max(found.additive, floor):
        return found._replace(additive=step / math.sqrt(12), basis=f"{found.basis}, and values in steps of {step:.3g}")
    return found


class _Sets(NamedTuple):
    """A curve with its points at one x together: x, the mean of y, their number, and all values in that order."""

    x: Array
    y: Array
    n: Array
    values: Array
    level: Array


def _split(labels: Array) -> list[Array]:
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _sets(x: Array, y: Array) -> _Sets:
    order = np.argsort(x, kind="stable")
    at, start, n = np.unique(x[order], return_index=True, return_counts=True)
    mean = np.add.reduceat(y[order], start) / n
    return _Sets(at, mean, n, y[order], _smooth(np.abs(mean)))


def _smooth(y: Array) -> Array:
    """Return the medians of each value and its neighbours: two on both sides, or a hundredth of the curve (at most 50)."""
    half = min(max(2, len(y) // 100), 50)
    if len(y) < 5:
        return np.full(len(y), float(np.median(y)))
    inner = np.median(np.lib.stride_tricks.sliding_window_view(y, 2 * half + 1), axis=1)
    return np.concatenate([np.repeat(inner[:1], half), inner, np.repeat(inner[-1:], half)])


def _repeated(s: _Sets) -> Contrasts | None:
    """Return for each repeated point its difference from the mean of those before it: independent, of equal variance."""
    if (s.n < 2).all():
        return None
    start = np.cumsum(s.n) - s.n
    rank = np.arange(len(s.values)) - np.repeat(start, s.n)  # of a value among those at its x
    total = np.cumsum(s.values) - s.values
    before = total - np.repeat(total[start], s.n)
    some = rank > 0
    e = (s.values - before / np.maximum(rank, 1)) * np.sqrt(rank / (rank + 1))
    return Contrasts(e[some], np.repeat(s.y**2, s.n)[some], float(some.sum()))


def _differences(s: _Sets, order: int) -> Contrasts | None:
    """Return divided differences of an order, of variance 1 for additive noise of 1."""
    if len(s.x) <= order:
        return None
    window = np.lib.stride_tricks.sliding_window_view(np.arange(len(s.x)), order + 1)
    x = s.x[window]
    x = (x - x[:, :1]) / (x[:, -1:] - x[:, :1])
    gap = x[:, :, None] - x[:, None, :] + np.eye(order + 1)
    c = 1 / gap.prod(axis=2)
    c /= np.sqrt((c**2 / s.n[window]).sum(1, keepdims=True))
    share = c**2 / s.n[window]
    together = float(len(c))
    for lag in range(1, order + 1):  # what differences that share points have in common
        a, b = c[:-lag, lag:], c[lag:, : order + 1 - lag]
        together += 2 * float(((a * b / s.n[window[lag:, : order + 1 - lag]]).sum(1) ** 2).sum())
    return Contrasts((c * s.y[window]).sum(1), (share * s.level[window] ** 2).sum(1), len(c) ** 2 / together)


def joined(parts: Sequence[Contrasts]) -> Contrasts | None:
    """Put contrasts of several curves together; None: there are none."""
    if not parts:
        return None
    return Contrasts(np.concatenate([p.e for p in parts]), np.concatenate([p.square for p in parts]), sum(p.df for p in parts))


def _resolution(s: _Sets) -> float:
    """Return the step of values that were rounded, such that a fifth of neighbours are equal; 0: there are no such steps."""
    step = np.abs(np.diff(s.y))
    if len(step) < 5 or float((step == 0).mean()) < 0.2 or not (step > 0).any():
        return 0.0
    return float(step[step > 0].min())


def _size(c: Contrasts, model: NoiseModel) -> float:
    """Return the mean square of contrasts in units of a model's variance, wild ones cut."""
    variance = np.maximum(model.additive**2 + model.relative**2 * c.square, 1e-300)
    return float(np.minimum(c.e**2 / variance, WILD**2).mean()) / KAPPA


def _model(c: Contrasts, floor: float, signs: bool, basis: str) -> NoiseModel:
    """Choose additive or relative noise, or both, by their likelihoods; values of both signs have not relative noise alone."""
    positive = float(c.square.min()) > (1e-6 * floor) ** 2
    square = np.maximum(c.square, 1e-300)
    fits = {"additive": _one(c.e, np.ones_like(square), floor**2)}
    if positive:
        fits["relative"] = _one(c.e, square, (floor**2 / square.max()))
        fits["both"] = _two(c.e, square, fits["additive"][0], fits["relative"][1])
    worth = c.df / len(c.e)  # of a contrast
    cost = {name: 2 * worth * _loss(c.e, v[0] + v[1] * square) for name, v in fits.items()}
    if signs:
        cost.pop("relative", None)
    single = min((n for n in cost if n != "both"), key=lambda n: cost[n])
    name = "both" if cost.get("both", math.inf) < cost[single] - SURE else single
    sure = name == "both" or "relative" not in cost or abs(cost["additive"] - cost["relative"]) >= SURE
    if not sure:
        name = "additive"
    additive, relative = (math.sqrt(v) for v in fits[name])
    return NoiseModel(additive, relative, c.df, basis, sure)


def _loss(e: Array, variance: Array) -> float:
    """Return -ln L without constants, where wild values pull as one of three standard deviations does."""
    u = e**2 / variance
    far = np.maximum(u / WILD**2, 1.0)
    return 0.5 * float((np.log(variance) + (np.minimum(u, WILD**2) + WILD**2 * np.log(far)) / KAPPA).sum())


def _one(e: Array, square: Array, least: float) -> tuple[float, float]:
    """Return the variances (additive, relative) where there is one: the fixed point of the mean square with wild values cut."""
    ratio = e**2 / square
    v = max(float(np.median(ratio)) / 0.4549, least)  # 0.4549: the median of a square of a normal number
    for _ in range(50):
        last, v = v, max(float(np.minimum(ratio, WILD**2 * v).mean()) / KAPPA, least)
        if abs(v - last) < 1e-9 * v:
            break
    return (v, 0.0) if bool((square == 1).all()) else (0.0, v)


def _two(e: Array, square: Array, additive: float, relative: float) -> tuple[float, float]:
    """Return both variances: each at most a little above what it is alone, and no less than a millionth of it."""
    from scipy import optimize

    def parts(p: Array) -> tuple[float, float]:
        return additive * math.exp(p[0]), relative * math.exp(p[1])

    def loss(p: Array) -> float:
        a, r = parts(p)
        return _loss(e, a + r * square) / len(e)

    bounds = [(-14.0, 1.0), (-14.0, 1.0)]
    options = {"xatol": 1e-4, "fatol": 1e-7, "maxiter": 400}
    made = optimize.minimize(loss, [-0.7, -0.7], method="Nelder-Mead", bounds=bounds, options=options)
    return parts(made.x)


def given_noise(chi2: float, k: int, df: float = math.inf) -> float:
    """Return Akaike's criterion where the noise is given, ``(1 - 2 / df) chi2 + 2 k``: lower is better, differences count.

    Args:
        chi2: the sum of squared residuals in units of the noise, ``sum (r / sigma)^2``; sigma is the same for all models.
        k: the number of free parameters.
        df: the degrees of freedom that the noise is known with; above 2.

    Source: Fujikoshi & Satoh, Biometrika 84:707 (1997): with an estimated variance ``1 - 2 / df`` takes the bias of ``1 / s^2``.
    """
    return (1 - 2 / df) * chi2 + 2 * k


def decisive(df: float = math.inf, known: float = 10.0) -> float:
    """Return the difference of `given_noise` that says as much as ``known`` does where the noise is known exactly.

    One parameter that improves chi^2 by ``known + 2`` has a probability by chance; the same one by the F distribution with df
    degrees of freedom is an improvement of chi^2 by more.
    """
    from scipy import stats

    if math.isinf(df):
        return known
    return float(stats.f.isf(stats.chi2.sf(known + 2, 1), 1, df)) * (1 - 2 / df) - 2


def lack_of_fit(chi2: float, n: int, k: int, df: float = math.inf) -> float:
    """Return the probability that residuals of the true law are as large as these, by the F distribution.

    Args:
        chi2: the sum of squared residuals in units of the noise.
        n: the number of points.
        k: the number of parameters.
        df: the degrees of freedom that the noise is known with.
    """
    from scipy import stats

    left = max(n - k, 1)
    if math.isinf(df):
        return float(stats.chi2.sf(chi2, left))
    return float(stats.f.sf(chi2 / left, left, df))
