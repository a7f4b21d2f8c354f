"""Maps of states: one conductance for each cell of an array, as populations of states, yield, spread and course over the die.

Where a column says which state a cell was written to, each state is described by its own cells; else the states are the
populations of a mixture of log-normal parts (`mixtures`), parted by valleys, and cells that belong to none are outside.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...base.errors import FitError
from ...base.statistics import wilson
from .. import Device
from ..reading.columns import Columns
from ..reading.spelling import argument
from . import to_device
from .components import Components
from .figures import Panel, Series
from .mixtures import VALLEY, Mixture, mixtures
from .report import Estimate, Fitted, Found, outcome
from .switching_voltages import median

Array = np.ndarray
LEAST = 20  # cells
FAR = 5.0  # robust standard deviations of ln G from which on a cell of a written state is outside


class State(NamedTuple):
    """A state of the array: its name, and which cells have it."""

    name: str
    cells: Array


def fit_states(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Find the states of a map of conductances, how many cells are outside, and how each is spread."""
    g = np.asarray(columns["conductance"], dtype=float)
    if len(g) < LEAST:
        raise FitError(source, f"a map needs at least {LEAST} cells", got=str(len(g)), fix="Give all cells of the array.")
    dark = g <= 0
    if float(dark.mean()) > 0.5:
        raise FitError(f"{source}: conductance", "must be above 0 S in most cells", got=f"{int(dark.sum())} of {len(g)} are not")
    notes = list(columns.notes)
    if dark.any():
        notes.append(f"{int(dark.sum())} cells have no conductance above 0 S: they count as outside of all states")
    y = np.log(np.where(dark, 1.0, g))
    if "state" in columns:
        states, mixed = _written(columns["state"], y, dark), None
        ranking: list[Fitted] = []
        notes.append("states are those that the file says the cells were written to")
    else:
        states, ranking, mixed = _found(y, dark)
        notes.append(
            "states are the populations of a mixture of log-normal parts (their number by BIC), parted by valleys of the density "
            f"below {VALLEY:g} of the lower peak beside them; whether cells of different populations were written differently is "
            "not in the file"
        )
    inside = np.concatenate([s.cells for s in states])
    found = wilson(len(inside), len(g))
    summary = {"cells": Estimate(float(len(g))), "median": median(g[~dark], "S"), "states": Estimate(float(len(states)))}
    summary["cells outside"] = Estimate(float(len(g) - len(inside)))
    summary["yield"] = Estimate(100 * found.value, 100 * found.low, 100 * found.high, "%")
    scatter: dict[str, Components] = {}
    for state in states:
        part = _spread(y[state.cells])
        scatter[state.name] = part
        summary[f"{state.name}, median"] = part.centre
        summary[f"{state.name}, cells"] = Estimate(float(len(state.cells)))
        if part.d2d is not None:
            summary[f"ln {state.name}, spread of cells"] = part.d2d
    for low, high in itertools.pairwise(states):
        summary[f"overlap of {low.name} and {high.name}"] = _overlap(y[low.cells], y[high.cells])
    if "address" in columns and len(set(columns["address"])) < len(g):
        notes.append("some addresses occur more than once: each row counts as a cell")
    notes += _course(columns, y, states, summary)
    values = {
        "states": [s.name for s in states],
        "ln G": {s.name: [float(y[s.cells].mean()), float(y[s.cells].std())] for s in states},
    }
    settings = settings | {"points": len(g), "states": len(states)}
    panels = _panels(y[~dark], states, y, mixed)
    proof = to_device.evidence(columns, source, sha256)
    made = outcome(lambda: _device(proof, states, scatter))
    scale = "Kolmogorov-Smirnov distance"
    return Found("map", source, sha256, tuple(ranking), scale, summary, notes, panels, settings, values, made)


def _written(labels: Sequence[str], y: Array, dark: Array) -> list[State]:
    """Return the states that cells were written to, from the lowest to the highest, without cells far from their state."""
    names, made = np.asarray(labels, dtype=str), []
    for name in dict.fromkeys(names.tolist()):
        cells = np.flatnonzero((names == name) & ~dark)
        if not len(cells):
            continue
        left = np.abs(y[cells] - np.median(y[cells]))
        made.append(State(f"state {name}", cells[left <= FAR * max(1.4826 * float(np.median(left)), 1e-12)]))
    return sorted(made, key=lambda s: float(np.median(y[s.cells])))


def _found(y: Array, dark: Array) -> tuple[list[State], list[Fitted], Mixture]:
    """Return the populations as states, and the mixtures with each number of populations for the ranking."""
    alive = np.flatnonzero(~dark)
    if float(np.ptp(y[alive])) == 0:
        raise FitError("fit: conductance", "must vary from cell to cell", got=f"a constant {math.exp(float(y[alive][0])):.4g} S")
    all_of_them = mixtures(y[alive])
    chosen = min(all_of_them, key=lambda m: m.bic)
    members = chosen.members(y[alive])
    count = int(members.max()) + 1
    states = [State(f"state {k + 1}", alive[members == k]) for k in range(count)]
    ranking = []
    for m in all_of_them:
        parts = len(m.mean)
        parameters = {}
        for k in range(parts):
            error = float(m.width[k]) / math.sqrt(max(float(m.weight[k]) * len(alive), 1.0))
            middle, *ends = (math.exp(float(m.mean[k]) + z * error) for z in (0.0, -1.96, 1.96))
            parameters[f"median {k + 1}"] = Estimate(middle, ends[0], ends[1], "S")
            parameters[f"sigma of ln {k + 1}"] = Estimate(float(m.width[k]))
            parameters[f"share {k + 1}"] = Estimate(float(m.weight[k]))
        parameters["share outside"] = Estimate(float(m.weight[-1]))
        distance = m.distance(y[alive])
        text = f"is less likely (BIC +{m.bic - chosen.bic:.0f})"
        if m is chosen:
            text = f"fits within {distance:.1%}: {count} population{'s' * (count != 1)} between valleys"
        name = f"{parts} part{'s' * (parts > 1)}"
        ranking.append(Fitted(name, parameters, distance, m.bic, 3 * parts, text, m is chosen))
    return states, sorted(ranking, key=lambda f: (not f.fits, f.criterion)), chosen


def _spread(y: Array) -> Components:
    """Return median and spread of the cells of a state: chi-square interval of the standard deviation of ln G."""
    from scipy.stats import chi2

    n = len(y)
    middle = median(np.exp(y), "S")
    if n < 3:
        return Components(middle, None, None, True, n)
    size = float(y.std(ddof=1))
    low, high = (size * math.sqrt((n - 1) / float(chi2.ppf(q, n - 1))) for q in (0.975, 0.025))
    return Components(middle, Estimate(size, low, high), None, True, n)


def _overlap(low: Array, high: Array) -> Estimate:
    """Return the share of cells (%) on the wrong side of the threshold that parts two states best."""
    at = np.concatenate([low, high])
    above = 1 - np.searchsorted(np.sort(low), at, "right") / len(low)
    below = np.searchsorted(np.sort(high), at, "right") / len(high)
    return Estimate(50 * float((above + below).min()), unit="%")


def _course(columns: Columns, y: Array, states: Sequence[State], summary: dict[str, Estimate]) -> list[str]:
    """Report how ln G runs over rows and columns within the states, in % from one end to the other."""
    notes = []
    centred = np.full(len(y), np.nan)
    for state in states:
        centred[state.cells] = y[state.cells] - np.median(y[state.cells])
    inside = np.isfinite(centred)
    for axis in ("row", "column"):
        if axis not in columns:
            continue
        x = np.asarray(columns[axis], dtype=float)[inside]
        if len(np.unique(x)) < 3:
            continue
        z = (x - x.min()) / (x.max() - x.min())
        slope, error = _line(z, centred[inside])
        value, *ends = (100 * math.expm1(slope + f * error) for f in (0.0, -1.96, 1.96))
        found = Estimate(value, ends[0], ends[1], "%")
        summary[f"change from the first to the last {axis}"] = found
        if max(abs(found.low), abs(found.high)) <= 10:
            notes.append(f"no course over the {axis}s within 10 %")
        elif found.low > 0 or found.high < 0:
            notes.append(
                f"conductances change by {found.value:.0f} % from the first to the last {axis}: the spread has this in it"
            )
    return notes


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Return the slope of a line and its standard error; outliers are drawn in to three robust standard deviations."""
    cut = 3 * 1.4826 * float(np.median(np.abs(y)))
    tame = np.clip(y, -cut, cut) if cut > 0 else y
    u = x - x.mean()
    slope = float(u @ tame) / float(u @ u)
    left = tame - tame.mean() - slope * u
    return slope, float(np.sqrt(left @ left / max(len(x) - 2, 1) / (u @ u)))


def _panels(alive: Array, states: Sequence[State], y: Array, mixed: Mixture | None) -> list[Panel]:
    """Plot the histogram of ln G with the mixture, and the cumulative distribution of each state."""
    edges = np.linspace(float(alive.min()), float(alive.max()), min(80, max(10, len(alive) // 10)) + 1)
    counts, _ = np.histogram(alive, edges)
    middle = (edges[1:] + edges[:-1]) / 2
    zero = np.zeros(len(middle))
    series = [Series(np.exp(middle) * 1e6, zero, "cells", "band", 0, counts.astype(float))]
    if mixed is not None:
        at = np.linspace(edges[0], edges[-1], 300)
        parts = mixed.parts(at, (float(alive.min()), float(alive.max()))) * len(alive) * (edges[1] - edges[0])
        series += [Series(np.exp(at) * 1e6, p, f"part {k + 1}", "solid", k + 1) for k, p in enumerate(parts[:-1])]
    curves = []
    for k, state in enumerate(states):
        x = np.sort(y[state.cells])
        curves.append(Series(np.exp(x) * 1e6, 100 * (np.arange(len(x)) + 0.5) / max(len(x), 1), state.name, "points", k + 1))
    return [
        Panel("conductance (uS)", "cells in a bin", tuple(series), log_x=True),
        Panel("conductance (uS)", "share of the cells\nof a state (%)", tuple(curves), log_x=True, height=0.8),
    ]


def _device(proof: to_device.Evidence, states: Sequence[State], scatter: dict[str, Components]) -> Device:
    """Return the device with the window from the lowest to the highest state, and their spread over the cells."""
    if len(states) < 2:
        raise FitError(
            "fit: device",
            "needs two states, and the map shows one population",
            got=f"median {scatter[states[0].name].centre}" if states else "none",
            fix=f"Give maps of both states, with a column {argument('columns', {'state': 'HEADER'})} that says which.",
        )
    low, high = scatter[states[0].name], scatter[states[-1].name]
    if not low.centre.value < high.centre.value:
        raise FitError("fit: device", "needs two states of different conductance", got=f"{low.centre} and {high.centre}")
    told = "" if len(states) == 2 else f", the lowest and the highest of {len(states)} states"
    remarks = dict.fromkeys(("g_min", "g_max"), f"median of the cells{told}")
    remarks["programming"] = (
        "writes to one of two states, with the log-normal spread of cells: one write of each cell does not tell the spread from "
        "device to device from that of a write"
    )
    return to_device.two_states(proof, to_device.States(low, high), {}, remarks, "cells")
