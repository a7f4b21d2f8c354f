"""The fused engine: groups whose operations are pointwise run as kernels, alone over all time or together in a loop.

What a group does is the same `operation` that the reference engine calls; its sums through weights are the same `Feed`. Groups
that cannot be traced stay with their reference nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..models.contract import Connection
from . import plastic, scan
from .built import Built, Kind, built
from .kernel import Kernel
from .lines import Line
from .program import NotNow, Untraceable, as_constants
from .reference import ConnectionNode, NeuronNode, Node, PlasticNode, SourceNode, coefficients_of
from .tape import Arguments, Signal, Source, Step, Structure, Tape, run


class Fused:
    """The fused side of one node: its kernels, its operands, its constants."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.structures: dict[int, Structure] = {}
        self.learners: dict[Any, plastic.Learner] = {}

    @property
    def n(self) -> int:
        """Units that the kernel works on."""
        group = self.node.group
        return group.n_pre if group.side == "pre" else group.n

    @property
    def names(self) -> list[str]:
        """The operands: for a neuron impulses, other ports, noise; for a connection what arrives, or its ports."""
        node, model = self.node, self.node.group.model
        if isinstance(node, NeuronNode):
            return [*(["jump"] if node.jumps else []), *node.flows, *model.noise]
        assert isinstance(model, Connection)
        return [*(["value"] if model.accepts else model.ports), *model.noise]

    def refusal(self) -> str | None:
        """Why the node stays with the reference engine, as far as it can be said without tracing."""
        node = self.node
        if isinstance(node, SourceNode):
            return "a source"
        if node.group.hardware is not None and node.group.hardware.converts:
            return "converters at its columns"
        if node.group.hardware is not None and node.group.hardware.noisy and node.group.side == "post":
            return "its devices are read with noise in each slot"
        if isinstance(node, PlasticNode) and node.group.hardware is not None:
            return "learns by pulses on its devices"
        if isinstance(node, PlasticNode) and (node.feed.per_connection or node.edges is not None):
            return "a plastic synapse on edges, or with a delay on every connection"
        if isinstance(node, ConnectionNode) and node.edges is not None and self.grid:
            return "a state on every edge"
        if isinstance(node, ConnectionNode) and self.grid and node.feed.per_connection:
            return "a state and a delay on every connection"
        return scan.refusal(node.group.zero.device, node.group.side)

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
        group = self.node.group
        per_connection = {k for k, d in group.declarations.items() if d.per == "connection"} if group.side != "unit" else set()
        names = [k for k, v in vars(self.node.p).items() if k not in per_connection and isinstance(v, Tensor)]
        coefficients, tree = coefficients_of(self.node)
        like = group.zero
        return names, [vars(self.node.p)[k] for k in names] + as_constants(coefficients, like), tree

    def build(self, watched: bool) -> tuple[Built, list[Tensor]]:
        """The kernel, traced once for all groups of a kind, and all leaves of parameters and coefficients.

        Raises:
            Untraceable: there is none.
        """
        names, leaves, tree = self.leaves()
        node, group = self.node, self.node.group
        states, state_tree = tree_flatten(group.fresh_state((1, 1)))
        kind = Kind(
            model=group.model,
            operands=tuple(self.names),
            first=node.first if isinstance(node, NeuronNode) else None,
            bias=isinstance(node, ConnectionNode) and node.bias and group.side != "pre",
            refractory=group.refractory,
            watched=watched,
            names=tuple(names),
            count=len(leaves),
            tree=tree,
            states=tuple(s.dtype == torch.bool for s in states),
            state_tree=state_tree,
            dtype=group.dtype,
        )
        return built(kind), leaves

    def learner(self) -> plastic.Learner | None:
        """The kernels of the rule of a plastic synapse, traced once for each kind of constants."""
        if not isinstance(self.node, PlasticNode):
            return None
        key = plastic.key(self.node)
        if key not in self.learners:
            self.learners[key] = plastic.build(self.node)
        return self.learners[key]

    def structure(self, line: Line | None, chosen: Tensor, offset: int, width: int) -> Structure:
        """The edges of one source and delay."""
        node = self.node
        assert isinstance(node, ConnectionNode)
        assert node.edges is not None
        if id(line) not in self.structures:
            self.structures[id(line)] = Structure(node.edges, chosen, offset, width, node.group.n)
        return self.structures[id(line)]

    # -- what it is given --------------------------------------------------------------------------------------------------

    def constants(self, built: Built, leaves: Sequence[Tensor], advancing: bool) -> list[Tensor]:
        """Of the leaves those that the kernel reads, in its order."""
        chosen = [leaves[i] for i in built.constants]
        if built.go >= 0:
            chosen.insert(built.go, self.node.like + float(advancing))
        return chosen

    def lines(self, name: str) -> list[tuple[Line, int, int]]:
        """The lines that enter an operand of ports: line, first unit, units."""
        node = self.node
        if name == "jump":
            assert isinstance(node, NeuronNode)
            return [line for port in node.jumps for line in node.ports.get(port, ())]
        return node.ports.get(name, [])

    def late(self, name: str) -> int:
        """Slots from what enters an operand to the slot whose operation reads it."""
        node = self.node
        return int(isinstance(node, NeuronNode) and node.first and name != "jump")

    def external(self, name: str, k0: int, n: int, skip: Sequence[Line]) -> Tensor | None:
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
            if node.group.side == "post" and not isinstance(node, PlasticNode):
                return node.feed.weighted(k0, n, node.weight, node.like, skip)
            return node.feed.arrivals(k0, n, node.like, skip)
        ports = node.jumps if name == "jump" and isinstance(node, NeuronNode) else [name]
        total: Tensor | None = None
        for port in ports:
            value = node.port_window(port, k0, n, skip)
            if value is not None:
                total = value if total is None else total + value
        return total


class Block:
    """Groups that run together as one tape: one alone over a window, or a loop."""

    def __init__(self, nodes: Sequence[Node], fused: Sequence[Fused], length: int | None) -> None:
        self.length = length
        self.nodes, self.fused = list(nodes), list(fused)
        self.traces = {id(node.trace): i for i, node in enumerate(nodes)}

    def run(self, k0: int, n: int, kept: Sequence[int]) -> None:
        """Slots k0 .. k0 + n - 1. ``kept``: for each node how many of the last slots others will read; -1 for all."""
        for node in self.nodes:
            if isinstance(node, PlasticNode) and any(_learned(take) for take in node.takes):
                raise NotNow("a monitor of weights or traces that a rule changes")
        made = [f.build(bool(f.node.takes) and not outputs_only(f.node)) for f in self.fused]
        assembly = _Assembly(self, made, k0, n, kept)
        bench = scan.bench(self.nodes[0].group.zero.device)
        result = run(assembly.tape, assembly.given, assembly.lead, assembly.start, assembly.start + n, assembly.history, bench)
        assembly.finish(result.signals, result.leave)


def _learned(take: Any) -> bool:
    name = getattr(take, "name", "weight")
    return name == "weight" or name.startswith("rule.")


def outputs_only(node: Node) -> bool:
    """Whether what the monitors of a node want is there without being asked for."""
    changing = {*getattr(node.group.model.states, "_fields", ()), "margin", "wait", "held"}
    return all(getattr(take, "name", "margin") not in changing for take in node.takes)


class _Assembly:
    """A tape for one run of a block, with its arguments."""

    def __init__(self, block: Block, made: Sequence[tuple[Built, list[Tensor]]], k0: int, n: int, kept: Sequence[int]) -> None:
        self.block, self.built, self.k0, self.n = block, [b for b, _ in made], k0, n
        self.lead = block.nodes[0].lead
        self.signals: list[Signal] = []
        self.external: list[Tensor] = []
        self.matrices: list[Tensor] = []
        self.outs: list[tuple[int, ...]] = []
        self.final: list[int] = []  # the signal that is a node's output
        for node, fused, b, keep in zip(block.nodes, block.fused, self.built, kept, strict=True):
            mine = [self._internal(fused.n, keep)] + [self._internal(fused.n, -1) for _ in b.seen]
            self.outs.append(tuple(mine))
            self.final.append(self._internal(node.group.n, keep) if node.group.side == "pre" else mine[0])
        lags = [line.lag + fused.late(name) for fused in block.fused for name in fused.names for line in self._inner(fused, name)]
        lags += [1 for fused in block.fused if isinstance(fused.node, PlasticNode)]
        self.start = min(k0, max(lags, default=0))
        self.units: dict[int, plastic.Unit] = {}
        self.bare: list[Tensor] = []  # what arrives at plastic synapses from outside
        self.inner = False  # whether something does from groups of the block
        fields: list[Tensor] = []
        entry: list[Tensor] = []
        constants: list[Tensor] = []
        steps: list[Step] = []
        for i, (node, fused, (b, leaves)) in enumerate(zip(block.nodes, block.fused, made, strict=True)):
            states = tree_flatten(node.state)[0]
            learn = None
            if isinstance(node, PlasticNode):
                unit = self.units[i] = self._unit(fused, node)
                learn = unit.learn(fields)
                entry, constants, steps = entry + unit.entry, constants + unit.constants, steps + unit.steps
            entry += [s.to(node.group.dtype) for s in states]
            constants += fused.constants(b, leaves, k0 > 0)
            operands = tuple(
                self._through_rule(self.units[i]) if i in self.units and name == "value" else self._operand(fused, name)
                for name in fused.names
            )
            steps.append(Step(b.kernel, fused.n, operands, self.outs[i], b.go, learn))
            if node.group.side == "pre":
                steps.append(self._projection(i, constants))
        together = max((unit.together for unit in self.units.values()), default=1)
        self.tape = Tape(tuple(steps), tuple(self.signals), block.nodes[0].group.dtype, block.nodes[0].dt, block.length, together)
        self.given = Arguments(entry, self.external, constants, self.matrices, fields)
        self._check_gradients()
        self.history = [self._past(q) for q in self.tape.internal] if self.start else []

    def _internal(self, n: int, keep: int) -> int:
        self.signals.append(Signal(n, False, keep < 0))
        return len(self.signals) - 1

    def _unit(self, fused: Fused, node: PlasticNode) -> plastic.Unit:
        """A plastic synapse."""
        first = len(self.external)
        arrivals = self._operand(fused, "value")
        self.bare += self.external[first:]
        self.inner = self.inner or bool(self._inner(fused, "value"))
        learner = fused.learner()
        assert learner is not None
        at = [self.final[self.block.traces[id(line.trace)]] for line, _, _ in node.posts]
        posts = tuple(Source(q, line.lag + 1, n, 0, into) for q, (line, into, n) in zip(at, node.posts, strict=True))
        return plastic.Unit(node, learner, self.k0, arrivals, posts, self._rigid)

    def _check_gradients(self) -> None:
        """Raises:
        NotNow: a gradient would flow through the weights as they were in each slot.
        """
        every = (*self.given.entry, *self.given.signals, *self.given.constants, *self.given.matrices)
        through = any(t.requires_grad for t in self.bare) or (self.inner and any(t.requires_grad for t in every))
        if torch.is_grad_enabled() and through:
            raise NotNow("a gradient through weights that a rule changes")

    def _rigid(self, n: int) -> int:
        """An internal signal without a gradient."""
        self.signals.append(Signal(n, False, False, False))
        return len(self.signals) - 1

    def _through_rule(self, unit: plastic.Unit) -> tuple[Source, ...]:
        """What arrives, through weights that change."""
        self.matrices.append(unit.weight)
        return (Source(unit.arrived, 0, unit.group.n_pre, matrix=len(self.matrices) - 1),)

    def _outer(self, window: Tensor, lag: int) -> Source:
        self.external.append(window)
        self.signals.append(Signal(window.shape[-1], True))
        return Source(len(self.signals) - 1, lag, window.shape[-1])

    def _inner(self, fused: Fused, name: str) -> list[Line]:
        """The lines from groups of the block."""
        node = fused.node
        if name == "value":
            assert isinstance(node, ConnectionNode)
            every = node.feed.lines
        else:
            every = [line for line, _, _ in fused.lines(name)]
        return [line for line in every if id(line.trace) in self.block.traces]

    def _operand(self, fused: Fused, name: str) -> tuple[Source, ...]:
        node, late = fused.node, fused.late(name)
        inner = self._inner(fused, name)
        if name == "value" and isinstance(node, ConnectionNode) and node.edges is not None and node.group.side == "post":
            if not torch.is_grad_enabled():
                return tuple(self._along_edges(fused, node, inner))
            if inner:
                raise NotNow("edges in a loop, with gradients")
        sources: list[Source] = []
        # Slot k of the operation reads slot k - late; before the first slot there is nothing.
        first = max(0, self.k0 - late)
        slots = self.n - (late if self.k0 < late else 0)
        if slots > 0:
            window = fused.external(name, first, slots, inner)
            if window is not None:
                width = node.group.n_pre if isinstance(node, PlasticNode) and name == "value" else fused.n
                sources.append(self._outer(_wide(window, width), late if self.k0 < late else 0))
        if name == "value":
            assert isinstance(node, ConnectionNode)
            sources += self._through(fused, node, inner)
            return tuple(sources)
        for line, offset, width in fused.lines(name):
            if line in inner:
                i = self.block.traces[id(line.trace)]
                wanted = node.group.model.ports[name].kind if name != "jump" else "events"
                how = "none" if line.kind == wanted else ("mul" if wanted == "charge" else "div")
                sources.append(Source(self.final[i], line.lag + late, width, offset, 0, how))
        return tuple(sources)

    def _through(self, fused: Fused, node: ConnectionNode, inner: Sequence[Line]) -> list[Source]:
        """What a connection receives from groups of the block: through its weights, or unit by unit."""
        sources = []
        for offset, width, buckets in node.feed.sources:
            for line, mask in buckets:
                if line not in inner:
                    continue
                signal = self.final[self.block.traces[id(line.trace)]]
                if node.group.side != "post" or isinstance(node, PlasticNode):
                    if mask is not None:
                        raise Untraceable("different delays for its units in a loop")
                    sources.append(Source(signal, line.lag, width, 0, offset))
                    continue
                rows = node.weight[..., offset : offset + width, :]
                self.matrices.append(rows if mask is None else rows * mask.to(rows).reshape(width, -1))
                sources.append(Source(signal, line.lag, width, matrix=len(self.matrices) - 1))
        return sources

    def _along_edges(self, fused: Fused, node: ConnectionNode, inner: Sequence[Line]) -> list[Source]:
        """What a sparse connection receives, also from outside: in proportion to what is not zero."""
        sources = []
        for offset, width, buckets in node.feed.sources:
            for line, chosen in buckets:
                assert chosen is not None
                if not len(chosen):
                    continue
                structure = fused.structure(line, chosen, offset, width)
                self.matrices.append(structure.weights(node.weight).unsqueeze(-2))
                matrix = len(self.matrices) - 1
                window: Tensor | None
                if line in inner:
                    signal = self.final[self.block.traces[id(line.trace)]]
                    sources.append(Source(signal, line.lag, width, matrix=matrix, structure=structure))
                    window = line.early(self.k0, self.n, node.like)
                else:
                    window = line.window(self.k0, self.n, node.like)
                if window is not None:
                    sources.append(self._outer(window, 0)._replace(matrix=matrix, structure=structure))
        return sources

    def _projection(self, i: int, constants: list[Tensor]) -> Step:
        """From the pre side of a filter to its targets."""
        node, fused = self.block.nodes[i], self.block.fused[i]
        assert isinstance(node, ConnectionNode)
        source = Source(self.outs[i][0], 0, fused.n, matrix=len(self.matrices))
        if node.edges is None:
            self.matrices.append(node.weight)
        elif torch.is_grad_enabled():
            raise NotNow("edges behind a filter on the pre side, with gradients")
        else:
            structure = fused.structure(None, torch.arange(len(node.edges.pre)), 0, fused.n)
            self.matrices.append(structure.weights(node.weight).unsqueeze(-2))
            source = source._replace(structure=structure)
        biased = node.bias
        if biased:
            constants.append(node.p.bias)
        return Step(_sum_kernel(node.group.dtype, biased), node.group.n, ((source,),), (self.final[i],))

    def _past(self, q: int) -> Tensor:
        """The slots of an internal signal before the run, as far as anyone reads them."""
        for node, final in zip(self.block.nodes, self.final, strict=True):
            if final == q:
                first = max(self.k0 - self.start, node.trace.starts[0] if node.trace.starts else self.k0)
                if first < self.k0:
                    return node.trace.window(first, self.k0 - first)
        return torch.empty(0, *self.lead, self.signals[q].n, dtype=self.block.nodes[0].group.dtype)

    def finish(self, signals: Sequence[Tensor], leave: Sequence[Tensor]) -> None:
        """Hand outputs, states and what monitors want to the nodes."""
        by_signal = dict(zip(self.tape.internal, signals, strict=True))
        first = 0
        for i, (node, b) in enumerate(zip(self.block.nodes, self.built, strict=True)):
            out = by_signal[self.final[i]]
            node.trace.put(out, self.k0 + self.n - len(out))
            if i in self.units:
                unit = self.units[i]
                unit.finish(leave[first : first + len(unit.entry)])
                first += len(unit.entry)
            leaves, tree = tree_flatten(node.state)
            after = leave[first : first + len(leaves)]
            first += len(leaves)
            flags = b.kernel.flags
            node.state = tree_unflatten([a != 0 if flag else a for a, flag in zip(after, flags, strict=True)], tree)
            seen = {
                name: by_signal[q] != 0 if name == "held" else by_signal[q]
                for name, q in zip(b.seen, self.outs[i][1:], strict=True)
            }
            for take in node.takes:
                take(self.k0, self.n, node.window_lookup(self.k0, self.n, seen))


def _wide(window: Tensor, n: int) -> Tensor:
    """``[slot, chip, batch, n]``."""
    while window.ndim < 4:
        window = window.unsqueeze(0)
    return window if window.shape[-1] == n else window.expand(*window.shape[:-1], n)


@lru_cache(maxsize=4)
def _sum_kernel(dtype: torch.dtype, biased: bool) -> Kernel:
    """The kernel that hands a sum on."""
    return Kernel(lambda s, x, p: ([x[0] + p[0] if p else x[0]], []), (), 1, int(biased), dtype)
