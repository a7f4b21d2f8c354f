"""VTEAM: a border that moves with a power of the voltage above threshold.

state     ``dx/dt = k_off (v / v_off - 1)^alpha_off``  for v > v_off > 0   (x grows, the device turns off)
          ``dx/dt = k_on (v / v_on - 1)^alpha_on``     for v < v_on < 0    (k_on < 0: x shrinks, it turns on)
          ``dx/dt = 0``                                between, exactly: a read below threshold disturbs nothing
current   ``i = v / R``,  ``R = r_on + (r_off - r_on) x / d``, or ``R = r_on (r_off / r_on)^(x / d)``,  0 <= x <= d

The speed does not depend on x (no window), so that x moves by speed times time up to its bound: exact for any pulse.

As published, a voltage above 0 lowers the conductance. The threshold upwards is 20 mV: read below it.

Source: Kvatinsky et al., IEEE Trans. Circuits Syst. II 62:786 (2015), eq. 3-5, doi 10.1109/TCSII.2015.2433536.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import State, Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Xi
from .linear_ion_drift import check_resistances
from .memristor import Memristor, within


class Border(NamedTuple):
    x: Tensor  # m, 0: low resistance, d: high resistance


@dataclass(frozen=True)
class VTEAM(Memristor):
    """A border that moves with a power of the voltage above threshold. ``resistance``: "linear" or "exponential" in x."""

    source: ClassVar[str] = "Kvatinsky et al. 2015, doi 10.1109/TCSII.2015.2433536"
    states: ClassVar[Any] = Border(x=State("d", unit="m"))  # type: ignore[arg-type]

    r_on: Value = param(50.0, unit="ohm", above=0.0, role="resistance")
    r_off: Value = param(1000.0, unit="ohm", above=0.0, role="resistance")
    d: Value = param(3e-9, unit="m", above=0.0, role="length")
    k_on: Value = param(-10.0, unit="m/s", below=0.0, role="speed")
    k_off: Value = param(5e-4, unit="m/s", above=0.0, role="speed")
    alpha_on: Value = param(3.0, above=0.0, role="power")
    alpha_off: Value = param(1.0, above=0.0, role="power")
    v_on: Value = param(-0.2, unit="V", below=0.0, role="threshold")
    v_off: Value = param(0.02, unit="V", above=0.0, role="threshold")
    resistance: str = option("linear", choices=("linear", "exponential"))

    def __post_init__(self) -> None:
        if self.resistance not in ("linear", "exponential"):
            raise ParameterError("VTEAM.resistance", "must be 'linear' or 'exponential'", got=repr(self.resistance))

    def check(self, where: str, p: Bag) -> None:
        check_resistances(where, p)

    def window(self, p: Bag) -> tuple[Tensor, Tensor]:
        return 1 / p.r_off, 1 / p.r_on

    def bounds(self, p: Bag) -> tuple[Border, Border]:
        return Border(torch.zeros_like(p.d)), Border(p.d)

    def conductance(self, x: Border, p: Bag) -> Tensor:
        part = x.x / p.d
        if self.resistance == "exponential":
            return 1 / (p.r_on * (p.r_off / p.r_on).pow(part))
        return 1 / (p.r_on + (p.r_off - p.r_on) * part)

    def current(self, x: Border, v: Tensor, p: Bag) -> Tensor:
        return v * self.conductance(x, p)

    def place(self, g: Tensor, x: Border, p: Bag) -> Border:
        r = 1 / within(g, 1 / p.r_off, 1 / p.r_on)
        if self.resistance == "exponential":
            part = torch.log(r / p.r_on) / torch.log(p.r_off / p.r_on)
        else:
            part = (r - p.r_on) / (p.r_off - p.r_on)
        return Border(part.clamp(0.0, 1.0) * p.d)

    def moves(self, v: Tensor, p: Bag) -> Tensor:
        return (v > p.v_off) | (v < p.v_on)

    def rate(self, x: Border, v: Tensor, p: Bag) -> Border:
        off = p.k_off * _power(v / p.v_off - 1, p.alpha_off)
        on = p.k_on * _power(v / p.v_on - 1, p.alpha_on)
        return Border((off + on) * torch.ones_like(x.x))  # at most one of the two is not 0

    def advance(self, x: Border, v: Tensor, seconds: Tensor, p: Bag, xi: Xi) -> Border:
        return Border(within(x.x + self.rate(x, v, p).x * seconds, torch.zeros_like(p.d), p.d))


def _power(excess: Tensor, alpha: Tensor) -> Tensor:
    """``excess^alpha`` above 0, and 0 below."""
    above = excess > 0
    safe = torch.where(above, excess, torch.ones_like(excess))
    return torch.where(above, safe.pow(alpha), torch.zeros_like(excess))
