"""The roles of columns in each kind of measurement, and the headers by which they are known.

A role is a quantity that a kind needs (``up``, ``time``, ...). Its column is named by the user, or found by its header; where two
headers would do, neither is taken: the user is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...base.errors import FitError, suggest
from . import units
from .spelling import argument
from .table import Table


@dataclass(frozen=True)
class Role:
    """A quantity that a measurement needs: its kind ("" for a label, "number" for a bare number) and its usual headers."""

    quantity: str
    names: tuple[str, ...]


G, A, V, T = "conductance", "current", "voltage", "time"
DEVICE = Role("", ("device", "device_id", "cell", "dut"))
CYCLE = Role("", ("cycle", "cycles", "run", "cycle_id"))
ROLES: dict[str, dict[str, Role]] = {
    "pulses": {
        "up": Role(G, ("up", "conductance_up", "g_up", "ltp", "potentiation", "set")),
        "down": Role(G, ("down", "conductance_down", "g_down", "ltd", "depression", "reset")),
        "conductance": Role(G, ("conductance", "g")),
        "polarity": Role("", ("polarity", "direction", "branch")),
        "pulse": Role("number", ("pulse", "pulse_number", "n")),
        "pulse_voltage": Role(V, ("pulse_voltage", "v_pulse", "v_write", "amplitude")),
        "pulse_width": Role(T, ("pulse_width", "t_pulse", "t_write", "width")),
        "device": DEVICE,
        "cycle": CYCLE,
    },
    "retention": {
        "time": Role(T, ("time", "t")),
        "conductance": Role(G, ("conductance", "g", "mean")),
        "stage": Role("", ("stage", "step")),  # before and after a bake, where no time is known
        "level": Role("", ("level", "curve", "state", "target")),
        "device": DEVICE,
        "cycle": CYCLE,
    },
    "iv": {
        "voltage": Role(V, ("voltage", "v")),
        "current": Role(A, ("current", "i")),
        "shunt": Role(V, ("shunt", "v_shunt")),
        "source": Role(V, ("source", "v_source")),
        "sweep": Role("", ("sweep", "sweep_id", "offsets")),
        "device": DEVICE,
        "cycle": CYCLE,
    },
    "endurance": {
        "cycle": Role("number", ("cycle", "cycles", "n")),
        "on": Role(G, ("on", "g_on", "lrs", "r_on", "r_lrs", "g_lrs")),
        "off": Role(G, ("off", "g_off", "hrs", "r_off", "r_hrs", "g_hrs")),
        "conductance": Role(G, ("conductance", "g")),
        "state": Role("", ("state",)),  # on or off (set or reset, LRS or HRS), one read a row
        "pulses": Role("number", ("pulses", "n_pulses", "pulses_to_switch")),  # that it took to reach the state
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
        "device": DEVICE,
        "cycle": CYCLE,
    },
    "map": {
        "conductance": Role(G, ("conductance", "g")),
        "address": Role("", ("address", "addr", "device", "cell")),
        "row": Role("number", ("row", "wl")),
        "column": Role("number", ("column", "col", "bl")),
        "state": Role("", ("state", "level", "target")),
    },
    "f-I": {
        "current": Role(A, ("current", "i", "input", "input_current")),
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


def kind_of(table: Table, given: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the kind whose needs the columns meet, and the others; of several, it is the one that needs most columns.

    Raises:
        FitError: none, or more than one that needs as many.
    """
    most = {k: _met(k, {**_candidates(table, k, given), **given}) for k in ROLES if not set(given) - set(ROLES[k])}
    fitting = [k for k, size in most.items() if size and size == max(most.values())]
    if len(fitting) == 1:
        return fitting[0], [k for k, size in most.items() if size and k != fitting[0]]
    what = "the columns fit no kind of measurement" if not fitting else f"the columns fit several kinds: {', '.join(fitting)}"
    kinds = ", ".join(map(repr, fitting or ROLES))
    raise FitError(
        table.name, what, got=listed(table.columns), fix=f"Say {argument('kind')}, one of {kinds}, and {argument('columns')}."
    )


def assign(table: Table, kind: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the header of each role: the given one, else the one that is known by its name.

    Raises:
        FitError: a role that the kind does not have, a header for two roles, two headers for a role, too few columns.
    """
    roles = ROLES[kind]
    for role in given:
        if role not in roles:
            raise FitError("fit: columns", f"the kind {kind!r} has no {role!r}", fix=suggest(role, roles))
    if shared := [role for role, header in given.items() if list(given.values()).count(header) > 1]:
        raise FitError("fit: columns", f"{shared[0]!r} and {shared[1]!r} must be different columns", got=repr(given[shared[0]]))
    found = _candidates(table, kind, given)
    used = _way(table, kind, given, found)
    for role, headers in found.items():
        if role in used and len(headers) > 1:
            raise FitError(
                table.name,
                f"more than one column can be {role!r}",
                got=listed(headers),
                fix=f"Say which: {argument('columns', {role: headers[0]})}, or {argument('columns', {role: headers[1]})}.",
            )
    chosen = dict(given) | {role: headers[0] for role, headers in found.items() if role in used}
    if not _met(kind, chosen):
        needs = " or ".join(" + ".join(need) for need in NEEDS[kind])
        missing = next((r for need in NEEDS[kind] for r in need if r not in chosen), "up")
        raise FitError(
            table.name,
            f"a measurement of the kind {kind!r} needs columns for {needs}",
            got=listed(table.columns),
            fix=f"Say which: {argument('columns', {missing: 'HEADER'})}.",
        )
    return chosen


def listed(headers: Iterable[str], most: int = 20) -> str:
    """List headers for a message, only the first of many."""
    names = [str(h) if len(str(h)) <= 60 else f"{str(h)[:60]}..." for h in headers]
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")


def _candidates(table: Table, kind: str, given: Mapping[str, str]) -> dict[str, list[str]]:
    """Return for each role that was not given the headers with one of its usual names."""
    taken = set(given.values())
    bare = {header: units.bare(header) for header in table.columns if header not in taken}
    known = {r: [h for h, name in bare.items() if name in spec.names] for r, spec in ROLES[kind].items() if r not in given}
    return {role: headers for role, headers in known.items() if headers}


def _way(table: Table, kind: str, given: Mapping[str, str], found: Mapping[str, list[str]]) -> set[str]:
    """Return the roles of the way of measuring: the way of the given roles, else the one that is complete."""
    ways = WAYS.get(kind, ())
    whole = [way for way in ways if way & set(given)] or [
        w for w in ways if _met(kind, {r: h for r, h in found.items() if r in w})
    ]
    if len(whole) > 1:
        headers = {role: heads[0] for role, heads in found.items()} | dict(given)
        choices = [{role: headers[role] for role in ROLES[kind] if role in way and role in headers} for way in whole]
        raise FitError(
            table.name,
            f"can be read in two ways, from {' or from '.join(' and '.join(c) for c in choices)}",
            got=listed(table.columns),
            fix=f"Say which, with its columns only: {', or '.join(argument('columns', c) for c in choices)}.",
        )
    others = set().union(*(way for way in ways if way not in whole)) if whole else set()
    return set(ROLES[kind]) - others


def _met(kind: str, chosen: Mapping[str, object]) -> int:
    """Return the number of columns in the largest need of the kind that is met; 0: none is."""
    return max((len(need) for need in NEEDS[kind] if all(role in chosen for role in need)), default=0)
