"""What the executors of tapes on the CPU, `single` and `loop`, have in common; records and tables of addresses."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..emit.drivers.records import SINGLE
from ..emit.numba import BLOCK_BYTES
from ..tape.edges import Table
from ..tape.tape import EVERY, Call, TapeStep

Records = NDArray[np.void]  # a table of records


@lru_cache(maxsize=1)
def keep_pages() -> None:
    """Let glibc keep the pages of large blocks that are freed: it does so for blocks as large as the largest one freed before, up
    to 32 MiB. Others it takes from the system each time, which clears them page by page: as much work as a kernel's.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


ALIGNED = 64  # bytes, as torch's own blocks


def gradient_buffer(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Memory for the gradient of weights on the CPU, which training frees and asks for again in every step; from NumPy.

    torch asks for aligned blocks. glibc (before 2.38) cuts them from longer ones, and one that was freed is then some bytes too
    short for the next: up to nine gradients lie idle. A block that is asked for as it is fits again.
    """
    n, spare = math.prod(shape), ALIGNED // dtype.itemsize
    block = np.empty(n + spare, np.float32 if dtype == torch.float32 else np.float64)
    skip = -block.ctypes.data % ALIGNED // dtype.itemsize
    return torch.from_numpy(block[skip : skip + n].reshape(tuple(shape)))


def kept_buffer(kept: dict[Any, Any], which: int, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """`gradient_buffer`, the last one again where nobody has it any more: between two steps small blocks may else be cut from the
    memory that it leaves, and the next one needs as much anew.
    """
    buffer, user = kept.get(("gradient", which), (None, None))
    if buffer is None or buffer.shape != shape or buffer.dtype != dtype or user() is not None:
        buffer = gradient_buffer(shape, dtype)
    given = buffer.numpy().view()  # torch holds on to it as long as a tensor lies there
    kept["gradient", which] = buffer, weakref.ref(given)
    return torch.from_numpy(given)


class Executor:
    """One run of a tape, with its arguments as kernels want them."""

    holds: Sequence[str] = ("entry", "external", "constants", "checks")
    spent = False

    def __init__(self, call: Call, tensors: Sequence[Tensor]) -> None:
        keep_pages()
        self.tape, self.lead, self.start, self.stop = call.tape, call.lead, call.start, call.stop
        self.recorded, self.counts = call.recorded, call.counts
        self.size = self.tape.dtype.itemsize
        self.shapes = [t.shape for t in tensors]
        a, b, c = call.counts[:3]
        self.entry = [t.detach().contiguous() for t in tensors[:a]]
        self.external = [t.detach() for t in tensors[a : a + b]]
        self.sizes = [step.n for step in self.tape.steps for _ in range(step.kernel.constants)]  # units of each constant
        self.constants = self._constants(tensors[a + b : a + b + c])
        one = BLOCK_BYTES // self.size
        moves = [BLOCK_BYTES if n > one and t.shape[-1] == n else 0 for t, n in zip(self.constants, self.sizes, strict=True)]
        self._moves: Table = np.array(moves or [0], np.int64)  # for each constant the bytes from a block to the next

    @property
    def rows(self) -> int:
        return self.lead[0] * self.lead[1]

    @property
    def chunks(self) -> int:
        """How many chunks of `EVERY` slots the run has, each with a checkpoint."""
        return -(-(self.stop - self.start) // EVERY)

    def blocks(self, step: TapeStep) -> int:
        return -(-step.n // (BLOCK_BYTES // self.size))

    def _signal(self, t: Tensor, n: int) -> Tensor:
        if t.shape[-1] != n:
            t = t.expand(*t.shape[:-1], n)
        if t.stride(-1) != 1 and n > 1:
            t = t.contiguous()
        return t.to(self.tape.dtype)

    def _constants(self, given: Sequence[Tensor]) -> list[Tensor]:
        """``[chip or 1, batch or 1, unit]``; one block where all units have the same number."""
        one = BLOCK_BYTES // self.size
        numbers = np.array([t.item() for t in given if t.numel() == 1], np.float32 if self.size == 4 else np.float64)
        blocks = iter(torch.from_numpy(numbers.repeat(one)).view(-1, 1, 1, one).unbind())  # all at once
        return [next(blocks) if t.numel() == 1 else self._constant(t.detach(), n) for t, n in zip(given, self.sizes, strict=True)]

    def _constant(self, t: Tensor, n: int) -> Tensor:
        t = t.reshape((1,) * (3 - t.ndim) + tuple(t.shape)).to(self.tape.dtype)
        return t.expand(*t.shape[:2], n if t.shape[-1] > 1 else BLOCK_BYTES // self.size).contiguous()

    def _buffer(self, slots: int, n: int, *, zero: bool = False) -> Tensor:
        """Return a buffer for a signal; the slots of a row lie side by side."""
        make = torch.zeros if zero else torch.empty
        return make(*self.lead, slots, n, dtype=self.tape.dtype).permute(2, 0, 1, 3)

    def _checks(self) -> list[Tensor]:
        """Return buffers for the states at every checkpoint; none where there will be no gradient."""
        return [torch.empty(*self.lead, self.chunks, t.shape[-1], dtype=t.dtype) for t in self.entry] if self.recorded else []

    def _leaving(self, grads: Sequence[Tensor | None]) -> list[Tensor]:
        """Return the gradients of the final states, zeros where there are none."""
        return [
            torch.zeros_like(t) if g is None else g.expand_as(t).contiguous().to(t.dtype)
            for g, t in zip(grads, self.entry, strict=True)
        ]

    def _constant_gradients(self, needs: Sequence[bool]) -> list[Tensor | None]:
        """Return buffers for the gradients of constants."""
        return [
            torch.empty(*self.lead, n, dtype=self.tape.dtype) if need else None for need, n in zip(needs, self.sizes, strict=True)
        ]

    def _tables(self, *lists: Sequence[Tensor | None], signals: Sequence[Sequence[Tensor | None]] = ()) -> list[Table]:
        """For each list of tensors ``[chip, batch, ...]``, then for each of ``signals`` ``[slot, chip, batch, unit]``, the
        addresses of their rows: of this pass, since what autograd keeps for the other may come back elsewhere (its hooks,
        checkpointing).
        """
        places = [p for tensors in lists for t in tensors for p in (NOWHERE if t is None else _place(t, 0, 1))]
        places += [p for tensors in signals for t in tensors for p in (NOWHERE if t is None else _place(t, 1, 2))]
        table, first, tables = _rows_at(places, self.lead), 0, []
        for tensors in (*lists, *signals):
            tables.append(table[first : first + len(tensors)])
            first += len(tensors)
        return tables

    def _record(self, name: Any, tensors: Sequence[Tensor | None], make: Callable[[], Table]) -> Table:
        """What ``make`` returns, a record that ends with the addresses of the rows of the tensors."""
        told = (
            self.lead,
            self.start,
            self.stop,
            torch.get_num_threads(),
            [t if t is None else (t.shape, t.stride()) for t in tensors],
        )
        form: Form | None = self.tape.kept.get(name)
        if form is not None and form.told == told:
            return form.filled(tensors)
        record = make()
        rows = record[record.size - self.rows * len(tensors) :].reshape(len(tensors), self.rows)
        self.tape.kept[name] = Form(told, record, rows - _addresses(tensors))
        return record

    def _step_rows(self, backwards: Sequence[int] | None = None) -> list[dict[str, int]]:
        """Return for each step the fields of a `STEP`. ``backwards`` are the kernels for gradients."""
        rows: list[dict[str, int]] = []
        first = dict.fromkeys(("state", "operand", "constant", "output"), 0)
        area = back_area = chunk = 0
        for i, step in enumerate(self.tape.steps):
            k, size, at = step.kernel, self.blocks(step) * BLOCK_BYTES, first["constant"]
            row = {"forward": k.forward, "again": k.again if k.states and backwards is not None else 0}
            row |= {"back": 0 if backwards is None else backwards[i], "units": step.n, "states": k.states, "inputs": k.inputs}
            row |= {"constants": k.constants, "outputs": k.outputs, "clock": step.go, "listing": -1, "learn": -1}
            row |= {f"first_{what}": number for what, number in first.items()}
            row |= {"area": rows[-1]["area"] if step.follows else area, "back_area": back_area, "chunk": chunk}
            row |= {"contest": int(step.contest), "traces": int(step.traces)}
            row["moving"] = int(self._moves[at : at + k.constants].any())
            rows.append(row)
            counts = {"state": k.states, "operand": k.inputs, "constant": k.constants, "output": len(step.outs)}
            first = {what: number + counts[what] for what, number in first.items()}
            area += k.states * size
            back_area += k.backward_operands * size
            chunk += k.states * size * EVERY
        return rows

    def _summed(self, found: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return gradients summed over the axes along which a tensor was broadcast."""
        return [None if g is None else shaped(g, shape) for g, shape in zip(found, self.shapes, strict=True)]


class Form(NamedTuple):
    """The record of a run, for the next one whose tensors are laid out alike."""

    told: Any
    record: Table
    rows: Table  # [tensor, row]: bytes to each row; addresses of rows are the record's end

    def filled(self, tensors: Sequence[Tensor | None]) -> Table:
        record = self.record.copy()
        record[-self.rows.size :] = (_addresses(tensors) + self.rows).reshape(-1)
        return record


def _addresses(tensors: Sequence[Tensor | None]) -> Table:
    return np.array([0 if t is None else t.data_ptr() for t in tensors], np.int64).reshape(-1, 1)


def table_of(layout: np.dtype[np.void], rows: Sequence[Mapping[str, int]]) -> Records:
    """Return a table of records of integers from their fields; those that are left out are 0. There is one record at least."""
    places, numbers = _places(layout), []
    for row in rows or [{}]:
        fields = [0] * len(places)
        for name, value in row.items():
            fields[places[name]] = value
        numbers.append(fields)
    return np.array(numbers, np.int64).view(layout).reshape(-1)


@lru_cache(maxsize=32)
def _places(layout: np.dtype[np.void]) -> dict[str, int]:
    """Return which number of a record each field is."""
    return {name: i for i, name in enumerate(layout.names or ())}


@lru_cache(maxsize=32)
def _floats(layout: np.dtype[np.void]) -> frozenset[str]:
    """Return the fields of a record that are no integers."""
    return frozenset(name for name in layout.names or () if layout[name] != np.int64)


class Record:
    """The record that a driver is given, with the arrays whose addresses it has."""

    def __init__(self, layout: np.dtype[np.void], **fields: float | NDArray[Any]) -> None:
        self.whole = np.zeros(1, layout)
        self.arrays: tuple[NDArray[Any], ...] = ()
        self._set(fields)

    def _set(self, fields: Mapping[str, float | NDArray[Any]]) -> None:
        layout, numbers = self.whole.dtype, self.whole.view(np.int64)  # fields of a record array are slow to set
        places, floats = _places(layout), _floats(layout)
        for name, value in fields.items():
            if name in floats:
                self.whole[name] = value
            else:
                numbers[places[name]] = value.ctypes.data if isinstance(value, np.ndarray) else value
        self.arrays += tuple(value for value in fields.values() if isinstance(value, np.ndarray))

    @property
    def address(self) -> int:
        """Where the record is, as long as the object lives."""
        return int(self.whole.ctypes.data)

    def but(self, **fields: float | NDArray[Any]) -> Record:
        """Return a copy with other values of some fields."""
        made = object.__new__(Record)
        made.whole, made.arrays = self.whole.copy(), self.arrays
        made._set(fields)
        return made


def record_of(numbers: Mapping[str, int], tables: Mapping[str, NDArray[Any]]) -> Table:
    """Return a `SINGLE` with its tables behind it, where `threads.crew` counts its tasks."""
    size, begins = SINGLE.itemsize, {}
    for name, table in tables.items():
        begins[name] = size
        size += table.nbytes
    head = table_of(SINGLE, [{**numbers, **begins}])
    return np.concatenate([head.view(np.int64), *(table.reshape(-1).view(np.int64) for table in tables.values())])


def row_addresses(t: Tensor, chip: int, batch: int, lead: tuple[int, int]) -> Table:
    """The address of each row, ``[chip * batch]``, in a tensor with these axes for chip and batch."""
    table: Table = _rows_at(_place(t, chip, batch), lead)[0]
    return table


def row_table(tensors: Sequence[Tensor | None], lead: tuple[int, int], chip: int = 0) -> Table:
    """The addresses of the rows of each, ``[which, chip * batch]``; 0 for None. ``chip``: its axis, that of the batch follows."""
    return _rows_at([p for t in tensors for p in (NOWHERE if t is None else _place(t, chip, chip + 1))], lead)


NOWHERE = (0, 0, 0)


def _place(t: Tensor, chip: int, batch: int) -> tuple[int, int, int]:
    """The address of the first row; bytes from a chip to the next, from a sample to the next."""
    size, shape, stride = t.element_size(), t.shape, t.stride()
    return t.data_ptr(), stride[chip] * size if shape[chip] > 1 else 0, stride[batch] * size if shape[batch] > 1 else 0


def _rows_at(places: Sequence[int], lead: tuple[int, int]) -> Table:
    """The address of each row, ``[which, chip * batch]``, from places one after the other."""
    chips, samples = _rows(lead)
    at = np.array(places, np.int64).reshape(-1, 3)
    table: Table = at[:, :1] + at[:, 1:2] * chips + at[:, 2:] * samples
    return table


@lru_cache(maxsize=64)
def _rows(lead: tuple[int, int]) -> tuple[Table, Table]:
    """Return chip and sample of each row."""
    chips, samples = np.divmod(np.arange(lead[0] * lead[1], dtype=np.int64), lead[1])
    return chips, samples


def shaped(gradient: Tensor, shape: torch.Size) -> Tensor:
    """Sum a gradient over the axes along which its tensor was broadcast."""
    return gradient if gradient.shape == shape else gradient.sum_to_size(shape)
