"""Ferroelectric transistor: 20 domains that switch at random, each with its own activation field.

Each domain d has a state s = -1 or 1, a history h >= 0 and ``e_a(d) = e_a + e_a_std xi``, drawn once with the die. At a constant
voltage v on the ferroelectric, for t seconds:

speed      ``tau = tau_0 exp((e_a(d) / |v|)^alpha)``
against s  ``h' = h + t / tau``; the domain flips with probability ``1 - exp(h^beta - h'^beta)``; then s <- -s, h <- 0
along s    ``h <- max(h - t / tau, 0)``

For a domain at rest (h = 0) this is the Weibull law ``P = 1 - exp(-(t / tau)^beta)``. h carries over, so that two pulses of t
flip as many domains as one of 2 t: the law of a pulse is exact for any width (after a flip the domain lies along the field, with
h = 0, and stays). Each domain has its own uniform number in each event. The nominal device (``variation=False``, `ship.sweep` of
a device) has its domains' e_a at the quantiles (d + 1/2) / 20 of their distribution, and in a sweep each flips at its median.

read-out   ``G = g_min + (g_max - g_min) (1 + mean(s)) / 2``: linear in the polarisation ``p_r mean(s)`` (an assumption; the
           published transistor model is not part of this one). There are 21 levels; a write goes to the nearest one, and sets
           the domains of the lowest e_a first

A voltage above 0 raises the conductance. There is no threshold, but at an eighth of e_a tau is beyond any experiment
(``exp(512)``). Not differentiable: domains flip or do not.

Source: Deng et al., VLSI Technology 2020, doi 10.1109/VLSITechnology18217.2020.9265014; Alessandri et al., IEEE Electron Device
Lett. 39:1780 (2018) for the law of switching.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.parameters import State, Value, param
from ...base.parameters.bag import Bag
from ..contract import Pulse, Update, Xi, as_uniform

DOMAINS = 20


class Domains(NamedTuple):
    """``[domain, ...]``."""

    s: Tensor  # -1 or 1
    h: Tensor  # history, without unit


@dataclass(frozen=True)
class FeFET(Update):
    """A ferroelectric transistor with twenty domains behind its gate."""

    source: ClassVar[str] = "Deng et al. 2020, doi 10.1109/VLSITechnology18217.2020.9265014"
    states: ClassVar[Any] = Domains(s=State(-1.0, inner=DOMAINS), h=State(0.0, inner=DOMAINS))  # type: ignore[arg-type]
    normals: ClassVar[int] = DOMAINS
    frozen: ClassVar[int] = DOMAINS

    e_a: Value = param(2.3, unit="V", above=0.0, role="field")  # times the thickness
    e_a_std: Value = param(0.4, unit="V", least=0.0, role="field")
    tau_0: Value = param(19e-9, unit="s", above=0.0, role="time constant")
    alpha: Value = param(3.0, above=0.0, role="power")
    beta: Value = param(2.0, above=0.0, role="power")
    p_r: Value = param(0.25, unit="C/m^2", above=0.0, role="polarisation")

    def activation(self, p: Bag) -> Tensor:
        """Compute the activation voltage (V) of each domain: ``[domain, ...]``."""
        return (p.e_a + p.e_a_std * p.frozen).clamp(min=0.0)

    def polarisation(self, x: Domains, p: Bag) -> Tensor:
        """Compute the polarisation (C/m^2) of all domains."""
        return p.p_r * x.s.mean(0)

    def conductance(self, x: Domains, p: Bag) -> Tensor:
        return p.g_min + (p.g_max - p.g_min) * (1 + x.s.mean(0)) / 2

    def place(self, g: Tensor, x: Domains, p: Bag) -> Domains:
        up = torch.round((g - p.g_min) / (p.g_max - p.g_min) * DOMAINS)
        rank = self.activation(p).argsort(0).argsort(0)
        s = torch.where(rank < up, torch.ones_like(x.s), -torch.ones_like(x.s))
        return Domains(s, torch.zeros_like(s))

    def pulse(self, x: Domains, pulse: Pulse, p: Bag, xi: Xi) -> Domains:
        against, grown, passed, slowness = self._exposed(x, pulse, p)
        # At h = 0 from the logarithm: t / tau itself may be below the smallest number, its power is not.
        log = torch.log(pulse.n * pulse.width / p.tau_0) - slowness
        fresh = torch.where(pulse.v == 0, torch.zeros_like(grown), torch.exp(p.beta * log))
        chance = -torch.expm1(x.h**p.beta - torch.where(x.h > 0, grown**p.beta, fresh))
        return self._after(x, against & (as_uniform(torch.stack(xi)) < chance), against, grown, passed)

    def quiet(self, x: Domains, pulse: Pulse, p: Bag) -> Domains:
        """Each domain flips at the median of its law, where ``h^beta = ln 2``, however the time until then is cut."""
        against, grown, passed, _ = self._exposed(x, pulse, p)
        return self._after(x, against & (grown**p.beta >= math.log(2)), against, grown, passed)

    def _exposed(self, x: Domains, pulse: Pulse, p: Bag) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return whether the field is against each domain, the history that it would have then, what is added to it, and
        ``log(tau / tau_0)``.
        """
        size = torch.where(pulse.v == 0, torch.ones_like(pulse.v), pulse.v.abs())
        slowness = (self.activation(p) / size) ** p.alpha
        tau = p.tau_0 * torch.exp(slowness)  # infinite where nothing can switch
        passed = torch.where(pulse.v == 0, torch.zeros_like(tau), pulse.n * pulse.width / tau)
        return x.s * pulse.v < 0, x.h + passed, passed, slowness

    def _after(self, x: Domains, flips: Tensor, against: Tensor, grown: Tensor, passed: Tensor) -> Domains:
        h = torch.where(against, grown, (x.h - passed).clamp(min=0.0))
        return Domains(torch.where(flips, -x.s, x.s), torch.where(flips, torch.zeros_like(h), h))
