"""The wiring of a network: sizes, kinds of signal and ports, all that does not depend on dt. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base import random
from ..base.clock import nearest_slots
from ..base.errors import GraphError, suggest
from ..base.parameters import Distribution, Kind, to_tensor
from ..models.contract import Connection, Neuron, Source, Synapse
from .connectivity import Connectivity, EdgeList, matrix_edges
from .convolution import Shared, SharedConnectivity
from .delay import delay_tensor
from .spec import Address, Spec, address
from .wiring_checks import check_tags, fitting_ports

ROLES = {
    "signal": "an output, or a state, into a connection",
    "port": "a connection into a port of its target",
    "reads": "a state of a target into its connection",
    "learning": "a target's output, or a state of it, into the rule of its connection",
    "modulator": "the third factor into a rule",
}
LATE = ("learning", "modulator")  # a rule sees slot k when it changes the weights for slot k + 1


class Wire(NamedTuple):
    """One edge between groups, before time is cut into slots."""

    source: str
    target: str
    role: str  # one of `ROLES`
    kind: Kind
    port: str  # the target's port, "" for a signal
    offset: int  # where the source's units start on the target's pre axis (signal), or the target's on the connection's (port)
    width: int
    delay: (
        Tensor | None
    )  # s, for a signal: [] or [pre, 1] or [1, post] or [pre, post] of this source's rows; [edge] of this source's edges
    moved: float = 0.0  # s, the most that a drawn delay was moved to the grid of `init`
    state: str = ""  # the state of the source that travels; empty: its output


@dataclass(frozen=True)
class Wiring:
    """Sizes, kinds and edges of a network: all that does not depend on dt."""

    tags: tuple[str, ...]  # sorted
    n: Mapping[str, int]
    n_pre: Mapping[str, int]
    kinds: Mapping[str, Kind]
    wires: tuple[Wire, ...]
    edges: Mapping[str, EdgeList] = field(default_factory=dict)  # of connections that are sparse
    shared: Mapping[str, Shared] = field(default_factory=dict)  # of those whose edges share weights


def wire(specs: Mapping[str, Spec], seed: int, dt: float | None = None) -> Wiring:
    """Check that groups fit together, and find sizes, kinds and edges.

    Args:
        specs: what each group was asked for, by tag.
        seed: the seed of edges and delays that are drawn.
        dt: the grid on which drawn delays lie, s; None leaves them as they were drawn.

    Raises:
        GraphError: unknown tags, sizes that do not match, kinds that no port takes.
    """
    tags = tuple(sorted(specs))
    for tag in tags:
        check_tags(specs[tag], specs)
    n = _sizes(specs)
    n_pre = {tag: sum(n[s.tag] for s in specs[tag].sources) for tag in tags}
    kinds = _kinds(specs)
    edges = {tag: _edges(specs[tag], n_pre[tag], n[tag], seed) for tag in tags if specs[tag].connect is not None}
    shared = {
        tag: rule.shared(f"{specs[tag].where}.connect", n_pre[tag], n[tag])
        for tag in tags
        if isinstance(rule := specs[tag].connect, SharedConnectivity)
    }
    wires: list[Wire] = []
    for tag in tags:
        spec = specs[tag]
        if isinstance(spec.model, Connection):
            wires += _signals(spec, specs, n, n_pre, kinds, seed, edges.get(tag), dt)
            wires += _ports(spec, specs, n, kinds)
    for tag in tags:
        wires += _readings(specs[tag], specs, n, kinds)
    return Wiring(tags, n, n_pre, kinds, tuple(wires), edges, shared)


def _readings(spec: Spec, specs: Mapping[str, Spec], n: Mapping[str, int], kinds: Mapping[str, Kind]) -> list[Wire]:
    """Return what a connection and its rule read of the targets, and the third factor of the rule."""
    wires: list[Wire] = []
    if not isinstance(spec.model, Connection):
        return wires
    rule, offset = spec.rule, 0
    for target in spec.target:
        ends = target, spec.tag
        wires += [Wire(*ends, "reads", "values", "", offset, n[target], None, 0.0, name) for name in spec.model.reads]
        if rule is not None:
            wires.append(Wire(*ends, "learning", kinds[target], "", offset, n[target], None))
            wires += [Wire(*ends, "learning", "values", "", offset, n[target], None, 0.0, name) for name in rule.reads]
        offset += n[target]
    if spec.modulator is not None:
        tag, state = address(spec.modulator)
        if n[tag] not in (1, n[spec.tag]):
            raise GraphError(
                f"{spec.where}.modulator",
                f"must have one unit, or one for each of the {n[spec.tag]} units of the target",
                got=f"{n[tag]} units of {tag!r}",
            )
        wires.append(Wire(tag, spec.tag, "modulator", "values" if state else kinds[tag], "", 0, n[tag], None, 0.0, state))
    return wires


def _edges(spec: Spec, n_pre: int, n: int, seed: int) -> EdgeList:
    where = f"{spec.where}.connect"
    if isinstance(spec.connect, Connectivity):
        return spec.connect.edges(where, n_pre, n, random.key(seed, spec.tag, "connect"))
    return matrix_edges(where, to_tensor(where, spec.connect), n_pre, n)


def _sizes(specs: Mapping[str, Spec]) -> dict[str, int]:
    """Return the number of units of each group: neurons and sources say it, connections take it from their partners."""
    n = {}
    for tag in sorted(specs):
        spec = specs[tag]
        if not isinstance(spec.model, Connection):
            if spec.n is None:
                raise GraphError(spec.where, "needs a number of units", fix="Give n=..., e.g. n=100.")
            n[tag] = spec.n
        elif not spec.target and spec.n is None and not spec.model.one_to_one:
            raise GraphError(spec.where, "needs a target, or n= units of its own", fix="Give target='TAG' or n=...")
        elif not spec.target and spec.n is not None:
            n[tag] = spec.n

    def size(spec: Spec) -> int | None:
        partners = spec.target or tuple(s.tag for s in spec.sources)
        return sum(n[t] for t in partners) if all(t in n for t in partners) else None

    _spread(specs, n, size)
    for tag in sorted(specs):
        _check_size(specs[tag], specs, n)
    return n


def _check_size(spec: Spec, specs: Mapping[str, Spec], n: Mapping[str, int]) -> None:
    if spec.tag not in n:
        raise GraphError(
            spec.where,
            "its size depends on itself, through a loop of connections",
            fix="Give n= to one of them, without a target.",
        )
    if not isinstance(spec.model, Connection):
        return
    if spec.model.one_to_one and spec.source:
        by_source = sum(n[s.tag] for s in spec.sources)
        if by_source != n[spec.tag]:
            raise GraphError(
                spec.where,
                "is one-to-one: source and target must have the same number of units",
                got=f"{by_source} and {n[spec.tag]}",
            )
    if spec.n is not None and spec.n != n[spec.tag]:
        raise GraphError(
            f"{spec.where}.n", f"must equal the units of its target, {n[spec.tag]}", got=str(spec.n), fix="Leave n out."
        )


def _kinds(specs: Mapping[str, Spec]) -> dict[str, Kind]:
    """Return the kind of signal that each group emits."""
    kinds: dict[str, Kind] = {}
    for tag in sorted(specs):
        model = specs[tag].model
        if isinstance(model, Source | Neuron):
            kinds[tag] = model.emits
        elif isinstance(model, Connection) and not model.accepts:
            kinds[tag] = model.emits_for("charge")

    def kind(spec: Spec) -> Kind | None:
        known = next((kind for s in spec.sources if (kind := _kind_of(s, kinds)) is not None), None)
        assert isinstance(spec.model, Connection)
        return None if known is None else spec.model.emits_for(known)

    _spread(specs, kinds, kind)
    for tag in sorted(specs):
        kinds.setdefault(tag, "values")  # a loop of connections that nothing enters
    for tag in sorted(specs):
        _check_kind(specs[tag], specs, kinds)
    return kinds


def _kind_of(signal: Address, kinds: Mapping[str, Kind]) -> Kind | None:
    """Return the kind of a signal, None where it is not known yet: states are levels."""
    return "values" if signal.state else kinds.get(signal.tag)


def _check_kind(spec: Spec, specs: Mapping[str, Spec], kinds: Mapping[str, Kind]) -> None:
    model = spec.model
    if not isinstance(model, Connection) or not model.accepts:
        return
    inputs = sorted({kind for s in spec.sources if (kind := _kind_of(s, kinds)) is not None})
    if len(inputs) > 1:
        raise GraphError(
            spec.where,
            "its sources must emit the same kind of signal",
            got=" and ".join(inputs),
            fix="Add one connection for each kind.",
        )
    if inputs[0] not in model.accepts:
        raise GraphError(
            spec.where,
            f"takes {' or '.join(model.accepts)}",
            got=f"{inputs[0]} from {spec.source[0]!r}",
            fix="Use WeightedSum or Link for graded signals." if inputs[0] != "events" else "Take a level, e.g. source='TAG.v'.",
        )
    if "bias" in spec.given and kinds[spec.tag] != "values":
        if not spec.target:
            raise GraphError(
                f"{spec.where}.bias",
                f"is a level, and cannot travel with {kinds[spec.tag]}",
                fix="Give it to the connection that has the target.",
            )
        for target in spec.target:
            level_port(spec, specs[target])
    if spec.rule is not None:
        for target in spec.target:
            if kinds[target] not in spec.rule.learns_from:
                spiking = "events" in spec.rule.learns_from
                what = "targets that spike" if spiking else f"targets that give {' or '.join(spec.rule.learns_from)}"
                raise GraphError(
                    f"{spec.where}.rule",
                    f"needs {what}",
                    got=f"{kinds[target]} from {target!r}",
                    fix="E.g. ship.LIF, or leave rule= out." if spiking else "E.g. ship.LeakyIntegrator, or leave rule= out.",
                )


def _spread(specs: Mapping[str, Spec], known: dict[str, Any], of: Callable[[Spec], Any]) -> None:
    """Find what follows from the partners of each group, until nothing new follows."""
    waiting = [tag for tag in sorted(specs) if tag not in known]
    while waiting:
        before = len(waiting)
        for tag in waiting:
            value = of(specs[tag])
            if value is not None:
                known[tag] = value
        waiting = [tag for tag in waiting if tag not in known]
        if len(waiting) == before:
            return


def _signals(
    spec: Spec,
    specs: Mapping[str, Spec],
    n: Mapping[str, int],
    n_pre: Mapping[str, int],
    kinds: Mapping[str, Kind],
    seed: int,
    edges: EdgeList | None,
    dt: float | None,
) -> list[Wire]:
    one = isinstance(spec.model, Connection) and spec.model.one_to_one
    if isinstance(spec.model, Synapse) and spec.model.side == "pre":
        edges = None  # what arrives belongs to units
    delay, moved = _on_grid(spec, delay_tensor(spec, n_pre[spec.tag], 1 if one else n[spec.tag], seed, edges), dt)
    if delay.ndim == 2 and delay.shape[1] > 1 and isinstance(spec.model, Synapse) and spec.model.side == "pre":
        raise GraphError(
            f"{spec.where}.delay",
            "per connection needs the state on the other side",
            got="side='pre'",
            fix="Use side='post' or 'connection'.",
        )
    wires, offset = [], 0
    for source, state in spec.sources:
        if edges is not None:
            rows = delay[of_source(edges.pre, offset, n[source])] if delay.ndim else delay
        else:
            rows = delay if delay.ndim == 0 or delay.shape[0] == 1 else delay[offset : offset + n[source]]
        kind: Kind = "values" if state else kinds[source]
        wires.append(Wire(source, spec.tag, "signal", kind, "", offset, n[source], rows, moved, state))
        offset += n[source]
    return wires


def _on_grid(spec: Spec, delay: Tensor, dt: float | None) -> tuple[Tensor, float]:
    """Move drawn delays to whole slots of dt, and return by how much the farthest was moved (s).

    Each different delay is a line of its own, and a continuous distribution would make as many lines as connections.
    """
    drawn = isinstance(spec.delay, Distribution) or (callable(spec.delay) and not isinstance(spec.delay, Tensor))
    if dt is None or not drawn or not delay.numel():
        return delay, 0.0
    moved = nearest_slots(delay, dt) * dt
    return moved, float((moved - delay).abs().max())


def made_delays(wiring: Wiring, tag: str) -> Tensor | None:
    """Return the delays (s) of a connection as they were made: ``[pre, post]``, ``[pre, 1]`` or one number.

    None stands for a sparse connection, and for a group that takes no signal.
    """
    if tag in wiring.edges:
        return None
    found = [
        w.delay.expand(w.width, -1) if w.delay.ndim else w.delay
        for w in wiring.wires
        if w.target == tag and w.role == "signal" and w.delay is not None
    ]
    return None if not found else (found[0] if found[0].ndim == 0 else torch.cat(found))


def of_source(pre: Tensor, offset: int, width: int) -> Tensor:
    """Return the edges that come from units ``offset .. offset + width - 1``, as indices."""
    return ((pre >= offset) & (pre < offset + width)).nonzero().flatten()


def _ports(spec: Spec, specs: Mapping[str, Spec], n: Mapping[str, int], kinds: Mapping[str, Kind]) -> list[Wire]:
    wires, offset = [], 0
    for target in spec.target:
        port = _port(spec, specs[target], kinds[spec.tag])
        wires.append(Wire(spec.tag, target, "port", kinds[spec.tag], port, offset, n[target], None))
        offset += n[target]
    return wires


def _port(spec: Spec, target: Spec, kind: Kind) -> str:
    ports = fitting_ports(spec, target)
    if spec.port is not None:
        if spec.port not in ports:
            raise GraphError(f"{spec.where}.port", f"{target.where} has no port {spec.port!r}", fix=suggest(spec.port, ports))
        if (ports[spec.port].kind == "events") != (kind == "events"):
            raise GraphError(
                f"{spec.where}.port", f"port {spec.port!r} of {target.where} takes {ports[spec.port].kind}", got=kind
            )
        return spec.port
    for wanted in {"events": ("events",), "charge": ("charge", "values"), "values": ("charge", "values")}[kind]:
        found = [name for name, port in ports.items() if port.kind == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise GraphError(
                spec.where, f"{target.where} has several ports for {kind}", got=", ".join(found), fix="Name one with port='...'."
            )
    raise GraphError(
        spec.where,
        f"{target.where} has no port that takes {kind}",
        got="ports " + ", ".join(f"{k} ({p.kind})" for k, p in ports.items()),
        fix="Use a synapse that emits charge, e.g. ExpSynapse." if kind == "events" else "Use another target.",
    )


def level_port(spec: Spec, target: Spec) -> str:
    """Return the port of the target into which a bias flows.

    Raises:
        GraphError: no port, or several, take a level.
    """
    found = [name for name, port in target.model.ports.items() if port.kind != "events"]
    if len(found) != 1:
        raise GraphError(
            f"{spec.where}.bias",
            f"{target.where} must have one port for levels",
            got=", ".join(found) or "none",
            fix="Use a CurrentInput with port='...'.",
        )
    return found[0]


def emits_first(spec: Spec) -> bool:
    """Return whether the group is a neuron that emits before it advances."""
    model = spec.model
    return isinstance(model, Neuron) and getattr(model, "emit_order", "before") != "after"
