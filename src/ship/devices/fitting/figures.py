"""The figure of a fit: axes one under the other, drawn from the panels that each kind of measurement prepared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#444444", "#2166ac", "#d95f02", "#1b9e77", "#984ea3", "#a6761d", "#e7298a", "#66a61e")
DASHES = ("-", "--", "-.", ":")


class Series(NamedTuple):
    """A line, a set of points or a band in a figure."""

    x: np.ndarray
    y: np.ndarray  # of a band: its lower edge
    label: str = ""
    style: str = "line"  # line (each its own dashes), solid, dashed, points, band
    colour: int = 0
    high: np.ndarray | None = None  # of a band: its upper edge


class Panel(NamedTuple):
    """The axes of a figure with their series."""

    x: str
    y: str
    series: tuple[Series, ...]
    title: str = ""
    log_x: bool = False
    log_y: bool = False
    height: float = 1.0


def draw(panels: Sequence[Panel], title: str) -> Figure:
    """Draw all panels, one under the other."""
    from ...base.display.picture import Picture

    heights = [panel.height for panel in panels]
    figure = Picture(figsize=(8.4, 0.8 + 2.9 * sum(heights)), layout="constrained", dpi=120)
    figure.suptitle(title, fontsize=10)
    rows = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, panel in zip(rows, panels, strict=True):
        models = 0
        for series in panel.series:
            colour = COLOURS[series.colour % len(COLOURS)]
            if series.style == "band":
                axes.fill_between(series.x, series.y, series.high, color=colour, alpha=0.25, lw=0, label=series.label, zorder=0)
                continue
            if series.style == "points":
                small = len(series.x) > 200
                axes.plot(
                    series.x,
                    series.y,
                    ".",
                    ms=2.5 if small else 5,
                    alpha=0.45 if small else 0.9,
                    color=colour,
                    label=series.label,
                    zorder=1,
                )
                continue
            style = DASHES[models % len(DASHES)] if series.style == "line" else {"dashed": "--", "solid": "-"}[series.style]
            models += series.style == "line" and bool(series.label)
            axes.plot(series.x, series.y, style, lw=1.4, color=colour, label=series.label, zorder=2)
        axes.set(xlabel=panel.x, ylabel=panel.y)
        axes.set_title(panel.title, fontsize=9)
        if panel.log_x:
            axes.set_xscale("log")
        if panel.log_y:
            axes.set_yscale("log")
        labelled = [s.label for s in panel.series if s.label]
        if labelled:  # beside the axes: never over the data
            axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
        axes.grid(alpha=0.25)
    return figure
