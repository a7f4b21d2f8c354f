"""Volatile relaxation: ``G(t) = G_off + (G_0 - G_off) exp(-t / tau)``, t since the write.

Exact for any time. ``tau`` differs from device to device with ``Varied(..., d2d=)``, from write to write with ``c2c=``.

Source: e.g. arXiv:2404.08647 (a simple volatile memristor, without voltage).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Retention, Xi


@dataclass(frozen=True)
class VolatileRetention(Retention):
    """An exponential return of the conductance to rest.

    Args:
        tau: s.
        rest: where it returns to, as a fraction of the window (0: g_min).
    """

    source: ClassVar[str] = "arXiv:2404.08647"

    tau: Value = param(0.1, unit="s", above=0.0, role="time constant")
    rest: Value = param(0.0, least=0.0, most=1.0, role="drift")

    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        off = p.g_min + p.rest * (p.g_max - p.g_min)
        return off + (g - off) * torch.exp(-age / p.tau)
