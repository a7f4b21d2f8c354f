"""Figures, each one call. They return a `matplotlib.figure.Figure` and touch no global state:
``plot.raster(...).savefig("a.png")`` writes it to a file, and a notebook shows it as the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.errors import RunError
from ..base.indices import Units, chosen
from ..models.contract import Connection
from ..network.network import Network
from ..train.progress import History

__all__ = ["accuracy", "confusion", "heat_map", "history", "network", "raster", "traces", "weights"]

BLUE, ORANGE, GREY = "#2166ac", "#d95f02", "#777777"
BOX = 0.45  # height of a box of the network's graph, inches


def _figure(width: float = 6.4, height: float = 4.0) -> tuple[Any, Any]:
    from ..base.display.picture import Picture

    figure = Picture(figsize=(width, height), layout="constrained", dpi=120)
    return figure, figure.add_subplot()


def _one_sample(where: str, x: Tensor, time: Tensor | None, sample: int, chip: int) -> tuple[Tensor, Tensor]:
    """``[time, unit]`` of one sample (of one chip), and its times in ms or slots."""
    x = x.detach().cpu()
    if x.ndim not in (3, 4):
        raise RunError(where, "needs [batch, time, unit] or [chip, batch, time, unit]", got=f"shape {list(x.shape)}")
    if x.ndim == 4:
        _inside(f"{where}: chip", chip, len(x))
        x = x[chip]
    _inside(f"{where}: sample", sample, len(x))
    if time is not None and time.shape != (x.shape[1],):
        raise RunError(f"{where}: time", f"must be [{x.shape[1]}], one for each slot", got=f"shape {list(time.shape)}")
    return x[sample], torch.arange(x.shape[1]) if time is None else time.cpu() * 1e3


def _inside(where: str, index: int, size: int) -> None:
    if not 0 <= index < size:
        raise RunError(where, f"must be from 0 to {size - 1}", got=str(index))


def raster(spikes: Tensor, time: Tensor | None = None, *, sample: int = 0, chip: int = 0, title: str = "") -> Any:
    """Draw spikes over time, a row for each unit. ``time``: slot times in s, e.g. ``net.timeline()``."""
    x, times = _one_sample("plot.raster", spikes, time, sample, chip)
    figure, axes = _figure()
    k, unit = x.nonzero(as_tuple=True)
    axes.plot(times[k], unit, "|", color=BLUE, markersize=max(2.0, min(10.0, 200.0 / x.shape[1])))
    axes.set(xlabel="slot" if time is None else "time (ms)", ylabel="unit", title=title, ylim=(-0.5, x.shape[1] - 0.5))
    step = float(times[-1] - times[0]) / max(1, len(times) - 1) or 1.0
    axes.set_xlim(float(times[0]) - step, float(times[-1]) + step)  # all of the run, also where nothing spiked
    axes.yaxis.get_major_locator().set_params(integer=True)
    return figure


def traces(
    values: Tensor,
    time: Tensor | None = None,
    *,
    sample: int = 0,
    chip: int = 0,
    units: Units | None = None,
    label: str = "",
    title: str = "",
) -> Any:
    """Draw values over time, a line for each of ``units``, or for the first ten units."""
    x, times = _one_sample("plot.traces", values, time, sample, chip)
    few = range(min(x.shape[1], 10)) if units is None else chosen("plot.traces: units", units, x.shape[1]).numbers.tolist()
    figure, axes = _figure()
    for unit in few:
        axes.plot(times, x[:, unit], lw=1, label=str(unit))
    axes.set(xlabel="slot" if time is None else "time (ms)", ylabel=label, title=title)
    if len(few) > 1:
        axes.legend(title="unit", fontsize=7, ncols=2)
    return figure


def weights(weight: Tensor, *, chip: int = 0, title: str = "") -> Any:
    """Draw a weight matrix ``[pre, post]`` as an image, which shows the connectivity at a glance, and as a histogram."""
    from ..base.display.picture import Picture

    w = weight.detach().cpu()
    if w.ndim < 2:
        raise RunError("plot.weights", "needs [pre, post], with other axes in front at most", got=f"shape {list(w.shape)}")
    w = w.reshape(-1, *w.shape[-2:])
    _inside("plot.weights: chip", chip, len(w))
    w = w[chip]
    figure = Picture(figsize=(8, 3.6), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2)
    bound = float(w.abs().max()) or 1.0
    image = left.imshow(w.numpy(), cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
    figure.colorbar(image, ax=left, label="weight (V)")
    left.set(xlabel="post", ylabel="pre", title=title)
    right.hist(w[w != 0].flatten().numpy(), bins=60, color=BLUE)
    right.set(xlabel="weight (V)", ylabel="connections", title=f"{int((w != 0).sum())} of {w.numel()} are not zero")
    return figure


def network(net: Network) -> Any:
    """Draw the network as a graph, from inputs at the left to outputs: boxes are groups of units, arrows connections, dashed ones
    close a loop.
    """
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    text = {tag: f"{tag}\n{type(net.specs[tag].model).__name__}, {net[tag].n}" for tag in _boxes(net)}
    arrows, column = _arrows(net, list(text))
    widths = {tag: 0.3 + 0.08 * max(len(line) for line in text[tag].splitlines()) for tag in text}
    columns = [[tag for tag in text if column[tag] == i] for i in range(max(column.values()) + 1)]
    labels = 0.075 * max((len(tag) for tags, _ in arrows.values() for tag in tags), default=0)
    place: dict[str, tuple[float, float]] = {}  # in inches, so that text and arrows keep clear of each other
    x = 0.2
    for here in columns:
        width = max(widths[tag] for tag in here)
        for i, tag in enumerate(here):
            place[tag] = (x + width / 2, 1.5 * ((len(here) - 1) / 2 - i))
        x += width + labels + 0.7
    figure, axes = _figure(x - labels - 0.5, 1.5 * max(map(len, columns)) + 0.8)
    for tag, (x, y) in place.items():
        axes.add_patch(
            FancyBboxPatch(
                (x - widths[tag] / 2, y - BOX / 2),
                widths[tag],
                BOX,
                "round,pad=0,rounding_size=0.08",
                fc="white",
                ec=BLUE,
                zorder=3,
            )
        )
        axes.text(x, y, text[tag], ha="center", va="center", fontsize=9, zorder=4)
    ys = [y + side * BOX / 2 for _, y in place.values() for side in (-1, 1)]
    taken = [(*place[tag], widths[tag], BOX) for tag in text]  # rectangles: centre, width, height
    for (a, b), (tags, back) in arrows.items():
        up = -1 if len(columns[column[a]]) > 1 and columns[column[a]][-1] == a else 1  # a self-loop keeps away from the box above
        line = _loop(*place[a], up) if a == b else _line(place, widths, a, b, bent=column[a] == column[b] or (b, a) in arrows)
        ys += [y for _, y in line]
        colour, style = (ORANGE, "--") if back else (GREY, "-")
        axes.plot(*zip(*line[:-3], strict=True), color=colour, ls=style, lw=1.2, zorder=1)
        axes.add_patch(
            FancyArrowPatch(line[-4], line[-1], arrowstyle="-|>", mutation_scale=12, shrinkA=0, shrinkB=0, color=colour, zorder=2)
        )
        if tags:
            size = 0.075 * max(map(len, tags)) + 0.05, 0.16 * len(tags) + 0.05
            spots = [(*line[int(f * (len(line) - 1))], *size) for f in (0.5, 0.35, 0.65, 0.2, 0.8)]
            x, y, *_ = spot = next((q for q in spots if not any(_overlap(q, r) for r in taken)), spots[0])
            taken.append(spot)
            white = {"fc": "white", "ec": "none", "pad": 1.5}
            axes.text(x, y, "\n".join(tags), ha="center", va="center", fontsize=8, zorder=2.5, bbox=white)
    low, high = min(ys) - 0.25, max(ys) + 0.25
    figure.set_size_inches(figure.get_figwidth(), high - low)
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.set(xlim=(0, figure.get_figwidth()), ylim=(low, high))
    axes.axis("off")
    return figure


def _boxes(net: Network) -> list[str]:
    """Find what is a box: groups of units, and connections that are outputs, dendrites or targets of other connections."""
    specs = list(net.specs.values())
    named = {tag for spec in specs for tag in (*(s.tag for s in spec.sources), *spec.target)}
    return [s.tag for s in specs if not isinstance(s.model, Connection) or not s.source or not s.target or s.tag in named]


def _arrows(net: Network, boxes: list[str]) -> tuple[dict[tuple[str, str], tuple[list[str], bool]], dict[str, int]]:
    """Find the arrows between boxes, with tags of connections and whether they close a loop; and the column of each box."""
    rank = {tag: i for i, block in enumerate(net.schedule().blocks) for tag in block.tags}
    arrows: dict[tuple[str, str], tuple[list[str], bool]] = {}
    for tag in net.tags:
        spec = net.specs[tag]
        own = tag in boxes
        pairs = (
            [(a.tag, tag) for a in spec.sources] + [(tag, b) for b in spec.target]
            if own
            else [(a.tag, b) for a in spec.sources for b in spec.target]
        )
        for a, b in pairs:
            arrows.setdefault((a, b), ([], rank[a] >= rank[b]))[0].extend([] if own else [tag])
    depth = dict.fromkeys(rank.values(), 0)
    for r in sorted(depth):
        depth[r] = max((depth[rank[a]] + 1 for (a, b), (_, back) in arrows.items() if rank[b] == r and not back), default=0)
    return arrows, {tag: depth[rank[tag]] for tag in boxes}


Point = tuple[float, float]
Rectangle = tuple[float, float, float, float]


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return abs(a[0] - b[0]) < (a[2] + b[2]) / 2 and abs(a[1] - b[1]) < (a[3] + b[3]) / 2


def _loop(x: float, y: float, up: int) -> list[Point]:
    """Draw an arrow from a box back to itself."""
    return _curve((x - 0.2, y + up * BOX / 2), (x + 0.2, y + up * BOX / 2), -2.4 * up)


def _line(place: Mapping[str, Point], widths: Mapping[str, float], a: str, b: str, *, bent: bool) -> list[Point]:
    """Draw an arrow from the rim of box a to the rim of box b, as straight as the other boxes allow."""
    bends = (0.5, 0.9, 1.4) if bent else (0.0, 0.2, -0.2, 0.4, -0.4, 0.7, -0.7)
    lines = [_curve(place[a], place[b], bend) for bend in bends]

    def hits(line: list[Point], tags: Sequence[str], margin: float) -> list[bool]:
        boxes = [(*place[tag], widths[tag] + margin, BOX + margin) for tag in tags]
        return [any(_overlap((x, y, 0.0, 0.0), box) for box in boxes) for x, y in line]

    others = [tag for tag in place if tag not in (a, b)]
    line = next((candidate for candidate in lines if not any(hits(candidate, others, 0.15))), lines[0])
    return [q for q, inside in zip(line, hits(line, (a, b), 0.06), strict=True) if not inside]


def _curve(start: Point, end: Point, bend: float) -> list[Point]:
    """Compute points of an arc from start to end, bent to the right by half the distance times ``bend``."""
    (x0, y0), (x1, y1) = start, end
    xc, yc = (x0 + x1) / 2 + bend * (y1 - y0), (y0 + y1) / 2 - bend * (x1 - x0)
    steps = [i / 100 for i in range(101)]
    return [
        ((1 - t) ** 2 * x0 + 2 * t * (1 - t) * xc + t * t * x1, (1 - t) ** 2 * y0 + 2 * t * (1 - t) * yc + t * t * y1)
        for t in steps
    ]


def history(training: History) -> Any:
    """Draw the loss and the accuracy of a `ship.train.History` over its epochs."""
    if not training.loss:
        raise RunError("plot.history", "needs at least one epoch", fix="Call Trainer.fit first.")
    figure, axes = _figure()
    epochs = range(1, len(training.loss) + 1)
    axes.semilogy(epochs, training.loss, color=GREY, label="loss")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.xaxis.get_major_locator().set_params(integer=True)
    right = axes.twinx()
    right.plot(epochs, training.accuracy, color=BLUE, label="training accuracy")
    if training.validation_accuracy:
        right.plot(epochs, training.validation_accuracy, color=ORANGE, label="validation accuracy")
    right.set(ylabel="accuracy", ylim=(None, 1.005))
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    return figure


def confusion(counts: Tensor, names: Sequence[str] | None = None, *, title: str = "") -> Any:
    """Draw a confusion matrix: rows are true classes, in per cent of their samples; counts are written in.

    Args:
        counts: numbers of samples, ``[true, predicted]``, as `ship.train.ConfusionMatrix` has them.
        names: the names of the classes; default: their numbers.
        title: a text above the figure.

    Raises:
        RunError: counts of another shape, or names of another number.
    """
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise RunError(
            "plot.confusion", "needs [class, class]", got=f"shape {list(counts.shape)}", fix="Give ConfusionMatrix.counts."
        )
    if names is not None and len(names) != len(counts):
        raise RunError("plot.confusion: names", f"must be one for each of {len(counts)} classes", got=f"{len(names)}")
    size = 1.0 if len(counts) <= 12 else len(counts) / 12
    figure, axes = _figure(5.2 * size, 4.6 * size)
    counts = counts.detach().cpu()
    share = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    image = axes.imshow((100 * share).numpy(), cmap="Blues", vmin=0, vmax=100)
    for i in range(len(counts)):
        for j in range(len(counts)):
            if counts[i, j]:
                axes.text(
                    j, i, int(counts[i, j]), ha="center", va="center", fontsize=7, color="white" if share[i, j] > 0.5 else "black"
                )
    figure.colorbar(image, ax=axes, label="% of the true class")
    axes.set(xlabel="predicted", ylabel="true", title=title, xticks=range(len(counts)), yticks=range(len(counts)))
    if names is not None:
        axes.set(xticklabels=names, yticklabels=names)
    return figure


def heat_map(values: Any, *, title: str = "", share: bool = False) -> Any:
    """Draw a result of a grid over two of its axes; numbers are written in.

    Args:
        values: an ``xarray.DataArray`` with two dimensions, the vertical one first, such as
            ``grid(...)["accuracy"].mean("seed")``; units are taken from its coordinates.
        title: what stands above; default: the name of the values.
        share: whether they are shares of 1, which are shown in per cent.

    Raises:
        RunError: other values than such an array.
    """
    if not all(hasattr(values, part) for part in ("dims", "coords", "name")) or len(values.dims) != 2:
        fix = "Give one result of ship.study.grid, and average over the other axes first."
        raise RunError("plot.heat_map", "needs an xarray.DataArray of two dimensions", got=type(values).__name__, fix=fix)
    y, x = (values.coords[name] for name in values.dims)
    figure, axes = _figure(1.6 + 0.5 * max(x.size, 4), 1.4 + 0.36 * max(y.size, 4))
    numbers = values.values * (100 if share else 1)
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    image = axes.imshow(numbers, origin="lower", aspect="auto", cmap="viridis", vmin=low, vmax=high)
    for (i, j), number in np.ndenumerate(numbers):
        text = f"{number:.1f}" if share else f"{number:.3g}" if not abs(number) >= 1e3 else f"{number / 1e3:.1f}k"
        axes.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if number < (low + high) / 2 else "black")
    labels = [f"{each.name} ({each.attrs['units']})" if each.attrs.get("units") else str(each.name) for each in (x, y)]
    axes.set(xlabel=labels[0], ylabel=labels[1], title=(title or str(values.name)) + (" (%)" if share else ""))
    axes.set_xticks(range(x.size), [f"{each:g}" if isinstance(each, float) else str(each) for each in x.values.tolist()])
    axes.set_yticks(range(y.size), [f"{each:g}" if isinstance(each, float) else str(each) for each in y.values.tolist()])
    figure.colorbar(image, ax=axes)
    return figure


def _apart(places: Sequence[float]) -> list[int]:
    """Return the numbers of places that are far enough from each other for a label, from the smallest on."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    least, shown = 0.05 * (places[order[-1]] - places[order[0]]), order[:1]
    for i in order[1:]:
        if places[i] - places[shown[-1]] >= least:
            shown.append(i)
    return shown


def accuracy(
    x: Sequence[float] | Sequence[str],
    intervals: Sequence[Any],
    *,
    chips: Sequence[Tensor] | None = None,
    lines: Mapping[str, float] | None = None,
    xlabel: str = "",
    log: bool = True,
    title: str = "",
) -> Any:
    """Draw accuracy against a device property, or in several conditions, with error bars.

    Args:
        x: values of the property, or names of conditions, which no line joins.
        intervals: ``(value, low, high)`` for each x, e.g. `ship.train.Interval`.
        chips: for each x the accuracy of each chip, drawn as dots.
        lines: accuracies to compare with, by name; each is a horizontal line.
        xlabel, log, title: label of the x axis, whether that axis is logarithmic, and the title of the figure.
    """
    sizes = [len(x), len(intervals)] + ([] if chips is None else [len(chips)])
    if len(set(sizes)) > 1 or not len(x):
        raise RunError("plot.accuracy", "needs an interval (and chips) for each x", got=f"sizes {sizes}")
    figure, axes = _figure()
    names = [str(name) for name in x] if isinstance(x[0], str) else []
    x = list(range(1, len(names) + 1)) if names else [float(value) for value in x]
    if chips is not None:
        for at, values in zip(x, chips, strict=True):
            axes.plot([at] * len(values), 100 * values, ".", color=GREY, alpha=0.35, ms=3)
    middle = [100 * i[0] for i in intervals]
    errors = [
        [m - 100 * i[1] for m, i in zip(middle, intervals, strict=True)],
        [100 * i[2] - m for m, i in zip(middle, intervals, strict=True)],
    ]
    style = {"fmt": "o" if names else "o-", "ms": 4, "capsize": 3, "color": BLUE}
    axes.errorbar(x, middle, yerr=errors, label="mean over chips, 95 % interval", **style)
    for (name, level), dashes in zip((lines or {}).items(), ("--", ":", "-."), strict=False):
        axes.axhline(100 * level, ls=dashes, color=ORANGE, label=name)
    if names:
        axes.set_xticks(x, [name.replace(", ", ",\n") for name in names])
        axes.set_xlim(0.5, len(names) + 0.5)
        figure.set_figwidth(max(figure.get_figwidth(), 1.1 * len(names)))
    elif log:
        axes.set_xscale("log")
        if max(x) <= 100 * min(x):  # less than two decades have too few ticks of their own
            shown = _apart([math.log(value) for value in x])
            axes.set_xticks([x[i] for i in shown], [f"{x[i]:g}" for i in shown])
            axes.set_xticks([], minor=True)
    axes.set(xlabel=xlabel, ylabel="test accuracy (%)", title=title)
    axes.legend(fontsize=8)
    return figure
