"""How the steps of pulses differ from branch to branch: the scatter from cycle to cycle, and the trend over cycles.

Around a fitted law, each branch gets a start of its own and one factor on the size of its steps, ``1 + x``: x by least squares
of the whitened residuals, linear in both, with its error. What x scatters beyond its errors is the scatter from cycle to cycle of
the step; its slope over the logarithm of the cycle is the wear of the update.

Source: of the scatter beyond the errors: DerSimonian & Laird, Control. Clin. Trials 7:177 (1986).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import scatter
from .curve_fit import CurveFit
from .pulse_noise import Noise
from .pulse_problem import Problem, Scaled
from .report import Estimate

Array = np.ndarray
LEAST = 3  # branches of one direction and device from which on a scatter is estimated
CYCLES = 6  # branches from which on a trend is
SMALL = 1e-3  # the change of the steps for the derivative
RELEVANT = 0.02  # a decade: below, a trend counts as none even where it is sure


class Change(NamedTuple):
    """The relative size of the steps of branches: of which device, which cycle, and its error."""

    device: Array
    cycle: Array
    x: Array
    error: Array


class Wear(NamedTuple):
    """What differs from branch to branch of one direction.

    Args:
        c2c: the scatter of the size of the steps from cycle to cycle, as a fraction; None: too few branches.
        trend: the change of the size of the steps for each decade of cycles, as a fraction; None: too few.
    """

    c2c: Estimate | None
    trend: Estimate | None


def changes(fit: CurveFit, trains: Sequence[Scaled], noise: Noise, up: bool) -> Change:
    """Return the relative size of the steps of all branches of one direction."""
    rows: list[tuple[int, float, float, float]] = []
    for k, (one, scaled) in enumerate(zip(fit.fits, trains, strict=True)):
        train, problem = scaled.train, Problem(fit.curve, scaled)
        sides = [i for i, (u, n) in enumerate(train.branches) if u == up and n >= 5]
        if len(sides) < LEAST:
            continue
        own = dict(zip(problem.own, problem.natural(one.theta)[3:].tolist(), strict=True))
        w = problem.course(one.theta)[0]
        for i in sides:
            a, n = int(train.starts[i]), train.branches[i][1]
            anew = problem.fresh[a]
            w0 = float(one.theta[2] if anew else w[a - 1])
            found = _one_branch(problem, one.theta, own, w0, slice(a, a + n), noise)
            if found is not None:
                cycle = train.cycles[i] if train.cycles is not None else 1.0 + sum(u == up for u, _ in train.branches[:i])
                rows.append((k, cycle, *found))
    made = np.array(rows).reshape(-1, 4)
    return Change(made[:, 0], made[:, 1], made[:, 2], made[:, 3])


def _one_branch(
    problem: Problem, theta: Array, own: dict[str, float], w0: float, at: slice, noise: Noise
) -> tuple[float, float] | None:
    """Return the relative change of the steps of one branch, with its error; None: the branch does not tell."""
    scaled, n = problem.scaled, at.stop - at.start
    fresh = np.arange(n) == 0
    up, count = problem.up[at], problem.count[at]

    def follow(start: float, factor: float) -> tuple[Array, Array, Array]:
        p_max: tuple[float, float] = scaled.p_max
        changed = {name: v * factor if name.startswith("alpha") else v for name, v in own.items()}
        if problem.curve.law == "exponential":  # the steps of the saturating law go with 1 / p_max
            p_max = (p_max[0] / factor, p_max[1] / factor)
        w, phi, grown = problem.curve.course(start, changed, up, fresh, count, p_max)
        return problem.values(theta, (w, phi, grown)), phi, grown

    base, phi, grown = follow(w0, 1.0)
    side = SMALL if w0 < 0.5 else -SMALL
    columns = [(follow(w0 + side, 1.0)[0] - base) / side, (follow(w0, 1 + SMALL)[0] - base) / SMALL, scaled.y[at] - base]
    read = noise.read(scaled.scale.back(base), scaled.scale)
    by = scatter.Context(phi, grown, fresh, np.ones(n), noise.step, read, noise.slow, noise.rho)
    white = scatter.whitened(np.stack(columns, 1), by)
    matrix = white[:, :2].T @ white[:, :2]
    if np.linalg.det(matrix) < 1e-9 * matrix[0, 0] * max(matrix[1, 1], 1e-12):
        return None
    covariance = np.linalg.inv(matrix)
    x = covariance @ white[:, :2].T @ white[:, 2]
    error = math.sqrt(covariance[1, 1])
    return (float(np.clip(x[1], -0.95, 3.0)), error) if error < 1.0 else None


def wear(change: Change) -> Wear:
    """Return scatter from cycle to cycle and trend over cycles of the size of the steps, each device around its own mean."""
    groups = [np.flatnonzero(change.device == k) for k in dict.fromkeys(change.device.tolist())]
    groups = [g for g in groups if len(g) >= LEAST]
    if not groups:
        return Wear(None, None)
    tau, tau_error = _beyond([change.x[g] for g in groups], [change.error[g] for g in groups])
    low = max(tau**2 - 1.96 * tau_error, 0.0)
    c2c = Estimate(tau, math.sqrt(low), math.sqrt(tau**2 + 1.96 * tau_error), "of a step")
    long = [g for g in groups if len(g) >= CYCLES]
    return Wear(c2c, _trend(change, long, tau) if long else None)


def _beyond(values: Sequence[Array], errors: Sequence[Array]) -> tuple[float, float]:
    """Return the scatter beyond the errors, and the standard error of its square, by moments around each device's mean."""
    excess = total = spent = 0.0
    for x, e in zip(values, errors, strict=True):
        weight = 1 / np.median(e) ** 2
        excess += weight * float(((x - x.mean()) ** 2).sum() - (e**2).mean() * (len(x) - 1))
        total += weight * (len(x) - 1)
        spent += len(x) - 1
    square = excess / total
    noise = float(np.mean([np.mean(e**2) for e in errors]))
    return math.sqrt(max(square, 0.0)), math.sqrt(2 / spent) * (max(square, 0.0) + noise)


def _trend(change: Change, groups: Sequence[Array], tau: float) -> Estimate:
    """Return the slope over the logarithm of the cycle, devices around their own means, with a t interval."""
    from scipy import stats

    t, x, weight = [], [], []
    for g in groups:
        w = 1 / (change.error[g] ** 2 + tau**2 + 1e-12)
        decades = np.log10(np.maximum(change.cycle[g], 1.0))
        t.append(decades - (w * decades).sum() / w.sum())
        x.append(change.x[g] - (w * change.x[g]).sum() / w.sum())
        weight.append(w)
    t_all, x_all, w_all = np.concatenate(t), np.concatenate(x), np.concatenate(weight)
    power = float((w_all * t_all**2).sum())
    slope = float((w_all * t_all * x_all).sum()) / max(power, 1e-30)
    free = max(len(t_all) - len(groups) - 1, 1)
    rest = x_all - slope * t_all
    error = math.sqrt(max(float((w_all * rest**2).sum()) / free, 0.25) / max(power, 1e-30))
    reach = float(stats.t.ppf(0.975, free)) * error
    return Estimate(slope, slope - reach, slope + reach, "of a step, each decade of cycles")


def told(side: str, made: Wear) -> str | None:
    """Say in words what the trend is; None: there is none to speak of."""
    if made.trend is None:
        return None
    value, low, high = made.trend
    most = max(abs(low), abs(high))
    if low <= 0 <= high or most < RELEVANT:
        return f"steps {side}: no trend over cycles within {most:.1%} a decade"
    word = "grow" if value > 0 else "shrink"
    ends = f"[{min(abs(low), abs(high)):.1%}, {most:.1%}]"
    return f"steps {side} {word} by {abs(value):.1%} {ends} a decade of cycles: the update wears"
