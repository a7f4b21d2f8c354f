"""The tables of a tape that runs slot by slot, as `drivers.loop` reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..emit.drivers.records import EDGES, LEARN, OPERAND, PART, PULSE, SIGNAL, SOURCE
from ..emit.numba import BLOCK_BYTES
from ..tape.edges import Structure, Table
from ..tape.tape import ConnectionOperand, OperandSource, Tape
from .executor import Records, table_of

CONVERSIONS = {"none": 0, "mul": 1, "div": 2}


def operand_sources(tape: Tape) -> Iterator[OperandSource]:
    """Yield all that enters the operands of a tape, in the order of the table of sources."""
    return (s for step in tape.steps for sources in step.operands for s in sources)


def lag_of(tape: Tape, s: OperandSource, start: int) -> int:
    """Return how many slots late a signal enters, counted from its first slot. External ones begin with the run,
    unless known to begin a slot before it.
    """
    return start if tape.signals[s.signal].external and not s.lag else s.lag


def operand_tables(tape: Tape, matrices: Sequence[Tensor], stores: Mapping[int, int], start: int) -> tuple[Records, Records]:
    """Return the tables of operands and of their sources. ``stores`` names for operands the signal that keeps the sum."""
    operands: list[dict[str, int]] = []
    for sources in (sources for step in tape.steps for sources in step.operands):
        first = operands[-1]["last"] if operands else 0
        operands.append({"first": first, "last": first + len(sources), "store": stores.get(len(operands), -1)})
    size, rows = tape.dtype.itemsize, []
    for s in operand_sources(tape):
        row = {"kind": 0, "signal": s.signal, "lag": lag_of(tape, s, start), "matrix": s.matrix}
        row |= {"offset": s.offset, "into": s.into, "width": s.width, "convert": CONVERSIONS[s.convert]}
        if s.matrix >= 0:
            m = matrices[s.matrix]
            row["kind"] = 1 if s.structure is None else 2 + s.shared
            row |= {"apart": m.stride(-2) * size, "turned_apart": m.shape[-2] * size}
        rows.append(row)
    return table_of(OPERAND, operands), table_of(SOURCE, rows)


def signal_table(
    buffers: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    masks: Mapping[int, int],
    listings: Mapping[int, int],
    stop: int,
) -> Records:
    """Return the table of all signals, of the tape and of those kept for the gradient. ``masks`` has an entry for each ring."""
    rows = []
    for q, (t, gradient) in enumerate(zip(buffers, gradients, strict=True)):
        row = {"stride": t.stride(0) * t.element_size(), "mask": masks.get(q, -1), "listing": listings.get(q, -1)}
        row["slots"] = stop if q in masks else t.shape[0]
        row["back_stride"] = 0 if gradient is None else gradient.stride(0) * gradient.element_size()
        rows.append(row)
    return table_of(SIGNAL, rows)


class LearnTables(NamedTuple):
    """The tables of what changes weights, of the operands of its kernels, of pulses on devices; numbers that these point to."""

    learns: Records
    parts: Records
    pulses: Records
    kept: list[Table]


def learn_tables(tape: Tape, fields: Sequence[Tensor]) -> LearnTables:
    """Return the tables of what changes weights."""
    rows: list[dict[str, int]] = []
    parts: list[dict[str, int]] = []
    pulses: list[dict[str, int]] = []
    kept: list[Table] = []
    for learn in (step.learn for step in tape.steps if step.learn is not None):
        row = {"n_pre": learn.n_pre, "n_post": learn.n, "pre": learn.pre, "post": learn.post, "events": learn.events}
        names = ("kernel", "column", "first", "last"), ("apply", "apply_column", "apply_first", "apply_last")
        for (kernel, column, first, last), one in zip(names, learn.passes, strict=False):
            row |= {kernel: one.kernel, column: one.column, first: len(parts), last: len(parts) + len(one.parts)}
            parts += [_part(part, fields, tape.dtype.itemsize) for part in one.parts]
        row["pulse"] = -1 if learn.pulses is None else len(pulses)
        row |= {"edges": -1} if learn.edges is None else _learning_edges(learn.edges)
        rows.append(row)
        if (made := learn.pulses) is not None:
            kept.append(np.array(made.offsets or (0,), np.int64))
            pulse = {"kernel": made.kernel, "first": len(parts), "last": len(parts) + len(made.parts), "u": made.u}
            pulse |= {"normals": len(made.offsets), "offsets": kept[-1].ctypes.data, "count": made.counts, "die": made.die}
            pulse |= {"devices": made.devices, "moved": made.operands - made.devices, "cycles": made.cycles}
            pulses.append(pulse)
            parts += [_part(part, fields, tape.dtype.itemsize) for part in made.parts]
    return LearnTables(table_of(LEARN, rows), table_of(PART, parts), table_of(PULSE, pulses), kept)


def _learning_edges(edges: Structure) -> dict[str, int]:
    tables = {"from_pre": edges.starts, **edges.by_post._asdict()}
    return {"edges": len(edges.posts)} | {name: table.ctypes.data for name, table in tables.items()}


def _part(part: ConnectionOperand, fields: Sequence[Tensor], size: int) -> dict[str, int]:
    if part.signal >= 0:
        return {"signal": part.signal, "field": -1, "down": size * (part.on == "pre"), "along": size * (part.on == "post")}
    if part.scratch:
        return {"signal": -1, "field": -1, "scratch": 1}
    field = fields[part.field]
    down, along = (field.stride(axis) * field.element_size() if field.shape[axis] > 1 else 0 for axis in (2, 3))
    wide = int(field.element_size() == 8)
    return {"signal": -1, "field": part.field, "down": down, "along": along, "written": int(part.written), "wide": wide}


def edge_table(tape: Tape, n_matrices: int, parts: int) -> Records:
    """Return for each matrix that is a list of weights its edges, for targets in so many parts."""
    block = BLOCK_BYTES // tape.dtype.itemsize
    rows: list[dict[str, int]] = [{} for _ in range(n_matrices)]
    for step in tape.steps:
        blocks = -(-step.n // block)
        cuts = (*(min(step.n, blocks * part // parts * block) for part in range(parts)), step.n)
        for s in (s for sources in step.operands for s in sources):
            if s.structure is not None:
                begins, targets = s.structure.bounds(cuts).ctypes.data, s.structure.posts
                count, size = len(targets), targets.itemsize
                rows[s.matrix] = {"begins": begins, "targets": targets.ctypes.data, "count": count, "size": size}
    return table_of(EDGES, rows)


def cut_table(tape: Tape, buffers: Sequence[Tensor], stores: Mapping[int, int], start: int, stop: int) -> Table:
    """Return the slots in which what enters an operand begins or ends, or the clock changes; the first and the last one."""
    cuts = {start, start + 1, stop}
    for x, sources in enumerate(sources for step in tape.steps for sources in step.operands):
        for s in sources if x not in stores else ():
            lag = lag_of(tape, s, start)
            cuts |= {lag, lag + len(buffers[s.signal])}
    return np.array(sorted(cut for cut in cuts if start <= cut <= stop), np.int64)


def levels(tape: Tape, length: int) -> list[list[int]]:
    """Return the steps of a tape by how many others they wait for in a slice of so many slots."""
    level: list[int] = []
    made = {q: i for i, step in enumerate(tape.steps) for q in step.outs}
    for step in tape.steps:
        waits = [
            level[made[s.signal]] + 1
            for sources in step.operands
            for s in sources
            if s.signal in made and made[s.signal] < len(level) and s.lag < length
        ]
        level.append(max(waits, default=0))
    return [[i for i, at in enumerate(level) if at == wanted] for wanted in range(max(level) + 1)]


def turned(matrices: Sequence[Tensor], tape: Tape) -> list[Tensor]:
    """Return the matrices transposed, with one row for each target; lists of weights as they are."""
    lists = {s.matrix for s in operand_sources(tape) if s.structure is not None}
    return [m if i in lists else m.transpose(-1, -2).contiguous() for i, m in enumerate(matrices)]


def aligned(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """Return weights as ``[chip, batch, pre, post]``, the targets of a source unit side by side."""
    t = matrix.reshape((1,) * (4 - matrix.ndim) + tuple(matrix.shape)).to(dtype)
    return t if t.stride(-1) == 1 and t.stride(-2) >= t.shape[-1] else t.contiguous()
