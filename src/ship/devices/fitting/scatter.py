"""The scatter of pulse trains, from the data alone: no law is asked, so that none sets its own allowance.

What a read shows differs from the course of the device by its own noise, ``sigma_read^2 = a^2 + (b g)^2``, and by what the
steps before left: each pulse adds ``s xi`` to the state. Where long branches show it, reads have a part in common with those
before, forgotten over some pulses (correlation rho from one to the next): it does not add up, as steps do. The course of each
branch is a polynomial in the root of the pulse number, free of any law and of what other branches do, with as many terms as the
data ask for (AIC); s, a and b are those of highest restricted likelihood (REML), which counts what the polynomial took. Whether
the noise is additive, relative or both is chosen by the data, too.

Source: of REML: Patterson & Thompson, Biometrika 58:545 (1971); Harville, J. Am. Stat. Assoc. 72:320 (1977).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .pulse_kernels import loop
from .pulse_noise import FLOOR, STEPS, Noise, Scale
from .trains import PulseTrain

Array = np.ndarray
TERMS = (3, 5, 7, 10, 14)  # of a branch's polynomial
POINTS = 6000  # reads that the scatter is estimated from: branches at equal distances stand for all
PENALTY = 4.0  # twice the log-likelihood that a second part of the read noise must bring
RHO = (0.5, 0.75, 0.9, 0.97)
LONG = 100  # reads of a branch, from which on what is forgotten is told from what adds up
SLOW = 10.0  # twice the log-likelihood that a part with a memory must bring
EDGE = 1.92  # of a log-likelihood, by which the ends of a 95 % interval are below the top
FEW = 64  # groups of reads, up to which each has its own matrix product
DIGITS = 1e-13  # of a matrix, below which its terms cannot be told apart


@dataclass(frozen=True)
class _Branches:
    """Branches (or trains) under one another: values, and what each may take from them."""

    y: Array
    g: Array  # smooth
    fresh: Array
    phi: Array
    grown: Array
    design: Array  # [read, term]
    starts: Array
    ridge: float = 0.0

    def likelihood(self, noise: Noise, scale: Scale, *, restricted: bool = True) -> float:
        """Return the (restricted) log-likelihood, less a constant."""
        kept, log_det, rest, _ = self._whitened(noise, scale)
        value = -0.5 * (log_det + float(rest.sum()))
        if restricted:
            value -= 0.5 * float(np.linalg.slogdet(kept)[1].sum())
        return value

    def _whitened(self, noise: Noise, scale: Scale) -> tuple[Array, float, Array, Array]:
        n = len(self.y)
        z = np.concatenate([self.design, self.y[:, None]], axis=1)
        read = noise.read(self.g, scale)
        out, variance = loop("whiten")(z, self.phi, self.grown, self.fresh, np.ones(n), noise.step, read, noise.slow, noise.rho)
        x, v = out[:, :-1], out[:, -1]
        parts = np.split(x, self.starts[1:]) if len(self.starts) <= FEW else None
        xx = np.add.reduceat(x[:, :, None] * x[:, None, :], self.starts) if parts is None else np.stack([p.T @ p for p in parts])
        size = np.trace(xx, axis1=1, axis2=2)[:, None, None] / xx.shape[1]
        xx = xx + (self.ridge + DIGITS * size) * np.eye(xx.shape[1])  # data without any scatter leave nothing else
        xv = np.add.reduceat(x * v[:, None], self.starts)
        vv = np.add.reduceat(v * v, self.starts)
        made = np.linalg.solve(xx, xv[..., None])[..., 0]
        return xx, float(np.log(variance).sum()), vv - (xv * made).sum(1), made

    def smooth(self, noise: Noise, scale: Scale) -> Array:
        """Return the polynomials at the reads, of least squares with these weights."""
        made = self._whitened(noise, scale)[3]
        return np.asarray((self.design * np.repeat(made, np.diff([*self.starts, len(self.y)]), axis=0)).sum(1))


def _polynomial(numbers: Array, terms: int) -> Array:
    """Return orthonormal polynomials in the root of the pulse number, ``[read, term]``."""
    t = np.sqrt(numbers)
    t = 2 * (t - t[0]) / max(t[-1] - t[0], 1e-12) - 1
    return np.asarray(np.linalg.qr(np.polynomial.legendre.legvander(t, terms - 1))[0] * math.sqrt(len(t)))


def _stacked(trains: Sequence[PulseTrain], scale: Scale, terms: int, points: int) -> _Branches | None:
    """Return the branches that are long enough for so many terms; None: less than half of the reads are in such."""
    found = [(t, i) for t in trains for i in range(len(t.branches))]
    long = [(t, i) for t, i in found if t.branches[i][1] >= terms + 3]
    total, kept = sum(t.branches[i][1] for t, i in found), sum(t.branches[i][1] for t, i in long)
    if not long or (2 * kept < total and terms > TERMS[0]):
        return None
    every = max(1, math.ceil(kept / points))
    if every > 1:
        long = long[:: every if every % 2 else every + 1]  # an odd stride takes branches up and down alike
    y, fresh, count, design = [], [], [], []
    for train, i in long:
        a, n = int(train.starts[i]), train.branches[i][1]
        y.append(scale.of(train.g[a : a + n]))
        fresh.append(np.arange(n) == 0)
        count.append(train.counts[a : a + n])
        design.append(_polynomial(train.pulse_numbers()[a : a + n].astype(float), terms))
    starts = np.cumsum([0, *[len(p) for p in y]])[:-1]
    whole = np.concatenate(y)
    counts = np.concatenate(count).astype(float)
    branches = _Branches(
        whole, scale.back(whole), np.concatenate(fresh), np.ones(len(whole)), counts, np.concatenate(design), starts
    )
    return replace(branches, g=scale.back(branches.smooth(Noise(0.0, 0.01 * scale.high, 0.0), scale)))


def noise_of(trains: Sequence[PulseTrain], scale: Scale) -> Noise:
    """Estimate the scatter of the steps and of the reads of all trains, without a law.

    Args:
        trains: the trains; branches shorter than six reads say nothing.
        scale: the scale in which steps have one scatter.
    """
    best: tuple[float, _Branches, int] | None = None
    for terms in TERMS:
        stacked = _stacked(trains, scale, terms, POINTS)
        if stacked is None:
            continue
        start = _start(stacked, scale)
        made = _highest(stacked, scale, start, ("step", "additive"), restricted=False)
        value = 2 * stacked.likelihood(made, scale, restricted=False) / len(stacked.y)
        used = 2 * terms * len(stacked.starts) / len(stacked.y)
        if best is None or value - used > best[0]:
            best = value - used, stacked, terms
    if best is None:
        rough = float(np.median([np.std(np.diff(t.g)) for t in trains])) / math.sqrt(2)
        return Noise(0.0, rough, 0.0, errors=(0.0, rough, 0.0))
    _, stacked, terms = best
    start = _start(stacked, scale)
    kinds = (("step", "additive"), ("step", "relative"), ("step", "additive", "relative"))
    found = [_highest(stacked, scale, start, kind) for kind in kinds]
    likely = [
        2 * stacked.likelihood(made, scale) - (PENALTY if len(k) == 3 else 0.0) for made, k in zip(found, kinds, strict=True)
    ]
    chosen = int(np.argmax(likely))
    if chosen == 1 and likely[1] < likely[0] + 2 and not scale.log:  # the simpler word where the data do not tell
        chosen = 0
    made = _with_slow(stacked, scale, start, found[chosen], kinds[chosen])
    errors = [_error(stacked, scale, made, name) if name in kinds[chosen] else 0.0 for name in ("step", "additive", "relative")]
    made = replace(made, errors=(errors[0], errors[1], errors[2]), terms=terms)
    return replace(_likely(stacked, scale, made), free=float(len(stacked.y) - terms * len(stacked.starts)))


class Around(NamedTuple):
    """What a law leaves of one train: residuals, derivatives by its parameters, memory, where it begins, and its course (S)."""

    rest: Array
    jacobian: Array
    phi: Array
    grown: Array
    fresh: Array
    g: Array


def noise_around(pieces: Sequence[Around], scale: Scale, like: Noise) -> Noise:
    """Estimate the scatter around a law that the data accept: whole trains tell steps from reads where branches do not.

    Args:
        pieces: what the law leaves, for each train.
        scale: the scale of the fit.
        like: the scatter without a law, of the same parts.
    """
    every = max(1, math.ceil(sum(len(p.rest) for p in pieces) / (4 * POINTS)))
    used = list(pieces)[::every]
    terms = max(p.jacobian.shape[1] for p in used)
    wide = [np.concatenate([p.jacobian, np.zeros((len(p.rest), terms - p.jacobian.shape[1]))], 1) for p in used]
    sizes = [np.sqrt((w**2).mean(0)) for w in wide]
    design = [w / np.where(size > 1e-9, size, 1.0) for w, size in zip(wide, sizes, strict=True)]
    starts = np.cumsum([0, *[len(p.rest) for p in used]])[:-1]
    y, g, fresh, phi, grown = (np.concatenate([getattr(p, n) for p in used]) for n in ("rest", "g", "fresh", "phi", "grown"))
    branches = _Branches(y, g, fresh, phi, grown, np.concatenate(design), starts, ridge=1e-6)
    names = [n for n in ("step", "additive", "relative", "slow") if n == "step" or getattr(like, n) > 0]
    made = _highest(branches, scale, _size(like, scale), names, rho=like.rho)
    if like.slow > 0:  # a law's own memory may explain what is forgotten
        names = [n for n in names if n != "slow"]
        simple = _highest(branches, scale, _size(like, scale), names)
        if branches.likelihood(simple, scale) > branches.likelihood(made, scale) - SLOW / 2:
            made = simple
    errors = [_error(branches, scale, made, n) if n in names else 0.0 for n in ("step", "additive", "relative")]
    free = float(len(branches.y) - terms * len(starts))
    return _likely(branches, scale, replace(made, errors=(errors[0], errors[1], errors[2]), terms=like.terms, free=free))


def _size(noise: Noise, scale: Scale) -> float:
    middle = scale.back(np.array(0.5))
    return max(noise.step, float(np.sqrt(noise.read(middle, scale))), 10 * FLOOR)


def _with_slow(branches: _Branches, scale: Scale, start: float, made: Noise, names: Sequence[str]) -> Noise:
    """Return the scatter with a part that is forgotten over some pulses, where steps that add up do not explain it."""
    longest = int(np.diff([*branches.starts, len(branches.y)]).max())
    if made.step == 0 or longest < LONG:
        return made
    best, top = made, branches.likelihood(made, scale) + SLOW / 2
    for rho in RHO:
        tried = _highest(branches, scale, start, (*names, "slow"), rho=rho)
        value = branches.likelihood(tried, scale)
        if value > top:
            best, top = tried, value
    return best


def _start(branches: _Branches, scale: Scale) -> float:
    rest = branches.y - branches.smooth(Noise(0.0, 0.01 * scale.high, 0.0), scale)
    inner = np.delete(np.diff(rest), branches.starts[1:] - 1)
    return max(float(np.sqrt(np.mean(inner**2) / 2)), 10 * FLOOR)


def _highest(
    branches: _Branches, scale: Scale, start: float, names: Sequence[str], *, restricted: bool = True, rho: float = 0.0
) -> Noise:
    """Return the scatter with these parts of highest likelihood; ``rho`` is the memory of the slow part."""
    from scipy import optimize

    middle = float(np.median(branches.g))
    unit = {
        "step": start,
        "slow": start,
        "additive": start * scale.span * (float(np.percentile(branches.g, 10)) if scale.log else 1.0),
        "relative": start * scale.span if scale.log else start * scale.span / max(abs(middle), 1e-30),
    }

    def noise(x: Array) -> Noise:
        parts = {name: abs(v) * unit[name] for name, v in zip(names, x, strict=True)}
        step, additive, relative, slow = (float(parts.get(name, 0.0)) for name in ("step", "additive", "relative", "slow"))
        return Noise(step, additive, relative, slow, rho)

    def cost(x: Array) -> float:
        value = branches.likelihood(noise(x), scale, restricted=restricted)
        return -value if math.isfinite(value) else 1e30

    made = optimize.minimize(
        cost,
        np.array([0.5 if n == "step" else 0.8 for n in names]),
        method="Nelder-Mead",
        options={"xatol": 2e-3, "fatol": 1e-3, "maxfev": 60 * len(names)},
    )
    x = np.abs(made.x)
    for i in range(len(names)):  # a part that does not count is none
        less = np.where(np.arange(len(names)) == i, 0.0, x)
        if cost(less) <= made.fun + (0.5 if names[i] == "step" else 0.05):
            x = less
    return noise(x)


def _changed(noise: Noise, name: str, value: float) -> Noise:
    parts = {n: getattr(noise, n) for n in ("step", "additive", "relative")} | {name: value}
    return replace(noise, step=parts["step"], additive=parts["additive"], relative=parts["relative"])


def _error(branches: _Branches, scale: Scale, made: Noise, name: str) -> float:
    """Return the standard error of a part: how far it may rise (the others as they are) until the likelihood falls by 1/2."""
    top, value = branches.likelihood(made, scale), getattr(made, name)

    def fall(x: float) -> float:
        return top - branches.likelihood(_changed(made, name, x), scale) - 0.5

    size = math.hypot(made.step, made.slow, math.sqrt(float(made.read(scale.back(np.array(0.5)), scale)))) * scale.span
    units = {"additive": size * scale.low, "relative": size} if scale.log else {"additive": size, "relative": size / scale.high}
    unit = size / scale.span if name == "step" else units[name]
    step = 0.02 * max(value, 0.1 * unit)
    for _ in range(40):
        if fall(value + step) > 0:
            break
        step *= 1.5
    low, high = 0.0, step
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if fall(value + middle) > 0 else (middle, high)
    return float(high)


def _likely(branches: _Branches, scale: Scale, made: Noise) -> Noise:
    """Return the scatter with steps that are equally likely, and their middle 95 %, by the likelihood (of even prior chance).

    No steps are in reach where they are as likely as the ends of an interval, by the ratio of likelihoods.
    """
    reach = 6 * made.errors[0]
    grid = np.linspace(max(made.step - reach, 0.0), made.step + reach, 41)
    value = np.array([branches.likelihood(_changed(made, "step", x), scale) for x in grid.tolist()])
    weight = np.exp(value - value.max())
    total = np.concatenate([[0.0], np.cumsum(weight[1:] + weight[:-1])])
    at = np.asarray(np.interp(np.r_[0.025, 0.975, (np.arange(STEPS) + 0.5) / STEPS], total / total[-1], grid))
    low = 0.0 if grid[0] == 0 and value[0] > value.max() - EDGE else float(at[0])
    return replace(made, steps=tuple(float(x) for x in at[2:]), reach=(min(low, made.step), max(float(at[1]), made.step)))


class Context(NamedTuple):
    """What deviations from a course are whitened with.

    Args:
        phi, grown: what is left of a deviation at the next read, and the number of steps whose noise is there, ``[read]``.
        fresh: where the state does not follow from the read before.
        gain: by how much the read follows the state.
        step: the standard deviation of a step of the state.
        read: the variance of reads.
        slow, rho: of what reads have in common with those before.
    """

    phi: Array
    grown: Array
    fresh: Array
    gain: Array
    step: float
    read: Array
    slow: float = 0.0
    rho: float = 0.0


def whitened(z: Array, context: Context) -> Array:
    """Turn deviations from a course, ``[read]`` or ``[read, column]``, into independent numbers of variance 1."""
    columns = z[:, None] if z.ndim == 1 else z
    out = loop("whiten")(np.ascontiguousarray(columns), *context)[0]
    return np.asarray(out[:, 0] if z.ndim == 1 else out)


def loss(rest: Array, context: Context) -> float:
    """Return minus twice the log-likelihood of deviations from a course, ``[read]``, less a constant."""
    out, variance = loop("whiten")(np.ascontiguousarray(rest[:, None]), *context)
    return float((out**2).sum() + np.log(variance).sum())


def simulate(context: Context, series: int, rng: np.random.Generator) -> Array:
    """Draw deviations from a course with this scatter, ``[series, read]``."""
    c = context
    e, out = np.zeros(series), np.empty((series, len(c.phi)))
    u = c.slow * rng.standard_normal(series)
    for k in range(len(c.phi)):
        e = np.where(c.fresh[k], 0.0, c.phi[k] * e) + c.step * math.sqrt(c.grown[k]) * rng.standard_normal(series)
        if c.slow > 0:
            u = c.rho * u + c.slow * math.sqrt(1 - c.rho**2) * rng.standard_normal(series)
        out[:, k] = c.gain[k] * e + u
    return np.asarray(out + np.sqrt(c.read) * rng.standard_normal(out.shape))
