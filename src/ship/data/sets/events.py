"""Sets of events: each sample is a list of events, int32 ``[event, 2]`` with its time in us and its unit, in order of time.

Units of a camera count pixels row by row, one polarity after the other: ``(polarity * height + y) * width + x``. What is read
from thousands of small files, or out of a compressed archive, is kept in the cache as one file, which is mapped into memory: a
set that is larger than the memory can be used, and is read once only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...base.atomic_write import write_whole
from ...base.checks import check_whole
from ...base.clock import check_dt, nearest_slots
from ...base.errors import FileError, RunError
from .fetch import alone, cached

VERSION = 1  # counts changes in what is kept


class Pixels(NamedTuple):
    """Events of a camera: time in us, column, row, and polarity (1: brighter), each ``[event]``."""

    time: Tensor
    x: Tensor
    y: Tensor
    polarity: Tensor


def pixels(events: Tensor, width: int, height: int) -> Pixels:
    """Return time, column, row and polarity of the events of a camera.

    Args:
        events: ``[event, 2]``, time in us and unit.
        width, height: pixels of the camera.
    """
    time, unit = events[:, 0], events[:, 1]
    return Pixels(time, unit % width, unit // width % height, unit // (width * height))


def units_of(x: np.ndarray, y: np.ndarray, polarity: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the unit of each event of a camera, int32."""
    units: np.ndarray = ((polarity.astype(np.int32) * height + y) * width + x).astype(np.int32)
    return units


def pooled(events: Tensor, width: int, height: int, by: int) -> Tensor:
    """Return events with the units of a coarser camera, in which ``by`` x ``by`` pixels are one.

    Args:
        events: ``[event, 2]``, time in us and unit.
        width, height: pixels of the camera.
        by: pixels that become one, in each direction; a rest at the right and below counts as a pixel of its own.
    """
    check_whole("events.pooled: by", by, 1)
    time, x, y, polarity = pixels(events, width, height)
    wide, high = -(-width // by), -(-height // by)
    return torch.stack([time, (polarity * high + y // by) * wide + x // by], 1)


def to_slots(events: Tensor, n: int, steps: int, dt: float, tick: float = 1e-6) -> Tensor:
    """Count events into slots; those that come after the last slot are left out.

    Args:
        events: ``[event, 2]``, time and unit.
        n: number of units.
        steps: number of slots.
        dt: time step, s; an event at t belongs to slot t / dt, rounded half up.
        tick: the unit of the times, s.

    Returns:
        Counts ``[time, unit]`` in float32.

    Raises:
        RunError: a unit or a time below 0, or a unit that does not exist.
    """
    check_whole("events.to_slots: n", n, 1)
    check_whole("events.to_slots: steps", steps, 1)
    check_dt("events.to_slots", dt)
    slot, unit = nearest_slots(events[:, 0].double() * tick, dt).long(), events[:, 1].long()
    if events.shape[0] and (int(unit.min()) < 0 or int(unit.max()) >= n or int(slot.min()) < 0):
        got = f"units {int(unit.min())} to {int(unit.max())}, slots from {int(slot.min())} on"
        raise RunError("events.to_slots", f"units must be from 0 to {n - 1}, and times at least 0", got=got)
    inside = slot < steps
    flat = torch.bincount(slot[inside] * n + unit[inside], minlength=steps * n)
    return flat.reshape(steps, n).float()


class Kept(NamedTuple):
    """Samples of events, and columns with one entry for each sample."""

    samples: list[Tensor]
    columns: dict[str, list[Any]]


Row = tuple[np.ndarray, Mapping[str, Any]]  # events [event, 2] and the columns of one sample


def kept(name: str, key: Sequence[str], rows: Callable[[], Iterator[Row]], order: str | None = None) -> Kept:
    """Read a set of events once, and from then on map what was kept of it.

    Args:
        name: the name of the set, whose folder in the cache holds what is kept.
        key: what the events depend on, such as the hashes of the files; another key is kept beside it.
        rows: reads the set: events int32 ``[event, 2]`` and columns (numbers or text) for each sample.
        order: a column by which samples are sorted; None: the order in which they are read.

    Raises:
        FileError: the cache cannot be written, or what ``rows`` raises.
    """
    digest = hashlib.sha256(json.dumps([VERSION, *key]).encode()).hexdigest()[:16]
    index, store = cached(name) / f"events-{digest}.json", cached(name) / f"events-{digest}.i32"
    if not index.exists():
        with alone(cached(name)):
            if not index.exists():  # another process may have written it meanwhile
                _write(index, store, rows, order)
    said = json.loads(index.read_bytes())
    total = sum(said["lengths"])
    if not store.is_file() or store.stat().st_size != 8 * total:
        raise FileError(str(store), "is damaged", fix=f"Remove {index} and load the set again.")
    flat = (
        torch.from_file(str(store), shared=False, size=2 * total, dtype=torch.int32)
        if total
        else torch.empty(0, dtype=torch.int32)
    )
    starts = np.cumsum([0, *said["lengths"]])
    samples = [flat[2 * starts[i] : 2 * starts[i + 1]].view(-1, 2) for i in said["order"]]
    return Kept(samples, {k: [column[i] for i in said["order"]] for k, column in said["columns"].items()})


def _write(index: Path, store: Path, rows: Callable[[], Iterator[Row]], order: str | None) -> None:
    """Write the events, and last the index, without which they do not count."""
    lengths: list[int] = []
    columns: dict[str, list[Any]] = {}
    part = store.with_suffix(".part")
    try:
        with part.open("wb") as file:
            for events, row in rows():
                file.write(np.ascontiguousarray(events, "<i4").tobytes())
                lengths.append(len(events))
                for name, value in row.items():
                    columns.setdefault(name, []).append(value)
        part.replace(store)
    except OSError as error:
        fix = "Check that the folder is writable and that the disk is not full, or set SHIP_CACHE to another folder."
        raise FileError(str(store), "cannot be written", got=error.strerror or str(error), fix=fix) from error
    finally:
        part.unlink(missing_ok=True)
    numbers = list(range(len(lengths)))
    if order is not None:
        numbers.sort(key=lambda i: columns[order][i])
    write_whole(index, json.dumps({"lengths": lengths, "columns": columns, "order": numbers}).encode())
