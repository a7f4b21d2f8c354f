"""Weighted sum and impulse synapse: connections without a state.

A weighted sum keeps the kind of its input: events give impulses (V), values give a level. A bias is a level: it flows into the
target's charge or current port, in V/s for a membrane, whatever the kind of the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...base.parameters import Kind, Value, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse


@dataclass(frozen=True)
class ImpulseSynapse(Synapse):
    """Each event displaces the target by ``weight`` at once. In: events. Out: impulses (V)."""

    accepts: ClassVar[tuple[Kind, ...]] = ("events",)

    def emits_for(self, kind: Kind) -> Kind:
        return kind

    def step(self, state: Any, x: Bag, p: Bag, c: Any) -> tuple[Connections, Any]:
        return x.value, state


@dataclass(frozen=True)
class WeightedSum(ImpulseSynapse):
    """``weight`` applied to events, charges or values, and a bias. In: any kind. Out: the same kind."""

    bias: Value = param(0.0, unit="V/s", role="bias")

    accepts: ClassVar[tuple[Kind, ...]] = ("events", "charge", "values")
