"""One-shot programming: Gaussian errors whose width is constant, proportional, a polynomial, or set by a number of levels; and
writes to one of two states with log-normal scatter.

Gaussian    ``G = target + (sigma + relative target) xi``
polynomial  ``G = target + (g_max / g_ref) max(0, sum_i c_i (target / g_max)^i) xi``: a polynomial fitted on a window up to g_ref
            scales with the window (its c_i are conductances, so that taking them as they are would be wrong by g_max / g_ref)
levels      a target goes to the nearest of L levels, evenly spaced, and a sixth of their distance is sigma: the borders between
            levels are 3 sigma away. Of a differential pair, sigma is ``2 (g_max - g_min) / L / 6 / sqrt(2)`` for each device, so
            that the weight, which has L levels over twice the window, errs by a sixth of its range over L; the targets are kept
            as they are, for the levels are the weight's
two states  a target goes to the nearer of both ends of the window, ``G = g_min exp(shift_off + sigma_off xi)`` or
            ``G = g_max exp(shift_on + sigma_on xi)``: what was measured of a device of which nothing but two states is known

Source: of the pair: the quantisation study of SHIP's publication (2024); others: where a device uses them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Programming, Xi, finite_numbers


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``sum_i c_i x^i``, the constant first."""
    total = torch.zeros_like(x)
    for c in reversed(coefficients):
        total = total * x + c
    return total


@dataclass(frozen=True)
class GaussianProgramming(Programming):
    """Gaussian errors of writes, with a constant and a proportional width.

    Args:
        sigma: S.
        relative: standard deviation as a fraction of the target.
    """

    sigma: Value = param(0.0, unit="S", least=0.0, role="noise")
    relative: Value = param(0.0, least=0.0, role="noise")

    def write(self, target: Tensor, p: Bag, xi: Xi) -> Tensor:
        return target + (p.sigma + p.relative * target) * xi[0]


@dataclass(frozen=True)
class PolynomialProgramming(Programming):
    """Gaussian errors of writes, whose width is a polynomial of the target.

    Args:
        coefficients: S, the constant first.
        g_ref: S, the g_max that they were fitted for.
        scale: factor on the width of the error.
    """

    coefficients: Sequence[float] = option((0.0,))
    g_ref: Value = param(25e-6, unit="S", above=0.0, role="conductance")
    scale: Value = param(1.0, least=0.0, role="noise")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "coefficients", finite_numbers("PolynomialProgramming.coefficients", self.coefficients, 1, "S"))

    def sigma(self, target: Tensor, p: Bag) -> Tensor:
        """Compute the standard deviation (S) of a write to ``target``."""
        fitted = polynomial(target / p.g_max, self.coefficients).clamp(min=0.0)
        return fitted * (p.scale * p.g_max / p.g_ref)

    def write(self, target: Tensor, p: Bag, xi: Xi) -> Tensor:
        return target + self.sigma(target, p) * xi[0]


WIDEST = 10.0  # of ln G: four decades, more than any state scatters


@dataclass(frozen=True)
class TwoStateProgramming(Programming):
    """Writes to the nearer one of two states, with log-normal scatter.

    Args:
        sigma_off, sigma_on: the standard deviation of ln G from write to write, of the low and of the high state.
        shift_off, shift_on: what is added to ln G of a device; `Varied` with ``d2d_abs`` for log-normal scatter from device to
            device.
    """

    sigma_off: Value = param(0.0, least=0.0, most=WIDEST, role="noise")
    sigma_on: Value = param(0.0, least=0.0, most=WIDEST, role="noise")
    shift_off: Value = param(0.0, least=-WIDEST, most=WIDEST, role="noise")
    shift_on: Value = param(0.0, least=-WIDEST, most=WIDEST, role="noise")

    def write(self, target: Tensor, p: Bag, xi: Xi) -> Tensor:
        off = p.g_min * torch.exp(p.shift_off + p.sigma_off * xi[0])
        on = p.g_max * torch.exp(p.shift_on + p.sigma_on * xi[0])
        return torch.where(target < (p.g_min + p.g_max) / 2, off, on)


Number = TypeVar("Number", float, Tensor)


def of_a_pair(span: Number, levels: Number) -> Number:
    """Standard deviation (S) of each device of a pair that holds a weight of so many levels; ``span``: of the device, S.

    The weight's is a sixth of its range over the number of levels (neighbouring levels stay 3 sigma from their border); the two
    devices share it in equal, independent parts.
    """
    return 2 * span / levels / 6 / math.sqrt(2)


@dataclass(frozen=True)
class LevelProgramming(Programming):
    """Writes to a number of levels, with errors that just keep them apart.

    Args:
        levels: how many.
        of: "device": of the device itself; "pair": of a weight held by a differential pair.
    """

    source: ClassVar[str] = "quantisation study of SHIP's publication (2024)"

    levels: Value = param(16.0, least=2.0, role="noise")
    of: str = option("device", choices=("device", "pair"))

    def write(self, target: Tensor, p: Bag, xi: Xi) -> Tensor:
        span = p.g_max - p.g_min
        if self.of == "pair":
            return target + of_a_pair(span, p.levels) * xi[0]
        step = span / (p.levels - 1)
        return p.g_min + torch.round((target - p.g_min) / step) * step + step / 6 * xi[0]
