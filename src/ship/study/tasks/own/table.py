"""Samples and labels of a CSV file: a row for each sample with its label, or a row for each event."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ....base.atomic_write import regular_file
from ....base.errors import FileError, suggest
from .npz import grouped
from .samples import Samples

EVENTS = ("sample", "time", "unit")


def read(path: Path, *, label: str = "label") -> Samples:
    """Read a CSV file with a head of names.

    Args:
        path: the file. With columns ``sample``, ``time`` (s), ``unit`` and the label, each row is an event; else each row is a
            sample, and every column but those of label, ``group`` and ``test`` (0 or 1) is a number of it.
        label: the name of the column of labels; labels are text, whatever they look like.

    Raises:
        FileError: the file cannot be read as such; the error names row and column. Rows count from 1, the head included.
    """
    head, rows = _rows(path)
    if label not in head:
        raise FileError(f"{path.name}: row 1", f"must name a column {label!r}", got=", ".join(head), fix=suggest(label, head))
    if all(name in head for name in EVENTS):
        return _event_list(path.name, head, rows, label)
    group, test = ([row[head.index(name)] for _, row in rows] if name in head else None for name in ("group", "test"))
    features = [i for i, name in enumerate(head) if name not in (label, "group", "test")]
    if not features:
        raise FileError(f"{path.name}: row 1", "must name at least one column of numbers", got=", ".join(head))
    x = np.array([[_number(path.name, at, head[i], row[i]) for i in features] for at, row in rows], np.float32)
    held = None if test is None else _held(path.name, [at for at, _ in rows], test)
    labels = [row[head.index(label)] for _, row in rows]
    return Samples(path.name, torch.from_numpy(x), labels, "image", None, held, group)


def _held(name: str, at: list[int], cells: list[str]) -> Tensor:
    """Return which samples are held out, bool ``[sample]``."""
    bad = next((i for i, cell in enumerate(cells) if cell not in ("0", "1")), None)
    if bad is not None:
        raise FileError(f"{name}: row {at[bad]}, test", "must be 0 or 1", got=repr(cells[bad]))
    return torch.tensor([cell == "1" for cell in cells])


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the head, and each row that is not empty with its number."""
    try:
        text = regular_file(path).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(path.name, "must be text in UTF-8", got=f"byte {error.start}", fix="Save it as CSV UTF-8.") from error
    lines = [(i, [cell.strip() for cell in row]) for i, row in enumerate(csv.reader(text.splitlines()), 1) if any(row)]
    if len(lines) < 2:
        raise FileError(path.name, "must have a head and at least one row", got=f"{len(lines)} rows")
    head = lines[0][1]
    twice = next((name for name in head if head.count(name) > 1), None)
    if twice is not None:
        raise FileError(f"{path.name}: row 1", "must name each column once", got=f"{twice!r} twice")
    for at, row in lines[1:]:
        if len(row) != len(head):
            raise FileError(f"{path.name}: row {at}", f"must have {len(head)} cells, as the head has", got=len(row))
    return head, lines[1:]


def _number(name: str, at: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        fix = "Leave the row out, or fill the gap." if not cell else ""
        raise FileError(f"{name}: row {at}, {column}", "must be a finite number", got=repr(cell), fix=fix)
    return value


def _event_list(name: str, head: list[str], rows: list[tuple[int, list[str]]], label: str) -> Samples:
    """Return the samples of a list of events, in the order in which they first come."""
    column = {what: head.index(what) for what in (*EVENTS, label)}
    numbers: dict[str, int] = {}
    labels: list[str] = []
    first: list[int] = []  # row of each sample's first event
    extra = {what: head.index(what) for what in ("group", "test") if what in head}
    of: dict[str, list[str]] = {what: [] for what in extra}
    index, times, units = [], [], []
    for at, row in rows:
        sample, said = row[column["sample"]], row[column[label]]
        if sample not in numbers:
            numbers[sample] = len(labels)
            labels.append(said)
            first.append(at)
            for what, i in extra.items():
                of[what].append(row[i])
        known = numbers[sample]
        if labels[known] != said:
            rule = f"must be {labels[known]!r}, as in the rows of sample {sample!r} above"
            raise FileError(f"{name}: row {at}, {label}", rule, got=repr(said))
        time, unit = (_number(name, at, what, row[column[what]]) for what in ("time", "unit"))
        if time < 0 or unit < 0 or unit != int(unit):
            rule = "must have a time from 0 s on and a whole unit from 0 on"
            raise FileError(f"{name}: row {at}", rule, got=f"{time:g}, {unit:g}")
        index.append(known)
        times.append(time)
        units.append(unit)
    x = grouped(name, np.array(index), np.array(times), np.array(units), len(labels))
    held = None if "test" not in of else _held(name, first, of["test"])
    note = "A sample without events cannot stand in a list of events, and is not there."
    return Samples(name, x, labels, "events", None, held, of.get("group"), notes=(note,))
