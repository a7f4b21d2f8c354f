"""Pulse trains: from columns to branches of each device, checked and in siemens."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...base.checks import is_real
from ...base.errors import FitError
from ..reading.columns import Columns
from ..reading.spelling import argument

Array = np.ndarray
UP = {"up", "+", "1", "+1", "1.0", "p", "ltp", "set", "potentiation", "true"}
DOWN = {"down", "-", "-1", "-1.0", "0", "0.0", "d", "ltd", "reset", "depression", "false"}
WRITES = re.compile("prog|eras|writ")  # in words of operations that name no direction
LEAST = 8  # pulses of a branch
EQUAL = 0.1  # amplitudes that differ by less are those of equal pulses


@dataclass
class PulseTrain:
    """The pulses of one device: branches (up or down, how many reads), and the conductance (S) read after each.

    Args:
        device: its label.
        branches: runs of pulses of one direction: whether up, and the number of reads.
        g: the conductance after the pulses, S, ``[read]``.
        count: the number of pulses before each read, ``[read]``; None: one.
        cycles: the number of the cycle that each branch belongs to, from the data where they say it; None: branches as counted.
        alone: the branches that do not begin where the one before ended: of another cycle, or of unknown history.
    """

    device: str
    branches: list[tuple[bool, int]]
    g: Array
    count: Array | None = None
    cycles: list[float] | None = None
    alone: frozenset[int] = field(default_factory=frozenset)

    @property
    def starts(self) -> Array:
        """The index of the first read of each branch."""
        return np.cumsum([0, *[n for _, n in self.branches]])[:-1]

    @property
    def counts(self) -> Array:
        """The number of pulses before each read."""
        return np.ones(len(self.g), dtype=np.int64) if self.count is None else self.count

    def pulse_numbers(self) -> Array:
        """Return the number of each read's last pulse within its branch, from 1."""
        total = np.cumsum(self.counts)
        before = np.concatenate([[0], total[self.starts[1:] - 1]])
        return np.asarray(total - np.repeat(before, [n for _, n in self.branches]))

    def side(self, up: bool) -> Array:
        """Return a mask of the points that belong to pulses up (or down)."""
        return np.concatenate([np.full(n, u == up) for u, n in self.branches])

    def each(self) -> Array:
        """Return for each read whether its pulses go up."""
        return np.repeat([up for up, _ in self.branches], [n for _, n in self.branches])

    def fresh(self) -> Array:
        """Return for each read whether its state does not follow from the read before."""
        out = np.zeros(len(self.g), dtype=bool)
        out[self.starts[sorted({0, *self.alone})]] = True
        return out


def pulsed_only(columns: Columns) -> Columns:
    """Return the rows that follow a pulse: reads with a pulse voltage of 0 V belong to none, and are counted in a note."""
    if "pulse_voltage" not in columns or "conductance" not in columns:
        return columns
    some = np.asarray(columns["pulse_voltage"], dtype=float) != 0
    if bool(some.all()):
        return columns
    values = {
        role: np.asarray(v)[some] if isinstance(v, np.ndarray) else [x for x, k in zip(v, some, strict=True) if k]
        for role, v in columns.values.items()
    }
    rows = [row for row, kept in zip(columns.rows, some, strict=True) if kept]
    note = f"{int((~some).sum())} reads with a pulse of 0 V were left out"
    return replace(columns, values=values, rows=rows, notes=[*columns.notes, note])


def gather(columns: Columns, source: str) -> list[PulseTrain]:
    """Gather one pulse train for each device.

    Raises:
        FitError: too few pulses, a branch that goes the wrong way, data that do not change.
    """
    up = _directions(columns, source) if "conductance" in columns else None
    trains = [
        _wide(columns, label, index) if up is None else _long(columns, label, index, up[index], source)
        for label, index in columns.groups("device").items()
    ]
    for train in trains:
        _check(train, source)
    _check_alike(trains, source)
    return trains


def _check_alike(trains: list[PulseTrain], source: str) -> None:
    """Refuse devices of which some have pulses of one direction only: they have no common law.

    Raises:
        FitError: such a device.
    """
    sides = [{up for up, _ in train.branches} for train in trains]
    if max(map(len, sides)) == len(sides[0]) and all(each == sides[0] for each in sides):
        return
    train, side = min(zip(trains, sides, strict=True), key=lambda pair: len(pair[1]))
    raise FitError(
        f"{source}: device {train.device}",
        "must have pulses up and down, as others have",
        got=f"pulses {' and '.join('up' if up else 'down' for up in side)} only",
        fix=f"Complete it, or leave the device out, {argument('only')}.",
    )


def _wide(columns: Columns, label: str, index: Array) -> PulseTrain:
    branches: list[tuple[bool, int]] = []
    parts: list[Array] = []
    cycles: list[float] = []
    alone: set[int] = set()
    labels = np.asarray(columns["cycle"], dtype=str)[index] if "cycle" in columns else np.full(len(index), "")
    for number, cycle in enumerate(dict.fromkeys(labels.tolist()), 1):
        rows = index[labels == cycle]
        sides = [(up, columns[role][rows]) for up, role in ((True, "up"), (False, "down")) if role in columns]
        if len(sides) == 1 and number > 1:
            alone.add(len(branches))
        branches += [(up, len(g)) for up, g in sides]
        parts += [g for _, g in sides]
        cycles += [float(number)] * len(sides)
    return PulseTrain(label, branches, np.concatenate(parts), None, cycles if "cycle" in columns else None, frozenset(alone))


def _long(columns: Columns, label: str, index: Array, up: Array, source: str) -> PulseTrain:
    labels = np.asarray(columns["cycle"], dtype=str)[index] if "cycle" in columns else np.full(len(index), "")
    turned = np.diff(up.astype(int)) != 0
    new = labels[1:] != labels[:-1]
    count = None
    if "pulse" in columns:
        number = columns["pulse"][index]
        back = np.flatnonzero((np.diff(number) <= 0) & ~turned & ~new)
        if len(back):
            row = columns.rows[index[back[0] + 1]]
            raise FitError(
                f"{source}: {row}, pulse",
                "must rise within a branch",
                got=f"{number[back[0] + 1]:g}",
                fix=f"Sort the rows, or name the column that tells cycles apart, {argument('columns', {'cycle': 'HEADER'})}.",
            )
        count = _counts(number, np.flatnonzero(turned | new) + 1)
    ends = [0, *(np.flatnonzero(turned | new) + 1).tolist(), len(index)]
    branches = [(bool(up[a]), b - a) for a, b in itertools.pairwise(ends)]
    alone = frozenset(i for i, a in enumerate(ends[1:-1], 1) if not turned[a - 1])
    order = {name: float(k) for k, name in enumerate(dict.fromkeys(labels.tolist()), 1)}
    cycles = [order[labels[a]] for a in ends[:-1]] if "cycle" in columns else None
    return PulseTrain(label, branches, columns["conductance"][index], count, cycles, alone)


def _counts(number: Array, starts: Array) -> Array | None:
    """Return the number of pulses before each read from the numbers of pulses; None: one each."""
    step = np.diff(number, prepend=number[0])
    usual = max(round(float(np.median(np.delete(step, [0, *starts])))), 1) if len(number) > len(starts) + 1 else 1
    for start in (0, *starts.tolist()):  # numbers start anew, or go on, in each branch
        step[start] = (
            step[start] if start and step[start] > 0 else min(max(number[start], 1), usual) if number[start] > 0 else usual
        )
    count = np.maximum(np.round(step), 1).astype(np.int64)
    return None if bool((count == 1).all()) else count


def _directions(columns: Columns, source: str) -> Array:
    """Return for each row whether its pulse goes up: by its label, else by the sign of its voltage and what that does.

    Raises:
        FitError: labels that are no directions, voltages of which both signs do the same.
    """
    if "polarity" in columns:
        words = [str(w).strip().lower() for w in columns["polarity"]]
        known = {w: w in UP for w in set(words) if w in UP | DOWN}
        rest = sorted(set(words) - set(known))
        if rest and not known and (len(rest) == 2 or all(map(WRITES.search, rest))):  # writing and erasing, in any language
            known = _by_effect(columns, np.array(words), source)
        elif rest:
            bad = words.index(rest[0])
            raise FitError(
                f"{source}: {columns.rows[bad]}, polarity", "must be up or down (+1, -1, LTP, LTD, set, reset)", got=repr(rest[0])
            )
        return np.array([known[w] for w in words])
    voltage = np.asarray(columns["pulse_voltage"], dtype=float)
    signs = np.where(voltage > 0, "positive", "negative")
    known = _by_effect(columns, signs, source)
    return np.array([known[s] for s in signs])


def _by_effect(columns: Columns, words: Array, source: str) -> dict[str, bool]:
    """Return for each word whether its pulses raise the conductance, from all branches with it; and note it."""
    g, labels = columns["conductance"], columns.groups("device")
    moved: dict[str, list[float]] = {w: [] for w in dict.fromkeys(words.tolist())}
    for index in labels.values():
        here = words[index]
        ends = [0, *(np.flatnonzero(here[1:] != here[:-1]) + 1).tolist(), len(index)]
        for a, b in itertools.pairwise(ends):
            third = max((b - a) // 3, 1)
            part = g[index[a:b]]
            moved[str(here[a])].append(float(np.sign(np.median(part[-third:]) - np.median(part[:third]))))
    known = {w: float(np.mean(m)) > 0 for w, m in moved.items()}
    unclear = [w for w, m in moved.items() if abs(float(np.mean(m))) < 0.5]
    if unclear or (len(known) == 2 and len(set(known.values())) == 1):
        fix = f"Give a column of directions (up, down): {argument('columns', {'polarity': 'HEADER'})}."
        raise FitError(
            source,
            "which pulses raise the conductance must be clear from the data",
            got=", ".join(f"{w}: {'up' if known[w] else 'down'} in {np.mean(np.array(m) > 0):.0%}" for w, m in moved.items()),
            fix=fix,
        )
    note = "direction from what the pulses do: " + ", ".join(f"{w} {'up' if u else 'down'}" for w, u in known.items())
    if note not in columns.notes:
        columns.notes.append(note)
    return known


def written(columns: Columns, source: str, settings: dict[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Return amplitudes and width of the pulses, and the voltage of reads, as measured, with remarks, by the names of `Device`.

    Raises:
        FitError: pulses of one direction that are not equal.
    """
    made: dict[str, float] = {}
    told: dict[str, str] = {}
    sides = _directions(columns, source) if "conductance" in columns else None
    if "pulse_voltage" in columns and sides is not None:
        voltage = np.asarray(columns["pulse_voltage"], dtype=float)
        for up, name, sign in ((True, "v_set", 1.0), (False, "v_reset", -1.0)):
            here = voltage[sides == up]
            if not len(here):
                continue
            middle = float(np.median(here))
            if np.mean(np.abs(here - middle) > EQUAL * abs(middle)) > EQUAL:
                raise FitError(
                    f"{source}: pulse voltage",
                    "must be one for all pulses of a direction: the laws are of equal pulses",
                    got=f"{here.min():g} to {here.max():g} V",
                    fix=f"Use pulses of one amplitude, {argument('only')}.",
                )
            made[name] = sign * abs(middle)
            if middle * sign < 0:
                told[name] = f"measured with pulses of {middle:g} V; the sign here is that of the change of conductance"
    if "pulse_width" in columns:
        width = np.asarray(columns["pulse_width"], dtype=float)
        made["t_write"] = float(np.median(width))
        if sides is not None and len(set(sides.tolist())) == 2:
            up_width, down_width = (float(np.median(width[sides == up])) for up in (True, False))
            if abs(up_width - down_width) > EQUAL * max(up_width, down_width):
                made["t_write"] = up_width
                told["t_write"] = f"of pulses up; those down took {down_width:g} s, and a device has one width"
    read = settings.get("v_read")
    if read is None and "v_read" in columns:
        read = float(np.median(np.asarray(columns["v_read"], dtype=float)))
    if read is not None:
        made["v_read"] = abs(float(read))
    return made, told


def _check(train: PulseTrain, source: str) -> None:
    where = f"{source}: device {train.device}" if train.device else source
    if float(np.ptp(train.g)) <= 1e-12 * float(np.abs(train.g).max()):
        raise FitError(where, "its conductance must change with the pulses", got=f"a constant {train.g[0]:g} S")
    for up in (True, False):
        lengths = [n for u, n in train.branches if u == up]
        if lengths and max(lengths) < LEAST:
            raise FitError(
                f"{where}: pulses {'up' if up else 'down'}", f"must be at least {LEAST} in a row", got=str(max(lengths))
            )
    for up in (True, False):
        _check_direction(train, up, where)


def _check_direction(train: PulseTrain, up: bool, where: str) -> None:
    """Refuse data of which most branches go the other way than their pulses."""
    rises, errors = [], []
    for (u, n), start in zip(train.branches, train.starts, strict=True):
        if u != up or n < LEAST:
            continue
        g, third = train.g[start : start + n], n // 3
        rises.append(float(g[-third:].mean() - g[:third].mean()) * (1 if up else -1))
        errors.append(float(np.std(np.diff(g))) * np.sqrt(1 / third))
    if not rises:
        return
    rise, error = float(np.median(rises)), float(np.median(errors)) / np.sqrt(len(rises))
    if rise < -2 * error and rise < -0.1 * float(np.ptp(train.g)):
        raise FitError(
            f"{where}: pulses {'up' if up else 'down'}",
            f"must {'raise' if up else 'lower'} the conductance",
            got=f"{'a fall' if up else 'a rise'} by {-rise:.3g} S from the first to the last third of a branch",
            fix="Swap the columns up and down, or the polarity.",
        )


def rescale(columns: Columns, g_min: float | None, g_max: float | None, scale: Any) -> None:
    """Convert normalised values to siemens: those of ``scale = (a, b)`` stand for g_min and g_max.

    Raises:
        FitError: what is needed is not given, or is given for data with a unit.
    """
    given = {"g_min": g_min, "g_max": g_max, "scale": scale}
    if not columns.normalised:
        if extra := [name for name, value in given.items() if value is not None]:
            raise FitError(f"fit: {extra[0]}", f"is only for data in {argument('unit', 'normalised')}", fix="Leave it out.")
        return
    if g_min is None or g_max is None or scale is None:
        missing = ", ".join(name for name, value in given.items() if value is None)
        raise FitError(
            "fit: unit 'normalised'",
            f"needs {missing}",
            fix=f"Give {argument('g_min')} and {argument('g_max')} (S), and {argument('scale')}, the normalised values of them, "
            f"e.g. {argument('scale', (0, 1))}.",
        )
    if not (is_real(g_min) and is_real(g_max) and 0 <= g_min < g_max):
        raise FitError("fit: g_min, g_max", "must be conductances (S) with 0 <= g_min < g_max", got=f"{g_min!r}, {g_max!r}")
    a, b = scale if isinstance(scale, tuple | list) and len(scale) == 2 else (0, 0)
    if not (is_real(a) and is_real(b) and a < b):
        raise FitError("fit: scale", "must be two numbers, the lower first", got=repr(scale))
    low, high, start, end = float(g_min), float(g_max), float(a), float(b)
    for role, unit in columns.units.items():
        if unit == "normalised":
            columns.values[role] = low + (columns.values[role] - start) / (end - start) * (high - low)
    columns.notes.append(f"normalised values were scaled: {start:g} is {low:g} S, {end:g} is {high:g} S, as given")
