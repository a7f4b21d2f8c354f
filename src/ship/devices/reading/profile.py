"""What the numbers of a column look like: a sweep, two levels, a rising count, a clock, resistances; nothing is decided by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import units
from .cells import mark
from .conditions import numbers
from .physical import CLOCK, seconds
from .places import one_a_block, starts
from .table import Table

NUMERIC = 0.9  # share of the filled cells that must be numbers, for a column of numbers
LEVELS = 4  # different values that a pulse voltage or a label has at most
RESISTANCE, SMALL = (100.0, 1e13), (1e-14, 0.3)  # in ohm, and in S or A: where the median lies


@dataclass(frozen=True)
class Profile:
    """A column as it looks.

    Args:
        header: its name in the table.
        number: its number, from 1.
        content: one of the words of `CONTENTS`.
        values: its numbers, NaN where there are none; empty for text.
        filled: the number of cells with a value.
        distinct: the number of different values.
        unit: the unit that its header or the instrument says, "" where none does.
        examples: some of its texts.
    """

    header: str
    number: int
    content: str
    values: np.ndarray
    filled: int
    distinct: int
    unit: str = ""
    examples: tuple[str, ...] = ()

    @property
    def median(self) -> float:
        """The median of the magnitudes."""
        return float(np.nanmedian(np.abs(self.values))) if self.filled and self.values.size else 0.0


CONTENTS = {
    "empty": "empty",
    "single": "a value in the first row",
    "text": "text",
    "labels": "labels",
    "dates": "dates and times",
    "clock": "clock (seconds since 1970)",
    "constant": "constant",
    "levels": "a few levels, in blocks",
    "rising": "rising whole numbers",
    "address": "whole numbers",
    "sweep": "a sweep through 0",
    "ramp": "a ramp, in steps",
    "time": "rising numbers",
    "large": "positive, 1e2 or more",
    "small": "positive and small",
    "signed": "small, of both signs",
    "numbers": "numbers",
}


def profiles(table: Table, decimal: str | None = None) -> list[Profile]:
    """Return how each column of a table looks; matrices in the order of their rows."""
    sign = decimal or table.decimal or "."
    return [_profile(table, head, k, sign) for k, head in enumerate(table.columns, 1)]


def _profile(table: Table, header: str, number: int, decimal: str) -> Profile:
    raw = table.columns[header]
    cells = list(raw) if isinstance(raw, list) else np.asarray(raw).ravel()
    unit = own_unit(table, header)
    filled = [cell for cell in cells if not mark(cell)] if isinstance(cells, list) else cells
    texts = tuple(dict.fromkeys(str(cell) for cell in filled[:10_000]))
    if not len(filled):
        return Profile(header, number, "empty", np.array([]), 0, 0, unit)
    if one_a_block(table, cells):
        return Profile(header, number, "single", numbers(cells, decimal), len(filled), len(set(filled)), unit)
    values = numbers(cells, decimal)
    good = values[np.isfinite(values)]
    if len(good) < NUMERIC * len(filled):
        date = seconds(header, filled[:1]) is not None if isinstance(cells, list) else False
        content = "dates" if date else "labels" if len(texts) * 2 <= len(filled) else "text"
        return Profile(header, number, content, np.array([]), len(filled), len(texts), unit, texts[:LEVELS])
    distinct = len(np.unique(good))
    return Profile(header, number, _content(good, distinct, starts(table, len(values))), values, len(good), distinct, unit)


def own_unit(table: Table, header: str) -> str:
    """Return the unit that a header or the instrument says; "" where none does."""
    named = next((u for q in units.UNITS if (u := units.split_header(header, q)[1]) is not None), None)
    return named or units.spelled(table.units.get(header, ""))


def _content(x: np.ndarray, distinct: int, first: np.ndarray) -> str:
    """Return what numbers look like; the steps from one block (file, sheet) to the next do not count."""
    steps = np.diff(x)
    if len(first) > 1:
        steps = np.delete(steps, first[(first > 0) & (first < len(x))] - 1)
    whole = bool((x == np.round(x)).all())
    if x.min() > CLOCK and x.max() < 5e9 and (steps >= 0).all():
        return "clock"
    if distinct == 1:
        return "constant"
    if distinct <= LEVELS and (steps != 0).sum() <= max(len(x) / 4, distinct):
        return "levels"
    if whole and len(steps) and (steps >= 0).all() and (steps > 0).mean() > 0.9:
        return "rising"
    if whole and x.min() >= 0:
        return "address"
    if len(steps) and (steps >= 0).all() and (steps > 0).mean() > 0.9:
        return "time" if x.min() >= 0 else "ramp"
    if swept := _swept(x, steps, distinct):
        return swept
    median = float(np.median(np.abs(x)))
    if (x > 0).all():
        return "large" if RESISTANCE[0] <= median <= RESISTANCE[1] else "small" if SMALL[0] <= median <= SMALL[1] else "numbers"
    return "signed" if median <= SMALL[1] else "numbers"


def _swept(x: np.ndarray, steps: np.ndarray, distinct: int) -> str:
    """Return whether numbers run up and down smoothly, as a voltage that an instrument sets."""
    reach = float(np.ptp(x))
    if not len(steps) or reach > 400 or reach < 1e-3:
        return ""
    turns = int((np.diff(np.sign(steps[np.abs(steps) > 1e-3 * reach])) != 0).sum())
    through = bool(x.min() < 0 < x.max())
    if turns >= max(len(x) / 4, 1):
        return ""
    even = distinct > LEVELS and len(np.unique(np.round(steps / reach, 3))) <= 8
    smooth = turns < len(x) / 8 and float(np.corrcoef(x[1:], x[:-1])[0, 1]) > 0.98
    return "sweep" if through and (even or smooth) else "ramp" if even else ""


def roughness(x: np.ndarray) -> float:
    """Return how unevenly numbers run: the median second difference as a share of the median step."""
    steps = np.diff(x)
    moving = np.abs(steps[steps != 0])
    return float(np.median(np.abs(np.diff(steps))) / np.median(moving)) if len(moving) > 2 else np.inf


def guess_unit(quantity: str, median: float) -> str:
    """Return the unit in which numbers of this size usually are; it is only suggested."""
    return {
        "conductance": "S" if median < 0.5 else "uS",
        "current": "A" if median < 0.5 else "uA",
        "resistance": "ohm" if median >= 100 else "kohm",
        "voltage": "V" if median < 200 else "mV",
        "time": "s",
        "rate": "Hz",
    }[quantity]


def texts(cells: Any, count: int) -> list[str]:
    """Return the first cells of a column as text."""
    return [str(cell) for cell in (cells[:count] if isinstance(cells, list) else np.asarray(cells).ravel()[:count])]
