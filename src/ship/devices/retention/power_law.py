"""Power-law drift: ``G(t) = G_0 (1 + t / t_0)^-nu``, t since the write.

t_0 is the time of the first read, for which G_0 stands. ``nu`` differs from device to device with ``Varied(..., d2d=)``, and from
write to write with ``c2c=``; below 0 it is folded to above (as the fits of phase-change memory do).

Source: Ielmini et al., IEEE Trans. Electron Devices 54:308 (2007); t_0 = 20 s as Nandakumar et al., ICECS (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Retention, Xi


def power_law(g: Tensor, age: Tensor, nu: Tensor, t0: Tensor) -> Tensor:
    """S, after ``age`` (s)."""
    return g * torch.exp(-nu * torch.log1p(age / t0))


@dataclass(frozen=True)
class PowerDrift(Retention):
    """Drift with an exponent that does not depend on the conductance."""

    source: ClassVar[str] = "Ielmini et al. 2007, doi 10.1109/TED.2006.888752"

    nu: Value = param(0.05, least=0.0, role="drift")
    t0: Value = param(20.0, unit="s", above=0.0, role="drift")

    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        return power_law(g, age, p.nu.abs(), p.t0)


@dataclass(frozen=True)
class PowerTrend(Retention):
    """A power law of either sign: above 0 the conductance falls, below 0 it rises.

    The law is that of `PowerDrift`, and nothing is folded: where the exponents of many devices scatter around 0, some rise.
    """

    source: ClassVar[str] = "a power law fitted to a measurement; its constants are the user's"

    nu: Value = param(0.05, role="drift")
    t0: Value = param(20.0, unit="s", above=0.0, role="drift")

    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        return power_law(g, age, p.nu, p.t0)
