"""From a table to the quantities that a kind of measurement needs: in which unit, which rows.

Which column is what is decided in ``roles``; its unit stands in the header or is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...base.errors import FitError, suggest
from . import units
from .roles import ROLES, A, G, Role, V, assign, listed
from .spelling import argument
from .table import Table, is_empty, number

LARGEST = 1e30  # in SI: what lies above is no measurement, and its square no float
NO_UNIT = "Name the right column, or correct the header."


@dataclass
class Columns:
    """The quantities of a measurement in SI (``[row]``; labels as text), with the name of each row and notes on their origin."""

    kind: str
    values: dict[str, Any]
    rows: list[str]
    units: dict[str, str]
    notes: list[str] = field(default_factory=list)
    normalised: bool = False

    def __contains__(self, role: str) -> bool:
        return role in self.values

    def __getitem__(self, role: str) -> Any:
        return self.values[role]

    def groups(self, role: str) -> dict[str, np.ndarray]:
        """Return the row indices of each label of a role, in order of appearance; one group "" where the role is missing."""
        labels = self.values.get(role)
        if labels is None:
            return {"": np.arange(len(self.rows))}
        found: dict[str, list[int]] = {}
        for i, label in enumerate(labels):
            found.setdefault(str(label), []).append(i)
        return {label: np.array(index) for label, index in found.items()}


def select(
    table: Table,
    kind: str,
    given: Mapping[str, str],
    unit: str | Mapping[str, str] | None,
    *,
    only: Mapping[str, Any],
    skip_empty: bool,
    decimal: str,
) -> Columns:
    """Select the quantities of a kind of measurement from a table, in SI.

    Raises:
        FitError: a missing column or unit, mixed units, empty or non-numeric cells.
    """
    roles = ROLES[kind]
    chosen = assign(table, kind, given)
    out = Columns(kind, {}, [], {}, list(table.notes))
    found = {role: head for role, head in chosen.items() if role not in given}
    if found:
        out.notes.append("columns found by name: " + ", ".join(f"{role} = {head!r}" for role, head in found.items()))
    used = {*chosen.values(), *only}
    if unused := [head for head in table.columns if not any(head == u or u.startswith(f"{head}[") for u in used)]:
        out.notes.append(f"columns that were not used: {listed(unused)}")
    raw = _raw(table, chosen, roles)
    keep, index = _kept(table, raw, roles, only, skip_empty, out)
    for role, cells in raw.items():
        if role == "sweep" or not roles[role].quantity:
            out.values[role] = [str(cells[i]) for i in index[keep]]
        else:
            out.values[role] = _numbers(table, chosen[role], cells, index[keep], decimal)
    out.rows = [table.row(int(i)) for i in index[keep]]
    _to_si(table, out, chosen, roles, unit)
    return out


def _raw(table: Table, chosen: Mapping[str, str], roles: Mapping[str, Role]) -> dict[str, Any]:
    """Return columns of one length: matrices are flattened, their rows become sweeps, offsets become labels."""
    raw = {role: table.column(header) for role, header in chosen.items()}
    arrays = {role: np.asarray(c) for role, c in raw.items() if not isinstance(c, list)}
    flat = {role: a.ravel() for role, a in arrays.items()}
    for role, a in arrays.items():
        if a.ndim > 2:
            raise FitError(
                f"{table.name}: column {chosen[role]!r}",
                "must be [row] or [sweep, row]",
                got=f"shape {list(a.shape)}",
                fix=f"Choose an index of its last axis, e.g. '{chosen[role]}[0]'.",
            )
        if a.ndim == 2 and "sweep" in roles and "sweep" not in raw:
            flat["sweep"] = np.repeat(np.arange(a.shape[0]), a.shape[1])
    raw |= flat
    longest = max(len(c) for role, c in raw.items() if role != "sweep")
    if "sweep" in arrays and _are_offsets(arrays["sweep"], longest):
        raw["sweep"] = np.repeat(np.arange(len(arrays["sweep"]) - 1), np.diff(arrays["sweep"]))
    for role, cells in raw.items():
        if len(cells) != longest:
            raise FitError(f"{table.name}: column {chosen.get(role, role)!r}", f"must have {longest} rows", got=str(len(cells)))
    return raw


def _are_offsets(sweep: np.ndarray, rows: int) -> bool:
    """Return whether a column says where each sweep begins and, at its end, how many rows there are."""
    if sweep.ndim != 1 or sweep.dtype.kind not in "iu" or len(sweep) in (0, rows):
        return False
    return bool(sweep[0] == 0 and sweep[-1] == rows and (np.diff(sweep) > 0).all())


def _kept(
    table: Table, raw: Mapping[str, Any], roles: Mapping[str, Role], only: Mapping[str, Any], skip_empty: bool, out: Columns
) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are used, and all row indices: the rows asked for, without empty ones where that was asked."""
    index = np.arange(len(next(iter(raw.values()))))
    keep = np.ones(len(index), dtype=bool)
    for header, wanted in only.items():
        cells = table.column(header)
        if len(cells) != len(index):
            raise FitError(f"fit: only {header!r}", f"must be a column of {len(index)} rows", got=str(len(cells)))
        keep &= np.array([str(c) == str(wanted) for c in cells])
        out.notes.append(f"only rows with {header} = {wanted}: {int(keep.sum())} of {len(index)}")
        if not keep.any():
            seen = sorted({str(c) for c in cells})
            raise FitError(f"fit: only {header!r}", "leaves no row", got=repr(str(wanted)), fix=suggest(str(wanted), seen))
    empty = np.zeros(len(index), dtype=bool)
    for role, cells in raw.items():
        if roles[role].quantity:
            here = (
                np.isnan(cells)
                if isinstance(cells, np.ndarray) and cells.dtype.kind == "f"
                else np.array([is_empty(c) for c in cells])
            )
            empty |= here & keep
            if bool((here & keep).all() if not keep.all() else here.all()):
                raise FitError(f"{table.name}: {role}", "its column is empty")
    if empty.any() and not skip_empty:
        first = int(np.flatnonzero(empty)[0])
        role = next(r for r, c in raw.items() if roles[r].quantity and is_empty(c[first]))
        raise FitError(
            f"{table.name}: {table.row(first)}, {role}",
            "must be a number",
            got=f"an empty cell or NaN ({int(empty.sum())} such rows)",
            fix=f"Complete the file, or give {argument('skip_empty', True)} to leave such rows out; the report says how many.",
        )
    if empty.any():
        out.notes.append(f"{int(empty.sum())} rows with empty cells or NaN were left out, as asked (skip_empty)")
    return keep & ~empty, index


def _numbers(table: Table, header: str, cells: Any, index: np.ndarray, decimal: str) -> np.ndarray:
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "fiu":
        values: np.ndarray = cells[index].astype(np.float64)
        if not np.isfinite(values).all():
            first = int(index[np.flatnonzero(~np.isfinite(values))[0]])
            raise FitError(f"{table.name}: {table.row(first)}, column {header!r}", "must be finite", got=str(cells[first]))
        return values
    return np.asarray([number(table, header, int(i), str(cells[i]), decimal) for i in index])


def _to_si(
    table: Table, out: Columns, chosen: Mapping[str, str], roles: Mapping[str, Role], unit: str | Mapping[str, str] | None
) -> None:
    """Multiply the quantities by their units, which are given or in the headers; resistances become conductances."""
    given = _given_units(out, roles, unit)
    for role in list(out.values):
        quantity = roles[role].quantity
        if quantity in ("", "number"):
            continue
        name = _unit(table, chosen[role], role, quantity, given)
        actual = "resistance" if quantity == G and units.spelled(name) in units.UNITS["resistance"] else quantity
        values = out.values[role] * units.factor(f"fit: unit of {role}", actual, name)
        if actual == "resistance":
            if not (values > 0).all():
                raise FitError(f"{table.name}: {role}", "a resistance must be above 0 ohm", got=f"{values.min():g}")
            with np.errstate(over="ignore"):
                values = 1 / values
            out.notes.append(f"{role}: resistances were turned into conductances")
        if not (np.abs(values) < LARGEST).all():
            raise FitError(
                f"{table.name}: {role}", f"must be below {LARGEST:g} {units.BASES[quantity]}", got=f"{np.abs(values).max():g}"
            )
        out.values[role], out.units[role] = values, units.spelled(name)
    for quantity in {roles[r].quantity for r in out.units}:
        used = {r: u for r, u in out.units.items() if roles[r].quantity == quantity}
        if len(set(used.values())) > 1:
            raise FitError(
                table.name,
                f"its columns of {quantity} must have one unit",
                got=", ".join(f"{r} in {u}" for r, u in used.items()),
                fix="Convert one of them.",
            )
    out.normalised = units.NORMALISED in out.units.values()


def _given_units(out: Columns, roles: Mapping[str, Role], unit: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return the units that were given, by role or quantity; each must have a column to which it applies."""
    quantities = {roles[r].quantity for r in out.values} - {"", "number"}
    main = next((roles[r].quantity for r in out.values if roles[r].quantity in (G, A)), V)
    given = dict(unit) if isinstance(unit, Mapping) else {} if unit is None else {main: unit}
    names = {role for role in out.values if roles[role].quantity in quantities}
    known = sorted(quantities | names | ({"resistance"} if G in quantities else set()))
    for key, name in given.items():
        if key not in known:
            raise FitError("fit: unit", f"there is no column of {str(key)!r} among those used", fix=suggest(str(key), known))
        if not isinstance(name, str):
            raise FitError(f"fit: unit of {key}", "must be text", got=repr(name), fix=f"E.g. {argument('unit', {key: 'uS'})}.")
    return given


def _unit(table: Table, header: str, role: str, quantity: str, given: Mapping[str, str]) -> str:
    _, own = units.split_header(header, quantity)
    if own is None and quantity == G:
        _, own = units.split_header(header, "resistance")
    asked = given.get(role, given.get(quantity))
    if asked is None and quantity == G:
        asked = given.get("resistance")
    if own is None and header.endswith((")", "]")):
        own = next((u for q in units.UNITS if (u := units.split_header(header, q)[1]) is not None), None)
        if own is not None:
            raise FitError(f"{table.name}: column {header!r}", f"says {own}, which is no unit of {quantity}", fix=NO_UNIT)
    if own is not None and asked is not None and own != units.spelled(asked):
        raise FitError(f"{table.name}: column {header!r}", f"says {own}", got=f"unit={asked!r}", fix="Give one of them.")
    name = own if own is not None else asked
    if name is None:
        raise FitError(
            f"{table.name}: column {header!r}",
            f"needs a unit of {quantity}",
            fix=f"Units are never guessed: give {argument('unit', {quantity: '...'})} ({units.USUAL[quantity]}), "
            "or put it in the header.",
        )
    return name
