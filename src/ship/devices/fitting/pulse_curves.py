"""Pulse curves in closed form: the conductance of a device along a train of equal pulses.

``w = (g - g_min) / (g_max - g_min)``. A curve follows a train of branches (pulses up, then down, ...) from ``w_0``, and gives w
after each pulse; a branch begins where the one before ended.

bounded       ``w <- w + alpha_p (1 - w)^gamma_p``, ``w <- w - alpha_d w^gamma_d``: hard (gamma 0), soft (gamma 1), power
exponential   ``w(n) = (1 - exp(-k n / p_max)) / (1 - exp(-k))``, down the same from the other end; ``k = p_max / A``

Sources: Fusi & Abbott, Nat. Neurosci. 10:485 (2007); the exponential one: NeuroSim's LTP/LTD, where
``G = B (1 - exp(-n / A)) + G_min`` with ``B = (G_max - G_min) / (1 - exp(-p_max / A))``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...base.native import cache

Array = np.ndarray
Branches = Sequence[tuple[bool, int]]  # branches: whether up, and how many pulses


@dataclass(frozen=True)
class CurveFamily:
    """A family of curves. Its parameters are g_min, g_max (as the caller scales them), w_0, then its own.

    Args:
        name: hard, soft, power or exponential.
        own: the names of its own parameters: those with ``_p`` belong to pulses up, with ``_d`` to pulses down.
        low, high: their limits; alpha enters as its natural logarithm.
        starts: the points from which a fit starts.
    """

    name: str
    own: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    starts: tuple[tuple[float, ...], ...]

    def follow(self, w0: float, own: dict[str, float], train: Branches, p_max: tuple[int, int]) -> Array:
        """Return w after each pulse of the train, ``[pulse]``."""
        parts, w = [], w0
        for up, n in train:
            gap = self._gap(1 - w if up else w, own, "_p" if up else "_d", n, p_max[0 if up else 1])
            parts.append(1 - gap if up else gap)
            w = float(parts[-1][-1])
        return np.concatenate(parts)

    def _gap(self, gap: float, own: dict[str, float], side: str, n: int, p_max: int) -> Array:
        """Return the distance to the bound after each of n pulses."""
        if self.name == "exponential":
            return 1 - exponential(1 - gap, own["k" + side], n, p_max)
        alpha, gamma = own["alpha" + side], {"hard": 0.0, "soft": 1.0}.get(self.name, own.get("gamma" + side, 0.0))
        if gamma == 0:
            return np.asarray(np.maximum(gap - alpha * np.arange(1, n + 1), 0.0))
        if gamma == 1:
            return np.asarray(gap * (1 - alpha) ** np.arange(1, n + 1))
        return power(gap, alpha, gamma, n)

    def typical(self, n_up: int, n_down: int) -> list[Array]:
        """Return starting points of its own parameters for branches of these lengths."""
        shift = {"alpha_p": math.log(max(n_up, 1)), "alpha_d": math.log(max(n_down, 1))}
        return [np.array([s - shift.get(name, 0.0) for name, s in zip(self.own, start, strict=True)]) for start in self.starts]


POWER = """
import numpy as np


@njit(cache=CACHE)
def power(gap, alpha, gamma, n):
    out = np.empty(n)
    for k in range(n):
        gap = max(gap - alpha * gap**gamma, 0.0) if gap > 0 else 0.0
        out[k] = gap
    return out
"""


def power(gap: float, alpha: float, gamma: float, n: int) -> Array:
    """Return the distance to the bound after each of n pulses ``gap <- max(gap - alpha gap^gamma, 0)``."""
    if cache.available():
        return np.asarray(cache.load("pulses", POWER)["power"](float(gap), float(alpha), float(gamma), n))
    out = []
    for _ in range(n):
        gap = max(gap - alpha * gap**gamma, 0.0) if gap > 0 else 0.0
        out.append(gap)
    return np.array(out)


def exponential(w: float, k: float, n: int, p_max: int) -> Array:
    """Follow ``w(x) = (1 - e^{-k x}) / (1 - e^{-k})`` from ``w(x_0) = w``, ``x <- x + 1 / p_max`` up to 1; k = 0: a line."""
    w = min(max(w, 0.0), 1.0)
    steps = np.arange(1, n + 1) / p_max
    if abs(k) < 1e-6:
        return np.asarray(np.minimum(w + steps, 1.0))
    scale = -math.expm1(-k)
    x0 = -math.log1p(-w * scale) / k if w < 1 else 1.0
    return np.asarray(-np.expm1(-k * np.minimum(x0 + steps, 1.0)) / scale)


def nonlinearity(k: float) -> float:
    """Return NeuroSim's NL of a curve: ten times its largest distance from the straight line (to 1 %), with the sign of k."""
    x = np.linspace(0, 1, 2001)
    y = x if abs(k) < 1e-6 else -np.expm1(-k * x) / -np.expm1(-k)
    return float(10 * np.abs(y - x).max() * np.sign(k))


LOG_LOW, LOG_HIGH = math.log(1e-7), math.log(0.9)
CURVES = (
    CurveFamily("hard", ("alpha_p", "alpha_d"), (LOG_LOW,) * 2, (LOG_HIGH,) * 2, ((0.0, 0.0),)),
    CurveFamily("soft", ("alpha_p", "alpha_d"), (LOG_LOW,) * 2, (LOG_HIGH,) * 2, ((0.7, 0.7), (1.6, 1.6), (-0.7, 1.6))),
    CurveFamily(
        "power",
        ("alpha_p", "alpha_d", "gamma_p", "gamma_d"),
        (LOG_LOW, LOG_LOW, 0.0, 0.0),
        (LOG_HIGH, LOG_HIGH, 6.0, 6.0),
        ((0.5, 0.5, 0.5, 0.5), (1.5, 1.5, 1.5, 1.5), (2.5, 2.5, 3.0, 3.0), (0.0, 2.0, 0.2, 2.0)),
    ),
    CurveFamily("exponential", ("k_p", "k_d"), (-12.0,) * 2, (30.0,) * 2, ((1.0, 1.0), (5.0, 5.0), (0.5, 5.0), (-1.0, -1.0))),
)


def monotone(n: Array, y: Array, up: bool, knots: int) -> tuple[Array, Array]:
    """Fit a monotone polygon to a branch by least squares.

    Returns the pulse numbers of its knots, which are denser at the start, and the values there.
    """
    from scipy import optimize

    last = int(n.max())
    at = np.unique(np.round(1 + (last - 1) * np.linspace(0, 1, knots) ** 1.5))
    hats = np.stack([np.interp(n, at, unit) for unit in np.eye(len(at))], axis=1)
    design = np.concatenate([hats.sum(1, keepdims=True), np.cumsum(hats[:, ::-1], 1)[:, ::-1][:, 1:]], axis=1)
    sign = 1.0 if up else -1.0
    made = optimize.lsq_linear(
        design * np.r_[1.0, np.full(len(at) - 1, sign)], y, bounds=(np.r_[-np.inf, np.zeros(len(at) - 1)], np.inf)
    )
    return at, made.x[0] + np.r_[0.0, np.cumsum(sign * made.x[1:])]
