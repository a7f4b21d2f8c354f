"""Tables as text: CSV, TSV and the like, one row a line, cells in quotes where they hold line breaks."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from ...base.errors import FileError, FitError
from . import limits

DELIMITERS = "\t;,"
LINE = re.compile(r"[^\r\n]+(?:\r\n|\r|\n)?|\r\n|\r|\n")  # (str.splitlines knows more line breaks than CSV has)


def read_text(name: str, data: bytes) -> tuple[list[list[str]], list[int], list[str]]:
    """Return rows of cells, the number of the line on which each begins, and notes.

    Raises:
        FileError: no text; quotes that are not closed; lines or cells that no table has.
        FitError: nothing in it.
    """
    text = _decoded(name, data)
    lines = _Lines(name, text)
    reader = csv.reader(lines, delimiter=_delimiter(_Lines(name, text)), strict=True)
    cells: list[list[str]] = []
    rows, count = [], 0
    try:
        for row in reader:
            count += len(row)
            limits.check_cells(name, count)
            cells.append(row)
            rows.append(lines.row)
            lines.between = True
    except csv.Error as error:
        fix = "A quote opens a cell and closes it; within a cell it is doubled."
        raise FileError(f"{name}: row {lines.row}", "is no row of a table", got=str(error), fix=fix) from error
    if not cells:
        raise FitError(name, "is empty")
    return cells, rows, [f"{lines.comments} lines that begin with # were left out as comments"] if lines.comments else []


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in data:
            raise FileError(name, "is no text file") from None
        return data.decode("latin-1")  # (what instruments of the West write where they do not write UTF-8)


class _Lines(Iterator[str]):
    """The lines for `csv.reader`, without comments and empty lines between rows; within a quoted cell nothing is left out."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = enumerate((line[0] for line in LINE.finditer(text)), 1)
        self.between = True
        self.row = 0  # the line on which the row began
        self.comments = 0

    def __next__(self) -> str:
        for number, line in self.lines:
            if len(line) > limits.LINE:
                raise FileError(f"{self.name}: line {number}", f"must have at most {limits.LINE} characters", got=str(len(line)))
            if self.between:
                start = line.lstrip()
                self.comments += start.startswith("#")
                if not start or start.startswith("#"):
                    continue
                self.between, self.row = False, number
            return line
        raise StopIteration


def _delimiter(lines: Iterator[str]) -> str:
    """Return the first of tab, semicolon and comma that stands in the header, outside of quotes."""
    seen: set[str] = set()
    quoted = 0
    for line in lines:
        parts = line.split('"')
        seen |= set("".join(parts[quoted::2])) & set(DELIMITERS)
        quoted = (quoted + len(parts) - 1) % 2
        if not quoted:
            break
    return next((d for d in DELIMITERS if d in seen), ",")
