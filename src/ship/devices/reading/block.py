"""Which rows of a file are those of its table: the longest run of rows that have numbers and texts in the same places."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from . import cells

HEAD = 3000  # rows in which the data must begin, and from which the columns of numbers are found
FEW = 3  # rows of numbers above a row of words that are no table of their own

_kind = lru_cache(50_000)(cells.kind)


class Row(NamedTuple):
    """A row of cells without spaces around them and without empty ones at its end, its number, and its width in the file."""

    cells: list[str]
    number: int
    width: int


def kind(text: str) -> str:
    """Return what a cell is, as `cells.kind`; short texts, which come again, are looked at once."""
    return _kind(text) if len(text) < 64 else cells.kind(text)


def numeric_columns(rows: Sequence[Row]) -> list[int]:
    """Return the columns, from 0, that hold numbers in the longest run of rows of one form; [] where there is no number."""
    best: tuple[int, dict[int, int], int] = (0, {}, 0)
    found: dict[int, int] = {}
    texts: set[int] = set()
    size = 0
    for row in rows[:HEAD]:
        kinds = [kind(c) for c in row.cells]
        here = {k for k, what in enumerate(kinds) if what == "n"}
        words = {k for k, what in enumerate(kinds) if what == "t"}
        if here & texts or any(k in found for k in words):
            found, texts, size = {}, set(), 0
        size += 1
        texts |= words
        for k in here:
            found[k] = found.get(k, 0) + 1
        total = sum(found.values())
        if total > best[0]:
            best = (total, dict(found), size)
    _, counts, size = best
    often = [k for k, count in counts.items() if 2 * count >= size]
    return sorted(often or counts)


def has_form(row: Row, numeric: Sequence[int]) -> bool:
    """Return whether a row has the form of data: numbers where the columns of numbers are, and no text there."""
    kinds = [kind(row.cells[k]) for k in numeric if k < len(row.cells)]
    return "t" not in kinds and 2 * kinds.count("n") >= min(len(numeric), 2)


def first_row(rows: Sequence[Row], numeric: Sequence[int]) -> int:
    """Return the index of the first row of data.

    From the longest run of rows of that form it goes back over rows that have some number in their place, and over single rows
    of words that have rows of data above them; at least ``FEW`` of them, since a preamble may have a row of numbers, too.
    """
    form = [has_form(row, numeric) for row in rows[:HEAD]]
    if True not in form:
        return 0
    at, best, run = 0, 0, 0
    for k, fits in enumerate(form):
        run = run + 1 if fits else 0
        if run > best:
            best, at = run, k - run + 1
    widest = max(len(row.cells) for row in rows[at : at + best])
    while at > 0:
        above = rows[at - 1]
        if form[at - 1] or _is_blank(above, numeric) or (len(above.cells) >= widest > 1 and any_number(above, numeric)):
            at -= 1
        elif at >= FEW + 1 and all(form[at - 1 - FEW : at - 1]):
            at -= FEW + 1
        else:
            break
    return at


def _is_blank(row: Row, numeric: Sequence[int]) -> bool:
    """Return whether a row has marks of no value and no text in the columns of numbers."""
    there = [row.cells[k] for k in numeric if k < len(row.cells) and row.cells[k]]
    return bool(there) and all(kind(c) == "e" for c in there)


def any_number(row: Row, numeric: Sequence[int]) -> bool:
    """Return whether a row has a number in one of the columns of numbers."""
    return any(kind(row.cells[k]) == "n" for k in numeric if k < len(row.cells))


def last_row(rows: Sequence[Row], numeric: Sequence[int], first: int) -> int:
    """Return the index of the last row of data: rows at the end that begin with a word where a number would be are the footer.

    A cell such as ``1.x5`` is no word but a damaged number; its row stays, and is an error for those who want its column.
    """
    at = len(rows) - 1
    while numeric and at >= first and _is_footer(rows[at], numeric):
        at -= 1
    return at


def _is_footer(row: Row, numeric: Sequence[int]) -> bool:
    if has_form(row, numeric):
        return False
    there = [row.cells[k] for k in numeric if k < len(row.cells) and row.cells[k]]
    words = [c for c in there if kind(c) == "t"]
    numbers = len(there) - len(words)
    if not there:  # nothing in the columns of numbers
        return bool(row.cells) and len(row.cells) <= numeric[0] + 1
    if not words or numbers == 0:
        return bool(words)
    is_word = words[0] == there[0] and words[0][0].isalpha()
    return is_word and (2 * numbers <= len(numeric) or not any(c.isdigit() for c in words[0]))
