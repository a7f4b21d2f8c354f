"""The least-squares problem of a pulse curve and one train, in the scale of the fit, and its solution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from . import scatter
from .pulse_curves import CurveFamily
from .pulse_noise import Noise, Scale
from .trains import PulseTrain

Array = np.ndarray
ROUGH, FINE = 15, 40  # iterations: from a start with white scatter, and to the end
SAME = 1e-7  # relative decrease of the sum of squares, from which on nothing changes


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
        width = max(1, min(len(self.y) // 80, max(n for _, n in self.train.branches) // 3))
        means = [
            np.convolve(part, np.ones(width) / width, "valid")
            for part in np.split(self.y, self.train.starts[1:])
            if len(part) >= width
        ]
        flat = np.concatenate(means)
        return float(flat.min()), float(flat.max())


class Problem:
    """The least-squares problem of a curve and one train, with the logarithm of alpha and everything of order 1."""

    def __init__(self, curve: CurveFamily, scaled: Scaled, step: float = 0.0) -> None:
        """State the problem; ``step`` is the noise of steps in the scale of the fit, which bounds cut."""
        train = scaled.train
        self.curve, self.scaled, self.step = curve, scaled, step
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
        noise = 0.0 if self.bent else self.step / float(x[1] - x[0])
        return self.curve.course(float(x[2]), own, self.up, self.fresh, self.count, self.scaled.p_max, noise)

    def values(self, x: Array, course: tuple[Array, Array, Array] | None = None) -> Array:
        """Return the curve in the scale of the fit."""
        w = (self.course(x) if course is None else course)[0]
        if not self.bent:
            return np.asarray(x[0] + (x[1] - x[0]) * w)
        ends = self.scaled.scale.back(x[:2])
        return self.scaled.scale.of(np.maximum(ends[0] + (ends[1] - ends[0]) * w, 1e-30))

    def gain(self, x: Array, w: Array) -> Array:
        """Return by how much a bent scale follows w, up to a factor."""
        ends = self.scaled.scale.back(x[:2])
        return np.asarray(1 / np.maximum(ends[0] + (ends[1] - ends[0]) * w, 1e-30))


def context(problem: Problem, x: Array, course: tuple[Array, Array, Array], noise: Noise) -> scatter.Context:
    """Return what residuals are whitened with at these parameters.

    Args:
        problem: the curve and the train.
        x: the parameters.
        course: the curve there, with its memory.
        noise: the scatter; on a scale that bends the law, steps scatter evenly in that scale.
    """
    scale, (w, phi, grown) = problem.scaled.scale, course
    read = noise.read(scale.back(problem.scaled.y if scale.log else problem.values(x, course)), scale)
    if problem.bent:
        gain = problem.gain(x, w)
        phi, grown = np.clip(phi * gain / np.r_[gain[0], gain[:-1]], 0.0, 1.0), problem.count.astype(float)
    return scatter.Context(phi, grown, problem.fresh, np.ones(len(w)), noise.step, read, noise.slow, noise.rho)


def jacobian(problem: Problem, theta: Array, base: Array | None = None) -> Array:
    """Return the derivatives of the curve by the parameters, ``[read, parameter]``, by differences inside the limits."""
    base = problem.values(theta) if base is None else base
    out = np.empty((len(base), len(theta)))
    for i in range(len(theta)):
        h = 1e-5 if theta[i] + 1e-5 <= problem.high[i] else -1e-5
        moved = theta.copy()
        moved[i] += h
        out[:, i] = (problem.values(moved) - base) / h
    return out


def solved(problem: Problem, starts: Sequence[Array], noise: Noise, held: Mapping[int, float]) -> Array:
    """Return the parameters of highest likelihood within their limits, from the best of several starts.

    The Levenberg-Marquardt method, with parameters that leave their limits held there. The whitening is that of the parameters so
    far, and is no part of the derivatives; first it is that of white scatter.

    Args:
        problem: the curve and the train.
        starts: where to start.
        noise: the scatter of the data.
        held: parameters that keep a value.
    """
    n, scale = len(problem.scaled.y), problem.scaled.scale
    total = float(noise.read(scale.back(problem.scaled.y), scale).mean()) + math.sqrt(n) * noise.step**2 + noise.slow**2
    ones = np.ones(n)
    white = scatter.Context(ones, ones, problem.fresh, ones, 0.0, np.full(n, total))
    fixed = np.array([held.get(i, math.nan) for i in range(len(problem.names))])
    rough = []
    for start in starts:
        x = np.clip(np.where(np.isnan(fixed), start, fixed), problem.low, problem.high)
        rough.append(_descend(problem, x, held, white, None, ROUGH))
    best = min(rough, key=lambda found: found[1])[0]
    return _descend(problem, best, held, context(problem, best, problem.course(best), noise), noise, FINE)[0]


def _descend(
    problem: Problem, x: Array, held: Mapping[int, float], by: scatter.Context, noise: Noise | None, most: int
) -> tuple[Array, float]:
    """Return the parameters after descent, with the sum of squares; with a ``noise``, the whitening follows the first steps."""
    weight, first = (1e-3 * problem.ridge) ** 2, problem.starts[0]
    damp = 1e-3

    def cost(at: Array, residual: Array) -> float:
        return float(residual @ residual) + float((weight * (at - first) ** 2).sum())

    base = problem.values(x)
    r = scatter.whitened(base - problem.scaled.y, by)
    value = cost(x, r)
    for k in range(most):
        j = scatter.whitened(jacobian(problem, x, base), by)
        slope = j.T @ r + weight * (x - first)
        free = np.array([i not in held for i in range(len(x))])
        free &= ~(((x <= problem.low) & (slope > 0)) | ((x >= problem.high) & (slope < 0)))
        if not free.any():
            break
        j = j[:, free]
        hessian = j.T @ j + np.diag(weight[free] + 1e-12)
        better = False
        for _ in range(8):
            move = np.zeros(len(x))
            move[free] = -np.linalg.solve(hessian + damp * np.diag(np.diag(hessian)), slope[free])
            new = np.clip(x + move, problem.low, problem.high)
            base_new = problem.values(new)
            r_new = scatter.whitened(base_new - problem.scaled.y, by)
            value_new = cost(new, r_new)
            if value_new < value:
                better = True
                break
            damp *= 6
        if not better:
            break
        fall = (value - value_new) / max(value, 1e-30)
        x, base, r, value, damp = new, base_new, r_new, value_new, max(damp / 6, 1e-9)
        if noise is not None and (k < 3 or (fall < SAME and k < most - 5)):
            by = context(problem, x, problem.course(x), noise)
            r = scatter.whitened(base - problem.scaled.y, by)
            after = cost(x, r)
            if k >= 3 and abs(after - value) < 1e-4 * value:
                break
            value = after
        elif fall < (1e-4 if noise is None else SAME):
            break
    return x, value
