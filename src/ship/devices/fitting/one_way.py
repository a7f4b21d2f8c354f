"""Sweeps that go one way only: one state, hence no device; its slope, how straight it is, and the current at 0 V."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.errors import FitError
from ..reading.columns import Columns
from .figures import Panel, Series
from .iv_figures import LIMIT, scaled
from .iv_laws import LAWS, LEAST, MOST, RELEVANT, Branch, branch_of, fit_law, fitted, nearly_ohmic, noise_of
from .loops import Cut, offset_at_zero
from .report import Estimate, Found, rank
from .switching_voltages import median

Array = np.ndarray
STRAIGHT = 0.03  # of the current's range: what misses a line by less is a resistor
CURVED = 0.1  # of the current's range: what misses a line by more is none


def fit_one_way(
    columns: Columns, measured: tuple[Array, Array], found: Cut, source: str, sha256: str, settings: dict[str, Any]
) -> Found:
    """Report the slope ``I = I_0 + G V`` of each sweep, fit laws to the current less I_0, and say why there is no device.

    Raises:
        FitError: no voltage changes.
    """
    voltage, current = measured
    records = [rows for rows in found.records.values() if float(np.ptp(voltage[rows])) > 0]
    if not records:
        raise FitError(source, "the voltage must change within a sweep", got=f"{voltage[0]:g} V throughout")
    lines = np.array([np.polyfit(voltage[rows], current[rows], 1) for rows in records])
    misses = np.array(
        [
            np.std(current[rows] - np.polyval(line, voltage[rows])) / max(float(np.ptp(np.polyval(line, voltage[rows]))), 1e-300)
            for rows, line in zip(records, lines, strict=True)
        ]
    )
    slopes = lines[:, 0]
    summary = {"sweeps": Estimate(float(len(records)))}
    if any(device for device, _, _ in found.records):
        summary["devices"] = Estimate(float(len(found.names("device"))))
    summary["slope, median"] = median(slopes, "S")
    if len(slopes) >= 5:
        ends = np.percentile(slopes, [5, 95])
        summary |= {"slope, 5 %": Estimate(float(ends[0]), unit="S"), "slope, 95 %": Estimate(float(ends[1]), unit="S")}
    middle = float(np.median(slopes))
    if middle > 0:
        inverse = summary["slope, median"]
        summary["resistance, median"] = Estimate(
            1 / middle, 1 / inverse.high, 1 / inverse.low if inverse.low > 0 else np.inf, "ohm"
        )
    zeros = np.array([offset_at_zero(voltage[rows], current[rows]) for rows in records])
    if np.isfinite(zeros).any():
        summary["current at 0 V, median"] = median(zeros[np.isfinite(zeros)], "A")
    summary["offset of the line (I_0), median"] = median(lines[:, 1], "A")
    summary["miss of the line, median"] = median(100 * misses, "% of the current's range")
    straight = misses <= CURVED  # else the line's offset is no current of the sweep
    offsets = np.where(straight, lines[:, 1], np.where(np.isfinite(zeros), zeros, 0.0))
    branches = _branches(records, offsets, voltage, current)
    fits = {law.name: {"": fit_law(law, branches)} for law in LAWS} if branches else {}
    noise = noise_of(branches)
    order = rank([fitted(fit, noise) for fit in fits.values()], relevant=RELEVANT) if fits else ()
    notes = [
        *columns.notes,
        "the sweeps go one way: there is no way back at the same voltages, so they show one state only",
        "laws are of the current less the offset of each sweep's line (of the meter, or a charging current)"
        if straight.mean() > 0.5
        else "laws are of the current less that at 0 V, where it is known: the sweeps are no lines",
        *nearly_ohmic(order),
    ]
    if middle > 0 and float(np.median(misses)) <= STRAIGHT:
        notes.append(
            f"the current is a straight line within {float(np.median(misses)):.1%} of its range: a resistor, in the "
            f"median of {summary['resistance, median'].value:.4g} ohm"
        )
    zero, largest = float(np.median(lines[:, 1])), float(np.median([np.abs(voltage[rows]).max() for rows in records]))
    if middle > 0 and abs(zero) > 0.02 * middle * largest:
        notes.append(
            f"the offset of the line is {zero:.3g} A, as much as {abs(zero) / middle:.2g} V make: I/V is wrong by half and more "
            f"below {2 * abs(zero) / middle:.2g} V, the slope is not"
        )
    values: dict[str, Any] = {"sweeps": [", ".join(filter(None, key)) for key in found.records], "slope": slopes}
    values |= {"offset of the line": lines[:, 1], "current at 0 V": zeros}
    panels = _panels(records, lines, voltage, current)
    made = FitError(
        "fit: device",
        "needs two states, and these sweeps go one way: they show one",
        got=f"slope {summary['slope, median']}" + (f" ({summary['resistance, median']})" if middle > 0 else ""),
        fix="Sweep out and back at one polarity, as far as the device switches.",
    )
    settings = settings | {"points": len(voltage), "sweeps": len(records)}
    return Found("iv", source, sha256, order, "rms, of the local current", summary, notes, panels, settings, values, made)


def _branches(records: list[Array], offsets: Array, voltage: Array, current: Array) -> list[Branch]:
    """Return the medians of sweeps on the side where they reach further, some of the sweeps where there are many."""
    made = []
    for k in np.unique(np.linspace(0, len(records) - 1, min(len(records), MOST)).astype(int)):
        v, i = voltage[records[k]], current[records[k]] - offsets[k]
        side = 1 if float(v.max()) >= -float(v.min()) else -1
        inside = side * v > 0.02 * float(np.abs(v).max())
        if int(inside.sum()) >= LEAST:
            made.append(branch_of(side * v[inside], side * i[inside]))
    return [b for b in made if len(b.v) >= LEAST]


def _panels(records: list[Array], lines: Array, voltage: Array, current: Array) -> list[Panel]:
    """Plot all sweeps, or their band where there are many, and the median line."""
    size, unit = scaled(current, "A")
    if len(records) <= LIMIT:
        series = [
            Series(voltage[rows], current[rows] * size, "measured" if k == 0 else "", "points") for k, rows in enumerate(records)
        ]
    else:
        at = np.linspace(
            max(float(voltage[rows].min()) for rows in records), min(float(voltage[rows].max()) for rows in records), 60
        )
        curves = []
        for rows in records:
            order = rows[np.argsort(voltage[rows], kind="stable")]
            curves.append(np.interp(at, voltage[order], current[order]) * size)
        low, middle, high = np.percentile(curves, [5, 50, 95], axis=0)
        series = [
            Series(at, low, f"5 to 95 % of {len(records)} sweeps", "band", 0, high),
            Series(at, middle, "median", "solid", 0),
        ]
    ends = np.array([float(voltage.min()), float(voltage.max())])
    slope, zero = np.median(lines, axis=0)
    series.append(Series(ends, (zero + slope * ends) * size, "median line", "dashed", 2))
    return [Panel("voltage (V)", f"current ({unit})", tuple(series), "one way only")]
