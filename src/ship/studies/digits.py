"""Spoken digits: a fixed reservoir of 125 neurons, a trained leaky readout, and how many levels its weights need.

1. The recordings of the Free Spoken Digit Dataset, which stands in for the unpublished ones of the publication, become spikes of
   50 channels; the column of 125 neurons runs once over all of them (`ship.study.tasks.spoken_digits` has the constants).
2. The weights of the readout are trained on the official training samples, and tested on takes 0 to 4. Beside it: what a logistic
   regression and a support vector machine reach without a spiking network, on the same split; columns drawn with other seeds;
   and a random split.
3. Each speaker in turn is held out: the other five train the readout, all takes of the sixth test it.
4. The trained weights are put on 2 to 64 levels from -max|w| to max|w|, with a normal scatter of a sixth of a step
   (sigma = 2 max|w| / n / 6), in ten draws; and on pairs of devices that have as many levels each.

Source: of steps 2 and 4: Gemo et al., Front. Neurosci. 17:1270090 (2024), sec. 4.2.1, as its published scripts set them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import data, study
from ..base.errors import RunError
from ..base.parameters import per_chip
from ..base.statistics import Interval, mean_interval, wilson
from ..data.sets import LabelledSet
from ..network.network import Network
from ..study import Run, Short, Task
from ..study.curves import Curve
from ..study.linear_start import features, logistic
from ..study.tasks import spoken_digits as digits

READOUT = digits.TRAINED[0]
BINS = 10  # stretches of time whose mean levels the support vector machine sees


@dataclass(frozen=True)
class Config:
    """The settings of the study.

    Args:
        takes: number of takes of each digit and speaker that are used, from take 0 on, 50 in all; the first five are the test.
        levels: numbers of levels of a weight.
        draws: number of draws of the scatter, at each number of levels, at least 2.
        columns: number of columns, drawn with as many seeds, at least 1.
        speakers: number of speakers that are held out in turn, in alphabetical order; 0 leaves the split by speaker out.
    """

    takes: int = 50
    levels: tuple[int, ...] = (*range(2, 17), 24, 32, 48, 64)
    draws: int = 10
    columns: int = 3
    speakers: int = 6

    @classmethod
    def quick(cls) -> Config:
        """Return settings for a trial: fewer recordings, levels, columns and speakers."""
        return cls(takes=15, levels=(2, 4, 8, 16, 64), draws=4, columns=2, speakers=3)


def run(config: Config, run: Run) -> None:
    """Train and test the readout of a fixed column, by three splits, beside baselines, and with few levels of its weights."""
    with run.stage("turn recordings into spikes"):
        recordings = data.load("spoken-digits", run.data)
        run.uses(recordings)
        sounds = digits.heard(recordings.part(torch.as_tensor(recordings.by["take"]) < config.takes))
    with run.stage("run the column once over all recordings"):
        task = digits.divided(sounds, seed=run.seed)
        net = task.network(run.seed)
        column = said(task, sounds, net)
    for text in task.notes:
        run.note(text)

    with run.stage("train the readout, official split"):
        assert sounds.test is not None
        short = split_by(column, sounds.test)
        short.task.fit(short.net, seed=run.seed, progress=run.progress)
        short.cut.give(net)
        net.readout = task.readout
    run.network("column and readout", net)
    with run.stage("test it"):
        found = study.behaviour(net, task.held_out(100))
    run.behaviour("official split", found)
    run.figure(
        "raster", raster(net, task), "Spikes of 50 channels and of 125 neurons, and ten voltages, while a digit is spoken."
    )

    with run.stage("levels of the weights"):
        few_levels(config, run, short, found.accuracy)
    with run.stage("other splits, other columns, and baselines"):
        splits(config, run, sounds, column)


def said(task: Task, sounds: LabelledSet, net: Network) -> Short:
    """Return the task of the readout alone, with what a column says to all recordings as its training samples."""
    return replace(task, train=sounds).shortened(net, test=False)


def split_by(column: Short, held: Tensor) -> Short:
    """Divide what a column said into samples to train on and those that are held out (bool ``[sample]``)."""
    everything = column.task.train
    return column._replace(task=replace(column.task, train=everything.part(~held), test=everything.part(held)))


class Table(NamedTuple):
    """What can be learnt from, ``[sample, feature]``, with the class of each sample."""

    x: Tensor
    labels: Tensor


def table_of(column: Short) -> Table:
    """Compute the scores that each neuron of a column alone gives, by the weight 1: the score is a weighted sum of them."""
    task = column.task
    return Table(*features(column.net, READOUT, task.in_order(task.train), readout=task.readout))


def readout_right(table: Table, held: Tensor) -> int:
    """Find the readout of the samples that are not held out, as `ship.study.linear_start` does; count those read rightly."""
    weight, _ = logistic(table.x[~held], table.labels[~held], 10, bound=digits.BOUND)
    return int(((table.x[held] @ weight).argmax(-1) == table.labels[held]).sum())


def baselines_right(sounds: LabelledSet, held: Tensor) -> dict[str, int]:
    """Count what classifiers without spiking neurons read rightly, from the spikes of the filter bank."""
    try:
        from sklearn.svm import SVC
    except ImportError as error:
        raise RunError("study digits", "needs scikit-learn", fix="Install it: pip install ship-snn[demo]") from error
    assert isinstance(sounds.x, Tensor)
    labels = sounds.labels
    mean = sounds.x.double().mean(1)
    with_one = torch.cat([mean / mean.std(), torch.ones(len(mean), 1)], 1)
    weight, _ = logistic(with_one[~held], labels[~held], 10)
    right = {"logistic regression, mean of each channel": int(((with_one[held] @ weight).argmax(-1) == labels[held]).sum())}
    binned = binned_in_time(sounds).numpy()
    machine = SVC(C=10.0, gamma="scale").fit(binned[(~held).numpy()], labels[~held].numpy())
    predicted = torch.as_tensor(machine.predict(binned[held.numpy()]))
    return right | {f"support vector machine, {BINS} stretches of time": int((predicted == labels[held]).sum())}


def binned_in_time(sounds: LabelledSet) -> Tensor:
    """Return the mean of each channel in equal stretches of each recording's own duration, ``[sample, stretch * channel]``."""
    assert isinstance(sounds.x, Tensor)
    made = []
    for spikes in sounds.x:
        heard = spikes.any(-1).nonzero()
        end = int(heard[-1]) + 1 if len(heard) else 1
        made.append(torch.nn.functional.adaptive_avg_pool1d(spikes[:end].T.double(), BINS).flatten())
    return torch.stack(made)


def splits(config: Config, run: Run, sounds: LabelledSet, column: Short) -> None:
    """Measure the column and the baselines by three splits, and other columns by the official one; write tables and numbers."""
    assert sounds.test is not None
    table, speakers = table_of(column), sorted(set(sounds.by["speaker"]))[: config.speakers]
    masks = {"official": sounds.test, "random": digits.held(sounds, "random", seed=run.seed)}
    masks |= {name: digits.held(sounds, "speaker", speaker=name) for name in speakers}
    rows: list[dict[str, Any]] = []
    for name, held in masks.items():
        n = int(held.sum())
        right = {"column and readout": readout_right(table, held)} | baselines_right(sounds, held)
        rows.append({"held out": name, "samples": n} | {who: wilson(r, n) for who, r in right.items()})
    run.table("splits", rows)
    for who in list(rows[0])[2:]:
        for name in ("official", "random"):
            (row,) = (row for row in rows if row["held out"] == name)
            if (name, who) != ("official", "column and readout"):  # that stands among the numbers of the behaviour
                run.number(f"{name} split: accuracy, {who}", row[who], n=row["samples"], how="Wilson, over samples")
        each = [row[who].value for row in rows if row["held out"] in speakers]
        if each:
            how = "mean and Student's t, over speakers"
            run.number(f"speakers held out in turn: accuracy, {who}", between(each), n=len(each), how=how)
    others: list[dict[str, Any]] = [{"seed": run.seed, "accuracy": rows[0]["column and readout"]}]
    for seed in range(run.seed + 1, run.seed + config.columns):
        task = digits.divided(sounds, seed=seed)
        hits = readout_right(table_of(said(task, sounds, task.network(seed))), sounds.test)
        others.append({"seed": seed, "accuracy": wilson(hits, len(task.test))})
    run.table("columns", others)
    if len(others) > 1:
        mean = between([row["accuracy"].value for row in others])
        run.number(
            "official split: accuracy, mean over columns", mean, n=len(others), how="Student's t, over seeds of the column"
        )


def between(accuracies: list[float]) -> Interval:
    """Return the mean of accuracies and its 95 % interval, cut at 0 and 1; one alone has none."""
    if len(accuracies) < 2:
        return Interval(accuracies[0])
    mean = mean_interval(accuracies)
    return Interval(mean.value, max(0.0, mean.low), min(1.0, mean.high))


def few_levels(config: Config, run: Run, short: Short, exact: Interval) -> None:
    """Put the trained weights on few levels, with scatter, and on devices of few levels; write curves and a figure."""
    weight, test = short.net[READOUT].value("weight").detach(), short.task.held_out(100)
    made = study.virtual_chips(short.net, config.draws)

    def quantised(levels: float) -> Network:
        made.set(READOUT, weight=per_chip(on_levels(weight, int(levels), config.draws, run.seed)))
        made.init(dt=short.task.dt, seed=run.seed, chips=config.draws)
        return made

    options: dict[str, Any] = {"readout": short.task.readout}
    plain = study.sweep(quantised, config.levels, test, name="levels of a weight", **options)
    devices = study.level_curve(short.net, test, config.levels, chips=1, **options)  # exactly written: all chips are alike
    rows = [
        {"levels": n, "of a weight, with scatter": one, "of each device of a pair, exactly written": pair.value}
        for n, one, pair in zip(config.levels, plain.intervals, devices.intervals, strict=True)
    ]
    run.table("levels", rows)
    for n, interval in zip(config.levels, plain.intervals, strict=True):
        if n in (2, 4, 8, 16, 64):
            run.number(
                f"accuracy with {n} levels", interval, n=config.draws, how="mean and Student's t, over draws of the scatter"
            )
    run.number("fewest levels within one point of the float line", fewest(plain, exact.value - 0.01), n=config.draws)
    title = f"Weights of the readout on few levels, {config.draws} draws"
    figure = plain.plot(lines={f"floating point, {exact.value:.1%}": exact.value}, title=title)
    figure.axes[0].get_legend().get_texts()[-1].set_text("mean over draws, 95 % interval")
    run.figure("levels", figure, "Test accuracy against the number of levels of a weight, with the accuracy in floating point.")
    run.note("Devices of the level curve are ideal but for their levels: no scatter, no limit of the writing was asked for.")


def on_levels(weight: Tensor, levels: int, draws: int, seed: int) -> Tensor:
    """Round weights to levels from -max|w| to max|w|, and scatter them: ``[draw, pre, post]``; sigma is 2 max|w| / levels / 6."""
    top = weight.abs().max()
    grid = torch.linspace(-1.0, 1.0, levels) * top
    rounded = grid[(weight[..., None] - grid).abs().argmin(-1)]
    dice = torch.Generator().manual_seed(seed * 1000 + levels)
    return rounded + 2 * top / levels / 6 * torch.randn(draws, *weight.shape, generator=dice)


def fewest(curve: Curve, target: float) -> float:
    """Return the smallest number of levels from which on the mean stays at the target or above; infinity where there is none."""
    good = float("inf")
    for n, interval in zip(reversed(curve.x), reversed(curve.intervals), strict=True):
        if interval.value < target:
            break
        good = n
    return good


@torch.no_grad()
def raster(net: Network, task: Task, sample: int = 0) -> Any:
    """Draw what the channels, the neurons and the readout do while one held-out digit is spoken."""
    from matplotlib.figure import Figure

    with net.keeping_monitors():
        net.monitor("res", "output")
        x, labels = next(iter(task.held_out(sample + 1)))
        out = net.run(x[sample:], steps=x.shape[1] + task.readout.tail)[0]
        spikes = net.records["res"].output[0]
    end = int(x[sample].any(-1).nonzero()[-1]) + task.readout.tail
    figure = Figure(figsize=(7, 6), layout="constrained", dpi=120)
    top, middle, low = figure.subplots(3, sharex=True, height_ratios=(2, 3, 2))
    for axes, shown, what in ((top, x[sample], "channel"), (middle, spikes, "neuron")):
        k, unit = shown[:end].nonzero(as_tuple=True)
        axes.plot(1e3 * task.dt * k, unit, "|", markersize=2)
        axes.set(ylabel=what)
    said = int(labels[sample])
    for digit, voltage in enumerate(out[:end].T):
        style: dict[str, Any] = {"lw": 2, "label": f"{digit} (spoken)"} if digit == said else {"lw": 0.8, "color": "0.6"}
        low.plot(1e3 * task.dt * torch.arange(end), voltage, **style)
    low.set(xlabel="time (ms)", ylabel="voltage of the readout (V)")
    low.legend(loc="upper left", fontsize=8)
    return figure
