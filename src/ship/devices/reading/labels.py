"""Labels that no column has: a word for all rows, the name of the file, sheet or column, or one value for each file or sheet.

``device=M1``, ``device=file``, ``cycle=sheet``, ``device=column``; ``stage=before,after`` for two files in their order;
``time=0 s,24 h`` with units, where the role is a quantity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from ...base.errors import FitError, suggest
from . import units
from .conditions import as_number
from .melt import Long
from .places import SOURCES, origins
from .roles import Role, listed
from .spelling import argument
from .table import Table

QUANTITY = re.compile(r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(\S*)")


def check(table: Table, kind: str, roles: Mapping[str, Role], label: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that labels are roles of the kind, and that what several files or sheets are is said.

    Raises:
        FitError: no such role, a role with a column too, a header in the place of a label, files of which nothing is said.
    """
    for role, value in label.items():
        where = f"fit: label {role!r}"
        if role not in roles:
            raise FitError(where, f"the kind {kind!r} has no such label", fix=suggest(str(role), roles))
        if role in given:
            raise FitError(where, "has a column too", got=repr(value), fix="Give one of them.")
        if isinstance(value, str) and value not in (*SOURCES, "column") and value in table.columns and not value.isdigit():
            raise FitError(where, f"{value!r} is a column", fix=f"Give {argument('columns', {role: value})} to take its cells.")
    for name, several in origins(table).items():
        if name in label.values() or any(name in heads for heads in given.values()):
            continue
        if any(len(_parts(value)) == len(several) > 1 for value in label.values()):
            continue
        usual = [role for role in ("device", "cycle", "stage", "level") if role in roles and roles[role].quantity == ""]
        choices = ", or ".join(argument("label", {role: name}) for role in usual[:3])
        fix = f"Say what the {name}s are: {choices}." if usual else f"Read one {name}."
        raise FitError(table.name, f"has {len(several)} {name}s", got=listed(several, 6), fix=fix)


def cells(table: Table, long: Long, role: str, spec: Role, value: Any) -> tuple[Any, str]:
    """Return the label of each row, and the unit in which it was given, where it is a quantity (then it is in SI).

    Raises:
        FitError: as many values as there are neither files nor sheets, no number or unit where the role needs one.
    """
    rows = long.index
    parts = _parts(value)
    if value == "column":
        texts = [long.headers[k] for k in long.block]
    elif isinstance(value, str) and value in SOURCES:
        texts = _source(table, value, rows)
    elif len(parts) > 1:
        texts = _each(table, role, parts, rows)
    else:
        texts = [str(value).strip()] * len(rows)
    if not spec.quantity:
        return texts, ""
    values, unit = _numbers(role, spec, list(dict.fromkeys(texts)))
    return np.array([values[text] for text in texts]), unit


def _parts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return [str(part) for part in value] if isinstance(value, Sequence) else [str(value)]


def _source(table: Table, name: str, rows: np.ndarray) -> list[str]:
    if isinstance(table.columns, dict) and name in table.columns:
        found = [str(cell) for cell in table.columns[name]]
        short = {each: PurePath(each).stem if name == "file" else each for each in dict.fromkeys(found)}
        if len(set(short.values())) < len(short):  # (a.csv and a.txt)
            short = {each: each for each in short}
        return [short[found[i]] for i in rows]
    if name == "sheet":
        raise FitError("fit: label", "there is one sheet, whose name is not known", fix="Give a word instead.")
    return [PurePath(table.name).stem] * len(rows)


def _each(table: Table, role: str, parts: list[str], rows: np.ndarray) -> list[str]:
    several = origins(table)
    fitting = [name for name, values in several.items() if len(values) == len(parts)]
    if len(fitting) != 1:
        got = ", ".join(f"{len(values)} {name}s" for name, values in several.items()) or "one file"
        raise FitError(f"fit: label {role!r}", f"has {len(parts)} values, one for each file or sheet in their order", got=got)
    value_of = dict(zip(several[fitting[0]], parts, strict=True))
    column = table.columns[fitting[0]]
    return [value_of[str(column[i])] for i in rows]


def _numbers(role: str, spec: Role, texts: list[str]) -> tuple[dict[str, float], str]:
    """Return the number of each text, in SI, and the unit of the first."""
    found, unit = {}, ""
    for text in texts:
        where = f"fit: label {role!r}"
        if spec.quantity == "number":
            value, factor = as_number(text), 1.0
        else:
            match = QUANTITY.fullmatch(text)
            value, name = (as_number(match[1]), match[2]) if match else (float("nan"), "")
            if match and not name:
                fix = f"E.g. {argument('label', {role: f'{text} ' + units.BASES[spec.quantity]})}."
                raise FitError(where, f"needs a unit of {spec.quantity}", got=repr(text), fix=fix)
            factor = units.factor(where, spec.quantity, name) if match else 1.0
            unit = unit or units.spelled(name)
        if not np.isfinite(value):
            what = "a number" if spec.quantity == "number" else "a number with a unit"
            raise FitError(where, f"must be {what}", got=repr(text), fix="Give one for each file, in their order, with commas.")
        found[text] = value * factor
    return found, unit
