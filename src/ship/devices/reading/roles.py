"""The roles of columns in each kind of measurement, and the headers by which they are known.

A role is a quantity that a kind needs (``up``, ``time``, ...). Its column is named by the user, or found by its header; where two
headers would do, neither is taken: the user is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...base.errors import FitError, suggest
from . import names, units
from .cells import mark
from .places import one_a_block
from .spelling import argument
from .table import Table


@dataclass(frozen=True)
class Role:
    """A quantity that a measurement needs.

    Args:
        quantity: its kind ("" for a label, "number" for a bare number).
        names: its usual headers.
        others: usual headers of what it can be made of, taken where none of ``names`` is there: resistance, before current.
    """

    quantity: str
    names: tuple[str, ...]
    others: tuple[tuple[str, ...], ...] = ()


class ColumnsError(FitError):
    """It is not known what the columns of a table are; what they look like may be worth a suggestion."""


G, A, V, T = "conductance", "current", "voltage", "time"
DEVICE = Role("", names.DEVICE)
CYCLE = Role("", names.CYCLE)
V_READ = Role(V, names.V_READ)
CONDUCTANCE = Role(G, names.CONDUCTANCE, (names.RESISTANCE, names.CURRENT))
ROLES: dict[str, dict[str, Role]] = {
    "pulses": {
        "up": Role(G, ("up", "conductance_up", "g_up", "ltp", "potentiation", "set")),
        "down": Role(G, ("down", "conductance_down", "g_down", "ltd", "depression", "reset")),
        "conductance": CONDUCTANCE,
        "polarity": Role(
            "", ("polarity", "direction", "branch", "polarität", "polarité", "polarità", "polaridad", "極性", "极性")
        ),
        "pulse": Role("number", ("pulse", "pulse_number", "n")),
        "pulse_voltage": Role(V, names.PULSE_VOLTAGE),
        "pulse_width": Role(T, names.PULSE_WIDTH),
        "v_read": V_READ,
        "device": DEVICE,
        "cycle": CYCLE,
    },
    "retention": {
        "time": Role(T, names.TIME),
        "conductance": Role(G, (*names.CONDUCTANCE, "mean"), CONDUCTANCE.others),
        "stage": Role("", ("stage", "step")),  # before and after a bake, where no time is known
        "level": Role("", ("level", "curve", "state", "target")),
        "v_read": V_READ,
        "device": DEVICE,
        "cycle": CYCLE,
    },
    "iv": {
        "voltage": Role(V, names.VOLTAGE),
        "current": Role(A, names.CURRENT),
        "shunt": Role(V, ("shunt", "v_shunt")),
        "source": Role(V, ("source", "v_source")),
        "sweep": Role("", ("sweep", "sweep_id", "offsets", "block")),
        "device": DEVICE,
        "cycle": CYCLE,
    },
    "endurance": {
        "cycle": Role("number", (*names.CYCLE, "n")),
        "on": Role(G, ("on", "g_on", "lrs", "r_on", "r_lrs", "g_lrs")),
        "off": Role(G, ("off", "g_off", "hrs", "r_off", "r_hrs", "g_hrs")),
        "conductance": CONDUCTANCE,
        "state": Role("", ("state", "zustand", "état", "stato", "estado", "状態", "状态")),  # on or off, one read a row
        "pulses": Role("number", ("pulses", "n_pulses", "pulses_to_switch")),  # that it took to reach the state
        "v_read": V_READ,
        "device": DEVICE,
    },
    "statistics": {
        "v_set": Role(V, ("v_set", "vset")),
        "v_reset": Role(V, ("v_reset", "vreset")),
        "v_forming": Role(V, ("v_forming", "vforming", "v_form", "vform")),
        "i_on": Role(A, ("i_on", "ion", "ilrs", "i_lrs")),
        "i_off": Role(A, ("i_off", "ioff", "ihrs", "i_hrs")),
        "on": Role(G, ("g_on", "r_on", "r_lrs", "g_lrs")),
        "off": Role(G, ("g_off", "r_off", "r_hrs", "g_hrs")),
        "v_read": V_READ,
        "device": DEVICE,
        "cycle": CYCLE,
    },
    "map": {
        "conductance": CONDUCTANCE,
        "address": Role("", ("address", "addr", *names.DEVICE)),
        "row": Role("number", ("row", "wl")),
        "column": Role("number", ("column", "col", "bl")),
        "state": Role("", ("state", "level", "target")),
        "v_read": V_READ,
    },
    "f-I": {
        "current": Role(A, (*names.CURRENT, "input", "input_current")),
        "rate": Role("rate", ("rate", "f", "frequency", "firing_rate")),
    },
}
NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "pulses": (("up", "down"), ("conductance", "polarity"), ("conductance", "pulse_voltage"), ("up",), ("down",)),
    "retention": (("time", "conductance"), ("stage", "conductance")),
    "iv": (("voltage", "current"), ("shunt", "source")),
    "endurance": (("cycle", "on", "off"), ("cycle", "conductance", "state")),
    "statistics": (("v_set",), ("v_reset",), ("v_forming",), ("i_on", "i_off"), ("on", "off")),
    "map": (("conductance",),),
    "f-I": (("current", "rate"),),
}
# Ways to measure the same thing, of which one is used; what stands in none goes with each of them.
WAYS: dict[str, tuple[frozenset[str], ...]] = {
    "pulses": (frozenset({"up", "down"}), frozenset({"conductance", "polarity", "pulse"})),
    "endurance": (frozenset({"on", "off"}), frozenset({"conductance", "state"})),
    "iv": (frozenset({"voltage", "current"}), frozenset({"shunt", "source"})),
}
USUAL = {name for roles in ROLES.values() for role in roles.values() for name in role.names}
Headers = Mapping[str, tuple[str, ...]]  # the columns of each role: several are one below the other; none: a label was given


def kind_of(table: Table, given: Headers, *, v_read: bool = False) -> tuple[str, list[str]]:
    """Return the kind whose needs the columns meet, and the others; of several, it is the one that needs most columns.

    Any conductance would do for a map, so it is one only where nothing else fits.

    Args:
        table: the table.
        given: the columns of those roles that were given.
        v_read: whether a read voltage is known, so that currents can be conductances.

    Raises:
        FitError: a role that no kind has.
        ColumnsError: none, or more than one that needs as many.
    """
    if unknown := [role for role in given if not any(role in roles for roles in ROLES.values())]:
        every = dict.fromkeys(role for roles in ROLES.values() for role in roles)
        raise FitError("fit: columns", f"no kind of measurement has {unknown[0]!r}", fix=suggest(unknown[0], every))
    kinds = [k for k in ROLES if not set(given) - set(ROLES[k])]
    most = {k: _met(k, {**candidates(table, k, given, v_read=v_read), **given}) for k in kinds}
    fits = {k: size for k, size in most.items() if size}
    if len(fits) > 1:
        fits.pop("map", None)
    fitting = [k for k, size in fits.items() if size == max(fits.values())]
    if len(fitting) == 1:
        return fitting[0], [k for k in fits if k != fitting[0]]
    what = "the columns fit no kind of measurement" if not fitting else f"the columns fit several kinds: {', '.join(fitting)}"
    choices = ", ".join(map(repr, fitting or ROLES))
    raise ColumnsError(
        table.name, what, got=listed(table.columns), fix=f"Say {argument('kind')}, one of {choices}, and {argument('columns')}."
    )


def assign(table: Table, kind: str, given: Headers, *, v_read: bool = False) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the columns of each role, the given ones, else the one that is known by its name; and notes on what was left out.

    Raises:
        FitError: a role that the kind does not have, a header for two roles.
        ColumnsError: two headers for a role, too few columns.
    """
    roles = ROLES[kind]
    for role in given:
        if role not in roles:
            raise FitError("fit: columns", f"the kind {kind!r} has no {role!r}", fix=suggest(role, roles))
    every = [(role, header) for role, headers in given.items() for header in headers]
    for k, (role, header) in enumerate(every):
        for other, same in every[:k]:
            if header == same:
                what = f"{other!r} and {role!r} must be different columns" if role != other else f"{role!r} has a column twice"
                raise FitError("fit: columns", what, got=repr(header))
    found = candidates(table, kind, given, v_read=v_read, single=True)
    used = _way(table, kind, given, found)
    notes = []
    for role, headers in list(found.items()):
        if role in used and len(headers) > 1:
            choices = f"{argument('columns', {role: headers[0]})}, or {argument('columns', {role: headers[1]})}"
            if _met(kind, given):
                del found[role]
                notes.append(f"no column was taken for {role}, since several can be: {listed(headers)} ({choices})")
                continue
            raise ColumnsError(
                table.name, f"more than one column can be {role!r}", got=listed(headers), fix=f"Say which: {choices}."
            )
    chosen = dict(given) | {role: (headers[0],) for role, headers in found.items() if role in used}
    if not _met(kind, chosen):
        needs = " or ".join(" + ".join(need) for need in NEEDS[kind])
        missing = next((r for need in NEEDS[kind] for r in need if r not in chosen), "up")
        raise ColumnsError(
            table.name,
            f"a measurement of the kind {kind!r} needs columns for {needs}",
            got=listed(table.columns),
            fix=f"Say which: {argument('columns', {missing: 'HEADER'})}.",
        )
    return chosen, notes


def listed(headers: Iterable[str], most: int = 20) -> str:
    """List headers for a message, only the first of many."""
    texts = [str(h) if len(str(h)) <= 60 else f"{str(h)[:60]}..." for h in headers]
    return ", ".join(texts[:most]) + (f", ... ({len(texts)} in all)" if len(texts) > most else "")


def candidates(table: Table, kind: str, given: Headers, *, v_read: bool, single: bool = False) -> dict[str, list[str]]:
    """Return for each role that was not given the headers with one of its usual names, of columns that are not empty.

    The name may stand behind that of a group ("SET.VSET"). Where the instrument says what a column is, that is its name, and
    its columns come before those that were added to its file. A role that can be made of another quantity takes its columns
    where there are none of its own: resistances, or, with a read voltage, currents.

    Args:
        table: the table.
        kind: the kind of measurement.
        given: the columns of those roles that were given.
        v_read: whether a read voltage is known.
        single: whether columns with one value for each file or sheet count, where there are no others.
    """
    taken = {header for headers in given.values() for header in headers}
    bare = {header: units.bare(header) for header in table.columns if header not in taken}
    known: dict[str, list[str]] = {}
    for role, spec in ROLES[kind].items():
        if role in given:
            continue
        for group in (spec.names, *spec.others[: 2 if v_read else 1]):
            every = [h for h, name in bare.items() if _called(table, h, name) & set(group)]
            named = [h for h in every if _filled(table, h)] or [h for h in every if single and _filled(table, h, single=True)]
            if named := [h for h in named if h in table.quantities] or named:
                known[role] = named
                break
    return known


def _called(table: Table, header: str, bare: str) -> set[str]:
    """Return the names of a column: its header, that without the group, and, where neither is usual, its quantity."""
    own = {bare, bare.rpartition(".")[2]}
    return own if own & USUAL else own | {table.quantities.get(header, "")}


def _filled(table: Table, header: str, *, single: bool = False) -> bool:
    """Return whether a column of text holds values of rows (or ``single`` ones); arrays are not read for this."""
    if not isinstance(table.columns, dict):  # (the arrays of an NPZ file)
        return True
    cells = table.columns[header]
    return not isinstance(cells, list) or not (all(map(mark, cells)) or (one_a_block(table, cells) and not single))


def _way(table: Table, kind: str, given: Headers, found: Mapping[str, list[str]]) -> set[str]:
    """Return the roles of the way of measuring: the way of the given roles, else the one that is complete."""
    ways = WAYS.get(kind, ())
    shared = set(ROLES[kind]).difference(*ways)
    whole = [way for way in ways if way & set(given)] or [
        w for w in ways if _met(kind, {r: () for r in (*found, *given) if r in w or r in shared}, w)
    ]
    if len(whole) > 1:
        headers = {role: heads[0] for role, heads in found.items()} | {r: ", ".join(h) for r, h in given.items()}
        choices = [{role: headers[role] for role in ROLES[kind] if role in way and role in headers} for way in whole]
        raise ColumnsError(
            table.name,
            f"can be read in two ways, from {' or from '.join(' and '.join(c) for c in choices)}",
            got=listed(table.columns),
            fix=f"Say which, with its columns only: {', or '.join(argument('columns', c) for c in choices)}.",
        )
    others = set().union(*(way for way in ways if way not in whole)) if whole else set()
    return set(ROLES[kind]) - others


def _met(kind: str, chosen: Mapping[str, object], way: Iterable[str] = ()) -> int:
    """Return the number of columns in the largest need of the kind that is met (with a role of ``way``); 0: none is."""
    needs = [need for need in NEEDS[kind] if not way or set(need) & set(way)]
    return max((len(need) for need in needs if all(role in chosen for role in need)), default=0)
