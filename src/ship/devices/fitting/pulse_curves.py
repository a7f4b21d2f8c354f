"""Pulse curves in closed form: the conductance of a device along a train of equal pulses.

``w = (g - g_min) / (g_max - g_min)``. A curve follows a train of branches (pulses up, then down, ...) from ``w_0``, and gives w
after each pulse; a branch begins where the one before ended.

bounded       ``w <- w + alpha_p (1 - w)^gamma_p``, ``w <- w - alpha_d w^gamma_d``: hard (gamma 0), soft (gamma 1), power
exponential   ``w(n) = (1 - exp(-k n / p_max)) / (1 - exp(-k))``, down the same from the other end; ``k = p_max / A``. Pulse by
              pulse: ``gap <- gap (1 - e c) - c (1 - e)``, ``e = 1 - exp(-k)``, ``c = (1 - exp(-k / p_max)) / e``
log ...       the same with ``w = ln(g / g_min) / ln(g_max / g_min)``, for windows of decades

Sources: Fusi & Abbott, Nat. Neurosci. 10:485 (2007); the exponential one: NeuroSim's LTP/LTD, where
``G = B (1 - exp(-n / A)) + G_min`` with ``B = (G_max - G_min) / (1 - exp(-p_max / A))``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .pulse_kernels import loop

Array = np.ndarray
Branches = Sequence[tuple[bool, int]]  # branches: whether up, and how many pulses


@dataclass(frozen=True)
class CurveFamily:
    """A family of curves. Its parameters are g_min, g_max (as the caller scales them), w_0, then its own.

    Args:
        name: hard, soft, power or exponential, with "log " before it where ``log``.
        own: the names of its own parameters: those with ``_p`` belong to pulses up, with ``_d`` to pulses down.
        low, high: their limits; alpha enters as its natural logarithm.
        starts: the points from which a fit starts.
        log: whether w is a fraction of the window of ln g.
    """

    name: str
    own: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    starts: tuple[tuple[float, ...], ...]
    log: bool = False

    @property
    def law(self) -> str:
        """The name of the law, whatever the scale of w."""
        return self.name.removeprefix("log ")

    def follow(self, w0: float, own: Mapping[str, float], train: Branches, p_max: tuple[int, int]) -> Array:
        """Return w after each pulse of the train, ``[pulse]``."""
        up = np.repeat([u for u, _ in train], [n for _, n in train])
        fresh = np.arange(len(up)) == 0
        return self.course(w0, own, up, fresh, np.ones(len(up), dtype=np.int64), p_max)[0]

    def course(
        self,
        w0: float,
        own: Mapping[str, float],
        up: Array,
        fresh: Array,
        count: Array,
        p_max: tuple[float, float],
        noise: float = 0.0,
    ) -> tuple[Array, Array, Array]:
        """Return w at each read, with the memory there, see `pulse_kernels.flow`."""
        alpha, gamma, share = np.zeros(2), np.zeros(2), np.zeros(2)
        saturating = self.law == "exponential"
        for i, side in enumerate(("_p", "_d")):
            if saturating:
                k = own.get("k" + side, 0.0)
                alpha[i] = -math.expm1(-k)
                share[i] = 1 / p_max[i] if abs(k) < 1e-6 else math.expm1(-k / p_max[i]) / math.expm1(-k)
            else:
                alpha[i] = own.get("alpha" + side, 0.0)
                gamma[i] = {"hard": 0.0, "soft": 1.0}.get(self.law, own.get("gamma" + side, 0.0))
        w0 = min(max(w0, 0.0), 1.0)
        made: tuple[Array, Array, Array] = loop("flow")(saturating, up, fresh, count, w0, alpha, gamma, share, noise)
        return made

    def typical(self, n_up: int, n_down: int) -> list[Array]:
        """Return starting points of its own parameters for branches of these lengths."""
        shift = {"alpha_p": math.log(max(n_up, 1)), "alpha_d": math.log(max(n_down, 1))}
        return [np.array([s - shift.get(name, 0.0) for name, s in zip(self.own, start, strict=True)]) for start in self.starts]


def nonlinearity(k: float) -> float:
    """Return NeuroSim's NL of a curve: ten times its largest distance from the straight line (to 1 %), with the sign of k."""
    x = np.linspace(0, 1, 2001)
    y = x if abs(k) < 1e-6 else -np.expm1(-k * x) / -np.expm1(-k)
    return float(10 * np.abs(y - x).max() * np.sign(k))


LOG_LOW, LOG_HIGH = math.log(1e-7), math.log(0.9)
CURVES = (
    CurveFamily(
        "hard",
        ("alpha_p", "alpha_d"),
        (LOG_LOW,) * 2,
        (LOG_HIGH,) * 2,
        ((0.0, 0.0), (0.7, 0.7), (1.5, 1.5), (0.3, 2.0), (2.0, 0.3)),
    ),
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
LOG_CURVES = tuple(replace(curve, name=f"log {curve.name}", log=True) for curve in CURVES if curve.name != "exponential")


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
