"""The exact propagator of two coupled linear states, whether they decay apart or swing: divided differences of ``exp(-z)``.

``d(x, y)/dt = -K (x, y) / dt`` with ``K = [[a, k1], [-k2, b]]``, in slots. ``exp(-K) = I - e T I - S K`` and ``integral of exp(-K
s) over the slot = S I + T adj(K)``, where ``e = a b + k1 k2`` is the determinant of K, and S and T are the first and the second
divided difference of ``exp(-z)`` on its eigenvalues (and on 0). For ``a``, ``b`` and ``k1 k2`` of at least 0 these sums have no
differences of near numbers.

With eigenvalues ``m +- s``, ``m = (a + b) / 2``: if they are real, S is `pair` and T is `triple` with 0. Otherwise ``S = exp(-m)
sin(w) / w`` and ``T = (1 - exp(-m) (cos(w) + m sin(w) / w)) / e``, ``s = i w``.

Source: the divided differences of a matrix function on two eigenvalues, e.g. Higham, *Functions of Matrices* (2008), sec. 1.2.3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .integrals import SMALL, pair, triple


class Propagator(NamedTuple):
    """What the states lose and pass on in a slot, and what is left of a charge into the first one."""

    lost_first: Tensor  # x <- x - x lost_first - y from_second + charge spread
    from_second: Tensor
    lost_second: Tensor  # y <- y - y lost_second + x from_first + charge passed
    from_first: Tensor
    spread: Tensor
    passed: Tensor


def propagator(a: Tensor, b: Tensor, k1: Tensor, k2: Tensor) -> Propagator:
    """Return the propagator of ``dx/dt = -a x - k1 y + charge``, ``dy/dt = k2 x - b y``; all per slot.

    Args:
        a: the decay of the first state, above 0.
        b: that of the second, above 0.
        k1: what the second takes from the first.
        k2: what the first gives to the second; ``a b + k1 k2`` must be above 0.
    """
    e = a * b + k1 * k2
    s, t = differences(a, b, k1 * k2)
    return Propagator(e * t + s * a, s * k1, e * t + s * b, s * k2, s + t * b, t * k2)


def differences(a: Tensor, b: Tensor, coupling: Tensor) -> tuple[Tensor, Tensor]:
    """Return S and T for the decays ``a`` and ``b`` and the product ``coupling`` of the two gains."""
    mean, product = (a + b) / 2, a * b + coupling
    q = ((a - b) / 2) ** 2 - coupling
    swings = q < 0
    s = torch.sqrt(torch.where(swings, torch.zeros_like(q), q))
    fast = mean + s
    slow = torch.where(swings, torch.zeros_like(q), product / fast)
    w = torch.sqrt(torch.where(swings, -q, torch.ones_like(q)))
    first, second = _swinging(mean, w, product)
    return torch.where(swings, first, pair(slow, fast)), torch.where(swings, second, triple(torch.zeros_like(q), slow, fast))


def _swinging(mean: Tensor, w: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
    """S and T for eigenvalues ``mean +- i w``, near 0 by the series ``sum_k (-1)^k h_k / (k + 1)!`` and ``... / (k + 2)!``."""
    s = torch.exp(-mean) * torch.sin(w) / w
    t = (1 - torch.exp(-mean) * torch.cos(w) - mean * s) / product
    h, before, factor = torch.ones_like(mean), torch.zeros_like(mean), 1.0
    series_s, series_t = h, h / 2
    for k in range(1, 7):
        h, before = 2 * mean * h - product * before, h
        factor *= -(k + 1)
        series_s, series_t = series_s + h / factor, series_t + h / factor / (k + 2)
    near = torch.maximum(mean, w) < SMALL
    return torch.where(near, series_s, s), torch.where(near, series_t, t)
