"""Tapes on the CPU in general: rows (chip, sample) spread over threads, or the units of a few rows, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....base.threads import spread
from ..emit import texts
from ..emit.numba import BLOCK_BYTES
from ..tape.edges import Structure, Table
from ..tape.tape import EVERY, Call, ConnectionOperand, OperandSource, TapeStep
from .executor import Executor, kept_buffer, step_rows

WIDE_UNITS, WIDE_SLOTS = 4096, 4  # from where on units are spread over threads
WEIGHTS = 2**15  # whose gradients are summed together: they stay in the L2 cache
CONVERSIONS = {"none": 0, "mul": 1, "div": 2}


class Loop(Executor):
    """One run of a tape: its tables, and its buffers for the gradient."""

    holds = (*Executor.holds, "matrices", "buffers")

    def __init__(self, call: Call, tensors: Sequence[Tensor]) -> None:
        super().__init__(call, tensors)
        self.history, self.fields = call.history, call.fields
        self.learns = any(step.learn is not None for step in self.tape.steps)
        self.drivers = texts.drivers("plastic" if self.learns else "loop", self.tape.dtype)
        widths = [self.tape.signals[q].n for q in self.tape.external]
        self.external = [self._signal(t, n) for t, n in zip(self.external, widths, strict=True)]
        first, count = sum(call.counts[:3]), call.counts[3]
        self.matrices = [self._matrix(t.detach()) for t in tensors[first : first + count]]

    def _matrix(self, t: Tensor) -> Tensor:
        t = t.reshape((1,) * (4 - t.ndim) + tuple(t.shape)).to(self.tape.dtype)
        return t if t.stride(-1) == 1 and t.stride(-2) >= t.shape[-1] else t.contiguous()

    # -- tables ------------------------------------------------------------------------------------------------------------

    def _steps(self, backwards: Sequence[int] | None = None) -> tuple[Table, Table]:
        """The table of steps, and the list of output signals."""
        outs: list[int] = []
        state = operand = constant = work = work_back = learns = 0
        rows = step_rows(self.tape, backwards)
        for row, step in zip(rows, self.tape.steps, strict=True):
            k, blocks = step.kernel, self.blocks(step)
            ring = next((q for q in step.outs if q in self.rings), -1)
            row += [state, operand, constant, len(outs), work, ring, -1 if step.learn is None else learns, work_back]
            learns += step.learn is not None
            outs += list(step.outs)
            state, operand, constant = state + k.states, operand + k.inputs, constant + k.constants
            work += k.states * BLOCK_BYTES * blocks
            work_back += k.backward_operands * BLOCK_BYTES * blocks
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
                    kind = 0 if m is None else 1 if s.structure is None else 2 + s.shared
                    lag, how = self._lag(s), CONVERSIONS[s.convert]
                    refs.append([kind, s.signal, lag, s.matrix, s.offset, s.into, s.width, how, *strides])
                operands.append([first, len(refs), self.stores.get(x, -1)])
        return np.array(operands or [[0, 0, -1]], np.int64), np.array(refs or [[0] * 10], np.int64)

    def _lag(self, s: OperandSource) -> int:
        """Slots from the first one of a signal. External ones begin with the run, unless known to begin a slot before it."""
        return self.start if self.tape.signals[s.signal].external and not s.lag else s.lag

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

    def _part(self, part: ConnectionOperand) -> list[int]:
        """Signal, field, bytes to the next row, to the next column, whether it is written."""
        if part.signal >= 0:
            return [part.signal, -1, self.size * (part.on == "pre"), self.size * (part.on == "post"), 0]
        field = self.fields[part.field]
        down, along = (field.stride(axis) * self.size if field.shape[axis] > 1 else 0 for axis in (2, 3))
        return [-1, part.field, down, along, int(part.written)]

    def _cuts(self) -> Table:
        """The slots in which what enters an operand begins or ends, or the clock changes; the first and the last one."""
        cuts = {self.start, self.start + 1, self.stop}
        operands, refs = self._operands()
        for first, last, store in operands.tolist():
            for q, lag in refs[first : last if store < 0 else first, 1:3].tolist():
                cuts |= {lag, lag + len(self.buffers[q])}
        return np.array(sorted(cut for cut in cuts if self.start <= cut <= self.stop), np.int64)

    def _signals(self) -> Table:
        rows = []
        for q, t in enumerate(self.buffers):
            mask = self.masks.get(q, -1)
            n = self.tape.signals[q].n if q < len(self.tape.signals) else t.shape[-1]
            gradient = self.gradients[q] if hasattr(self, "gradients") and self.gradients[q] is not None else None
            slots = t.shape[0] if mask == -1 else self.stop
            back = gradient.stride(0) * self.size if gradient is not None else 0
            rows.append([t.stride(0) * self.size, mask, slots, self.rings.get(q, -1), n, back])
        return np.array(rows or [[0] * 6], np.int64)

    def _plain(self, sources: tuple[OperandSource, ...], n: int) -> bool:
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
            self.buffers.append(self._buffer(self.stop if whole else depth, signal.n))
            if not whole:
                self.masks[q] = depth - 1
        for q, past in zip(tape.internal, self.history, strict=False):
            slots = torch.arange(self.start - len(past), self.start) & (self.masks.get(q, -1))
            self.buffers[q][slots] = past.expand(-1, *self.lead, -1)
        self.history = ()
        through = {s.signal for step in tape.steps for sources in step.operands for s in sources if s.matrix >= 0}
        for q in sorted(through):
            if not tape.signals[q].external:
                self.rings[q] = len(self.rings)
        if self.recorded:
            x = 0
            for step in tape.steps:
                for sources in step.operands:
                    if not self._plain(sources, step.n):
                        self.stores[x] = len(self.buffers)
                        self.buffers.append(self._buffer(self.stop, step.n))
                    x += 1

    # -- running -----------------------------------------------------------------------------------------------------------

    @property
    def wide(self) -> bool:
        """Whether the units of a row are spread over threads, step by step and slice by slice: few rows of many units."""
        units = sum(step.n for step in self.tape.steps)
        few = self.rows < torch.get_num_threads() and units >= WIDE_UNITS
        return (
            self.tape.coupled
            and not self.recorded
            and not self.learns
            and few
            and (self.tape.slice is None or self.tape.slice >= WIDE_SLOTS)
        )

    @property
    def _parts(self) -> int:
        """Parts into which the blocks of a row are split."""
        return torch.get_num_threads() if self.wide else 1

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        """Signals and final states."""
        self._prepare()
        tape = self.tape
        every = EVERY if self.recorded else 0
        leave = [torch.empty_like(t) for t in self.entry]
        self.checks = self._checks()
        steps, outs = self._steps()
        operands, refs = self._operands()
        entry, out, constants, matrices, checks, fields, base = self._tables(
            self.entry, leave, self.constants, self.matrices, self.checks, self.fields, signals=[self.buffers]
        )
        parts = self._parts
        learns, learn_parts = self._learns()
        tables = (operands, refs, self._signals(), base, constants.ravel(), self._moves, entry, out, checks, outs)
        rest = (matrices, self._edges(parts), self._depth, tape.widest, tape.dt)
        taught = (tape.together, learns, learn_parts, fields, self.stop)

        def drive(lo: int, hi: int, fresh: bool, t0: int, t1: int, which: Table, *buffer: NDArray[Any]) -> None:
            self.drivers["forward"](lo, hi, parts, fresh, self.start, t0, t1, every, which, *tables, *rest, *taught, *buffer)

        def whole(lo: int, hi: int) -> None:
            drive(lo, hi, True, self.start, self.stop, steps, *self._scratch(steps), *self._lists(tape.together), self._list())

        if self.wide:
            self._wide(steps, drive)
        else:
            spread(self.rows // tape.together, whole)
        kept = []
        for q in tape.internal:
            if q in self.masks:
                last = torch.arange(max(0, self.stop - self.masks[q] - 1), self.stop) & self.masks[q]
                kept.append(self.buffers[q][last])
            else:
                kept.append(self.buffers[q][self.start :].detach())  # another object: what is returned knows its own gradient
        return kept, leave

    @property
    def _depth(self) -> int:
        """Slots whose lists of what is not zero are kept: parts of a row may be a slice apart, a lag may exceed the run
        and the slots before it that are still read.
        """
        apart = (self.tape.slice or self.stop - self.start) if self.wide else 1
        return min(self.tape.lag, self.stop) + apart if self.rings else 1

    def _lists(self, groups: int) -> tuple[NDArray[np.int32], Table]:
        """Buffers for lists of what is not zero, and for their lengths."""
        shape = groups, self._parts, max(1, len(self.rings)), self._depth
        return np.empty((*shape, self.tape.widest + 1), np.int32), np.zeros(shape, np.int64)

    def _list(self) -> NDArray[np.int32]:
        return np.empty(self.tape.widest + 1, np.int32)

    def _scratch(self, steps: Table) -> tuple[NDArray[Any], NDArray[Any]]:
        """Memory that the driver works in: work areas, rows."""
        block = BLOCK_BYTES // self.size
        kind = np.float32 if self.size == 4 else np.float64
        area = sum(int(row[4]) * block * -(-int(row[3]) // block) for row in steps)
        rows = int(steps[:, 5].max()) + 2
        return np.zeros((self.tape.together, area + 1), kind), np.zeros((rows, self.tape.widest + block), kind)

    def _wide(self, steps: Table, drive: Callable[..., None]) -> None:
        """Slice by slice, and in a slice level by level: each level's steps and their parts side by side."""
        length = self.tape.slice or self.stop - self.start
        singles = steps.copy()
        singles[:, 13] = 0  # each step alone in its work area, which keeps its states from slice to slice
        each = [singles[s : s + 1] for s in range(len(singles))]
        tasks, lists = range(self.rows * self._parts), self._lists(self.rows)
        levels = [
            [(task, each[s], *self._scratch(each[s]), *lists, self._list()) for s in level for task in tasks]
            for level in self._levels()
        ]

        def run(jobs: Sequence[Any], t0: int, t1: int, fresh: bool = False) -> None:
            def work(lo: int, hi: int) -> None:
                for task, *buffer in jobs[lo:hi]:
                    drive(task, task + 1, fresh, t0, t1, *buffer)

            spread(len(jobs), work, torch.get_num_threads())

        run([job for jobs in levels for job in jobs], self.start, self.start, fresh=True)
        for t0 in range(self.start, self.stop, length):
            for jobs in levels:
                run(jobs, t0, min(self.stop, t0 + length))

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
        """For each matrix that is a list of weights: addresses of where edges begin and of their targets; their number, bytes of
        a target.
        """
        block = BLOCK_BYTES // self.size
        table = np.zeros((max(1, len(self.matrices)), 4), np.int64)
        for step in self.tape.steps:
            blocks = self.blocks(step)
            cuts = (*(min(step.n, blocks * part // parts * block) for part in range(parts)), step.n)
            for s in (s for sources in step.operands for s in sources if s.structure is not None):
                assert s.structure is not None
                bounds = s.structure.bounds(cuts)
                posts = s.structure.posts
                table[s.matrix] = bounds.ctypes.data, posts.ctypes.data, len(posts), posts.itemsize
        return table

    def backward(self, grads: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
        """The gradient of each tensor that was given."""
        tape = self.tape
        a, b, c = self.counts[:3]
        internal, external = tape.internal, tape.external
        need_external = dict(zip(external, needs[a : a + b], strict=True))
        need_constant, need_matrix = needs[a + b : a + b + c], needs[a + b + c : sum(self.counts[:4])]
        uses: dict[int, list[tuple[TapeStep, tuple[OperandSource, ...]]]] = {q: [] for q in range(len(self.buffers))}
        for step in tape.steps:
            for sources in step.operands:
                for s in sources:
                    uses[s.signal].append((step, sources))
        self.gradients: list[Tensor | None] = [None] * len(self.buffers)
        how = np.zeros(len(self.buffers), np.int64)
        for q, given in zip(internal, grads[: len(internal)], strict=True):
            if uses[q] and tape.signals[q].smooth:
                self.gradients[q] = buffer = self._buffer(self.stop, tape.signals[q].n, zero=given is None)
                if given is not None:
                    buffer.copy_(given)
                how[q] = 1
            elif given is not None:
                self.gradients[q] = self._signal(given.expand(self.stop, *self.lead, -1), tape.signals[q].n)
        for q in external:
            if need_external[q]:
                step, sources = uses[q][0]
                single = len(uses[q]) == 1 and self._plain(sources, step.n) and not sources[0].offset
                covered = single and self.buffers[q].shape[0] <= self.stop - sources[0].lag
                self.gradients[q] = self._buffer(self.buffers[q].shape[0], tape.signals[q].n, zero=not covered)
                how[q] = 2 if single else 1
        keep, wanted = self._wanted(how, need_constant, need_matrix)
        g_entry = [torch.zeros_like(t) for t in self.entry]
        g_leave, g_constants = self._leaving(grads[len(internal) :]), self._constant_gradients(need_constant)
        steps, outs = self._steps([step.kernel.backward(w) for step, w in zip(tape.steps, wanted, strict=True)])
        operands, refs = self._operands()
        edges = self._edges(1)
        turned = [m if width else m.transpose(-1, -2).contiguous() for m, width in zip(self.matrices, edges[:, 3], strict=False)]
        drive = (texts.drivers("gradients", tape.dtype) if edges.any() else self.drivers)["backward"]
        constants, checks, matrices, entry, left, g_constant, base, g_base = self._tables(
            self.constants, self.checks, turned, g_entry, g_leave, g_constants, signals=[self.buffers, self.gradients]
        )
        args = (
            steps, operands, refs, self._signals(), base, constants.ravel(), self._moves, checks, outs, matrices, edges,
            tape.widest, tape.dt, self._cuts(), how, g_base, entry, left, g_constant, keep,
        )  # fmt: skip
        spread(self.rows, lambda lo, hi: drive(lo, hi, self.start, self.stop, EVERY, *args))
        found: list[Tensor | None] = [g if need else None for g, need in zip(g_entry, needs[:a], strict=True)]
        found += [self.gradients[q] if need_external[q] else None for q in external]
        found += g_constants
        found += [self._matrix_gradient(m, keep) if need else None for m, need in enumerate(need_matrix)]
        return self._summed(found)

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
                    buffer = self._buffer(self.stop, step.n)
                    self.buffers.append(buffer)
                    self.gradients.append(buffer)
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
                        later = self.gradients[int(keep[x])]
                        assert later is not None
                        if s.structure is not None:
                            total = kept_buffer(self.tape.kept, m, shape, self.tape.dtype).zero_() if total is None else total
                            self._weigh(s, s.structure, later, total)
                            continue
                        past = self.buffers[s.signal][: max(0, self.stop - s.lag)]
                        part = torch.einsum(
                            f"tcbi,tcbj->{axes}ij", past.expand(-1, *self.lead, -1), later[s.lag : s.lag + len(past)]
                        )
                        total = part if total is None else total + part
                x += 1
        assert total is not None
        return total.reshape(shape)

    def _weigh(self, s: OperandSource, edges: Structure, later: Tensor, total: Tensor) -> None:
        """Add the gradient of the weights of edges, from what a source sent along them. Source units are spread over threads."""
        signal, lag = self.buffers[s.signal], self._lag(s)
        first = max(self.start, lag)
        slots = min(self.stop, lag + len(signal)) - first
        if slots <= 0:
            return
        both = [signal[first - lag :], later[first:]]
        steps = np.array([t.stride(0) * self.size for t in both], np.int64)
        weights, rows = self._tables([total], signals=[both])
        cuts = edges.parts(min(WEIGHTS, -(-len(edges.posts) // (2 * torch.get_num_threads()))))
        drive = texts.drivers("gradients", self.tape.dtype)["weigh"]
        args = (cuts, edges.starts, edges.posts, later.shape[-1], rows, slots, steps, weights[0])
        spread(len(cuts) - 1, lambda lo, hi: drive(lo, hi, *args))
