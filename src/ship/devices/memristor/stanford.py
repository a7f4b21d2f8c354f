"""Stanford-PKU model of filamentary RRAM: a gap g between filament and electrode, moved by field and heat.

current      ``i = i_0 exp(-g / g_0) sinh(v / v_0)``
heat         ``T = T_0 + |v i| r_th``
state        ``dg/dt = -vel_0 exp(-e_a / kT) sinh(gamma a_0 v / (t_ox kT))`` with kT in eV,  gap_min <= g <= gap_max
enhancement  ``gamma = gamma_0 - beta (g / 1 nm)^3``, and 0 where ``gamma |v| / t_ox < f_min``: then nothing moves
noise        ``delta / (1 + exp((t_crit - T) / t_smth))`` (m/s) times a standard normal number in each time step of a simulator

The published noise is drawn anew in each step of the simulator, so that its effect depends on that step. Here the step is a
parameter, ``t_noise``: a pulse of duration t, which is t / t_noise such steps, ends with ``delta(T) sqrt(t t_noise) xi`` on top
of the gap, T at its start. Where nothing moves there is no noise either: a weak read disturbs nothing. ``delta = 0``: none.

A voltage above 0 closes the gap: the conductance grows. The conductance at a small voltage is the slope at 0 V, ``i_0 / v_0
exp(-g / g_0)``; at 0.1 V, where the resistances of 542 and 218,586 ohm are given for 0.2 and 1.7 nm, i / v is 2.7 % above it.

Source: Jiang et al., SISPAD 2014; Guan, Yu & Wong, IEEE Electron Device Lett. 33:1405 (2012); Li et al. 2014, doi
10.1109/LED.2014.2340016; constants of the Stanford-PKU RRAM model 1.0 as in MemTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ...base.temperature import BOLTZMANN_EV
from ..contract import Xi
from .memristor import Memristor, within

KELVIN_PER_EV = 1 / BOLTZMANN_EV  # the published code has 0.14 % less, and so 1 % faster ions


class Gap(NamedTuple):
    gap: Tensor  # m


@dataclass(frozen=True)
class Stanford(Memristor):
    """A filament whose gap moves under field and Joule heat."""

    source: ClassVar[str] = "Stanford-PKU RRAM model 1.0, doi 10.1109/LED.2014.2340016"
    states: ClassVar[Any] = declare_states(Gap, gap=State("gap_max", unit="m"))
    normals: ClassVar[int] = 1

    i_0: Value = param(1e-3, unit="A", above=0.0, role="conductance")
    g_0: Value = param(0.25e-9, unit="m", above=0.0, role="length")
    v_0: Value = param(0.25, unit="V", above=0.0, role="curvature")
    t_0: Value = param(298.0, unit="K", above=0.0, role="temperature")
    r_th: Value = param(2.1e3, unit="K/W", least=0.0, role="thermal")
    vel_0: Value = param(10.0, unit="m/s", above=0.0, role="speed")
    e_a: Value = param(0.6, unit="eV", above=0.0, role="energy")
    a_0: Value = param(0.25e-9, unit="m", above=0.0, role="length")
    t_ox: Value = param(12e-9, unit="m", above=0.0, role="length")
    gamma_0: Value = param(16.0, above=0.0, role="field")
    beta: Value = param(0.8, least=0.0, role="field")
    f_min: Value = param(1.4e9, unit="V/m", least=0.0, role="threshold")
    gap_min: Value = param(0.2e-9, unit="m", above=0.0, role="length")
    gap_max: Value = param(1.7e-9, unit="m", above=0.0, role="length")
    delta: Value = param(0.02, unit="m/s", least=0.0, role="noise")
    t_noise: Value = param(1e-10, unit="s", above=0.0, role="noise")
    t_crit: Value = param(450.0, unit="K", above=0.0, role="noise")
    t_smth: Value = param(500.0, unit="K", above=0.0, role="noise")

    def check(self, where: str, p: Bag) -> None:
        if bool((p.gap_min >= p.gap_max).any()):
            raise ParameterError(
                f"{where}.gap_min", "must be below gap_max", got=f"{float(p.gap_min.max()):g} m, {float(p.gap_max.min()):g} m"
            )

    def window(self, p: Bag) -> tuple[Tensor, Tensor]:
        return self.conductance(Gap(p.gap_max), p), self.conductance(Gap(p.gap_min), p)

    def bounds(self, p: Bag) -> tuple[Gap, Gap]:
        return Gap(p.gap_min), Gap(p.gap_max)

    def conductance(self, x: Gap, p: Bag) -> Tensor:
        return p.i_0 / p.v_0 * torch.exp(-x.gap / p.g_0)

    def current(self, x: Gap, v: Tensor, p: Bag) -> Tensor:
        return p.i_0 * torch.exp(-x.gap / p.g_0) * torch.sinh(v / p.v_0)

    def place(self, g: Tensor, x: Gap, p: Bag) -> Gap:
        low, high = self.window(p)
        return Gap(within(-p.g_0 * torch.log(within(g, low, high) * p.v_0 / p.i_0), p.gap_min, p.gap_max))

    def temperature(self, x: Gap, v: Tensor, p: Bag) -> Tensor:
        """Compute the temperature (K) of the filament."""
        return p.t_0 + (v * self.current(x, v, p)).abs() * p.r_th

    def enhancement(self, x: Gap, v: Tensor, p: Bag) -> Tensor:
        """How many times the mean field the ions feel; 0 where that is below ``f_min``."""
        gamma = p.gamma_0 - p.beta * (x.gap / 1e-9) ** 3
        return torch.where(gamma * v.abs() / p.t_ox < p.f_min, torch.zeros_like(gamma), gamma)

    def rate(self, x: Gap, v: Tensor, p: Bag) -> Gap:
        per_ev = KELVIN_PER_EV / self.temperature(x, v, p)
        pull = self.enhancement(x, v, p) * p.a_0 / p.t_ox * v * per_ev
        barrier = p.e_a * per_ev
        # vel_0 exp(-barrier) sinh(pull), without the overflow of its factors or the difference of near numbers
        return Gap(p.vel_0 / 2 * torch.sign(pull) * torch.exp(pull.abs() - barrier) * torch.expm1(-2 * pull.abs()))

    def advance(self, x: Gap, v: Tensor, seconds: Tensor, p: Bag, xi: Xi) -> Gap:
        moved: Gap = super().advance(x, v, seconds, p, xi)
        heat = torch.sigmoid((self.temperature(x, v, p) - p.t_crit) / p.t_smth)
        driven = (self.enhancement(x, v, p) > 0) & (seconds > 0)
        span = torch.where(driven, seconds * p.t_noise, torch.ones_like(heat))
        spread = torch.where(driven, p.delta * heat * span.sqrt(), torch.zeros_like(heat))
        return Gap(within(moved.gap + spread * xi[0], p.gap_min, p.gap_max))
