"""The parts of a pulse train's scatter, from the growth of residual differences with the distance between pulses.

Around the model's curve, ``e_{n+1} = phi_n e_n + sigma_step xi`` is what the device carries on (phi: how much of a deviation a
pulse leaves, the ratio of the curve's successive steps); what is read differs by a white part and by parts that are forgotten
over some pulses, with correlations ``rho`` from one to the next. The mean square difference of residuals h pulses apart is then

    V(h) = 2 sigma_step^2 <(1 - phi^h) / (1 - phi^2)> + sum 2 sigma_rho^2 (1 - rho^h) + 2 sigma_white^2

(the first term grows as ``h sigma_step^2`` where phi is 1), and the variances are its fit with none below 0. Only distances up to
a fifth of a branch count: there, a curve that misses the data looks less like noise. The slow parts come in only where steps and
white reads do not explain V: a single train does not tell a walk from what is forgotten over its length.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

Array = np.ndarray
ENOUGH = 2.0  # mean squared deviation of V, in its standard errors, up to which steps and white reads alone explain it
RHO = np.array([0.3, 0.6, 0.8, 0.9, 0.95, 0.98])


class Noise(NamedTuple):
    """The standard deviations of the parts of the scatter, for each series."""

    step: Array  # [series], standard deviation of each pulse's step
    slow: Array  # [series, rho], of the parts of a read that are forgotten over some pulses
    white: Array  # [series], of the rest of a read

    @property
    def read(self) -> Array:
        """The standard deviation of a read."""
        return np.asarray(np.sqrt((self.slow**2).sum(1) + self.white**2))


def memory(w: Array, starts: Array) -> Array:
    """Return phi before each point, ``[point]``, from successive steps of the curve; 1 where they say nothing, never more."""
    step = np.diff(w, prepend=w[0])
    phi = np.ones_like(w)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = step[1:] / step[:-1]
    legal = np.isfinite(ratio) & (np.abs(step[:-1]) > 1e-9)
    phi[1:][legal] = np.clip(ratio[legal], 0.0, 1.0)
    for start in starts:  # the first steps of a branch have another polarity
        phi[start : start + 2] = 1.0
    return phi


def split(residual: Array, phi: Array, starts: Array) -> Noise:
    """Split the scatter of each series into its parts.

    Args:
        residual: the residuals, ``[series, point]``.
        phi: the memory of the curve, ``[point]``, see `memory`.
        starts: the first points of the branches.
    """
    from scipy import optimize

    r = np.atleast_2d(residual)
    bounds = [*starts.tolist(), r.shape[1]]
    shortest = int(np.diff(bounds).min())
    lags = np.unique(np.geomspace(1, max(shortest // 5, 2), 16).astype(int))
    parted = np.stack([_parted(r, bounds, int(h)) for h in lags], axis=1)
    carried = np.array([np.mean(_carried(phi, int(h))) for h in lags])
    slow = 2 * (1 - RHO[None, :] ** lags[:, None])
    slow = slow * (len(lags) >= 5 and shortest >= 40)  # short branches do not tell them apart
    simple = np.stack([carried, np.full(len(lags), 2.0)], axis=1)
    design = np.concatenate([simple[:, :1], slow, simple[:, 1:]], axis=1)
    known = np.sqrt(4 * lags / (3 * r.shape[1]))  # how well V is known, relative, where steps add up
    out = np.zeros((len(r), design.shape[1]))
    for i, v in enumerate(parted):
        weight = 1 / (np.maximum(v, 1e-12 + 1e-6 * v.max()) * known)
        found, error = optimize.nnls(simple * weight[:, None], v * weight)
        if error**2 <= ENOUGH * len(lags):
            out[i, [0, -1]] = np.sqrt(found)
        else:
            out[i] = np.sqrt(optimize.nnls(design * weight[:, None], v * weight)[0])
    return Noise(out[:, 0], out[:, 1:-1], out[:, -1])


def _parted(r: Array, bounds: list[int], lag: int) -> Array:
    """Return V(lag) of each series, within branches."""
    total, count = np.zeros(len(r)), 0
    for a, b in itertools.pairwise(bounds):
        total += ((r[:, a + lag : b] - r[:, a : b - lag]) ** 2).sum(1)
        count += b - lag - a
    return np.asarray(total / count)


def _carried(phi: Array, lag: int) -> Array:
    near = phi > 1 - 1e-6
    safe = np.where(near, 0.0, phi)
    return np.where(near, float(lag), 2 * (1 - safe**lag) / (1 - safe**2))


def simulate(noise: Noise, phi: Array, series: int, rng: np.random.Generator) -> Array:
    """Draw deviations from the curve with the first series' scatter, ``[series, point]``."""
    step, slow, white = float(noise.step[0]), noise.slow[0], float(noise.white[0])
    e, s = np.zeros(series), slow * rng.standard_normal((series, len(RHO)))
    fresh = slow * np.sqrt(1 - RHO**2)
    out = np.empty((series, len(phi)))
    for k in range(len(phi)):
        e = phi[k] * e + step * rng.standard_normal(series)
        s = RHO * s + fresh * rng.standard_normal((series, len(RHO)))
        out[:, k] = e + s.sum(1)
    return out + white * rng.standard_normal(out.shape)


def whitened(residual: Array, made: Noise, phi: Array) -> Array:
    """Turn residuals ``[point]`` with this scatter (that of its first series) into independent numbers of variance 1."""
    from scipy import linalg

    n, distance = len(residual), np.abs(np.arange(len(residual))[:, None] - np.arange(len(residual)))
    kept = np.cumsum(np.log(np.clip(phi, 1e-9, 1.0)))
    variance = np.empty(n)
    total = 0.0
    for k in range(n):
        total = phi[k] ** 2 * total + float(made.step[0]) ** 2
        variance[k] = total
    earlier = np.minimum.outer(np.arange(n), np.arange(n))
    covariance = variance[earlier] * np.exp(-np.abs(kept[:, None] - kept[None, :]))
    for rho, size in zip(RHO, made.slow[0], strict=True):
        if size > 0:
            covariance += size**2 * rho**distance
    floor = 1e-12 + 1e-6 * float(np.trace(covariance)) / n
    covariance[np.diag_indices(n)] += float(made.white[0]) ** 2 + floor
    return np.asarray(linalg.solve_triangular(linalg.cholesky(covariance, lower=True), residual, lower=True))
