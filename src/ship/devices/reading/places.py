"""Blocks of rows: those of each file and sheet, where a table was read from several; and columns with one value a block."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cells import mark
from .table import Table

SOURCES = ("file", "sheet")  # columns that say from where a row is


def origins(table: Table) -> dict[str, list[str]]:
    """Return the different files and the different sheets of a table in order of appearance; only where there are several."""
    if not isinstance(table.columns, dict) or table.places is None:
        return {}
    seen = {name: list(dict.fromkeys(map(str, table.columns[name]))) for name in SOURCES if name in table.columns}
    return {name: values for name, values in seen.items() if len(values) > 1}


def starts(table: Table, rows: int) -> np.ndarray:
    """Return the first row of each block, as indices."""
    changed = np.zeros(rows, dtype=bool)
    changed[:1] = True
    for name in origins(table):
        cells = np.array([str(c) for c in table.columns[name]])
        changed[1:] |= cells[1:] != cells[:-1]
    return np.flatnonzero(changed)


def one_a_block(table: Table, cells: Any) -> bool:
    """Return whether a column of text has a value in the first row of a block only: a number of the sweep, not of its rows."""
    if not isinstance(cells, list) or len(cells) < 3:
        return False
    first = starts(table, len(cells))
    filled = [i for i, cell in enumerate(cells) if mark(cell) != "empty"] if len(first) * 2 < len(cells) else []
    return 0 < len(filled) <= len(first) and set(filled) <= set(first.tolist())
