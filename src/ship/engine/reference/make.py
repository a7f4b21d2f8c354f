"""The choice of the reference node for a group."""

from __future__ import annotations

from ...groups.group import Group
from ...models.contract import Neuron, Source
from .connection import ConnectionNode
from .neuron import NeuronNode
from .node import Node
from .plastic import PlasticNode
from .source import SourceNode


def make_node(group: Group) -> Node:
    """Make the reference node for a group's model."""
    if isinstance(group.model, Source):
        return SourceNode(group)
    if isinstance(group.model, Neuron):
        return NeuronNode(group)
    return PlasticNode(group) if group.spec.rule is not None else ConnectionNode(group)
