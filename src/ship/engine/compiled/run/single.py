"""Tapes of one step on the CPU whose operands are external signals: units spread over threads, many slots at a time.

An operand may come as a product that is not done yet: the sums through weights are then made for some rows at a time, and read
while they are in the cache; their gradients take the place of the sums. Where the gradient depends on a slot by one number only,
the bottleneck (that of an integrate-and-fire neuron is its margin), this number takes the place of the sum first; elsewhere
states are kept at checkpoints, and computed again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ....base.threads import crew
from ..emit import texts
from ..emit.drivers.records import SHAPE, STEP
from ..emit.numba import BLOCK_BYTES
from ..tape.edges import Table
from ..tape.tape import EVERY, Call
from .executor import Executor, Records, kept_buffer, record_of, table_of

L1_BYTES = 24 * 1024  # of work area that one part of a row should need
SUM_BYTES = 4 * 2**20  # of sums that are made at a time, and then lie in the cache
KEPT_BYTES = 64 * 2**20  # the same where all are kept for the gradient: products of many rows take less time each


class Single(Executor):
    """One run of a tape of one step whose operands are external signals."""

    holds = (*Executor.holds, "weights", "sums", "spare")

    def __init__(self, call: Call, tensors: Sequence[Tensor]) -> None:
        super().__init__(call, tensors)
        (self.step,) = self.tape.steps
        self.drivers = texts.drivers("alone", self.tape.dtype)
        first = sum(call.counts[:4])
        self.weights = [t.detach() for t in tensors[first:]]
        self.through = call.through  # for each external signal which weight it goes through, or -1
        places = {q: i for i, q in enumerate(self.tape.external)}
        self.places = [places[operand[0].signal] if operand else -1 for operand in self.step.operands]
        for place in self.places:
            if place >= 0 and self.through[place] < 0:
                self.external[place] = self._signal(self.external[place], self.step.n)
        a, b, c = self.counts[:3]
        smooth = [i >= 0 and self._smooth(i, call.needs[a : a + b], call.needs[a + b + c :]) for i in self.places]
        self.wanted = self.step.kernel.wanted(smooth, call.needs[a + b : a + b + c])  # with respect to what there are gradients
        # The input whose sums give their place to the bottleneck; -1 where there is none; None where states are kept.
        self.place = self._place() if self.recorded else None

    def _smooth(self, i: int, need_signal: Sequence[bool], need_weight: Sequence[bool]) -> bool:
        """Whether an external signal, or the weights that it goes through, get a gradient."""
        return need_signal[i] or (self.through[i] >= 0 and need_weight[self.through[i]])

    def _place(self) -> int | None:
        kernel = self.step.kernel
        found = kernel.bottleneck(self.wanted)
        if not found:
            return found if found is None else -1
        for i, (place, lag) in enumerate(zip(self.places, self._lags(), strict=True)):
            long = place >= 0 and lag - self.start <= 1 and lag + self.external[place].shape[0] >= self.stop
            if long and self.through[place] >= 0 and i in kernel.places(self.wanted):
                return i
        return None

    # -- tables ------------------------------------------------------------------------------------------------------------

    @property
    def _inputs(self) -> list[Tensor | None]:
        """The memory that each input is read from: of a signal, or of sums."""
        return [None if i < 0 else self.external[i] if self.through[i] < 0 else self.sums[i] for i in self.places]

    def _lags(self) -> list[int]:
        """For each input the slot that its signal begins with: that of the run, or one before it."""
        lags = [operand[0].lag if operand else 0 for operand in self.step.operands]
        return [lag + (0 if lag else self.start) if place >= 0 else 0 for lag, place in zip(lags, self.places, strict=True)]

    def _times(self) -> tuple[Records, Table]:
        """Return the `SHAPE` of each input, and the slots in which something changes."""
        shapes: list[dict[str, int]] = []
        cuts = {self.start, self.stop}
        if self.step.go >= 0:
            cuts.add(self.start + 1)
        for place, lag in zip(self.places, self._lags(), strict=True):
            if place < 0:
                shapes.append({})
                continue
            t, slots = self.external[place], self.external[place].shape[0]
            stride = t.stride(0) if self.through[place] < 0 else self.step.n
            shapes.append({"stride": stride * self.size, "lag": lag, "slots": slots})
            cuts |= {lag, lag + slots}
        inside = sorted(cut for cut in cuts if self.start <= cut <= self.stop)
        return table_of(SHAPE, shapes), np.array(inside, np.int64)

    def _rows(self, lists: Sequence[Sequence[Tensor | None]], signals: Sequence[Sequence[Tensor | None]]) -> list[Table]:
        """Return the addresses of the rows of tensors, of inputs, of other signals."""
        tables = self._tables(*lists, signals=[self._inputs, *signals])
        for i, buffer in enumerate(self._inputs):
            if buffer is not None and self.through[self.places[i]] >= 0:  # where there will be no gradient rows share the sums
                shift = np.arange(self.rows) % buffer.shape[0] * (buffer.stride(0) * self.size)
                tables[len(lists)][i] = buffer.data_ptr() + shift
        return tables

    def _strides(self, signals: Sequence[Tensor | None]) -> Table:
        """Return the bytes from a slot to the next, of each signal."""
        return np.array([0 if t is None else t.stride(0) * self.size for t in signals], np.int64)

    def _numbers(self, cuts: Table) -> dict[str, int]:
        """Return the fields of a `SINGLE` that both passes have."""
        place = -1 if self.place is None else self.place
        return {"splits": self._parts, "rows": self.rows, "every": EVERY, "last_cut": len(cuts) - 1, "place": place}

    @property
    def _parts(self) -> int:
        """How many parts the blocks of a row are split into."""
        blocks, threads = self.blocks(self.step), torch.get_num_threads()
        fit = max(1, L1_BYTES // (max(1, self.step.kernel.backward_operands) * BLOCK_BYTES))  # a function may hold nothing
        return max(1, min(blocks, max(-(-blocks // fit), -(-2 * threads // self.rows))))

    # -- running -----------------------------------------------------------------------------------------------------------

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        """Run all slots; return signals and final states."""
        step = self.step
        leave = [torch.empty_like(t) for t in self.entry]
        self.checks = self._checks() if self.place is None else []
        self.spare = (
            torch.empty(*self.lead, step.n, dtype=self.tape.dtype) if self._kept else None
        )  # the bottleneck of the first slot
        wanted = {q: self._buffer(self.stop - self.start, step.n) for q in step.outs}
        outs = list(wanted.values())
        portions = self._portions()
        depth = self.rows if self.recorded else portions[0]
        self.sums = [
            torch.empty(depth, self.external[i].shape[0], step.n, dtype=self.tape.dtype) if w >= 0 else None
            for i, w in enumerate(self.through)
        ]
        record = self._forward_record(leave, outs)
        parts, drive = self._parts, self.drivers["forward"].address
        lo = 0
        for count in portions:
            self._sum(lo, lo + count)
            crew(drive, record, lo * parts, (lo + count) * parts)
            lo += count
        if not self.recorded:
            self.sums = []
        return [wanted[q] for q in self.tape.internal], leave

    @property
    def _kept(self) -> bool:
        """Whether the bottleneck takes the place of sums."""
        return self.place is not None and self.place >= 0

    def _forward_record(self, leave: Sequence[Tensor], outs: Sequence[Tensor]) -> Table:
        def tables() -> Table:
            step = self.step
            shapes, cuts = self._times()
            (kernels,) = self._step_rows()
            if self._kept:
                kernels["forward"] = step.kernel.keeping(self.wanted)
            numbers = self._numbers(cuts) | {
                "checked": int(bool(self.checks)),
                "ending": 0 if step.ending is None else step.ending.forward,
            }
            names = ("entry", "leave", "constants", "checks", "spare", "inputs", "outs")
            rows = self._rows([self.entry, leave, self.constants, self.checks, [self.spare]], [outs])
            moves = {"moves": self._moves, "out_strides": self._strides(outs)}
            tables = {"step": table_of(STEP, [kernels]), "shapes": shapes, "cuts": cuts} | moves
            return record_of(numbers, tables | dict(zip(names, rows, strict=True)))

        tensors = [*self.entry, *leave, *self.constants, *self.checks, self.spare, *self._inputs, *outs]
        return self._record(("forward", self.recorded, self.wanted), tensors, tables)

    def _again(self) -> None:
        """Make again what the last backward pass used up."""
        self._sum(0, self.rows)
        if self._kept:
            leave = [torch.empty_like(t) for t in self.entry]
            outs = [self._buffer(self.stop - self.start, self.step.n) for _ in self.step.outs]
            record = self._forward_record(leave, outs)
            crew(self.drivers["forward"].address, record, 0, self.rows * self._parts)

    def _portions(self) -> list[int]:
        """Return how many rows are worked on at a time, portion by portion."""
        slots = [t.shape[0] for t, w in zip(self.external, self.through, strict=True) if w >= 0]
        if not slots:
            return [self.rows]
        most = KEPT_BYTES if self.recorded else SUM_BYTES
        count = max(1, min(self.rows, most // max(1, sum(slots) * self.step.n * self.size)))
        return [count] * (self.rows // count) + ([self.rows % count] if self.rows % count else [])

    def _sum(self, lo: int, hi: int) -> None:
        """Make the sums of rows ``lo .. hi - 1``."""
        batch = self.lead[1]
        for x, w, buffer in zip(self.external, self.through, self.sums, strict=True):
            if buffer is None:
                continue
            x, weight = x.permute(1, 2, 0, 3), self.weights[w]
            for chip in range(lo // batch, -(-hi // batch)):
                first, last = max(lo, chip * batch), min(hi, (chip + 1) * batch)
                part = x[min(chip, len(x) - 1), first - chip * batch : last - chip * batch]
                depth = buffer.shape[0]
                into = buffer.data[first % depth :][: last - first]  # autograd, which keeps the buffer, need not know
                matrix = weight if weight.ndim == 2 else weight[min(chip, len(weight) - 1), 0]
                if part.is_contiguous():
                    torch.mm(part.flatten(0, 1), matrix, out=into.flatten(0, 1))
                else:
                    torch.matmul(part, matrix, out=into)

    def backward(self, grads: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradient of each tensor that was given."""
        step = self.step
        a, b, c = self.counts[:3]
        need_signal, need_constant, need_weight = needs[a : a + b], needs[a + b : a + b + c], needs[a + b + c :]
        if self.spent:
            self._again()
        by_signal = dict(zip(self.tape.internal, grads, strict=False))
        gradients = [None if by_signal[q] is None else self._aligned(by_signal[q]) for q in step.outs]  # type: ignore[arg-type]
        targets = self._targets(need_signal, need_weight)
        g_entry, g_leave = [torch.zeros_like(t) for t in self.entry], self._leaving(grads[len(self.tape.internal) :])
        g_constants = self._constant_gradients(need_constant)
        parts, drive = self._parts, self.drivers["backward"].address

        def tables() -> Table:
            shapes, cuts = self._times()
            (kernels,) = self._step_rows([step.kernel.backward(self.wanted, self.place)])
            if self.place is not None:
                kernels["again"] = 0
            numbers = self._numbers(cuts)
            numbers["replaces"] = int(step.kernel.replaces(self.wanted, numbers["place"]))
            names = (
                "constants", "checks", "spare", "g_entry", "g_leave", "g_constants", "inputs", "gradients", "targets",
            )  # fmt: skip
            rows = self._rows([self.constants, self.checks, [self.spare], g_entry, g_leave, g_constants], [gradients, targets])
            strides = {"back_strides": self._strides(gradients), "target_strides": self._strides(targets)}
            tables = {"step": table_of(STEP, [kernels]), "shapes": shapes, "cuts": cuts, "moves": self._moves} | strides
            return record_of(numbers, tables | dict(zip(names, rows, strict=True)))

        tensors = [
            *self.constants, *self.checks, self.spare, *g_entry, *g_leave, *g_constants, *self._inputs, *gradients, *targets,
        ]  # fmt: skip
        record = self._record(("backward", self.wanted), tensors, tables)
        crew(drive, record, 0, self.rows * parts)
        found: list[Tensor | None] = [g if need else None for g, need in zip(g_entry, needs[:a], strict=True)]
        g_weights: list[Tensor | None] = [None] * len(self.weights)
        for i, need in enumerate(need_signal):
            gradients_here = [t for t, place in zip(targets, self.places, strict=True) if t is not None and place == i]
            if self.through[i] < 0:
                found.append(sum(gradients_here[1:], gradients_here[0]) if need and gradients_here else None)
                continue
            found.append(self._arrival_gradient(i, gradients_here[0]) if need else None)
            if need_weight[self.through[i]]:
                g_weights[self.through[i]] = self._weight_gradient(i, gradients_here[0])
        return self._summed([*found, *g_constants, *g_weights])

    def _targets(self, need_signal: Sequence[bool], need_weight: Sequence[bool]) -> list[Tensor | None]:
        """Return where the gradient of each input goes: that of a sum to where the sum was."""
        targets: list[Tensor | None] = []
        for place, lag in zip(self.places, self._lags(), strict=True):
            target = None
            if place >= 0:
                buffer, slots = self.sums[place], self.external[place].shape[0]
                if buffer is not None and self._smooth(place, need_signal, need_weight):
                    target = buffer.data.view(*self.lead, slots, self.step.n).permute(2, 0, 1, 3)
                elif buffer is None and need_signal[place]:
                    target = self._buffer(slots, self.step.n)
                if target is not None and slots > self.stop - lag:
                    target[max(0, self.stop - lag) :] = 0  # slots that nobody reads
            targets.append(target)
        return targets

    def _aligned(self, g: Tensor) -> Tensor:
        return self._signal(g.expand(self.stop - self.start, *self.lead, -1), self.step.n)

    def _arrival_gradient(self, i: int, gradient: Tensor) -> Tensor:
        """Return the gradient of an external signal that went through weights."""
        g, weight = gradient.permute(1, 2, 0, 3), self.weights[self.through[i]]
        back = g @ weight.t() if weight.ndim == 2 else torch.matmul(g, weight.transpose(-1, -2))
        return back.permute(2, 0, 1, 3)

    def _weight_gradient(self, i: int, gradient: Tensor) -> Tensor:
        """Return the gradient of the weights that an external signal went through."""
        x, g = self.external[i].permute(1, 2, 0, 3), gradient.permute(1, 2, 0, 3)
        weight = self.weights[self.through[i]]
        if weight.ndim == 2 and len(x) == len(g):
            buffer = kept_buffer(self.tape.kept, i, weight.shape, weight.dtype)
            return torch.mm(x.flatten(0, 2).t(), g.flatten(0, 2), out=buffer)
        each = torch.stack([x[min(c, len(x) - 1)].flatten(0, 1).t() @ g[c].flatten(0, 1) for c in range(len(g))])
        return each.sum(0) if weight.ndim == 2 else each.unsqueeze(1)
