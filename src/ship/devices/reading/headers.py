"""The names of columns, from the rows of a header: names over units, groups over names, names that are there twice or missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ...base.errors import FileError
from . import limits, units

UNITLESS = {"", *["-", "#", "1", "a.u.", "%", "k", "c", "°c", "deg", "db", "none", "m/s", "cm2", "bits", "°", "deg c"]}


class Header(NamedTuple):
    """The names of the columns of a table.

    Args:
        names: one for each column, all different.
        units: the units that a row of units, or a name that is there twice, gives, by name.
        unnamed: the names that are numbers only because the file has none.
    """

    names: list[str]
    units: dict[str, str]
    unnamed: tuple[str, ...]


def clean(where: str, cells: Sequence[str]) -> list[str]:
    """Return the cells of a header; line breaks within them, as spreadsheets have them, count as spaces.

    Raises:
        FileError: a cell that is too long for a name.
    """
    if long := next((c for c in cells if len(c) > limits.HEADER), ""):
        raise FileError(f"{where}: header", f"must have at most {limits.HEADER} characters in a cell", got=str(len(long)))
    return [" ".join(c.split()) for c in cells]


def named(names: Sequence[str], groups: Sequence[str] | None, row_of_units: Sequence[str] | None) -> Header:
    """Make one different name for each column.

    Args:
        names: the cells of the row of names.
        groups: the row above, where it says to what each name belongs: "GROUP.NAME".
        row_of_units: the row below, where it is one of units: "NAME (unit)".
    """
    made, known, unnamed = list(names), {}, []
    bare = {name: found for name in names if (found := own_unit(name))}
    if groups is not None:
        made = [
            f"{group}.{name}" if group and name and group != name else name or group
            for group, name in zip(groups, names, strict=True)
        ]
    given = [unit_of(u) for u in row_of_units] if row_of_units is not None else [""] * len(made)
    made = [f"{name} ({unit})" if name and unit and not own_unit(name) else name for name, unit in zip(made, given, strict=True)]
    counts = Counter(made)
    taken = {name for name, count in counts.items() if count == 1}
    following: dict[str, int] = {}
    for k, (name, source) in enumerate(zip(made, names, strict=True)):
        unique = base = name or str(k + 1)
        if not name or counts[name] > 1:
            n = following.get(base, 1)
            while unique in taken:
                n += 1
                unique = f"{base}#{n}"
            following[base] = n
            taken.add(unique)
        if not name:
            unnamed.append(unique)
        elif is_unit(given[k]):
            known[unique] = units.spelled(given[k])
        elif (unique != source or groups is not None) and source in bare:
            known[unique] = bare[source]
        made[k] = unique
    return Header(made, known, tuple(unnamed))


def filled(groups: Sequence[str], width: int) -> list[str]:
    """Return a row of groups for all columns: a group goes on until the next one begins."""
    row, last = [], ""
    for k in range(width):
        last = (groups[k] if k < len(groups) else "") or last
        row.append(last)
    return row


def unit_of(cell: str) -> str:
    """Return a unit without its brackets; "" for signs that stand for none."""
    inside = re.fullmatch(r"[(\[<{]?\s*(.*?)\s*[)\]>}]?", cell)
    text = re.sub(r"\s+vs\.?\s.*$", "", inside[1] if inside else cell)  # ("V vs. Ref.", of potentiostats)
    return "" if text in ("-", "#", "--") else text


def is_unit(text: str) -> bool:
    """Return whether a text is a unit of some quantity that SHIP knows."""
    return bool(text) and any(units.spelled(text) in known for known in units.UNITS.values())


def is_row_of_units(cells: Sequence[str]) -> bool:
    """Return whether the cells are units: at least half of them known ones, the others no words."""
    there = [unit_of(c) for c in cells if c]
    known = sum(is_unit(u) for u in there)
    return bool(there) and 2 * known >= len(there) and all(is_unit(u) or u.lower() in UNITLESS for u in there)


def own_unit(name: str) -> str:
    """Return the unit that a name says itself, ``"G (uS)"``, or ""."""
    return next((unit for q in units.UNITS if (unit := units.split_header(name, q)[1]) is not None), "")
