"""The exact integrals that linear models share: divided differences of ``exp(-z)``, which hold for equal and for any z.

With ``z = dt / tau`` for each time constant: an exponential left alone for a slot loses the fraction ``lost``; a second stage
that it feeds receives ``pair``, a third one ``triple``. All are written without differences of near numbers, and without factors
that overflow, so that they hold for any dt: in float64 to some 1e-13.

Source: Rotter & Diesmann, Biol. Cybern. 81:381 (1999), for the propagators.
"""

from __future__ import annotations

import torch
from torch import Tensor

SERIES = 1e-4  # below this |z| the series of `spread` is exact to 1e-17, where the quotient loses digits
SMALL = 1e-2  # the same for `triple`, whose difference of near numbers loses more: exact to 2e-16


def lost(z: Tensor) -> Tensor:
    """``1 - exp(-z)``: the fraction that decays in a slot of z time constants. Unlike ``exp(-z)`` it does not round to nothing.

    A state decays by ``x <- x - x lost``: what is small is then computed as such, and rounded once, where it is added.
    """
    return -torch.expm1(-z)


def spread(z: Tensor) -> Tensor:
    """``(1 - exp(-z)) / z``, 1 at z = 0: what is left of a charge spread evenly over a slot of z time constants."""
    small = z.abs() < SERIES
    safe = torch.where(small, torch.ones_like(z), z)
    return torch.where(small, 1 - z / 2 + z * z / 6 - z**3 / 24, lost(safe) / safe)


def pair(a: Tensor, b: Tensor) -> Tensor:
    """``(exp(-a) - exp(-b)) / (b - a)``, ``exp(-a)`` at b = a: what two stages in a row leave of an exponential, over dt.

    Symmetric. The slower decay is taken out, so that no factor overflows.
    """
    return torch.exp(-torch.minimum(a, b)) * spread((b - a).abs())


def triple(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The same for three stages, over dt^2: the second divided difference of ``exp(-z)``, 1/2 where all are 0. Symmetric."""
    low, high = torch.minimum(torch.minimum(a, b), c), torch.maximum(torch.maximum(a, b), c)
    middle = torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))
    return torch.exp(-low) * _from_zero(middle - low, high - low)


def _from_zero(p: Tensor, q: Tensor) -> Tensor:
    """`triple` of 0, p and q, for ``0 <= p <= q``: ``(spread(p) - pair(p, q)) / q``, near 0 its series ``sum_k (-1)^k h_k / (k +
    2)!``, h_k the sum of all products of k of the two numbers.
    """
    near = q < SMALL
    x, y = torch.where(near, p, torch.zeros_like(p)), torch.where(near, q, torch.zeros_like(q))
    power = h = torch.ones_like(x + y)
    total, factor = h / 2, 2.0
    for k in range(1, 6):
        power = power * x
        h = power + y * h
        factor *= -(k + 2)
        total = total + h / factor
    far = torch.where(near, torch.ones_like(q), q)
    return torch.where(near, total, (spread(p) - pair(p, far)) / far)
