"""Where the table is in the rows of a file: what stands above it, its header, its first and its last row, what stands below.

The columns of numbers are found first (``block``). The first row of their form begins the data, the row of texts above it is the
header (with a row of units below the names, or of groups above them), and what is above is the preamble. Rows of words at the end
are the footer. Nothing is left out within the data: a cell that does not fit there is for those to refuse who want its column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...base.errors import FitError
from . import headers, limits
from .block import Row, first_row, has_form, kind, last_row, numeric_columns
from .cells import COMMA, short
from .spelling import argument
from .text import Raw, split

SPACED = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?(?:, +[-+]?\d+,\d+(?:[eE][-+]?\d+)?)+")
ZEROS = re.compile(r"[-+]?0\d")  # 05: no number that a program writes
RULE = "-=_+:*"
META = 2000  # entries of a preamble
VALUE = 300  # characters of an entry
SAMPLE = 1000  # rows from which the decimal sign follows
KEY = re.compile(r"\s*([^:=]{1,80}?)\s*[:=]\s*(.*)", re.S)


class Layout(NamedTuple):
    """A table within the rows of a file.

    Args:
        header: names of the columns, their units, those without a name.
        named: whether the names stand in the file.
        header_row: the number of the row of names; 0 without one.
        rows: the rows of data, all as long as there are columns.
        numbers: the number of each row of data in the file.
        meta: what stands above and below, by key.
        dropped: the numbers of the rows that were left out, by reason.
        short: the numbers of the rows to which empty cells were added.
        decimal: "," or "." where the numbers tell, else "".
        block: for each row the number of headers that came again above it.
    """

    header: headers.Header
    named: bool
    header_row: int
    rows: list[list[str]]
    numbers: list[int]
    meta: dict[str, str]
    dropped: dict[str, list[int]]
    short: list[int]
    decimal: str
    block: list[int]


class _Head(NamedTuple):
    """The rows of a header: names, groups above and units below them; where the first is, and the number of that of the names."""

    names: list[str] | None = None
    groups: list[str] | None = None
    units: list[str] | None = None
    top: int = 0
    number: int = 0
    width: int = 0
    remarks: str = ""


def find(name: str, raw: Raw) -> Layout:
    """Find the table in the rows of a file.

    Raises:
        FitError: there is none; no number in it; rows that are longer than the header.
        FileError: a header that no table has.
    """
    rows, dropped = _trimmed(raw)
    if not rows:
        raise FitError(name, "needs a header and at least one row", got="0 row(s)")
    numeric = numeric_columns(rows)
    if not numeric and len(rows) > 1:
        got = ", ".join(short(c) for c in rows[0].cells[:4])
        raise FitError(name, "holds no numbers", got=f"rows of text, the first of them {got!r}")
    first = first_row(rows, numeric) if numeric else 1
    head = _head(name, raw, rows, numeric, first)
    if head.names is None and _has_numbers_as_names(rows, numeric, first):
        head, first = _plain_head(name, rows, first), first + 1
    last = last_row(rows, numeric, first)
    if last < first:
        raise FitError(name, "needs a header and at least one row", got=f"{len(rows)} row(s)")
    body = rows[first : last + 1]
    top = head.top if head.names is not None else first
    if head.names is None:
        head = _commented(name, raw, body)
    dropped["comment"] = [n for n in dropped["comment"] if n != head.number]
    above = [(row.number, has_form(row, numeric)) for row in rows[:top]]
    dropped |= {"preamble": [n for n, fits in above if not fits], "numbers above the header": [n for n, fits in above if fits]}
    dropped["footer"] = [row.number for row in rows[last + 1 :]]
    body, block, dropped["repeated header"] = _without_repeats(body, head.names)
    if not body:
        raise FitError(name, "needs a header and at least one row", got=f"{len(rows)} row(s)")
    remarks = (re.sub(r"^[#%!/\s]+", "", text) for n, text in raw.comments if n != head.number)
    meta = _meta((row.cells for row in (*rows[:top], *rows[last + 1 :])), remarks)
    meta |= {"remarks": head.remarks[: 2 * VALUE]} if head.remarks else {}
    _refuse_cut_numbers(name, raw, body, head)
    found = _made(name, raw, body, head, _width(name, raw, body, head))
    dropped = {reason: numbers for reason, numbers in dropped.items() if numbers}
    return found._replace(meta=meta, dropped=dropped, decimal=_decimal(body, numeric), block=block)


def bare(name: str, raw: Raw) -> Layout:
    """Take all rows of a file as they are, whatever their lengths, without a header.

    Raises:
        FitError: no row, or too many columns.
    """
    rows, dropped = _trimmed(raw)
    if not rows:
        raise FitError(name, "needs at least one row", got="0 row(s)")
    width = _checked(name, max(len(row.cells) for row in rows))
    return _made(name, raw, rows, _Head(), width)._replace(dropped={k: v for k, v in dropped.items() if v})


def of_rows(name: str, raw: Raw) -> Layout:
    """Take the first row as the header and all others as data.

    Raises:
        FitError: rows that are longer than the header.
        FileError: a header that no table has.
    """
    rows = [Row([c.strip() for c in cells], n, len(cells)) for n, cells in zip(raw.numbers, raw.cells, strict=True)]
    head = _Head(headers.clean(name, rows[0].cells), number=rows[0].number, width=rows[0].width)
    body = [row._replace(cells=_without_end(row.cells)) for row in rows[1:]]
    return _made(name, raw, body, head, _width(name, raw, body, head))


def _made(name: str, raw: Raw, body: Sequence[Row], head: _Head, width: int) -> Layout:
    limits.check_cells(name, width * len(body))
    return Layout(
        _names(head, width),
        head.names is not None,
        head.number,
        [row.cells if len(row.cells) == width else row.cells + [""] * (width - len(row.cells)) for row in body],
        [row.number for row in body],
        {},
        {},
        _shorter(body) if raw.delimiter else [],
        "",
        [],
    )


def _shorter(body: Sequence[Row]) -> list[int]:
    """Return the numbers of the rows with fewer cells than most have."""
    usual = Counter(row.width for row in body).most_common(1)[0][0] if body else 0
    return [row.number for row in body if row.width < usual]


def _without_end(cells: list[str]) -> list[str]:
    """Return cells without the empty ones at their end."""
    size = len(cells)
    while size and not cells[size - 1]:
        size -= 1
    return cells[:size]


def _is_rule(cells: Sequence[str]) -> bool:
    """Return whether a row is a line of signs, ``-----`` or ``=====``, as it stands below headers."""
    return cells[0][:1] in RULE and all(len(c) > 2 and not c.strip(RULE) for c in cells if c)


def _trimmed(raw: Raw) -> tuple[list[Row], dict[str, list[int]]]:
    """Return the rows that hold something, and the numbers of the others."""
    rows: list[Row] = []
    empty: list[int] = []
    rules: list[int] = []
    for number, cells in zip(raw.numbers, raw.cells, strict=True):
        stripped = [c.strip() for c in cells]
        if not stripped or not stripped[-1]:
            stripped = _without_end(stripped)
        if stripped and _is_rule(stripped):
            rules.append(number)
        elif stripped:
            rows.append(Row(stripped, number, len(cells)))
        else:
            empty.append(number)
    return rows, {"comment": [n for n, _ in raw.comments], "empty": empty, "line of signs": rules}


def _head(name: str, raw: Raw, rows: Sequence[Row], numeric: Sequence[int], first: int) -> _Head:
    """Return the header above the first row of data."""
    if first == 0:
        return _Head()
    wide = max((len(row.cells) for row in rows[first : first + SAMPLE]), default=len(rows[0].cells))
    lines = [_resplit(raw.lines.get(row.number, ""), row.cells, wide) for row in rows[max(0, first - 3) : first]]
    below = lines[-1]
    title = raw.delimiter == " " and len(below) > wide  # more words than columns
    if title or not _is_header(below, numeric, first, wide):
        return _Head()
    under = groups = None
    remark = len(lines) > 2 and headers.is_row_of_units(lines[-2]) and _over(lines[-3], lines[-2])
    at = first - 1
    if remark:  # names, units, remarks: as Origin writes them
        under, names, at = lines[-2], headers.clean(name, lines[-3]), first - 3
        groups = headers.clean(name, below) if _repeats(names) else None
        remarks = "" if groups else ", ".join(below)
        return _Head(names, groups, under, at, rows[at].number, max(rows[at].width, len(names)), remarks)
    if len(lines) > 1 and headers.is_row_of_units(below) and _over(lines[-2], below):
        under, lines, at = below, lines[:-1], first - 2
    names = headers.clean(name, lines[-1])
    if len(lines) > 1 and _repeats(names) and _over(lines[-2], names):
        groups = headers.clean(name, lines[-2])
    return _Head(names, groups, under, at - (groups is not None), rows[at].number, max(rows[at].width, len(names)))


def _repeats(names: Sequence[str]) -> bool:
    there = [name for name in names if name]
    return len(set(there)) < len(there)


def _plain_head(name: str, rows: Sequence[Row], at: int) -> _Head:
    return _Head(headers.clean(name, rows[at].cells), top=at, number=rows[at].number, width=rows[at].width)


def _resplit(line: str, cells: list[str], wide: int) -> list[str]:
    """Return the cells of a line above the data; where its separator is another than theirs, it is the one that gives as many."""
    if len(cells) == wide or not line or '"' in line:
        return cells
    line = line.strip()
    loose = re.sub(r"\s+([(\[])", r"\1", line).split()  # "V (V) I (A)": a unit belongs to the name before it
    loose = [re.sub(r"(?<=\w)([(\[])", r" \1", c) for c in loose]
    ways = [split(line, delimiter) for delimiter in "\t;,|" if delimiter in line]
    for way in (*ways, re.split(r"\s{2,}|\t", line), loose, line.split()):
        if len(way) == wide > 1 and not any(c.strip().endswith((":", "=")) for c in way):
            return [c.strip() for c in way]
    return cells


def _is_header(cells: list[str], numeric: Sequence[int], first: int, wide: int) -> bool:
    """Return whether the row above the data names its columns: no number, not a key with its value, a name for most of them."""
    if any(kind(c) == "n" for k, c in enumerate(cells) if k in numeric) or not any(kind(c) == "t" or c == "#" for c in cells):
        return False
    if len(cells) == 1 < wide:
        return False
    named = sum(1 for k in numeric if k < len(cells) and cells[k])
    return first == 1 or 2 * named >= len(numeric)


def _over(above: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether a row belongs to the header below it: about as long, and without a number."""
    there = [c for c in above if c]
    return len(there) > 1 or len(names) == 1 if len(above) <= len(names) and not any(kind(c) == "n" for c in there) else False


def _has_numbers_as_names(rows: Sequence[Row], numeric: Sequence[int], first: int) -> bool:
    """Return whether the first row names its columns by numbers: a word where the others have a number, or 0, 1, 2, ..."""
    if first + 1 >= len(rows) or not numeric:
        return False
    head = rows[first].cells
    word = head[numeric[0]] if numeric[0] < len(head) else ""
    if word[:1].isalpha() and kind(word) == "t" and not any(c.isdigit() for c in word):
        return any(kind(c) == "n" for c in head)
    counted = head[1:] in ([str(k) for k in range(len(head) - 1)], [str(k) for k in range(1, len(head))])
    labels = [row.cells[0] for row in rows[first + 1 : first + SAMPLE]]
    return counted and len(head) > 2 and kind(head[0]) != "n" and (not head[0] or (len(head) > 4 and head[0] not in labels))


def _commented(name: str, raw: Raw, body: Sequence[Row]) -> _Head:
    """Return the header that is a comment, as numpy.savetxt writes it: the last above the data with a name for each column."""
    wide = max(len(row.cells) for row in body[:SAMPLE])
    above = [(number, text) for number, text in raw.comments if number < body[0].number]
    for number, text in reversed(above[-3:]):
        line = re.sub(r"^[#%!/]+", "", text).strip(" ")
        cells = [c.strip() for c in split(line, raw.delimiter)] if raw.delimiter else [line]
        cells = _resplit(line, cells, wide)
        named = len(cells) == wide and any(cells) and not any(kind(c) == "n" or c.endswith(":") or "=" in c for c in cells)
        if named and (wide > 1 or not KEY.fullmatch(line)):
            return _Head(headers.clean(name, cells), number=number, width=wide)
    return _Head()


def _without_repeats(body: list[Row], names: list[str] | None) -> tuple[list[Row], list[int], list[int]]:
    """Return the rows without those that are the header again, the number of headers above each row, and the rows left out."""
    if names is None or not any(row.cells[0] == names[0] for row in body):
        return body, [], []
    kept: list[Row] = []
    block: list[int] = []
    repeats: list[int] = []
    seen = 0
    for row in body:
        if [" ".join(c.split()) for c in row.cells] == [*names[: len(row.cells)]] and not any(kind(c) == "n" for c in row.cells):
            if kept and all(kind(c) == "t" for c in kept[-1].cells):  # (a title of the next block: "CURVE2, TABLE")
                repeats.append(kept.pop().number)
                block.pop()
            repeats.append(row.number)
            seen += 1
        elif repeats and row.number == repeats[-1] + 1 and headers.is_row_of_units(row.cells):
            repeats.append(row.number)
        else:
            kept.append(row)
            block.append(seen)
    return kept, block if repeats else [], repeats


def _width(name: str, raw: Raw, body: Sequence[Row], head: _Head) -> int:
    """Return the number of columns.

    Raises:
        FitError: rows that are longer than the header or, with commas, than most rows: decimal commas would look so.
    """
    widths = Counter(len(row.cells) for row in body)
    longest = _checked(name, max(widths))
    usual = max(widths, key=lambda w: (widths[w], w))
    if head.names is not None:
        most, like = max(head.width, len(head.names)), "the header"
    elif raw.delimiter == "," and 2 * widths[longest] < len(body):
        most, like = usual, "most rows"
    else:
        most, like = longest, ""
    if longest > most:
        row = next(row for row in body if len(row.cells) > most)
        raise FitError(
            f"{name}: row {row.number}",
            f"must have {most} cells, as {like}",
            got=f"{len(row.cells)}",
            fix=f"With decimal commas, export with points, or with semicolons between cells and {argument('decimal', ',')}.",
        )
    return max(longest, len(head.names or []))


def _refuse_cut_numbers(name: str, raw: Raw, body: Sequence[Row], head: _Head) -> None:
    """Refuse rows without a header in which what separates cells seems to stand in numbers, too: 0,25,1,05.

    Raises:
        FitError: hardly a cell has a point, and a column has numbers such as 05 that no program writes for 5 (unless all of them
            have zeros up to one width: a label), or every other comma is followed by a space.
    """
    sample = [row.cells for row in body[:SAMPLE]]
    if not raw.delimiter or head.names is not None or 20 * sum(any("." in c for c in cells) for cells in sample) > len(sample):
        return
    columns = [[c for c in cells if c] for cells in zip(*(row for row in sample if len(row) == len(sample[0])), strict=False)]
    cut = [k for k, cells in enumerate(columns) if any(map(ZEROS.match, cells)) and len(set(map(len, cells))) > 1]
    doubtful = bool(cut) and 0 not in cut
    if raw.delimiter == "," and len(body[0].cells) % 2 == 0:
        lines = [raw.lines.get(row.number, "").strip() for row in body[:SAMPLE]]
        odd, even = (any(ZEROS.match(c) for cells in columns[k::2] for c in cells) for k in (1, 0))
        doubtful = doubtful or (odd and not even) or all(map(SPACED.fullmatch, lines))
    if doubtful:
        fix = f"Export it with semicolons or tabs between cells, and give {argument('decimal', ',')}."
        sign = {",": "commas", ";": "semicolons", "\t": "tabs", " ": "spaces"}.get(raw.delimiter, "bars")
        got = raw.delimiter.join(sample[0])[:60]
        raise FitError(name, f"its {sign} may be decimal signs as well as separators", got=got, fix=fix)


def _checked(name: str, width: int) -> int:
    if width > limits.COLUMNS:
        raise FitError(name, f"must have at most {limits.COLUMNS} columns", got=str(width), fix=limits.FEWER)
    return width


def _names(head: _Head, width: int) -> headers.Header:
    names = (head.names or []) + [""] * (width - len(head.names or []))
    units = None if head.units is None else head.units + [""] * (width - len(head.units))
    return headers.named(names, headers.filled(head.groups, width) if head.groups else None, units)


def _meta(rows: Iterable[Sequence[str]], remarks: Iterable[str]) -> dict[str, str]:
    """Return what stands above and below a table by key: ``key: value``, ``key = value``, or a cell and those after it."""
    meta: dict[str, str] = {}
    entries = [(row[0], ", ".join(filter(None, row[1:]))) for row in rows] + [(text, "") for text in remarks]
    for k, (key, value) in enumerate(entries[:META], 1):
        if not value and (found := KEY.fullmatch(key[:VALUE])):
            key, value = found[1], found[2]
        word = key.strip().rstrip(":=").strip()[:VALUE] or f"line {k}"
        meta[word] = "; ".join(filter(None, (meta.get(word, ""), value[:VALUE])))[: 2 * VALUE]
    return meta


def _decimal(body: Sequence[Row], numeric: Sequence[int]) -> str:
    """Return the decimal sign, where the cells of the columns of numbers tell it."""
    step = max(1, len(body) // SAMPLE)
    cells = [row.cells[k] for row in body[::step] for k in numeric if k < len(row.cells)]
    commas = [c for c in cells if "," in c and COMMA.fullmatch(c)]
    points = any("." in c for c in cells if "," not in c)
    if not commas:
        return "." if points else ""
    thousands = all(re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+", c) for c in commas)
    return "" if points or thousands else ","
