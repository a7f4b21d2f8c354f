"""Measurements as text: from bytes to rows of cells, one row a line, cells in quotes where they hold line breaks.

Text is UTF-8, UTF-16 or Latin-1, with or without a mark of its order. What stands between the cells follows from the rows of
numbers: the separator that leaves most cells as numbers is that of the file, in the order tab, semicolon, comma, spaces.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ...base.errors import FileError, FitError
from . import limits
from .cells import FAILED, is_number

DELIMITERS = "\t;,| "
SAMPLE = 150  # lines from the beginning, the middle and the end from which the separator follows
LINE = re.compile(r"[^\r\n]+(?:\r\n|\r|\n)?|\r\n|\r|\n")  # (str.splitlines knows more line breaks than CSV has)
COMMENT = ("#", "%", "!", "//")
TUPLE = re.compile(r"(?:(?<=,)|^)[ ]*[(\[][^()\[\]\"]*,[^()\[\]\"]*[)\]][ ]*(?=,|[\r\n]|$)")  # (2.5, 1.3): one cell
INNER = "\x1f"  # stands for a comma within a tuple while the line is split
WORD = re.compile(r'"[^"]*"|\S+')
ORDERS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


class Raw(NamedTuple):
    """The cells of a text or of a sheet, before it is known what they are.

    Args:
        cells: the rows, without those that are empty or comments.
        numbers: the number of each row in the file, from 1.
        delimiter: what stands between cells; "" in a sheet.
        lines: the rows at the beginning as they stand in the file, by number, for headers with separators of their own.
        comments: the numbers and texts of lines that are comments.
        place: the name of the sheet; "" for a text.
    """

    cells: list[list[str]]
    numbers: list[int]
    delimiter: str = ""
    lines: Mapping[int, str] = {}
    comments: tuple[tuple[int, str], ...] = ()
    place: str = ""


def read_text(name: str, data: bytes) -> Raw:
    """Return the rows of a text.

    Raises:
        FileError: no text; quotes that are not closed; lines or cells that no table has.
        FitError: nothing in it.
    """
    physical = [line[0] for line in LINE.finditer(_decoded(name, data))]
    for number, line in enumerate(physical, 1):
        if len(line) > limits.LINE:
            raise FileError(f"{name}: line {number}", f"must have at most {limits.LINE} characters", got=str(len(line)))
    delimiter = _delimiter(physical)
    lines = _Lines(physical, tuples=delimiter == ",")
    cells: list[list[str]] = []
    numbers, count = [], 0
    try:
        for row in _rows(lines, delimiter):
            count += len(row)
            limits.check_cells(name, count)
            cells.append([c.replace(INNER, ",") for c in row] if lines.replaced else row)
            numbers.append(lines.row)
            lines.between, lines.replaced = True, False
    except csv.Error as error:
        fix = "A quote opens a cell and closes it; within a cell it is doubled."
        raise FileError(f"{name}: row {lines.row}", "is no row of a table", got=str(error), fix=fix) from error
    if not cells:
        raise FitError(name, "is empty")
    return Raw(cells, numbers, delimiter, dict(enumerate(physical[:5000], 1)), tuple(lines.comments))


def split(text: str, delimiter: str) -> list[str]:
    """Split one line; " " stands for runs of spaces and tabs."""
    if delimiter == " ":
        return WORD.findall(text) if '"' in text else text.split()
    if '"' not in text:
        return text.split(delimiter)
    return next(csv.reader([text], delimiter=delimiter), [])


def _decoded(name: str, data: bytes) -> str:
    encoding = next((ORDERS[start] for start in ORDERS if data.startswith(start)), "")
    head = data[:4000]
    if not encoding and head and len(data) % 2 == 0 and b"\0" in head:
        odd, even = head[1::2].count(0), head[::2].count(0)  # of letters in UTF-16 one byte is zero
        encoding = "utf-16-le" if odd > 0.4 * len(head) // 2 and not even else "utf-16-be" if even and not odd else ""
    for trial in (encoding or "utf-8", "latin-1"):  # (Latin-1: what instruments of the West write where they do not write UTF-8)
        try:
            text = data.decode(trial)
        except UnicodeDecodeError:
            continue
        if "\0" in text or (trial == "latin-1" and b"\0" in data):
            break
        if text.lstrip()[:1] in "{<" and text.strip():
            raise FileError(name, "is JSON, XML or HTML, not a table", fix="Export it as CSV.")
        return text.replace("\N{MINUS SIGN}", "-")
    raise FileError(name, "is no text file")


def _rows(lines: _Lines, delimiter: str) -> Iterator[list[str]]:
    if delimiter == " ":
        return ([c.strip('"') for c in split(line, " ")] for line in lines)
    spaced = any(f'{delimiter} "' in line for line in lines.physical[:SAMPLE])
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=spaced)


class _Lines(Iterator[str]):
    """The lines for `csv.reader`, without comments and empty lines between rows; within a quoted cell nothing is left out."""

    def __init__(self, physical: list[str], tuples: bool) -> None:
        self.physical, self.tuples = physical, tuples
        self.lines = enumerate(physical, 1)
        self.between = True
        self.replaced = False  # whether a tuple is in the row
        self.row = 0  # the line on which the row began
        self.comments: list[tuple[int, str]] = []

    def __next__(self) -> str:
        for number, line in self.lines:
            if self.between:
                start = line.lstrip()
                if not start:
                    continue
                if is_comment(start):
                    self.comments.append((number, start.rstrip()))
                    continue
                self.between, self.row = False, number
            if self.tuples and ("(" in line or "[" in line):
                changed = TUPLE.sub(lambda found: found[0].replace(",", INNER), line)
                self.replaced = self.replaced or changed != line
                return changed
            return line
        raise StopIteration


def is_comment(start: str) -> bool:
    """Return whether a line that begins so is a comment: #REF and the like are cells."""
    return start[:1] in "#%!/" and start.startswith(COMMENT) and not (start[0] == "#" and FAILED.match(start))


def _delimiter(physical: list[str]) -> str:
    """Return the separator that leaves most cells as numbers; without any number the first that stands in the first line."""
    step = max(1, len(physical) // SAMPLE)
    sample = physical[:SAMPLE] + physical[::step][:SAMPLE] + 2 * physical[-SAMPLE:]
    sample = [re.sub(r'"[^"\n]*"', "q", s) if '"' in s else s for s in (line.strip("\r\n ") for line in sample) if s]
    sample = [line[:2000] for line in sample if not is_comment(line)]
    score = dict.fromkeys(DELIMITERS, 0.0)
    for delimiter in score:
        for line in sample:
            cells = [c.strip() for c in (line.split() if delimiter == " " else line.split(delimiter)) if c.strip()]
            if delimiter == " " or delimiter in line:
                numbers = sum(is_number(c.strip('"'), delimiter != ",") for c in cells)
                score[delimiter] += numbers / len(cells) if cells and (len(cells) > 1 or delimiter != " ") else 0.0
    best = max(score, key=lambda d: score[d])
    if score[best] > 0:
        return best
    first = next(iter(sample), "")
    return next((d for d in "\t;,|" if d in first), ",")
