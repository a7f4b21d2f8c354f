"""Arrhenius acceleration: ageing at T runs ``exp(E_a / k (1 / T_ref - 1 / T))`` times as fast as at T_ref.

The law is `ship.base.temperature.arrhenius`. Source: Arrhenius (1889).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ...base.temperature import arrhenius
from ..contract import Thermal


@dataclass(frozen=True)
class Arrhenius(Thermal):
    """Thermally activated ageing with one activation energy.

    Args:
        e_a: activation energy, eV.
        t_ref: K, the temperature that the retention was measured at.
    """

    source: ClassVar[str] = "Arrhenius 1889"

    e_a: Value = param(1.0, unit="eV", least=0.0, role="thermal")
    t_ref: Value = param(300.0, unit="K", above=0.0, role="thermal")

    def speed(self, kelvin: Tensor, p: Bag) -> Tensor:
        return arrhenius(p.e_a, p.t_ref, kelvin)
