"""Current-voltage records cut into excursions: a way out to one polarity and the way back.

A record is what has one label (device, cycle, sweep), or all rows where nothing is labelled. A record may start anywhere: one
that starts away from 0 V and ends where it started is a closed loop, and is turned so that it starts at a crossing of 0 V (so the
phase of a sine does not matter). Within a record, each run of one polarity that reaches a fifth of the largest voltage of that
polarity is an excursion, cut at its largest voltage into the ways out and back. A way that does not begin (end) below a third
of that voltage was cut off by the start (end) of the record, and counts as missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..reading.columns import Columns

Array = np.ndarray
LABELS = ("device", "cycle", "sweep")
ZERO = 0.02  # of the largest voltage: what lies below belongs to no excursion
REACH = 0.2  # of the largest voltage: excursions below are no sweeps
CUT = 0.34  # of the largest voltage: a way that starts above was cut off
NEAR = 0.05  # of the read voltage: the window of points that are read together
ENOUGH = 5  # points of a way
FLAT = 0.005  # of the largest current: what lies within is at the compliance


class Excursion(NamedTuple):
    """A sweep to one polarity: the rows of its way out and of its way back, in the order of measurement; empty: missing."""

    device: str
    label: str
    side: int  # 1 or -1
    out: Array
    back: Array

    @property
    def whole(self) -> bool:
        """Whether there are both ways."""
        return len(self.out) >= ENOUGH and len(self.back) >= ENOUGH

    @property
    def rows(self) -> Array:
        """All rows."""
        return np.concatenate([self.out, self.back])


class Cut(NamedTuple):
    """The records of a measurement and their excursions."""

    records: dict[tuple[str, str, str], Array]  # rows by (device, cycle, sweep)
    excursions: list[Excursion]
    turned: int  # records that were turned to start at 0 V

    def names(self, role: str) -> list[str]:
        """Return the different labels of a role."""
        return list(dict.fromkeys(key[LABELS.index(role)] for key in self.records))


def cut(columns: Columns, voltage: Array) -> Cut:
    """Cut a measurement into records by its labels, and each into excursions."""
    parts = [columns[role] if role in columns else [""] * len(voltage) for role in LABELS]
    found: dict[tuple[str, str, str], list[int]] = {}
    for k, key in enumerate(zip(*parts, strict=True)):
        found.setdefault((str(key[0]), str(key[1]), str(key[2])), []).append(k)
    records = {key: np.array(rows) for key, rows in found.items()}
    made: list[Excursion] = []
    turned = 0
    for (device, cycle, sweep), rows in records.items():
        start = phase(voltage[rows])
        turned += start > 0
        order = np.roll(rows, -start)
        label = ", ".join(part for part in (cycle, sweep) if part)
        for side in (1, -1):
            ways = _ways(side * voltage[order])
            for n, (out, back) in enumerate(ways, 1):
                name = label if len(ways) == 1 else f"{label} ({n})".strip()
                made.append(Excursion(device, name, side, order[out], order[back]))
    return Cut(records, made, turned)


def phase(v: Array) -> int:
    """Return the row at which a record should start: 0, or for a closed loop that starts away from 0 V a crossing of 0 V."""
    top = float(np.abs(v).max(initial=0.0))
    if len(v) < 2 * ENOUGH or abs(v[0]) <= 0.05 * top:
        return 0
    step = float(np.percentile(np.abs(np.diff(v)), 95))
    if abs(v[0] - v[-1]) > 3 * step:
        return 0
    crossings = np.flatnonzero(np.signbit(v[1:]) != np.signbit(v[:-1])) + 1
    return int(crossings[0]) if len(crossings) else int(np.argmin(np.abs(v)))


def _ways(u: Array) -> list[tuple[Array, Array]]:
    """Return the ways out and back (positions) of all excursions to the side where ``u`` is above 0."""
    top = float(np.percentile(u, 99.5))
    if top <= 0.05 * float(np.abs(u).max()) or top <= 0:
        return []
    edge = np.flatnonzero(np.diff(np.r_[False, u > ZERO * top, False].astype(int)))
    made = []
    for a, b in zip(edge[::2], edge[1::2], strict=True):
        peak = a + int(np.argmax(u[a:b]))
        height = float(u[peak])
        if height < REACH * top or b - a < ENOUGH:
            continue
        out, back = np.arange(a, peak + 1), np.arange(peak, b)
        empty = np.array([], dtype=int)
        made.append((out if u[a] <= CUT * height else empty, back if u[b - 1] <= CUT * height else empty))
    return made


def conductance_at(u: Array, j: Array, v: float) -> float:
    """Return the conductance (S) of a way at a voltage; NaN: the way does not reach it.

    It is the median of I/V within 5 % of the voltage where there are three points or more, else the line between the neighbours.
    """
    near = np.abs(u - v) <= NEAR * v
    if int(near.sum()) >= 3:
        return float(np.median(j[near] / u[near]))
    if not len(u) or v > float(u.max()) * (1 + NEAR) or v < float(u.min()) * (1 - NEAR):
        return float("nan")
    order = np.argsort(u, kind="stable")
    return float(np.interp(v, u[order], j[order])) / v


def offset_at_zero(u: Array, j: Array) -> float:
    """Return the current (A) at 0 V: a line through the points of a way up to a tenth of its largest voltage; NaN: too few."""
    near = np.abs(u) <= 0.1 * float(np.abs(u).max(initial=0.0))
    if int(near.sum()) < 3 or float(np.ptp(u[near])) == 0:
        return float("nan")
    return float(np.polyfit(u[near], j[near], 1)[1])


def compliance_of(v: Array, i: Array, excursions: list[Excursion]) -> float | None:
    """Return the current (A) at which excursions have a flat top, in the median; None: most have none.

    Flat is what stays within 0.5 % of the largest current of the excursion over a tenth of its voltages and over 5 points.
    """
    tops = []
    for e in excursions:
        size, u = np.abs(i[e.rows]), np.abs(v[e.rows])
        top = float(size.max())
        flat = size >= (1 - FLAT) * top
        if int(flat.sum()) >= ENOUGH and top > 0 and float(np.ptp(u[flat])) >= 0.1 * float(u.max()):
            tops.append(top)
    return float(np.median(tops)) if tops and len(tops) >= 0.5 * _switching(excursions) else None


def _switching(excursions: list[Excursion]) -> int:
    """Return the number of excursions of the side with fewer of them: a compliance may be set for one side only."""
    sides = [sum(e.side == side for e in excursions) for side in (1, -1)]
    return min((n for n in sides if n), default=1)
