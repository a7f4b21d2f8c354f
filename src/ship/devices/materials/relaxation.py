"""Relaxation of resistive memory after programming: each device walks off its target, further with time.

``G(t) = max(0, G + sigma(g, t) xi)``, ``g = G / g_max`` as written, xi drawn at the write and kept: a device's own trajectory.
Measured are, in uS for g_max = 40 uS (another window scales),

1 s      ``0.348 + 16.030 g - 43.853 g^2 + 45.393 g^3 - 16.815 g^4``
1 day    ``0.701 + 22.086 g - 50.773 g^2 + 47.095 g^3 - 16.458 g^4``
2 days   ``0.782 + 20.274 g - 43.507 g^2 + 37.062 g^3 - 11.934 g^4``

In between, sigma is interpolated linearly in ln t; in the first second, which was not resolved, it grows linearly from 0. Both,
and that one xi serves all times, are choices of this library: published are the three spreads of a population. Beyond 2 days the
law is refused.

Source: Wan et al., Nature 608:504 (2022), doi 10.1038/s41586-022-04992-8; polynomials of the fit in IBM's toolkit for analogue
hardware, from its published figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Retention, Xi
from ..parts.programming import polynomial

SECOND = (0.348e-6, 16.030e-6, -43.853e-6, 45.393e-6, -16.815e-6)  # S
DAY = (0.701e-6, 22.086e-6, -50.773e-6, 47.095e-6, -16.458e-6)
TWO_DAYS = (0.782e-6, 20.274e-6, -43.507e-6, 37.062e-6, -11.934e-6)
DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class ReRAMRelaxation(Retention):
    """Relaxation of 1T1R resistive memory up to two days; ``scale`` multiplies the spread."""

    source: ClassVar[str] = "Wan et al. 2022, doi 10.1038/s41586-022-04992-8"
    normals: ClassVar[int] = 1
    oldest: ClassVar[float] = 2 * DAY_SECONDS

    scale: Value = param(1.0, least=0.0, role="drift")
    g_ref: Value = param(40e-6, unit="S", above=0.0, role="conductance")

    def sigma(self, g: Tensor, age: Tensor, p: Bag) -> Tensor:
        """Standard deviation (S) of a population, ``age`` (s) after it was written to ``g`` (S)."""
        at = (g / p.g_max).clamp(0.0, 1.0)
        one, day, two = (polynomial(at, c) for c in (SECOND, DAY, TWO_DAYS))
        log = age.clamp(min=1.0).log()
        first = (log / math.log(DAY_SECONDS)).clamp(max=1.0)
        second = ((log - math.log(DAY_SECONDS)) / math.log(2)).clamp(0.0, 1.0)
        made = (one + (day - one) * first + (two - day) * second).clamp(min=0.0)
        return made * age.clamp(max=1.0) * (p.scale * p.g_max / p.g_ref)

    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        return (g + self.sigma(g, age, p) * xi[0]).clamp(min=0.0)
