"""Conditions on rows, such as ``V>4`` or ``state=on``: the name of a column, a comparison, a value; all must hold."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...base.errors import FitError, suggest
from .spelling import argument
from .table import Table

ORDERS: dict[str, Callable[[Any, Any], Any]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
SIGN = re.compile(r"!=|<=|>=|=|<|>")
EXAMPLE = "V>4"


class Condition(NamedTuple):
    """A comparison with the cells of a column, as text; only ``column = value`` where it was given as a mapping."""

    text: str
    pair: tuple[str, str] | None = None


def conditions(only: Mapping[str, Any] | str | Iterable[str] | None) -> tuple[Condition, ...]:
    """Return the conditions of an argument: a mapping from headers to values, a text, or several texts."""
    if isinstance(only, Mapping):
        return tuple(Condition(f"{header}={value}", (str(header), str(value))) for header, value in only.items())
    return tuple(Condition(text) for text in ([only] if isinstance(only, str) else only or ()))


def split(text: str, known: Iterable[str]) -> tuple[str, str, str]:
    """Split a condition into name, sign and value: at the first sign before which a known name stands, else at the first.

    Raises:
        FitError: no name, no sign, no value.
    """
    found = [(text[: m.start()].strip(), m[0], text[m.end() :].strip()) for m in SIGN.finditer(text)]
    known = set(known)
    best = next((each for each in found if each[0] in known), found[0] if found else ("", "", ""))
    if not all(best):
        raise FitError(
            "fit: only", "must be a column, one of = != < <= > >=, and a value", got=repr(text), fix=f"E.g. {_example()}."
        )
    return best


def met(table: Table, condition: Condition, header_of: Callable[[str], str], names: Iterable[str], decimal: str) -> np.ndarray:
    """Return for each row of the table whether a condition holds; numbers are compared as they stand in the file.

    Args:
        table: the table.
        condition: the condition.
        header_of: the header of a column by a name that the user gave.
        names: what a condition may begin with: headers, numbers of columns, roles.
        decimal: the decimal sign of the cells.

    Raises:
        FitError: no such column, a value that is no number for an order, no row that meets it.
    """
    name, sign, wanted = (condition.pair[0], "=", condition.pair[1]) if condition.pair else split(condition.text, names)
    cells = table.column(header_of(name))
    cells = cells.ravel() if isinstance(cells, np.ndarray) else cells
    value = as_number(wanted, decimal)
    if sign in ORDERS:
        if math.isnan(value):
            raise FitError(f"fit: only {name!r}", f"{sign} needs a number", got=repr(wanted), fix=f"E.g. {_example()}.")
        with np.errstate(invalid="ignore"):
            here = np.asarray(ORDERS[sign](numbers(cells, decimal), value))
    else:
        same = np.array([str(cell).strip() == wanted for cell in cells], dtype=bool)
        here = same if math.isnan(value) else same | (numbers(cells, decimal) == value)
        here = ~here if sign == "!=" else here
    if not here.any():
        seen = sorted({str(c) for c in cells})
        fix = suggest(wanted, seen[:100]) if sign == "=" else _range(cells, decimal)
        raise FitError(f"fit: only {name!r}", "leaves no row", got=repr(wanted if sign == "=" else condition.text), fix=fix)
    return here


def numbers(cells: Any, decimal: str) -> np.ndarray:
    """Return cells as numbers, NaN where they are none."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "fiub":
        return cells.astype(np.float64)
    return np.array([as_number(str(cell), decimal) for cell in cells], dtype=np.float64)


def as_number(text: str, decimal: str = ".") -> float:
    """Return a text as a number; NaN where it is none."""
    text = text.strip()
    if decimal == "," and text.count(",") == 1:
        text = text.replace(".", "").replace(",", ".")
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan


def _range(cells: Any, decimal: str) -> str:
    values = numbers(cells, decimal)
    values = values[np.isfinite(values)]
    return f"The column goes from {values.min():g} to {values.max():g}." if len(values) else "The column has no numbers."


def _example() -> str:
    return argument("only", EXAMPLE)
