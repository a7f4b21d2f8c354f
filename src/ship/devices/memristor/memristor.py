"""Voltage-driven devices: what all models of the form ``dx/dt = f(x, v)``, ``i = i(x, v)`` share.

A pulse of amplitude v holds v for ``n width`` seconds: n equal pulses back to back are one long one. The state follows f over
this time, by the model's closed form where it has one and else by `flow`, and stays between its bounds. Where there are no
pulses, or v does not reach the model's threshold, it stays exactly what it is.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.parameters.bag import Bag
from ..contract import Pulse, StateTuple, Update, Xi
from .ode import flow


class Fraction(NamedTuple):
    """A state without unit, between 0 (high resistance) and 1 (low resistance)."""

    x: Tensor


@dataclass(frozen=True)
class Memristor(Update):
    """A model gives ``rate``, ``bounds``, ``current``, ``conductance`` and ``place``; ``advance`` where it has a closed form."""

    @abstractmethod
    def rate(self, x: StateTuple, v: Tensor, p: Bag) -> StateTuple:
        """Compute dx/dt at a constant ``v`` (V), in the state's unit per second."""

    @abstractmethod
    def bounds(self, p: Bag) -> tuple[Any, Any]:
        """The lowest and the highest value of each state."""

    @abstractmethod
    def current(self, x: StateTuple, v: Tensor, p: Bag) -> Tensor:
        """Compute the current (A) at ``v`` (V); it is 0 at 0 V."""

    def moves(self, v: Tensor, p: Bag) -> Tensor:
        """Where ``v`` (V) can change the state at all."""
        return v != 0

    def advance(self, x: StateTuple, v: Tensor, seconds: Tensor, p: Bag, xi: Xi) -> StateTuple:
        """The state after ``seconds`` at a constant ``v`` (V)."""
        kind = type(x)
        low, high = self.bounds(p)
        return kind(*flow(lambda s: tuple(self.rate(kind(*s), v, p)), tuple(x), seconds, tuple(low), tuple(high)))

    def pulse(self, x: StateTuple, pulse: Pulse, p: Bag, xi: Xi) -> StateTuple:
        moving = (pulse.n > 0) & self.moves(pulse.v, p)
        seconds = torch.where(moving, pulse.n * pulse.width, torch.zeros_like(pulse.width))
        after = self.advance(x, pulse.v, seconds, p, xi)
        return type(x)(*(torch.where(moving, a, b) for a, b in zip(after, x, strict=True)))


def within(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """``x``, at least ``low`` and at most ``high``."""
    return torch.minimum(torch.maximum(x, low), high)
