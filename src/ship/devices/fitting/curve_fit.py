"""The fit of one pulse curve to the trains of one or more devices: parameters with their uncertainty, and the verdict on it.

Residuals are whitened with the scatter that the data have without any law (`scatter.noise_of`), the same for all laws: least
squares of them is the fit of highest likelihood, and its curvature gives the uncertainty. Where a law misses the data, the sums
of whitened residuals over blocks are larger than 1, and the uncertainty is that much larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import scatter
from .pulse_curves import CurveFamily
from .scatter import Noise, Scale
from .solve import least_squares
from .trains import PulseTrain

Array = np.ndarray
ACCEPT = 0.05  # of the window: a systematic deviation up to here is let pass
OPEN = 1.0  # windows beyond the data, from where on an end of the window is not determined
EDGE = 1e-3  # of the range of a parameter: so close to a limit, it is at it
VAGUE = {"alpha": 1.0, "gamma": 1.5, "k": 6.0, "w": 0.5}  # standard errors (of ln alpha) from which on data say nothing
BLOCKS = 6  # of a branch
DRAWS = 12  # scatters, as likely as the one found


@dataclass(frozen=True)
class Scaled:
    """A pulse train in the scale of the fit: 0 at the lower end of the measured window, 1 at its upper end.

    Args:
        train: the train.
        y: its conductances in the scale.
        scale: the scale.
        p_max: the pulses of the longest branch up and of the longest branch down, of all devices.
    """

    train: PulseTrain
    y: Array
    scale: Scale
    p_max: tuple[int, int]

    @property
    def floor(self) -> float:
        """The value that 0 S has; that of a hundredth of the lower end where the scale is logarithmic."""
        return float(self.scale.of(np.array(self.scale.low / 100 if self.scale.log else 0.0)))

    @property
    def edges(self) -> tuple[float, float]:
        """The lowest and the highest value of the data, without what single reads scatter."""
        width = max(1, len(self.y) // 80)
        means = [
            np.convolve(part, np.ones(width) / width, "valid")
            for part in np.split(self.y, self.train.starts[1:])
            if len(part) >= width
        ]
        flat = np.concatenate(means)
        return float(flat.min()), float(flat.max())


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


class Problem:
    """The least-squares problem of a curve and one train, with the logarithm of alpha and everything of order 1."""

    def __init__(self, curve: CurveFamily, scaled: Scaled) -> None:
        train = scaled.train
        self.curve, self.scaled = curve, scaled
        self.up, self.fresh, self.count = train.each(), train.fresh(), train.counts.astype(np.int64)
        sides = {"_p" if up else "_d" for up, _ in train.branches}
        keep = [i for i, name in enumerate(curve.own) if name[-2:] in sides]
        self.own = tuple(curve.own[i] for i in keep)
        self.names = ("g_min", "g_max", "w_0", *self.own)
        self.bent = scaled.scale.log and not curve.log  # w is a fraction of the window of g, the scale is that of ln g
        below = -1.0 if scaled.scale.log else -2.0
        self.low = np.array([max(below, scaled.floor), 0.4, 0.0, *[curve.low[i] for i in keep]])
        self.high = np.array([0.6, 2.0 if scaled.scale.log else 3.0, 1.0, *[curve.high[i] for i in keep]])
        first = float(scaled.y[:3].mean())
        start = [max(0.0, scaled.floor), 1.0, min(max(first, 0.01), 0.99)]
        self.starts = [np.r_[start, s[keep]] for s in curve.typical(*scaled.p_max)]
        self.logs = np.array([name.startswith("alpha") for name in self.names])
        pull = {"gamma": 200.0, "alpha": 50.0, "k": 50.0}  # thousandths: beside the data they do not count
        self.ridge = np.array([50.0, 50.0, 0.0, *[pull[name[:-2]] for name in self.own]])

    def natural(self, x: Array) -> Array:
        """Return parameters with alpha itself in the place of its logarithm."""
        return np.where(self.logs, np.exp(np.where(self.logs, x, 0.0)), x)

    def course(self, x: Array) -> tuple[Array, Array, Array]:
        own = dict(zip(self.own, self.natural(x)[3:].tolist(), strict=True))
        return self.curve.course(float(x[2]), own, self.up, self.fresh, self.count, self.scaled.p_max)

    def values(self, x: Array, w: Array | None = None) -> Array:
        """Return the curve in the scale of the fit."""
        w = self.course(x)[0] if w is None else w
        if not self.bent:
            return np.asarray(x[0] + (x[1] - x[0]) * w)
        ends = self.scaled.scale.back(x[:2])
        return self.scaled.scale.of(np.maximum(ends[0] + (ends[1] - ends[0]) * w, 1e-30))

    def gain(self, x: Array, w: Array) -> Array:
        """Return by how much the scale follows w, relative to its mean over the train: 1 but for bent scales."""
        if not self.bent:
            return np.ones(len(w))
        ends = self.scaled.scale.back(x[:2])
        slope = 1 / np.maximum(ends[0] + (ends[1] - ends[0]) * w, 1e-30)
        return np.asarray(slope)


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
        replicates: the number of draws of each device's parameters.
        rng: the generator of the draws.
        near: a fit with another scatter, from which to start.
    """
    drawn = noise.drawn(DRAWS, rng)
    known: list[Array] = []
    fits: list[OneFit] = []
    problems = [Problem(curve, scaled) for scaled in trains]
    for k, problem in enumerate(problems):
        if near is not None:
            fits.append(_one(problem, [near.fits[k].theta], noise, drawn, replicates, rng))
            continue
        starts = problem.starts
        same = [x for x in known if len(x) == len(starts[0])]
        if len(same) >= 3:
            starts = [np.median(same, axis=0)]
        made = _one(problem, starts, noise, drawn, replicates, rng)
        if len(same) >= 3 and float(np.mean(made.white**2)) > 3 * float(np.median([np.mean(f.white**2) for f in fits])):
            other = _one(problem, problem.starts, noise, drawn, replicates, rng)
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
        problem = Problem(fit.curve, scaled)
        (phi, grown), fresh, _, _, _ = _context(problem, one.theta, problem.course(one.theta), noise)
        jacobian = _jacobian(problem, one.theta)
        pieces.append(scatter.Around(rest, jacobian, phi, grown, fresh, scaled.scale.back(one.model)))
    return scatter.noise_around(pieces, trains[0].scale, noise)


def _one(
    problem: Problem, starts: Sequence[Array], noise: Noise, drawn: Sequence[Noise], replicates: int, rng: np.random.Generator
) -> OneFit:
    """Fit the curve to one train; ends of the window that the data do not determine are held at the edges of the data."""
    held: dict[int, float] = {}
    theta = _solved(problem, starts, noise, held)
    covariance, white, miss = _uncertainty(problem, theta, noise, held)
    edges = problem.scaled.edges
    for i, sign in ((1, 1.0), (0, -1.0)):
        reach = 1.96 * float(np.sqrt(covariance[i, i]))
        beyond = sign * (theta[i] - edges[i]) + reach
        at_zero = i == 0 and theta[0] < problem.low[0] + EDGE and edges[0] - theta[0] < 0.3 and not problem.scaled.scale.log
        if beyond > OPEN and not at_zero:
            held[i] = edges[i]
    if held:
        theta = _solved(problem, [theta, *starts], noise, held)
        covariance, white, miss = _uncertainty(problem, theta, noise, held)
    vague = [
        name
        for i, name in enumerate(problem.names)
        if i > 2
        and (
            np.sqrt(covariance[i, i]) > VAGUE[name[:-2]]
            or min(theta[i] - problem.low[i], problem.high[i] - theta[i]) < EDGE * (problem.high[i] - problem.low[i])
            and not (name.startswith("gamma") and theta[i] < 1)
        )
    ]
    draws = _draws(problem, theta, covariance, miss, drawn, held, replicates, rng)
    phi_course = problem.course(theta)
    made = scatter.simulate(*_context(problem, theta, phi_course, noise), 24, rng)
    usual = float(np.percentile([systematic([r], [problem.scaled]) for r in made], 97.5))
    names = (*[problem.names[i] for i in held], *vague)
    return OneFit(theta, covariance, draws, problem.values(theta, phi_course[0]), white, miss, names, usual)


def _context(problem: Problem, x: Array, course: tuple[Array, Array, Array], noise: Noise) -> tuple:
    """Return what `scatter.whitened` needs at these parameters: the memory, where it begins, the gain, and the scatter."""
    scale = problem.scaled.scale
    gain = problem.gain(x, course[0])
    step = noise.step / (float(np.median(gain)) if problem.bent else 1.0)
    read = noise.read(scale.back(problem.scaled.y if scale.log else problem.values(x, course[0])), scale)
    if problem.bent:  # steps scatter in the scale of ln g: as much everywhere
        phi = course[1] * gain / np.r_[gain[0], gain[:-1]]
        return (np.clip(phi, 0.0, 1.0), course[2] * 0 + problem.count), problem.fresh, np.ones(len(gain)), noise.step, read
    return (course[1], course[2]), problem.fresh, gain, step, read


def _solved(problem: Problem, starts: Sequence[Array], noise: Noise, held: dict[int, float]) -> Array:
    """Return the parameters of highest likelihood; the memory is that of the fit before, white noise at first."""
    free = np.array([i for i in range(len(problem.names)) if i not in held])

    def full(x: Array) -> Array:
        out = np.empty(len(problem.names))
        out[free] = x
        for i, value in held.items():
            out[i] = value
        return out

    def solve(context: tuple, at: Sequence[Array]) -> Array:
        return full(
            least_squares(
                lambda x: scatter.whitened(problem.values(full(x)) - problem.scaled.y, *context),
                [np.clip(s, problem.low, problem.high)[free] for s in at],
                problem.low[free],
                problem.high[free],
                ridge=problem.ridge[free],
            ).theta
        )

    n = len(problem.scaled.y)
    rough = scatter.Noise(0.0, noise.additive, noise.relative)
    total = float(
        np.sqrt(rough.read(problem.scaled.scale.back(problem.scaled.y), problem.scaled.scale).mean() + n**0.5 * noise.step**2)
    )
    ones = np.ones(n)
    theta = solve(((ones, ones), problem.fresh, ones, 0.0, np.full(n, total**2)), starts)
    for _ in range(2):
        theta = solve(_context(problem, theta, problem.course(theta), noise), [theta])
    return theta


def _jacobian(problem: Problem, theta: Array) -> Array:
    """Return the derivatives of the curve by the parameters, ``[read, parameter]``, by differences inside the limits."""
    base, out = problem.values(theta), []
    for i in range(len(theta)):
        h = 1e-5 * (1.0 if theta[i] + 1e-5 <= problem.high[i] else -1.0)
        moved = theta.copy()
        moved[i] += h
        out.append((problem.values(moved) - base) / h)
    return np.stack(out, 1)


def _information(problem: Problem, theta: Array, jacobian: Array, noise: Noise, held: dict[int, float]) -> Array:
    """Return the covariance of the parameters for this scatter; 0 for those that are held."""
    white = scatter.whitened(jacobian, *_context(problem, theta, problem.course(theta), noise))
    free = [i for i in range(len(theta)) if i not in held]
    out = np.zeros((len(theta), len(theta)))
    ridge = np.diag((1e-3 * problem.ridge[free]) ** 2 + 1e-12)
    out[np.ix_(free, free)] = np.linalg.inv(white[:, free].T @ white[:, free] + ridge)
    return out


def _uncertainty(problem: Problem, theta: Array, noise: Noise, held: dict[int, float]) -> tuple[Array, Array, float]:
    """Return covariance, whitened residuals, and the factor by which a miss of the curve inflates the uncertainty."""
    covariance = _information(problem, theta, _jacobian(problem, theta), noise, held)
    rest = problem.scaled.y - problem.values(theta)
    white = scatter.whitened(rest, *_context(problem, theta, problem.course(theta), noise))
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
    """Return parameters as likely as those found: over the uncertainty of the scatter, too."""
    jacobian = _jacobian(problem, theta)
    out = []
    for k, rows in enumerate(np.array_split(np.arange(count), len(drawn))):
        made = _information(problem, theta, jacobian, drawn[k], held) * miss**2
        out.append(rng.multivariate_normal(np.zeros(len(theta)), made, len(rows), method="eigh"))
    off = np.concatenate(out)
    rng.shuffle(off)
    return np.clip(theta + off, problem.low, problem.high)


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


def jump(fit: CurveFit, trains: Sequence[Scaled], noise: Noise) -> tuple[float, float]:
    """Return the largest mean step of the residual where the polarity turns, and its size in standard errors."""
    steps: dict[bool, list[tuple[float, float]]] = {}
    for k, scaled in enumerate(trains):
        r, branches = fit.residual[k], scaled.train.branches
        read = noise.read(scaled.scale.back(scaled.y), scaled.scale)
        for i, start in enumerate(scaled.train.starts[1:], 1):
            m = max(3, min(branches[i][1], branches[i - 1][1]) // 50)
            size = float(r[start : start + m].mean() - r[max(start - m, 0) : start].mean())
            steps.setdefault(branches[i][0], []).append((size, m * noise.step**2 + 2 * float(read[start]) / m))
    worst = (0.0, 0.0)
    for found in steps.values():
        size = float(np.mean([s for s, _ in found]))
        error = float(np.sqrt(sum(v for _, v in found))) / len(found)
        if abs(size) > abs(worst[0]):
            worst = size, abs(size) / max(error, 1e-12)
    return worst


def verdict(fit: CurveFit, trains: Sequence[Scaled], noise: Noise) -> tuple[bool, str]:
    """Return whether the curve follows the data, and the reason in words."""
    beyond = f"; not determined: {', '.join(fit.open)}" if fit.open else ""
    rms = float(np.sqrt(fit.rss / sum(len(r) for r in fit.residual)))
    size, errors = jump(fit, trains, noise)
    off = systematic(fit.residual, trains)
    name = f"{'NeuroSim' if fit.curve.law == 'exponential' else 'Bounded'} ({fit.curve.name})"
    window = "the window of ln G" if trains[0].scale.log else "the window"
    if abs(size) > ACCEPT and errors > 4:
        word = "drop" if size < 0 else "rise"
        return (
            False,
            f"{name} cannot follow the {word} between your branches: it misses {abs(size):.0%} of {window} there; "
            + f"residual {rms:.0%} of {window}; use the table device",
        )
    if off > ACCEPT and off > float(np.median([one.usual for one in fit.fits])):
        return (
            False,
            f"{name} has not the shape of your curve: it misses {off:.0%} of {window} on average; use the table device",
        )
    if off > ACCEPT:
        return True, f"fits, if the wander by {off:.0%} of {window} is the device's own; measure more cycles to tell{beyond}"
    return True, f"fits; systematic deviation {off:.1%} of {window}{beyond}"
