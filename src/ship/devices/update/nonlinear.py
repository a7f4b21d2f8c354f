"""Pulses with a fixed non-linearity (NeuroSim): a saturating curve up, one down, and the number of pulses as the only clock.

With w the conductance as a fraction of the window, n pulses from an end follow ``w(n) = (1 - exp(-z n / P)) / (1 - exp(-z))``,
counted from g_min upwards, or from g_max downwards with 1 - w in place of w; P pulses take the whole window. So m pulses on any
conductance add ``(1 - w + w exp(-z)) w(m)``. Then ``sigma sqrt(n) xi`` is added to w, and w is clipped to 0 ... 1.

``z = 1 / A_norm`` follows from the non-linearity NL of the literature: the largest distance of w(n) from the straight line is
0.098993 NL, which gives NeuroSim's own table (NL 1: A_norm 1.2517, NL 4.88: 0.2003) to its four digits. NL above 0: large steps
first, in both directions (NeuroSim writes the one downwards with a minus sign); 0: straight; below 0: small steps first.

Source: Chen, Peng & Yu, IEEE TCAD 37:3067 (2018), doi 10.1109/TCAD.2018.2789723; constants of MLP+NeuroSim 3.0 (formula.cpp,
Cell.cpp) and DNN+NeuroSim 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Conductance, Pulse, Update, Xi
from .gaps import gaps, within

SHARE = 0.098993  # largest distance from the straight line, for each unit of NL
STEPS = 24  # of Newton's method; NL = 9 takes 9


def deviation(z: Tensor) -> tuple[Tensor, Tensor]:
    """Largest distance of w(n) from the straight line, and its derivative in ``z`` (above 0)."""
    safe = z.clamp(min=1e-4)  # below, the difference of two numbers near 1/2 loses its digits
    fall = torch.exp(-safe)
    c = -torch.expm1(-safe)
    r = c / safe  # at the largest distance the slope c/z exp(z x) is 1: x = -ln(r) / z
    slope = fall / safe - c / safe**2
    distance = (1 - r) / c + r.log() / safe
    rate = (-slope * c - (1 - r) * fall) / c**2 + slope / (r * safe) - r.log() / safe**2
    return torch.where(z < 1e-4, z / 8, distance), torch.where(z < 1e-4, torch.full_like(z, 0.125), rate)


def curvature(nl: Tensor) -> Tensor:
    """``z = 1 / A_norm`` for a non-linearity; differentiable.

    Newton's method from the left: the distance is concave in z, so that every step stays left of the solution.
    """
    wanted = SHARE * nl.double().abs()
    z = 8 * wanted.detach()
    for _ in range(STEPS):
        distance, rate = deviation(z)
        z = z - (distance - wanted.detach()) / rate
    distance, rate = deviation(z)
    return (torch.sign(nl) * (z - (distance - wanted) / rate)).to(nl.dtype)  # one more step, for the gradient


def curve(x: Tensor, z: Tensor) -> Tensor:
    """w after a fraction ``x`` of the P pulses."""
    flat = z.abs() < 1e-10
    safe = torch.where(flat, torch.ones_like(z), z)
    return torch.where(flat, x, torch.expm1(-safe * x) / torch.expm1(-safe))


@dataclass(frozen=True)
class NonlinearPulses(Update):
    """Saturating curves of potentiation and depression, as in NeuroSim.

    Args:
        nl_up, nl_down: non-linearity, -9 to 9.
        pulses_up, pulses_down: number of pulses that take the device through the whole window.
        noise: standard deviation of w, per pulse.
        v_th: V, up to which nothing happens.
    """

    source: ClassVar[str] = "Chen, Peng & Yu 2018, doi 10.1109/TCAD.2018.2789723"
    normals: ClassVar[int] = 1

    nl_up: Value = param(0.0, least=-9.0, most=9.0, role="plasticity")
    nl_down: Value = param(0.0, least=-9.0, most=9.0, role="plasticity")
    pulses_up: Value = param(100.0, above=0.0, role="plasticity")
    pulses_down: Value = param(100.0, above=0.0, role="plasticity")
    noise: Value = param(0.0, least=0.0, role="noise")
    v_th: Value = param(0.0, unit="V", least=0.0, role="threshold")

    settles: ClassVar[tuple[str, ...]] = ("nl_up", "nl_down")

    def settled(self, p: Bag) -> dict[str, Any]:
        return {"z_up": curvature(p.nl_up), "z_down": curvature(p.nl_down)}

    def pulse(self, x: Conductance, pulse: Pulse, p: Bag, xi: Xi) -> Conductance:
        p = self.settle(p)
        low, high = (gap.clamp(0.0, 1.0) for gap in gaps(x.g, p))
        up = pulse.v > 0
        count = torch.where(pulse.v.abs() > p.v_th, pulse.n, torch.zeros_like(pulse.n))
        z = torch.where(up, p.z_up, p.z_down)
        more = curve((count / torch.where(up, p.pulses_up, p.pulses_down)).clamp(0.0, 1.0), z)
        rise = (torch.where(up, high, low) + torch.where(up, low, high) * torch.exp(-z)) * more
        change = torch.where(up, rise, -rise) + p.noise * count.clamp(min=0).sqrt() * xi[0]
        g = within(within(x.g, p.g_min, p.g_max) + change * (p.g_max - p.g_min), p.g_min, p.g_max)
        return Conductance(torch.where(count > 0, g, x.g))
