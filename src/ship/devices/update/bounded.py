"""Bounded pulse update: every pulse moves the conductance by a step that shrinks towards the bound (or does not).

``w = (g - g_min) / (g_max - g_min)``; one pulse up ``w <- w + alpha_p (1 - w)^gamma_p``, one down ``w <- w - alpha_d w^gamma_d``,
then ``0 <= w <= 1``. gamma = 0 is the hard bound (a constant step), gamma = 1 the soft bound, for which n pulses have the closed
form ``1 - w_n = (1 - w_0)(1 - alpha)^n``; other powers are stepped pulse by pulse. Each pulse adds ``noise * xi`` to w, n pulses
in one event ``noise sqrt(n) xi``. A voltage of ``v_th`` or less in amplitude changes nothing.

Steps are added to the conductance (see `gaps`): those of n pulses in one event are exact in float32, too. Single ones below 6e-8
of the conductance are lost there and need float64.

Source: Fusi & Abbott, Nat. Neurosci. 10:485 (2007); Frascaroli et al., Sci. Rep. 8:7178 (2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Conductance, Pulse, Update, Xi
from .gaps import gaps, gone, within


def steps(pulse: Pulse, most: int) -> range:
    """Return the pulses to step through, one after another: as many as the largest count of any device.

    Raises:
        ParameterError: more than ``most``.
    """
    count = int(pulse.n.max()) if pulse.n.numel() else 0
    if count > most:
        raise ParameterError(
            "pulse: count",
            f"must be at most {most} in one event, for a law that is stepped pulse by pulse",
            got=count,
            fix="Give the pulses in several events.",
        )
    return range(count)


def power_step(gap: Tensor, alpha: Tensor, gamma: Tensor) -> Tensor:
    """Return the step ``alpha gap^gamma``; ``gap``, the distance to the bound as a fraction of the window, is at least 0."""
    safe = torch.where(gap > 0, gap, torch.ones_like(gap))  # 0^gamma has no gradient
    return alpha * torch.where(gap > 0, safe**gamma, (gamma == 0).to(gap.dtype))


def plain(*gammas: Tensor) -> bool:
    """Return whether all powers are 0 or 1, for which n pulses have a closed form."""
    return all(bool(((gamma == 0) | (gamma == 1)).all()) for gamma in gammas)


def closed(gap: Tensor, count: Tensor, alpha: Tensor, gamma: Tensor, most: int, *, formula: bool) -> Tensor:
    """Return how much of the distance to the bound, a fraction of the window, the pulses close.

    Args:
        gap: the distance, a fraction of the window.
        count: the number of pulses.
        alpha, gamma: step and power of the law.
        most: the largest number of pulses that are stepped one by one.
        formula: whether all powers are 0 or 1 (`plain`).

    Raises:
        ParameterError: more than ``most`` pulses, where they are stepped.
    """
    if formula:
        hard = torch.where(alpha * count < gap, alpha * count, gap)
        return torch.where(gamma == 1, gap * gone(alpha.clamp(max=1.0), count), hard)
    left, alpha, gamma = gap.double(), alpha.double(), gamma.double()  # many small steps, one after the other
    for n in steps(Pulse(gap, gap, count), most):
        left = torch.where(count > n, (left - power_step(left, alpha, gamma)).clamp(min=0.0), left)
    return (gap.double() - left).to(gap.dtype)


@dataclass(frozen=True)
class TowardsBounds(Update):
    """The base class of laws by which pulses close the distance to a bound, in whatever the window is measured."""

    normals: ClassVar[int] = 1
    most: ClassVar[int] = 10_000  # pulses in one event

    alpha_p: Value = param(0.01, least=0.0, role="plasticity")
    alpha_d: Value = param(0.01, least=0.0, role="plasticity")
    gamma_p: Value = param(0.0, least=0.0, role="plasticity")
    gamma_d: Value = param(0.0, least=0.0, role="plasticity")
    noise: Value = param(0.0, least=0.0, role="noise")  # of the window, per pulse
    v_th: Value = param(0.0, unit="V", least=0.0, role="threshold")

    settles: ClassVar[tuple[str, ...]] = ("gamma_p", "gamma_d")

    def settled(self, p: Bag) -> dict[str, Any]:
        return {"formula": plain(p.gamma_p, p.gamma_d)}

    def change(self, low: Tensor, high: Tensor, pulse: Pulse, p: Bag, xi: Xi) -> tuple[Tensor, Tensor]:
        """Return by how much pulses move a device, as a fraction of the window, and how many of them act.

        Args:
            low, high: the distances to the lower and to the upper bound, as fractions of the window.
            pulse, p, xi: as for `Update.pulse`.
        """
        up = pulse.v > 0
        count = torch.where(pulse.v.abs() > p.v_th, pulse.n, torch.zeros_like(pulse.n))
        alpha, gamma = torch.where(up, p.alpha_p, p.alpha_d), torch.where(up, p.gamma_p, p.gamma_d)
        formula = bool(p.formula) if "formula" in vars(p) else plain(gamma)
        move = closed(torch.where(up, high, low).clamp(min=0.0), count, alpha, gamma, self.most, formula=formula)
        return torch.where(up, move, -move) + p.noise * count.clamp(min=0).sqrt() * xi[0], count


@dataclass(frozen=True)
class Bounded(TowardsBounds):
    """Hard (gamma 0), soft (gamma 1) or power bounds."""

    source: ClassVar[str] = "Fusi & Abbott 2007, doi 10.1038/nn1859; Frascaroli et al. 2018, doi 10.1038/s41598-018-25376-x"

    def pulse(self, x: Conductance, pulse: Pulse, p: Bag, xi: Xi) -> Conductance:
        change, count = self.change(*gaps(x.g, p), pulse, p, xi)
        g = within(x.g + change * (p.g_max - p.g_min), p.g_min, p.g_max)
        return Conductance(torch.where(count > 0, g, x.g))
