"""Bounded pulse update in the logarithm of the conductance, for windows of decades.

``u = ln(g / g_min) / ln(g_max / g_min)``; one pulse up ``u <- u + alpha_p (1 - u)^gamma_p``, one down
``u <- u - alpha_d u^gamma_d``, then ``0 <= u <= 1``. With gamma = 0 every pulse multiplies the conductance by the same factor, as
in cells whose charge sets the current below threshold. Each pulse adds ``noise * xi`` to u, n pulses in one event
``noise sqrt(n) xi``. A voltage of ``v_th`` or less in amplitude changes nothing.

Source: the bounds of Fusi & Abbott, Nat. Neurosci. 10:485 (2007), on the logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ...base.errors import ParameterError
from ...base.parameters.bag import Bag
from ..contract import Conductance, Pulse, Xi
from .bounded import TowardsBounds
from .gaps import within


@dataclass(frozen=True)
class LogBounded(TowardsBounds):
    """Hard (gamma 0), soft (gamma 1) or power bounds of the logarithm of the conductance; g_min must be above 0 S."""

    source: ClassVar[str] = "the bounds of Fusi & Abbott 2007, doi 10.1038/nn1859, on the logarithm"

    def pulse(self, x: Conductance, pulse: Pulse, p: Bag, xi: Xi) -> Conductance:
        span = torch.log(p.g_max / p.g_min)
        g = within(x.g, p.g_min, p.g_max)
        change, count = self.change(torch.log(g / p.g_min) / span, torch.log(p.g_max / g) / span, pulse, p, xi)
        moved = within(g + g * torch.expm1(change * span), p.g_min, p.g_max)
        return Conductance(torch.where(count > 0, moved, x.g))

    def check(self, where: str, p: Bag) -> None:
        if bool((p.g_min <= 0).any()):
            raise ParameterError(
                f"{where}: g_min", "must be above 0 S, for a law of the logarithm", got=f"{float(p.g_min.min()):g}"
            )
