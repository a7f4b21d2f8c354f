"""A part of a device on the bench: many devices, each with its own parameters, and the states they are looked at in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...base.parameters import declared
from ...base.parameters.bag import Bag
from ...devices.contract import Part, Pulse, Update, Xi
from ..bench import nominal
from .events import F64, G_MAX, G_MIN, given_to, placed

N, SPREAD = 24, 0.02  # devices; of a parameter from device to device


@dataclass(frozen=True)
class PartBench:
    """A part with its settings on the bench, in a device of 1 to 100 uS."""

    part: Part
    asked: Mapping[str, Any] = field(default_factory=dict)

    def values(self, n: int = N, spread: float = 0.0, seed: int = 3) -> dict[str, Tensor]:
        """Return its parameters, ``[device]``, with a spread of those that are well inside their limits."""
        found, generator = {}, torch.Generator().manual_seed(seed)
        for name, declaration in declared(type(self.part))[0].items():
            value = getattr(self.part, name)
            value = getattr(value, "nominal", value)
            value = nominal(declaration) if not isinstance(value, int | float) else float(value)
            value = 1.0 if value is None else value
            drawn = torch.full((n,), value, dtype=F64)
            deviates = torch.randn(n, dtype=F64, generator=generator).clamp(-4, 4)
            wide = torch.tensor([value * (1 - 5 * spread), value * (1 + 5 * spread)], dtype=F64)
            if math.isfinite(value) and declaration.all_inside(wide):
                drawn = drawn * (1 + spread * deviates)
            found[name] = drawn
        return found

    def given(self, n: int = N, spread: float = 0.0, *, chance: bool = True) -> tuple[Bag, Xi]:
        """Return parameters and random numbers for n devices; without chance the numbers are 0."""
        p, xi = given_to(self.part, self.values(n, spread), F64, n)
        return p, xi if chance else tuple(map(torch.zeros_like, xi))

    @property
    def window(self) -> tuple[float, float]:
        """The window of the nominal device, S."""
        p, _ = self.given(1)
        low, high = self.part.window(p) if isinstance(self.part, Update) else (p.g_min, p.g_max)
        return float(low.min()), float(high.max())

    def across(self, p: Bag, n: int = N) -> Tensor:
        """Return conductances (S) from one end of the window to the other, ``[device]``."""
        low, high = (p.g_min, p.g_max) if isinstance(self.part, Update) else (torch.tensor(G_MIN), torch.tensor(G_MAX))
        return low + torch.linspace(0.0, 1.0, n, dtype=F64) * (high - low)

    def at(self, p: Bag) -> Any:
        """Return the states of devices across the window."""
        assert isinstance(self.part, Update)
        return placed(self.part, self.across(p, p.g_min.numel()), p)


def pulse(like: Tensor, v: float, width: float, n: float) -> Pulse:
    """Return n pulses of ``v`` (V) and ``width`` (s) on every device."""
    return Pulse(*(torch.full_like(like, x) for x in (v, width, n)))
