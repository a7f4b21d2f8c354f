"""The figure of endurance: both states over cycles with the best law, and their ratio; of many rows, bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .figures import Panel, Series
from .trend import TrendFit

Array = np.ndarray
Rows = tuple[Array, Array]
MANY = 400  # rows from which on bands are drawn
BINS = 40  # of a band


def panels(
    devices: Sequence[tuple[Rows, Rows, Array, Rows]], curves: Mapping[str, Rows], fits: Mapping[str, TrendFit], law: str
) -> list[Panel]:
    """Return the panel of both states, that of their ratio, and that of the residuals of the law that is drawn."""
    fit = fits[law]
    series, left = [], []
    for k, state in enumerate(("on", "off")):
        x, g = (np.concatenate([d[k][i] for d in devices]) for i in (0, 1))
        series += spread(x, g * 1e6, f"{state}, measured", k + 1)
        for c in range(k, len(curves), 2):
            at = np.geomspace(fit.x0, fit.last[c], 100)
            series.append(Series(at, fit.at(c, at) * 1e6, f"{state}, {law}" if c == k else "", ("solid", "dashed")[k], k + 3))
            own = list(curves.values())[c]
            rest = 100 * (np.log(own[1]) - np.log(fit.at(c, own[0])))
            left.append(Series(own[0], rest, state if c == k else "", "points", k + 1))
    x = np.concatenate([d[2] for d in devices])
    ratio = np.concatenate([d[3][0] / d[3][1] for d in devices])
    made = [Panel("cycle", "conductance (uS)", tuple(series), log_x=True, log_y=True, height=1.2)]
    if len(x):
        ends = np.array([x.min(), x.max()])
        closed = Series(ends, np.full(2, 2.0), "2: closed", "dashed", 0)
        made.append(Panel("cycle", "on / off", (*spread(x, ratio, "measured", 6), closed), log_x=True, log_y=True, height=0.8))
    made.append(Panel("cycle", f"residual of\n{law} (% of ln G)", tuple(left), log_x=True, height=0.7))
    return made


def spread(x: Array, y: Array, label: str, colour: int) -> list[Series]:
    """Return points, or where there are many the median and the middle 90 % of bins of x, even in its logarithm."""
    if len(x) < MANY:
        return [Series(x, y, label, "points", colour)]
    edges = np.geomspace(x.min(), x.max() * (1 + 1e-9), BINS + 1)
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, BINS - 1)
    used = [b for b in range(BINS) if (place == b).sum() >= 5]
    at = np.array([np.exp(np.log(x[place == b]).mean()) for b in used])
    low, middle, high = np.array([np.percentile(y[place == b], [5, 50, 95]) for b in used]).T
    return [
        Series(at, low, f"{label}, 5 to 95 %", "band", colour, high),
        Series(at, middle, f"{label}, median", "solid", colour),
    ]
