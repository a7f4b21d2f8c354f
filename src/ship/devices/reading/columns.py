"""From a table to the quantities that a kind of measurement needs: in SI, from which rows.

Which column is what is decided in `roles`, and several columns of one role are put together in `melt`; units stand in the header,
are known from the instrument, or are given. What was measured becomes what is wanted in `physical`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...base.errors import FitError, suggest
from . import labels, melt, physical, places, rows, units
from .request import Request
from .roles import ROLES, A, G, Role, T, V, assign, listed
from .spelling import argument
from .table import Table, number

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
        found = self.values.get(role)
        if found is None:
            return {"": np.arange(len(self.rows))}
        return _grouped(found)


def given_headers(table: Table, columns: Mapping[str, Any], label: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the headers of the roles that were given; none for those that have a label.

    Raises:
        FitError: no such columns.
    """
    labelled: dict[str, tuple[str, ...]] = {str(role): () for role in label}
    return labelled | {role: melt.headers(table, said) for role, said in columns.items()}


def select(table: Table, request: Request) -> Columns:
    """Select the quantities of a kind of measurement from a table, in SI.

    Raises:
        FitError: a missing column or unit, mixed units, empty or non-numeric cells, files of which nothing is said.
    """
    roles = ROLES[request.kind]
    read_at = request.v_read is not None or "v_read" in request.columns or "v_read" in request.label
    given = given_headers(table, request.columns, request.label)
    labels.check(table, request.kind, roles, request.label, {r: heads for r, heads in given.items() if heads})
    chosen, notes = assign(table, request.kind, given, v_read=read_at)
    chosen = {role: heads for role, heads in chosen.items() if role not in request.label}
    out = Columns(request.kind, {}, [], {}, [*([table.recognised] if table.recognised else []), *table.notes])
    found = {role: heads[0] for role, heads in chosen.items() if role not in given}
    if found:
        out.notes.append("columns found by name: " + ", ".join(f"{role} = {head!r}" for role, head in found.items()))
    out.notes += notes
    decimal = _decimal(table, request, out)
    long = melt.long(table, chosen, roles)
    _note_unused(table, chosen, request, out)
    keep = rows.kept(table, long, chosen, request, decimal, out.notes)
    for role, cells in long.cells.items():
        picked = cells[keep] if isinstance(cells, np.ndarray) else [cells[i] for i in keep]
        if role == "sweep" or not roles[role].quantity:
            out.values[role] = [str(cell).strip() for cell in picked]
        else:
            out.values[role] = _numbers(table, chosen[role], picked, long, keep, decimal, roles[role])
    several = len(long.headers) > 1
    out.rows = [table.row(int(long.index[i])) + (f", column {long.headers[long.block[i]]!r}" if several else "") for i in keep]
    _to_si(table, out, chosen, roles, request)
    _label(table, long, keep, roles, request, out)
    _physical(table, out, request)
    return out


def _decimal(table: Table, request: Request, out: Columns) -> str:
    if request.decimal is not None:
        return request.decimal
    if table.decimal == ",":
        out.notes.append("numbers have decimal commas: its cells can be read in no other way")
    return table.decimal or "."


def _note_unused(table: Table, chosen: Mapping[str, tuple[str, ...]], request: Request, out: Columns) -> None:
    used = {head for heads in chosen.values() for head in heads} | set(places.SOURCES)
    asked = [c.pair[0] if c.pair else c.text for c in request.only]
    unused = [
        head
        for head in table.columns
        if not any(head == u or u.startswith(f"{head}[") for u in used) and not any(text.startswith(head) for text in asked)
    ]
    if unused:
        out.notes.append(f"columns that were not used: {listed(unused)}")


def _numbers(
    table: Table, heads: tuple[str, ...], cells: Any, long: melt.Long, keep: np.ndarray, decimal: str, role: Role
) -> np.ndarray:
    head = heads[0]
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "fiu":
        values: np.ndarray = cells.astype(np.float64)
        if not np.isfinite(values).all():
            first = int(np.flatnonzero(~np.isfinite(values))[0])
            row = table.row(int(long.index[keep[first]]))
            raise FitError(f"{table.name}: {row}, column {head!r}", "must be finite", got=str(cells[first]))
        return values
    if role.quantity == T and (dates := physical.seconds(f"{table.name}: column {head!r}", cells)) is not None:
        return dates
    named = heads if len(heads) > 1 else heads * (int(long.block.max(initial=0)) + 1)
    return np.asarray(
        [number(table, named[long.block[i]], int(long.index[i]), str(cell), decimal) for i, cell in zip(keep, cells, strict=True)]
    )


def _to_si(
    table: Table, out: Columns, chosen: Mapping[str, tuple[str, ...]], roles: Mapping[str, Role], request: Request
) -> None:
    """Multiply the quantities by their units; v_read comes first, since others may need it."""
    given = _given_units(out, roles, request.unit)
    for role in sorted(out.values, key=lambda role: role != "v_read"):
        quantity = roles[role].quantity
        if quantity in ("", "number"):
            continue
        where = f"{table.name}: {role}"
        if quantity == T and _are_dates(table, chosen[role]):
            out.units[role] = "s"
            continue
        name = _unit(table, chosen[role], role, quantity, given)
        actual = next((q for q in _measured_as(quantity) if units.spelled(name) in units.UNITS[q]), quantity)
        values = out.values[role] * units.factor(f"fit: unit of {role}", actual, name)
        if actual == "resistance":
            values = physical.of_resistance(where, values)
            out.notes.append(f"{role}: resistances were turned into conductances")
        elif actual == A and quantity == G:
            values, note = physical.of_current(where, values, out.values.get("v_read", request.v_read))
            out.notes.append(f"{role}: {note}")
        if not (np.abs(values) < LARGEST).all():
            raise FitError(where, f"must be below {LARGEST:g} {units.BASES[quantity]}", got=f"{np.abs(values).max():g}")
        out.values[role], out.units[role] = values, units.spelled(name)
    for quantity in {roles[r].quantity for r in out.units}:
        used = {r: u for r, u in out.units.items() if roles[r].quantity == quantity}
        if units.NORMALISED in used.values() and len(set(used.values())) > 1:
            got = ", ".join(f"{r} in {u}" for r, u in used.items())
            raise FitError(table.name, "its columns must all be normalised, or none", got=got, fix="Convert one of them.")
    out.normalised = units.NORMALISED in out.units.values()


def _measured_as(quantity: str) -> tuple[str, ...]:
    return (G, "resistance", A) if quantity == G else (quantity,)


def _are_dates(table: Table, heads: tuple[str, ...]) -> bool:
    cells = table.column(heads[0])
    return isinstance(cells, list) and physical.seconds(table.name, cells[:1]) is not None


def _given_units(out: Columns, roles: Mapping[str, Role], unit: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return the units that were given, by role or quantity; each must have a column to which it applies."""
    quantities = {roles[r].quantity for r in out.values} - {"", "number"}
    main = next((roles[r].quantity for r in out.values if roles[r].quantity in (G, A)), V)
    given = dict(unit) if isinstance(unit, Mapping) else {} if unit is None else {main: unit}
    names = {role for role in out.values if roles[role].quantity in quantities}
    known = sorted(quantities | names | (set(_measured_as(G)) if G in quantities else set()))
    for key, name in given.items():
        if key not in known:
            raise FitError("fit: unit", f"there is no column of {str(key)!r} among those used", fix=suggest(str(key), known))
        if not isinstance(name, str):
            raise FitError(f"fit: unit of {key}", "must be text", got=repr(name), fix=f"E.g. {argument('unit', {key: 'uS'})}.")
    return given


def _unit(table: Table, heads: tuple[str, ...], role: str, quantity: str, given: Mapping[str, str]) -> str:
    """Return the unit of a role: that in its header, of the instrument, or given.

    Raises:
        FitError: none, another in the header than was given, one of another quantity, columns that differ.
    """
    own = {_own_unit(table, head, quantity) for head in heads}
    header = heads[0]
    if len(own) > 1:
        got = ", ".join(sorted(str(u) for u in own))
        raise FitError(f"{table.name}: {role}", "its columns must have one unit", got=got, fix=NO_UNIT)
    said = own.pop()
    asked = next((given[key] for key in (role, *_measured_as(quantity)) if key in given), None)
    if said is not None and asked is not None and said != units.spelled(asked):
        raise FitError(f"{table.name}: column {header!r}", f"says {said}", got=f"unit={asked!r}", fix="Give one of them.")
    name = said if said is not None else asked
    if name is None:
        key = role if len(_measured_as(quantity)) > 1 and role == "conductance" else quantity
        raise FitError(
            f"{table.name}: column {header!r}",
            f"needs a unit of {quantity}",
            fix=f"Units are never guessed: give {argument('unit', {key: '...'})} ({units.USUAL[quantity]}), "
            "or put it in the header.",
        )
    return name


def _own_unit(table: Table, header: str, quantity: str) -> str | None:
    """Return the unit that a header or the instrument says.

    Raises:
        FitError: the header says one of another quantity.
    """
    own = next((u for q in _measured_as(quantity) if (u := units.split_header(header, q)[1]) is not None), None)
    if own is None and header.endswith((")", "]")):
        own = next((u for q in units.UNITS if (u := units.split_header(header, q)[1]) is not None), None)
        if own is not None:
            raise FitError(f"{table.name}: column {header!r}", f"says {own}, which is no unit of {quantity}", fix=NO_UNIT)
    if own is None and header in table.units:
        known = units.spelled(table.units[header])
        if not any(known in units.UNITS[q] for q in _measured_as(quantity)):
            raise FitError(f"{table.name}: column {header!r}", f"is in {known}, which is no unit of {quantity}", fix=NO_UNIT)
        return known
    return own


def _label(table: Table, long: melt.Long, keep: np.ndarray, roles: Mapping[str, Role], request: Request, out: Columns) -> None:
    """Add the labels that no column has; several columns of one role are devices, or a matrix, where nothing else is said."""
    given = dict(request.label)
    if request.kind == "map" and len(long.headers) > 1 and not {"row", "column"} & {*out.values, *given}:
        out.values["row"], out.values["column"] = long.index[keep] + 1.0, long.block[keep] + 1.0
        out.notes.append(f"a matrix of {int(long.index.max()) + 1} rows and {len(long.headers)} columns: each cell is a device")
    elif len(long.headers) > 1 and "column" not in given.values():
        if "device" in out.values or "device" in given or "device" not in roles:
            usual = [
                role for role in ("device", "cycle", "level") if role in roles and role not in out.values and role not in given
            ]
            fix = f"Say what they are: {', or '.join(argument('label', {r: 'column'}) for r in usual)}." if usual else ""
            raise FitError(table.name, f"has {len(long.headers)} columns of one role", got=listed(long.headers, 6), fix=fix)
        given["device"] = "column"
        out.notes.append(f"{len(long.headers)} columns, {long.headers[0]!r} to {long.headers[-1]!r}, are as many devices")
    for role, value in given.items():
        whole, unit = labels.cells(table, long, role, roles[role], value)
        out.values[role] = whole[keep] if isinstance(whole, np.ndarray) else [whole[i] for i in keep]
        if unit:
            out.units[role] = unit


def _physical(table: Table, out: Columns, request: Request) -> None:
    """Make times relative, and take a resistance in series off."""
    times = out.values.get("time")
    if times is not None and len(times) and physical.are_of_a_clock(f"{table.name}: time", times, out.rows):
        keys = [out.values[role] for role in ("device", "cycle", "level") if role in out.values]
        groups = list(
            _grouped(["\0".join(map(str, key)) for key in zip(*keys, strict=True)] if keys else [""] * len(times)).values()
        )
        out.values["time"] = physical.since_first(times, groups)
        of = "each device, cycle or level" if keys else "all"
        out.notes.append(f"the times are those of a clock: they are counted from the first row of {of}")
    resistance = request.series_resistance
    if resistance is None:
        return
    if out.normalised:
        raise FitError("fit: series_resistance", "cannot be taken off normalised values", fix="Give values in siemens.")
    if "voltage" in out.values:
        out.values["voltage"] = out.values["voltage"] - out.values["current"] * resistance
    elif "source" in out.values and request.shunt is not None:
        out.values["source"] = out.values["source"] - out.values["shunt"] / request.shunt * resistance
    for role, spec in ROLES[out.kind].items():
        if spec.quantity == G and role in out.values:
            out.values[role] = physical.without_series(f"{table.name}: {role}", out.values[role], out.rows, resistance)
    out.notes.append(f"a resistance of {resistance:g} ohm in series was taken off")


def _grouped(found: Any) -> dict[str, np.ndarray]:
    groups: dict[str, list[int]] = {}
    for i, label in enumerate(found):
        groups.setdefault(str(label), []).append(i)
    return {label: np.array(index) for label, index in groups.items()}
