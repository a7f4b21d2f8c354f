"""Data-driven model of TiO2 (Messaris): the resistance R itself moves towards a bound r(v) that depends on the voltage.

current       ``i = a sinh(b v) / R``,  r_on <= R <= r_off
bounds        ``r = r_p0 + r_p1 v`` for v > 0, ``r = r_n0 + r_n1 v`` below; a device that is already past it stays

exponential   speeds ``s_p = a_p (exp(t_p |v|) - 1)``, ``s_n = a_n (exp(t_n |v|) - 1) < 0``
              v > 0: ``dR/dt = s_p (exp(k_p (r - R)) - 1)``
                     exact: ``R <- r + ln(1 + exp(-k_p s_p t)(exp(k_p (R - r)) - 1)) / k_p``
              v < 0: ``dR/dt = s_n (exp(k_n (R - r)) - 1)``
                     exact: ``R <- r - ln(1 + exp(k_n s_n t)(exp(k_n (r - R)) - 1)) / k_n``
square        speeds ``s = a (exp(|v| / t) - 1)``, of either sign
              ``dR/dt = s (r - R)^2``,  exact: ``R <- r - u / (1 + s u t)``, ``u = r - R``; stays where ``s u <= 0``

With the exponential set a voltage above 0 raises the resistance. There is no threshold: any read moves the device a little.

The square window's published set (2021) is suspicious: its t are negative, so that ``exp(|v| / t) - 1`` saturates at -1 from
about 0.1 V on: the speed no longer depends on the voltage, and the signs are those of the opposite polarity (a voltage above 0
lowers the resistance). It is here as published; fit it again before use.

Source: Messaris et al., IEEE Trans. CAD 37:3151 (2018), doi 10.1109/TCAD.2018.2791468 (exponential); Messaris et al., ISCAS 2017,
and arXiv 2012.02267 (square), constants as in MemTorch.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import State, Value, param
from ...base.parameters.bag import Bag
from ...models.integrals import lost
from ..contract import Xi
from .linear_ion_drift import check_resistances
from .memristor import Memristor, within

FAR = 60.0  # exp(-60) is nothing beside 1


class Resistance(NamedTuple):
    r: Tensor  # ohm


@dataclass(frozen=True)
class DataDriven(Memristor):
    """The base class of the two windows: current, bounds and conversion to a conductance."""

    source: ClassVar[str] = "Messaris et al. 2018, doi 10.1109/TCAD.2018.2791468"
    states: ClassVar[Any] = Resistance(r=State("r_off", unit="ohm"))  # type: ignore[arg-type]

    r_on: Value = param(1280.0, unit="ohm", above=0.0, role="resistance")
    r_off: Value = param(17e3, unit="ohm", above=0.0, role="resistance")
    a: Value = param(0.24, unit="V", above=0.0, role="curvature")
    b: Value = param(3.0, unit="1/V", above=0.0, role="curvature")
    r_p0: Value = param(16719.0, unit="ohm", role="bound")
    r_p1: Value = param(0.0, unit="ohm/V", role="bound")
    r_n0: Value = param(29304.83, unit="ohm", role="bound")
    r_n1: Value = param(23692.77, unit="ohm/V", role="bound")

    def check(self, where: str, p: Bag) -> None:
        check_resistances(where, p)

    @abstractmethod
    def speed(self, v: Tensor, p: Bag) -> Tensor:
        """Return the speed s_p or s_n, by the sign of ``v`` (V)."""

    def bound(self, v: Tensor, p: Bag) -> Tensor:
        """Compute the resistance (ohm) that the device goes towards at ``v`` (V)."""
        return torch.where(v > 0, p.r_p0 + p.r_p1 * v, p.r_n0 + p.r_n1 * v)

    def window(self, p: Bag) -> tuple[Tensor, Tensor]:
        return p.a * p.b / p.r_off, p.a * p.b / p.r_on

    def bounds(self, p: Bag) -> tuple[Resistance, Resistance]:
        return Resistance(p.r_on), Resistance(p.r_off)

    def conductance(self, x: Resistance, p: Bag) -> Tensor:
        return p.a * p.b / x.r

    def current(self, x: Resistance, v: Tensor, p: Bag) -> Tensor:
        return p.a * torch.sinh(p.b * v) / x.r

    def place(self, g: Tensor, x: Resistance, p: Bag) -> Resistance:
        low, high = self.window(p)
        return Resistance(within(p.a * p.b / within(g, low, high), p.r_on, p.r_off))


@dataclass(frozen=True)
class ExponentialWindow(DataDriven):
    """TiO2 with the exponential window."""

    a_p: Value = param(743.47, unit="ohm/s", above=0.0, role="speed")
    a_n: Value = param(-68012.28374, unit="ohm/s", below=0.0, role="speed")
    t_p: Value = param(6.51, unit="1/V", above=0.0, role="speed")
    t_n: Value = param(0.31645, unit="1/V", above=0.0, role="speed")
    k_p: Value = param(5.11e-4, unit="1/ohm", above=0.0, role="window")
    k_n: Value = param(1.17e-3, unit="1/ohm", above=0.0, role="window")

    def speed(self, v: Tensor, p: Bag) -> Tensor:
        return torch.where(v > 0, p.a_p * torch.expm1(p.t_p * v.abs()), p.a_n * torch.expm1(p.t_n * v.abs()))

    def rate(self, x: Resistance, v: Tensor, p: Bag) -> Resistance:
        left = self._left(x, v, p)
        k = torch.where(v > 0, p.k_p, p.k_n)
        return Resistance(self.speed(v, p) * torch.expm1(k * left))

    def _left(self, x: Resistance, v: Tensor, p: Bag) -> Tensor:
        """ohm to the bound; 0 where the device is past it."""
        gap = self.bound(v, p) - x.r
        return torch.where(v > 0, gap, -gap).clamp(min=0.0)

    def advance(self, x: Resistance, v: Tensor, seconds: Tensor, p: Bag, xi: Xi) -> Resistance:
        left, up = self._left(x, v, p), v > 0
        k = torch.where(up, p.k_p, p.k_n)
        done = lost(k * self.speed(v, p).abs() * seconds)
        # u = exp(-k left) - 1 decays to decay u. The move is left + ln(1 + decay u) / k = ln(1 + (exp(k left) - 1) done) / k,
        # done = 1 - decay; from far away ln(1 + exp(k left) done) / k, whose middle overflows.
        some, far = torch.where(done > 0, done, torch.ones_like(done)), k * left > FAR
        near = torch.log1p(torch.expm1((k * left).clamp(max=FAR)) * done)
        log = torch.logaddexp(torch.zeros_like(left), k * left + some.log())
        move = torch.where(far & (done > 0), log, near) / k
        return Resistance(within(x.r + torch.where(up, move, -move), p.r_on, p.r_off))


@dataclass(frozen=True)
class SquareWindow(DataDriven):
    """The square window, with the set of 2021 as it was published: see the module's warning."""

    source: ClassVar[str] = "arXiv 2012.02267 (constants as in MemTorch; suspicious, see the module)"

    r_on: Value = param(1600.0, unit="ohm", above=0.0, role="resistance")
    r_off: Value = param(3000.0, unit="ohm", above=0.0, role="resistance")
    a: Value = param(0.32046175, unit="V", above=0.0, role="curvature")
    b: Value = param(2.71689828, unit="1/V", above=0.0, role="curvature")
    r_p0: Value = param(2699.2336, unit="ohm", role="bound")
    r_p1: Value = param(-672.930205, unit="ohm/V", role="bound")
    r_n0: Value = param(649.413746, unit="ohm", role="bound")
    r_n1: Value = param(-1474.32358, unit="ohm/V", role="bound")
    a_p: Value = param(600.10075, unit="1/(ohm s)", role="speed")
    a_n: Value = param(-34.5988399, unit="1/(ohm s)", role="speed")
    t_p: Value = param(-0.0212028, unit="V", role="speed")
    t_n: Value = param(-0.05343997, unit="V", role="speed")

    def check(self, where: str, p: Bag) -> None:
        super().check(where, p)
        for name in ("t_p", "t_n"):
            if bool((getattr(p, name) == 0).any()):
                raise ParameterError(f"{where}.{name}", "must not be 0 V", got="0")

    def speed(self, v: Tensor, p: Bag) -> Tensor:
        return torch.where(v > 0, p.a_p * torch.expm1(v.abs() / p.t_p), p.a_n * torch.expm1(v.abs() / p.t_n))

    def _moving(self, x: Resistance, v: Tensor, p: Bag) -> Tensor:
        """ohm to the bound, with its sign; 0 where the speed points away from it."""
        gap = self.bound(v, p) - x.r
        return torch.where(self.speed(v, p) * gap > 0, gap, torch.zeros_like(gap))

    def rate(self, x: Resistance, v: Tensor, p: Bag) -> Resistance:
        return Resistance(self.speed(v, p) * self._moving(x, v, p).square())

    def advance(self, x: Resistance, v: Tensor, seconds: Tensor, p: Bag, xi: Xi) -> Resistance:
        gap, speed = self._moving(x, v, p), self.speed(v, p)
        # gap - gap / (1 + speed gap t), without the difference
        move = gap * (speed * gap * seconds) / (1 + speed * gap * seconds)
        return Resistance(within(x.r + move, p.r_on, p.r_off))
