"""Columns by header, by number, as a range or a pattern; several columns of one role are put one below the other.

``2`` is the second column, ``3:55`` the third to the fifty-fifth, ``3:`` all from the third, ``I*`` all whose header begins so.
A header that reads like this is taken as a header. What several columns hold becomes one long column, column by column, each
with its rows in order; the header is then the label of the device, or of what the user says.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.errors import FitError
from .roles import Headers, Role
from .spelling import argument
from .table import Table

RANGE = re.compile(r"(\d*):(\d*)")


@dataclass(frozen=True)
class Long:
    """The cells of each role in one length, and where each comes from.

    Args:
        cells: the cells by role, lists of text or arrays ``[row]``.
        index: the row of the table of each, ``[row]``.
        block: the number of its column, where there are several, ``[row]``.
        headers: the headers of those columns; one where there is one.
    """

    cells: dict[str, Any]
    index: np.ndarray
    block: np.ndarray
    headers: tuple[str, ...]

    def taken(self, per_row: Any) -> Any:
        """Return what belongs to the rows of the table (a list or an array) for each of these rows."""
        return per_row[self.index] if isinstance(per_row, np.ndarray) else [per_row[i] for i in self.index]


def headers(table: Table, said: str | int | Sequence[str | int]) -> tuple[str, ...]:
    """Return the headers of the columns that a user named: by header, number, range, pattern, or a list of these.

    Raises:
        FitError: no such column, a range of none.
    """
    if not isinstance(said, str | int):
        return tuple(header for each in said for header in headers(table, each))
    text, known = str(said), list(table.columns)
    if text in table.columns:
        return (text,)
    numbers = by_number(table)
    if text.isascii() and text.isdigit():
        if int(text) in numbers:
            return (numbers[int(text)],)
        raise FitError(table.name, f"no column {text!r}", fix=f"Its columns are {_span(numbers)}.")
    if ends := RANGE.fullmatch(text):
        first, last = int(ends[1] or min(numbers)), int(ends[2] or max(numbers))
        if first > last or first not in numbers or last not in numbers:
            raise FitError(table.name, "no such columns", got=repr(text), fix=f"Its columns are {_span(numbers)}.")
        return tuple(numbers[k] for k in range(first, last + 1))
    if "*" in text or "?" in text:
        if found := tuple(head for head in known if fnmatch.fnmatchcase(head, text)):
            return found
        raise FitError(
            table.name, "no column has a header of this form", got=repr(text), fix=f"Headers: {', '.join(known[:20])}."
        )
    table.column(text)  # an index of an array, or the error that there is none
    return (text,)


def by_number(table: Table) -> dict[int, str]:
    """Return the headers by number: from 1, or by themselves where all headers are numbers."""
    if table.positions:
        return {int(number): head for number, head in table.positions.items()}
    heads = list(table.columns)
    if heads and all(head.isascii() and head.isdigit() for head in heads):
        return {int(head): head for head in heads}
    return dict(enumerate(table.columns, 1))


def long(table: Table, chosen: Headers, roles: Mapping[str, Role]) -> Long:
    """Return the cells of all roles in one length.

    Matrices are flattened, their rows become sweeps; a column of offsets becomes labels; where a role has several columns, those
    of all others are repeated.

    Raises:
        FitError: columns of different lengths or numbers, arrays of more than two axes.
    """
    widths = {role: len(heads) for role, heads in chosen.items() if len(heads) > 1}
    if len(set(widths.values())) > 1:
        raise FitError(
            table.name, "must have as many columns for each role", got=", ".join(f"{n} for {r}" for r, n in widths.items())
        )
    columns = {role: [table.column(head) for head in heads] for role, heads in chosen.items() if heads}
    if widths:
        return _melted(table, chosen, columns)
    cells = _flat(table, chosen, roles, {role: each[0] for role, each in columns.items()})
    count = len(next(iter(cells.values()))) if cells else 0
    head = next((heads[0] for heads in chosen.values() if heads), "")
    return Long(cells, np.arange(count), np.zeros(count, dtype=int), (head,))


def _melted(table: Table, chosen: Headers, columns: Mapping[str, list[Any]]) -> Long:
    first = max(chosen, key=lambda role: len(chosen[role]))
    width = len(chosen[first])
    rows = len(columns[first][0])
    cells: dict[str, Any] = {}
    for role, each in columns.items():
        for head, column in zip(chosen[role], each, strict=True):
            if np.ndim(column) != 1 or len(column) != rows:
                raise FitError(f"{table.name}: column {head!r}", f"must have {rows} rows", got=f"shape {list(np.shape(column))}")
        parts = each if len(each) > 1 else each * width
        whole = all(isinstance(part, np.ndarray) for part in parts)
        cells[role] = np.concatenate(parts) if whole else [str(cell) for part in parts for cell in part]
    return Long(cells, np.tile(np.arange(rows), width), np.repeat(np.arange(width), rows), tuple(chosen[first]))


def _flat(table: Table, chosen: Headers, roles: Mapping[str, Role], raw: dict[str, Any]) -> dict[str, Any]:
    arrays = {role: np.asarray(c) for role, c in raw.items() if not isinstance(c, list)}
    flat = {role: a.ravel() for role, a in arrays.items()}
    for role, a in arrays.items():
        if a.ndim > 2:
            raise FitError(
                f"{table.name}: column {chosen[role][0]!r}",
                "must be [row] or [sweep, row]",
                got=f"shape {list(a.shape)}",
                fix=f"Choose an index of its last axis, e.g. {argument('columns', {role: f'{chosen[role][0]}[0]'})}.",
            )
        if a.ndim == 2 and "sweep" in roles and "sweep" not in raw:
            flat["sweep"] = np.repeat(np.arange(a.shape[0]), a.shape[1])
    raw = raw | flat
    longest = max((len(c) for role, c in raw.items() if role != "sweep"), default=0)
    if "sweep" in arrays and _are_offsets(arrays["sweep"], longest):
        raw["sweep"] = np.repeat(np.arange(len(arrays["sweep"]) - 1), np.diff(arrays["sweep"]))
    for role, cells in raw.items():
        if len(cells) != longest:
            raise FitError(
                f"{table.name}: column {(*chosen.get(role, ()), role)[0]!r}", f"must have {longest} rows", got=str(len(cells))
            )
    return raw


def _are_offsets(sweep: np.ndarray, rows: int) -> bool:
    """Return whether a column says where each sweep begins and, at its end, how many rows there are."""
    if sweep.ndim != 1 or sweep.dtype.kind not in "iu" or len(sweep) in (0, rows):
        return False
    return bool(sweep[0] == 0 and sweep[-1] == rows and (np.diff(sweep) > 0).all())


def _span(numbers: Mapping[int, str]) -> str:
    return f"{min(numbers)} to {max(numbers)}" if numbers else "none"
