"""Figures, each one call. They return a `matplotlib.figure.Figure` and touch no global state:
``plot.raster(...).savefig("a.png")``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .errors import RunError
from .models.contract import Connection
from .network import Network

BLUE, ORANGE, GREY = "#2166ac", "#d95f02", "#777777"


def _figure(width: float = 6.4, height: float = 4.0) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    return figure, figure.add_subplot()


def _one_sample(x: Tensor, sample: int, chip: int) -> Tensor:
    """``[time, unit]`` of one sample (of one chip)."""
    x = x.detach().cpu()
    if x.ndim == 4:
        x = x[chip]
    if x.ndim != 3:
        raise RunError("plot", "needs [batch, time, unit] or [chip, batch, time, unit]", got=f"shape {list(x.shape)}")
    return x[sample]


def raster(spikes: Tensor, time: Tensor | None = None, *, sample: int = 0, chip: int = 0, title: str = "") -> Any:
    """Spikes over time, one row a unit. ``time``: slot times in s, e.g. ``net.timeline()``."""
    figure, axes = _figure()
    k, unit = _one_sample(spikes, sample, chip).nonzero(as_tuple=True)
    axes.plot(k if time is None else time[k] * 1e3, unit, "|", color=BLUE, markersize=4)
    axes.set(xlabel="slot" if time is None else "time (ms)", ylabel="unit", title=title, ylim=(-0.5, spikes.shape[-1] - 0.5))
    return figure


def traces(
    values: Tensor,
    time: Tensor | None = None,
    *,
    sample: int = 0,
    chip: int = 0,
    units: Sequence[int] | None = None,
    label: str = "",
    title: str = "",
) -> Any:
    """Values over time, one line a unit."""
    figure, axes = _figure()
    x = _one_sample(values, sample, chip)
    for unit in units if units is not None else range(min(x.shape[1], 10)):
        axes.plot(torch.arange(x.shape[0]) if time is None else time * 1e3, x[:, unit], lw=1, label=str(unit))
    axes.set(xlabel="slot" if time is None else "time (ms)", ylabel=label, title=title)
    if x.shape[1] > 1:
        axes.legend(title="unit", fontsize=7, ncols=2)
    return figure


def weights(weight: Tensor, *, chip: int = 0, title: str = "") -> Any:
    """A weight matrix ``[pre, post]`` as an image and as a histogram; the connectivity at a glance."""
    from matplotlib.figure import Figure

    w = weight.detach().cpu()
    w = w if w.ndim == 2 else w.reshape(-1, *w.shape[-2:])[chip]
    figure = Figure(figsize=(8, 3.6), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2)
    bound = float(w.abs().max()) or 1.0
    image = left.imshow(w, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
    figure.colorbar(image, ax=left, label="weight (V)")
    left.set(xlabel="post", ylabel="pre", title=title)
    right.hist(w[w != 0].flatten().numpy(), bins=60, color=BLUE)
    right.set(xlabel="weight (V)", ylabel="connections", title=f"{int((w != 0).sum())} of {w.numel()} are not zero")
    return figure


def network(net: Network) -> Any:
    """The network as a graph, in call order from left to right: units as boxes, connections as arrows, loops dashed."""
    figure, axes = _figure(9, 4.5)
    rank = {tag: i for i, block in enumerate(net._plan(net.dt).blocks) for tag in block.tags}
    boxes = [
        tag
        for tag in net.tags
        if not (isinstance(net._specs[tag].model, Connection) and net._specs[tag].source and net._specs[tag].target)
    ]
    columns = sorted({rank[tag] for tag in boxes})
    place: dict[str, tuple[float, float]] = {}
    for x, column in enumerate(columns):
        here = sorted(tag for tag in boxes if rank[tag] == column)
        for y, tag in enumerate(here):
            place[tag] = (x, (len(here) - 1) / 2 - y)
            axes.text(
                *place[tag],
                f"{tag}\n{type(net._specs[tag].model).__name__}, {net[tag].n}",
                ha="center",
                va="center",
                fontsize=9,
                bbox={"boxstyle": "round,pad=0.5", "fc": "white", "ec": BLUE},
                zorder=3,
            )
    for tag in net.tags:
        spec = net._specs[tag]
        for a in spec.source if tag not in place else ():
            for b in spec.target:
                back = rank[a] >= rank[b]
                bend = 0.0 if not back else 0.5
                start, end = place[a], place[b]
                if a == b:
                    start, end = (start[0] - 0.12, start[1] + 0.1), (end[0] + 0.12, end[1] + 0.1)
                    bend = -1.6
                arrow = {
                    "arrowstyle": "-|>",
                    "color": ORANGE if back else GREY,
                    "ls": "--" if back else "-",
                    "connectionstyle": f"arc3,rad={bend}",
                    "shrinkA": 22,
                    "shrinkB": 24,
                }
                if a == b:
                    arrow |= {"shrinkA": 8, "shrinkB": 8}
                axes.annotate("", end, start, arrowprops=arrow)
                lift = 0.42 if a == b else 0.10 + bend * 0.5
                axes.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + lift, tag, ha="center", fontsize=7, color=GREY)
    ys = [y for _, y in place.values()]
    axes.set(xlim=(-0.6, len(columns) - 0.4), ylim=(min(ys) - 0.9, max(ys) + 0.9))
    axes.axis("off")
    return figure


def history(training: Any) -> Any:
    """Loss and accuracy of a `ship.train.History` over epochs."""
    figure, axes = _figure()
    epochs = range(1, len(training.loss) + 1)
    axes.semilogy(epochs, training.loss, color=GREY, label="loss")
    axes.set(xlabel="epoch", ylabel="loss")
    right = axes.twinx()
    right.plot(epochs, training.accuracy, color=BLUE, label="training accuracy")
    if training.validation_accuracy:
        right.plot(epochs, training.validation_accuracy, color=ORANGE, label="validation accuracy")
    right.set(ylabel="accuracy", ylim=(None, 1.005))
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    return figure


def confusion(counts: Tensor, *, title: str = "") -> Any:
    """A confusion matrix: rows are true classes, in per cent of their samples; counts are written in."""
    figure, axes = _figure(5.2, 4.6)
    share = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    image = axes.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    for i in range(len(counts)):
        for j in range(len(counts)):
            if counts[i, j]:
                axes.text(
                    j, i, int(counts[i, j]), ha="center", va="center", fontsize=7, color="white" if share[i, j] > 0.5 else "black"
                )
    figure.colorbar(image, ax=axes, label="% of the true class")
    axes.set(xlabel="predicted", ylabel="true", title=title, xticks=range(len(counts)), yticks=range(len(counts)))
    return figure


def accuracy(
    x: Sequence[float],
    intervals: Sequence[Any],
    *,
    chips: Sequence[Tensor] | None = None,
    lines: Mapping[str, float] | None = None,
    xlabel: str = "",
    log: bool = True,
    title: str = "",
) -> Any:
    """Accuracy against a device property, with error bars.

    Args:
        x: the property.
        intervals: ``(value, low, high)`` for each x, e.g. `ship.train.Interval`.
        chips: for each x the accuracy of each chip, drawn as dots.
        lines: levels to compare with, by name.
        xlabel, log, title: of the axis.
    """
    figure, axes = _figure()
    if chips is not None:
        for at, values in zip(x, chips, strict=True):
            axes.plot([at] * len(values), 100 * values, ".", color=GREY, alpha=0.35, ms=3)
    middle = [100 * i[0] for i in intervals]
    errors = [
        [m - 100 * i[1] for m, i in zip(middle, intervals, strict=True)],
        [100 * i[2] - m for m, i in zip(middle, intervals, strict=True)],
    ]
    axes.errorbar(list(x), middle, yerr=errors, marker="o", ms=4, capsize=3, color=BLUE, label="mean over chips, 95 % interval")
    for (name, level), style in zip((lines or {}).items(), ("--", ":", "-."), strict=False):
        axes.axhline(100 * level, ls=style, color=ORANGE, label=name)
    if log:
        axes.set_xscale("log")
    axes.set(xlabel=xlabel, ylabel="test accuracy (%)", title=title)
    axes.legend(fontsize=8)
    return figure
