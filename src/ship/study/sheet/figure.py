"""The curve of an axis as a figure: accuracy against the value, what is required, and where the device stands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...base.statistics import Interval

if TYPE_CHECKING:
    from .sheet import Axis, Sheet


def drawn(sheet: Sheet, axis: Axis) -> Any:
    """Return a Matplotlib figure of an axis; fractions are in percent.

    Args:
        sheet: the sheet, for its target and the name of the device.
        axis: an axis of it that has a curve.
    """
    from ... import plot

    factor = 100 if axis.unit == "%" else 1
    points = [_ends(point.accuracy) for point in axis.curve]
    lines = {f"floating point, {sheet.baseline.value:.1%}": sheet.baseline.value, f"allowed, {sheet.target:.1%}": sheet.target}
    label = f"{axis.title} ({axis.unit})" if axis.unit else axis.title
    x = [factor * point.value for point in axis.curve]
    figure = plot.accuracy(x, points, lines=lines, xlabel=label, title=axis.title)
    area = figure.axes[0]
    if axis.bracketed:
        low, high = (factor * end for end in _within(axis))
        area.axvspan(low, high, color="0.85", zorder=0, label=f"required: {axis.demand}")
    if math.isfinite(axis.mark.value) and axis.mark.value > 0:
        area.axvline(factor * axis.mark.value, color="black", lw=1, label=f"{sheet.device}: {axis.kind.said(axis.mark.value)}")
    area.legend(fontsize=7)
    return figure


def _within(axis: Axis) -> tuple[float, float]:
    """Return the interval of the requirement, up to the ends of the range."""
    return max(axis.required.low, axis.low), min(axis.required.high, axis.high)


def _ends(accuracy: Interval) -> Interval:
    """Return an accuracy whose ends can be drawn: one chip has none."""
    return accuracy if math.isfinite(accuracy.low) else Interval(accuracy.value, accuracy.value, accuracy.value)
