"""A task: data, encoding, readout and split in one object with a name, and a network that can learn it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.checks import check_choice, check_real, check_whole
from ...base.errors import GraphError, ParameterError, RunError
from ...data import Batches, LengthBuckets, SpikeDataset, collate
from ...data.sets import LabelledSet
from ...network.network import Network
from ...network.readout import Readout
from ...train import Perturb, Trainer
from ..frozen import Cut, cut
from ..linear_start import linear_start

Encode = Callable[[Tensor, torch.Generator], Tensor]
Start = Callable[["Task", Network, int], None]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained for a task, by Adam.

    Args:
        epochs: number of epochs; 0 where the start is the best that is known.
        size: number of samples in a batch.
        lr: learning rate, in the unit of each parameter.
        relative: whether it is a fraction instead, of the root mean square of each parameter before training.
        decay: what the rate does over the epochs: "cosine" lets it fall to 0, "none" keeps it.
        weight_decay: the decay of weights that Adam applies.
        clip: largest norm of the gradient; None: any.
        trained: tags of the groups that learn; empty: all.
        once: whether the part of the network that does not learn is run once, not in every epoch (`Task.shortened`); the
            encoding must then draw nothing.
        start: what training begins from. "drawn": the weights of the network; "linear": those that `ship.study.linear_start`
            finds for what learns, which must then be the one synapse before a leaky readout; or a function
            ``start(task, net, seed)`` that gives the task's own network its first weights.
        bound: the largest size of the weights of a linear start, V.
    """

    epochs: int = 40
    size: int = 64
    lr: float = 5e-3
    decay: str = "cosine"
    weight_decay: float = 0.0
    clip: float | None = None
    trained: tuple[str, ...] = ()
    relative: bool = False
    once: bool = False
    start: str | Start = "drawn"
    bound: float = math.inf

    def __post_init__(self) -> None:
        check_whole("Recipe.epochs", self.epochs, 1 if self.start == "drawn" else 0)
        check_whole("Recipe.size", self.size, 1)
        check_real("Recipe.lr", self.lr, "must be above 0", above=0.0)
        check_choice("Recipe.decay", self.decay, ("cosine", "none"), either=True)
        if not callable(self.start):
            check_choice("Recipe.start", self.start, ("drawn", "linear"), either=True)
        if self.start == "linear" and len(self.trained) != 1:
            raise ParameterError("Recipe.start", "'linear' needs one tag that is trained", got=f"{self.trained}")

    def suited(self, net: Network) -> Recipe:
        """Return this recipe, or one for any network where this one needs a part that the network does not have."""
        own = all(tag in net.tags for tag in self.trained) if self.trained else not callable(self.start)
        return self if own else Recipe(size=self.size)


class Short(NamedTuple):
    """A task for the part of a network that learns, and that part; `Task.shortened` makes it."""

    task: Task  # its samples are what the other part said, its network is `net`
    net: Network
    cut: Cut


def as_floats(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Return what was recorded as numbers that a network takes: an encoding."""
    return x.to(torch.get_default_dtype())


@dataclass(frozen=True, repr=False)
class Task:
    """A task: data, encoding, readout and split in one object with a name, and a network that can learn it.

    Args:
        name: its name.
        train, test: samples to train on, and those held out.
        channels: number of input units of a network for it.
        dt: time step, s.
        encode: ``encode(x, generator)``, for samples in one tensor ``x [batch, ...]`` with the result ``[batch, time, channel]``;
            for samples in a list one at a time, with the result ``[time, channel]``.
        readout: what makes scores of the output.
        build: function that makes the task's own network: groups are added, it is not initialised. The input is the group "in".
        recipe: how it is trained.
        encode_train: the encoding in training, with noise or augmentation; default: ``encode``.
        split: how training and test samples were divided, in words.
        notes: what a reader must know beside any number.
        at_once: number of samples that are run together in a test, on all chips: fewer where one needs much memory.

    Raises:
        GraphError: training and test samples have other classes.
        ParameterError: a number of samples below 1.
    """

    name: str
    train: LabelledSet
    test: LabelledSet
    channels: int
    dt: float
    encode: Encode
    readout: Readout
    build: Callable[[], Network]
    recipe: Recipe = field(default_factory=Recipe)
    encode_train: Encode | None = None
    split: str = ""
    notes: tuple[str, ...] = ()
    at_once: int = 120

    def __post_init__(self) -> None:
        check_whole(f"task {self.name!r}: at_once", self.at_once, 1)
        if self.train.classes != self.test.classes:
            raise GraphError(f"task {self.name!r}", "needs the same classes to train on and to test", got="others")

    def __repr__(self) -> str:
        return (
            f"Task({self.name}: {len(self.train)} samples to train on, {len(self.test)} held out ({self.split}), "
            f"{self.channels} channels, {len(self.classes)} classes, dt {self.dt:g} s)"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.train.classes

    def network(self, seed: int = 0) -> Network:
        """Build the task's own network, and initialise it."""
        net = self.build()
        net.init(dt=self.dt, seed=seed)
        return net

    def training(self, seed: int = 0, size: int | None = None) -> Any:
        """Make batches to train on, in an order that depends on (seed, epoch)."""
        return self._batches(self.train, self.encode_train or self.encode, size or self.recipe.size, seed, shuffle=True)

    def held_out(self, size: int | None = None) -> Any:
        """Make batches of the samples that are held out, always the same; default size: ``at_once``."""
        return self.in_order(self.test, size)

    def in_order(self, part: LabelledSet, size: int | None = None) -> Any:
        """Make batches of samples as the test sees them, in their order."""
        return self._batches(part, self.encode, size or self.at_once, 0, shuffle=False)

    def _batches(self, part: LabelledSet, encode: Encode, size: int, seed: int, *, shuffle: bool) -> Any:
        if isinstance(part.x, Tensor):
            return Batches(part.x, part.labels, size, encode=encode, shuffle=shuffle, seed=seed)
        data = SpikeDataset(part.x, part.labels, encode=encode, seed=seed)
        if not shuffle:
            return torch.utils.data.DataLoader(data, batch_size=size, collate_fn=collate)
        order = LengthBuckets([len(x) for x in part.x], size, buckets=1, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        return torch.utils.data.DataLoader(data, batch_sampler=order, collate_fn=collate, generator=generator)

    def fit(
        self,
        net: Network,
        *,
        seed: int = 0,
        epochs: int | None = None,
        progress: bool = False,
        checkpoint: str | Path | None = None,
        perturb: Sequence[Perturb] = (),
    ) -> Trainer:
        """Train a network by the recipe; held-out samples are not looked at.

        Args:
            net: an initialised network.
            seed: seed of the order and of the encoding.
            epochs: number of epochs; default: the recipe's.
            progress: whether to draw a progress bar.
            checkpoint: a file that is written after each epoch.
            perturb: noise on parameters while it learns; the network then learns on from where it is, and is run as a whole.

        Raises:
            GraphError: a group that should learn is not there.
        """
        recipe = self.recipe if epochs is None else replace(self.recipe, epochs=epochs)
        options: dict[str, Any] = {"seed": seed, "epochs": recipe.epochs, "progress": progress, "checkpoint": checkpoint}
        if recipe.once and not perturb:
            return self._fit_once(net, **options)
        if not perturb and callable(recipe.start):
            recipe.start(self, net, seed)
        elif not perturb and recipe.start == "linear":
            linear_start(net, recipe.trained[0], self.in_order(self.train), readout=self.readout, bound=recipe.bound)
        trainer = self.trainer(net, recipe.epochs, perturb=perturb)
        if recipe.epochs:
            trainer.fit(self.training(seed), epochs=recipe.epochs, progress=progress, checkpoint=checkpoint)
        return trainer

    def _fit_once(self, net: Network, **options: Any) -> Trainer:
        """Train a network, its part that does not learn run once; the trainer is one of the whole network, with the history."""
        short = self.shortened(net, test=False)
        trained = short.task.fit(short.net, **options)
        short.cut.give(net)
        whole = self.trainer(net)
        whole.progress = trained.progress
        return whole

    def shortened(self, net: Network, *, size: int = 100, test: bool = True) -> Short:
        """Run the part of a network that does not learn once over all samples; what is left is a shorter task.

        A study that needs the short network itself, for example to write only its weights to devices, asks for it here.

        Args:
            net: an initialised network without a chip axis; the recipe names what learns, and the encoding draws nothing.
            size: number of samples that are run at a time.
            test: whether the held-out samples are run, too; False leaves the shorter task without any.

        Returns:
            The shorter task, with the network that learns it. Scores are those of the whole network.

        Raises:
            RunError: the recipe trains everything, or the encoding in training is another one; what `ship.study.cut` raises.
            GraphError: what `ship.study.cut` raises.
        """
        where = f"task {self.name!r}"
        if not self.recipe.trained:
            raise RunError(where, "must name what learns, so that the rest is run once", fix="Give Recipe(trained=(...)).")
        if self.encode_train is not None:
            fix = "Leave encode_train out, or train the whole network (Recipe(once=False))."
            raise RunError(where, "must encode a sample alike in every epoch, to run it once", got="encode_train", fix=fix)
        made = cut(net, self.recipe.trained)

        def said(part: LabelledSet) -> LabelledSet:
            return replace(part, x=made.record(self.in_order(part, size), tail=self.readout.tail))

        short = replace(
            self,
            train=said(self.train),
            test=said(self.test) if test else self.test.part([]),
            channels=made.back[made.border].n,
            encode=as_floats,
            readout=replace(self.readout, tail=0),  # its slots are in the recorded samples
            build=lambda: cut(net, self.recipe.trained).back,
            recipe=replace(self.recipe, once=False),
        )
        return Short(short, made.back, made)

    def trainer(self, net: Network, epochs: int | None = None, *, perturb: Sequence[Perturb] = ()) -> Trainer:
        """Make the trainer of the recipe for a network, which has not been trained yet.

        Args:
            net: an initialised network.
            epochs: number of epochs over which the learning rate falls; default: the recipe's.
            perturb: noise on parameters while they learn.

        Raises:
            GraphError: a group that should learn is not there.
        """
        recipe = self.recipe if epochs is None else replace(self.recipe, epochs=epochs)
        learning = self._learning(net)
        rates = [float(p.detach().square().mean().sqrt()) if recipe.relative else 1.0 for p in learning]
        groups = [{"params": [p], "lr": recipe.lr * rate} for p, rate in zip(learning, rates, strict=True)]
        optimizer = torch.optim.Adam(groups if recipe.relative else learning, lr=recipe.lr, weight_decay=recipe.weight_decay)
        schedule = (
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, recipe.epochs)) if recipe.decay == "cosine" else None
        )
        own: dict[str, Any] = {"readout": self.readout, "clip": recipe.clip, "perturb": perturb}
        return Trainer(net, optimizer=optimizer, schedule=schedule, **own)

    def _learning(self, net: Network) -> Sequence[Tensor]:
        if not self.recipe.trained:
            return list(net.parameters())
        missing = [tag for tag in self.recipe.trained if tag not in net.tags]
        if missing:
            raise GraphError(
                f"task {self.name!r}", f"trains {list(self.recipe.trained)}", got=f"a network without {missing[0]!r}"
            )
        return [p for tag in self.recipe.trained for p in net[tag].parameters()]

    def reduced(self, train: int, test: int, seed: int = 0) -> Task:
        """Return the task with fewer samples, of each class in proportion; a note says so.

        Args:
            train, test: number of samples that are kept, about; more than there are keeps all.
            seed: seed of the choice.
        """
        kept = _some(self.train, train, seed), _some(self.test, test, seed)
        note = f"{len(kept[0])} of {len(self.train)} training samples, {len(kept[1])} of {len(self.test)} test samples"
        return replace(self, train=kept[0], test=kept[1], notes=(*self.notes, note))


def _some(data: LabelledSet, n: int, seed: int) -> LabelledSet:
    from ...data import split

    if n >= len(data):
        return data
    share = n / len(data)
    return data.part(split(data.labels, [share, 1 - share], seed=seed)[0])
