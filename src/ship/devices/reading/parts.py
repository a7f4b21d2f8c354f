"""From the rows of one file or sheet to named columns, with what is known of them; and several of these as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...base.errors import FitError
from . import headers, layout
from .instruments import Instrument
from .log import Long, kinds_of_rows, read_log, trains
from .spelling import argument
from .text import Raw

SEPARATED = {
    "\t": "tab-separated text",
    ",": "comma-separated text",
    ";": "semicolon-separated text",
    "|": "text with bars",
    " ": "text with spaces",
}
LEFT_OUT = {
    "numbers above the header": "of numbers above the header",
    "footer": "that belong to no row of data",
    "repeated header": "that are the header again",
}
LONG = 30  # rows that a note lists, at most


class Part(NamedTuple):
    """The table of one file or sheet.

    Args:
        columns: the cells by name; the number of a column in the file leads to its name by ``positions``.
        numbers: the number of each row in the file.
        form: what wrote the file, or what it is.
        recognised: what was found where, for the user.
        header: whether the names stand in the file.
        sha256: the digest of the file's bytes.

    The others are as in `Table`.
    """

    name: str
    place: str
    columns: dict[str, list[str]]
    numbers: list[int]
    form: str
    recognised: str
    header: bool
    sha256: str
    positions: Mapping[str, str] = {}
    meta: Mapping[str, str] = {}
    units: Mapping[str, str] = {}
    quantities: Mapping[str, str] = {}
    dropped: Mapping[str, list[int]] = {}
    notes: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    decimal: str = ""


def arrange(name: str, raw: Raw, sha256: str, instruments: Sequence[Instrument], asked: bool) -> Part:
    """Find what a file or sheet holds, by the instruments that may have written it.

    Args:
        name: the name of the file, for errors.
        raw: its rows.
        sha256: the digest of the file.
        instruments: the descriptions to try.
        asked: whether the user has said which one it is.

    Raises:
        FitError: no table is in it, or not the one that the instrument writes.
        FileError: a header or rows that no table has.
    """
    where = f"{name}: sheet {raw.place!r}" if raw.place else name
    for made in instruments:
        if made.log and (asked or made.recognise) and made.writes(raw):
            return _long_part(name, raw, sha256, read_log(where, raw, made.log), made.name)
        if made.rows and made.writes(raw):
            return _tagged(where, name, raw, sha256, made)
    kinds = kinds_of_rows(raw)
    long = trains(where, raw, keyed=kinds is not None)
    if long is not None:
        return _long_part(name, raw, sha256, long, SEPARATED.get(raw.delimiter, "a sheet"))
    found = layout.find(where, raw) if kinds is None else layout.bare(where, raw)
    part = _part(name, raw, sha256, found)
    if kinds is not None:
        counts = ", ".join(f"{word} {count}" for word, count in kinds[1].items())
        said = f"rows of {len(kinds[1])} kinds by column {kinds[0] + 1}: {counts}"
        only = argument("only", {str(kinds[0] + 1): next(iter(kinds[1]))})
        part = part._replace(recognised=f"{part.recognised}; {said}", notes=(*part.notes, f"{said}; read one kind with {only}"))
    return _known(where, part, raw, instruments, asked)


def _known(where: str, part: Part, raw: Raw, instruments: Sequence[Instrument], asked: bool) -> Part:
    """Add what an instrument's description says of the columns."""
    for made in instruments:
        by_names = part.header and made.recognise.get("columns") and made.knows(list(part.columns))
        by_rows = not part.header and made.recognise.get("first") and made.header and made.writes(raw)
        by_names = by_names or (by_rows and len(made.header) == len(part.columns))
        if not (asked or by_names) or (made.recognise and asked and not by_names and not made.header):
            continue
        if made.header and not part.header:
            part = _renamed(where, part, made)
        known, quantities = made.about(list(part.columns), part.meta)
        said = part.recognised.partition(";")[2]
        return part._replace(
            form=made.name, recognised=f"{made.name};{said}", units={**known, **part.units}, quantities=quantities
        )
    if asked:
        raise FitError(where, f"is no file of {instruments[0].name}", fix=f"Leave {argument('instrument')} out, or name another.")
    return part


def _renamed(where: str, part: Part, made: Instrument) -> Part:
    if len(made.header) != len(part.columns):
        raise FitError(where, f"must have {len(made.header)} columns, as files of {made.name}", got=str(len(part.columns)))
    columns = dict(zip(made.header, part.columns.values(), strict=True))
    positions = {str(k): head for k, head in enumerate(made.header, 1)}
    return part._replace(columns=columns, positions=positions, header=True)


def _part(name: str, raw: Raw, sha256: str, found: layout.Layout) -> Part:
    names = found.header.names
    columns = {head: list(cells) for head, cells in zip(names, zip(*found.rows, strict=True), strict=True)}
    positions = {str(k): head for k, head in enumerate(names, 1)}
    unnamed = found.header.unnamed if found.named else ()
    bare = [head for head in unnamed if not any(columns[head])]
    columns = {head: cells for head, cells in columns.items() if head not in set(bare)}
    unnamed = tuple(head for head in unnamed if head in columns)
    if found.block:
        columns["block"] = [str(k + 1) for k in found.block]
    form = SEPARATED.get(raw.delimiter, f"sheet {raw.place!r}" if raw.place else "a sheet")
    head = f"header in row {found.header_row}" if found.header_row else "a header" if found.named else "no header"
    rows = (
        f"data in row {found.numbers[0]}"
        if len(found.numbers) == 1
        else f"data in rows {found.numbers[0]} to {found.numbers[-1]}"
    )
    notes = []
    if comments := found.dropped.get("comment"):
        notes.append(f"{len(comments)} lines that begin with # were left out as comments")
    if unnamed:
        notes.append(f"columns without a header are called by their number: {', '.join(unnamed[:20])}")
    for reason, text in LEFT_OUT.items():
        if reason in found.dropped:
            notes.append(f"{len(found.dropped[reason])} rows {text} were left out: {spans(found.dropped[reason])}")
    if found.short:
        notes.append(f"{len(found.short)} rows are shorter than the others, and end in empty cells: {spans(found.short)}")
    positions = {number: head for number, head in positions.items() if head in columns}
    return Part(
        name,
        raw.place,
        columns,
        found.numbers,
        form,
        f"{form}; {head}, {rows}",
        found.named,
        sha256,
        positions,
        found.meta,
        found.header.units,
        {},
        found.dropped,
        tuple(notes),
        unnamed,
        found.decimal,
    )


def _long_part(name: str, raw: Raw, sha256: str, long: Long, form: str) -> Part:
    said = long.recognised or f"{len(long.numbers)} reads in rows {long.numbers[0]} to {long.numbers[-1]}"
    positions = {str(k): head for k, head in enumerate(long.columns, 1)}
    return Part(
        name,
        raw.place,
        long.columns,
        long.numbers,
        form,
        f"{form}; {said}",
        True,
        sha256,
        positions,
        units=long.units,
        quantities=long.quantities,
        dropped=long.dropped,
        notes=tuple(long.notes),
    )


def _tagged(where: str, name: str, raw: Raw, sha256: str, made: Instrument) -> Part:
    """Return the table of a file whose rows say in their first cell what they are; a new row of names begins a new block."""
    names_tag, data_tag = made.rows["names"], made.rows["data"]
    names: list[str] | None = None
    meta: dict[str, str] = {}
    lines, numbers, block, other, head_row, again = [], [], [], [], 0, []
    for number, row in zip(raw.numbers, raw.cells, strict=True):
        tag, rest = row[0].strip(), [c.strip() for c in row[1:]]
        if tag == names_tag:
            fresh = headers.clean(where, rest)
            if names is not None and fresh != names:
                got = f"{', '.join(fresh)} after {', '.join(names)}"
                raise FitError(f"{where}: row {number}", "all of its tables must have one header", got=got[:200])
            again += [number] if names is not None else []
            names, head_row = fresh, head_row or number
        elif tag == data_tag and names is not None:
            lines.append(rest)
            numbers.append(number)
            block.append(len(again))
        else:
            other.append(number)
            if tag in made.rows.get("meta", ()) and rest:
                tag, rest = rest[0], rest[1:]
            if rest and len(meta) < layout.META:
                meta.setdefault(tag, ", ".join(rest)[: layout.VALUE])
    if names is None or not lines:
        raise FitError(where, f"needs rows {names_tag} and {data_tag}", got=f"{len(lines)} rows of data")
    table = Raw([names, *lines], [head_row, *numbers])
    found = layout.of_rows(where, table)
    part = _part(name, raw._replace(delimiter=""), sha256, found._replace(block=block if again else [], meta=meta))
    known, quantities = made.about(list(part.columns), meta)
    dropped = {k: v for k, v in (("preamble", other), ("repeated header", again)) if v}
    said = part.recognised.partition(";")[2]
    return part._replace(
        form=made.name, recognised=f"{made.name};{said}", units={**known, **part.units}, quantities=quantities, dropped=dropped
    )


def spans(numbers: Sequence[int]) -> str:
    """Say numbers of rows as few words: "3, 5 to 9, 12"."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    texts = [str(a) if a == b else f"{a} to {b}" for a, b in runs[:LONG]]
    return ", ".join(texts) + (", ..." if len(runs) > LONG else "")
