"""Damaged measurement files, and whether what is read from them is right: for the tests, and for ``make mutants``.

A file is its lines (or the rows of its sheets), each with the number of the line that it was in the good file and whether it was
changed. A mutant is read as the good file is. That is *right* where every value of an unchanged line is the one that was read
before, and every unchanged line of data that is not there is counted among those left out; *silent* where it is not; an *error*
is one of SHIP's. What changes the meaning of other lines counts for these: a header may hold a unit, so a damaged one may scale a
column, by one factor; a clock counts from its first row; in a log the operation before a read gives its state.
"""

from __future__ import annotations

import random
import re
import signal
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import commands
import ship
from ship.devices.reading.columns import Columns, select
from ship.devices.reading.request import Request
from ship.devices.reading.table import Table, read

NUMBER = re.compile(rb"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
SEPARATORS = (b",", b";", b"\t", b" ", b"|", b", ")
PIECES = (b'"', b"#", b"(", b"NaN", b"#REF", b"1e999", b"x", b"=", b"%", b"\x00", b"\xff", b"9.91E37", b"key: value", b"1.2.3")
LIMIT = 10  # seconds, for one mutant
Cells = tuple[Any, ...]
Values = dict[str, Any]


class Line(NamedTuple):
    """A line of a mutant: its bytes or cells, its number in the good file (0: none), and whether it was changed."""

    text: Any
    origin: int
    touched: bool = False


@dataclass
class Sheet:
    """The lines of one file of text, or of one sheet, and how they are written."""

    lines: list[Line]
    encoding: str = ""
    newline: bytes = b"\n"
    whole: bytes = b""  # the separator of a file of which it was changed everywhere


@dataclass(frozen=True)
class Good:
    """A file (or several) that is read rightly, with what is read from it.

    Args:
        name: what it is, for the table.
        sheets: the lines of each file of text, or of each sheet of a workbook.
        workbook: whether these are the sheets of one workbook.
        arguments: how it is read, as arguments of `ship.fit`.
        folder: where mutants are written to.
        log: whether it is a log of operations.
    """

    name: str
    sheets: Mapping[str, list[Any]]
    workbook: bool
    arguments: Mapping[str, Any]
    folder: Path
    log: bool = False
    expected: dict[tuple[str, int], list[Values]] = field(default_factory=dict)

    def fresh(self) -> dict[str, Sheet]:
        """Return its sheets, unchanged."""
        return {name: Sheet([Line(text, k) for k, text in enumerate(lines, 1)]) for name, lines in self.sheets.items()}


class Outcome(NamedTuple):
    """What reading a mutant came to: right, error, silent, traceback or hang; what was changed; and what is wrong."""

    verdict: str
    changes: str
    what: str = ""


def good(name: str, source: Any, folder: Path, *, most: int = 130, arguments: Mapping[str, Any] | None = None) -> Good:
    """Return a file in a form from which mutants can be made; of a long one the beginning and the end are taken.

    Args:
        name: what it is.
        source: the file, or several.
        folder: where mutants are written to.
        most: lines of the beginning.
        arguments: how it is read; None: as the tool suggests for it.
    """
    paths = [Path(p) for p in source] if isinstance(source, list) else [Path(source)]
    said = arguments if arguments is not None else commands.parsed(commands.suggestion(source))[1]
    workbook = paths[0].suffix == ".xlsx"
    sheets: dict[str, list[Any]] = {}
    for path in paths:
        for sheet, lines in (_workbook(path) if workbook else {path.name: _text(path)}).items():
            sheets[sheet] = lines if len(lines) < most + 300 and most > 60 else lines[:most] + lines[-8:]
    folder.mkdir(parents=True, exist_ok=True)
    made = Good(name, sheets, workbook, said, folder, "log" in name)
    table, columns = _read(made, made.fresh())
    for key, values in _by_line(made, table, columns).items():
        made.expected[key] = values
    return made


def _text(path: Path) -> list[bytes]:
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16").encode()
    return data.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")


def _workbook(path: Path) -> dict[str, list[Cells]]:
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True)
    return {sheet.title: list(sheet.iter_rows(values_only=True, max_row=90)) for sheet in book.worksheets[-5:]}


def written(made: Good, sheets: Mapping[str, Sheet]) -> list[str]:
    """Write a mutant; return its files."""
    if made.workbook:
        from openpyxl import Workbook

        book = Workbook(write_only=True)
        for name, sheet in sheets.items():
            page = book.create_sheet(name)
            for line in sheet.lines:
                page.append(line.text)
        file = made.folder / "mutant.xlsx"
        book.save(file)
        return [str(file)]
    paths = []
    for name, sheet in sheets.items():
        data = sheet.newline.join(line.text for line in sheet.lines) + sheet.newline
        if sheet.encoding:
            data = data.decode("latin-1" if sheet.encoding != "utf-8-sig" else "utf-8", "replace").encode(sheet.encoding)
        (made.folder / name).write_bytes(data)
        paths.append(str(made.folder / name))
    return paths


def _read(made: Good, sheets: Mapping[str, Sheet]) -> tuple[Table, Columns]:
    """Read a mutant as the good file is read."""
    paths, said = written(made, sheets), made.arguments
    table = read(paths if len(paths) > 1 else paths[0], sheet=said.get("sheet"), instrument=said.get("instrument"))
    request = Request(
        said["kind"],
        said.get("columns") or {},
        said.get("unit"),
        said.get("label") or {},
        decimal=said.get("decimal"),
        v_read=said.get("v_read"),
    )
    return table, select(table, request)


def _by_line(made: Good, table: Table, columns: Columns) -> dict[tuple[str, int], list[Values]]:
    """Return what was read from each line of each file or sheet."""
    found: dict[tuple[str, int], list[Values]] = defaultdict(list)
    for k, name in enumerate(columns.rows):
        before, number = re.match(r"(.*?)row (\d+)", name, re.S).groups()  # type: ignore[union-attr]
        place = next((p for p in made.sheets if p in before), next(iter(made.sheets)))
        found[place, int(number)].append({role: values[k] for role, values in columns.values.items()})
    return found


def outcome(made: Good, seed: int) -> Outcome:
    """Make the mutant of a seed, read it, and judge what is read."""
    rng = random.Random(seed)
    sheets = made.fresh()
    changes = ", ".join(change(made, sheets, rng) for _ in range(rng.choice((1, 1, 2, 3))))
    old = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table, columns = _read(made, sheets)
    except ship.ShipError as error:
        text = str(error)
        return Outcome("error" if 0 < len(text) < 1500 else "silent", changes, text)
    except TimeoutError:
        return Outcome("hang", changes)
    except Exception as error:
        return Outcome("traceback", changes, f"{type(error).__name__}: {error}")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
    wrong = next(_differences(made, sheets, table, columns), "")
    return Outcome("silent" if wrong else "right", changes, wrong)


def _too_long(*_: Any) -> None:
    raise TimeoutError


def _differences(made: Good, sheets: Mapping[str, Sheet], table: Table, columns: Columns) -> Iterator[str]:
    """Yield what is not as it was, of lines that were not changed."""
    seen = _by_line(made, table, columns)
    counted = {number for numbers in table.dropped.values() for number in numbers}
    left_out = [place for place in sheets for note in table.notes if "left out" in note and place in note]
    clock = any("those of a clock" in note for note in columns.notes)
    pairs: list[tuple[str, Values, Values]] = []
    for place, sheet in sheets.items():
        for number, line in enumerate(sheet.lines, 1):
            here, before = seen.get((place, number)), made.expected.get((place, line.origin))
            where = f"{place}, line {number} (before {line.origin})"
            if line.touched:
                continue
            if before is None and here:
                yield f"{where}: {line.text!r} was no data before"
            elif before and not here and number not in counted and place not in left_out:
                yield f"{where}: {line.text!r} is lost, and not counted"
            elif before and here and len(here) != len(before):
                yield f"{where}: {len(here)} values, before {len(before)}"
            elif before and here:
                follows = number > 1 and sheet.lines[number - 2] == Line(sheet.lines[number - 2].text, line.origin - 1)
                exempt = {"cycle"} | (set() if follows else {"state"}) if made.log else set()
                exempt |= {role for role, v in before[0].items() if isinstance(v, str)} if sheet.whole else set()
                pairs += [
                    (where, *({r: v for r, v in each.items() if r not in exempt} for each in (a, b)))
                    for a, b in zip(before, here, strict=True)
                ]
    for role in dict.fromkeys(role for _, before, _ in pairs for role in before):
        yield from _of_role(role, pairs, head_changed(made, sheets), clock)


def _of_role(role: str, pairs: list[tuple[str, Values, Values]], scaled: bool, clock: bool) -> Iterator[str]:
    of = [(where, a[role], b[role]) for where, a, b in pairs if role in a and role in b]
    if not of:
        return
    if isinstance(of[0][1], str):
        yield from (f"{where}: {role} {a!r} became {b!r}" for where, a, b in of if str(a) != str(b) and not scaled)
        return
    a, b = (np.array([each[k] for each in of], dtype=float) for k in (1, 2))
    if role == "time" and clock:
        b = b - np.median(b - a)
    if scaled and len(a) > 2 and (a != 0).any():
        b = b / np.median((b / np.where(a == 0, 1, a))[a != 0])
    far = ~np.isclose(a, b, rtol=1e-9, atol=1e-6 if role == "time" and clock else 0)
    for k in np.flatnonzero(far)[:1]:
        yield f"{of[k][0]}: {role} {a[k]!r} became {b[k]!r} ({int(far.sum())} of {len(far)})"


def head_changed(made: Good, sheets: Mapping[str, Sheet]) -> bool:
    """Return whether a line above the data was changed, moved or taken away."""
    for place, sheet in sheets.items():
        first = min((n for p, n in made.expected if p == place), default=1)
        if [line[1:] for line in sheet.lines[: first - 1]] != [(k, False) for k in range(1, first)]:
            return True
    return False


def change(made: Good, sheets: dict[str, Sheet], rng: random.Random) -> str:
    """Change one thing in one of the sheets, and say what."""
    place = rng.choice(list(sheets))
    sheet = sheets[place]
    if not sheet.lines:
        return "nothing left"
    kinds: tuple[Callable[[Sheet, random.Random], None], ...] = IN_SHEETS if made.workbook else IN_TEXT
    chosen = rng.choice(kinds)
    chosen(sheet, rng)
    return chosen.__name__.removeprefix("_").replace("_", " ")


def _cut_lines(sheet: Sheet, rng: random.Random) -> None:
    at = rng.randrange(len(sheet.lines))
    del sheet.lines[at : at + rng.choice((1, 1, 1, 5))]


def _cut_end(sheet: Sheet, rng: random.Random) -> None:
    at = rng.randrange(1, len(sheet.lines) + 1)
    del sheet.lines[at:]


def _double_line(sheet: Sheet, rng: random.Random) -> None:
    at = rng.randrange(len(sheet.lines))
    sheet.lines.insert(rng.choice((at, rng.randrange(len(sheet.lines)))), sheet.lines[at])


def _swap_lines(sheet: Sheet, rng: random.Random) -> None:
    i, j = rng.randrange(len(sheet.lines)), rng.randrange(len(sheet.lines))
    sheet.lines[i], sheet.lines[j] = sheet.lines[j], sheet.lines[i]


def _put(sheet: Sheet, at: int, text: Any) -> None:
    """Put a changed line in the place of one; it may be several now."""
    parts = re.split(rb"\r\n|\r|\n", text) if isinstance(text, bytes) else [text]
    sheet.lines[at : at + 1] = [Line(part, sheet.lines[at].origin, True) for part in parts]


def _flip_a_bit(sheet: Sheet, rng: random.Random) -> None:
    at = rng.randrange(len(sheet.lines))
    data = bytearray(sheet.lines[at].text)
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        _put(sheet, at, bytes(data))


def _cut_part_of_line(sheet: Sheet, rng: random.Random) -> None:
    at = rng.randrange(len(sheet.lines))
    text = sheet.lines[at].text
    i = rng.randrange(len(text) + 1)
    _put(sheet, at, text[:i] + text[i + rng.randrange(20) :])


def _put_piece(sheet: Sheet, rng: random.Random) -> None:
    at = rng.randrange(len(sheet.lines))
    text, i = sheet.lines[at].text, rng.randrange(len(sheet.lines[at].text) + 1)
    _put(sheet, at, text[:i] + rng.choice(PIECES) + text[i:])


def _scale_number(sheet: Sheet, rng: random.Random) -> None:
    at = rng.randrange(len(sheet.lines))
    found = list(NUMBER.finditer(sheet.lines[at].text))
    if found:
        one, factor = rng.choice(found), rng.choice((1e3, 1e-3, -1, 10, 1e40))
        text = sheet.lines[at].text
        _put(sheet, at, text[: one.start()] + f"{float(one[0]) * factor:.9g}".encode() + text[one.end() :])


def _empty_number(sheet: Sheet, rng: random.Random) -> None:
    at = rng.randrange(len(sheet.lines))
    found = list(NUMBER.finditer(sheet.lines[at].text))
    if found:
        one, text = rng.choice(found), sheet.lines[at].text
        _put(sheet, at, text[: one.start()] + rng.choice((b"", b" ", b"NaN", b"-", b"#REF")) + text[one.end() :])


def _separators_of_line(sheet: Sheet, rng: random.Random) -> None:
    at = rng.randrange(len(sheet.lines))
    _put(sheet, at, sheet.lines[at].text.replace(rng.choice((b",", b"\t", b";")), rng.choice(SEPARATORS)))


def _separators_everywhere(sheet: Sheet, rng: random.Random) -> None:
    old = b"\t" if any(b"\t" in line.text for line in sheet.lines) else b","
    sheet.whole = rng.choice(SEPARATORS)
    sheet.lines[:] = [line._replace(text=line.text.replace(old, sheet.whole)) for line in sheet.lines]


def _decimal_commas_everywhere(sheet: Sheet, rng: random.Random) -> None:
    sheet.lines[:] = [line._replace(text=line.text.replace(b".", b",")) for line in sheet.lines]
    sheet.whole = sheet.whole or b","


def _encoding(sheet: Sheet, rng: random.Random) -> None:
    sheet.encoding = rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1"))


def _line_ends(sheet: Sheet, rng: random.Random) -> None:
    sheet.newline = rng.choice((b"\r\n", b"\r", b"\n"))


def _empty_lines(sheet: Sheet, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 4)):
        sheet.lines.insert(rng.randrange(len(sheet.lines) + 1), Line(rng.choice((b"", b" ", b"# remark")), 0, True))


def _row_with(sheet: Sheet, rng: random.Random, value: Callable[[Any], Any]) -> None:
    at = rng.randrange(len(sheet.lines))
    cells = list(sheet.lines[at].text)
    if cells:
        k = rng.randrange(len(cells))
        cells[k] = value(cells[k])
        sheet.lines[at] = Line(tuple(cells), sheet.lines[at].origin, True)


def _empty_cell(sheet: Sheet, rng: random.Random) -> None:
    _row_with(sheet, rng, lambda _: None)


def _scale_cell(sheet: Sheet, rng: random.Random) -> None:
    _row_with(sheet, rng, lambda c: c * rng.choice((1e3, -1, 1e-3)) if isinstance(c, int | float) else c)


def _text_in_cell(sheet: Sheet, rng: random.Random) -> None:
    _row_with(sheet, rng, lambda _: rng.choice(("x", "#REF", "1,5", "OVERFLOW", "2024-01-01", "-", "1e5")))


IN_TEXT = (
    _cut_lines, _cut_end, _double_line, _swap_lines, _flip_a_bit, _flip_a_bit, _cut_part_of_line, _put_piece, _scale_number,
    _empty_number, _separators_of_line, _separators_everywhere, _decimal_commas_everywhere, _encoding, _line_ends, _empty_lines,
)  # fmt: skip
IN_SHEETS = (_cut_lines, _cut_end, _double_line, _swap_lines, _empty_cell, _scale_cell, _text_in_cell)
