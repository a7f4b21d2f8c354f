"""Which rows of a measurement are used: those that meet the conditions, and have a value in each chosen column.

Other columns may hold what they like. Rows that are left out are counted by reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...base.errors import FitError
from . import melt, places
from .cells import mark, short
from .conditions import met
from .request import Request
from .roles import ROLES
from .spelling import argument
from .table import Table

ONE_FOR_ALL = ("v_read", "pulse_voltage", "pulse_width")  # what stands in the first row only holds for the rows below
SHOWN = 5  # numbers of rows that are listed in a note


def kept(
    table: Table, long: melt.Long, chosen: Mapping[str, tuple[str, ...]], request: Request, decimal: str, notes: list[str]
) -> np.ndarray:
    """Return the rows that are used (``[row]`` indices): those asked for, without empty ones where that was asked."""
    keep = np.ones(len(long.index), dtype=bool)
    rows = int(long.index.max(initial=-1)) + 1
    for condition in request.only:
        here = met(table, condition, lambda name: _header(table, chosen, name), _names(table, chosen), decimal)
        if len(here) != rows:
            raise FitError(f"fit: only {condition.text!r}", f"must be a column of {rows} rows", got=str(len(here)))
        keep &= here[long.index]
        shown = f"{condition.pair[0]} = {condition.pair[1]}" if condition.pair else condition.text
        notes.append(f"only rows with {shown}: {int(here.sum())} of {rows}")
    if request.only and not keep.any():
        raise FitError("fit: only", "leaves no row that meets all conditions", got=", ".join(c.text for c in request.only))
    quantities = {role: cells for role, cells in long.cells.items() if ROLES[request.kind][role].quantity}
    keep = _one_for_all(table, long, chosen, quantities, keep, notes)
    reasons: dict[str, list[int]] = {}
    empty = np.zeros(len(keep), dtype=bool)
    for role, cells in quantities.items():
        here = _without_value(cells) & keep
        if here.any() and here.sum() == keep.sum():
            raise FitError(f"{table.name}: {role}", "its column is empty")
        for i in np.flatnonzero(here & ~empty):
            reasons.setdefault(_reason(cells[i]), []).append(int(i))
        empty |= here
    if empty.any() and not request.skip_empty:
        first = int(np.flatnonzero(empty)[0])
        role = next(r for r, cells in quantities.items() if mark(cells[first]))
        raise FitError(
            f"{table.name}: {table.row(int(long.index[first]))}, {role}",
            "must be a number",
            got=f"{_reason(quantities[role][first])} ({int(empty.sum())} such rows)",
            fix=f"Complete the file, or give {argument('skip_empty', True)} to leave such rows out; the report says how many.",
        )
    for reason, index in reasons.items():
        names = ", ".join(table.row(int(long.index[i])) for i in index[:SHOWN]) + (", ..." if len(index) > SHOWN else "")
        count = f"{len(index)} row{'s' if len(index) > 1 else ''} with {reason}"
        notes.append(f"left out, as asked ({argument('skip_empty', True)}): {count} ({names})")
    return np.flatnonzero(keep & ~empty)


def _names(table: Table, chosen: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [*table.columns, *map(str, melt.by_number(table)), *chosen]


def _header(table: Table, chosen: Mapping[str, tuple[str, ...]], name: str) -> str:
    """Return the header of a column by the name in a condition: a header, a number, or a role that has a column."""
    if name not in table.columns and len(chosen.get(name, ())) == 1:
        return chosen[name][0]
    return melt.headers(table, name)[0]


def _one_for_all(
    table: Table,
    long: melt.Long,
    chosen: Mapping[str, tuple[str, ...]],
    quantities: dict[str, Any],
    keep: np.ndarray,
    notes: list[str],
) -> np.ndarray:
    """Spread what stands in the first row of a block only, or keep these rows where all columns are such; return the rows kept.

    Raises:
        FitError: a quantity that must change from row to row has one value.
    """
    single = [role for role, cells in quantities.items() if places.one_a_block(table, cells)]
    if not single:
        return keep
    first = np.isin(long.index, places.starts(table, int(long.index.max()) + 1))
    if set(single) == set(quantities):
        notes.append(f"{', '.join(single)}: one value for each file or sheet, in its first row")
        return keep & first
    for role in single:
        if role not in ONE_FOR_ALL:
            raise FitError(
                f"{table.name}: column {chosen[role][0]!r}",
                "has a value in its first row only: a number of the whole, not of each row",
                fix=f"Choose another column: {argument('columns', {role: 'HEADER'})}.",
            )
        cells = quantities[role]
        of = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
        long.cells[role] = quantities[role] = [cells[i] for i in of]
        notes.append(f"{role}: the value in the first row holds for all rows")
    return keep


def _without_value(cells: Any) -> np.ndarray:
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "f":
        return np.isnan(cells)
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iub":
        return np.zeros(len(cells), dtype=bool)
    return np.array([bool(mark(cell)) for cell in cells], dtype=bool)


def _reason(cell: Any) -> str:
    """Return why a cell has no value: it is empty, or holds a mark."""
    why = mark(cell)
    return "an empty cell or NaN" if why == "empty" else f"{why} ({short(str(cell).strip(), 20)})"
