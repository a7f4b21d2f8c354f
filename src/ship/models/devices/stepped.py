"""Pulses that step: the step depends on the conductance alone (the resistive processing units of analogue in-memory training).

With u the conductance as a fraction of the window and c the `centre`, one pulse up is ``u <- u + s (1 + b) f_up(u)``, one down
``u <- u - s (1 - b) f_down(u)``, then ``bottom <= u <= top``; s is the step, b the asymmetry.

constant     ``f = 1``
linear       ``f_up = 1 - gamma_up (u - c) / (1 - c)``, ``f_down = 1 - gamma_down (c - u) / c``: gamma at nominal bounds
soft bounds  ``f_up = (top - u) / (top - c)``, ``f_down = (u - bottom) / (c - bottom)``: to each device's own bounds
exponential  ``f_up = max(0, 1 - A_up exp(gamma_up z))``, ``f_down = max(0, 1 - A_down exp(-gamma_down z))``,
             ``z = 2 a (u - c) / (top - bottom) + b``

``Pmax`` soft bounds state the same by what is measured: P pulses from end to end along ``1 - exp(-alpha n)``.
n pulses have a closed form in all but the exponential one, which is stepped.

Noise from cycle to cycle is ``sigma`` steps per pulse: multiplying the step, ``s f (1 + sigma xi)``, or added to it,
``s (f + sigma xi)``. The n pulses of one event share one xi, as ``sigma xi / sqrt(n)`` each: the variance of a sum of n.
Devices differ in step, bounds and asymmetry: give these as `Varied`. A device outside its own bounds enters them with a pulse.

Source: Gokmen & Vlasov, Front. Neurosci. 10:333 (2016); Rasch et al., arXiv:2104.02184 (2021) and the equations in its toolkit's
documentation, where w runs from w_min to w_max: u = (w - w_min) / (w_max - w_min), and w = 0 is the centre.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...parameters import Value, option, param
from ..contract import Bag
from .bounded import steps
from .contract import Conductance, Pulse, Update, Xi


@dataclass(frozen=True)
class Stepped(Update):
    """What the laws share: bounds, asymmetry, noise."""

    source: ClassVar[str] = "Gokmen & Vlasov 2016, doi 10.3389/fnins.2016.00333; Rasch et al. 2021, arXiv:2104.02184"
    normals: ClassVar[int] = 1

    step: Value = param(0.001, least=0.0, role="plasticity")  # of the window
    asymmetry: Value = param(0.0, above=-1.0, below=1.0, role="plasticity")
    bottom: Value = param(0.0, below=0.5, role="plasticity")  # of the window
    top: Value = param(1.0, above=0.5, role="plasticity")
    centre: Value = param(0.5, above=0.0, below=1.0, role="plasticity")
    noise: Value = param(0.0, least=0.0, role="noise")  # of a step, per pulse
    additive: bool = option(False, choices=(False, True))
    v_th: Value = param(0.0, unit="V", least=0.0, role="threshold")

    @abstractmethod
    def stepped(self, u: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        """u after ``count`` pulses whose step at the centre is ``step``; ``up``: in which direction."""

    def centre_step(self, p: Bag) -> Tensor:
        """The step at the centre without asymmetry, as a fraction of the window."""
        return p.step

    def pulse(self, x: Conductance, pulse: Pulse, p: Bag, xi: Xi) -> Conductance:
        span = p.g_max - p.g_min
        up = pulse.v > 0
        count = torch.where(pulse.v.abs() > p.v_th, pulse.n, torch.zeros_like(pulse.n))
        root = count.clamp(min=1).sqrt()
        sign = torch.where(up, 1.0, -1.0).to(x.g.dtype)
        step = self.centre_step(p) * (1 + sign * p.asymmetry)
        factor = 1.0 if self.additive else 1 + p.noise * xi[0] / root
        u = self.stepped((x.g - p.g_min) / span, up, step * factor, count, p)
        if self.additive:
            u = u + sign * step * p.noise * root * xi[0]
        g = (p.g_min + torch.minimum(torch.maximum(u, p.bottom), p.top) * span).clamp(min=0.0)
        return Conductance(torch.where(count > 0, g, x.g))


@dataclass(frozen=True)
class ConstantStep(Stepped):
    """The same step everywhere."""

    def stepped(self, u: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        return u + torch.where(up, step, -step) * count


@dataclass(frozen=True)
class LinearStep(Stepped):
    """A step that falls linearly: by the fraction gamma from the centre to the nominal bound."""

    gamma_up: Value = param(0.0, least=0.0, role="plasticity")
    gamma_down: Value = param(0.0, least=0.0, role="plasticity")

    def stepped(self, u: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        x = torch.where(up, (u - p.centre) / (1 - p.centre), (p.centre - u) / p.centre)  # 0 at the centre, 1 at the bound
        gamma = torch.where(up, p.gamma_up, p.gamma_down)
        rate = step / torch.where(up, 1 - p.centre, p.centre)
        x = x + rate * (1 - gamma * x) * _geometric(1 - gamma * rate, count)
        return p.centre + torch.where(up, x * (1 - p.centre), -x * p.centre)


@dataclass(frozen=True)
class SoftBounds(Stepped):
    """A step that falls linearly to zero at each device's own bound."""

    def stepped(self, u: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        # A device whose window does not hold the centre has no step there; it goes to its bound.
        reach = torch.where(up, p.top - p.centre, p.centre - p.bottom).clamp(min=0.01)
        bound = torch.where(up, p.top, p.bottom)
        return bound + (u - bound) * torch.pow(1 - step / reach, count)


@dataclass(frozen=True)
class SoftBoundsPmax(Stepped):
    """Soft bounds by measured quantities: ``pulses`` take the device from bottom to top along ``1 - exp(-alpha n)``.

    `step` follows from these, at a centre halfway between the bounds.
    """

    pulses: Value = param(1000.0, above=0.0, role="plasticity")
    alpha: Value = param(0.0005, above=0.0, role="plasticity")  # of what is left, per pulse

    def centre_step(self, p: Bag) -> Tensor:
        goal = (p.top - p.bottom) / -torch.expm1(-p.alpha * p.pulses)  # from one end to where the curve saturates
        return (goal - (p.top - p.bottom) / 2) * -torch.expm1(-p.alpha)

    def stepped(self, u: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        goal = (p.top - p.bottom) / -torch.expm1(-p.alpha * p.pulses)
        target = torch.where(up, p.bottom + goal, p.top - goal)
        kept = 1 + torch.expm1(-p.alpha) * step / self.centre_step(p)
        return target + (u - target) * torch.pow(kept, count)


@dataclass(frozen=True)
class ExpStep(Stepped):
    """A step that falls exponentially towards the bound, as in CMOS-like devices."""

    most: ClassVar[int] = 10_000  # pulses in one event

    a_up: Value = param(0.00081, role="plasticity")
    a_down: Value = param(0.36833, role="plasticity")
    gamma_up: Value = param(12.44625, role="plasticity")
    gamma_down: Value = param(12.78785, role="plasticity")
    slope: Value = param(0.244, role="plasticity")  # a
    offset: Value = param(0.2425, role="plasticity")  # b

    def stepped(self, u: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        a, gamma = torch.where(up, p.a_up, p.a_down), torch.where(up, p.gamma_up, -p.gamma_down)
        signed = torch.where(up, step, -step)
        for n in steps(Pulse(u, u, count), self.most):
            z = 2 * p.slope * (u - p.centre) / (p.top - p.bottom) + p.offset
            next_u = u + signed * (1 - a * torch.exp(gamma * z)).clamp(min=0.0)
            u = torch.where(count > n, torch.minimum(torch.maximum(next_u, p.bottom), p.top), u)
        return u


def _geometric(q: Tensor, count: Tensor) -> Tensor:
    """``1 + q + ... + q^(count - 1)``."""
    one = (1 - q).abs() < 1e-12
    safe = torch.where(one, torch.zeros_like(q), q)
    return torch.where(one, count, (1 - torch.pow(safe, count)) / (1 - safe))
