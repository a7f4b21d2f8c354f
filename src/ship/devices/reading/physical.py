"""From what was measured to what is wanted: conductances of currents and resistances, a series resistance taken off, clocks.

A conductance is ``G = I / V`` where a current was measured at a read voltage, or ``G = 1 / R``. A series resistance ``R_s`` of
lines or of the instrument is taken off: ``V - I R_s`` in a sweep, ``1 / (1 / G - R_s)`` where a conductance was measured.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from ...base.errors import FitError
from .spelling import argument

CLOCK = 1e9  # s since 1970 (September 2001): no time within a measurement is as long as these 31 years
FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M")


def of_resistance(where: str, values: np.ndarray) -> np.ndarray:
    """Return the conductances of resistances.

    Raises:
        FitError: a resistance that is not above 0.
    """
    if not (values > 0).all():
        raise FitError(where, "a resistance must be above 0 ohm", got=f"{values.min():g}")
    with np.errstate(over="ignore"):
        return 1 / values


def of_current(where: str, values: np.ndarray, v_read: np.ndarray | float | None) -> tuple[np.ndarray, str]:
    """Return the conductances of currents at a read voltage (V), and how they were made.

    Instruments often write the magnitude of a current: where all of them have the other sign than the voltage, the signs are
    left out; single currents of the wrong sign are noise around zero, and stay.

    Raises:
        FitError: no read voltage, or one of 0 V.
    """
    if v_read is None:
        fix = f"Say at which voltage (V) it was read: {argument('v_read')}, or {argument('columns', {'v_read': 'HEADER'})}."
        raise FitError(where, "is a current, no conductance", fix=fix)
    volts = np.asarray(v_read, dtype=np.float64)
    if not (volts != 0).all():
        raise FitError(where, "was read at 0 V, where a current says nothing of the conductance", fix="Leave these rows out.")
    low, high = float(volts.min()), float(volts.max())
    at = f"{low:g} V" if low == high else f"{low:g} to {high:g} V"
    with np.errstate(over="ignore"):
        found = values / volts
        if len(found) and (found <= 0).all():
            return -found, f"currents read at {at} were turned into conductances, without their signs"
    return found, f"currents read at {at} were turned into conductances"


def without_series(where: str, values: np.ndarray, rows: list[str], resistance: float) -> np.ndarray:
    """Return conductances without a resistance in series with them.

    Raises:
        FitError: the whole is not above the resistance in series.
    """
    if (bad := np.flatnonzero(values * resistance >= 1)).size:
        first = int(bad[0])
        raise FitError(
            f"{where}, {rows[first]}",
            f"must have a resistance above that in series, {resistance:g} ohm",
            got=f"{1 / values[first]:g} ohm ({bad.size} such rows)",
            fix=f"Give a smaller {argument('series_resistance')}.",
        )
    return values / (1 - values * resistance)


def seconds(where: str, cells: Any) -> np.ndarray | None:
    """Return dates and times of day as seconds since 1970, UTC where no zone is said; None: the first cell is no date.

    Raises:
        FitError: a later cell is no date of that form.
    """
    first = next((str(c) for c in cells), "")
    if _date(first) is None:
        return None
    found = [_date(str(cell)) for cell in cells]
    if None in found:
        raise FitError(where, "must be a date and time in each row", got=repr(str(cells[found.index(None)])[:60]))
    return np.array(found, dtype=np.float64)


def are_of_a_clock(where: str, times: np.ndarray, rows: list[str]) -> bool:
    """Return whether times (s) are counted from 1970, and not from some beginning of the measurement.

    Raises:
        FitError: most of them are, and some are not.
    """
    absolute = times > CLOCK
    if 2 * int(absolute.sum()) > len(times) and not absolute.all():
        k = int(np.flatnonzero(~absolute)[0])
        count = int((~absolute).sum())
        got = f"{times[k]:g} s ({count} such row{'s' if count > 1 else ''}) among times near {np.median(times):g} s"
        raise FitError(f"{where}, {rows[k]}", "must be of one clock", got=got, fix="Correct the row, or leave it out.")
    return bool(absolute.all())


def since_first(times: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Return times since the first of each group (``[row]`` indices)."""
    relative = times.copy()
    for index in groups:
        relative[index] -= times[index].min()
    return relative


def _date(text: str) -> float | None:
    text = text.strip()
    if not (text[:1].isdigit() and any(sign in text for sign in "-/.") and ":" in text):
        return None
    found = None
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        for form in FORMATS:
            try:
                found = datetime.datetime.strptime(text, form)
                break
            except ValueError:
                continue
    if found is None:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)).timestamp()
