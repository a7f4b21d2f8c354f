"""Blocks of cells that run together as one tape, and the tape with its arguments for one run of a block.

What enters a cell from outside is known for all slots; what comes from the block itself is named as a signal. Sums through
weights are the same `Feed` that the reference engine uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ...reference.connection import ConnectionNode
from ...reference.node import Node
from ...reference.plastic import PlasticNode, learns
from ...signals.history import History
from ...signals.line import Line
from ..kernels.group_kernel import Contest, GroupKernel
from ..kernels.sum_kernel import sum_kernel
from ..nodes import pulses, rule
from ..nodes.cell import Cell, NodeSide, Sum
from ..run import cuda
from ..run.loop import Loop
from ..run.single import Single
from ..tape.autograd import Differentiable
from ..tape.tape import Arguments, Call, OperandSource, Signal, Tape, TapeStep, run
from ..trace.program import NotNow, Untraceable
from .signals import given_signals, learned, wide


class Standing(NamedTuple):
    """Where a group stands in a segment; the default is where a reference node stands that has run."""

    behind: int | None = None  # the slot in which it has yet to act: it is part of a kernel that is one slot late, see `Cell`
    ended: bool = False  # whether it has done what follows the last slot of the segment


class TapeBlock:
    """Groups that run together as one tape: one alone over a window, or a loop."""

    def __init__(self, cells: Sequence[Cell], length: int | None) -> None:
        self.length = length
        self.tape: Tape | None = None  # of the last run
        self.cells = list(cells)
        self.histories = {
            id(history): (i, state)
            for i, cell in enumerate(cells)
            for state, history in (("", cell.node.trace), *cell.node.tapped.items())
        }
        self.inner = {(part, name): self._inner(part, name) for cell in self.cells for part, name in cell.operands}

    def run(self, k0: int, n: int, kept: Sequence[int], last: bool = False) -> dict[str, Standing]:
        """Run slots ``k0 .. k0 + n - 1``; return where groups stand afterwards.

        Args:
            k0: the first slot.
            n: how many slots.
            kept: for each cell how many of the last slots others will read; -1 for all.
            last: whether the segment ends with them, and gradients.

        Raises:
            NotNow: kernels cannot serve this run.
            Untraceable: kernels cannot serve at all.
        """
        for cell in self.cells:
            if learns(cell.node) and any(learned(take) for take in cell.node.takes):
                raise NotNow("a monitor of weights or traces that a rule changes")
            if learns(cell.node) and cell.node.group.hardware is not None:
                pulses.check_now(cell.node)
        made = [cell.build(bool(cell.node.tapped) or not outputs_only(cell.node)) for cell in self.cells]
        assembly = _Assembly(self, made, k0, n, kept, last)
        start = assembly.start
        result = run(assembly.tape, assembly.given, assembly.lead, start, start + n, assembly.executor, assembly.history)
        assembly.finish(result.signals, result.leave)
        feeds = [node.tag for cell in self.cells for node in cell.behind]
        if assembly.ends:
            return {cell.node.tag: Standing(ended=True) for cell in self.cells} | dict.fromkeys(feeds, Standing())
        return dict.fromkeys(feeds, Standing(behind=k0 + n - 1))

    def _inner(self, part: NodeSide, name: str) -> list[Line]:
        """Return the lines from cells of the block to an operand."""
        node = part.node
        if name == "value":
            assert isinstance(node, ConnectionNode)
            every = node.feed.lines
        else:
            every = [line for line, _, _ in part.lines(name)]
        return [line for line in every if id(line.trace) in self.histories]

    def executor(self, tape: Tape) -> Callable[[Call, Sequence[Tensor]], Differentiable]:
        """Return what executes a tape."""
        if self.cells[0].node.group.zero.device.type != "cpu":
            return cuda.CudaScan
        return Single if tape.alone else Loop


def outputs_only(node: Node) -> bool:
    """Whether what the monitors of a node want is there without being asked for."""
    changing = {*getattr(node.group.model.states, "_fields", ()), "margin", "wait", "held"}
    return all(getattr(take, "name", "margin") not in changing for take in node.takes)


class _Assembly:
    """A tape for one run of a block, with its arguments."""

    def __init__(
        self,
        block: TapeBlock,
        made: Sequence[tuple[GroupKernel, list[Tensor]]],
        k0: int,
        n: int,
        kept: Sequence[int],
        last: bool,
    ) -> None:
        self.block, self.built, self.k0, self.n, self.last = block, [b for b, _ in made], k0, n, last
        self.lead = block.cells[0].node.lead
        self.signals: list[Signal] = []
        self.external: list[Tensor | Sum] = []
        self.outside: dict[int, int] = {}  # by trace the external signal that is its output from slot 0 on
        self.matrices: list[Tensor] = []
        self.outs: list[tuple[int, ...]] = []
        self.final: list[int] = []  # the signal that is a node's output
        for cell, b, keep in zip(block.cells, self.built, kept, strict=True):
            taken = -1 if cell.node.takes else keep
            mine = [self._internal(cell.n, keep)] + [self._internal(cell.n, taken) for _ in b.seen]
            self.outs.append(tuple(mine))
            pre = cell.node.group.side == "pre"
            self.final.append(self._internal(cell.node.group.n, keep) if pre else mine[0])
        lags = [
            line.lag + cell.late(part, name)
            for cell in block.cells
            for part, name in cell.operands
            for line in self.block.inner[part, name]
        ]
        lags += [1 for cell in block.cells if learns(cell.node)]
        self.start = min(k0, max(lags, default=0))
        self.units: dict[int, rule.Unit] = {}
        self.bare: list[Tensor] = []  # what arrives at plastic synapses from outside
        self.inner = False  # whether something does from groups of the block
        fields: list[Tensor] = []
        entry: list[Tensor] = []
        constants: list[Tensor] = []
        steps: list[TapeStep] = []
        for i, (cell, (b, leaves)) in enumerate(zip(block.cells, made, strict=True)):
            learn = None
            if learns(cell.node):
                unit = self.units[i] = self._unit(cell, cell.node)
                learn = unit.learn(fields)
                entry, constants, steps = entry + unit.entry, constants + unit.constants, steps + unit.steps
            entry += cell.states
            constants += cell.constants(b.contest or b, leaves, k0 > 0)
            operands = tuple(
                self._through_rule(self.units[i]) if i in self.units and name == "value" else self._operand(cell, part, name)
                for part, name in cell.operands
            )
            if b.contest is None:
                steps.append(TapeStep(b.kernel, cell.n, operands, self.outs[i], b.go, b.ending if last else None, learn))
            else:
                entry, constants = entry + cell.states, constants + cell.constants(b, leaves, True)
                steps += self._competing(i, b.contest, operands)
            if cell.node.group.side == "pre":
                steps.append(self._projection(i, constants))
        together = max((unit.together for unit in self.units.values()), default=1)
        node = block.cells[0].node
        closes = last and bool(self.units)
        tape = Tape(tuple(steps), tuple(self.signals), node.group.dtype, node.dt, block.length, together, closes)
        self.executor = block.executor(tape)
        self.ends = last and tape.steps[0].ending is not None and self.executor is Single
        if last and not self.ends:  # other executors leave it to `Partition.finish`
            tape = replace(tape, steps=tuple(step._replace(ending=None) for step in steps), kept={})
        self.tape = block.tape = block.tape if block.tape == tape else tape
        signals, weights, through = given_signals(self.external, alone=self.executor is Single)
        self.given = Arguments(entry, signals, constants, self.matrices, weights, through, fields)
        self._check_gradients()
        self.history = [self._past(q) for q in self.tape.internal] if self.start else []

    def _internal(self, n: int, keep: int) -> int:
        self.signals.append(Signal(n, False, keep < 0))
        return len(self.signals) - 1

    def _unit(self, cell: Cell, node: PlasticNode) -> rule.Unit:
        """Return what a plastic synapse adds to the tape."""
        first = len(self.external)
        arrivals = self._operand(cell, cell.main, "value")
        self.bare += [x for x in self.external[first:] if isinstance(x, Tensor)]
        self.inner = self.inner or bool(self.block.inner[cell.main, "value"])
        posts = [tuple(self._late(line, into) for line, into, _ in node.posts)]
        posts += [
            tuple(self._late(line, into) for line, (_, into, _) in zip(node.read_by_rule[name], node.posts, strict=True))
            for name in rule.rule_of(node).reads
        ]
        posts += [(self._third_factor(node.modulator, node),)] if node.modulator is not None else []
        return cell.main.unit((self.start, self.n + self.last), self.k0, arrivals, posts, self._rigid)

    def signal_of(self, line: Line) -> int:
        """Return the signal that travels on a line from a group of the block: an output, or a state."""
        return self._stored(line.trace)

    def _late(self, line: Line, into: int) -> OperandSource:
        """Return what a rule sees of a target: in each slot what there was in the slot before."""
        return OperandSource(self.signal_of(line), line.lag + 1, line.width, 0, into)

    def _third_factor(self, line: Line, node: PlasticNode) -> OperandSource:
        """Return the third factor of a rule for each unit of the target, one slot late."""
        if id(line.trace) in self.block.histories:
            source = self._late(line, 0)
        else:
            first, lag = self._window(1)
            source = self._outer(line.window(first, self.n + self._more(1, lag), node.like).detach(), lag)
        if line.width == node.group.n:
            return source
        self.matrices.append(node.like.new_ones(1, node.group.n))
        return source._replace(matrix=len(self.matrices) - 1)

    def _check_gradients(self) -> None:
        """Refuse gradients through weights that a rule changes, and through a competition of units.

        Raises:
            NotNow: a gradient would flow through the weights as they were in each slot, or through who has won.
        """
        every = (*self.given.entry, *self.given.signals, *self.given.constants, *self.given.matrices, *self.given.weights)
        through = any(t.requires_grad for t in self.bare) or (self.inner and any(t.requires_grad for t in every))
        if torch.is_grad_enabled() and through:
            raise NotNow("a gradient through weights that a rule changes")
        if torch.is_grad_enabled() and any(step.contest for step in self.tape.steps) and any(t.requires_grad for t in every):
            raise NotNow("a gradient where the winner takes all")

    def _rigid(self, n: int) -> int:
        """Add an internal signal without a gradient; return its number."""
        self.signals.append(Signal(n, False, False, False))
        return len(self.signals) - 1

    def _through_rule(self, unit: rule.Unit) -> tuple[OperandSource, ...]:
        """Return what arrives at a plastic synapse, through weights that change."""
        self.matrices.append(unit.weight)
        return (OperandSource(unit.arrived, 0, unit.group.n_pre, matrix=len(self.matrices) - 1, structure=unit.edges),)

    def _outer(self, window: Tensor | Sum, lag: int) -> OperandSource:
        width = window.weight.shape[-1] if isinstance(window, Sum) else window.shape[-1]
        self.external.append(window)
        self.signals.append(Signal(width, True))
        return OperandSource(len(self.signals) - 1, lag, width)

    def _operand(self, cell: Cell, part: NodeSide, name: str) -> tuple[OperandSource, ...]:
        node, late = part.node, cell.late(part, name)
        inner = self.block.inner[part, name]
        followed = inner or node.like.device.type == "cpu"  # elsewhere `NodeSide.external` sums what comes from outside
        sparse = name == "value" and node.group.side == "post" and followed and not learns(node)
        if sparse and isinstance(node, ConnectionNode) and node.edges is not None:
            return tuple(self._along_edges(part, node, inner, late))
        sources: list[OperandSource] = []
        first, lag = self._window(late)
        window = part.external(name, first, self.n + self._more(late, lag), [*inner, *cell.fed])
        if window is not None:
            width = node.group.n_pre if learns(node) and name == "value" else part.n
            sources.append(self._outer(window if isinstance(window, Sum) else wide(window, width), lag))
        if name == "value":
            assert isinstance(node, ConnectionNode)
            sources += self._through(node, inner, late)
            return tuple(sources)
        for line, offset, width in part.lines(name):
            if line in inner and isinstance(node, ConnectionNode) and name in node.reads:
                into = sum(other.width for other in node.reads[name][: node.reads[name].index(line)])
                sources.append(OperandSource(self.signal_of(line), line.lag + late, width, 0, into))
            elif line in inner:
                wanted = node.group.model.ports[name].kind if name != "jump" else "events"
                how = "none" if line.kind == wanted else ("mul" if wanted == "charge" else "div")
                sources.append(OperandSource(self.signal_of(line), line.lag + late, width, offset, 0, how))
        return tuple(sources)

    def _window(self, late: int) -> tuple[int, int]:
        """The first slot to ask for outside, and how late the run reads from there on: slot k of an operation reads slot
        k - late, and before the first slot there is nothing.
        """
        return (self.k0 - late, 0) if self.k0 >= late else (0, late)

    def _more(self, late: int, lag: int) -> int:
        """How many slots more are read by what follows the last slot: the advance over it, or what is learned from it."""
        return int(self.last and late > lag)

    def _through(self, node: ConnectionNode, inner: Sequence[Line], late: int) -> list[OperandSource]:
        """What a connection receives from groups of the block: through its weights, or unit by unit."""
        sources = []
        for offset, width, buckets in node.feed.sources:
            for line, mask in buckets:
                if line not in inner:
                    continue
                signal = self.signal_of(line)
                if node.group.side != "post" or learns(node):
                    if mask is not None and node.feed.edges is None:
                        raise Untraceable("different delays for its units in a loop")
                    sources.append(OperandSource(signal, line.lag + late, width, 0, offset))
                    continue
                rows = node.weight[..., offset : offset + width, :]
                self.matrices.append(rows if mask is None else rows * mask.to(rows).reshape(width, -1))
                sources.append(OperandSource(signal, line.lag + late, width, matrix=len(self.matrices) - 1))
        return sources

    def _along_edges(self, fused: NodeSide, node: ConnectionNode, inner: Sequence[Line], late: int) -> list[OperandSource]:
        """What a sparse connection receives, also from outside: in proportion to the nonzeros."""
        sources = []
        for offset, width, buckets in node.feed.sources:
            for line, chosen in buckets:
                assert chosen is not None
                if not len(chosen):
                    continue
                structure = fused.structure(line, chosen, offset, width)
                weights = structure.weights(node.weight, self.n)
                m, signal = len(self.matrices), self.signal_of(line) if line in inner else -1
                sent = self._sent(line, late, node.like, signal)
                sources += [s._replace(matrix=m, structure=structure, shared=weights.shared) for s in sent]
                self.matrices += [weights.values.unsqueeze(-2)] if sent else []
        return sources

    def _sent(self, line: Line, late: int, like: Tensor, signal: int) -> list[OperandSource]:
        """Return what a line brings from a signal of the block, or (-1) from outside."""
        first, lag = self._window(late)
        if signal < 0 and self.k0:
            return [self._outer(line.window(first, self.n, like), lag)]
        if signal < 0 and line.trace.end:  # the lines of a group share its signal, and the gradient of that
            if id(line.trace) not in self.outside:
                self.outside[id(line.trace)] = self._outer(line.trace.window(0, min(self.n, line.trace.end)), 0).signal
            signal = self.outside[id(line.trace)]
        early = line.early(first, self.n, like)
        found = [] if signal < 0 else [OperandSource(signal, line.lag + late, line.width)]
        return found if early is None else [*found, self._outer(early, lag)]

    def _competing(self, i: int, contest: Contest, operands: tuple[tuple[OperandSource, ...], ...]) -> list[TapeStep]:
        """Return the steps of units of which the winner takes all: up to their scores, and from who has won."""
        n, score = self.block.cells[i].n, self._rigid(self.block.cells[i].n)
        won = ((OperandSource(score, 0, n),),)
        return [
            TapeStep(contest.kernel, n, operands, (score,), contest.go, contest=True),
            TapeStep(self.built[i].kernel, n, won, self.outs[i], follows=True),
        ]

    def _projection(self, i: int, constants: list[Tensor]) -> TapeStep:
        """Return the step from the pre side of a filter to its targets."""
        node, fused = self.block.cells[i].node, self.block.cells[i].main
        assert isinstance(node, ConnectionNode)
        source = OperandSource(self.outs[i][0], 0, fused.n, matrix=len(self.matrices))
        if node.edges is None:
            self.matrices.append(node.weight)
        else:
            structure = fused.structure(None, torch.arange(len(node.edges.pre)), 0, fused.n)
            weights = structure.weights(node.weight, self.n)
            self.matrices.append(weights.values.unsqueeze(-2))
            source = source._replace(structure=structure, shared=weights.shared)
        biased = node.bias
        if biased:
            constants.append(node.p.bias)
        return TapeStep(sum_kernel(node.group.dtype, biased), node.group.n, ((source,),), (self.final[i],))

    def _past(self, q: int) -> Tensor:
        """The slots of an internal signal before the run, as far as anyone reads them."""
        for history in (history for cell in self.block.cells for history in cell.node.histories):
            if self._stored(history) == q:
                first = max(self.k0 - self.start, history.starts[0] if history.starts else self.k0)
                if first < self.k0:
                    return history.window(first, self.k0 - first)
        return torch.empty(0, *self.lead, self.signals[q].n, dtype=self.block.cells[0].node.group.dtype)

    def _stored(self, history: History) -> int:
        """Return the signal of the block that is stored in a history."""
        i, state = self.block.histories[id(history)]
        return self.outs[i][1 + self.built[i].seen.index(state)] if state else self.final[i]

    def finish(self, signals: Sequence[Tensor], leave: Sequence[Tensor]) -> None:
        """Hand outputs, states and what monitors want to the nodes."""
        by_signal = dict(zip(self.tape.internal, signals, strict=True))
        first = 0
        for i, (cell, b) in enumerate(zip(self.block.cells, self.built, strict=True)):
            node, out = cell.node, by_signal[self.final[i]]
            node.trace.put(out, self.k0 + self.n - len(out))
            for state, history in node.tapped.items():
                taken = by_signal[self.outs[i][1 + b.seen.index(state)]]
                history.put(taken, self.k0 + self.n - len(taken))
            if i in self.units:
                unit = self.units[i]
                unit.finish(leave[first : first + len(unit.entry)])
                unit.node.closed = self.tape.closes
                first += len(unit.entry)
            flags = b.kernel.flags
            first += len(flags) if b.contest is not None else 0  # the states of both steps are the same
            cell.leave(leave[first : first + len(flags)], flags)
            first += len(flags)
            seen = {
                name: by_signal[q] != 0 if name == "held" else by_signal[q]
                for name, q in zip(b.seen, self.outs[i][1:], strict=True)
            }
            for take in node.takes:
                take(self.k0, self.n, node.window_lookup(self.k0, self.n, seen))
