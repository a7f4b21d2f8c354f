"""The fit of one pulse curve to the trains of one or more devices: parameters, noise, replicates, and the verdict on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import scatter as scatter
from .pulse_curves import CurveFamily
from .solve import Solution, least_squares
from .trains import PulseTrain as Pulses

Array = np.ndarray
PILOT = 24  # replicates that the bias of the scatter is taken from
ACCEPT = 0.05  # of the window: a systematic deviation up to here is let pass


@dataclass
class Scaled:
    """A pulse train in units of the measured window: 0 at its lower end, 1 at its upper end."""

    train: Pulses
    y: Array
    floor: float  # where 0 S lies

    @property
    def p_max(self) -> tuple[int, int]:
        """The lengths of the longest branch up and of the longest branch down."""
        longest = [max((n for up, n in self.train.branches if up == side), default=1) for side in (True, False)]
        return longest[0], longest[1]


@dataclass
class CurveFit:
    """The fit of a curve to all trains; all numbers are those of the scaled data.

    Args:
        curve, names: the curve and its parameters: g_min, g_max, w_0, then its own, as far as the trains have such pulses.
        theta: the parameters, ``[device, parameter]``; alpha itself, not its logarithm.
        model, residual: the curve and what it misses, one series for each device.
        step, read: the scatter of steps and of reads, ``[device]``.
        replicates: the parameters of the replicates, ``[device, replicate, parameter]``.
        again: their scatter of steps and of reads, ``[device, replicate, 2]``.
        scatters, phi: the scatter of each device and its memory, for `scatter.whitened`.
        left: the residuals that scatter alone leaves, those of the replicates, ``[device][replicate, point]``.
    """

    curve: CurveFamily
    names: tuple[str, ...]
    theta: Array
    model: list[Array]
    residual: list[Array]
    step: Array
    read: Array
    replicates: Array
    again: Array
    scatters: list[scatter.Noise]
    phi: list[Array]
    left: list[Array]

    @property
    def rss(self) -> float:
        return float(sum((r**2).sum() for r in self.residual))


class _Problem:
    """The least-squares problem of a curve and one train, with the logarithm of alpha and everything of order 1."""

    def __init__(self, curve: CurveFamily, scaled: Scaled) -> None:
        self.curve, self.branches, self.p_max = curve, scaled.train.branches, scaled.p_max
        sides = {"_p" if up else "_d" for up, _ in self.branches}
        self.keep = [i for i, name in enumerate(curve.own) if name[-2:] in sides]
        self.own = tuple(curve.own[i] for i in self.keep)
        self.low = np.array([max(-2.0, scaled.floor), 0.4, 0.0, *[curve.low[i] for i in self.keep]])
        self.high = np.array([0.6, 3.0, 1.0, *[curve.high[i] for i in self.keep]])
        first = float(scaled.y[:3].mean())
        start = [max(0.0, scaled.floor), 1.0, min(max(first, 0.01), 0.99)]
        self.starts = [np.r_[start, s[self.keep]] for s in curve.typical(*self.p_max)]
        self.ridge = np.r_[1.0, 1.0, 0.0, np.zeros(len(self.keep))]

    def natural(self, x: Array) -> Array:
        """Return parameters with alpha itself in the place of its logarithm."""
        logs = [3 + i for i, name in enumerate(self.own) if name.startswith("alpha")]
        out = np.array(x)
        out[..., logs] = np.exp(out[..., logs])
        return out

    def w(self, x: Array) -> Array:
        own = dict(zip(self.own, self.natural(x)[3:].tolist(), strict=True))
        return self.curve.follow(float(x[2]), own, self.branches, self.p_max)

    def values(self, x: Array) -> Array:
        return np.asarray(x[0] + (x[1] - x[0]) * self.w(x))

    def solve(self, y: Array, starts: Sequence[Array], *, rough: bool = False) -> Solution:
        return least_squares(lambda x: self.values(x) - y, starts, self.low, self.high, ridge=self.ridge, rough=rough)


def fit_curve(curve: CurveFamily, trains: Sequence[Scaled], replicates: int, rng: np.random.Generator) -> CurveFit:
    """Fit a curve to each train, and to replicates: the fitted curve with its fitted scatter, simulated."""
    thetas, models, residuals, sizes, again, scattered, remains, noises, phis = [], [], [], [], [], [], [], [], []
    names: tuple[str, ...] = ()
    for scaled in trains:
        problem = _Problem(curve, scaled)
        found = problem.solve(scaled.y, problem.starts)
        model = problem.values(found.theta)
        residual = scaled.y - model
        phi = scatter.memory(problem.w(found.theta), scaled.train.starts)
        made = scatter.split(residual, phi, scaled.train.starts)
        made = _unbiased(problem, found.theta, model, made, phi, scaled, rng)
        refits, left = _again(problem, found.theta, model, made, phi, replicates, rng)
        resplit = scatter.split(left, phi, scaled.train.starts)
        names = ("g_min", "g_max", "w_0", *problem.own)
        thetas.append(problem.natural(found.theta))
        models.append(model)
        residuals.append(residual)
        sizes.append((made.step[0], made.read[0]))
        again.append(problem.natural(refits))
        scattered.append(np.stack([resplit.step, resplit.read], 1))
        remains.append(left)
        noises.append(made)
        phis.append(phi)
    size = np.array(sizes)
    return CurveFit(
        curve,
        names,
        np.stack(thetas),
        models,
        residuals,
        size[:, 0],
        size[:, 1],
        np.stack(again),
        np.stack(scattered),
        noises,
        phis,
        remains,
    )


def _again(
    problem: _Problem, theta: Array, model: Array, made: scatter.Noise, phi: Array, count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Simulate the fitted curve with its scatter and fit it again; return parameters and residuals of the replicates."""
    series = model + scatter.simulate(made, phi, count, rng)
    refits = np.stack([problem.solve(y, [theta], rough=True).theta for y in series])
    return refits, np.stack([y - problem.values(x) for y, x in zip(series, refits, strict=True)])


def _unbiased(
    problem: _Problem, theta: Array, model: Array, made: scatter.Noise, phi: Array, scaled: Scaled, rng: np.random.Generator
) -> scatter.Noise:
    """Return the scatter enlarged by what the fit of the curve took from it, by half of it at most."""
    _, left = _again(problem, theta, model, made, phi, PILOT, rng)
    seen = scatter.split(left, phi, scaled.train.starts)

    def larger(size: float, found: Array) -> float:
        return min(max(size / max(float(np.sqrt(np.mean(found**2))), 1e-12), 1.0), 1.5)

    step, read = larger(float(made.step[0]), seen.step), larger(float(made.read[0]), seen.read)
    return scatter.Noise(made.step * step, made.slow * read, made.white * read)


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
            variance = float(np.mean(np.diff(part) ** 2)) / 2
            for block in np.array_split(part, min(blocks, max(n // 3, 1))):
                squares += float(block.mean()) ** 2 - variance / len(block)
                count += 1
    return float(np.sqrt(max(squares / count, 0.0)))


def jump(fit: CurveFit, trains: Sequence[Scaled]) -> tuple[float, float]:
    """Return the largest mean step of the residual where the polarity turns, and its size in standard errors."""
    steps: dict[bool, list[tuple[float, float]]] = {}
    for k, scaled in enumerate(trains):
        r, branches = fit.residual[k], scaled.train.branches
        for i, start in enumerate(scaled.train.starts[1:], 1):
            m = max(3, min(branches[i][1], branches[i - 1][1]) // 50)
            size = float(r[start : start + m].mean() - r[start - m : start].mean())
            steps.setdefault(branches[i][0], []).append((size, m * fit.step[k] ** 2 + 2 * fit.read[k] ** 2 / m))
    worst = (0.0, 0.0)
    for found in steps.values():
        size = float(np.mean([s for s, _ in found]))
        error = float(np.sqrt(sum(v for _, v in found))) / len(found)
        if abs(size) > abs(worst[0]):
            worst = size, abs(size) / max(error, 1e-12)
    return worst


def verdict(fit: CurveFit, trains: Sequence[Scaled]) -> tuple[bool, str]:
    """Return whether the curve follows the data, and the reason in words."""
    beyond = "; g_max lies far above the data and is not determined" if bool((fit.theta[:, 1] > 2.9).any()) else ""
    rms = float(np.sqrt(fit.rss / sum(len(r) for r in fit.residual)))
    size, errors = jump(fit, trains)
    off = systematic(fit.residual, trains)
    name = f"{'NeuroSim' if fit.curve.name == 'exponential' else 'Bounded'} ({fit.curve.name})"
    if abs(size) > ACCEPT and errors > 4:
        word = "drop" if size < 0 else "rise"
        return (
            False,
            f"{name} cannot follow the {word} between your branches: it misses {abs(size):.0%} of the window there; "
            + (f"residual {rms:.0%} of the window; use the table device"),
        )
    usual = float(np.percentile([systematic([r[b] for r in fit.left], trains) for b in range(len(fit.left[0]))], 97.5))
    if off > ACCEPT and off > usual:
        return (
            False,
            f"{name} has not the shape of your curve: it misses {off:.0%} of the window on average; use the table device",
        )
    if off > ACCEPT:
        return True, f"fits, if the wander by {off:.0%} of the window is the device's own; measure more cycles to tell{beyond}"
    return True, f"fits; systematic deviation {off:.1%} of the window{beyond}"
