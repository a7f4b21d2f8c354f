"""The two loops over pulses: a law's course with its memory, and the whitening of what deviates from it.

Both are plain functions; where Numba is installed, their own text is compiled.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...base.native import cache

Array = np.ndarray


def flow(  # a compiled loop takes plain numbers
    saturating: bool, up: Array, fresh: Array, count: Array, w0: float, alpha: Array, gamma: Array, share: Array, noise: float
) -> tuple[Array, Array, Array]:
    """Follow a law; return w at each read, what is left there of a deviation at the read before, and how many steps' noise.

    A bound takes what deviated before it, and cuts the noise of the pulse that ends there. Where the noise decides whether a
    pulse ends there, w is the mean, and what is left is the chance that it does not (moments of a normal number cut at 0).

    Args:
        saturating: whether the law is ``gap <- gap (1 - e c) - c (1 - e)``, see `pulse_curves`; else ``gap - alpha gap^gamma``.
        up, fresh, count: for each read whether its pulses go up, whether it starts anew from ``w0``, and how many pulses.
        w0: w before the first pulse.
        alpha, gamma: of pulses up and down, ``[2]``; in the saturating law alpha is e.
        share: c of pulses up and down, ``[2]``.
        noise: of each step, as a fraction of the window.
    """
    n = len(count)
    w, phi, grown = np.empty(n), np.empty(n), np.empty(n)
    now, p, s2 = w0, 0.0, noise * noise
    for i in range(n):
        if fresh[i]:
            now, p = w0, 0.0
        k = 0 if up[i] else 1
        a, g, c = alpha[k], gamma[k], share[k]
        gap = 1.0 - now if up[i] else now
        left, total = 1.0, 0.0
        for _ in range(count[i]):
            if saturating:
                slope = 1.0 - a * c
                gap = gap * slope - c * (1.0 - a)
            elif g == 0.0:
                slope = 1.0
                gap = gap - a
            elif g == 1.0:
                slope = 1.0 - a
                gap = gap * slope
            elif gap > 0.0:
                step = a * gap**g
                slope = 1.0 - g * step / gap
                gap = gap - step
            else:
                slope = 1.0
            slope = min(max(slope, 0.0), 1.0)
            more = 1.0  # the pulse's own noise
            before = slope * slope * p
            spread = math.sqrt(before)
            if spread > 0.0 and (saturating or g < 1.0) and gap < 5.0 * spread:
                x = gap / spread
                free = 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))
                density = math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
                mean = gap * free + spread * density
                rest = (gap * gap + before) * free + gap * spread * density - mean * mean - free * free * before
                slope = slope * free
                more = 1.0 - (1.0 - free) * (0.5 + 0.5 / math.pi) + max(rest, 0.0) / s2
                gap = mean + (1.0 - free) * noise / math.sqrt(2.0 * math.pi)
            elif gap < 0.0:
                gap, slope, more = noise / math.sqrt(2.0 * math.pi), 0.0, 0.5 - 0.5 / math.pi
            left = left * slope
            total = total * slope * slope + more
            p = slope * slope * p + more * s2
        now = 1.0 - gap if up[i] else gap
        w[i], phi[i], grown[i] = now, left, total
    return w, phi, grown


def whiten(
    z: Array, phi: Array, grown: Array, fresh: Array, gain: Array, step: float, read: Array, slow: float, rho: float
) -> tuple[Array, Array]:
    """Turn deviations into independent numbers of variance 1 (a Kalman filter), column by column.

    A deviation e of the state is ``e <- phi e + step sqrt(grown) xi``, one of reads ``u <- rho u + slow sqrt(1 - rho^2) xi``;
    what is read is ``gain e + u``, with noise of variance ``read``.

    Args:
        z: what is read, ``[read, column]``; each column is filtered alike.
        phi, grown, fresh, gain, read: ``[read]``.
        step: the standard deviation of one pulse's step.
        slow, rho: of what reads have in common with those before.

    Returns the columns, and the variance of each read given those before it.
    """
    n, columns = z.shape
    out, variance = np.empty((n, columns)), np.empty(n)
    e, u = np.zeros(columns), np.zeros(columns)
    p, c, q = 0.0, 0.0, slow * slow
    for i in range(n):
        if fresh[i]:
            p, c, q = 0.0, 0.0, slow * slow
            e[:] = 0.0
            u[:] = 0.0
        else:
            q = rho * rho * q + slow * slow * (1.0 - rho * rho)
        f, g = phi[i], gain[i]
        p = f * f * p + step * step * grown[i]
        c = f * rho * c
        s = g * g * p + 2.0 * g * c + q + read[i]
        k, m = (g * p + c) / s, (g * c + q) / s
        scale = 1.0 / math.sqrt(s)
        for j in range(columns):
            before, common = f * e[j], rho * u[j]
            v = z[i, j] - g * before - common
            out[i, j] = v * scale
            e[j] = before + k * v
            u[j] = common + m * v
        p, c, q = p - k * k * s, c - k * m * s, q - m * m * s
        variance[i] = s
    return out, variance


@lru_cache(maxsize=1)
def _compiled() -> dict[str, Any]:
    parts = ["from __future__ import annotations", "import math", "import numpy as np"]
    parts += [f"@njit(cache=CACHE)\n{inspect.getsource(part)}" for part in (flow, whiten)]
    return cache.load("pulses", "\n\n\n".join(parts))


def loop(name: str) -> Callable[..., Any]:
    """Return `flow` or `whiten`, compiled where Numba is installed."""
    if cache.available():
        return _compiled()[name]  # type: ignore[no-any-return]
    plain: dict[str, Callable[..., Any]] = {"flow": flow, "whiten": whiten}
    return plain[name]
