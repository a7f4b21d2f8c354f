"""The figures of a requirement sheet: where a device stands on all axes, and the accuracy along one.

Worse is to the right in all of them, whether less or more of an imperfection is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...base.statistics import Interval
from .findings import Axis, Findings, Pair, Point

INK, GREY, BLUE, ORANGE, PAPER = "#000000", "#777777", "#2166ac", "#d95f02", "#ffffff"
FINE, BETWEEN, BEYOND = "#a6c8e8", "#5b9bd0", "#fbd9bd"
BAR = 0.36  # of the height of a row
SMALL = 7.5  # points


def ordered(sheet: Findings) -> list[Axis]:
    """Return the axes in the order of reading: those that are marked, the worst first, then the others."""
    first = list(sheet.marked)
    return first + [axis for axis in sheet.axes if axis not in first]


class Place(NamedTuple):
    """Where a value lies on the drawing of an axis: its share of the way from best to worst, and on which side it is off it."""

    x: float
    off: int  # -1: better than the range, 1: worse, 0: inside


def place(axis: Axis, value: float) -> Place:
    """Return where a value lies on the drawing of an axis."""
    less = axis.better == "less"
    if value <= 0 or math.isinf(value):
        low = value <= 0
        return Place(0.0, -1) if low == less else Place(1.0, 1)
    share = math.log(value / axis.low) / math.log(axis.high / axis.low)
    x = share if less else 1 - share
    off = -1 if x < -1e-9 else 1 if x > 1 + 1e-9 else 0
    return Place(min(1.0, max(0.0, x)), off)


def overview(sheet: Findings, *, wide: bool) -> Any:
    """Draw all axes below each other: what may be, the interval of the required value, and where the device stands.

    Args:
        sheet: the sheet.
        wide: for a desktop, names at the left of the bars; else for a phone, names above them.
    """
    from ...base.display.picture import Picture

    axes, head = ordered(sheet), 0.62 if sheet.device and not wide else 0.42
    width, row = (9.2, 0.43) if wide else (3.72, 0.76)
    left, right = (0.3, 0.755) if wide else (0.012, 0.988)
    height = row * len(axes) + head
    figure = Picture(figsize=(width, height), dpi=120)
    frame = figure.add_axes((0.0, 0.0, 1.0, (height - head) / height))
    frame.set(xlim=(0, 1), ylim=(len(axes), 0))
    frame.axis("off")
    for at, axis in enumerate(axes):
        middle = at + (0.36 if wide else 0.46)
        _bar(frame, axis, left, right, middle, BAR if wide else 0.22)
        _words(frame, sheet, axis, at, middle, wide=wide)
    _legend(figure, sheet, 4 if wide else 2)
    return figure


def _bar(frame: Any, axis: Axis, left: float, right: float, middle: float, height: float) -> None:
    """Draw the range of an axis from best to worst, and the mark of the device."""
    from matplotlib.patches import Rectangle

    def at(x: float) -> float:
        return left + x * (right - left)

    def box(start: float, stop: float, colour: str) -> None:
        frame.add_patch(Rectangle((at(start), middle - height / 2), at(stop) - at(start), height, fc=colour, ec="none"))

    if axis.found == "refused":
        frame.add_patch(Rectangle((left, middle - height / 2), right - left, height, fc="none", ec=GREY, lw=0.8, ls=(0, (4, 3))))
        return
    box(0, 1, FINE if axis.found == "never" else BEYOND)
    if axis.bracketed:
        start, stop = sorted(place(axis, end).x for end in (axis.required.low, axis.required.high))
        box(0, start, FINE)
        box(start, stop, BETWEEN)
        here = at(place(axis, axis.required.value).x)
        frame.plot([here, here], [middle - height * 0.75, middle + height * 0.75], color=INK, lw=1.6, solid_capstyle="butt")
    mark = axis.mark
    if not math.isnan(mark.value):
        x, off = place(axis, mark.value)
        style = {"mec": INK, "mew": 1.1, "mfc": INK if mark.status == "measured" else PAPER, "clip_on": False, "zorder": 5}
        frame.plot([at(x)], [middle], "D" if not off else "<" if off < 0 else ">", ms=6.5, **style)


def _words(frame: Any, sheet: Findings, axis: Axis, at: int, middle: float, *, wide: bool) -> None:
    """Write what an axis is, what it may be, what the device has, and the ends of the range."""
    kind, has = axis.kind, device_has(sheet, axis)
    best, worst = (axis.low, axis.high) if axis.better == "less" else (axis.high, axis.low)
    demand = axis.demand if axis.found != "refused" else "the network cannot have it"
    below = middle + (0.28 if wide else 0.17)
    ends = {"fontsize": SMALL, "color": GREY, "va": "top"}
    if wide:
        frame.text(0.285, middle, axis.title, fontsize=9, weight="bold", va="center", ha="right", color=INK)
        frame.text(0.77, middle - (0.17 if has else 0), demand, fontsize=9, va="center", color=INK)
        if has:
            frame.text(0.77, middle + 0.21, has, fontsize=8, va="center", color=GREY)
        frame.text(0.3, below, kind.said(best), ha="left", **ends)
        frame.text(0.755, below, kind.said(worst), ha="right", **ends)
        return
    frame.text(0.012, at + 0.2, axis.title, fontsize=8.8, weight="bold", va="center", color=INK)
    frame.text(0.012, below, kind.said(best), ha="left", **ends)
    frame.text(0.988, below, kind.said(worst), ha="right", **ends)
    frame.text(0.5, below, demand + (f"; {has}" if has else ""), ha="center", fontsize=SMALL, va="top", color=INK)


def device_has(sheet: Findings, axis: Axis) -> str:
    """Say in a few words what the device has on an axis."""
    if not sheet.device or axis.kind.of != "device":
        return ""
    mark = axis.mark
    if math.isnan(mark.value):
        return "device: not measured" if mark.status == "missing" else "device: not known"
    value = "infinite" if math.isinf(mark.value) else axis.kind.said(mark.value)
    return f"device: {value}" + (", assumed" if mark.status == "assumed" else "")


def _legend(figure: Any, sheet: Findings, columns: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    one = "accuracy lost" if any(axis.found != "never" for axis in sheet.axes) else ""
    made: list[Any] = [Patch(color=FINE, label="accuracy holds"), Patch(color=BETWEEN, label="95 % interval")]
    made += [Patch(color=BEYOND, label=one)] if one else []
    made.append(Line2D([], [], color=INK, lw=1.6, label="required", marker="|", ls="none", ms=9, mew=1.6))
    marks = [axis.mark.status for axis in sheet.axes if not math.isnan(axis.mark.value)]
    for status, face in (("measured", INK), ("assumed", PAPER)):
        if status in marks:
            made.append(Line2D([], [], color=INK, marker="D", ls="none", ms=5.5, mfc=face, label=f"device, {status}"))
    columns = len(made) if columns > 2 else 2
    style = {
        "fontsize": 8,
        "frameon": False,
        "handlelength": 1.2,
        "columnspacing": 1.4,
        "handletextpad": 0.5,
        "borderaxespad": 0.1,
    }
    figure.legend(handles=made, loc="upper left", ncols=columns, bbox_to_anchor=(0.0, 1.0), **style)


def curve(sheet: Findings, axis: Axis, *, large: bool = False) -> Any:
    """Draw the accuracy along one axis, with what is allowed and where the device stands.

    Args:
        sheet: the sheet, for what is allowed and the name of the device.
        axis: an axis of it that has a curve.
        large: whether it stands alone, with a title and a legend.
    """
    size = (6.4, 4.0) if large else (2.9, 2.05)
    figure, frame = _accuracies(sheet, axis.curve, axis.required if axis.bracketed else None, size)
    frame.set_xscale("log")
    margin = (axis.high / axis.low) ** 0.03
    ends = [axis.low / margin, axis.high * margin]
    frame.set_xlim(*(ends if axis.better == "less" else ends[::-1]))
    _ticks(frame, axis)
    frame.set_xlabel(f"{axis.title}{f' ({axis.unit})' if axis.unit else ''}", fontsize=8)
    mark = axis.mark
    if not math.isnan(mark.value):
        off = place(axis, mark.value).off
        best, worst = (axis.low, axis.high) if axis.better == "less" else (axis.high, axis.low)
        x = mark.value if not off else best if off < 0 else worst
        face = INK if mark.status == "measured" else PAPER
        shape, transform = "D" if not off else "<" if off < 0 else ">", frame.get_xaxis_transform()
        name = f"{sheet.device}: {axis.kind.said(mark.value)}"
        frame.plot([x, x], [0, 1], color=INK, lw=0.9, ls=(0, (2, 2)), transform=transform, label=name)
        frame.plot([x], [0.0], shape, ms=6, mec=INK, mfc=face, transform=transform, clip_on=False, zorder=5)
    if large:
        frame.set_title(axis.title)
        frame.legend(fontsize=8)
    return figure


def pair_curve(sheet: Findings, pair: Pair) -> Any:
    """Draw the accuracy along the worst pair, in shares of both requirements."""
    figure, frame = _accuracies(sheet, pair.curve, pair.share if pair.found == "bracketed" else None, (3.7, 2.4))
    frame.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    frame.tick_params(labelsize=8)
    frame.set_xlabel("share of both requirements (%)", fontsize=8)
    return figure


def _accuracies(
    sheet: Findings, points: Sequence[Point], required: Interval | None, size: tuple[float, float]
) -> tuple[Any, Any]:
    """Draw points with intervals, what is allowed, and the interval of what is required."""
    from ...base.display.picture import Picture

    figure = Picture(figsize=size, layout="constrained", dpi=120)
    frame = figure.add_subplot()
    x, middle = [p.value for p in points], [100 * p.accuracy.value for p in points]
    ends = [(p.accuracy.low, p.accuracy.high) for p in points]
    down = [0.0 if math.isnan(low) else m - 100 * low for m, (low, _) in zip(middle, ends, strict=True)]
    up = [0.0 if math.isnan(high) else 100 * high - m for m, (_, high) in zip(middle, ends, strict=True)]
    if required is not None:
        lowest, highest = (min(x), max(x)) if x else (required.value, required.value)
        frame.axvspan(max(required.low, lowest / 10), min(required.high, highest * 10), color=FINE, lw=0)
        frame.axvline(required.value, color=INK, lw=1.2, label="required, 95 % interval")
    frame.axhline(100 * sheet.target, color=ORANGE, lw=1.2, ls="--", label=f"least allowed, {100 * sheet.target:.1f} %")
    frame.errorbar(
        x, middle, yerr=[down, up], fmt="o-", ms=3, lw=1.1, capsize=2, color=BLUE, label="mean of the chips, 95 % interval"
    )
    frame.set_ylabel("accuracy (%)", fontsize=8)
    frame.tick_params(labelsize=8, color=GREY)
    for name, side in frame.spines.items():
        side.set_color(GREY)
        side.set_visible(name in ("left", "bottom"))
    return figure, frame


def _ticks(frame: Any, axis: Axis) -> None:
    """Write the values of a logarithmic axis as they stand in tables."""
    from matplotlib.ticker import LogLocator, NullFormatter

    decades = math.log10(axis.high / axis.low)
    kind = axis.kind
    if kind.whole:
        values = [v for v in (2, 4, 8, 16, 32, 64, 128, 256) if axis.low <= v <= axis.high]
        frame.set_xticks(values, [str(v) for v in values])
        frame.set_xticks([], minor=True)
        return
    frame.xaxis.set_major_locator(LogLocator(10, subs=(1.0,) if decades > 2 else (1.0, 3.0), numticks=6))
    factor = 100 if axis.unit == "%" else 1
    frame.xaxis.set_major_formatter(lambda value, _: f"{factor * value:g}")
    frame.xaxis.set_minor_formatter(NullFormatter())
