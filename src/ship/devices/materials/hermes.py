"""Phase-change memory of the HERMES project chip, with one or two devices in a cell.

As `ship.devices.materials.phase_change`, with ``g = G / g_max`` and, for one | two devices in a cell,

programming  ``sigma = 0.15782 + 2.32444 g - 2.16311 g^2 + 0.68842 g^3 uS`` (g_max 10.35 uS)
             | ``0.16603 + 4.71806 g - 8.48101 g^2 + 4.68961 g^3 uS`` (g_max 20.7 uS)
drift        t_0 = 200 s | 300 s; ``mu = clip(-0.0387 ln g - 0.0182, 0.072, 0.13)`` for g < 0.0945, else
             ``-0.0436 g^2 - 0.0126 g + 0.0736``;
             ``sigma = clip(-0.0120 ln g - 0.0023, 0.0124, 0.04)`` for g < 0.3039, else ``-0.0165 g^2 + 0.0116 g + 0.0104``
             | ``clip(-0.0117 ln g - 0.0057, 0.0091, 0.04)`` for g < 0.3055, else ``-0.0118 g^2 + 0.0093 g + 0.0073``
read         t_r = 512 ns; ``Q = clip(-0.0078 ln g + 0.0038, 0.0179, 0.04)`` for g < 0.1591, else
             ``0.0664 g^3 - 0.1352 g^2 + 0.0768 g + 0.0088``
             | ``clip(-0.0117 ln g - 0.0069, 0.015, 0.04)`` for g < 0.16, else ``0.0069 g^3 - 0.0280 g^2 + 0.0211 g + 0.0123``

Source: Le Gallo et al., Nat. Electron. 6:680 (2023), doi 10.1038/s41928-023-01010-1; constants of the fit in IBM's toolkit for
analogue hardware.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ..contract import ReadNoise, Retention, Xi
from ..parts.programming import polynomial
from ..parts.read_noise import growth
from ..retention.power_law import power_law
from .phase_change import relative

SIGMA = {
    1: (0.15781817e-6, 2.32443916e-6, -2.16310839e-6, 0.68841818e-6),
    2: (0.16603222e-6, 4.71806468e-6, -8.48101252e-6, 4.68961419e-6),
}  # S
G_REF = {1: 10.35e-6, 2: 20.7e-6}  # S
T0 = {1: 200.0, 2: 300.0}  # s
# For each quantity: border, (slope of ln g, constant), (lower, upper clip), coefficients above the border.
Branches = tuple[float, tuple[float, float], tuple[float, float], tuple[float, ...]]
MEAN: Branches = (0.0945, (-0.0387, -0.0182), (0.072, 0.13), (0.0736, -0.0126, -0.0436))
STD: dict[int, Branches] = {
    1: (0.3039, (-0.0120, -0.0023), (0.0124, 0.04), (0.0104, 0.0116, -0.0165)),
    2: (0.3055, (-0.0117, -0.0057), (0.0091, 0.04), (0.0073, 0.0093, -0.0118)),
}
STRENGTH: dict[int, Branches] = {
    1: (0.1591, (-0.0078, 0.0038), (0.0179, 0.04), (0.0088, 0.0768, -0.1352, 0.0664)),
    2: (0.16, (-0.0117, -0.0069), (0.015, 0.04), (0.0123, 0.0211, -0.0280, 0.0069)),
}


def branches(g: Tensor, law: Branches) -> Tensor:
    """A quantity of the fit at ``g``, a fraction of g_max."""
    border, (slope, constant), (low, high), above = law
    return torch.where(g < border, (slope * g.log() + constant).clamp(low, high), polynomial(g, above))


@dataclass(frozen=True)
class HermesDrift(Retention):
    """Drift of the cells of the HERMES chip."""

    source: ClassVar[str] = "Le Gallo et al. 2023, doi 10.1038/s41928-023-01010-1"
    normals: ClassVar[int] = 1

    devices: int = option(2, choices=(1, 2))
    t0: Value = param(300.0, unit="s", above=0.0, role="drift")

    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        at = relative(g, p)
        nu = (branches(at, MEAN) + branches(at, STD[self.devices]) * xi[0]).abs()
        return power_law(g, age, nu, p.t0)


@dataclass(frozen=True)
class HermesNoise(ReadNoise):
    """1/f noise of the cells of the HERMES chip."""

    source: ClassVar[str] = "Le Gallo et al. 2023, doi 10.1038/s41928-023-01010-1"

    devices: int = option(2, choices=(1, 2))
    t_read: Value = param(512e-9, unit="s", above=0.0, role="noise")
    t0: Value = param(300.0, unit="s", least=0.0, role="noise")

    def read(self, g: Tensor, written: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        sigma = branches(relative(written, p), STRENGTH[self.devices]) * growth(age + p.t0, p.t_read)
        return g * (1 + sigma * xi[0])
