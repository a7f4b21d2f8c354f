"""Current-voltage curves around a conductance g at small voltage; without one a device is ohmic.

sinh          ``i = g / b sinh(b v)``
Poole-Frenkel ``i = g v exp(sqrt(|v| / v_0))``
power         ``i = g v (1 + (|v| / v_0)^(m - 1))``: ohmic below v_0, space-charge limited (m = 2) or trap-filled (m > 2) above

All are odd, and their slope at 0 V is g.

Source: Simmons, J. Appl. Phys. 34:1793 (1963), and tunnelling fits since (sinh); Frenkel, Phys. Rev. 54:647 (1938); Lampert,
Phys. Rev. 103:1648 (1956).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import IV


@dataclass(frozen=True)
class SinhIV(IV):
    """A current that rises with the hyperbolic sine of the voltage, as in tunnelling."""

    source: ClassVar[str] = "Simmons 1963, doi 10.1063/1.1702682"

    b: Value = param(2.0, unit="1/V", above=0.0, role="nonlinearity")

    def current(self, g: Tensor, v: Tensor, p: Bag) -> Tensor:
        return g / p.b * torch.sinh(p.b * v)


@dataclass(frozen=True)
class PooleFrenkelIV(IV):
    """A current of field-assisted emission from traps (Poole-Frenkel)."""

    source: ClassVar[str] = "Frenkel 1938, doi 10.1103/PhysRev.54.647"

    v0: Value = param(0.5, unit="V", above=0.0, role="nonlinearity")

    def current(self, g: Tensor, v: Tensor, p: Bag) -> Tensor:
        return g * v * torch.exp(_power(v.abs() / p.v0, torch.full_like(p.v0, 0.5)))


@dataclass(frozen=True)
class PowerIV(IV):
    """A current that rises with a power of the voltage, as where space charge limits it."""

    source: ClassVar[str] = "Lampert 1956, doi 10.1103/PhysRev.103.1648"

    v0: Value = param(0.5, unit="V", above=0.0, role="nonlinearity")
    m: Value = param(2.0, above=1.0, role="nonlinearity")

    def current(self, g: Tensor, v: Tensor, p: Bag) -> Tensor:
        return g * v * (1 + _power(v.abs() / p.v0, p.m - 1))


def _power(x: Tensor, exponent: Tensor) -> Tensor:
    """``x^exponent`` with a gradient of 0 at x = 0, where a root's is infinite."""
    safe = torch.where(x > 0, x, torch.ones_like(x))
    return torch.where(x > 0, safe**exponent, torch.zeros_like(x))
