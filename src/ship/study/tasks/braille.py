"""Braille characters, scanned column by column, for a recurrent network of Izhikevich neurons.

An image becomes 28 signals, one a row, along its columns: contrast stretched to [0, 1], cubic interpolation between pixels, 5 ms
a column. Level crossings of each signal, up and down on separate channels, are the input: 56 channels. They reach a column of 5 x
5 x 5 recurrent Izhikevich neurons, a quarter of them inhibitory, then 512 more (128 in the publication), then a leaky readout for
each letter, whose value at the end is its score. All weights learn.

Two ways to say a second: ``neurons="milliseconds"`` is Izhikevich's model in its own unit, solved exactly. ``"as published"`` is
the network of the publication, whose script stepped an equation per millisecond by 0.0005, meant as seconds: its neurons are 1000
times too slow beside everything else and hardly leak. Here the same numbers come about the other way round, with everything else
1000 times faster; times of such a network (latency, rates) are those of its neurons.

Source: of the network: Gemo et al., Front. Neurosci. 17:1270090 (2024), section 4.2.2, and the script published with it; of the
neuron: Izhikevich, IEEE Trans. Neural Netw. 14:1569 (2003).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ... import data
from ...base.checks import check_choice, check_real, check_whole
from ...base.errors import ParameterError
from ...base.parameters import Uniform
from ...data.sets import LabelledSet
from ...groups.connectivity import Edges
from ...models import DoubleExpSynapse, Izhikevich, LeakyIntegrator, SpikeInput
from ...models.gemo2024 import LeakyIntegrator2024, SecondOrder2024
from ...models.surrogate import FastSigmoid
from ...network.network import Network
from ...network.readout import Last, Max
from ..frozen import cut
from ..linear_start import linear_start
from .column import column
from .task import Recipe, Task

SIZE, ROWS = 28, 28  # columns, which pass one after the other, and rows, which are channels
COLUMN_TIME = 5e-3  # s
TAIL_TIME = 15e-3  # s of silence after the last column
SHAPE = (5, 5, 5)
HIDDEN, PUBLISHED_HIDDEN = 512, 128
PARTNERS = 4  # units that a channel reaches
FOLDS = 6  # parts of 10 images of each letter; one is held out
TOPOLOGY = 200  # seed of the column, which is the same in all networks
SLOW = 1000.0  # milliseconds that were taken for seconds
WAYS = ("milliseconds", "as published")
SPLITS = ("random", "augmentation")
KINDS = ("dim", "rot", "whs")
READOUT_TAU = 0.3  # s, about twice a sample: what came early still counts at its end
EPOCHS, RATE = 10, 0.001  # the rate is a fraction of a weight
READOUT, COPIES = "hid>out", 8  # versions of each image on which its first weights are found


@dataclass(frozen=True)
class Scan:
    """The encoding of images ``[batch, row, column]``: one signal a row, level crossings along the columns.

    Args:
        dt: time step, s.
        delta: height of a level, a fraction of an image's contrast.
        augment: whether images are first turned, moved and stretched a little at random, for training.
        turn: the largest rotation, in degrees.
        move: the largest shift, in pixels.
        stretch: the largest change of size, a fraction.
    """

    dt: float
    delta: float
    augment: bool = False
    turn: float = 15.0
    move: float = 1.5
    stretch: float = 0.08

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return events ``[batch, time, 2 row]``: for each row its channel up and its channel down."""
        images = stretched_contrast(x)
        if self.augment:
            images = self.changed(images, generator)
        signals = (images @ _interpolation(self.dt).T).transpose(-1, -2)
        events = data.level_crossing(signals, delta=self.delta)
        return torch.nn.functional.pad(events, (0, 0, 0, round(TAIL_TIME / self.dt)))

    def changed(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return images that are turned, moved and stretched by random amounts, each by its own; what comes in is white."""
        n = len(images)
        angle, x, y, size = (2 * torch.rand(4, n, generator=generator) - 1) * torch.tensor(
            [[math.radians(self.turn)], [2 * self.move / SIZE], [2 * self.move / SIZE], [self.stretch]]
        )
        cos, sin = torch.cos(angle) * (1 + size), torch.sin(angle) * (1 + size)
        maps = torch.stack([torch.stack([cos, -sin, x], -1), torch.stack([sin, cos, y], -1)], -2)
        places = torch.nn.functional.affine_grid(maps, [n, 1, ROWS, SIZE], align_corners=False)
        made = torch.nn.functional.grid_sample(images[:, None], places, padding_mode="border", align_corners=False)
        return made[:, 0]


def stretched_contrast(x: Tensor) -> Tensor:
    """Return images whose darkest pixel is 0 and whose brightest is 1."""
    low, high = x.amin((-1, -2), keepdim=True), x.amax((-1, -2), keepdim=True)
    return (x - low) / (high - low).clamp(min=1e-6)


@lru_cache
def _interpolation(dt: float) -> Tensor:
    """Return the matrix ``[time, column]`` of a cubic interpolation between columns (Hermite, slopes by central differences)."""
    import numpy as np
    from scipy.interpolate import CubicHermiteSpline

    columns = np.arange(SIZE)
    one = np.eye(SIZE)
    slots = round((SIZE - 1) * COLUMN_TIME / dt)
    return torch.as_tensor(
        CubicHermiteSpline(columns, one, np.gradient(one, axis=0))(np.arange(slots) * dt / COLUMN_TIME), dtype=torch.float32
    )


def build(classes: int, neurons: str, hidden: int = HIDDEN) -> Network:
    """Build the network: 56 channels, a column of 125 recurrent neurons, hidden ones, a leaky readout for each letter.

    Weights of what a network has in milliseconds are in volts; those as published are its numbers, times ``w_scale``.

    Args:
        classes: number of letters.
        neurons: "milliseconds" or "as published".
        hidden: number of neurons behind the column.
    """
    drawn = torch.Generator().manual_seed(TOPOLOGY)
    reservoir = column(SHAPE, drawn)
    entry = Edges(*reservoir.inputs(2 * ROWS, PARTNERS, drawn))
    recurrent = Edges(reservoir.pre, reservoir.post)
    net = Network()
    net.add(SpikeInput, "in", n=2 * ROWS)
    if neurons == "as published":
        return _as_published(net, classes, hidden, entry, recurrent, reservoir.weight)
    cell: dict[str, Any] = Izhikevich.published("RS") | {"initial": {"v": -70e-3, "u": -14.0}}  # its resting state
    net.add(Izhikevich, "res", n=math.prod(SHAPE), **cell)
    net.add(Izhikevich, "hid", n=hidden, **cell)
    net.add(LeakyIntegrator, "out", n=classes, tau=READOUT_TAU, output=True)
    synapse: dict[str, Any] = {"tau": 15e-3, "tau_rise": 5e-3}
    weight = torch.full((len(entry.pre),), 300e-3)
    net.add(DoubleExpSynapse, "in>res", source="in", target="res", connect=entry, weight=weight, **synapse)
    weight = 20e-3 * reservoir.weight
    net.add(DoubleExpSynapse, "res>res", source="res", target="res", connect=recurrent, weight=weight, **synapse)
    net.add(DoubleExpSynapse, "res>hid", source="res", target="hid", weight=Uniform(-150e-3, 150e-3), **synapse)
    net.add(DoubleExpSynapse, "hid>out", source="hid", target="out", weight=Uniform(-0.15, 0.15), **synapse)
    return net


def _as_published(net: Network, classes: int, hidden: int, entry: Edges, recurrent: Edges, weight: Tensor) -> Network:
    """Add what the script of the publication has; its weights are 0 where the topology has no edge, and learn there, too."""
    cell: dict[str, Any] = Izhikevich.published("RS") | {"method": "published", "surrogate": FastSigmoid(100 / 1e-3)}
    n = math.prod(SHAPE)
    net.add(Izhikevich, "res", n=n, **cell)
    net.add(Izhikevich, "hid", n=hidden, **cell)
    net.add(LeakyIntegrator2024, "out", n=classes, tau=1e-3 / SLOW, output=True)
    first, second = torch.zeros(2 * ROWS, n), torch.zeros(n, n)
    first[entry.pre, entry.post], second[recurrent.pre, recurrent.post] = 1.0, weight
    drawn = Uniform(-0.4, 0.6)
    for source, target, start, scale in (
        ("in", "res", first, 1000.0),
        ("res", "res", second, 1500.0),
        ("res", "hid", drawn, 800.0),
        ("hid", "out", drawn, 100.0 * SLOW),  # in the unit of its output, not in mV
    ):
        synapse: dict[str, Any] = {"weight": start, "w_scale": scale, "tau_1": 15e-3 / SLOW, "tau_2": 5e-3 / SLOW, "side": "post"}
        net.add(SecondOrder2024, f"{source}>{target}", source=source, target=target, **synapse)
    return net


def braille(
    *,
    folder: str | Path | None = None,
    seed: int = 0,
    classes: int = 10,
    split: str = "random",
    fold: int = 0,
    held: str = "whs",
    neurons: str = "milliseconds",
    hidden: int | None = None,
    dt: float = 2e-3,
    delta: float = 0.05,
    augment: bool = True,
    copies: int = COPIES,
) -> Task:
    """Make the task.

    Args:
        folder: where the images are looked for first, see `ship.data.load`.
        seed: seed of the split.
        classes: the number of letters, from "a" on: 10 as in the publication, or up to 26.
        split: "random" holds out 10 of the 60 images of each letter; "augmentation" all that were made by one kind of change.
        fold: which sixth of the images "random" holds out, 0 to 5: those of the six folds of a seed are all images, each once.
        held: the kind of change that "augmentation" holds out: "dim", "rot" or "whs".
        neurons: "milliseconds" or "as published", see the file.
        hidden: number of neurons behind the column; default: 512, and 128 of those as published.
        dt: time step, s.
        delta: height of a level of the encoding, a fraction of an image's contrast.
        augment: whether training images are turned, moved and stretched a little at random, anew in each epoch.
        copies: number of such versions of each image on which the first weights of the readout are found.

    Raises:
        FileError: the images are nowhere, see `ship.data.load`.
        ParameterError: a setting out of its range.
    """
    check_whole("task braille: classes", classes, 2)
    if classes > 26:
        raise ParameterError("task braille: classes", "must be at most 26", got=str(classes))
    check_choice("task braille: split", split, SPLITS, either=True)
    check_choice("task braille: held", held, KINDS, either=True)
    check_choice("task braille: neurons", neurons, WAYS, either=True)
    check_whole("task braille: fold", fold)
    if fold >= FOLDS:
        raise ParameterError("task braille: fold", f"must be from 0 to {FOLDS - 1}", got=str(fold))
    check_real("task braille: dt", dt, "must be above 0 s, at most that of a column", above=0.0, most=COLUMN_TIME)
    samples = letters(data.load("braille", folder), classes)
    if split == "random":
        test = sixth(samples.labels, fold, seed)
        words = f"at random, by letter: fold {fold} of {FOLDS}, seed {seed}"
    else:
        test = torch.tensor([kind == held for kind in samples.by["augmentation"]])
        words = f"by augmentation: {held} held out"
    published = neurons == "as published"
    if hidden is None:
        hidden = PUBLISHED_HIDDEN if published else HIDDEN
    check_whole("task braille: hidden", hidden, 1)
    check_whole("task braille: copies", copies, 1)
    return Task(
        name="braille",
        train=samples.part(~test),
        test=samples.part(test),
        channels=2 * ROWS,
        dt=dt / SLOW if published else dt,
        encode=Scan(dt, delta),
        encode_train=Scan(dt, delta, augment=True) if augment else None,
        readout=Max() if published else Last(),
        build=partial(build, classes, neurons, hidden),
        recipe=recipe(published, copies),
        split=words,
        notes=(
            samples.about.note,
            "A third of the images of a letter differ in brightness alone; stretched in contrast they are nearly the same.",
        ),
    )


def recipe(published: bool, copies: int) -> Recipe:
    """Return how all weights learn: from where they were drawn, or gently from the readout that is best for what was drawn."""
    if published:
        return Recipe(epochs=EPOCHS, size=16, lr=1e-2)
    return Recipe(epochs=EPOCHS, size=16, lr=RATE, clip=1.0, relative=True, start=partial(begin, copies=copies))


def begin(task: Task, net: Network, seed: int, *, copies: int = COPIES) -> None:
    """Give the readout the weights that are best for the network as it was drawn, over several epochs of augmented images."""
    pieces = cut(net, [READOUT])
    batches = task.training(seed)
    seen = []
    for epoch in range(copies):
        batches.set_epoch(epoch)
        some = list(batches)
        spikes = pieces.record(some, tail=task.readout.tail)
        assert isinstance(spikes, Tensor)  # all images last equally long
        seen.append((spikes.float(), torch.cat([labels for _, labels in some])))
    linear_start(pieces.back, READOUT, seen, readout=task.readout)
    pieces.give(net)


def letters(samples: LabelledSet, classes: int) -> LabelledSet:
    """Return the images of the first letters."""
    return replace(samples.part(samples.labels < classes), classes=samples.classes[:classes])


def sixth(labels: Tensor, fold: int, seed: int) -> Tensor:
    """Return the samples of a fold as bool ``[sample]``: one of `FOLDS` equal parts of each class, drawn by the seed."""
    generator = torch.Generator().manual_seed(seed)
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels):
        index = (labels == label).nonzero().flatten()
        test[index[torch.randperm(len(index), generator=generator)][fold::FOLDS]] = True
    return test
