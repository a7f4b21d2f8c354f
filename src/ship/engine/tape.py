"""Tapes: what the drivers of `machine` execute, with its tables, its threads and its gradient.

A tape is a list of steps, one for each group, executed in order in every slot. The operands of a step are summed from signals: of
the steps themselves, or external ones that are known for all slots. Signals are ``[slot, chip, batch, unit]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..connect import EdgeList
from ..threads import spread
from . import kernels
from .kernel import Kernel
from .printer import BLOCK_BYTES

Table = NDArray[np.int64]
EVERY = 16  # slots between two checkpoints of the states
L1_BYTES = 24 * 1024  # of work area that one part of a row should need
WIDE_UNITS, WIDE_SLOTS = 4096, 4  # from where on units are spread over threads
CONVERSIONS = {"none": 0, "mul": 1, "div": 2}


class Structure:
    """Edges in order of pre, then of post, for drivers that run along them: the ``chosen`` ones of a connection."""

    def __init__(self, edges: EdgeList, chosen: Tensor, offset: int, n_pre: int, n_post: int) -> None:
        keys = (edges.pre[chosen].long() - offset) * n_post + edges.post[chosen]
        if not bool((keys[1:] >= keys[:-1]).all()):
            order = torch.argsort(keys, stable=True)
            keys, chosen = keys[order], chosen[order]
        self.keys, self.chosen = keys.numpy(), chosen
        self.all_in_order = torch.equal(self.chosen, torch.arange(len(edges.pre)))
        self.n_pre, self.n_post = n_pre, n_post
        self.posts = (self.keys % n_post).astype(np.uint32)
        self._bounds: dict[tuple[int, ...], Table] = {}
        self._weights: tuple[Tensor, int, Tensor] | None = None

    def bounds(self, cuts: tuple[int, ...]) -> Table:
        """``[part + 1, pre]``: where the edges of each source to each part of the targets begin; parts are cut at ``cuts``."""
        if cuts not in self._bounds:
            rows = np.arange(self.n_pre, dtype=np.int64) * self.n_post
            self._bounds[cuts] = np.stack([np.searchsorted(self.keys, rows + cut) for cut in cuts]).astype(np.int64)
        return self._bounds[cuts]

    def weights(self, weight: Tensor) -> Tensor:
        """Those of the connection's weights, in this order; the last ones are kept: a run in chunks asks again and again."""
        if self.all_in_order:
            return weight
        if self._weights is None or self._weights[0] is not weight or self._weights[1] != weight._version:
            self._weights = (weight, weight._version, weight[..., self.chosen])
        return self._weights[2]


class Source(NamedTuple):
    """One signal that enters an operand: ``lag`` slots late, through a matrix where one is named."""

    signal: int
    lag: int
    width: int
    offset: int = 0  # first unit of the signal
    into: int = 0  # first unit of the operand
    convert: str = "none"  # or times dt, or by dt
    matrix: int = -1
    structure: Structure | None = None  # the edges, where the matrix is a list of weights


class Step(NamedTuple):
    """One group."""

    kernel: Kernel
    n: int
    operands: tuple[tuple[Source, ...], ...]
    outs: tuple[int, ...]  # the signal of each output
    go: int = -1  # the constant that is 0 in the very first slot, or -1
    learn: Learn | None = None  # what is done before, from the second slot on


class Signal(NamedTuple):
    """A signal of the tape. External ones are given to each run."""

    n: int
    external: bool
    kept: bool = True  # whether all slots are wanted afterwards
    smooth: bool = True  # whether gradients flow into it


class Part(NamedTuple):
    """An operand of a kernel for connections: a signal by pre or post unit, or a field."""

    signal: int  # or -1
    field: int = -1
    on: str = "connection"  # or pre, post: what a signal counts
    written: bool = False


class Pass(NamedTuple):
    """A kernel on connections, by address."""

    kernel: int
    parts: tuple[Part, ...]


class Learn(NamedTuple):
    """How weights change before a step: from signals that hold, in each slot, what happened in the slot before."""

    passes: tuple[Pass, ...]  # one; or two where rows share weights: to add up the changes, to apply them
    n_pre: int
    n: int
    pre: int  # the signals whose events change weights
    post: int
    events: bool  # whether nothing else changes them


@dataclass(frozen=True, eq=False)
class Tape:
    """Steps and signals. ``together``: rows that advance in lockstep, because they share weights that change."""

    steps: tuple[Step, ...]
    signals: tuple[Signal, ...]
    dtype: torch.dtype
    dt: float
    slice: int | None = None  # slots in which no step acts on an earlier one of the list; None: as many as there are
    together: int = 1

    @property
    def external(self) -> list[int]:
        return [q for q, signal in enumerate(self.signals) if signal.external]

    @property
    def internal(self) -> list[int]:
        return [q for q, signal in enumerate(self.signals) if not signal.external]

    @property
    def lag(self) -> int:
        """Slots that a run may look back into its own signals."""
        lags = [s.lag for step in self.steps for sources in step.operands for s in sources if not self.signals[s.signal].external]
        return max(lags, default=0)

    @property
    def widest(self) -> int:
        """The most units that a step or a signal has."""
        return max([step.n for step in self.steps] + [signal.n for signal in self.signals], default=1)

    @property
    def coupled(self) -> bool:
        """Whether units act on other units, so that a row must stay in one piece."""
        return len(self.steps) > 1 or any(
            s.matrix >= 0 or s.width != step.n or s.offset or s.into or len(sources) > 1
            for step in self.steps
            for sources in step.operands
            for s in sources
        )


class Arguments(NamedTuple):
    """What a run of a tape is given, in lists of tensors."""

    entry: list[Tensor]  # the states of all steps, [chip, batch, unit]
    signals: list[Tensor]  # the external signals, [slot, chip or 1, batch or 1, unit]
    constants: list[Tensor]  # of all steps, broadcast with [chip, batch, unit]
    matrices: list[Tensor]  # [pre, post], [chip, 1, pre, post] or [chip or 1, batch, pre, post]; with edges [..., 1, edge]
    fields: Sequence[Tensor] = ()  # of `Learn`, [chip or 1, batch or 1, pre or 1, post or 1]; those written are changed in place


class Result(NamedTuple):
    signals: list[Tensor]  # the internal ones; of those not kept the last slots
    leave: list[Tensor]


def run(
    tape: Tape,
    given: Arguments,
    lead: tuple[int, int],
    start: int,
    stop: int,
    history: Sequence[Tensor] = (),
    bench: Callable[[Call, Sequence[Tensor]], Bench] | None = None,
) -> Result:
    """Execute slots ``start .. stop - 1``; ``history``: the slots before ``start`` of each internal signal; ``bench``: what
    executes, the drivers of `machine` where left out.
    """
    entry = [_flat(t, lead) for t in given.entry]
    tensors = (*entry, *given.signals, *given.constants, *given.matrices)
    counts = (len(entry), len(given.signals), len(given.constants), len(given.matrices))
    recorded = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    if recorded:
        _check_gradients(tape, given)
    call = Call(tape, counts, lead, start, stop, tuple(history), recorded, bench or _Bench, tuple(given.fields))
    out = _Run.apply(call, *tensors)  # type: ignore[no-untyped-call]
    count = len(tape.internal)
    return Result(list(out[:count]), list(out[count:]))


def _check_gradients(tape: Tape, given: Arguments) -> None:
    """Trace what `_Run.backward` will need, while another engine can still step in.

    Raises:
        Untraceable: a model has no pointwise gradient.
    """
    external = dict(zip(tape.external, given.signals, strict=True))
    constants = iter(given.constants)
    for step in tape.steps:
        inputs = [
            any(
                s.signal not in external
                or external[s.signal].requires_grad
                or (s.matrix >= 0 and given.matrices[s.matrix].requires_grad)
                for s in sources
            )
            for sources in step.operands
        ]
        wanted = step.kernel.wanted(inputs, [next(constants).requires_grad for _ in range(step.kernel.constants)])
        step.kernel.backward_program(wanted)


class Call(NamedTuple):
    tape: Tape
    counts: tuple[int, int, int, int]
    lead: tuple[int, int]
    start: int
    stop: int
    history: tuple[Tensor, ...]
    recorded: bool
    bench: Callable[[Call, Sequence[Tensor]], Bench]
    fields: tuple[Tensor, ...] = ()


class Bench(Protocol):
    """One run of a tape."""

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        """Signals and final states."""

    def backward(self, grads: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
        """The gradient of each tensor that was given."""


class _Run(torch.autograd.Function):
    """A tape with its gradient."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        bench = call.bench(call, tensors)
        signals, leave = bench.forward()
        if call.recorded:
            ctx.bench = bench
            ctx.set_materialize_grads(False)
            # Outputs are read again, too: they must not be changed either.
            ctx.save_for_backward(*tensors, *signals, *park(bench))
        return (*signals, *leave)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        bench = unpark(ctx.bench, ctx.saved_tensors)  # raises where one was changed since
        return (None, *bench.backward(grads, ctx.needs_input_grad[1:]))


class Parked(NamedTuple):
    """The place of a tensor among those that autograd keeps, counted from the end."""

    place: int


def park(holder: object) -> list[Tensor]:
    """Take the tensors out of an object's attributes, for autograd to keep, and to free after the backward pass."""
    found = {name: value for name, value in vars(holder).items() if isinstance(value, Tensor | list | tuple)}
    tensors: list[Tensor] = []

    def put(value: Any) -> Any:
        if isinstance(value, Tensor):
            tensors.append(value)
            return Parked(len(tensors))
        return value

    for name, value in found.items():
        setattr(holder, name, put(value) if isinstance(value, Tensor) else _like(value, [put(v) for v in value]))
    return tensors[::-1]


def unpark(holder: Any, kept: Sequence[Tensor]) -> Any:
    """A copy of the object with its tensors, the last of those that autograd kept."""
    full = copy(holder)

    def get(value: Any) -> Any:
        return kept[-value.place] if isinstance(value, Parked) else value

    for name, value in vars(holder).items():
        if isinstance(value, Parked):
            setattr(full, name, get(value))
        elif isinstance(value, list | tuple):
            setattr(full, name, _like(value, [get(v) for v in value]))
    return full


def _like(value: Any, parts: list[Any]) -> Any:
    """A list, a tuple or a named one with these parts."""
    if isinstance(value, list):
        return parts
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


class _Bench:
    """One run of a tape: its tables, and its buffers for the gradient."""

    def __init__(self, call: Call, tensors: Sequence[Tensor]) -> None:
        self.tape, self.lead, self.start, self.stop = call.tape, call.lead, call.start, call.stop
        self.recorded, self.history, self.fields = call.recorded, call.history, call.fields
        self.rows = call.lead[0] * call.lead[1]
        self.size = self.tape.dtype.itemsize
        self.machine = kernels.machine(self.tape.dtype)
        a, b, c, _ = call.counts
        self.entry = [t.detach().contiguous() for t in tensors[:a]]
        self.shapes = [t.shape for t in tensors]
        self.counts = call.counts
        self.external = [self._signal(t.detach(), n) for t, n in zip(tensors[a : a + b], self._widths(), strict=True)]
        self.constants = [self._constant(t.detach(), n) for t, n in zip(tensors[a + b : a + b + c], self._sizes(), strict=True)]
        self.matrices = [self._matrix(t.detach()) for t in tensors[a + b + c :]]

    # -- buffers -----------------------------------------------------------------------------------------------------------

    def _widths(self) -> list[int]:
        return [self.tape.signals[q].n for q in self.tape.external]

    def _sizes(self) -> list[int]:
        return [step.n for step in self.tape.steps for _ in range(step.kernel.constants)]

    def _signal(self, t: Tensor, n: int) -> Tensor:
        if t.shape[-1] != n:
            t = t.expand(*t.shape[:-1], n)
        if t.stride(-1) != 1 and n > 1:
            t = t.contiguous()
        return t.to(self.tape.dtype)

    def _constant(self, t: Tensor, n: int) -> Tensor:
        t = t.reshape((1,) * (3 - t.ndim) + tuple(t.shape)).to(self.tape.dtype)
        return t.expand(t.shape[0], t.shape[1], n).contiguous()

    def _matrix(self, t: Tensor) -> Tensor:
        t = t.reshape((1,) * (4 - t.ndim) + tuple(t.shape)).to(self.tape.dtype)
        return t if t.stride(-1) == 1 and t.stride(-2) >= t.shape[-1] else t.contiguous()

    def _room(self, slots: int, n: int, *, zero: bool = False) -> Tensor:
        """A signal's buffer; each row's slots lie side by side."""
        make = torch.zeros if zero else torch.empty
        return make(*self.lead, slots, n, dtype=self.tape.dtype).permute(2, 0, 1, 3)

    # -- tables ------------------------------------------------------------------------------------------------------------

    def _steps(self, backwards: Sequence[int] | None = None) -> tuple[Table, Table]:
        """The table of steps, and the list of output signals."""
        rows: list[list[int]] = []
        outs: list[int] = []
        state = operand = constant = work = work_back = learns = 0
        for i, step in enumerate(self.tape.steps):
            k, blocks = step.kernel, -(-step.n // (BLOCK_BYTES // self.size))
            ring = next((q for q in step.outs if q in self.rings), -1)
            stride, stride_back = k.operands * BLOCK_BYTES, k.backward_operands * BLOCK_BYTES
            back, learn = 0 if backwards is None else backwards[i], -1 if step.learn is None else learns
            row = [k.forward, back, step.n, k.states, k.inputs, k.constants, k.outputs, state, operand, constant, len(outs)]
            rows.append([*row, work, stride, step.go, ring, work_back, stride_back, learn])
            learns += step.learn is not None
            outs += list(step.outs)
            state, operand, constant = state + k.states, operand + k.inputs, constant + k.constants
            work, work_back = work + stride * blocks, work_back + stride_back * blocks
        return np.array(rows, np.int64), np.array(outs or [-1], np.int64)

    def _operands(self) -> tuple[Table, Table]:
        operands: list[list[int]] = []
        refs: list[list[int]] = []
        for step in self.tape.steps:
            for sources in step.operands:
                x = len(operands)
                first = len(refs)
                for s in sources:
                    m = self.matrices[s.matrix] if s.matrix >= 0 else None
                    strides = (m.stride(-2) * self.size, m.shape[-2] * self.size) if m is not None else (0, 0)
                    kind = 0 if m is None else 1 if s.structure is None else 2
                    # An external signal begins with the run, unless it is known to begin a slot before it.
                    lag = s.lag + self.start if self.tape.signals[s.signal].external and not s.lag else s.lag
                    refs.append([kind, s.signal, lag, s.matrix, s.offset, s.into, s.width, CONVERSIONS[s.convert], *strides])
                operands.append([first, len(refs), self.stores.get(x, -1)])
        return np.array(operands or [[0, 0, -1]], np.int64), np.array(refs or [[0] * 10], np.int64)

    def _learns(self) -> tuple[Table, Table]:
        """The tables of what changes weights, and of the operands of its kernels."""
        rows: list[list[int]] = []
        parts: list[list[int]] = []
        for learn in (step.learn for step in self.tape.steps if step.learn is not None):
            row = []
            for p in learn.passes:
                row += [p.kernel, len(parts), len(parts) + len(p.parts)]
                parts += [self._part(part) for part in p.parts]
            row += [0, 0, 0] * (2 - len(learn.passes))
            rows.append([*row, learn.n_pre, learn.n, learn.pre, learn.post, int(learn.events)])
        return np.array(rows or [[0]], np.int64), np.array(parts or [[0]], np.int64)

    def _part(self, part: Part) -> list[int]:
        """Signal, field, bytes to the next row, to the next column, whether it is written."""
        if part.signal >= 0:
            return [part.signal, -1, self.size * (part.on == "pre"), self.size * (part.on == "post"), 0]
        field = self.fields[part.field]
        down, along = (field.stride(axis) * self.size if field.shape[axis] > 1 else 0 for axis in (2, 3))
        return [-1, part.field, down, along, int(part.written)]

    def _signals(self) -> Table:
        rows = []
        for q, t in enumerate(self.buffers):
            mask = self.masks.get(q, -1)
            n = self.tape.signals[q].n if q < len(self.tape.signals) else t.shape[-1]
            slope = self.slopes[q] if hasattr(self, "slopes") and self.slopes[q] is not None else None
            slots = t.shape[0] if mask == -1 else self.stop
            back = slope.stride(0) * self.size if slope is not None else 0
            rows.append([t.stride(0) * self.size, mask, slots, self.rings.get(q, -1), n, back])
        return np.array(rows or [[0] * 6], np.int64)

    def _plain(self, sources: tuple[Source, ...], n: int) -> bool:
        """Whether an operand is just one external signal."""
        return len(sources) == 0 or (
            len(sources) == 1
            and sources[0].matrix < 0
            and sources[0].convert == "none"
            and sources[0].width == n
            and (self.tape.signals[sources[0].signal].external or self.recorded)
        )

    def _prepare(self) -> None:
        """Buffers of all signals: external, internal, and of operands that the gradient needs again."""
        tape = self.tape
        self.buffers: list[Tensor] = []
        self.masks: dict[int, int] = {}
        self.rings: dict[int, int] = {}
        self.stores: dict[int, int] = {}
        external = iter(self.external)
        depth = 1 << (tape.lag + 1).bit_length()
        for q, signal in enumerate(tape.signals):
            if signal.external:
                self.buffers.append(next(external))
                continue
            whole = signal.kept or self.recorded or depth >= self.stop
            self.buffers.append(self._room(self.stop if whole else depth, signal.n))
            if not whole:
                self.masks[q] = depth - 1
        for q, past in zip(tape.internal, self.history, strict=False):
            slots = torch.arange(self.start - len(past), self.start) & (self.masks.get(q, -1))
            self.buffers[q][slots] = past.expand(-1, *self.lead, -1)
        through = {s.signal for step in tape.steps for sources in step.operands for s in sources if s.matrix >= 0}
        for q in sorted(through):
            if not tape.signals[q].external and not self.wide:
                self.rings[q] = len(self.rings)
        if self.recorded:
            x = 0
            for step in tape.steps:
                for sources in step.operands:
                    if not self._plain(sources, step.n):
                        self.stores[x] = len(self.buffers)
                        self.buffers.append(self._room(self.stop, step.n))
                    x += 1

    # -- running -----------------------------------------------------------------------------------------------------------

    @property
    def wide(self) -> bool:
        """Whether the units of a row are spread over threads, step by step and slice by slice: few rows of many units."""
        units = sum(step.n for step in self.tape.steps)
        few = self.rows < torch.get_num_threads() and units >= WIDE_UNITS
        taught = any(step.learn is not None for step in self.tape.steps)
        return (
            self.tape.coupled
            and not self.recorded
            and not taught
            and few
            and (self.tape.slice is None or self.tape.slice >= WIDE_SLOTS)
        )

    @property
    def _parts(self) -> int:
        """Parts into which the blocks of a row are split."""
        if self.tape.coupled:
            return torch.get_num_threads() if self.wide else 1
        step = self.tape.steps[0]
        blocks = -(-step.n // (BLOCK_BYTES // self.size))
        fit = max(1, L1_BYTES // (step.kernel.operands * BLOCK_BYTES))
        wanted = max(-(-blocks // fit), -(-2 * torch.get_num_threads() // self.rows))
        return max(1, min(blocks, wanted))

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        """Signals and final states."""
        self._prepare()
        tape, slots = self.tape, self.stop - self.start
        every = EVERY if self.recorded else 0
        leave = [torch.empty_like(t) for t in self.entry]
        self.checks = [
            torch.empty(*self.lead, -(-slots // EVERY), t.shape[-1], dtype=t.dtype) if every else torch.empty(0)
            for t in self.entry
        ]
        steps, outs = self._steps()
        operands, refs = self._operands()
        self.base = row_table(self.buffers, self.lead, 1)
        self.constant_rows = row_table(self.constants, self.lead)
        self.matrix_rows = row_table(self.matrices, self.lead)
        entry = row_table(self.entry, self.lead)
        self.check_rows = row_table(self.checks if every else [], self.lead)
        out = row_table(leave, self.lead)
        depth = max(1, tape.lag + 1)
        parts = self._parts
        learns, learn_parts = self._learns()
        fields = row_table(self.fields, self.lead)
        tables = (operands, refs, self._signals(), self.base, self.constant_rows)
        rest = (self.check_rows, outs, self.matrix_rows, self._edges(parts), depth, tape.widest, tape.dt)
        taught = (tape.together, learns, learn_parts, fields)
        drive = self.machine["forward"]
        if not self.wide:
            tasks, here = self.rows // tape.together * parts, (self.start, self.start, self.stop, every, steps)
            spread(tasks, lambda lo, hi: drive(lo, hi, parts, *here, *tables, entry, out, *rest, *taught))
        else:
            self._wide(
                steps,
                lambda table, lo, hi, first, t0, t1: drive(
                    lo, hi, parts, self.start, t0, t1, 0, table, *tables, entry if first else out, out, *rest, *taught
                ),
            )
        kept = []
        for q in tape.internal:
            if q in self.masks:
                last = torch.arange(max(0, self.stop - self.masks[q] - 1), self.stop) & self.masks[q]
                kept.append(self.buffers[q][last])
            else:
                kept.append(self.buffers[q][self.start :].detach())  # another object: what is returned knows its own gradient
        return kept, leave

    def _wide(self, steps: Table, drive: Callable[..., None]) -> None:
        """Slice by slice, and in a slice level by level: each level's steps and their parts side by side."""
        levels = self._levels()
        length = self.tape.slice or self.stop - self.start
        singles = steps.copy()
        singles[:, 11] = 0  # each step alone in its work area
        tasks = self.rows * self._parts
        for t0 in range(self.start, self.stop, length):
            t1 = min(self.stop, t0 + length)
            for level in levels:
                jobs = [(singles[s : s + 1], task) for s in level for task in range(tasks)]

                def work(lo: int, hi: int, jobs: Any = jobs, t0: int = t0, t1: int = t1) -> None:
                    for table, task in jobs[lo:hi]:
                        drive(table, task, task + 1, t0 == self.start, t0, t1)

                spread(len(jobs), work, torch.get_num_threads())

    def _levels(self) -> list[list[int]]:
        """Steps by how many others they wait for in a slice."""
        level: list[int] = []
        made = {q: i for i, step in enumerate(self.tape.steps) for q in step.outs}
        length = self.tape.slice or self.stop
        for step in self.tape.steps:
            waits = [
                level[made[s.signal]] + 1
                for sources in step.operands
                for s in sources
                if s.signal in made and made[s.signal] < len(level) and s.lag < length
            ]
            level.append(max(waits, default=0))
        return [[i for i, at in enumerate(level) if at == wanted] for wanted in range(max(level) + 1)]

    def _edges(self, parts: int) -> Table:
        """For each matrix that is a list of weights: addresses of where edges begin and of their targets, and their number."""
        block = BLOCK_BYTES // self.size
        table = np.zeros((max(1, len(self.matrices)), 3), np.int64)
        for step in self.tape.steps:
            blocks = -(-step.n // block)
            cuts = (*(min(step.n, blocks * part // parts * block) for part in range(parts)), step.n)
            for s in (s for sources in step.operands for s in sources if s.structure is not None):
                assert s.structure is not None
                bounds = s.structure.bounds(cuts)
                table[s.matrix] = bounds.ctypes.data, s.structure.posts.ctypes.data, len(s.structure.posts)
        return table

    def backward(self, grads: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
        """The gradient of each tensor that was given."""
        tape = self.tape
        a, b, c, _ = self.counts
        internal, external = tape.internal, tape.external
        need_external = dict(zip(external, needs[a : a + b], strict=True))
        need_constant, need_matrix = needs[a + b : a + b + c], needs[a + b + c :]
        uses: dict[int, list[tuple[Step, tuple[Source, ...]]]] = {q: [] for q in range(len(self.buffers))}
        for step in tape.steps:
            for sources in step.operands:
                for s in sources:
                    uses[s.signal].append((step, sources))
        self.slopes: list[Tensor | None] = [None] * len(self.buffers)
        how = np.zeros(len(self.buffers), np.int64)
        for q, given in zip(internal, grads[: len(internal)], strict=True):
            if uses[q] and tape.signals[q].smooth:
                self.slopes[q] = room = self._room(self.stop, tape.signals[q].n, zero=given is None)
                if given is not None:
                    room.copy_(given)
                how[q] = 1
            elif given is not None:
                self.slopes[q] = self._signal(given.expand(self.stop, *self.lead, -1), tape.signals[q].n)
        for q in external:
            if need_external[q]:
                step, sources = uses[q][0]
                single = len(uses[q]) == 1 and self._plain(sources, step.n) and not sources[0].offset
                covered = single and self.buffers[q].shape[0] <= self.stop - sources[0].lag
                self.slopes[q] = self._room(self.buffers[q].shape[0], tape.signals[q].n, zero=not covered)
                how[q] = 2 if single else 1
        keep, wanted = self._wanted(how, need_constant, need_matrix)
        g_base = row_table(self.slopes, self.lead, 1)
        g_entry = [torch.zeros_like(t) for t in self.entry]
        g_leave = [
            torch.zeros_like(t) if g is None else g.expand_as(t).contiguous().to(t.dtype)
            for g, t in zip(grads[len(internal) :], self.entry, strict=True)
        ]
        g_constants = [
            torch.empty(*self.lead, n, dtype=tape.dtype) if need else None
            for need, n in zip(need_constant, self._sizes(), strict=True)
        ]
        steps, outs = self._steps([step.kernel.backward(w) for step, w in zip(tape.steps, wanted, strict=True)])
        operands, refs = self._operands()
        turned = [m.transpose(-1, -2).contiguous() for m in self.matrices]
        parts = self._parts
        args = (
            steps, operands, refs, self._signals(), self.base, self.constant_rows, self.check_rows, outs,
            row_table(turned, self.lead), tape.widest, tape.dt, how, g_base,
            row_table(g_entry, self.lead),
            row_table(g_leave, self.lead),
            row_table(g_constants, self.lead),
            keep,
        )  # fmt: skip
        spread(self.rows * parts, lambda lo, hi: self.machine["backward"](lo, hi, parts, self.start, self.stop, EVERY, *args))
        found: list[Tensor | None] = [g if need else None for g, need in zip(g_entry, needs[:a], strict=True)]
        found += [self.slopes[q] if need_external[q] else None for q in external]
        found += g_constants
        found += [self._matrix_gradient(m, keep) if need else None for m, need in enumerate(need_matrix)]
        return [None if g is None else shaped(g, shape) for g, shape in zip(found, self.shapes, strict=True)]

    def _wanted(
        self, how: NDArray[np.int64], need_constant: Sequence[bool], need_matrix: Sequence[bool]
    ) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
        """The signals that keep gradients of operands, for matrices; and what each kernel must differentiate."""
        keep, wanted, constant = [], [], 0
        for step in self.tape.steps:
            inputs = []
            for sources in step.operands:
                through = any(s.matrix >= 0 and need_matrix[s.matrix] for s in sources)
                keep.append(len(self.buffers) if through else -1)
                if through:
                    room = self._room(self.stop, step.n)
                    self.buffers.append(room)
                    self.slopes.append(room)
                inputs.append(through or any(how[s.signal] for s in sources))
            wanted.append(step.kernel.wanted(inputs, need_constant[constant : constant + step.kernel.constants]))
            constant += step.kernel.constants
        return np.array(keep or [-1], np.int64), wanted

    def _matrix_gradient(self, m: int, keep: NDArray[np.int64]) -> Tensor:
        """Sum over slots of signal times gradient of what it entered."""
        shape = self.matrices[m].shape
        axes = ("c" if shape[0] > 1 else "") + ("b" if shape[1] > 1 else "")
        total: Tensor | None = None
        x = 0
        for step in self.tape.steps:
            for sources in step.operands:
                for s in sources:
                    if s.matrix == m:
                        past = self.buffers[s.signal][: max(0, self.stop - s.lag)]
                        later = self.slopes[int(keep[x])]
                        assert later is not None
                        part = torch.einsum(
                            f"tcbi,tcbj->{axes}ij", past.expand(-1, *self.lead, -1), later[s.lag : s.lag + len(past)]
                        )
                        total = part if total is None else total + part
                x += 1
        assert total is not None
        return total.reshape(shape)


def row_addresses(t: Tensor, chip: int, batch: int, lead: tuple[int, int]) -> Table:
    """The address of each row, ``[chip * batch]``, in a tensor with these axes for chip and batch."""
    steps = [t.stride(axis) * t.element_size() if t.shape[axis] > 1 else 0 for axis in (chip, batch)]
    c, b = np.arange(lead[0])[:, None] * steps[0], np.arange(lead[1])[None, :] * steps[1]
    return (t.data_ptr() + c + b).reshape(-1)


def row_table(tensors: Sequence[Tensor | None], lead: tuple[int, int], chip: int = 0) -> Table:
    """The addresses of the rows of each, ``[which, chip * batch]``; 0 for None. ``chip``: its axis, that of the batch follows."""
    none = np.zeros(lead[0] * lead[1], np.int64)
    rows = [none if t is None else row_addresses(t, chip, chip + 1, lead) for t in tensors]
    return np.stack(rows or [none])


def _flat(t: Tensor, lead: tuple[int, int]) -> Tensor:
    return t.expand(*lead, t.shape[-1])


def shaped(gradient: Tensor, shape: torch.Size) -> Tensor:
    """Summed over what was broadcast."""
    return gradient if gradient.shape == shape else gradient.sum_to_size(shape)
