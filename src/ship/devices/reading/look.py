"""What the reader sees in a file: format, header, columns with units, ranges and a sketch, first rows, and what it could be."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.errors import FitError
from .conditions import as_number
from .guesses import Suggestion
from .profile import CONTENTS, Profile, profiles, texts
from .spelling import argument
from .suggest import several_sheets, suggest
from .table import Table, read

WIDTH = 100  # columns of a page
BARS = "▁▂▃▄▅▆▇█"
SKETCH = 16  # characters of a sketch
ROWS, FACTS, LISTED, SHOWN = 3, 8, 6, 7  # first rows, facts of a preamble, numbers of rows, and columns that are shown


@dataclass(frozen=True)
class Look:
    """What the reader sees in one or several files; as text, it is the page that ``ship look`` prints.

    Args:
        table: the table.
        columns: how each column looks.
        suggestions: what the table could be, the most plausible first.
        source: the files, as they were given.
    """

    table: Table
    columns: tuple[Profile, ...]
    suggestions: tuple[Suggestion, ...]
    source: Any

    def __str__(self) -> str:
        parts = [_head(self.table), _facts(self.table), _columns(self.columns), _rows(self.table), _left_out(self.table)]
        return "\n\n".join(part for part in [*parts, _suggested(self.suggestions, self.source)] if part)

    __repr__ = __str__


def look(source: Any, *, sheet: Any = None, instrument: str | None = None, decimal: str | None = None) -> Look:
    """Read a file, or several, and see what is in it, without taking it for a measurement of some kind.

    Args:
        source: as in `ship.fit`.
        sheet: the sheet of an XLSX file; None: where it has several, all of the same columns.
        instrument: as in `ship.fit`.
        decimal: the decimal sign; None: what the file shows.

    Raises:
        FitError: no table.
        FileError: the file is missing or damaged.
    """
    table = _table(source, sheet, instrument)
    return Look(table, tuple(profiles(table, decimal)), tuple(suggest(table, decimal)), source)


def _table(source: Any, sheet: Any, instrument: str | None) -> Table:
    """Read a table; of a file with several sheets, where none was named, all that have the columns of the first."""
    try:
        return read(source, sheet=sheet, instrument=instrument)
    except FitError as error:
        if sheet is not None or not several_sheets(error):
            raise
        return read(source, sheet="all", instrument=instrument)


def _head(table: Table) -> str:
    count = len(table.rows) if table.rows is not None else 0
    size = f"{count} rows, {len(table.columns)} columns" if table.rows is not None else f"{len(table.columns)} columns"
    lines = [f"{table.name}: {size}"]
    if table.recognised or table.format:
        lines += _wrapped(table.recognised or table.format, "  ")
    if not table.header:
        lines.append("  It has no header: columns are called by their numbers.")
    if table.decimal == ",":
        lines.append("  Its numbers have decimal commas.")
    return "\n".join(lines)


def _facts(table: Table) -> str:
    if not table.meta:
        return ""
    shown = [f"{_cut(key, 40)}: {_cut(str(value), 50)}" for key, value in itertools.islice(table.meta.items(), FACTS)]
    more = len(table.meta) - len(shown)
    return "\n".join(["Preamble", *(f"  {line}" for line in shown), *([f"  ... {more} more"] if more > 0 else [])])


def _columns(columns: Sequence[Profile]) -> str:
    """Return a line for each column; neighbours that look alike share one, where there are many."""
    lines = [_line("column", "unit", "values", "content", "range", "sketch"), "-" * WIDTH]
    for group in _groups(columns):
        p = group[0]
        if len(group) > 3:
            values = np.concatenate([each.values for each in group]) if p.values.size else p.values
            name = f"{p.header} ... {group[-1].header} ({len(group)})"
            lines.append(_line(name, p.unit, str(p.filled), CONTENTS[p.content], _range(values), _sketch(p.values)))
            continue
        for each in group:
            name = each.header if each.header == str(each.number) else f"{each.number} {each.header}"
            content = CONTENTS[each.content] + (f": {', '.join(each.examples)}" if each.examples else "")
            lines.append(_line(name, each.unit, str(each.filled), content, _range(each.values), _sketch(each.values)))
    return "\n".join(lines)


def _line(name: str, unit: str, count: str, content: str, span: str, sketch: str) -> str:
    """Return one line of the table of columns, of at most 100 characters."""
    cells = [
        _padded(_head_of(name, 20), 20),
        _padded(unit or "-", 5),
        _padded(count, 6),
        _padded(content, 26),
        _padded(span, 21),
        sketch,
    ]
    return " ".join(cells).rstrip()


def _groups(columns: Sequence[Profile]) -> list[list[Profile]]:
    """Return neighbours that look alike, where there are many columns; else each alone."""
    groups: list[list[Profile]] = []
    for p in columns:
        same = groups and len(columns) > 12 and groups[-1][-1].content == p.content and groups[-1][-1].unit == p.unit
        if same:
            groups[-1].append(p)
        else:
            groups.append([p])
    return groups


def _range(values: np.ndarray) -> str:
    good = values[np.isfinite(values)]
    if not len(good):
        return ""
    low, high = float(good.min()), float(good.max())
    whole = low.is_integer() and high.is_integer() and max(abs(low), abs(high)) < 1e9
    low_, high_ = (f"{low:.0f}", f"{high:.0f}") if whole else (f"{low:.3g}", f"{high:.3g}")
    return low_ if low == high else f"{low_} to {high_}"


def _sketch(values: np.ndarray) -> str:
    """Return numbers as one line of blocks, in a logarithmic scale where positive values span two decades."""
    good = values[np.isfinite(values)]
    if len(good) < 3 or float(np.ptp(good)) == 0:
        return ""
    if good.min() > 0 and good.max() > 100 * good.min():
        good = np.log(good)
    parts = np.array_split(good, min(SKETCH, len(good)))
    middle = np.array([float(np.median(part)) for part in parts])
    low, high = float(middle.min()), float(middle.max())
    level = np.zeros(len(middle)) if high == low else (middle - low) / (high - low)
    return "".join(BARS[min(int(x * len(BARS)), len(BARS) - 1)] for x in level)


def _rows(table: Table) -> str:
    heads = list(table.columns)[:SHOWN]
    if not heads:
        return ""
    cells = {head: texts(table.columns[head], ROWS) for head in heads}
    count = max(len(each) for each in cells.values())
    width = min(16, (WIDTH - 2 * len(heads)) // len(heads))
    lines = ["First rows" + (f" (columns 1 to {len(heads)})" if len(table.columns) > len(heads) else "")]
    for row in [
        [_head_of(head, width) for head in heads],
        *([each[k] if k < len(each) else "" for each in cells.values()] for k in range(count)),
    ]:
        lines.append("  " + "  ".join(_padded(_shortened(cell, width), width) for cell in row).rstrip())
    return "\n".join(lines)


def _shortened(cell: str, width: int) -> str:
    """Return a long number with fewer digits; what is cut off shows in the dots."""
    value = as_number(cell)
    return f"{value:.{width - 8}g}.." if len(cell) > width and np.isfinite(value) else cell


def _left_out(table: Table) -> str:
    lines = []
    for reason, rows in table.dropped.items():
        shown = ", ".join(map(str, rows[:LISTED])) + (", ..." if len(rows) > LISTED else "")
        lines += _wrapped(f"{reason}: {len(rows)} row{'s' if len(rows) != 1 else ''} ({shown})", "  ")
    notes = [line for note in table.notes for line in _wrapped(note, "  ")]
    return "\n".join([*(["Left out", *lines] if lines else []), *(["Notes", *notes] if notes else [])])


def _suggested(suggestions: Sequence[Suggestion], source: Any) -> str:
    if not suggestions:
        kind, columns = argument("kind"), argument("columns")
        return f"It does not look like a kind of measurement that is known: say {kind} and {columns}."
    lines = []
    for k, each in enumerate(suggestions):
        lines += [f"{'It looks like' if k == 0 else 'It could be'} {each.kind}:", f"  {each.call(source)}"]
        lines += _wrapped(f"because {each.reason}" + (". Units are suggested by size" if each.unit else "") + ".", "  ")
    return "\n".join(lines)


def _cut(text: str, most: int) -> str:
    return text if _width(text) <= most else _fitting(text, most - 3) + "..."


def _head_of(header: str, most: int) -> str:
    """Return a header, of a long one the beginning and the end: groups begin alike, names differ at the end."""
    half = (most - 3) // 2
    return header if _width(header) <= most else f"{_fitting(header, most - 3 - half)}...{_fitting(header[::-1], half)[::-1]}"


def _padded(text: str, width: int) -> str:
    """Return a text of just this width on a terminal."""
    text = _cut(" ".join(text.split()), width)
    return text + " " * (width - _width(text))


def _fitting(text: str, most: int) -> str:
    wide = list(itertools.accumulate(_width(c) for c in text))
    return text[: sum(w <= most for w in wide)]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def _wrapped(text: str, indent: str) -> list[str]:
    """Break a text between words, so that its lines are no wider than the page on a terminal."""
    lines: list[str] = []
    for word in text.split():
        if lines and _width(lines[-1]) + 1 + _width(word) <= WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(indent + word)
    return lines
