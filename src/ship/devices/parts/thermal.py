"""Arrhenius acceleration: ageing at T runs ``exp(E_a / k (1 / T_ref - 1 / T))`` times as fast as at T_ref.

Source: Arrhenius (1889); k = 8.617333262e-5 eV/K (CODATA 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Thermal

BOLTZMANN = 8.617333262e-5  # eV/K


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
        return torch.exp(p.e_a / BOLTZMANN * (1 / p.t_ref - 1 / kelvin))
