"""The files and sheets that a user names, opened and put together: patterns, several files, several sheets of a workbook."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...base.errors import FileError, FitError, ShipError
from . import limits
from .container import PROTECTED
from .instruments import Instrument, available
from .parts import Part, arrange
from .spelling import argument
from .text import ORDERS, read_text
from .xlsx import Book

ALL = "all"
SHEETS = (".xlsx", ".xlsm")
TEXTS = (".csv", ".tsv", ".txt", ".dat", ".asc", ".prn", ".log", ".xy", ".data", ".out", ".iv", ".tab", ".xls", "")
EXPORTS = {
    ".pdf": "Save its table as CSV.",
    ".json": "Save its table as CSV.",
    ".png": "Save the numbers, not the picture, as CSV.",
    ".pkl": "Save its arrays with numpy.savez: SHIP opens no pickles.",
    ".mpr": "Export it in EC-Lab as text (.mpt).",
    ".tdms": "Export it as text, .csv or .lvm.",
    ".mat": "Save it as CSV, or its arrays with scipy.io.loadmat and numpy.savez.",
    ".wfm": "Save the waveform as CSV on the oscilloscope.",
    ".isf": "Save the waveform as CSV on the oscilloscope.",
    ".trc": "Save the trace as ASCII text on the oscilloscope.",
    ".opj": "Export the worksheet in Origin as ASCII.",
    ".opju": "Export the worksheet in Origin as ASCII.",
    ".h5": "Save its arrays with numpy.savez.",
    ".hdf5": "Save its arrays with numpy.savez.",
}  # of programs and instruments whose own files are not read
PATTERN = re.compile(r"[*?\[]")
MOST = 2000  # files at once


class Content(NamedTuple):
    """The bytes of a file, its name, their digest, and whether they are arrays or sheets by the ending of the name."""

    name: str
    data: bytes
    sha256: str
    is_npz: bool
    is_book: bool


class Read(NamedTuple):
    """The tables of files and sheets that belong together, each file's digest, and what to say of sheets that were left out."""

    parts: list[Part]
    sources: list[tuple[str, str]]
    notes: list[str]


def files(source: Any) -> list[Path] | None:
    """Return the files that are meant, patterns in natural order (run2 before run10); None where the source is no file.

    Raises:
        FileError: a pattern that no file has, or too many files.
    """
    given = [source] if isinstance(source, str | Path) else list(source) if isinstance(source, list | tuple) else []
    if not given or not all(isinstance(item, str | Path) for item in given):
        return None
    found = [path for item in given for path in _expanded(Path(item))]
    if len(found) > MOST:
        raise FileError("fit", f"must be at most {MOST} files", got=str(len(found)))
    if twice := next((path for k, path in enumerate(found) if path in found[:k]), None):
        raise FileError(str(twice), "is named twice", fix="Name each file once.")
    return found


def _expanded(path: Path) -> list[Path]:
    if not PATTERN.search(str(path)) or _exists(path):
        return [path]
    root = Path(path.anchor) if path.anchor else Path()
    pattern = str(path.relative_to(path.anchor)) if path.anchor else str(path)
    try:
        found = sorted((p for p in root.glob(pattern) if p.is_file()), key=lambda p: natural(str(p)))
    except (ValueError, OSError, NotImplementedError, RecursionError) as error:
        raise FileError(str(path), "is no pattern of files", got=str(error)[:100]) from error
    if not found:
        raise FileError(str(path), "no file has such a name")
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts numbers within texts by their value."""
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in re.split(r"(\d+)", text)]


def content(path: Path) -> Content:
    """Read a file.

    Raises:
        FileError: it is missing, too large, or of an unknown kind.
    """
    kind = path.suffix.lower()
    data = _bytes(path)
    is_npz = kind == ".npz"
    is_book = kind in SHEETS or (not is_npz and data.startswith((b"PK\x03\x04", PROTECTED)))
    if not is_npz and not is_book and kind not in TEXTS and (kind in EXPORTS or not _is_text(data)):
        fix = EXPORTS.get(kind, "Export it as CSV.")
        raise FileError(path.name, "must be .csv, .tsv, .txt or other text, .xlsx or .npz", got=repr(kind), fix=fix)
    return Content(path.name, data, hashlib.sha256(data).hexdigest(), is_npz, is_book)


def _is_text(data: bytes) -> bool:
    """Return whether bytes can be text: without signs that no text has, unless every other byte is zero (UTF-16)."""
    head = data[:4000]
    control = sum(byte < 9 or 13 < byte < 27 for byte in head)
    return head.startswith(tuple(ORDERS)) or control == 0 or max(head[::2].count(0), head[1::2].count(0)) > 0.2 * len(head)


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise FileError(str(path), "no such file")
        if path.stat().st_size > limits.FILE:
            raise FileError(str(path), f"must be at most {limits.FILE >> 20} MiB", got=f"{path.stat().st_size >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise FileError(str(path), "cannot be read", got=str(error.strerror)) from error
    except ValueError as error:
        if isinstance(error, ShipError):
            raise
        raise FileError(repr(str(path))[:200], "no such file") from error


def parts_of(paths: Sequence[Path], sheet: str | Sequence[str] | None, instrument: str | None) -> Read:
    """Read the tables of files.

    Raises:
        FitError: no table, sheets of which none is named, or tables that differ in their columns.
        FileError: a file that is missing, damaged, or of an unknown kind.
    """
    made = available(instrument)
    parts: list[Part] = []
    sources: list[tuple[str, str]] = []
    notes: list[str] = []
    cells = 0
    names = _different(paths)
    for path, name in zip(paths, names, strict=True):
        data = content(path)._replace(name=name)
        if data.is_npz:
            raise FitError(name, "arrays (.npz) cannot be read with other files", fix="Read them into one mapping of columns.")
        if data.is_book:
            found, said = _sheets(data, sheet, made, instrument is not None)
        elif sheet is not None:
            raise FitError("sheet", "is only for XLSX files", got=repr(sheet), fix="Leave it out.")
        else:
            found, said = [arrange(name, read_text(name, data.data), data.sha256, made, instrument is not None)], []
        cells += sum(len(part.columns) * len(part.numbers) for part in found)
        limits.check_cells(name, cells)
        parts += found
        notes += said
        sources.append((name, data.sha256))
    _check_alike(parts)
    return Read(parts, sources, notes)


def _different(paths: Sequence[Path]) -> list[str]:
    """Return the names of files, with their folders where two have one name."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _sheets(
    data: Content, sheet: str | Sequence[str] | None, made: Sequence[Instrument], asked: bool
) -> tuple[list[Part], list[str]]:
    """Return the tables of the sheets that are meant, and what to say of the others."""
    book = Book(data.name, data.data)
    if sheet is not None and not (sheet == ALL and ALL not in book.sheets):
        wanted = [sheet] if isinstance(sheet, str) else [str(s) for s in sheet]
        return [arrange(data.name, book.read(name), data.sha256, made, asked) for name in wanted], []
    tables: dict[str, Part] = {}
    refused: dict[str, FitError] = {}
    cells = 0
    for name in book.sheets:
        raw = book.read(name)
        cells += sum(map(len, raw.cells))
        limits.check_cells(data.name, cells)
        try:
            tables[name] = arrange(data.name, raw, data.sha256, made, asked)
        except FitError as error:
            refused[name] = error
    if not tables:
        raise next(iter(refused.values()))
    wide = [name for name, part in tables.items() if len(part.columns) > 1] or list(tables)
    alike = [name for name in wide if _names(tables[name]) == _names(tables[wide[0]])]
    if sheet is None and len(wide) > 1:
        first, every = argument("sheet", wide[0]), argument("sheet", ALL)
        more = f", or all that have its columns: {every}" if len(alike) > 1 else ""
        raise FitError(data.name, "has several sheets", got=_listed(list(book.sheets)), fix=f"Choose one: {first}{more}.")
    others = [name for name in book.sheets if name not in alike]
    said = [f"sheets without the columns of {alike[0]!r} were left out: {_listed(others)}"] if others else []
    return [tables[name] for name in alike], said + _order(alike)


def _order(names: Sequence[str]) -> list[str]:
    """Say where the numbers of sheets fall: a program that puts the newest run first."""
    keys = [natural(name) for name in names]
    falls = len(names) > 1 and all(a > b for a, b in itertools.pairwise(keys))
    return [f"the sheets stand in falling order, {names[0]} to {names[-1]}, and are read in this order"] if falls else []


def _names(part: Part) -> tuple[bool, frozenset[str]]:
    return part.header, frozenset(part.columns)


def _check_alike(parts: Sequence[Part]) -> None:
    first = parts[0]
    for part in parts[1:]:
        if _names(part) == _names(first):
            continue
        here, there = title(part), title(first)
        missing = next((head for head in first.columns if head not in part.columns), None)
        extra = next((head for head in part.columns if head not in first.columns), None)
        got = f"no column {missing!r}" if missing is not None else f"a column {extra!r}" if extra is not None else "other names"
        raise FitError(here, f"must have the columns of {there}", got=got, fix="Read files with other columns by themselves.")


def title(part: Part) -> str:
    """Name a part for a message."""
    return f"{part.name}: sheet {part.place!r}" if part.place else part.name


def _listed(names: Sequence[str], most: int = 20) -> str:
    return ", ".join(n[:60] for n in names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
