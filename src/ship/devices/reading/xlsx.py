"""A sheet of an XLSX file, read in one pass, cell by cell as they stand in it.

What a sheet declares about its own size is not used. Cells say where they stand; a sheet in which they do not stand in order, one
in a place, is refused, since some of them would hide others. Numbers stay the text that they are in the file, formulas count with
the value that was saved, and dates become text: whoever wants them as numbers must say which.

Source: ECMA-376, Office Open XML, part 1, sec. 18.3 (worksheets), 18.4 (shared strings), 18.8 (styles).
"""

from __future__ import annotations

import datetime
import posixpath
import re
from collections.abc import Callable
from typing import Any
from xml.parsers import expat

from ...base.errors import FileError, FitError, suggest
from . import limits
from .container import Container, damaged
from .text import Raw

ROWS, COLUMNS = 1_048_576, 16_384  # of a sheet, at most
WHAT = "no XLSX file"
DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}  # formats of dates and times that need no text
Start = Callable[[str, dict[str, str]], None]
End = Callable[[str, str], None]


class Book:
    """The sheets of an XLSX file, each read when it is asked for."""

    def __init__(self, name: str, data: bytes) -> None:
        """Read what the file says of its sheets.

        Raises:
            FileError: damaged, protected, too large.
        """
        self.name, self._book = name, Container(name, data)
        self.sheets, path, self._since_1904 = _sheets(self._book)
        parts = _related(self._book, path)
        self._strings = _strings(self._book, parts.get("sharedStrings", ""))
        self._dates = _date_styles(self._book, parts.get("styles", ""))

    def read(self, sheet: str) -> Raw:
        """Return the rows of a sheet, all as long as the longest; rows without a cell are left out.

        Raises:
            FileError: damaged, not in order, too large.
            FitError: no sheet of that name.
        """
        if sheet not in self.sheets:
            raise FitError(self.name, f"no sheet {sheet!r}", fix=suggest(sheet, self.sheets))
        found = _Sheet(f"{self.name}: sheet {sheet!r}", self._strings, self._dates, self._since_1904)
        _parse(self._book, self.sheets[sheet], found.start, found.end)
        width = max(map(len, found.cells), default=0)
        return Raw([row + [""] * (width - len(row)) for row in found.cells], found.rows, place=sheet)


class _Sheet:
    """A reader of a sheet: it takes the elements one by one and makes rows of them."""

    def __init__(self, where: str, strings: list[str], dates: set[str], since_1904: bool) -> None:
        self.where, self.strings, self.dates, self.since_1904 = where, strings, dates, since_1904
        self.cells: list[list[str]] = []
        self.rows: list[int] = []
        self.row, self.column, self.width = 0, 0, 0
        self.line: list[str] = []
        self.kind, self.style, self.value = "n", "", ""
        self.columns: dict[str, int] = {}  # number of each name (A, B, ...) that was seen

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "c":
            column = self._column(attributes["r"]) if "r" in attributes else self.column + 1
            if not self.column < column <= COLUMNS:
                raise self._disorder("its cells", f"column {column} after column {self.column} in row {self.row}")
            self.line += [""] * (column - self.column - 1)
            self.column = column
            self.kind, self.style, self.value = attributes.get("t", "n"), attributes.get("s", ""), ""
        elif tag == "row":
            row = _whole(attributes["r"]) if "r" in attributes else self.row + 1
            if not self.row < row <= ROWS:
                raise self._disorder("its rows", f"row {row} after row {self.row}")
            self.row, self.column, self.line = row, 0, []

    def end(self, tag: str, text: str) -> None:
        if tag in ("v", "t"):
            self.value += text
        elif tag == "c":
            self.line.append(self._text())
            self.value = ""
        elif tag == "row" and self.line:
            self.width = max(self.width, len(self.line))
            limits.check_cells(self.where, self.width * (len(self.cells) + 1))
            self.cells.append(self.line)
            self.rows.append(self.row)

    def _column(self, place: str) -> int:
        """Return the number of the column of a place such as AB12, which must be in this row."""
        letters = place.rstrip("0123456789")
        if place[len(letters) :] != str(self.row):
            raise self._disorder("its cells", f"cell {place[:20]} in row {self.row}")
        if letters not in self.columns:
            if not re.fullmatch("[A-Z]{1,3}", letters):
                raise self._disorder("its cells", f"cell {place[:20]}")
            number = 0
            for letter in letters:
                number = 26 * number + ord(letter) - 64
            self.columns[letters] = number
        return self.columns[letters]

    def _text(self) -> str:
        value = self.value
        if self.kind == "s":
            return self.strings[_whole(value)] if value else ""
        if self.kind == "b":
            return {"1": "True", "0": "False"}.get(value, value)
        if self.kind == "n" and self.style in self.dates and value:
            return _date(value, self.since_1904)
        return value

    def _disorder(self, what: str, got: str) -> FileError:
        fix = "Open it in a spreadsheet program and save it anew, or export it as CSV."
        return FileError(self.where, f"is damaged: {what} must stand in order, one in a place", got=got, fix=fix)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"no number of a row or a text: {text[:20]!r}")
    return int(text)


def _date(value: str, since_1904: bool) -> str:
    """Return a date as text; Excel counts days."""
    zero = datetime.datetime(1904, 1, 1) if since_1904 else datetime.datetime(1899, 12, 30)
    try:
        return (zero + datetime.timedelta(days=float(value))).isoformat(sep=" ")
    except (ValueError, OverflowError):
        return value


def _parse(book: Container, part: str, start: Start, end: End) -> None:
    """Call ``start`` and ``end`` for the elements of a part, by their names without prefixes; ``end`` gets their own text."""
    data = book.read(part, limits.PART)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    texts: list[str] = []
    size = 0

    def opened(tag: str, attributes: dict[str, str]) -> None:
        nonlocal size
        texts.clear()
        size = 0
        start(tag.rpartition(":")[2], attributes)

    def closed(tag: str) -> None:
        end(tag.rpartition(":")[2], "".join(texts))
        texts.clear()

    def characters(text: str) -> None:
        nonlocal size
        size += len(text)
        if size > limits.CELL:
            raise FileError(f"{book.name}: {part}", f"must have at most {limits.CELL} characters in a cell", got="more")
        texts.append(text)

    def declared(*_: Any) -> None:
        raise FileError(f"{book.name}: {part}", "must have no document type: what it declares could be of any size")

    parser.StartElementHandler, parser.EndElementHandler = opened, closed
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, declared
    with damaged(f"{book.name}: {part}", WHAT):
        parser.Parse(data, True)


def _related(book: Container, part: str) -> dict[str, str]:
    """Return the other parts that a part names, by the last word of their type and by their number."""
    folder, own = posixpath.split(part)
    found: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"])).lstrip("/")
            found[attributes["Id"]] = target
            found.setdefault(attributes["Type"].rpartition("/")[2], target)

    path = posixpath.join(folder, "_rels", f"{own}.rels")
    if path in book.sizes:
        _parse(book, path, start, lambda tag, text: None)
    return found


def _sheets(book: Container) -> tuple[dict[str, str], str, bool]:
    """Return the part of each sheet by its name, the part of the workbook, and whether days are counted from 1904."""
    path = _related(book, "").get("officeDocument", "xl/workbook.xml")
    parts = _related(book, path)
    named: list[tuple[str, str]] = []
    since_1904 = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal since_1904
        if tag == "sheet":
            number = next(value for key, value in attributes.items() if key.rpartition(":")[2] == "id")
            named.append((attributes["name"], parts[number]))
        elif tag == "workbookPr":
            since_1904 = attributes.get("date1904", "0") in ("1", "true")

    _parse(book, path, start, lambda tag, text: None)
    sheets = {name: part for name, part in named if "chartsheets/" not in part}
    if not sheets or len(set(named)) < len(named):
        raise FileError(book.name, "is damaged: it must have sheets, each with a name of its own", got=str(len(sheets)))
    return sheets, path, since_1904


def _strings(book: Container, part: str) -> list[str]:
    """Return the texts that cells refer to by number, without the notes on their pronunciation (rPh)."""
    strings: list[str] = []
    pieces: list[str] = []
    spoken = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal spoken
        spoken = spoken or tag == "rPh"

    def end(tag: str, text: str) -> None:
        nonlocal spoken
        if tag == "t" and not spoken:
            pieces.append(text)
        elif tag == "rPh":
            spoken = False
        elif tag == "si":
            strings.append("".join(pieces).replace("_x000D_", ""))
            pieces.clear()

    if part:
        _parse(book, part, start, end)
    return strings


def _date_styles(book: Container, part: str) -> set[str]:
    """Return the numbers (as text) of the styles that show a number as a date or a time."""
    formats: set[str] = {str(n) for n in DATES}
    styles: list[bool] = []
    inside = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if tag == "numFmt":
            shown = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", attributes.get("formatCode", ""))
            if re.search("[dmyhs]", shown.lower()):
                formats.add(attributes.get("numFmtId", ""))
        elif tag == "cellXfs":
            inside = True
        elif tag == "xf" and inside:
            styles.append(attributes.get("numFmtId", "0") in formats)

    def end(tag: str, text: str) -> None:
        nonlocal inside
        inside = inside and tag != "cellXfs"

    if part:
        _parse(book, part, start, end)
    return {str(k) for k, is_date in enumerate(styles) if is_date}
