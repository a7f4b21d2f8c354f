"""Laws of a conductance over time or over cycles, fitted to several curves.

constant      ``y = y_0``
logarithmic   ``y = y_0 - b log10(x / x_0)``
power         ``y = y_0 (x / x_0)^-nu``
exponential   ``y = y_inf + (y_0 - y_inf) exp(-x / tau)``

``x_0`` is the smallest x of all curves. Residuals count in the scale in which the scatter lives (`trend_noise`): those of ln y
where it is relative, else in units of each curve's mean. The scatter that laws are judged by comes from the data alone; with
``nu`` degrees of freedom of it and n points, a law with k parameters has the criterion ``(nu + n) ln(1 + chi2 / nu) + 2 k + 2 k
(k + 1) / (n - k - 1)``: -2 times the log-likelihood of normal residuals whose variance has that uncertainty, and the correction
of AICc. Laws are fitted by plain least squares, which hold on to the shape of a curve also where a law misses it. Where scatter
is slow (1/f), residuals are made independent before they are counted; of a long curve, those of means of successive points.

The intervals are those of Student's t, by the slopes of the law at the solution, the covariance of the scatter, and the size of
what is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .trend_noise import DENSE, TrendNoise, covariance

Array = np.ndarray
Value = Callable[[Array, Array, float], Array]  # (parameters in units of y, x, x_0) -> y, with y in units of its mean
HUBER = 1.345  # scatters up to which a residual counts with its square: 95 % efficient for normal ones
TINY = 1e-12
INTERVALS = "95 % by Student's t"


@dataclass(frozen=True)
class Law:
    """A law of one variable; the first of its parameters is the value at the start.

    Args:
        name: its name.
        parameters, units: the names and the units of its parameters.
        kinds: what each parameter is: "level" or "slope" (in units of y), "plain", "time" (of x, fitted as its logarithm), or
            "absolute" (in uS, whatever y is).
        value: the law, for levels and slopes in units of the mean of y.
        starts: returns starting points (natural, in units of the mean) for a curve.
        low, high: limits of plain and absolute parameters.
    """

    name: str
    parameters: tuple[str, ...]
    units: tuple[str, ...]
    kinds: tuple[str, ...]
    value: Value
    starts: Callable[[Array, Array, float], list[tuple[float, ...]]]
    low: float = -3.0
    high: float = 3.0

    def linear(self, log: bool) -> bool:
        """Return whether the law is linear in its parameters, for residuals of ln y or of y."""
        return self.name == "constant" or self.name == ("power" if log else "logarithmic")


def _exponential(p: Array, x: Array, x0: float) -> Array:
    return np.asarray(p[1] + (p[0] - p[1]) * np.exp(-x / (x0 * p[2])))


def _line(x: Array, y: Array) -> tuple[float, float]:
    slope, start = np.polyfit(x, y, 1) if len(np.unique(x)) > 1 else (0.0, float(y.mean()))
    return float(start), float(slope)


def _starts_log(x: Array, y: Array, x0: float) -> list[tuple[float, ...]]:
    start, slope = _line(np.log10(x / x0), y)
    return [(max(start, TINY), -slope)]


def _starts_power(x: Array, y: Array, x0: float) -> list[tuple[float, ...]]:
    start, slope = _line(np.log(x / x0), np.log(y))
    return [(math.exp(start), -slope)]


def _starts_exponential(x: Array, y: Array, x0: float) -> list[tuple[float, ...]]:
    """Return the best of a few time constants, with the levels that are likeliest for it."""
    best, least = (float(y[0]), float(y[-1]), float(x[-1]) / x0), math.inf
    for tau in np.geomspace(max(x[0], x[-1] / 1e4), 3 * x[-1], 12):
        design = np.stack([np.exp(-x / tau), np.ones(len(x))], axis=1)
        (rise, rest), *_ = np.linalg.lstsq(design, y, rcond=None)
        rss = float(((design @ (rise, rest) - y) ** 2).sum())
        if rss < least and rest > 0 and rise + rest > 0:
            best, least = (float(rise + rest), float(rest), float(tau / x0)), rss
    return [best]


def laws(unit: str, unit_x: str) -> list[Law]:
    """Return the four laws, for y in ``unit`` over x in ``unit_x``."""
    return [
        Law(
            "constant",
            ("y0",),
            (unit,),
            ("level",),
            lambda p, x, x0: np.full(len(x), p[0]),
            lambda x, y, x0: [(float(y.mean()),)],
        ),
        Law(
            "logarithmic",
            ("y0", "b"),
            (unit, f"{unit} per decade"),
            ("level", "slope"),
            lambda p, x, x0: p[0] - p[1] * np.log10(x / x0),
            _starts_log,
        ),
        Law("power", ("y0", "nu"), (unit, ""), ("level", "plain"), lambda p, x, x0: p[0] * (x / x0) ** -p[1], _starts_power),
        Law(
            "exponential",
            ("y0", "y_inf", "tau"),
            (unit, unit, unit_x),
            ("level", "level", "time"),
            _exponential,
            _starts_exponential,
        ),
    ]


@dataclass
class TrendFit:
    """The fit of a law to all curves.

    Args:
        law: the law.
        raw, error: its parameters as fitted and their covariance, ``[curve, parameter]`` and ``[curve, parameter, parameter]``.
        scale: the mean of each curve, S; geometric where residuals are those of ln y.
        x0: the smallest x.
        log: whether residuals are those of ln y.
        model: the law's values, S, by curve.
        residual: measured minus law, in ln y or in units of the mean, by curve.
        chi2: the sum of squared residuals, each made independent and in units of its scatter; their number is ``points``.
        points: the number of points that were fitted.
        freedom: the degrees of freedom of the intervals, by curve.
        bound: whether a parameter ended at a limit, ``[curve, parameter]``.
        last: the largest x, by curve.
    """

    law: Law
    raw: Array
    error: Array
    scale: Array
    x0: float
    log: bool
    model: list[Array]
    residual: list[Array]
    chi2: float
    points: int
    freedom: Array
    bound: Array
    last: Array

    @property
    def theta(self) -> Array:
        """The parameters in their units, ``[curve, parameter]``."""
        return natural(self.law, self.raw, self.scale[:, None], self.x0, self.log)

    def part(self, index: Sequence[int]) -> TrendFit:
        """Return the fit of some of the curves; chi2 and points stay those of all."""
        own = np.asarray(index)
        model, residual = ([part[i] for i in index] for part in (self.model, self.residual))
        arrays = {n: getattr(self, n)[own] for n in ("raw", "error", "scale", "freedom", "bound", "last")}
        made: TrendFit = replace(self, model=model, residual=residual, **arrays)
        return made

    def at(self, curve: int, x: Array) -> Array:
        """Return the law of a curve (S) at ``x``."""
        unit = 1.0 if self.law.kinds[0] == "absolute" else float(self.scale[curve])
        p = natural(self.law, self.raw[curve], 1.0, 1.0, self.log)
        return np.asarray(unit * self.law.value(p, np.asarray(x, dtype=float), self.x0))

    def ends(self, curve: int, parameter: int) -> tuple[float, float]:
        """Return the 95 % interval of a parameter of a curve, in its unit."""
        from scipy import stats

        half = float(stats.t.ppf(0.975, self.freedom[curve])) * math.sqrt(
            max(float(self.error[curve, parameter, parameter]), 0.0)
        )
        raw = np.repeat(self.raw[curve][None], 2, axis=0)
        raw[:, parameter] += (-half, half)
        low, high = natural(self.law, raw, self.scale[curve], self.x0, self.log)[:, parameter]
        return float(low), float(high)


def natural(law: Law, raw: Array, scale: Array | float, x0: float, log: bool) -> Array:
    """Return parameters in their units; ``scale`` broadcasts to ``raw[..., parameter]``."""
    out = np.array(raw, dtype=float)
    width = np.broadcast_to(np.asarray(scale, dtype=float), out.shape)
    for i, kind in enumerate(law.kinds):
        if kind == "level" and log:
            out[..., i] = width[..., i] * np.exp(np.clip(out[..., i], -200.0, 200.0))
        elif kind in ("level", "slope"):
            out[..., i] = width[..., i] * out[..., i]
        elif kind == "time":
            out[..., i] = x0 * np.exp(np.clip(out[..., i], -200.0, 200.0))
        elif kind == "absolute":
            out[..., i] = 1e-6 * out[..., i]
    return out


def fit_law(law: Law, curves: Mapping[str, tuple[Array, Array]], noise: TrendNoise, *, robust: bool = False) -> TrendFit:
    """Fit a law by least squares to each curve, or with residuals that count by Huber's function where ``robust``."""
    x0 = min(float(x.min()) for x, _ in curves.values())
    scale = np.array([math.exp(float(np.log(y).mean())) if noise.log else float(y.mean()) for _, y in curves.values()])
    raw, spread, model, residual, bound, left = [], [], [], [], [], []
    for c, ((x, y), s) in enumerate(zip(curves.values(), scale, strict=True)):
        m = -(-len(x) // DENSE) if noise.flicker[c] > 0 else 1
        few = (_means(x, m), np.exp(_means(np.log(y / s), m)) if noise.log else _means(y / s, m))
        problem = _Problem(law, *few, float(s), x0, noise.log, float(noise.sigma[c]))
        p, at_bound = problem.solve(robust)
        own = _scattered(problem, p, noise.averaged(c, m))
        raw.append(p)
        spread.append(own[0])
        left.append(own[1])
        whole = problem if m == 1 else _Problem(law, x, y / s, float(s), x0, noise.log, 1.0)
        model.append(whole.model(p) * s)
        residual.append(-whole.residual(p))
        bound.append(at_bound)
    chi2 = sum(_left(z, robust)[0] for z in left)
    error, freedom = _errors(left, spread, len(law.kinds), robust)
    freedom = np.where(noise.flicker > 0, np.minimum(freedom, noise.df_slow), freedom)
    ends, last = np.array(bound, dtype=bool), np.array([float(x.max()) for x, _ in curves.values()])
    points = sum(len(z) for z in left)
    return TrendFit(law, np.array(raw), error, scale, x0, noise.log, model, residual, chi2, points, freedom, ends, last)


def _scattered(problem: _Problem, p: Array, scatter: tuple[float, float]) -> tuple[Array, Array]:
    """Return the covariance of the parameters and the residuals, both for scatter (white, slow) of the size that was seen."""
    jacobian, r = problem.slopes(p), problem.residual(p)
    inverse = np.linalg.pinv(jacobian.T @ jacobian)
    white, slow = scatter
    if slow == 0:
        return inverse * white**2, r / white
    from scipy import linalg

    full = covariance(white, slow, len(r))
    factor = np.linalg.cholesky(full)
    free, along = (linalg.solve_triangular(factor, v, lower=True) for v in (r, jacobian))
    free = (
        free - along @ np.linalg.lstsq(along, free, rcond=None)[0]
    )  # at the likeliest parameters nearby: laws are compared there
    return inverse @ (jacobian.T @ full @ jacobian) @ inverse, np.asarray(free)


def _means(values: Array, m: int) -> Array:
    """Return the means of m successive values; the last ones may be of fewer."""
    if m == 1:
        return values
    start = np.arange(0, len(values), m)
    return np.asarray(np.add.reduceat(values, start) / np.diff(np.append(start, len(values))))


def _errors(left: Sequence[Array], spread: Sequence[Array], k: int, robust: bool) -> tuple[Array, Array]:
    """Return covariances and degrees of freedom, by curve: what is left of all curves is pooled, but for robust fits."""
    width = np.array([_left(z, robust)[1] for z in left])
    n = np.array([len(z) for z in left], dtype=float)
    if not robust:
        width, n, k = np.full(len(n), (width * n).sum() / n.sum()), np.full(len(n), n.sum()), k * len(n)
    freedom = np.maximum(n - k, 1.0)
    variance = width * n / freedom
    return np.array([i * v for i, v in zip(spread, variance, strict=True)]), freedom


def _left(z: Array, robust: bool) -> tuple[float, float]:
    """Return twice the loss of residuals in scatters, and the variance that the intervals are made with."""
    if not robust:
        total = float((z**2).sum())
        return total, total / max(len(z), 1)
    size = np.abs(z)
    near = size <= HUBER
    loss = float(np.where(near, z**2, 2 * HUBER * size - HUBER**2).sum())
    psi = np.clip(z, -HUBER, HUBER)
    return loss, float((psi**2).mean()) / max(float(near.mean()), 0.1) ** 2


@dataclass
class _Problem:
    """One law and one curve, y in units of its mean."""

    law: Law
    x: Array
    y: Array
    scale: float
    x0: float
    log: bool
    sigma: float

    def model(self, raw: Array) -> Array:
        p = natural(self.law, raw, 1.0, 1.0, self.log)
        if self.law.kinds[0] == "absolute":
            return np.asarray(self.law.value(p, self.x, self.x0) / self.scale)
        return np.asarray(self.law.value(p, self.x, self.x0))

    def residual(self, raw: Array) -> Array:
        m = self.model(raw)
        return np.asarray(np.log(np.maximum(m, TINY)) - np.log(self.y) if self.log else m - self.y)

    def limits(self) -> tuple[Array, Array]:
        table = {
            "level": (-40.0, 40.0) if self.log else (0.0, 1e3),
            "slope": (-1e3, 1e3),
            "plain": (self.law.low, self.law.high),
            "absolute": (self.law.low, self.law.high),
            "time": (-5.0, math.log(float(self.x.max()) / self.x0) + 5.0),
        }
        low, high = zip(*(table[kind] for kind in self.law.kinds), strict=True)
        return np.array(low), np.array(high)

    def start(self, point: Sequence[float]) -> Array:
        logged = [(kind == "level" and self.log) or kind == "time" for kind in self.law.kinds]
        return np.array([math.log(max(v, TINY)) if flag else v for v, flag in zip(point, logged, strict=True)])

    def solve(self, robust: bool) -> tuple[Array, Array]:
        from scipy import optimize

        low, high = self.limits()
        y = self.y if self.law.kinds[0] != "absolute" else self.y * self.scale * 1e6
        starts = [self.start(point) for point in self.law.starts(self.x, y, self.x0)]
        best, cost = starts[0], math.inf
        if self.law.linear(self.log) and not robust:
            step = np.linalg.lstsq(self.slopes(best), -self.residual(best), rcond=None)[0]
            best = np.clip(best + step, low, high)
            return best, (best <= low) | (best >= high)
        for start in starts:
            inside = np.clip(start, low + 1e-9 * (high - low), high - 1e-9 * (high - low))
            made = optimize.least_squares(
                self.residual,
                inside,
                bounds=(low, high),
                x_scale=0.1,
                ftol=1e-10,
                max_nfev=200,
                loss="huber" if robust else "linear",
                f_scale=HUBER * self.sigma if robust else 1.0,
            )
            if made.cost < cost * (1 - 1e-9):
                best, cost = made.x, float(made.cost)
        near = 1e-4 * (high - low)
        return best, (best <= low + np.minimum(near, 1e-3)) | (best >= high - np.minimum(near, 1e-3))

    def slopes(self, raw: Array) -> Array:
        """Return the slopes of the residuals, ``[point, parameter]``, by central differences."""
        columns = []
        for i in range(len(raw)):
            step = np.zeros(len(raw))
            step[i] = 1e-5 * max(1.0, abs(float(raw[i])))
            columns.append((self.residual(raw + step) - self.residual(raw - step)) / (2 * step[i]))
        return np.stack(columns, axis=1)
