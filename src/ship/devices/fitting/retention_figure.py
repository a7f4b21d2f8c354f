"""The figure of retention: curves with the best laws over relative time; of many curves, bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .figures import Panel, Series
from .trend import TrendFit
from .trend_result import MANY, Labels

Array = np.ndarray
Curves = Mapping[str, tuple[Array, Array]]
GRID = 60  # times of a band


def panels(curves: Curves, labels: Labels, fits: Mapping[str, TrendFit], order: Sequence[str], log: bool) -> list[Panel]:
    """Return the panel of the data with the two best laws, and that of the residuals."""
    first = min(float(x.min()) for x, _ in curves.values())
    last = max(float(x.max()) for x, _ in curves.values())
    high, low = (f([f(y) for _, y in curves.values()]) for f in (max, min))
    made = _bands(curves, labels, fits, order) if len(curves) > MANY else _lines(curves, fits, order)
    made[1].append(Series(np.array([first, last]), np.zeros(2)))
    log_x, kind = last > 30 * first, "% of ln G" if log else "% of the mean"
    return [
        Panel("time (s)", "conductance (uS)", tuple(made[0]), log_x=log_x, log_y=high > 10 * low, height=1.2),
        Panel("time (s)", f"residual\n({kind})", tuple(made[1]), log_x=log_x, height=0.7),
    ]


def _lines(curves: Curves, fits: Mapping[str, TrendFit], order: Sequence[str]) -> tuple[list[Series], list[Series]]:
    data, left = [], []
    for c, (label, (x, y)) in enumerate(curves.items()):
        data.append(Series(x, y * 1e6, f"measured{' (one colour each curve)' if label else ''}" if c == 0 else "", "points", c))
    for c, (x, _) in enumerate(curves.values()):
        for i, name in enumerate(order[:2]):
            style = "line" if i == 0 else "dashed"
            dark = c if len(curves) > 1 else 2 - i
            data.append(Series(x, fits[name].model[c] * 1e6, name if c == 0 else "", style, dark))
        left.append(Series(x, 100 * fits[order[0]].residual[c], order[0] if c == 0 else "", "points", c))
    return data, left


def _bands(
    curves: Curves, labels: Labels, fits: Mapping[str, TrendFit], order: Sequence[str]
) -> tuple[list[Series], list[Series]]:
    """Return for each level the median and the middle 90 % of its curves, on times that all of them reach."""
    data, left, places = [], [], list(curves.values())
    for k, level in enumerate(dict.fromkeys(labels.level)):
        index = [i for i, name in enumerate(labels.level) if name == level]
        start, end = max(places[i][0][0] for i in index), min(places[i][0][-1] for i in index)
        grid = np.geomspace(start, end, GRID) if end > start else np.array([start])

        def on_grid(values: Sequence[Array], index: Sequence[int] = index, grid: Array = grid) -> Array:
            return np.array([np.interp(grid, places[i][0], values[i]) for i in index])

        measured = on_grid([y for _, y in places]) * 1e6
        low, middle, high = np.percentile(measured, [5, 50, 95], axis=0)
        text = f"{level}: " if level else ""
        data.append(Series(grid, low, f"{text}5 to 95 % of {len(index)} curves", "band", k, high))
        data.append(Series(grid, middle, f"{text}median", "solid", k))
        law = np.percentile(on_grid(fits[order[0]].model) * 1e6, [50], axis=0)[0]
        data.append(Series(grid, law, f"{text}{order[0]}, median", "dashed", k))
        low, middle, high = np.percentile(100 * on_grid(fits[order[0]].residual), [5, 50, 95], axis=0)
        left += [Series(grid, low, f"{text}5 to 95 %", "band", k, high), Series(grid, middle, f"{text}median", "solid", k)]
    return data, left
