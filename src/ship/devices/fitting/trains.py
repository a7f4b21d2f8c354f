"""Pulse trains: from columns to branches of each device, checked and in siemens."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.checks import is_real
from ...base.errors import FitError
from ..reading.columns import Columns
from ..reading.spelling import argument

Array = np.ndarray
UP = {"up", "+", "1", "+1", "1.0", "p", "ltp", "set", "potentiation", "true"}
DOWN = {"down", "-", "-1", "-1.0", "0", "0.0", "d", "ltd", "reset", "depression", "false"}
LEAST = 8  # pulses of a branch


@dataclass
class PulseTrain:
    """The pulses of one device: branches (up or down, how many), and the conductance (S) after each pulse."""

    device: str
    branches: list[tuple[bool, int]]
    g: Array

    @property
    def starts(self) -> Array:
        """The index of the first pulse of each branch."""
        return np.cumsum([0, *[n for _, n in self.branches]])[:-1]

    def pulse_numbers(self) -> Array:
        """Return the number of each pulse within its branch, from 1."""
        return np.concatenate([np.arange(1, n + 1) for _, n in self.branches])

    def side(self, up: bool) -> Array:
        """Return a mask of the points that belong to pulses up (or down)."""
        return np.concatenate([np.full(n, u == up) for u, n in self.branches])


def gather(columns: Columns, source: str) -> list[PulseTrain]:
    """Gather one pulse train for each device.

    Raises:
        FitError: too few pulses, a branch that goes the wrong way, data that do not change.
    """
    trains = [
        _long(columns, label, index, source) if "conductance" in columns else _wide(columns, label, index)
        for label, index in columns.groups("device").items()
    ]
    for train in trains:
        _check(train, source)
    return trains


def _wide(columns: Columns, label: str, index: Array) -> PulseTrain:
    sides = [(up, columns[role][index]) for up, role in ((True, "up"), (False, "down")) if role in columns]
    return PulseTrain(label, [(up, len(g)) for up, g in sides], np.concatenate([g for _, g in sides]))


def _long(columns: Columns, label: str, index: Array, source: str) -> PulseTrain:
    directions = []
    for i in index:
        word = str(columns["polarity"][i]).strip().lower()
        if word not in UP | DOWN:
            raise FitError(
                f"{source}: {columns.rows[i]}, polarity", "must be up or down (+1, -1, LTP, LTD, set, reset)", got=repr(word)
            )
        directions.append(word in UP)
    if "pulse" in columns:
        number = columns["pulse"][index]
        back = np.flatnonzero((np.diff(number) <= 0) & (np.diff(np.array(directions, dtype=int)) == 0))
        if len(back):
            row = columns.rows[index[back[0] + 1]]
            raise FitError(
                f"{source}: {row}, pulse", "must rise within a branch", got=f"{number[back[0] + 1]:g}", fix="Sort the rows."
            )
    change = np.flatnonzero(np.diff(np.array(directions, dtype=int)) != 0) + 1
    ends = [0, *change.tolist(), len(index)]
    return PulseTrain(label, [(directions[a], b - a) for a, b in itertools.pairwise(ends)], columns["conductance"][index])


def _check(train: PulseTrain, source: str) -> None:
    where = f"{source}: device {train.device}" if train.device else source
    if float(np.ptp(train.g)) <= 1e-12 * float(np.abs(train.g).max()):
        raise FitError(where, "its conductance must change with the pulses", got=f"a constant {train.g[0]:g} S")
    for (up, n), start in zip(train.branches, train.starts, strict=True):
        name = "up" if up else "down"
        if n < LEAST:
            raise FitError(f"{where}: pulses {name}", f"must be at least {LEAST} in a row", got=str(n))
        g = train.g[start : start + n]
        third = n // 3
        rise = float(g[-third:].mean() - g[:third].mean()) * (1 if up else -1)
        error = float(np.std(np.diff(g))) * np.sqrt(1 / third)
        if rise < -2 * error and rise < -0.1 * float(np.ptp(g)):
            raise FitError(
                f"{where}: pulses {name}",
                f"must {'raise' if up else 'lower'} the conductance",
                got=f"{'a fall' if up else 'a rise'} by {-rise:.3g} S from its first to its last third",
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
