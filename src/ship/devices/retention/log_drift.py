"""Logarithmic drift: ``G(t) = G_0 - b log10(1 + t / t_0)``, not below 0; t since the write.

b (S for each decade) differs from device to device with ``Varied(..., d2d=)``, from write to write with ``c2c=``; below 0 the
conductance grows.

Source: thermally activated relaxation over a flat spread of barriers, e.g. Gibbs et al., J. Appl. Phys. 54:1274 (1983).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Retention, Xi


@dataclass(frozen=True)
class LogDrift(Retention):
    """A conductance that falls by the same amount in each decade of time.

    Args:
        b: S for each decade.
        t0: s.
    """

    source: ClassVar[str] = "Gibbs, Evetts & Leake 1983, doi 10.1063/1.332168"

    b: Value = param(1e-6, unit="S", role="drift")
    t0: Value = param(1.0, unit="s", above=0.0, role="drift")

    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        return (g - p.b * (torch.log1p(age / p.t0) / math.log(10))).clamp(min=0.0)
