"""A measurement as columns of text or numbers: from CSV, TSV, XLSX, NPZ, or from memory.

Nothing is dropped in silence: what is left out (comments, empty lines) is a note, and each row keeps its number in the file.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...base.errors import FileError, FitError, suggest
from . import limits
from .npz import Arrays
from .spelling import argument
from .text import read_text
from .xlsx import read_xlsx

EMPTY = ("", "nan", "na", "n/a", "null", "none", "-")
SHEETS, TEXTS = (".xlsx", ".xlsm"), (".csv", ".tsv", ".txt", ".dat")


@dataclass
class Table:
    """The columns of one measurement.

    Args:
        name: the name of the file, without its folder; "memory" for arrays.
        columns: the columns by header: lists of text, or arrays ``[row]`` (or ``[sweep, point]``, ``[sweep, point, k]``).
        rows: the number of each row in the file, from 1; None for arrays.
        sha256: the digest of the file's bytes, or of the arrays'; of several files that of their digests, one after the other.
        notes: remarks on what was left out.
        format: what wrote the file, e.g. "Keysight EasyEXPERT export"; else what it is, "comma-separated text"; "" for arrays.
        recognised: one line for the user, e.g. "Keysight EasyEXPERT export; header in row 212, data in rows 213 to 413".
        header: whether the columns have names in the file; without them they are "1", "2", ...
        meta: what stands above and below the table, by key.
        units: the units that are known by column, from a row of units or from the instrument; not those within a header.
        quantities: what a column is by the instrument's description: "voltage", "current", "time", "cycle", "state", ...
        dropped: the numbers of the rows that were left out, by reason ("comment", "footer", "repeated header", ...).
        sources: the name and the digest of each file.
        places: where there are several files or sheets, the one from which each row is.
        unnamed: the columns that have no name in a file whose others have one; they are called by their number.
        decimal: "," where the cells can be read with decimal commas only, "." where with points only, "" where nothing tells.
    """

    name: str
    columns: Mapping[str, Any]
    rows: list[int] | None = None
    sha256: str = ""
    notes: list[str] = field(default_factory=list)
    format: str = ""
    recognised: str = ""
    header: bool = True
    meta: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    quantities: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, list[int]] = field(default_factory=dict)
    sources: list[tuple[str, str]] = field(default_factory=list)
    places: list[str] | None = None
    unnamed: tuple[str, ...] = ()
    decimal: str = ""

    def column(self, header: str) -> Any:
        """Return one column, by its name or number (from 1); ``"volt[1]"`` is index 1 on the last axis of an array.

        Raises:
            FitError: no such column.
        """
        if header in self.columns:
            return self.columns[header]
        if self.rows is not None and re.fullmatch(r"[1-9]\d{0,5}", header) and int(header) <= len(self.columns):
            return self.columns[list(self.columns)[int(header) - 1]]
        match = re.fullmatch(r"(.+)\[(\d+)\]", header)
        if match and match[1] in self.columns:
            array = np.asarray(self.columns[match[1]])
            if array.ndim < 2 or int(match[2]) >= array.shape[-1]:
                raise FitError(
                    f"{self.name}: column {header!r}", "the last axis has no such index", got=f"shape {list(array.shape)}"
                )
            return array[..., int(match[2])]
        raise FitError(self.name, f"no column {header!r}", fix=suggest(header[:100], list(self.columns)[:100]))

    def row(self, index: int) -> str:
        """Name a row for an error."""
        place = f"{self.places[index]}: " if self.places is not None else ""
        return f"{place}row {self.rows[index] if self.rows is not None else index}"


def read(source: Any, *, sheet: str | None = None) -> Table:
    """Read a table from a file (by its ending), a mapping of columns, or an array ``[row, column]``.

    Raises:
        FileError: missing, damaged, of an unknown kind.
        FitError: not a table.
    """
    if sheet is not None and not (isinstance(source, str | Path) and Path(source).suffix.lower() in SHEETS):
        raise FitError("sheet", "is only for XLSX files", got=repr(sheet), fix="Leave it out.")
    if isinstance(source, Mapping):
        columns = {str(k): plain(f"column {k!r}", v) for k, v in source.items()}
        return Table("memory", columns, sha256=_digest(columns))
    if not isinstance(source, str | Path):
        array = plain("source", source)
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            raise FitError("fit", "an array must be numbers [row, column]", got=f"{array.dtype}, shape {list(array.shape)}")
        columns = {str(k): array[:, k] for k in range(array.shape[1])}
        return Table("memory", columns, sha256=_digest(columns))
    path = Path(source)
    kind = path.suffix.lower()
    data = _bytes(path)
    sha = hashlib.sha256(data).hexdigest()
    if kind == ".npz":
        return Table(path.name, Arrays(path.name, data), sha256=sha)
    if kind in SHEETS:
        return _tidy(path.name, *read_xlsx(path.name, data, sheet), sha)
    if kind in TEXTS:
        return _tidy(path.name, *read_text(path.name, data), sha)
    raise FileError(path.name, "must be .csv, .tsv, .txt, .xlsx or .npz", got=repr(kind), fix="Export it as CSV.")


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise FileError(str(path), "no such file")
    try:
        if path.stat().st_size > limits.FILE:
            raise FileError(str(path), f"must be at most {limits.FILE >> 20} MiB", got=f"{path.stat().st_size >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise FileError(str(path), "cannot be read", got=str(error.strerror)) from error


def plain(what: str, values: Any) -> np.ndarray:
    """Return given values as an array."""
    try:
        return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise FitError(f"fit: {what}", "must be an array of numbers or text", got=str(error).splitlines()[0]) from error


def _digest(columns: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name, array in columns.items():
        digest.update(
            name.encode() + str(array.dtype).encode() + str(array.shape).encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()


def _tidy(name: str, cells: list[list[str]], rows: list[int], notes: list[str], sha: str) -> Table:
    """Make a table of rows of cells: a header and rows of the same width."""
    full = [(k, row) for k, row in zip(rows, cells, strict=True) if any(c.strip() for c in row)]
    if len(full) < 2:
        raise FitError(name, "needs a header and at least one row", got=f"{len(full)} row(s)")
    header = _header(name, full[0][1])
    for k, row in full[1:]:
        if len(row) != len(header):
            raise FitError(
                f"{name}: row {k}",
                f"must have {len(header)} cells, as the header",
                got=f"{len(row)}",
                fix=f"With decimal commas, export with points, or with semicolons between cells and {argument('decimal', ',')}.",
            )
    body = [row for _, row in full[1:]]
    columns = {head: [row[i].strip() for row in body] for i, head in enumerate(header) if head}
    if unnamed := [str(i + 1) for i, head in enumerate(header) if not head and any(row[i].strip() for row in body)]:
        notes = [*notes, f"columns without a header were left out: {', '.join(unnamed[:20])}"]
    return Table(name, columns, [k for k, _ in full[1:]], sha, notes)


def _header(name: str, cells: list[str]) -> list[str]:
    """Return the names of the columns; line breaks within them, as spreadsheets have them, count as spaces."""
    if long := next((c for c in cells if len(c) > limits.HEADER), ""):
        raise FileError(f"{name}: header", f"must have at most {limits.HEADER} characters in a cell", got=str(len(long)))
    header = [" ".join(c.split()) for c in cells]
    if all(_is_number(c) for c in header):
        got = ", ".join(short(c) for c in header[:4])
        raise FitError(name, "needs a header: names of the columns in its first row", got=got, fix="Add one, with units.")
    if doubled := [c for c, n in Counter(header).items() if n > 1 and c]:
        raise FitError(name, "needs different names for its columns", got=repr(min(doubled)))
    return header


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_empty(cell: Any) -> bool:
    """Return whether a cell holds nothing, or "not a number"."""
    if isinstance(cell, str):
        return cell.strip().lower() in EMPTY
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))


def number(table: Table, header: str, index: int, cell: str, decimal: str) -> float:
    """Return one cell as a number.

    Raises:
        FitError: it is none; the row is named.
    """
    text = cell.strip()
    if decimal == ",":
        grouped = re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})*,\d+", text)
        text = text.replace(".", "").replace(",", ".") if grouped else text.replace(",", ".")
    try:
        value = float(text) if "_" not in text else math.nan  # (Python's own way to write 1_000)
    except ValueError:
        value = math.nan
    either = decimal == "," and re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+", cell.strip())
    if math.isfinite(value) and not either:
        return value
    where = f"{table.name}: {table.row(index)}, column {header!r}"
    if either:
        fix = "Export it without groups of thousands; numbers of a spreadsheet need no decimal sign."
        raise FitError(where, "could have a decimal point or a group of thousands", got=repr(cell), fix=fix)
    if math.isinf(value):
        raise FitError(where, "must be finite", got=repr(short(cell)))
    fix = f"Decimal commas: give {argument('decimal', ',')}." if re.fullmatch(r"[-+]?\d+,\d+([eE][-+]?\d+)?", text) else ""
    raise FitError(where, "must be a number", got=repr(short(cell)), fix=fix)


def short(text: str, most: int = 60) -> str:
    """Return the beginning of a text, for a message."""
    return text if len(text) <= most else f"{text[:most]}..."
