"""A measurement as columns of text or numbers: from CSV, TSV, XLSX, NPZ, or from memory.

Nothing is dropped in silence: what is left out (comments, empty lines) is a note, and each row keeps its number in the file.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...base.errors import FitError, suggest
from .cells import FORTRAN, is_empty, mark, short
from .npz import Arrays
from .parts import Part
from .sources import Read, content, files, parts_of, title
from .spelling import argument

__all__ = ["Table", "is_empty", "mark", "number", "plain", "read", "short"]


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
        positions: the name of the column by its number in the file, "1" for the first.
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
    positions: Mapping[str, str] = field(default_factory=dict)

    def column(self, header: str) -> Any:
        """Return one column, by its name or number (from 1); ``"volt[1]"`` is index 1 on the last axis of an array.

        Raises:
            FitError: no such column.
        """
        if header in self.columns:
            return self.columns[header]
        if header in self.positions:
            return self.columns[self.positions[header]]
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


def read(source: Any, *, sheet: str | Sequence[str] | None = None, instrument: str | None = None) -> Table:
    """Read a table from files, a mapping of columns, or an array ``[row, column]``.

    Args:
        source: a file, a pattern of files (``"runs/*.csv"``), a sequence of files, a mapping of columns, or an array. Several
            files become one table, with the name of the file in the column "file".
        sheet: the sheet of an XLSX file, several of them, or "all" for those that have the columns of the first that holds a
            table; several have their name in the column "sheet".
        instrument: the name of a description of the instrument (see `instruments`), or its file; None: it is found by itself.

    Raises:
        FileError: missing, damaged, of an unknown kind.
        FitError: not a table, or tables that differ in their columns.
    """
    if isinstance(source, Mapping):
        _only_files(sheet, instrument)
        columns = {str(k): plain(f"column {k!r}", v) for k, v in source.items()}
        return Table("memory", columns, sha256=_digest(columns))
    paths = files(source)
    if paths is None:
        _only_files(sheet, instrument)
        array = plain("source", source)
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            raise FitError("fit", "an array must be numbers [row, column]", got=f"{array.dtype}, shape {list(array.shape)}")
        columns = {str(k): array[:, k] for k in range(array.shape[1])}
        return Table("memory", columns, sha256=_digest(columns))
    if len(paths) == 1 and (data := content(paths[0])).is_npz:
        _only_files(sheet, instrument)
        arrays = Arrays(data.name, data.data)
        return Table(data.name, arrays, sha256=data.sha256, format="NPZ", recognised="NPZ", sources=[(data.name, data.sha256)])
    return _joined(parts_of(paths, sheet, instrument))


def _only_files(sheet: object, instrument: object) -> None:
    for name, value in (("sheet", sheet), ("instrument", instrument)):
        if value is not None:
            rule = "is only for XLSX files" if name == "sheet" else "is only for files of text and XLSX"
            raise FitError(name, rule, got=repr(value)[:100], fix="Leave it out.")


def _joined(found: Read) -> Table:
    """Make one table of those of files and sheets, which have the same columns."""
    parts = found.parts
    first = parts[0]
    columns = {head: [cell for part in parts for cell in part.columns[head]] for head in first.columns}
    several_files = len({part.name for part in parts}) > 1
    several_sheets = len({part.place for part in parts}) > 1
    for label, there in (("file", several_files), ("sheet", several_sheets)):
        if there:
            head = next(h for h in (label, *(f"{label}#{k}" for k in range(2, 99))) if h not in columns)
            columns[head] = [part.name if label == "file" else part.place for part in parts for _ in part.numbers]
    dropped: dict[str, list[int]] = {}
    for part in parts:
        for reason, rows in part.dropped.items():
            dropped.setdefault(reason, []).extend(rows)
    digests = [sha for _, sha in found.sources]
    name = first.name if len(digests) == 1 else f"{first.name} and {len(digests) - 1} more"
    places = None
    if len(parts) > 1:
        says = [
            ": ".join((f"{p.name}" if several_files else "", f"sheet {p.place}" if several_sheets else "")).strip(": ")
            for p in parts
        ]
        places = [said for said, part in zip(says, parts, strict=True) for _ in part.numbers]
    decimals = {part.decimal for part in parts if part.decimal}
    return Table(
        name,
        columns,
        [n for part in parts for n in part.numbers],
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest(),
        [*_notes(parts), *found.notes],
        first.form,
        _recognised(found),
        first.header,
        first.meta,
        first.units,
        first.quantities,
        dropped,
        found.sources,
        places,
        first.unnamed,
        decimals.pop() if len(decimals) == 1 else "",
        first.positions,
    )


def _notes(parts: Sequence[Part]) -> list[str]:
    """Return the notes on each part, those that hold for several parts once."""
    said: dict[str, list[Part]] = {}
    for part in parts:
        for note in part.notes:
            said.setdefault(note, []).append(part)
    one = len(parts) == 1
    return [
        note if one or len(of) == len(parts) else f"{note} ({', '.join(title(p) for p in of[:5])})" for note, of in said.items()
    ]


def _recognised(found: Read) -> str:
    parts = found.parts
    if len(parts) == 1:
        return parts[0].recognised
    alike = all(part.recognised == parts[0].recognised for part in parts)
    each = parts[0].recognised if alike else parts[0].form
    if len(found.sources) == 1:
        return f"{len(parts)} sheets of {parts[0].name}, {parts[0].place!r} to {parts[-1].place!r}, each: {each}"
    what = (
        f"{len(found.sources)} files"
        if len(parts) == len(found.sources)
        else f"{len(parts)} sheets of {len(found.sources)} files"
    )
    return f"{what}, {title(parts[0])} to {title(parts[-1])}, each: {each}"


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


def number(table: Table, header: str, index: int, cell: str, decimal: str) -> float:
    """Return one cell as a number.

    Raises:
        FitError: it is none; the row is named.
    """
    text = cell.strip()
    if fortran := FORTRAN.fullmatch(text):
        text = f"{fortran[1]}e{fortran[2]}"
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
