"""Kinds of measurement that a table without names could be: one rule for each, which looks at the numbers of its columns.

A rule returns a suggestion with its reason, or None. The order of the rules is that in which they are tried and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np

from . import names, units
from .places import origins
from .profile import SMALL, Profile, guess_unit, own_unit, roughness
from .roles import ROLES, G, V
from .spelling import call
from .table import Table
from .units import UNITS, bare

NAMED = {"voltage": names.VOLTAGE, "current": names.CURRENT, "time": names.TIME}


@dataclass(frozen=True)
class Suggestion:
    """A way to read a table.

    Args:
        kind: the kind of measurement.
        columns: the column of each role; only those that are not found by name.
        reason: why, in words.
        unit: the units that neither the header nor the instrument says.
        options: other arguments, such as labels.
    """

    kind: str
    columns: Mapping[str, str]
    reason: str
    unit: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Return what `ship.fit` is called with, by name."""
        return {"kind": self.kind, "columns": dict(self.columns), "unit": dict(self.unit), **self.options}

    def call(self, source: Any) -> str:
        """Spell the call, for Python or the command."""
        return call("fit", sources(source), self.arguments())


def sources(source: Any) -> list[Any]:
    """Return the files of a source, to be spelled in a call."""
    return [source] if isinstance(source, str | PurePath) else list(source) if isinstance(source, Sequence) else ["..."]


def missing_units(
    table: Table, of: Mapping[str, Profile], kind: str, quantity: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return units that neither header nor instrument says, by size; by quantity where one role has it, else by role."""
    unit = {}
    for role, p in of.items():
        what = (quantity or {}).get(role, ROLES[kind][role].quantity)
        if what in ("", "number") or own_unit(table, p.header) or p.content == "dates":
            continue
        if ROLES[kind][role].quantity == G and what == G and p.content == "large":
            what = "resistance"
        unit[role] = guess_unit(what, p.median)
    return unit


def _name(table: Table, p: Profile) -> str:
    return p.header if table.header else str(p.number) if table.rows is not None else p.header


def _can_be(table: Table, p: Profile, quantity: str) -> bool:
    """Return whether neither the unit nor the instrument says that a column is another quantity."""
    unit, said = own_unit(table, p.header), table.quantities.get(p.header, quantity)
    name = bare(p.header).rpartition(".")[2]
    if any(name in usual for what, usual in NAMED.items() if what != quantity):
        return False
    return (not unit or unit in UNITS[quantity]) and said == quantity


def _of(used: Sequence[Profile], *contents: str) -> list[Profile]:
    return [p for p in used if p.content in contents]


def _names(table: Table, several: Sequence[Profile]) -> str:
    """Return columns as one word: a number, a header or a range."""
    if len(several) == 1:
        return _name(table, several[0])
    first, last = several[0].number, several[-1].number
    return f"{first}:{last}" if last - first + 1 == len(several) else ",".join(str(p.number) for p in several)


def _devices(used: Sequence[Profile], rows: int, without: Sequence[Profile]) -> list[Profile]:
    """Return the first column that can be the label of a device: whole numbers or a constant, or text that repeats."""
    fitting = [p for p in used if p not in without and p.content in ("address", "rising", "constant", "labels", "levels")]
    fitting = [p for p in fitting if not {text.lower() for text in p.examples} & {"true", "false"}]
    fitting = [p for p in fitting if p.content == "labels" or (p.values == np.round(p.values)).all()]
    return [p for p in fitting if p.distinct < rows / 2][:1]


def _state(table: Table, used: Sequence[Profile]) -> Profile | None:
    """Return the column of conductances, resistances or currents that is most plausible: a conductance before its inverse."""
    fitting = [p for p in _of(used, "small", "large") if any(_can_be(table, p, q) for q in (G, "resistance", "current"))]
    for p in fitting:
        for other in fitting:
            if p is not other and p.content == "small" and other.content == "large" and _product_is_one(p, other):
                return p
    return fitting[0] if fitting else None


def _follows(x: np.ndarray) -> bool:
    """Return whether numbers follow those before them, as those of one device in time do, and those of many devices do not."""
    good = x[np.isfinite(x)]
    return len(good) > 3 and len(np.unique(good)) > 1 and float(np.corrcoef(good[1:], good[:-1])[0, 1]) > 0.9


def _product_is_one(a: Profile, b: Profile) -> bool:
    if len(a.values) != len(b.values):
        return False
    return abs(float(np.nanmedian(a.values * b.values)) - 1) < 1e-3


def _by_pulses(table: Table, used: Sequence[Profile]) -> Suggestion | None:
    """A pulse voltage of a few levels with both signs, perhaps a constant read voltage, and one or many columns of states."""
    levels = [p for p in _of(used, "levels") if np.nanmin(p.values) < 0 < np.nanmax(p.values)]
    if not levels:
        return None
    states = [
        p
        for p in used
        if p.content in ("small", "large") or (p.content in ("signed", "numbers", "ramp", "time") and p.median < 0.3)
    ]
    if not states:
        return None
    constant = [p for p in _of(used, "constant") if 0 < p.median <= 3 and p.number < states[0].number]
    constant = [p for p in constant if own_unit(table, p.header) in ("", *units.UNITS[V])]  # (a width in us is no voltage)
    columns = {"pulse_voltage": _name(table, levels[0])}
    unit = missing_units(table, {"pulse_voltage": levels[0]}, "pulses")
    reason = f"column {_name(table, levels[0])} has a few levels of both signs, as pulse voltages"
    if constant:
        columns["v_read"] = _name(table, constant[0])
        reason += f", column {_name(table, constant[0])} is constant, as a read voltage, so the others are currents"
    columns["conductance"] = _names(table, states)
    quantity = {"conductance": "current"} if constant else None
    unit |= missing_units(table, {"conductance": states[0]}, "pulses", quantity)
    if "pulse_voltage" in unit and constant:
        unit = {"voltage": unit.pop("pulse_voltage"), **unit}
    return Suggestion("pulses", columns, reason, unit)


def _by_trains(table: Table, used: Sequence[Profile]) -> Suggestion | None:
    """Trains one below the other: text with two words (the branch), numbers of pulses, and states."""
    words = [p for p in _of(used, "labels") if p.distinct == 2]
    state = _state(table, used)
    if not words or state is None or _of(used, "sweep"):
        return None
    columns = {"conductance": _name(table, state), "polarity": _name(table, words[0])}
    for p in _of(used, "labels"):
        if p is not words[0]:
            columns["device"] = _name(table, p)
            break
    reason = f"column {_name(table, words[0])} has two words, as branches, and column {_name(table, state)} states"
    return Suggestion("pulses", columns, reason, missing_units(table, {"conductance": state}, "pulses"))


def _by_endurance(table: Table, used: Sequence[Profile]) -> Suggestion | None:
    """Rising whole numbers, and two columns of states of which one is nearly always above the other."""
    for content in ("large", "small"):
        states, cycles = _of(used, content), _of(used, "rising")
        if len(states) != 2 or not cycles:
            continue
        a, b = states
        above = float(np.nanmean(a.values > b.values))
        if 0.1 < above < 0.9:
            continue
        if np.array_equal(a.values, b.values):
            continue
        high, low = (a, b) if above > 0.5 else (b, a)
        on, off = (low, high) if content == "large" else (high, low)
        columns = {"cycle": _name(table, cycles[0]), "on": _name(table, on), "off": _name(table, off)}
        if devices := _devices(used, len(a.values), (cycles[0], a, b)):
            columns["device"] = _name(table, devices[0])
        one = "a resistance" if content == "large" else "a conductance"
        reason = f"column {columns['cycle']} rises in whole numbers; columns {columns['on']} and {columns['off']} are {one} each"
        unit = missing_units(table, {"on": on, "off": off}, "endurance")
        if len(set(unit.values())) == 1 and len(unit) == 2:
            unit = {"resistance" if content == "large" else G: next(iter(unit.values()))}
        return Suggestion("endurance", columns, reason, unit)
    return None


def _by_sweeps(table: Table, used: Sequence[Profile]) -> Suggestion | None:
    """A voltage that runs smoothly up and down, or a ramp that repeats, and a current; other whole numbers are devices."""
    runs = [p for p in _of(used, "sweep", "ramp") if _can_be(table, p, "voltage")]
    runs = [p for p in runs if own_unit(table, p.header)] or runs
    if not runs:
        return None
    voltage = min(runs, key=lambda p: (p.content != "sweep" and len(_of(runs, "sweep")) > 0, roughness(p.values)))
    others = [
        p for p in used if p is not voltage and p.content in ("signed", "small", "numbers", "sweep", "ramp", "time", "large")
    ]
    others = [p for p in others if _can_be(table, p, "current")]
    if not others:
        return None
    said = sorted((p for p in others if own_unit(table, p.header)), key=lambda p: (p.number < voltage.number, p.number))
    current = said[0] if said else next((p for p in others if p.content in ("signed", "small")), others[0])
    columns = {"voltage": _name(table, voltage), "current": _name(table, current)}
    if devices := _devices(used, len(voltage.values), (voltage, current)):
        columns["device"] = _name(table, devices[0])
    shape = "up and down through 0" if voltage.content == "sweep" else "in even steps"
    reason = f"column {columns['voltage']} runs {shape}, more smoothly than the others, as a voltage that is set"
    return Suggestion("iv", columns, reason, missing_units(table, {"voltage": voltage, "current": current}, "iv"))


def _by_time(table: Table, used: Sequence[Profile]) -> Suggestion | None:
    """A clock or rising numbers, and a state."""
    times, state = _of(used, "clock", "dates", "time", "rising"), _state(table, used)
    if state is None and len(times) > 1 and SMALL[0] <= times[-1].median <= SMALL[1]:  # (a trace that rises, too)
        state = times.pop()
    if not times or state is None or _of(used, "sweep", "ramp", "levels"):
        return None
    time = min(times, key=lambda p: ("clock", "dates", "time", "rising").index(p.content))
    if time.content == "rising" and not _follows(state.values):
        return None
    columns = {"time": _name(table, time), "conductance": _name(table, state)}
    if devices := _devices(used, len(state.values), (time, state)):
        columns["device"] = _name(table, devices[0])
    shape = {"clock": "is a clock", "dates": "holds dates"}.get(time.content, "rises, as a time")
    reason = f"column {columns['time']} {shape}, column {columns['conductance']} is positive"
    return Suggestion("retention", columns, reason, missing_units(table, {"time": time, "conductance": state}, "retention"))


def _by_stages(table: Table, used: Sequence[Profile]) -> Suggestion | None:
    """The same addresses in two files or sheets: states before and after."""
    several = origins(table)
    name = next((n for n, values in several.items() if len(values) == 2), None)
    state, addresses = _state(table, used), _of(used, "rising", "address")
    if name is None or state is None or not addresses or _of(used, "sweep", "ramp", "levels", "clock", "time"):
        return None
    column = np.array([str(c) for c in table.columns[name]])
    one, two = (addresses[0].values[column == value] for value in several[name])
    if set(one.tolist()) != set(two.tolist()) or len(one) != len(set(one.tolist())):
        return None
    columns = {"device": _name(table, addresses[0]), "conductance": _name(table, state)}
    reason = f"the same addresses stand in both {name}s, as before and after"
    options = {"label": {"stage": name}}
    return Suggestion("retention", columns, reason, missing_units(table, {"conductance": state}, "retention"), options)


def _by_map(table: Table, used: Sequence[Profile]) -> Suggestion | None:
    """Different addresses and a state of each, or states alone."""
    addresses, state = _of(used, "rising", "address"), _state(table, used)
    if state is None or _of(used, "sweep", "ramp", "levels", "clock", "time", "dates"):
        return None
    unit = missing_units(table, {"conductance": state}, "map")
    states = _of(used, state.content)
    if len(states) == 1 and addresses and addresses[0].distinct > 0.9 * len(addresses[0].values):
        columns = {"address": _name(table, addresses[0]), "conductance": _name(table, state)}
        return Suggestion(
            "map", columns, f"column {columns['address']} has addresses, column {columns['conductance']} states", unit
        )
    if len(states) == len(used) > 2:
        return Suggestion("map", {"conductance": _names(table, states)}, "all columns are states, as a matrix of devices", unit)
    return None


def _by_branch(table: Table, used: Sequence[Profile]) -> Suggestion | None:
    """States in their order, which could be a train of pulses."""
    counts, state = _of(used, "rising"), _state(table, used)
    if state is None or not _follows(state.values) or len(used) > 2 or (len(used) == 2 and not counts):
        return None
    rises = float(state.values[-1]) > float(state.values[0])
    role = "up" if rises else "down"
    return Suggestion(
        "pulses", {role: _name(table, state)}, "states in their order", missing_units(table, {role: state}, "pulses")
    )


Rule = Callable[[Table, Sequence[Profile]], Suggestion | None]
RULES: tuple[Rule, ...] = (
    _by_pulses,
    _by_trains,
    _by_stages,
    _by_sweeps,
    _by_endurance,
    _by_time,
    _by_map,
    _by_branch,
)
