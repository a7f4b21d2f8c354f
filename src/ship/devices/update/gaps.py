"""What the laws of pulses share: steps towards a bound, in forms that keep their digits where single steps are tiny.

A conductance is changed by what the pulses add, not computed anew from a fraction of its window: near a bound, and for small
steps, the digits of the change would be lost in those of the fraction. What is less than half a unit in the last place of the
conductance itself (in float32 6e-8 of it) cannot be kept in any form: use float64 for devices of more than some 10^6 pulses.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...base.parameters.bag import Bag

MOST = 80.0  # a gap that has grown by e^80 has left any window; finite in float32


def gone(rate: Tensor, count: Tensor) -> Tensor:
    """Return ``1 - (1 - rate)^count``: the share of a gap that steps close, each by the fraction ``rate`` of what is left."""
    below = rate < 1
    safe = torch.where(below, rate, torch.zeros_like(rate))
    closed = -torch.expm1((count * torch.log1p(-safe)).clamp(max=MOST))
    # A step beyond the bound changes the sign of the gap: (1 - rate)^count of a negative number, by the parity of the count.
    size = (rate - 1).clamp(min=0.0)
    power = torch.where(size > 0, torch.exp(count * torch.where(size > 0, size, torch.ones_like(size)).log()), 0.0 * count)
    left = torch.where(count > 0, power * (1 - 2 * (count - 2 * torch.floor(count / 2))), torch.ones_like(power))
    return torch.where(below, closed, 1 - left)


def geometric(rate: Tensor, count: Tensor) -> Tensor:
    """Return the sum ``1 + q + ... + q^(count - 1)``, ``q = 1 - rate``."""
    some = rate != 0
    safe = torch.where(some, rate, torch.ones_like(rate))
    return torch.where(some, gone(safe, count) / safe, count)


def gaps(g: Tensor, p: Bag) -> tuple[Tensor, Tensor]:
    """Return the distances of ``g`` (S) to the lower and to the upper end of the window, as fractions of it."""
    span = p.g_max - p.g_min
    return (g - p.g_min) / span, (p.g_max - g) / span


def within(g: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Clip to a range; at its very ends the gradient passes (that of minimum and maximum would be halved)."""
    return torch.where(g < low, low, torch.where(g > high, high, g))
