"""A measurement as columns of text or numbers: from CSV, TSV, XLSX, NPZ, or from memory.

Nothing is dropped in silence: what is left out (comments, empty lines) is a note, and each row keeps its number in the file.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, FitError, suggest

EMPTY = ("", "nan", "na", "n/a", "null", "none", "-")
MOST = 200 * 2**20  # bytes of a text file


@dataclass
class Table:
    """Columns of one measurement.

    Args:
        name: of the file, without its folder; "memory" for arrays.
        columns: lists of text, or arrays ``[row]`` (or ``[sweep, point]``, ``[sweep, point, k]``).
        rows: the number of each row in the file, from 1; None for arrays.
        sha256: of the file's bytes, or of the arrays'.
        notes: what was left out, in words.
    """

    name: str
    columns: dict[str, Any]
    rows: list[int] | None = None
    sha256: str = ""
    notes: list[str] = field(default_factory=list)

    def column(self, header: str) -> Any:
        """One column. ``"volt[1]"``: index 1 on the last axis of an array.

        Raises:
            FitError: no such column.
        """
        if header in self.columns:
            return self.columns[header]
        match = re.fullmatch(r"(.+)\[(\d+)\]", header)
        if match and match[1] in self.columns:
            array = np.asarray(self.columns[match[1]])
            if array.ndim < 2 or int(match[2]) >= array.shape[-1]:
                raise FitError(
                    f"{self.name}: column {header!r}", "the last axis has no such index", got=f"shape {list(array.shape)}"
                )
            return array[..., int(match[2])]
        raise FitError(self.name, f"no column {header!r}", fix=suggest(header, self.columns))

    def row(self, index: int) -> str:
        """How a row is called in an error."""
        return f"row {self.rows[index] if self.rows is not None else index}"


def read(source: Any, *, sheet: str | None = None) -> Table:
    """A table from a file (by its ending), a mapping of columns, or an array ``[row, column]``.

    Raises:
        FileError: missing, damaged, of an unknown kind.
        FitError: not a table.
    """
    if isinstance(source, Mapping):
        columns = {str(k): np.asarray(v) for k, v in source.items()}
        return Table("memory", columns, sha256=_digest(columns))
    if not isinstance(source, str | Path):
        array = np.asarray(source)
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            raise FitError("fit", "an array must be numbers [row, column]", got=f"{array.dtype}, shape {list(array.shape)}")
        columns = {str(k): array[:, k] for k in range(array.shape[1])}
        return Table("memory", columns, sha256=_digest(columns))
    path = Path(source)
    if not path.is_file():
        raise FileError(str(source), "no such file")
    if path.stat().st_size > MOST:
        raise FileError(str(source), f"must be at most {MOST >> 20} MiB", got=f"{path.stat().st_size >> 20} MiB")
    data = path.read_bytes()
    sha = hashlib.sha256(data).hexdigest()
    kind = path.suffix.lower()
    if kind == ".npz":
        return Table(path.name, _npz(path), sha256=sha)
    if kind in (".xlsx", ".xlsm"):
        return _tidy(path.name, *_xlsx(path, sheet), sha)
    if kind in (".csv", ".tsv", ".txt", ".dat"):
        return _tidy(path.name, *_text(path.name, data), sha)
    raise FileError(path.name, "must be .csv, .tsv, .txt, .xlsx or .npz", got=repr(kind), fix="Export it as CSV.")


def _digest(columns: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name, array in columns.items():
        digest.update(
            name.encode() + str(array.dtype).encode() + str(array.shape).encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()


def _npz(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise FileError(path.name, "is damaged, or holds objects", got=str(error), fix="Save plain arrays of numbers.") from error


def _xlsx(path: Path, sheet: str | None) -> tuple[list[list[str]], list[int], list[str]]:
    try:
        import openpyxl  # type: ignore[import-untyped, unused-ignore, import-not-found]
    except ImportError as error:
        raise FileError(
            path.name,
            "needs the package openpyxl to be read",
            fix="pip install openpyxl (or pip install 'ship-snn[xlsx]'), or export the sheet as CSV.",
        ) from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # (openpyxl lets errors of zip, XML and its own through)
        raise FileError(path.name, "is damaged, or no XLSX file", got=f"{type(error).__name__}: {error}") from error
    with_close = book.sheetnames
    if sheet is None and len(with_close) > 1:
        raise FitError(path.name, "has several sheets", got=", ".join(with_close), fix=f"Choose one: sheet={with_close[0]!r}.")
    if sheet is not None and sheet not in with_close:
        raise FitError(path.name, f"no sheet {sheet!r}", fix=suggest(sheet, with_close))
    cells = [
        ["" if v is None else repr(v) if isinstance(v, float) else str(v) for v in row]
        for row in book[sheet or with_close[0]].values
    ]
    book.close()
    return cells, list(range(1, len(cells) + 1)), []


def _text(name: str, data: bytes) -> tuple[list[list[str]], list[int], list[str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in data:
            raise FileError(name, "is no text file") from None
        text = data.decode("latin-1")  # (what instruments of the West write where they do not write UTF-8)
    lines = [(k, line) for k, line in enumerate(text.splitlines(), 1) if line.strip()]
    kept = [(k, line) for k, line in lines if not line.lstrip().startswith("#")]
    notes = [f"{len(lines) - len(kept)} lines that begin with # were left out as comments"] if len(kept) < len(lines) else []
    if not kept:
        raise FitError(name, "is empty")
    counts = {d: kept[0][1].count(d) for d in "\t;,"}
    delimiter = next((d for d, n in counts.items() if n), ",")
    cells = list(csv.reader([line for _, line in kept], delimiter=delimiter))
    return cells, [k for k, _ in kept], notes


def _tidy(name: str, cells: list[list[str]], rows: list[int], notes: list[str], sha: str) -> Table:
    """A header and rows of the same width."""
    full = [(k, row) for k, row in zip(rows, cells, strict=True) if any(c.strip() for c in row)]
    if len(full) < 2:
        raise FitError(name, "needs a header and at least one row", got=f"{len(full)} row(s)")
    header = [c.strip() for c in full[0][1]]
    if all(_is_number(c) for c in header):
        raise FitError(
            name, "needs a header: names of the columns in its first row", got=", ".join(header[:4]), fix="Add one, with units."
        )
    if doubled := sorted({c for c in header if header.count(c) > 1 and c}):
        raise FitError(name, "needs different names for its columns", got=repr(doubled[0]))
    for k, row in full[1:]:
        if len(row) != len(header):
            raise FitError(
                f"{name}: row {k}",
                f"must have {len(header)} cells, as the header",
                got=f"{len(row)}",
                fix="With decimal commas, export with points, or with semicolons between the cells and decimal=','.",
            )
    body = [row for _, row in full[1:]]
    columns = {head: [row[i].strip() for row in body] for i, head in enumerate(header) if head}
    return Table(name, columns, [k for k, _ in full[1:]], sha, notes)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing, or not a number."""
    if isinstance(cell, str):
        return cell.strip().lower() in EMPTY
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))


def number(table: Table, header: str, index: int, cell: str, decimal: str) -> float:
    """One cell as a number.

    Raises:
        FitError: it is none; the row is named.
    """
    where, text = f"{table.name}: {table.row(index)}, column {header!r}", cell.strip()
    if decimal == ",":
        text = (
            text.replace(".", "").replace(",", ".")
            if re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})*,\d+", text)
            else text.replace(",", ".")
        )
    try:
        value = float(text)
    except ValueError:
        fix = ""
        if re.fullmatch(r"[-+]?\d+,\d+([eE][-+]?\d+)?", text):
            fix = "Decimal commas: give decimal=','."
        raise FitError(where, "must be a number", got=repr(cell), fix=fix) from None
    if not np.isfinite(value):
        raise FitError(where, "must be finite", got=repr(cell))
    return value
