"""What a group gives to kernels. What it does in a slot is the same function of `slot` that the reference engine calls.

A cell is a group with the connections that do nothing but feed it: together they are one step of a tape, one kernel. A neuron
that emits first does, for slot k, the advance over slot k - 1; the connections that bring what flows over that slot then act
for slot k - 1, too, and after the last slot of a segment they are one slot behind (`Partition.finish`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ....models.contract import Connection
from ...reference.connection import ConnectionNode
from ...reference.neuron import NeuronNode
from ...reference.node import Node, coefficients_of
from ...reference.plastic import learns
from ...reference.source import SourceNode
from ...signals.line import Line
from ...signals.products import project
from ...trees import flatten, unflatten
from ..kernels.group_kernel import Contest, GroupKernel, JoinedFeed, KernelKey, built, competes, split
from ..run import cuda
from ..tape.edges import Structure
from ..trace.program import Untraceable, as_constants
from . import edge_rule, pulses, rule


class Sum(NamedTuple):
    """A sum through weights that is not done yet."""

    arrivals: Tensor  # [slot, chip or 1, batch, pre]
    weight: Tensor  # [pre, post] or [chip, 1, pre, post]

    def done(self) -> Tensor:
        return project(self.arrivals, self.weight)


class NodeSide:
    """What one node gives to kernels: its operands, its constants."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.structures: dict[int, Structure] = {}
        self.learners: dict[Any, rule.Learner] = {}
        self.device_learners: dict[Any, pulses.DeviceLearner] = {}
        self._leaves: tuple[Any, Any, tuple[list[str], list[Tensor], Any]] | None = None  # of these parameters, coefficients

    @property
    def n(self) -> int:
        """How many units the kernel works on."""
        group = self.node.group
        return group.n_pre if group.side == "pre" else group.n

    @cached_property
    def names(self) -> list[str]:
        """The operands: for a neuron impulses, other ports, noise; for a connection what arrives, or its ports."""
        node, model = self.node, self.node.group.model
        if isinstance(node, NeuronNode):
            return [*(["jump"] if node.jumps else []), *node.flows, *model.noise]
        assert isinstance(model, Connection)
        return [*(["value"] if model.accepts else model.ports), *model.noise, *model.reads]

    def refusal(self) -> str | None:
        """Why the node stays with the reference engine, as far as it can be said without tracing."""
        node = self.node
        if isinstance(node, SourceNode):
            return "a source"
        if node.group.hardware is not None and node.group.hardware.converts:
            return "converters at its columns"
        if node.group.hardware is not None and node.group.hardware.noisy and node.group.side == "post":
            return "its devices are read with noise in each slot"
        if node.tapped and self.grid:
            return "states on every connection that are signals"
        if isinstance(node, ConnectionNode) and node.reads and self.grid:
            return "a state on every connection, and reads its target"
        if learns(node) and node.feed.per_connection:
            return "a plastic synapse with a delay on every connection"
        if learns(node) and node.edges is not None and (why := edge_rule.refusal(node)) is not None:
            return why
        if isinstance(node, ConnectionNode) and self.grid and node.group.model.noise:
            return "noise on every connection"
        if learns(node) and node.group.hardware is not None and (why := pulses.refusal(node)) is not None:
            return why
        if competes(node.group.model) and node.group.zero.device.type != "cpu":
            return "a winner that takes all, away from the CPU"
        return cuda.refusal(node.group.zero.device, node.group.side)

    @property
    def grid(self) -> bool:
        """Whether the kernel works on single connections."""
        return self.node.group.side == "connection"

    @property
    def worthwhile(self) -> bool:
        """Whether a kernel does better than one operation over all slots, which a connection without a state is."""
        model = self.node.group.model
        sparse = isinstance(self.node, ConnectionNode) and self.node.edges is not None
        return sparse or not (isinstance(model, Connection) and model.accepts and not model.states)

    # -- the kernel --------------------------------------------------------------------------------------------------------

    def leaves(self) -> tuple[list[str], list[Tensor], Any]:
        """Names of the parameters that are read by unit; their tensors followed by the coefficients; the tree of these."""
        p, c = self.node.p, self.node.c
        if self._leaves is None or self._leaves[0] is not p or self._leaves[1] is not c:
            found = self._find_leaves()
            if isinstance(self.node, ConnectionNode) or any(leaf.requires_grad for leaf in found[1]):
                return found  # nothing may outlive the graph
            self._leaves = p, c, found
        return self._leaves[2]

    def _find_leaves(self) -> tuple[list[str], list[Tensor], Any]:
        group = self.node.group
        per_connection = {k for k, d in group.declarations.items() if d.per == "connection"} if group.side != "unit" else set()
        names = [k for k, v in vars(self.node.p).items() if k not in per_connection and isinstance(v, Tensor)]
        coefficients, tree = coefficients_of(self.node)
        like = group.zero
        return names, [vars(self.node.p)[k] for k in names] + as_constants(coefficients, like), tree

    def kind(self, watched: bool, names: Sequence[str], count: int, tree: Any) -> KernelKey:
        """Return what the trace depends on. ``names``, ``count`` and ``tree`` are those of `leaves`."""
        node, group = self.node, self.node.group
        states, state_tree = flatten(group.state_form())
        return KernelKey(
            model=group.model,
            operands=tuple(self.names),
            first=node.first if isinstance(node, NeuronNode) else None,
            bias=isinstance(node, ConnectionNode) and node.bias and group.side != "pre",
            refractory=group.refractory,
            watched=watched,
            names=tuple(names),
            count=count,
            tree=tree,
            states=tuple(s.dtype == torch.bool for s in states),
            state_tree=state_tree,
            dtype=group.dtype,
        )

    def learner(self) -> rule.Learner | None:
        """The kernels of the rule of a plastic synapse, traced once for each kind of constants."""
        if not learns(self.node):
            return None
        if self.node.group.hardware is not None:
            return self.device_learner()[0].rule
        key = rule.key(self.node)
        if key not in self.learners:
            self.learners[key] = rule.build(self.node)
        return self.learners[key]

    def device_learner(self) -> tuple[pulses.DeviceLearner, Any]:
        """The kernels of a rule that pulses devices, and the tensors of these."""
        assert learns(self.node)
        tensors = pulses.tensors_of(pulses.devices_of(self.node))
        key = rule.key(self.node), pulses.key(self.node, tensors)
        if key not in self.device_learners:
            self.device_learners[key] = pulses.build(self.node, tensors)
        return self.device_learners[key], tensors

    def unit(self, span: tuple[int, int], *given: Any) -> rule.Unit:
        """Return what a plastic synapse adds to a tape; ``span``: the first slot before which it may learn, and how many;
        ``given``: for a `Unit`.
        """
        assert learns(self.node)
        if self.node.group.hardware is not None:
            return pulses.PulseUnit(self.node, *self.device_learner(), span, *given)
        learner = self.learner()
        assert learner is not None
        if self.node.edges is not None:
            edges = self.structure(None, torch.arange(len(self.node.edges.pre)), 0, self.node.group.n_pre)
            return edge_rule.EdgeUnit(self.node, learner, edges, *given)
        return rule.Unit(self.node, learner, *given)

    def structure(self, line: Line | None, chosen: Tensor, offset: int, width: int) -> Structure:
        """Return the edges of one source and delay, in the order in which kernels follow them.

        Raises:
            Untraceable: they are not on the CPU.
        """
        node = self.node
        assert isinstance(node, ConnectionNode)
        assert node.edges is not None
        if node.like.device.type != "cpu":
            raise Untraceable(f"no kernels for {node.like.device.type} that follow edges")
        if id(line) not in self.structures:
            self.structures[id(line)] = Structure(node.edges, chosen, offset, width, node.group.n)
        return self.structures[id(line)]

    # -- what it is given --------------------------------------------------------------------------------------------------

    def lines(self, name: str) -> list[tuple[Line, int, int]]:
        """The lines that enter an operand of ports: line, first unit, units."""
        node = self.node
        if name == "jump":
            assert isinstance(node, NeuronNode)
            return [line for port in node.jumps for line in node.ports.get(port, ())]
        if isinstance(node, ConnectionNode) and name in node.reads:
            return [(line, 0, line.width) for line in node.reads[name]]
        return node.ports.get(name, [])

    def late(self, name: str) -> int:
        """Slots from what enters an operand to the slot whose operation reads it."""
        node = self.node
        return int(isinstance(node, NeuronNode) and node.first and name != "jump")

    def sum(self, k0: int, n: int) -> Tensor | Sum:
        """The sums of a connection through its weights, all from outside; to be done later where one product makes them."""
        node = self.node
        assert isinstance(node, ConnectionNode)
        weight, feed = node.weight, node.feed
        if feed.edges is not None or feed.per_connection or feed.product is not project or weight.device.type != "cpu":
            return feed.weighted(k0, n, weight, node.like)
        x = feed.arrivals(k0, n, node.like)
        chips = len(weight) if weight.ndim == 4 else 1
        whole = (
            x.shape[2] == node.lead[1] and (weight.ndim == 2 or weight.shape[1] == 1) and max(x.shape[1], chips) == node.lead[0]
        )
        return Sum(x, weight) if whole else project(x, weight)

    def external(self, name: str, k0: int, n: int, skip: Sequence[Line]) -> Tensor | Sum | None:
        """The sum of what enters an operand from outside, ``[n, chip, batch, unit]``; None for nothing. Of lines to ``skip`` only
        what was in flight.
        """
        node, model = self.node, self.node.group.model
        if name in model.noise:
            return node.noise(name, k0, n)
        if name == "value":
            assert isinstance(node, ConnectionNode)
            if all(line in skip and line.early(k0, n, node.like) is None for line in node.feed.lines):
                return None
            if node.group.side == "post" and not learns(node):
                if not any(line in skip for line in node.feed.lines):
                    return self.sum(k0, n)
                return node.feed.weighted(k0, n, node.weight, node.like, skip)
            return node.feed.arrivals(k0, n, node.like, skip)
        if isinstance(node, ConnectionNode) and name in node.reads:
            return self._read_outside(name, k0, n, skip)
        ports = node.jumps if name == "jump" and isinstance(node, NeuronNode) else [name]
        total: Tensor | None = None
        for port in ports:
            value = node.port_window(port, k0, n, skip)
            if value is not None:
                total = value if total is None else total + value
        return total

    def _read_outside(self, name: str, k0: int, n: int, skip: Sequence[Line]) -> Tensor | None:
        """What a connection reads of targets outside, and what it read of those inside before the segment."""
        node = self.node
        assert isinstance(node, ConnectionNode)
        parts = [line.early(k0, n, node.like) if line in skip else line.window(k0, n, node.like) for line in node.reads[name]]
        if all(part is None for part in parts):
            return None
        zeros = (node.like.new_zeros(n, 1, 1, line.width) for line in node.reads[name])
        return node.per_target([zero if part is None else part for part, zero in zip(parts, zeros, strict=True)])


class Cell:
    """A group with the connections that only feed it, as one step."""

    def __init__(self, main: NodeSide, feeds: Sequence[NodeSide]) -> None:
        self.main, self.node, self.n = main, main.node, main.n
        self.feeds = list(feeds)
        self.fed: list[Line] = []  # from the feeds
        self._built: tuple[Any, bool, GroupKernel] | None = None  # for what, whether dt is a constant of it, the kernel
        self._clocks: tuple[Tensor, Tensor, Tensor] | None = None  # for the float type of the first
        self.into: list[tuple[str, str]] = []  # for each the operand that it enters, and how its kind is converted
        for feed in feeds:
            port, line = next(
                (port, line) for port, lines in self.node.ports.items() for line, _, _ in lines if line.trace is feed.node.trace
            )
            wanted = self.node.group.model.ports[port].kind
            how = "none" if line.kind == wanted else ("mul" if wanted == "charge" else "div")
            jumps = isinstance(self.node, NeuronNode) and port in self.node.jumps
            self.fed.append(line)
            self.into.append(("jump" if jumps else port, how))

    @cached_property
    def parts(self) -> list[NodeSide]:
        return [*self.feeds, self.main]

    @cached_property
    def operands(self) -> list[tuple[NodeSide, str]]:
        return [(part, name) for part in self.parts for name in part.names]

    def late(self, part: NodeSide, name: str) -> int:
        """Slots from what enters an operand to the slot whose operation reads it."""
        return self.main.late(name if part is self.main else self.into[self.feeds.index(part)][0])

    @cached_property
    def behind(self) -> list[Node]:
        """The nodes of feeds that act for the slot before."""
        return [feed.node for feed, (operand, _) in zip(self.feeds, self.into, strict=True) if self.main.late(operand)]

    def build(self, watched: bool) -> tuple[GroupKernel, list[Tensor]]:
        """The kernel, traced once for all cells of a kind, and all leaves of parameters and coefficients.

        Raises:
            Untraceable: there is none.
        """
        leaves = [part.leaves() for part in self.parts]
        whole = [leaf for _, mine, _ in leaves for leaf in mine]
        own = [
            (part.node.group.refractory, names, len(mine), tree)
            for part, (names, mine, tree) in zip(self.parts, leaves, strict=True)
        ]
        told = watched, own
        if self._built is None or self._built[0] != told:
            kinds = [part.kind(watched and part is self.main, *given) for part, (_, *given) in zip(self.parts, own, strict=True)]
            feeds = [
                JoinedFeed(kind, operand, bool(self.main.late(operand)), how)
                for kind, (operand, how) in zip(kinds, self.into, strict=False)
            ]
            kind = replace(kinds[-1], feeds=tuple(feeds))
            self._built = told, kind.timed, built(kind)
        _, timed, found = self._built
        return found, [*whole, self.node.like.new_tensor(self.node.dt)] if timed else whole

    @property
    def states(self) -> list[Tensor]:
        return [s.to(self.node.group.dtype) for part in self.parts for s in flatten(part.node.state)[0]]

    def leave(self, after: Sequence[Tensor], flags: Sequence[bool]) -> None:
        """Hand the final states to the nodes."""
        states = [a != 0 if flag else a for a, flag in zip(after, flags, strict=True)]
        trees = [flatten(part.node.state) for part in self.parts]
        for part, own, (_, tree) in zip(self.parts, split(states, [len(leaves) for leaves, _ in trees]), trees, strict=True):
            part.node.state = unflatten(own, tree)

    def _clock(self, advancing: bool) -> Tensor:
        """Return the constant that says whether there is a slot to advance over, 1 or 0."""
        like = self.node.like
        if self._clocks is None or self._clocks[0] is not like:
            self._clocks = like, like + 0.0, like + 1.0
        return self._clocks[1 + advancing]

    def constants(self, built: GroupKernel | Contest, leaves: Sequence[Tensor], advancing: bool) -> list[Tensor]:
        """Return the leaves that the kernel reads, in its order."""
        chosen = [leaves[i] for i in built.constants]
        if built.go >= 0:
            chosen.insert(built.go, self._clock(advancing))
        return chosen
