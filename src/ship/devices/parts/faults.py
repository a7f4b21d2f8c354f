"""Broken devices: disjoint fractions that are stuck low, stuck high, or open from birth.

One uniform number u per device, frozen with the die: low where ``u < low``, high where ``low <= u < low + high``, open (0 S)
where ``low + high <= u < low + high + open``: no device is two things at once.

Source: disjoint fractions, by definition; drawing each kind independently lets a device be stuck at both ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import HIGH, LOW, OPEN, SOUND, Faults, Xi, as_uniform


@dataclass(frozen=True)
class Stuck(Faults):
    """Devices that are stuck low, stuck high or open from birth.

    Args:
        low, high, open: fractions of the devices; together at most 1.
        low_at, high_at: where they are stuck, as fractions of the window (0: g_min, 1: g_max); `Varied` for a spread.
    """

    source: ClassVar[str] = "disjoint random fractions"

    low: Value = param(0.0, least=0.0, most=1.0, role="faults")
    high: Value = param(0.0, least=0.0, most=1.0, role="faults")
    open: Value = param(0.0, least=0.0, most=1.0, role="faults")
    low_at: Value = param(0.0, role="faults")
    high_at: Value = param(1.0, role="faults")

    def check(self, where: str, p: Bag) -> None:
        total = p.low + p.high + p.open
        if bool((total > 1 + 1e-6).any()):
            raise ParameterError(
                where,
                "low + high + open must be at most 1",
                got=f"{float(total.max()):g}",
                fix="They are disjoint fractions of all devices.",
            )

    def broken(self, g: Tensor, p: Bag, xi: Xi) -> Tensor:
        u, span = as_uniform(xi[0]), p.g_max - p.g_min
        low = (p.g_min + p.low_at * span).clamp(min=0.0)
        high = (p.g_min + p.high_at * span).clamp(min=0.0)
        edge = p.low + p.high
        stuck = torch.where(u < p.low, low, torch.where(u < edge, high, torch.zeros_like(g)))
        return torch.where(u < edge + p.open, stuck, g)

    def as_mapped(self, codes: Tensor, p: Bag) -> Xi | None:
        edges = [torch.zeros_like(p.low), p.low, p.low + p.high, p.low + p.high + p.open, torch.ones_like(p.low)]
        kinds = (LOW, HIGH, OPEN, SOUND)  # in the order of their intervals of u
        u = torch.zeros_like(codes, dtype=torch.float64)
        for kind, start, end in zip(kinds, edges[:-1], edges[1:], strict=True):
            u = torch.where(codes == kind, ((start + end) / 2).double(), u)
        xi = torch.special.ndtri(u).to(codes.dtype)
        again, held = as_uniform(xi), torch.ones_like(codes, dtype=torch.bool)
        for kind, start, end in zip(kinds, edges[:-1], edges[1:], strict=True):  # also where an interval is empty or too small
            held = held & ((codes != kind) | ((again >= start) & (again < end)))
        return (xi,) if bool(held.all()) else None
