"""Pulses that step: the step depends on the conductance alone (the resistive processing units of analogue in-memory training).

With u the conductance as a fraction of the window and c the `centre`, one pulse up is ``u <- u + s (1 + b) f_up(u)``, one down
``u <- u - s (1 - b) f_down(u)``, then ``bottom <= u <= top``; s is the step, b the asymmetry.

constant     ``f = 1``
linear       ``f_up = 1 - gamma_up (u - c) / (1 - c)``, ``f_down = 1 - gamma_down (c - u) / c``: gamma at nominal bounds
soft bounds  ``f_up = (top - u) / (top - c)``, ``f_down = (u - bottom) / (c - bottom)``: to each device's own bounds
exponential  ``f_up = max(0, 1 - A_up exp(gamma_up z))``, ``f_down = max(0, 1 - A_down exp(-gamma_down z))``,
             ``z = 2 a (u - c) / (top - bottom) + b``

``Pmax`` soft bounds state the same by what is measured: P pulses from end to end along ``1 - exp(-alpha n)``.
n pulses have a closed form in all but the exponential one, which is stepped. What pulses add is added to the conductance (see
`gaps`). A soft step beyond the bound ends there.

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

from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Conductance, Pulse, Update, Xi
from .bounded import steps
from .gaps import gaps, geometric, gone, within

STEEPEST = 80.0  # an exponent that is larger has long stopped the device; e^80 is finite in float32


@dataclass(frozen=True)
class Stepped(Update):
    """The base class of the laws, with bounds, asymmetry and noise."""

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
    def rise(self, u: Tensor, left: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        """How far ``count`` pulses whose step at the centre is ``step`` take u in their direction; ``up``: in which.

        ``left`` is ``1 - u`` with the digits that a difference from 1 would lose.
        """

    def centre_step(self, p: Bag) -> Tensor:
        """The step at the centre without asymmetry, as a fraction of the window."""
        return p.step

    def pulse(self, x: Conductance, pulse: Pulse, p: Bag, xi: Xi) -> Conductance:
        span = p.g_max - p.g_min
        u, left = gaps(x.g, p)
        up = pulse.v > 0
        count = torch.where(pulse.v.abs() > p.v_th, pulse.n, torch.zeros_like(pulse.n))
        root = count.clamp(min=1).sqrt()
        sign = torch.where(up, torch.ones_like(x.g), -torch.ones_like(x.g))
        step = self.centre_step(p) * (1 + sign * p.asymmetry)
        factor = 1.0 if self.additive else 1 + p.noise * xi[0] / root
        rise = self.rise(u, left, up, step * factor, count, p)
        if self.additive:
            rise = rise + step * p.noise * root * xi[0]
        g = within(x.g + sign * rise * span, p.g_min + p.bottom * span, p.g_max + (p.top - 1) * span).clamp(min=0.0)
        return Conductance(torch.where(count > 0, g, x.g))


@dataclass(frozen=True)
class ConstantStep(Stepped):
    """A step of one size at every conductance."""

    def rise(self, u: Tensor, left: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        return step * count


@dataclass(frozen=True)
class LinearStep(Stepped):
    """A step that falls linearly: by the fraction gamma from the centre to the nominal bound."""

    gamma_up: Value = param(0.0, least=0.0, role="plasticity")
    gamma_down: Value = param(0.0, least=0.0, role="plasticity")

    def rise(self, u: Tensor, left: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        reach = torch.where(up, 1 - p.centre, p.centre)
        gap = torch.where(up, left, u) / reach  # 1 at the centre, 0 at the bound
        gamma = torch.where(up, p.gamma_up, p.gamma_down)
        return step * (1 - gamma + gamma * gap) * geometric(gamma * step / reach, count)


@dataclass(frozen=True)
class SoftBounds(Stepped):
    """A step that falls linearly to zero at each device's own bound."""

    def rise(self, u: Tensor, left: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        # A device whose window does not hold the centre has no step there; it goes to its bound.
        reach = torch.where(up, p.top - p.centre, p.centre - p.bottom).clamp(min=0.01)
        return torch.where(up, left + (p.top - 1), u - p.bottom) * gone((step / reach).clamp(max=1.0), count)


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

    def rise(self, u: Tensor, left: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        beyond = (p.top - p.bottom) / torch.expm1(p.alpha * p.pulses)  # from the bound to where the curve saturates
        gap = torch.where(up, left + (p.top - 1), u - p.bottom) + beyond
        return gap * gone((-torch.expm1(-p.alpha) * step / self.centre_step(p)).clamp(max=1.0), count)


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

    def rise(self, u: Tensor, left: Tensor, up: Tensor, step: Tensor, count: Tensor, p: Bag) -> Tensor:
        a, gamma = torch.where(up, p.a_up, p.a_down), torch.where(up, p.gamma_up, -p.gamma_down)
        at, signed = u.double(), torch.where(up, step, -step).double()  # many small steps, one after the other
        for n in steps(Pulse(u, u, count), self.most):
            z = 2 * p.slope * (at - p.centre) / (p.top - p.bottom) + p.offset
            after = at + signed * (1 - a * torch.exp((gamma * z).clamp(max=STEEPEST))).clamp(min=0.0)
            at = torch.where(count > n, torch.minimum(torch.maximum(after, p.bottom), p.top), at)
        return torch.where(up, at - u, u - at).to(u.dtype)
