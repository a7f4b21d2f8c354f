"""Measurements as text: from bytes to rows of cells, one row a line, cells in quotes where they hold line breaks.

Text is UTF-8, UTF-16 or Latin-1, with or without a mark of its order. What stands between the cells follows from the rows of
numbers: the separator that leaves most cells as numbers is that of the file, in the order tab, semicolon, comma, spaces.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...base.errors import FileError, FitError
from . import limits
from .cells import FAILED, is_number

DELIMITERS = "\t;,| "
SAMPLE = 40_000  # characters at the beginning, in the middle and at the end from which the separator follows
HEAD = 5000  # rows that are kept as they stand, too
MOST = 5000  # characters of them, and of comments
LINE = re.compile(r"[^\r\n]+(?:\r\n|\r|\n)?|\r\n|\r|\n")  # (str.splitlines knows more line breaks than CSV has)
COMMENT = ("#", "%", "!", "//")
TUPLE = re.compile(r"(?:(?<=,)|^)[ ]*[(\[][^()\[\]\"]*,[^()\[\]\"]*[)\]][ ]*(?=,|[\r\n]|$)")  # (2.5, 1.3): one cell
INNER = "\x1f"  # stands for a comma within a tuple while the line is split
QUOTED = re.compile(r'"([^"]*)"')
OTHERS = re.compile(r"[;\t|]")
WORDS = 0.8  # for spaces, which stand in titles and remarks, too
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
    text = _decoded(name, data)
    sample = _sample(text)
    delimiter = _delimiter(sample)
    lines = _Lines(name, text, tuples=delimiter == ",")
    cells: list[list[str]] = []
    numbers, count = [], 0
    try:
        spaced = any(f'{delimiter} "' in line for line in sample)
        for row in _rows(lines, delimiter, spaced):
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
    return Raw(cells, numbers, delimiter, lines.head, tuple(lines.comments))


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


def _rows(lines: _Lines, delimiter: str, spaced: bool) -> Iterator[list[str]]:
    if delimiter == " ":
        return ([c.strip('"') for c in split(line, " ")] for line in lines)
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=spaced)


class _Lines(Iterator[str]):
    """The lines for `csv.reader`, without comments and empty lines between rows; within a quoted cell nothing is left out."""

    def __init__(self, name: str, text: str, tuples: bool) -> None:
        self.name, self.tuples = name, tuples
        self.lines = enumerate((line[0] for line in LINE.finditer(text)), 1)
        self.head: dict[int, str] = {}  # rows at the beginning as they stand in the file
        self.between = True
        self.replaced = False  # whether a tuple is in the row
        self.row = 0  # the line on which the row began
        self.comments: list[tuple[int, str]] = []

    def __next__(self) -> str:
        for number, line in self.lines:
            if len(line) > limits.LINE:
                raise FileError(f"{self.name}: line {number}", f"must have at most {limits.LINE} characters", got=str(len(line)))
            if self.between:
                start = line.lstrip()
                if not start:
                    continue
                if is_comment(start) and not (line[0] == "\t" and start[:2] == "#\t"):  # ("#" as a unit, below an empty cell)
                    self.comments.append((number, start.rstrip()[:MOST]))
                    limits.check_cells(self.name, len(self.comments))
                    continue
                if len(self.head) < HEAD:
                    self.head[number] = line[:MOST]
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


def _sample(text: str) -> list[str]:
    """Return lines from the beginning, the middle and the end of a text; those of the end twice: no preamble is there."""
    middle = max(SAMPLE, len(text) // 2)
    pieces = [text[:SAMPLE], text[middle : middle + SAMPLE], text[max(SAMPLE, len(text) - SAMPLE) :]]
    lines = [[line[0].strip("\r\n ") for line in LINE.finditer(piece)] for piece in pieces]
    whole = lines[0] + lines[1][1:-1] + 2 * (lines[2][1:] or lines[0][len(lines[0]) // 2 :])
    return [line[:2000] for line in whole if line and not is_comment(line)]


def _delimiter(sample: Sequence[str]) -> str:
    """Return the separator that leaves most cells as numbers; without any number the first that stands in the first line."""
    unquoted = [QUOTED.sub(lambda q: "1" if is_number(q[1], True) else "q", s) if '"' in s else s for s in sample]
    score = dict.fromkeys(DELIMITERS, 0.0)
    for delimiter in score:
        for line in unquoted:
            cells = [c.strip() for c in (line.split() if delimiter == " " else line.split(delimiter)) if c.strip()]
            if cells and (len(cells) > 1 if delimiter == " " else delimiter in line):
                share = sum(is_number(c, delimiter != ",") for c in cells) / len(cells)
                score[delimiter] += share / 2 if delimiter == "," and OTHERS.search(line) else share  # 1;2,5: decimal commas
    score[" "] *= WORDS
    best = max(score, key=lambda d: score[d])
    first = next(iter(unquoted), "")
    return best if score[best] > 0 else next((d for d in "\t;,|" if d in first), ",")
