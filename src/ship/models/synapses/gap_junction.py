"""Gap junction: a current ``i = g (v_pre - v_post)`` between two cells, without a spike.

``weight[pre, post]`` is g, in 1/s for a membrane in V/s (a conductance over the capacitance), in siemens for a port in ampere.
The source is a state, e.g. ``source="a.v"``, and the target's v is read. Both are taken at the start of the slot and held over
it: order 1 in dt, and stable where the sum of the weights onto a unit, times the smaller of dt and its tau, is below 1. A
junction between two groups is two connections, one each way, with the weights of one transposed in the other; within a group it
is one connection with a symmetric weight.

``side="post"`` sums over pre first, ``sum_pre(g v_pre) - v_post sum_pre(g)``, which is faster and needs all pairs;
``"connection"`` takes the differences one by one, also on the edges of ``connect=``.

Two cells of one membrane time constant tau, joined by g: what they have in common decays with tau, their difference with
``tau / (1 + 2 g tau)``; a steady current into one moves the other by the coupling coefficient ``g tau / (1 + g tau)`` of its
own displacement.

Source: Bennett & Zukin, Neuron 41:495 (2004), for the coupling coefficient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from ...base.errors import GraphError
from ...base.parameters import Kind, Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse


class GapCoeffs(NamedTuple):
    total: Tensor  # sum of the weights onto each target


@dataclass(frozen=True)
class GapJunction(Synapse):
    """An electrical synapse between two cells. In: values, v (V) of the source; reads v (V) of its target.

    Out: values, a current (V/s or A).
    """

    weight: Value = param(5.0, unit="1/s", least=0.0, role="weight", per="connection")
    side: str = option("post", choices=("post", "connection"))

    accepts: ClassVar[tuple[Kind, ...]] = ("values",)
    reads: ClassVar[tuple[str, ...]] = ("v",)

    def emits_for(self, kind: Kind) -> Kind:
        return "values"

    def discretise(self, p: Bag, dt: float) -> GapCoeffs | None:
        if self.side == "connection":
            return None
        if p.weight.ndim % 2:  # [edge], with or without [chip, batch], in place of [pre, post]
            raise GraphError("GapJunction.side", "'post' needs all pairs", got="connect=", fix="Use side='connection'.")
        return GapCoeffs(p.weight.sum(-2))

    def step(self, state: Any, x: Bag, p: Bag, c: Any) -> tuple[Connections, Any]:
        if self.side == "connection":
            return p.weight * (x.arrival - x.v), state
        return x.value - x.v * c.total, state
