"""Tapes on the CPU in general: rows (chip, sample) spread over threads, or the units of a few rows, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....base.threads import spread
from ..emit import texts
from ..emit.drivers.records import LOOP, STEP
from ..emit.numba import BLOCK_BYTES
from ..tape.edges import Structure, Table
from ..tape.tape import EVERY, Call, OperandSource, TapeStep
from .executor import Executor, Record, Records, kept_buffer, table_of
from .loop_tables import (
    aligned,
    cut_table,
    edge_table,
    lag_of,
    learn_tables,
    levels,
    operand_sources,
    operand_tables,
    signal_table,
    turned,
)

WIDE_UNITS, WIDE_SLOTS = 4096, 4  # from where on units are spread over threads
WEIGHTS = 2**15  # whose gradients are summed together: they stay in the L2 cache


class Loop(Executor):
    """One run of a tape: its tables, and its buffers for the gradient."""

    holds = (*Executor.holds, "matrices", "buffers")

    def __init__(self, call: Call, tensors: Sequence[Tensor]) -> None:
        super().__init__(call, tensors)
        self.history, self.fields = call.history, call.fields
        self.learns = any(step.learn is not None for step in self.tape.steps)
        pulsed = any(step.learn is not None and step.learn.pulses is not None for step in self.tape.steps)
        self.learning_edges = [len(s.posts) for step in self.tape.steps if step.learn and (s := step.learn.edges)]
        name = "pulses" if pulsed else "plastic" if self.learns else "loop"
        if self.learning_edges:
            name = "pulses and edges" if pulsed else "plastic edges"
        self.drivers = texts.drivers(name, self.tape.dtype)
        widths = [self.tape.signals[q].n for q in self.tape.external]
        self.external = [self._signal(t, n) for t, n in zip(self.external, widths, strict=True)]
        first, count = sum(call.counts[:3]), call.counts[3]
        self.matrices = [aligned(t.detach(), self.tape.dtype) for t in tensors[first : first + count]]

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
            whole = signal.kept or self.recorded or depth >= self.stop + tape.closes
            self.buffers.append(self._buffer(self.stop + tape.closes if whole else depth, signal.n))
            if not whole:
                self.masks[q] = depth - 1
        for q, past in zip(tape.internal, self.history, strict=False):
            slots = torch.arange(self.start - len(past), self.start) & (self.masks.get(q, -1))
            self.buffers[q][slots] = past.expand(-1, *self.lead, -1)
        self.history = ()
        through = {s.signal for step in tape.steps for sources in step.operands for s in sources if s.matrix >= 0}
        for step in tape.steps:  # a step lists one of its outputs; of others, such as states, nonzeros are sought where they act
            for q in [q for q in step.outs if q in through][:1]:
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
            and not any(step.contest for step in self.tape.steps)
            and few
            and (self.tape.slice is None or self.tape.slice >= WIDE_SLOTS)
        )

    @property
    def _parts(self) -> int:
        """How many parts the blocks of a row are split into."""
        return torch.get_num_threads() if self.wide else 1

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        """Run all slots; return signals and final states."""
        self._prepare()
        tape = self.tape
        leave = [torch.empty_like(t) for t in self.entry]
        self.checks = self._checks()
        steps = self._step_table()
        rows = self._tables(self.entry, leave, self.checks, self.fields, signals=[])
        names = ("entry", "leave", "checks", "fields")
        learning = learn_tables(tape, self.fields)
        run = self._record_of(steps, self._parts, [None] * len(self.buffers), self.matrices).but(
            learns=learning.learns, parts=learning.parts, pulses=learning.pulses, **dict(zip(names, rows, strict=True))
        )
        drive = self.drivers["forward"]

        def whole(lo: int, hi: int) -> None:
            mine = run.but(**self._scratch(steps), **self._lists(tape.together))
            drive(lo, hi, True, self.start, self.stop, mine.address)

        if self.wide:
            self._wide(steps, run)
        else:
            spread(self.rows // tape.together, whole)
        kept = []
        for q in tape.internal:
            if q in self.masks:
                last = torch.arange(max(0, self.stop - self.masks[q] - 1), self.stop) & self.masks[q]
                kept.append(self.buffers[q][last])
            else:
                kept.append(self.buffers[q][self.start : self.stop].detach())  # another object: it knows its own gradient
        return kept, leave

    def _step_table(self, backwards: Sequence[int] | None = None) -> Records:
        """Return the table of steps."""
        rows, learns = self._step_rows(backwards), 0
        for row, step in zip(rows, self.tape.steps, strict=True):
            row["listing"] = next((q for q in step.outs if q in self.rings), -1)
            if step.learn is not None:
                row["learn"] = learns
                learns += 1
        return table_of(STEP, rows)

    def _record_of(self, steps: Records, splits: int, gradients: Sequence[Tensor | None], matrices: Sequence[Tensor]) -> Record:
        """Return the record that both passes begin with."""
        tape = self.tape
        operands, sources = operand_tables(tape, self.matrices, self.stores, self.start)
        constants, weights, base = self._tables(self.constants, matrices, signals=[self.buffers])
        return Record(
            LOOP,
            rows=self.rows,
            splits=splits,
            together=tape.together,
            begin=self.start,
            end=self.stop,
            every=EVERY if self.recorded else 0,
            closes=int(tape.closes),
            dt=tape.dt,
            n_steps=len(steps),
            steps=steps,
            operands=operands,
            sources=sources,
            signals=signal_table(self.buffers, gradients, self.masks, self.rings, self.stop),
            edges=edge_table(tape, len(self.matrices), splits),
            outs=np.array([q for step in tape.steps for q in step.outs], np.int64),
            moves=self._moves,
            base=base,
            constants=constants,
            matrices=weights,
        )

    @property
    def _depth(self) -> int:
        """How many slots lists of nonzeros are kept for: parts of a row may be a slice apart; a lag may exceed the run together
        with the slots before it that are still read.
        """
        apart = (self.tape.slice or self.stop - self.start) if self.wide else 1
        return min(self.tape.lag, self.stop) + apart if self.rings else 1

    def _lists(self, groups: int) -> dict[str, Any]:
        """Return memory for the lists of nonzeros of so many rows, and for their lengths."""
        shape = groups, self._parts, max(1, len(self.rings)), self._depth
        lists = np.empty((*shape, self.tape.widest + 1), np.int32)
        counts = np.zeros(shape, np.int64)
        return {"lists": lists, "list_bytes": lists.strides[-2], "counts": counts, "n_lists": shape[2], "depth": shape[3]}

    def _memory(self, steps: Records, areas: int, states: int = 0) -> dict[str, Any]:
        """Return memory that a driver works in. ``areas`` and ``states`` are the bytes of work areas and of the states of a
        chunk.
        """
        block, widest = BLOCK_BYTES // self.size, self.tape.widest
        kind = np.float32 if self.size == 4 else np.float64
        wide = widest + block
        rows = np.zeros((int(steps["inputs"].max()) + 2, wide), kind)
        places = int((2 * steps["inputs"] + steps["constants"] + steps["outputs"]).max()) + 1
        return {
            "areas": np.zeros(areas // self.size + 1, kind),
            "states": np.zeros(states // self.size + 1, kind),
            "places": np.zeros(2 * places, np.int64),
            "ones": np.ones(block, kind),
            "zeros": rows,
            "waste": rows[1:],
            "sums": rows[2:],
            "wide": wide * self.size,
        }

    def _scratch(self, steps: Records) -> dict[str, Any]:
        """Return memory for the forward driver to work in."""
        widest = self.tape.widest + 1
        area = sum(int(s["states"]) * BLOCK_BYTES * -(-int(s["units"]) * self.size // BLOCK_BYTES) for s in steps)
        memory = self._memory(steps, area * self.tape.together) | {"area_bytes": area, "list": np.empty(widest, np.int32)}
        if self.learns:
            operands = max(len(one.parts) for step in self.tape.steps if step.learn for one in step.learn.passes)
            blocks = np.zeros(operands * BLOCK_BYTES // self.size, np.float32 if self.size == 4 else np.float64)
            memory |= {"learn_blocks": blocks} | {f"learn_{name}": np.zeros(operands + 1, np.int64) for name in ("at", "moving")}
            memory |= {name: np.zeros(widest, np.int32) for name in ("learn_rows", "learn_columns")}
            memory["learn_all"] = np.arange(widest, dtype=np.int32)
            memory["learn_edges"] = np.zeros(max(self.learning_edges, default=0) + 1, np.int32)
            memory |= {name: np.zeros(widest, np.int8) for name in ("marks", "row_marks", "column_marks")}
            memory |= self._pulse_memory()
        return memory

    def _pulse_memory(self) -> dict[str, Any]:
        """Return memory for the pulses of devices that learn: a list of two blocks, and a block of each operand."""
        operands = [step.learn.pulses.operands for step in self.tape.steps if step.learn and step.learn.pulses]
        block, kind = BLOCK_BYTES // self.size, np.float32 if self.size == 4 else np.float64
        blocks = np.zeros(max(operands, default=0) * block + 1, kind)
        memory: dict[str, Any] = {"pulse_blocks": blocks, "pulse_counts": np.zeros(2 * block + 1, kind)}
        memory |= {name: np.zeros(2 * block + 1, np.int32) for name in ("pulse_rows", "pulse_columns")}
        return memory | {"pulse_length": np.zeros(1, np.int64)}

    def _wide(self, steps: Records, whole: Record) -> None:
        """Run slice by slice, and in a slice level by level: the steps of a level and their parts side by side."""
        length = self.tape.slice or self.stop - self.start
        singles = steps.copy()
        singles["area"] = 0  # each step alone in its work area, which keeps its states from slice to slice
        each = [singles[s : s + 1] for s in range(len(singles))]
        lists = self._lists(self.rows)
        tasks = range(self.rows * self._parts)
        plan = [
            [(task, whole.but(steps=each[s], n_steps=1, **self._scratch(each[s]), **lists)) for s in level for task in tasks]
            for level in levels(self.tape, self.tape.slice or self.stop)
        ]
        drive = self.drivers["forward"]

        def run(jobs: Sequence[tuple[int, Record]], t0: int, t1: int, fresh: bool = False) -> None:
            def work(lo: int, hi: int) -> None:
                for task, record in jobs[lo:hi]:
                    drive(task, task + 1, fresh, t0, t1, record.address)

            spread(len(jobs), work, torch.get_num_threads())

        run([job for jobs in plan for job in jobs], self.start, self.start, fresh=True)
        for t0 in range(self.start, self.stop, length):
            for jobs in plan:
                run(jobs, t0, min(self.stop, t0 + length))

    def backward(self, grads: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradient of each tensor that was given."""
        tape = self.tape
        a, b, c = self.counts[:3]
        internal, external = tape.internal, tape.external
        need_external = dict(zip(external, needs[a : a + b], strict=True))
        need_constant, need_matrix = needs[a + b : a + b + c], needs[a + b + c : sum(self.counts[:4])]
        how = self._begin_gradients(grads[: len(internal)], need_external)
        keep, wanted = self._wanted(how, need_constant, need_matrix)
        g_entry = [torch.zeros_like(t) for t in self.entry]
        g_leave, g_constants = self._leaving(grads[len(internal) :]), self._constant_gradients(need_constant)
        steps = self._step_table([step.kernel.backward(w) for step, w in zip(tape.steps, wanted, strict=True)])
        listed = any(s.structure is not None for s in operand_sources(tape))
        drive = (texts.drivers("gradients", tape.dtype) if listed else self.drivers)["backward"]
        rows = self._tables(self.checks, g_entry, g_leave, g_constants, signals=[self.gradients])
        names = ("checks", "g_entry", "g_leave", "g_constants", "g_base")
        cuts = cut_table(tape, self.buffers, self.stores, self.start, self.stop)
        transposed = turned(self.matrices, tape)  # in use until the end: an address alone does not keep a tensor alive
        run = self._record_of(steps, 1, self.gradients, transposed).but(
            cuts=cuts, wants=how, g_operands=keep, **dict(zip(names, rows, strict=True))
        )
        sizes = [(step.kernel, self.blocks(step) * BLOCK_BYTES) for step in tape.steps]
        area = sum(kernel.backward_operands * size for kernel, size in sizes)
        states = sum(kernel.states * size * EVERY for kernel, size in sizes)

        def work(lo: int, hi: int) -> None:
            mine = run.but(**self._memory(steps, area, states))
            drive(lo, hi, mine.address)

        spread(self.rows, work)
        found: list[Tensor | None] = [g if need else None for g, need in zip(g_entry, needs[:a], strict=True)]
        found += [self.gradients[q] if need_external[q] else None for q in external]
        found += g_constants
        found += [self._matrix_gradient(m, keep) if need else None for m, need in enumerate(need_matrix)]
        return self._summed(found)

    def _begin_gradients(self, grads: Sequence[Tensor | None], need_external: Mapping[int, bool]) -> Table:
        """Make the buffers for gradients of signals; return for each signal 0 where no gradient is wanted,
        1 where it is added to, 2 where it may be written.
        """
        tape = self.tape
        uses: dict[int, list[tuple[TapeStep, tuple[OperandSource, ...]]]] = {q: [] for q in range(len(self.buffers))}
        for step in tape.steps:
            for sources in step.operands:
                for s in sources:
                    uses[s.signal].append((step, sources))
        self.gradients: list[Tensor | None] = [None] * len(self.buffers)
        how = np.zeros(len(self.buffers), np.int64)
        for q, given in zip(tape.internal, grads, strict=True):
            if uses[q] and tape.signals[q].smooth:
                self.gradients[q] = buffer = self._buffer(self.stop, tape.signals[q].n, zero=given is None)
                if given is not None:
                    buffer.copy_(given)
                how[q] = 1
            elif given is not None:
                self.gradients[q] = self._signal(given.expand(self.stop, *self.lead, -1), tape.signals[q].n)
        for q in tape.external:
            if need_external[q]:
                step, sources = uses[q][0]
                single = len(uses[q]) == 1 and self._plain(sources, step.n) and not sources[0].offset
                covered = single and self.buffers[q].shape[0] <= self.stop - sources[0].lag
                self.gradients[q] = self._buffer(self.buffers[q].shape[0], tape.signals[q].n, zero=not covered)
                how[q] = 2 if single else 1
        return how

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
        """Return the sum over slots of the signal times the gradient of the operand that it entered."""
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
        signal, lag = self.buffers[s.signal], lag_of(self.tape, s, self.start)
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
