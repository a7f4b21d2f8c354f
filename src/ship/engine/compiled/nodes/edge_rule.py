"""Plastic synapses on edges for tapes.

Weights and states of connections are lists, ``[chip, batch, 1, edge]``, in order of the source units; traces are those of a
matrix, one for each unit. The reference node has a number for each edge of all of these.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...reference.plastic import PlasticNode
from ..tape.edges import Structure
from ..tape.tape import Learn
from ..trace.program import NotNow
from .rule import Learner, Unit, by_unit
from .work import Key, Work


def refusal(node: PlasticNode) -> str | None:
    """Say why a plastic synapse on edges needs the reference engine, as far as it is known without tracing."""
    assert node.edges is not None
    if not len(node.edges.pre) or any(len(buckets) != 1 for _, _, buckets in node.feed.sources):
        return "a plastic synapse with a source that has no edges"
    return None if node.group.zero.device.type == "cpu" else "a plastic synapse on edges, away from the CPU"


class EdgeUnit(Unit):
    """A plastic synapse on edges in one run of a tape."""

    edges: Structure

    def __init__(self, node: PlasticNode, learner: Learner, edges: Structure, *given: Any) -> None:
        self.edges = edges
        super().__init__(node, learner, *given)

    def learn(self, fields: list[Tensor]) -> Learn:
        return super().learn(fields)._replace(edges=self.edges)

    def _kernels(self, work: Work, events: int) -> tuple[int, int]:
        return work.kernel("edges"), 0

    def _own(self, t: Tensor, chips: int, batch: int) -> Tensor:
        own = t.detach().to(self.node.like).expand(chips, batch, len(self.edges.posts))
        return self.edges.sorted(own).unsqueeze(-2).clone(memory_format=torch.contiguous_format)

    def _on_units(self, t: Tensor, side: str) -> Tensor:
        t = t.squeeze(-2) if t.ndim == 4 else t
        if t.shape[-1] == 1 and len(self.edges.posts) > 1:
            return t
        units = by_unit(self.node, t, side)
        if not torch.equal(self._on_connections(units, side), t):
            raise NotNow(f"traces on the {side} side of its rule that differ between edges of a unit")
        return units

    def _on_connections(self, t: Tensor, side: str) -> Tensor:
        return t[..., getattr(self.node.edges, side).long()]

    def _stored(self, t: Tensor) -> Tensor:
        return self.edges.back(t.squeeze(-2))

    def _field(self, key: Key) -> Tensor:
        field = super()._field(key)
        given = isinstance(key, int) and key > len(self.learner.sides) + len(self.seen)  # in the order of the node
        return self.edges.sorted(field) if given and field.shape[-1] > 1 else field
