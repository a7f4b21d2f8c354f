"""The schedule of a network for one dt: latencies, blocks in call order, inserted slots. Pure functions.

Every group has one operation per slot. An edge has a latency in slots between the operations of its ends: its delay, and one more
where it brings charge, current or conductance to a neuron that emits before it advances (what flows during slot k is seen at
t_{k+1}).
Only loops whose latencies are all zero need an inserted slot. Nodes are numbered by sorted tags: insertion order cannot matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..base.clock import nearest_slots, slots
from . import graph
from .spec import Spec
from .wiring import LATE, Wire, Wiring, emits_first


class Block(NamedTuple):
    """Groups that are executed together, in order: in slices of ``length`` slots, or over all time at once where it is None."""

    tags: tuple[str, ...]
    length: int | None


@dataclass(frozen=True)
class Schedule:
    """The call order of all groups for one dt (s)."""

    dt: float
    blocks: tuple[Block, ...]
    latency: tuple[int, ...]  # slots, of each wire, the inserted ones included
    inserted: frozenset[int]  # wires with an inserted slot
    notes: tuple[str, ...] = field(default=())


def schedule(wiring: Wiring, specs: Mapping[str, Spec], dt: float, *, learn: bool = True) -> Schedule:
    """Return the call order for one dt (s): blocks in topological order, slices, inserted slots.

    Where nothing is to ``learn``, rules see nothing, so that their targets close no loop.
    """
    index = {tag: i for i, tag in enumerate(wiring.tags)}
    latency: list[int] = []
    notes: list[str] = []
    for w in wiring.wires:
        if w.role == "signal":
            assert w.delay is not None
            shortest = float(w.delay.min()) if w.delay.numel() else 0.0
            latency.append(slots(shortest, dt))
            notes += _rounding(w, dt)
        else:
            late = w.role in LATE or (w.role == "port" and _flows_late(w, specs[w.target]))
            latency.append(int(late))
    instant = [i for i, (w, lat) in enumerate(zip(wiring.wires, latency, strict=True)) if lat == 0]
    # An inserted slot changes least where a delay was declared that this dt rounds away; ports only if nothing else closes the
    # loop.
    arcs = [
        graph.Edge(index[wiring.wires[i].source], index[wiring.wires[i].target], 0, _cost(wiring.wires[i], dt)) for i in instant
    ]
    inserted = frozenset(instant[a] for a in graph.feedback_arcs(len(wiring.tags), arcs))
    latency = [lat + (i in inserted) for i, lat in enumerate(latency)]
    edges = [
        graph.Edge(index[w.source], index[w.target], lat, 1.0)
        for w, lat in zip(wiring.wires, latency, strict=True)
        if learn or w.role not in LATE
    ]
    blocks = []
    for component in graph.components(len(wiring.tags), edges):
        blocks.append(_block(component, edges, wiring.tags))
    return Schedule(dt, tuple(blocks), tuple(latency), inserted, tuple(notes))


def _flows_late(w: Wire, target: Spec) -> bool:
    """Whether what enters a port in slot k is seen at t_{k+1}."""
    return emits_first(target) and target.model.ports[w.port].kind != "events"


def _cost(w: Wire, dt: float) -> float:
    if w.role != "signal":
        return 2.0
    assert w.delay is not None
    return 1.0 - min(float(w.delay.min()) / dt, 0.5) if w.delay.numel() else 1.0


def _rounding(w: Wire, dt: float) -> list[str]:
    assert w.delay is not None
    error = w.moved + ((nearest_slots(w.delay, dt) * dt - w.delay).abs().max().item() if w.delay.numel() else 0.0)
    return [f"{w.source} -> {w.target}: delay rounded to whole slots, by at most {error:.3g} s"] if error > 1e-6 * dt else []


def _block(component: list[int], edges: list[graph.Edge], tags: tuple[str, ...]) -> Block:
    local = {node: i for i, node in enumerate(sorted(component))}
    nodes = sorted(component)
    inner = [
        graph.Edge(local[e.source], local[e.target], e.latency, e.weight)
        for e in edges
        if e.source in local and e.target in local
    ]
    length = graph.slice_length(len(nodes), inner)
    before = [e for e in inner if length is None or e.latency < length]
    return Block(tuple(tags[nodes[i]] for i in graph.topological(len(nodes), before)), length)
