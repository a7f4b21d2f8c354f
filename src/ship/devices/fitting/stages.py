"""Retention at two times only, before and after a bake: what each cell kept, as a distribution of ratios.

The logarithm of the ratio after / before is a mixture of one to three normal populations: cells that hold and cells that lose.
Two times tell no law: where both are known, the exponent of a power law through them is what an assumed law gives.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...base.errors import FitError
from ...base.statistics import wilson
from .. import PowerTrend
from ..reading.columns import Columns
from ..reading.spelling import argument
from . import to_device
from .figures import Panel, Series
from .mixtures import Mixture, mixture
from .report import Estimate, Fitted, Found, rank
from .solve import interval
from .trend_parts import varied
from .trend_result import median_ends

Array = np.ndarray
MOST = 3  # populations
LEAST = 10  # cells of a population
CLOSE = 0.05  # distance of distributions up to which a mixture fits
KEPT = (0.8, 1.25)  # a cell within this ratio holds
THINNEST = 1e-3  # width of a population, of the standard deviation of all: cells that hold lie close together
DRAWS = 100  # replicates of a mixture at most


class Stages(NamedTuple):
    """The two stages of each cell: conductances (S), the names of both, and the time of each (s; None: not known)."""

    before: Array
    after: Array
    names: tuple[str, str]
    times: tuple[float, float] | None
    cells: list[str]


def fit_stages(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Compare what each cell had before and after."""
    notes = list(columns.notes)
    stages = _stages(columns, source, notes)
    y = np.log(stages.after / stages.before)
    rng = np.random.default_rng(settings["seed"])
    ranking, mixtures = _populations(y, min(int(settings["replicates"]), DRAWS), rng)
    summary = _summary(stages, y)
    if len(y) < 2 * LEAST:
        notes.append(f"too few cells ({len(y)}) for a distribution of what they keep")
    measured, remarks = _measured(stages, y, notes)
    window = "the window of the device is not measured" if measured else "the times of the stages are not known"
    made = FitError(
        f"fit of {source}",
        f"two stages tell no law of retention, and {window}",
        fix=f"Give the times, {argument('columns', {'time': 'HEADER'})}, and more than two of them."
        if not measured
        else "Measure at more than two times; the exponent of an assumed power law is in Found.measured.",
    )
    to_device.add_read_voltage(columns, settings, measured, remarks)
    settings = settings | {"points": 2 * len(y), "cells": len(y)}
    tables = {name: {"share, mean of ln, sigma of ln": _rows(made)} for name, made in mixtures.items()}
    values = {"populations": tables, "stages": list(stages.names)}
    scale = "distance of distributions (Kolmogorov-Smirnov)"
    panels = _panels(stages, y, mixtures, ranking)
    return Found("retention", source, sha256, ranking, scale, summary, notes, panels, settings, values, made, measured, remarks)


def _stages(columns: Columns, source: str, notes: list[str]) -> Stages:
    """Match the cells of the first and the last stage by their labels; without labels by their order."""
    g = np.asarray(columns["conductance"], dtype=float)
    if not (g > 0).all():
        row = columns.rows[int(np.flatnonzero(g <= 0)[0])]
        raise FitError(f"{source}: {row}, conductance", "must be above 0 S, for a ratio", got=f"{g.min():g}")
    times: tuple[float, float] | None = None
    if "stage" in columns:
        labels = [str(v) for v in columns["stage"]]
        order = list(dict.fromkeys(labels))
        if len(order) < 2:
            raise FitError(f"{source}: stage", "needs two stages, before and after", got=repr(order[0]))
        if len(order) > 2:
            notes.append(f"{len(order)} stages: the last one is compared with the first one")
        names = (order[0], order[-1])
    else:
        known = np.unique(columns["time"])
        labels, names = [f"{t:g} s" for t in columns["time"]], (f"{known[0]:g} s", f"{known[-1]:g} s")
        times = (float(known[0]), float(known[-1]))
    roles = [columns[r] for r in ("level", "device", "cycle") if r in columns]
    index = {name: [i for i, label in enumerate(labels) if label == name] for name in names}
    if roles:
        cells = [", ".join(map(str, key)) for key in zip(*roles, strict=True)]
        found = [_by_cell(g, cells, index[name]) for name in names]
        both = [cell for cell in found[0] if cell in found[1]]
        if lost := len(found[0].keys() ^ found[1].keys()):
            notes.append(f"{lost} cells are in one stage only, and were left out")
        if not both:
            raise FitError(source, "no cell is in both stages", got=f"{len(found[0])} before, {len(found[1])} after")
        before, after = (np.array([f[cell] for cell in both]) for f in found)
        return Stages(before, after, names, times, both)
    if len(index[names[0]]) != len(index[names[1]]):
        raise FitError(
            source,
            "both stages need the same cells",
            got=f"{len(index[names[0]])} before, {len(index[names[1]])} after",
            fix=f"Name the column that says which cell a row is: {argument('columns', {'device': 'HEADER'})}.",
        )
    before, after = (g[index[name]] for name in names)
    if len(before) > 1:
        notes.append("no labels of cells: both stages are taken to list them in the same order")
    return Stages(before, after, names, times, [str(k) for k in range(len(before))])


def _by_cell(g: Array, cells: list[str], index: list[int]) -> dict[str, float]:
    """Return the geometric mean of the reads of each cell."""
    reads: dict[str, list[float]] = {}
    for i in index:
        reads.setdefault(cells[i], []).append(math.log(g[i]))
    return {cell: math.exp(sum(values) / len(values)) for cell, values in reads.items()}


def _summary(stages: Stages, y: Array) -> dict[str, Estimate]:
    from scipy import stats

    made = {"cells": Estimate(float(len(y)))}
    for name, g in zip(stages.names, (stages.before, stages.after), strict=True):
        made[f"median, {name}"] = Estimate(float(np.median(g)), *median_ends(g), "S")
        ends = median_ends(1 / g)
        made[f"median resistance, {name}"] = Estimate(float(np.median(1 / g)), *ends, "ohm")
    made["ratio, median"] = _ratio(y, "of the conductance before")
    if len(y) < 2 * LEAST:
        return made
    low, high = np.exp(np.percentile(y, [5, 95]))
    made |= {"ratio, 5 % of cells below": Estimate(float(low)), "ratio, 95 % of cells below": Estimate(float(high))}
    held = (y >= math.log(KEPT[0])) & (y <= math.log(KEPT[1]))
    made[f"cells that hold ({KEPT[0]:g} to {KEPT[1]:g})"] = wilson(int(held.sum()), len(y))
    made["cells that lose more than half"] = wilson(int((y < math.log(0.5)).sum()), len(y))
    rho = float(stats.spearmanr(stages.before, y).statistic)
    half = 1.96 * math.sqrt((1 + rho * rho / 2) / (len(y) - 3))  # Bonett & Wright, Psychometrika 65:23 (2000)
    ends = (math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)) if abs(rho) < 1 else (rho, rho)
    made["rank correlation of the first level with the ratio"] = Estimate(rho, *ends)
    order = np.array_split(np.argsort(stages.before, kind="stable"), 4)
    for text, index in (("lowest", order[0]), ("highest", order[-1])):
        made[f"ratio, median of the quarter that began {text}"] = _ratio(y[index])
    return made


def _ratio(y: Array, unit: str = "") -> Estimate:
    low, high = median_ends(y)
    return Estimate(math.exp(float(np.median(y))), math.exp(low), math.exp(high), unit)


def _populations(y: Array, replicates: int, rng: np.random.Generator) -> tuple[tuple[Fitted, ...], dict[str, Mixture]]:
    """Rank mixtures of one to three populations; their intervals are from cells drawn again."""
    found, tables = [], {}
    for k in range(1, MOST + 1):
        if len(y) < 2 * LEAST * k:
            break
        made = mixture(y, k, background=0.0, thinnest=THINNEST)
        if float(made.weight[:-1].min()) * len(y) < LEAST and k > 1:
            break
        name = ("one population", "two populations", "three populations")[k - 1]
        drawn = [y[rng.integers(0, len(y), len(y))] for _ in range(replicates)]
        again = np.stack([_rows(mixture(x, k, background=0.0, start=made, thinnest=THINNEST)) for x in drawn])
        parameters: dict[str, Estimate] = {}
        for j, (share, mean, sigma) in enumerate(_rows(made)):
            own = f" {j + 1}" if k > 1 else ""
            if k > 1:
                parameters[f"share{own}"] = Estimate(float(share), *interval(again[:, j, 0]))
            ends = interval(np.exp(again[:, j, 1]))
            parameters[f"ratio{own}"] = Estimate(float(np.exp(mean)), *ends, "of the conductance before")
            parameters[f"sigma of ln{own}"] = Estimate(float(sigma), *interval(again[:, j, 2]))
        n, free, distance = len(y), 3 * k - 1, made.distance(y)
        criterion = -2 * made.likelihood + 2 * free + 2 * free * (free + 1) / (n - free - 1)
        allowed = CLOSE + 0.9 / math.sqrt(n)  # what n values of the distribution itself are away (Lilliefors, 5 %)
        fits = distance <= allowed
        text = "fits" if fits else f"its distribution is {distance:.1%} away"
        found.append(Fitted(name, parameters, distance, criterion, free, text, fits))
        tables[name] = made
    return rank(found), tables


def _rows(made: Mixture) -> Array:
    """Return a row of (share, mean of ln, sigma of ln) for each population."""
    return np.stack([made.weight[:-1], made.mean, made.width], axis=1)


def _measured(stages: Stages, y: Array, notes: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the exponent of an assumed power law where both times are known and above 0 s."""
    if stages.times is None:
        notes.append("the times of the stages are not known: a ratio is no law of time")
        return {}, {}
    first, last = stages.times
    if first <= 0:
        notes.append("the time from the write to the first read is not known (0 s): a ratio is no law of time")
        return {}, {}
    nu = -y / math.log(last / first)
    middle = float(np.median(nu))
    spread = 1.4826 * float(np.median(np.abs(nu - middle))) if len(nu) >= LEAST else 0.0
    text = f"a power law through {first:g} s and {last:g} s is assumed: two times tell no law"
    notes.append(f"{text}; its exponent is {middle:.3g}, robust spread {spread:.3g}")
    return {"retention": PowerTrend(nu=varied(middle, spread), t0=first)}, {"retention": text}


def _panels(stages: Stages, y: Array, mixtures: dict[str, Mixture], ranking: tuple[Fitted, ...]) -> list[Panel]:
    order = np.sort(y)
    steps = 100 * (np.arange(len(y)) + 0.5) / len(y)
    ratios = [Series(np.exp(order), steps, "measured", "points", 1)]
    for i, fitted in enumerate(ranking[:2]):
        grid = np.linspace(order[0], order[-1], 300)
        model = 100 * mixtures[fitted.name].below(grid, (float(order[0]), float(order[-1])))
        ratios.append(Series(np.exp(grid), model, fitted.name, "solid" if i == 0 else "dashed", 2 + i))
    limits = np.array([min(stages.before.min(), stages.after.min()), max(stages.before.max(), stages.after.max())]) * 1e6
    cells = [
        Series(stages.before * 1e6, stages.after * 1e6, "cells", "points", 1),
        Series(limits, limits, "unchanged", "solid", 0),
    ]
    before, after = stages.names
    return [
        Panel(f"conductance, {before} (uS)", f"conductance, {after} (uS)", tuple(cells), log_x=True, log_y=True, height=1.2),
        Panel(f"ratio {after} / {before}", "cells below (%)", tuple(ratios), log_x=True),
    ]
