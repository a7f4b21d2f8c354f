"""The log of pulses: which device got which pulse and when, for a probe station, and to be replayed on an array.

One row for each device and event, as CSV with a header:

``event, time (s), chip, device, row, column, voltage (V), width (s), count``

``event`` is the number of the array's event, of which its draws are functions: played back onto an array of the same seed and
tag, also pulses with cycle-to-cycle variation and noise leave the same conductances, bit for bit. ``time`` counts seconds of runs
since the recording began (to the end of the slot); ``chip`` is the die's id; ``device`` the place within a weight; row and column
are source and target unit (on edges: the number of the edge, and 0). Cells that a bias scheme disturbs are no rows of their own:
they follow from it.

The line before the header says how many rows there are and the SHA-256 of all that follows it, so that a list that was cut short
or changed by accident is no shorter or other list. A list that was made or changed by hand goes without that line.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
from collections.abc import Sequence
from io import StringIO
from typing import NamedTuple

import torch
from torch import Tensor

from ...base.atomic_write import regular_file, write_whole
from ...base.errors import FileError, RunError
from ..array.array import DeviceArray
from ..contract import Pulse, Update
from .pulsing import EVENTS, Delivery, deliver


class Pulses(NamedTuple):
    """Pulses on devices in the order in which they were applied; each field is ``[pulse]``."""

    event: Tensor  # of the array
    time: Tensor  # s, float64
    chip: Tensor  # id of the die
    device: Tensor
    row: Tensor
    column: Tensor
    voltage: Tensor  # V, float64
    width: Tensor  # s, float64
    number: Tensor  # how many equal ones, back to back


HEADER = ("event", "time (s)", "chip", "device", "row", "column", "voltage (V)", "width (s)", "count")
FIRST = re.compile(rb"# (\d{1,18}) pulses, sha256 ([0-9a-f]{64})\r?\n")
WHOLE = ("event", "chip", "device", "row", "column", "number")


def listed(array: DeviceArray, log: Sequence[Delivery]) -> Pulses:
    """Return the log of a `Pulser` as a list of pulses."""
    whole, real = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.float64)
    if not log:
        return Pulses(*(whole if name in WHOLE else real for name in Pulses._fields))
    cells = torch.cat([d.cells for d in log]).cpu()
    sizes = torch.tensor([len(d.n) for d in log])
    column = cells[:, 4] if cells.shape[1] > 4 else torch.zeros_like(cells[:, 0])
    v, width, n = (torch.cat([getattr(d, name) for d in log]).double().cpu() for name in ("v", "width", "n"))
    return Pulses(
        torch.tensor([d.event for d in log]).repeat_interleave(sizes),
        torch.tensor([d.time for d in log], dtype=torch.float64).repeat_interleave(sizes),
        array.die_ids.cpu()[cells[:, 0]],
        cells[:, 2],
        cells[:, 3],
        column,
        v,
        width,
        n.long(),
    )


def save_pulses(path: str | os.PathLike[str], pulses: Pulses) -> None:
    """Write a list of pulses as CSV, as a whole or not at all; numbers are written in full and come back to the bit.

    Raises:
        FileError: the folder is missing or not writable.
    """
    made = StringIO(newline="")
    writer = csv.writer(made)
    writer.writerow(HEADER)
    writer.writerows(zip(*(part.tolist() for part in pulses), strict=True))
    table = made.getvalue().encode()
    first = f"# {len(pulses.event)} pulses, sha256 {hashlib.sha256(table).hexdigest()}\r\n"
    write_whole(path, first.encode() + table)


def load_pulses(path: str | os.PathLike[str]) -> Pulses:
    """Read a list of pulses.

    Raises:
        FileError: no such file, another header, a row that is no pulse, with its number (the first below the header is 1), or
            another list than the one that was written.
    """
    rows, count = _rows(path)
    if not rows or tuple(rows[0]) != HEADER:
        raise FileError(str(path), "must begin with the header " + ",".join(HEADER), got=",".join(rows[0]) if rows else "nothing")
    if count is not None and count != len(rows) - 1:
        raise FileError(str(path), f"must have the {count} rows that its first line states", got=str(len(rows) - 1))
    values: list[list[float]] = []
    for i, row in enumerate(rows[1:], 1):
        where = f"{path}, row {i}"
        values.append(_read_row(where, row))
        if i > 1 and values[-1][0] < values[-2][0]:
            raise FileError(f"{where}: event", "must not be below that of the row before", got=row[0])
    columns = zip(*values, strict=True) if values else ((),) * len(HEADER)
    kinds = (torch.int64 if name in WHOLE else torch.float64 for name in Pulses._fields)
    return Pulses(*(torch.tensor(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))


def _rows(path: str | os.PathLike[str]) -> tuple[list[list[str]], int | None]:
    """Return the rows of a file with their header, and the number of pulses that its first line states, if it has one."""
    path = regular_file(path)
    try:
        table, count = path.read_bytes(), None
        if found := FIRST.match(table):
            table, count = table[found.end() :], int(found[1])
            if hashlib.sha256(table).hexdigest() != found[2].decode():
                fix = "Use a copy that is whole, or remove the first line of one that was changed by hand."
                raise FileError(
                    str(path), "is damaged, truncated or changed", got="another checksum than the one it states", fix=fix
                )
        return list(csv.reader(StringIO(table.decode(), newline=""))), count
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(str(path), "cannot be read", got=str(error)) from error


def _read_row(where: str, row: list[str]) -> list[float]:
    if len(row) != len(HEADER):
        raise FileError(where, f"must have {len(HEADER)} columns", got=str(len(row)))
    made: list[float] = []
    for name, title, text in zip(Pulses._fields, HEADER, row, strict=True):
        try:
            value = int(text) if name in WHOLE else float(text)
        except ValueError as error:
            kind = "whole number" if name in WHOLE else "number"
            raise FileError(f"{where}: {title}", f"must be a {kind}", got=repr(text)) from error
        rule = _broken_rule(name, value)
        if rule:
            raise FileError(f"{where}: {title}", rule, got=text)
        made.append(value)
    return made


def _broken_rule(name: str, value: float) -> str:
    """Say which rule a value breaks; empty: none."""
    if not math.isfinite(value):
        return "must be finite"
    if name == "voltage":
        return "" if value != 0 else "must not be 0"
    least = 1 if name in ("event", "number") else 0
    if name == "width":
        return "" if value > 0 else "must be above 0 s"
    return "" if least <= value < 2**62 else f"must be at least {least}"


def replay(array: DeviceArray, pulses: Pulses, *, bias: str | None = None) -> None:
    """Apply a list of pulses to an array, event by event.

    Devices that change by themselves age by the times between events (equal to the run but for rounding); others end up bit for
    bit as they did in the run, where the array was programmed in the same way, with the same seed and tag.

    Args:
        array: an array that was programmed just before.
        pulses: the list, from `Network.pulses` or `load_pulses`.
        bias: the bias scheme of the run, None, "V/2" or "V/3".

    Raises:
        RunError: a row that names no device of the array, or one device twice in an event; before anything is done.
    """
    if bias not in EVENTS:
        raise RunError("replay: bias", "must be one of None, 'V/2', 'V/3'", got=repr(bias))
    index = _places(array, pulses)
    ages = array.device.retention is not None or type(array.device.update).rest is not Update.rest
    last = 0.0
    with torch.no_grad():
        for event, n in zip(*(part.tolist() for part in torch.unique_consecutive(pulses.event, return_counts=True)), strict=True):
            rows, index = index[:n], index[n:]
            now, pulses = Pulses(*(part[:n] for part in pulses)), Pulses(*(part[n:] for part in pulses))
            if ages and float(now.time[0]) > last:
                array.wait(float(now.time[0]) - last)
                last = float(now.time[0])
            own = array.values.of("")
            made = [own.v_set, own.t_write, torch.zeros((), dtype=array.dtype)]
            for i, part in enumerate((now.voltage, now.width, now.number)):
                full = made[i].expand(array.full_shape).contiguous().clone()
                full.view(-1)[rows] = part.to(full)
                made[i] = full
            array.events.fill_(int(event) - 1)
            deliver(array, Pulse(*made), bias)


def _places(array: DeviceArray, pulses: Pulses) -> Tensor:
    """Return the place of each row's device in the flattened array."""
    dies = {die: i for i, die in enumerate(array.die_ids.tolist())}
    shape = array.full_shape if len(array.shape) > 2 else (*array.full_shape, 1)
    chips, devices, rows, columns = shape[0], *shape[2:]
    chip = torch.tensor([dies.get(die, -1) for die in pulses.chip.tolist()], dtype=torch.int64)
    bad = (chip < 0) | (pulses.device >= devices) | (pulses.row >= rows) | (pulses.column >= columns)
    if bool(bad.any()):
        i = int(bad.nonzero()[0])
        raise RunError(
            f"replay: row {i + 1}",
            f"must name one of {chips} chips, {devices} devices, {rows} rows and {columns} columns, counted from 0",
            got=f"chip {int(pulses.chip[i])}, device {int(pulses.device[i])}, row {int(pulses.row[i])}, "
            f"column {int(pulses.column[i])}",
        )
    place = ((chip * devices + pulses.device) * rows + pulses.row) * columns + pulses.column
    both = torch.stack([pulses.event, place], 1)
    if len(torch.unique(both, dim=0)) < len(both):
        raise RunError("replay", "a device must have one row in an event", fix="Give its pulses another event, or a count.")
    return place
