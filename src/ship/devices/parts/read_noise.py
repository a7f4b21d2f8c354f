"""Read noise: relative, additive, both, and 1/f noise that grows with the time since the write.

relative   ``G (1 + sigma xi)``
additive   ``G + sigma xi``
both       ``G + sqrt(sigma^2 + (relative G)^2) xi``
flicker    ``G (1 + Q sqrt(ln((t + t_r) / (2 t_r))) xi)``, ``t = age + t_0``: what 1/f noise between a read of t_r and the
           whole time since the write adds up to; 0 while t is below t_r

A read below zero is a read: nothing is clipped, so that the mean of many reads is right.

Source: of flicker: Nandakumar et al., ICECS (2019), doi 10.1109/ICECS46596.2019.8964852.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import ReadNoise, Xi


def growth(t: Tensor, t_read: Tensor) -> Tensor:
    """``sqrt(ln((t + t_r) / (2 t_r)))``, 0 where t is below t_r."""
    inside = torch.log1p((t - t_read) / (2 * t_read))
    safe = torch.where(inside > 0, inside, torch.ones_like(inside))  # the slope of a root is infinite at 0
    return torch.where(inside > 0, safe.sqrt(), torch.zeros_like(inside))


@dataclass(frozen=True)
class RelativeNoise(ReadNoise):
    """A fraction of the conductance."""

    white: ClassVar[bool] = True

    sigma: Value = param(0.01, least=0.0, role="noise")

    def read(self, g: Tensor, written: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        return g * (1 + p.sigma * xi[0])


@dataclass(frozen=True)
class AdditiveNoise(ReadNoise):
    """The same for all conductances."""

    white: ClassVar[bool] = True

    sigma: Value = param(0.1e-6, unit="S", least=0.0, role="noise")

    def read(self, g: Tensor, written: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        return g + p.sigma * xi[0]


@dataclass(frozen=True)
class MixedNoise(ReadNoise):
    """A part that is the same for all conductances, and one that is a fraction of the conductance, independent of each other.

    Args:
        sigma: S, standard deviation of the part that is the same for all.
        relative: standard deviation of the other part, as a fraction of the conductance.
    """

    white: ClassVar[bool] = True

    sigma: Value = param(0.1e-6, unit="S", least=0.0, role="noise")
    relative: Value = param(0.01, least=0.0, role="noise")

    def read(self, g: Tensor, written: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        return g + torch.hypot(p.sigma.expand_as(g), p.relative * g) * xi[0]


@dataclass(frozen=True)
class FlickerNoise(ReadNoise):
    """1/f noise of one strength for all conductances.

    Args:
        q: relative strength.
        t_read: s, of one read.
        t0: s, from the end of the write to age 0.
    """

    source: ClassVar[str] = "Nandakumar et al. 2019, doi 10.1109/ICECS46596.2019.8964852"

    q: Value = param(0.01, least=0.0, role="noise")
    t_read: Value = param(250e-9, unit="s", above=0.0, role="noise")
    t0: Value = param(20.0, unit="s", least=0.0, role="noise")

    def read(self, g: Tensor, written: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        return g * (1 + p.q * growth(age + p.t0, p.t_read) * xi[0])
