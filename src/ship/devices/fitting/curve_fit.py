"""The fit of one pulse curve to the trains of one or more devices: parameters with their uncertainty, and the verdict on it.

Residuals are whitened with the scatter that the data have without any law (`scatter.noise_of`), the same for all laws: least
squares of them is the fit of highest likelihood, and its curvature gives the uncertainty. Where a law misses the data, the sums
of whitened residuals over blocks are larger than 1, and the uncertainty is that much larger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import scatter
from .pulse_curves import CurveFamily
from .pulse_noise import Noise
from .pulse_problem import Problem, Scaled, context, jacobian, solved

Array = np.ndarray
OPEN = 1.0  # windows beyond the data, from where on an end of the window is not determined
EDGE = 1e-3  # of the range of a parameter: so close to a limit, it is at it
VAGUE = {"alpha": 1.0, "gamma": 1.5, "k": 6.0, "w": 0.5}  # standard errors (of ln alpha) from which on data say nothing
FEW = 2  # devices, up to which intervals are from draws of each
BLOCKS = 6  # of a branch
DRAWS = 12  # scatters, as likely as the one found
BENT = 0.3  # by how much a sum of squares may differ from its parabola at two standard errors
TRIES = 300  # parameters that are tried for each scatter, where it does more
MOST = 1_000_000  # reads that they are compared with, about
WIDER = 1.4  # than the normal distribution: those that are tried


@dataclass(frozen=True)
class OneFit:
    """The fit of a curve to one train; numbers are those of the scaled data, alpha is its logarithm.

    Args:
        theta: the parameters, ``[parameter]``.
        covariance: their uncertainty, inflated where the curve misses the data.
        draws: parameters as likely as these, ``[draw, parameter]``.
        model: the curve, ``[read]``.
        white: the whitened residuals.
        miss: by how much the uncertainty is inflated; 1: the curve follows the data.
        held: the names of the parameters that the data do not determine and that were held, or are vague.
    """

    theta: Array
    covariance: Array
    draws: Array
    model: Array
    white: Array
    miss: float
    held: tuple[str, ...]
    usual: float  # the systematic deviation that scatter alone makes


@dataclass(frozen=True)
class CurveFit:
    """The fit of a curve to all trains.

    Args:
        curve, names: the curve and its parameters: g_min, g_max, w_0, then its own, as far as the trains have such pulses.
        fits: the fit of each train.
        residual: what the curve misses, one series for each device.
    """

    curve: CurveFamily
    names: tuple[str, ...]
    fits: tuple[OneFit, ...]
    residual: list[Array]

    @property
    def theta(self) -> Array:
        """The parameters, ``[device, parameter]``; alpha as its logarithm."""
        return np.stack([fit.theta for fit in self.fits])

    @property
    def rss(self) -> float:
        """The sum of the squared residuals."""
        return float(sum((r**2).sum() for r in self.residual))

    @property
    def deviance(self) -> float:
        """The sum of the squared whitened residuals."""
        return float(sum((fit.white**2).sum() for fit in self.fits))

    @property
    def open(self) -> tuple[str, ...]:
        """The parameters that at least half of the devices do not determine."""
        return tuple(n for n in self.names if 2 * sum(n in fit.held for fit in self.fits) >= len(self.fits))


def fit_curve(
    curve: CurveFamily,
    trains: Sequence[Scaled],
    noise: Noise,
    replicates: int,
    rng: np.random.Generator,
    near: CurveFit | None = None,
) -> CurveFit:
    """Fit a curve to each train.

    Args:
        curve: the curve.
        trains: the trains in the scale of the fit.
        noise: the scatter of the data.
        replicates: the number of draws of each device's parameters; 0: the parameters alone, for a first look.
        rng: the generator of the draws.
        near: a fit with another scatter, from which to start.
    """
    alone = len(trains) <= FEW
    drawn = noise.drawn(DRAWS if alone else 1, rng)
    known: list[Array] = []
    fits: list[OneFit] = []
    problems = [Problem(curve, scaled, noise.step) for scaled in trains]
    for k, problem in enumerate(problems):
        if near is not None:
            fits.append(_one(problem, [near.fits[k].theta], noise, drawn, replicates, rng, alone))
            continue
        starts = problem.starts
        same = [x for x in known if len(x) == len(starts[0])]
        if len(same) >= 3:
            starts = [np.median(same, axis=0)]
        made = _one(problem, starts, noise, drawn, replicates, rng, alone)
        if len(same) >= 3 and float(np.mean(made.white**2)) > 3 * float(np.median([np.mean(f.white**2) for f in fits])):
            other = _one(problem, problem.starts, noise, drawn, replicates, rng, alone)
            made = min(made, other, key=lambda f: float((f.white**2).sum()))
        known.append(made.theta)
        fits.append(made)
    names = max((p.names for p in problems), key=len)
    residual = [s.y - f.model for s, f in zip(trains, fits, strict=True)]
    return CurveFit(curve, names, tuple(fits), residual)


def around(fit: CurveFit, trains: Sequence[Scaled], noise: Noise) -> Noise | None:
    """Return the scatter around a fitted curve; None where the data do not accept the curve with the scatter given."""
    if float(np.median([one.miss for one in fit.fits])) > 1 or fit.deviance > 1.25 * sum(len(r) for r in fit.residual):
        return None
    pieces = []
    for one, scaled, rest in zip(fit.fits, trains, fit.residual, strict=True):
        problem = Problem(fit.curve, scaled, noise.step)
        c = context(problem, one.theta, problem.course(one.theta), noise)
        pieces.append(scatter.Around(rest, jacobian(problem, one.theta), c.phi, c.grown, c.fresh, scaled.scale.back(one.model)))
    return scatter.noise_around(pieces, trains[0].scale, noise)


def _one(
    problem: Problem,
    starts: Sequence[Array],
    noise: Noise,
    drawn: Sequence[Noise],
    replicates: int,
    rng: np.random.Generator,
    alone: bool = True,
) -> OneFit:
    """Fit the curve to one train; ends of the window that the data do not determine are held at the edges of the data."""
    held: dict[int, float] = {}
    theta = solved(problem, starts, noise, held)
    covariance, white, miss = _uncertainty(problem, theta, noise, held)
    edges = problem.scaled.edges
    for i, sign in ((1, 1.0), (0, -1.0)):
        reach = 1.96 * float(np.sqrt(covariance[i, i]))
        beyond = sign * (theta[i] - edges[i]) + reach
        at_zero = i == 0 and theta[0] < problem.low[0] + EDGE and edges[0] - theta[0] < 0.3 and not problem.scaled.scale.log
        if beyond > OPEN and not at_zero:
            held[i] = edges[i]
    if held:
        theta = solved(problem, [theta, *starts], noise, held)
        covariance, white, miss = _uncertainty(problem, theta, noise, held)
    vague = [
        name
        for i, name in enumerate(problem.names)
        if i > 2
        and (
            np.sqrt(covariance[i, i]) > VAGUE[name[:-2]]
            or (
                min(theta[i] - problem.low[i], problem.high[i] - theta[i]) < EDGE * (problem.high[i] - problem.low[i])
                and not (name.startswith("gamma") and theta[i] < 1)
            )
        )
    ]
    draws = _draws(problem, theta, covariance, miss, drawn, held, replicates, rng) if replicates else theta[None]
    course, usual = problem.course(theta), 0.0
    if miss > 1 and alone and replicates:
        made = scatter.simulate(context(problem, theta, course, noise), 24, rng)
        usual = float(np.percentile([systematic([r], [problem.scaled]) for r in made], 97.5))
    ends = [problem.names[i] for i in held]
    names = tuple(dict.fromkeys([*ends, *vague, *(name for name in problem.names[3:] if is_tied(problem.curve, name, ends))]))
    return OneFit(theta, covariance, draws, problem.values(theta, course), white, miss, names, usual)


def is_tied(curve: CurveFamily, name: str, ends: Sequence[str]) -> bool:
    """Return whether a parameter of a law follows from where the window ends, and an end of it is not determined.

    Steps that do not shrink towards a bound (hard bounds) do not ask for it.
    """
    end = {"_p": "g_max", "_d": "g_min"}.get(name[-2:])
    return end in ends and curve.law != "hard"


def _information(problem: Problem, theta: Array, slopes: Array, noise: Noise, held: dict[int, float]) -> Array:
    """Return the covariance of the parameters for this scatter; 0 for those that are held."""
    white = scatter.whitened(slopes, context(problem, theta, problem.course(theta), noise))
    free = [i for i in range(len(theta)) if i not in held]
    out = np.zeros((len(theta), len(theta)))
    ridge = np.diag((1e-3 * problem.ridge[free]) ** 2 + 1e-12)
    out[np.ix_(free, free)] = np.linalg.inv(white[:, free].T @ white[:, free] + ridge)
    return out


def _uncertainty(problem: Problem, theta: Array, noise: Noise, held: dict[int, float]) -> tuple[Array, Array, float]:
    """Return covariance, whitened residuals, and the factor by which a miss of the curve inflates the uncertainty."""
    covariance = _information(problem, theta, jacobian(problem, theta), noise, held)
    rest = problem.scaled.y - problem.values(theta)
    white = scatter.whitened(rest, context(problem, theta, problem.course(theta), noise))
    sums = [
        float(block.sum()) ** 2 / len(block)
        for part in np.split(white, problem.scaled.train.starts[1:])
        for block in np.array_split(part, min(BLOCKS, max(len(part) // 4, 1)))
    ]
    ratio, count = float(np.mean(sums)), len(sums)
    miss = np.sqrt(ratio) if ratio > 1 + 2.5 * np.sqrt(2 / count) else 1.0
    return covariance * miss**2, white, float(miss)


def _draws(
    problem: Problem,
    theta: Array,
    covariance: Array,
    miss: float,
    drawn: Sequence[Noise],
    held: dict[int, float],
    count: int,
    rng: np.random.Generator,
) -> Array:
    """Return parameters as likely as those found: over the uncertainty of the scatter, too.

    They are normal where the likelihood is so as far as two standard errors, and for hard bounds, of which scatter at a bound is
    known by its moments alone; else they are weighed by their likelihood.
    """
    slopes, out = jacobian(problem, theta), []
    bent = len(drawn) > 1 and problem.curve.law != "hard" and _is_bent(problem, theta, covariance, miss, drawn[0])
    for k, rows in enumerate(np.array_split(np.arange(count), len(drawn))):
        made = _information(problem, theta, slopes, drawn[k], held) * miss**2
        out.append(_weighed(problem, theta, made, miss, drawn[k], len(rows), rng) if bent else _normal(made, len(rows), rng))
    off = np.concatenate(out)
    rng.shuffle(off)
    return np.asarray(np.clip(theta + off, problem.low, problem.high))


def _loss(problem: Problem, theta: Array, noise: Noise) -> float:
    """Return minus twice the log-likelihood, less a constant, with the scatter of a law with these parameters."""
    course = problem.course(theta)
    loss = scatter.loss(problem.values(theta, course) - problem.scaled.y, context(problem, theta, course, noise))
    return loss + float(((1e-3 * problem.ridge * (theta - problem.starts[0])) ** 2).sum())


def _is_bent(problem: Problem, theta: Array, covariance: Array, miss: float, noise: Noise) -> bool:
    """Return whether the sum of squares is no parabola along the main axes of the uncertainty."""
    value, vector = np.linalg.eigh(covariance)
    top = _loss(problem, theta, noise)
    for size, axis in zip(value, vector.T, strict=True):
        if size < 1e-3 * value[-1]:
            continue
        for sign in (2.0, -2.0):
            moved = np.clip(theta + sign * math.sqrt(size) * axis, problem.low, problem.high)
            if not 1 - BENT < (_loss(problem, moved, noise) - top) / (4 * miss**2) < 1 + BENT:
                return True
    return False


def _weighed(
    problem: Problem, theta: Array, covariance: Array, miss: float, noise: Noise, count: int, rng: np.random.Generator
) -> Array:
    """Draw deviations by their likelihood: of a wider t distribution, weighed and drawn again (importance sampling)."""
    tries, freedom = int(np.clip(MOST / len(problem.scaled.y), TRIES / 10, TRIES)), 5.0
    z = _normal(np.eye(len(theta)), tries, rng)
    shrunk = np.sqrt(rng.chisquare(freedom, tries) / freedom)
    z = WIDER * z / shrunk[:, None]
    value, vector = np.linalg.eigh((covariance + covariance.T) / 2)
    off = (z * np.sqrt(np.clip(value, 0.0, None))) @ vector.T
    inside = ((theta + off >= problem.low) & (theta + off <= problem.high)).all(1)
    if inside.sum() < tries / 20:
        return _normal(covariance, count, rng)
    off, z = off[inside], z[inside]
    free = value > 1e-9 * value[-1]
    density = -0.5 * (freedom + free.sum()) * np.log1p((z[:, free] ** 2).sum(1) / (WIDER**2 * freedom))
    weight = np.array([-0.5 * _loss(problem, theta + x, noise) / miss**2 for x in off]) - density
    chance = np.exp(weight - weight.max())
    at = np.searchsorted(np.cumsum(chance) / chance.sum(), (np.arange(count) + rng.random()) / count)
    return np.asarray(off[np.minimum(at, len(off) - 1)])


def _normal(covariance: Array, count: int, rng: np.random.Generator) -> Array:
    """Draw normal numbers of a covariance, ``[draw, parameter]``; what rounding makes negative in it is 0."""
    value, vector = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray((rng.standard_normal((count, len(value))) * np.sqrt(np.clip(value, 0.0, None))) @ vector.T)


def systematic(residual: Sequence[Array], trains: Sequence[Scaled], blocks: int = 12) -> float:
    """Return the part of the residual that white scatter does not explain.

    It is the root mean square of block means, less the share of white noise in them. Devices with equal trains are averaged
    first, so that the deviations of single devices cancel.
    """
    equal = len({tuple(s.train.branches) for s in trains}) == 1
    series = [np.mean(residual, axis=0)] if equal else list(residual)
    squares, count = 0.0, 0
    for k, r in enumerate(series):
        for (_, n), start in zip(trains[k].train.branches, trains[k].train.starts, strict=True):
            part = r[start : start + n]
            variance = float(np.mean(np.diff(part) ** 2)) / 2 if n > 1 else 0.0
            for block in np.array_split(part, min(blocks, max(n // 3, 1))):
                squares += float(block.mean()) ** 2 - variance / len(block)
                count += 1
    return float(np.sqrt(max(squares / count, 0.0)))
