"""Diffusive (volatile) memristor: silver goes from a filament f into a residual r, from which it slowly returns.

state     ``df/dt = min(1, |v| mu / (alpha + 1 - f - r) - (gamma_1 + beta) f)``
          ``dr/dt = beta f - gamma_2 r``,  f, r >= 0, f + r <= 1 (a full device gives f for the r that it gains)
current   ``i = v / R``, at most 10 mA in amplitude,  ``R = r_on s + r_off (exp((1 - s) / lambda) - 1) / (exp(1 / lambda) - 1)``,
          ``s = f + r``
rest      ``f <- f exp(-a t)``,  ``a = gamma_1 + beta``
          ``r <- r exp(-gamma_2 t) + beta f (exp(-gamma_2 t) - exp(-a t)) / (a - gamma_2)``
noise     losses of a fraction eta of f at random, kappa f^m times a second, while a pulse drives the device: their mean,
          ``-eta kappa f^(m+1)``, is part of df/dt, and an event ends with ``f <- f (1 - eta)^(N - mean(N))``, N a Poisson number
          of mean ``kappa f^m (1 - exp(-2 a t)) / (2 a)``

A device left alone forgets within 1 / a = 19.9 ms and then 1 / gamma_2 = 2.4 s: exact, in one jump or many. N counts the
losses of a pulse that is short to 1 / a, and for a long one those that f still remembers. The capacitor of the published circuit
(10 pF in parallel) belongs to the circuit. That circuit also passes no current below 0 V; here the cap is the same for either
sign, as the state is.

Any voltage moves the device, a read too. What a conductance does not determine, the share of r in s, is kept.

Source: Wang, T. et al. (USC), SPICE model of a diffusive memristor; after Wang, Z. et al., Nat. Mater. 16:101 (2017), doi
10.1038/nmat4756.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.parameters import State, Value, param
from ...base.parameters.bag import Bag
from ...models.integrals import lost, pair
from ..contract import Pulse, Xi, as_uniform
from .linear_ion_drift import check_resistances
from .memristor import Memristor, within

FEW = 16.0  # mean losses up to which they are counted one by one
COUNTED = 64  # more than these never happen there: P < 1e-17


class Silver(NamedTuple):
    f: Tensor  # share in the filament, 0 to 1
    r: Tensor  # residual share


@dataclass(frozen=True)
class Diffusive(Memristor):
    """A volatile memristor of silver, which relaxes at rest."""

    source: ClassVar[str] = "USC diffusive memristor SPICE model; Wang et al. 2017, doi 10.1038/nmat4756"
    states: ClassVar[Any] = Silver(f=State(0.0), r=State(0.0))  # type: ignore[arg-type]
    normals: ClassVar[int] = 1

    r_on: Value = param(17e3, unit="ohm", above=0.0, role="resistance")
    r_off: Value = param(10e9, unit="ohm", above=0.0, role="resistance")
    width: Value = param(0.1, above=0.0, role="curvature")  # lambda
    mu: Value = param(16.0, unit="1/(V s)", above=0.0, role="mobility")
    alpha: Value = param(0.1, above=0.0, role="mobility")
    beta: Value = param(0.35, unit="1/s", least=0.0, role="rate")
    gamma_1: Value = param(50.0, unit="1/s", above=0.0, role="rate")
    gamma_2: Value = param(0.42, unit="1/s", above=0.0, role="rate")
    fastest: Value = param(1.0, unit="1/s", above=0.0, role="rate")  # of f
    i_max: Value = param(10e-3, unit="A", above=0.0, role="limit")
    kappa: Value = param(200.0, unit="1/s", least=0.0, role="noise")
    m: Value = param(2.0, above=0.0, role="noise")
    eta: Value = param(0.01, least=0.0, below=1.0, role="noise")

    def check(self, where: str, p: Bag) -> None:
        check_resistances(where, p)

    def window(self, p: Bag) -> tuple[Tensor, Tensor]:
        return 1 / p.r_off, 1 / p.r_on

    def bounds(self, p: Bag) -> tuple[Silver, Silver]:
        zero, one = torch.zeros_like(p.r_on), torch.ones_like(p.r_on)
        return Silver(zero, zero), Silver(one, one)

    def resistance(self, s: Tensor, p: Bag) -> Tensor:
        """Compute the resistance (ohm) of a share ``s`` (0 to 1)."""
        return p.r_on * s + p.r_off * torch.exp(-s / p.width) * lost((1 - s) / p.width) / lost(1 / p.width)  # no factor overflows

    def conductance(self, x: Silver, p: Bag) -> Tensor:
        return 1 / self.resistance((x.f + x.r).clamp(max=1.0), p)

    def current(self, x: Silver, v: Tensor, p: Bag) -> Tensor:
        return within(v * self.conductance(x, p), -p.i_max, p.i_max)

    def place(self, g: Tensor, x: Silver, p: Bag) -> Silver:
        s = self._share(within(g, 1 / p.r_off, 1 / p.r_on), p)
        r = torch.minimum(x.r, s)
        return Silver(s - r, r)

    def _share(self, g: Tensor, p: Bag) -> Tensor:
        """The share with conductance ``g``: bisection, then one step of Newton's method, which carries the gradient."""
        with torch.no_grad():
            low = torch.zeros_like(g * p.r_on)
            high = torch.ones_like(low)
            for _ in range(60):
                middle = (low + high) / 2
                poor = self.resistance(middle, p) > 1 / g
                low, high = torch.where(poor, middle, low), torch.where(poor, high, middle)
            s = (low + high) / 2
            slope = p.r_on - p.r_off / p.width * torch.exp(-s / p.width) / lost(1 / p.width)
        return (s - (self.resistance(s, p) - 1 / g) / slope).clamp(0.0, 1.0)

    def moves(self, v: Tensor, p: Bag) -> Tensor:
        return torch.ones_like(v, dtype=torch.bool)  # at 0 V it relaxes

    def rate(self, x: Silver, v: Tensor, p: Bag) -> Silver:
        free = (1 - x.f - x.r).clamp(min=0.0)
        df = torch.minimum(v.abs() * p.mu / (p.alpha + free) - (p.gamma_1 + p.beta) * x.f, p.fastest)
        df = df - torch.where(v == 0, torch.zeros_like(df), p.eta * p.kappa * _power(x.f, p.m) * x.f)
        dr = p.beta * x.f - p.gamma_2 * x.r
        return Silver(torch.where((x.f + x.r >= 1) & (df + dr > 0), -dr, df), dr)

    def advance(self, x: Silver, v: Tensor, seconds: Tensor, p: Bag, xi: Xi) -> Silver:
        moved: Silver = super().advance(x, v, seconds, p, xi)
        if not xi:  # without chance: the rate has the mean of the losses
            return moved
        a = p.gamma_1 + p.beta
        mean = p.kappa * _power(moved.f, p.m) * -torch.expm1(-2 * a * seconds) / (2 * a)
        kept = torch.where(v == 0, torch.ones_like(mean), (1 - p.eta).pow(poisson(mean, xi[0]) - mean))
        return Silver(torch.minimum(moved.f * kept, 1 - moved.r), moved.r)

    def quiet(self, x: Silver, pulse: Pulse, p: Bag) -> Silver:
        after: Silver = self.pulse(x, pulse, p, ())
        return after

    def rest(self, x: Silver, seconds: Tensor, p: Bag) -> Silver:
        fast, slow = (p.gamma_1 + p.beta) * seconds, p.gamma_2 * seconds
        return Silver(x.f * torch.exp(-fast), x.r * torch.exp(-slow) + p.beta * seconds * x.f * pair(slow, fast))


def _power(f: Tensor, m: Tensor) -> Tensor:
    """``f^m``; its gradient at f = 0 is 0, whatever m."""
    safe = torch.where(f > 0, f, torch.ones_like(f))
    return torch.where(f > 0, safe.pow(m), torch.zeros_like(f))


def poisson(mean: Tensor, xi: Tensor) -> Tensor:
    """A Poisson number from a standard normal one: its quantile, for means above 16 the normal approximation. No gradient."""
    mean, xi = torch.broadcast_tensors(mean.detach(), xi)
    u, count = as_uniform(xi), torch.zeros_like(mean)
    few = mean.clamp(min=1e-30, max=FEW)
    for k in range(COUNTED):
        count = count + (u > torch.special.gammaincc(torch.full_like(few, k + 1.0), few))
    many = torch.round(mean + mean.clamp(min=0.0).sqrt() * xi).clamp(min=0.0)
    return torch.where(mean > 0, torch.where(mean > FEW, many, count), torch.zeros_like(mean))
