"""Files that are no table line by line: logs whose rows differ by the operation, and files with one train of pulses a line.

Both become long tables. Of a log that an instrument describes, the reads are the rows, with the state that was set last and the
cycles counted so far. Of trains, each value is a row, with its number in the train and the words that stand before the values.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...base.errors import FitError
from . import limits
from .block import kind
from .cells import FORTRAN, is_number, short
from .text import Raw

FEWEST = 4  # values of a train
KINDS = 12  # of operations in a log, at most
SAMPLE = 20_000  # rows from which a log is known
PAIR = re.compile(r"\s*([A-Za-z_]\w{0,40})\s*=\s*(\S+)\s*")


class Long(NamedTuple):
    """A table made of such a file: its columns, the number of each row in the file, what is known, and what to say."""

    columns: dict[str, list[str]]
    numbers: list[int]
    dropped: dict[str, list[int]]
    units: dict[str, str]
    quantities: dict[str, str]
    recognised: str
    notes: list[str]


def read_log(name: str, raw: Raw, log: Mapping[str, Any]) -> Long:
    """Return the reads of a log that an instrument describes.

    Raises:
        FitError: a row of an unknown form, or a count of cycles that is none.
    """
    at, common, counts = log["kind"] - 1, list(log.get("common", ())), log.get("cycles", {})
    cell = [common.index(head) for head in log.get("cell", ())]
    lines: list[list[str]] = []
    numbers: list[int] = []
    others: dict[str, list[int]] = {}
    states: dict[tuple[str, ...], str] = {}
    cycles: dict[tuple[str, ...], float] = {}
    for number, row in zip(raw.numbers, raw.cells, strict=True):
        cells = [c.strip() for c in row]
        while cells and not cells[-1]:
            cells.pop()
        word = cells[at] if len(cells) > at else ""
        which = tuple(cells[k] for k in cell) if word else ()
        if word == log["read"]:
            rest = cells[at + 1 :]
            if len(rest) != len(log["names"]):
                rule = f"an operation {word} must have {len(log['names'])} values"
                raise FitError(f"{name}: row {number}", rule, got=f"{len(rest)}")
            lines.append([*cells[:at], f"{cycles.get(which, 0.0):.15g}", states.get(which, ""), *rest])
            numbers.append(number)
            continue
        others.setdefault(f"operation {word}" if word and len(word) < 40 else "no operation", []).append(number)
        if word in log.get("states", {}):
            states[which] = log["states"][word]
        if word in counts:
            cycles[which] = cycles.get(which, 0.0) + _cycles(name, number, word, cells, counts[word])
    if not lines:
        raise FitError(name, f"a log must have operations {log['read']}", got="none")
    heads = [*common, "cycle", "state", *log["names"]]
    limits.check_cells(name, len(lines) * len(heads))
    columns = {head: [line[k] for line in lines] for k, head in enumerate(heads) if head != "cycle" or cycles}
    kinds = ", ".join(f"{word.removeprefix('operation ')} {len(rows)}" for word, rows in others.items())
    give = "the state and the cycles" if cycles else "the state"
    note = f"of a log the {len(lines)} rows {log['read']} are read; the others ({kinds}) give {give}"
    return Long(columns, numbers, others, {}, {head: head for head in ("cycle", "state") if head in columns}, "", [note])


def _cycles(name: str, number: int, word: str, cells: Sequence[str], column: int) -> float:
    cell = cells[column - 1] if len(cells) >= column else ""
    value = float(FORTRAN.sub(r"\1e\2", cell)) if is_number(cell) else -1.0
    if value < 0:
        rule = f"must be the number of cycles of {word}"
        raise FitError(f"{name}: row {number}, column {column}", rule, got=repr(short(cell)))
    return value


def kinds_of_rows(raw: Raw) -> tuple[int, dict[str, int]] | None:
    """Return the column, from 0, whose words decide what a row holds, and the count of each word; None where there is none.

    Rows must differ in their widths, and each word must have one width.
    """
    rows = raw.cells[:SAMPLE]
    widths = {len(row) for row in rows}
    if len(widths) < 2 or len(rows) < 4 or not raw.delimiter:
        return None
    for k in range(min(widths)):
        words = Counter(row[k].strip() for row in rows)
        if 2 <= len(words) <= KINDS and all(kind(w) == "t" and len(w) < 40 for w in words) and max(words.values()) > 1:
            pairs = {(row[k].strip(), len(row)) for row in rows}
            if len(pairs) == len(words) and min(words.values()) > 1:
                return k, dict(Counter(row[k].strip() for row in raw.cells))
    return None


def trains(name: str, raw: Raw, keyed: bool) -> Long | None:
    """Return one row for each value, where each line holds words and then the values of a train; None where it is no such file.

    Such lines have words at the beginning and at least ``FEWEST`` values after them. They differ in their lengths, or have
    ``key=value`` among their words: a table with a header, or one with a column of labels, is none.

    Args:
        name: the name of the file, for errors.
        raw: its rows.
        keyed: whether only lines with ``key=value`` count, since the words tell of operations.
    """
    found = []
    for row in raw.cells:
        part = _train(row)
        if part is None:
            return None
        found.append(part)
    if len(found) < 2:
        return None
    heads = {len(words) for words, _ in found}
    lengths = {len(values) for _, values in found}
    pairs = all(any(PAIR.fullmatch(w) for w in words) for words, _ in found)
    if len(heads) != 1 or not (pairs or (len(lengths) > 1 and not keyed)):
        return None
    limits.check_cells(name, sum(len(values) for _, values in found) * (len(found[0][0]) + 2))
    return _long(raw, found)


def _train(row: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return the words at the beginning of a line and the values after them."""
    cells = [c.strip() for c in row]
    while cells and not cells[-1]:
        cells.pop()
    first = next((k for k, c in enumerate(cells) if kind(c) == "n"), len(cells))
    values = cells[first:]
    if not 0 < first <= 8 or len(values) < FEWEST or any(kind(c) == "t" for c in values) or any(not c for c in cells[:first]):
        return None
    return cells[:first], values


def _long(raw: Raw, found: list[tuple[list[str], list[str]]]) -> Long:
    pairs = [[PAIR.fullmatch(word) for word in words] for words, _ in found]
    keys = list(dict.fromkeys(p[1] for line in pairs for p in line if p is not None))
    single = all(sum(p is not None for p in line) == 1 for line in pairs)
    as_width = single and len(keys) > 1 and all(key[0] in "tT" for key in keys) and _all_numbers(pairs)
    columns: dict[str, list[str]] = {}
    numbers: list[int] = []
    word_names = ["label", "series"]
    for (words, values), line, number in zip(found, pairs, raw.numbers, strict=True):
        cells = {} if as_width else dict.fromkeys(keys, "")
        plain = [w for w, p in zip(words, line, strict=True) if p is None]
        cells |= {word_names[k] if k < 2 else f"word {k + 1}": w for k, w in enumerate(plain)}
        cells |= {"width" if as_width else p[1]: p[2] for p in line if p is not None}
        for head, cell in cells.items():
            columns.setdefault(head, [""] * len(numbers)).extend([cell] * len(values))
        columns.setdefault("pulse", []).extend(str(k) for k in range(1, len(values) + 1))
        columns.setdefault("value", []).extend(values)
        numbers += [number] * len(values)
        for head in columns:
            columns[head] += [""] * (len(numbers) - len(columns[head]))
    order = [*(h for h in columns if h not in ("pulse", "value")), "pulse", "value"]
    lengths = [len(values) for _, values in found]
    said = f"one train a line: {len(found)} lines of {min(lengths)} to {max(lengths)} values"
    notes = [f"the keys {', '.join(keys)} are the column 'width'"] if as_width else []
    known = {"width": "time"} if as_width else {}
    return Long({head: columns[head] for head in order}, numbers, {}, {}, {"pulse": "number", **known}, said, notes)


def _all_numbers(pairs: list[list[re.Match[str] | None]]) -> bool:
    return all(is_number(p[2]) for line in pairs for p in line if p is not None)
