"""The task and the network that ``ship ask`` and ``ship require`` are asked about, and whether they fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..base.display.stages import Stages
from ..base.errors import GraphError, ShipError
from ..base.statistics import Interval
from ..models import CurrentInput, SpikeInput
from ..network.files.files import load
from ..network.network import Network
from ..study.measure import hits
from ..study.tasks import Task, task
from ..train import wilson


@dataclass(frozen=True)
class Subject:
    """What is asked about: a task, how the network for it is made, and who asks.

    Args:
        command: the command, for errors: "ask".
        name: the name or the file of the task.
        options: what the task itself takes, as given on the command line.
        network: the file of a network; None: the task's own.
        trained: whether that network is taken as it is.
        data: folder with data sets.
        samples: number of test samples; None: all.
        epochs: number of epochs; None: the task's.
        seed: seed of the split, of the weights and of the order.
    """

    command: str = "ask"
    name: str = "digits"
    options: tuple[tuple[str, str], ...] = ()
    network: Path | None = None
    trained: bool = False
    data: Path | None = None
    samples: int | None = None
    epochs: int | None = None
    seed: int = 0

    def task(self) -> Task:
        """Make the task; a network of the user's that lacks what the task's recipe trains is trained by the general one.

        Raises:
            ShipError: there is none of this name, or its data cannot be had.
        """
        made = task(self.name, folder=self.data, seed=self.seed, **{key: _plain(value) for key, value in self.options})
        if self.network is not None:
            made = replace(made, recipe=made.recipe.suited(load(self.network)))
        return made if self.samples is None else made.reduced(len(made.train), self.samples, self.seed)

    @property
    def small(self) -> bool:
        """Whether the network is too small for several threads."""
        return self.name == "digits" and self.network is None

    @property
    def said(self) -> str:
        """The network in words."""
        if self.network is None:
            return f"the network of the task {self.name!r}"
        return f"{self.network.name}{', as it was trained' if self.trained else ''}"

    def trained_network(self, made: Task, stages: Stages, progress: bool) -> tuple[Network, Interval, int]:
        """Return a trained network, its accuracy on the samples held out with the 95 % interval (Wilson), and their number.

        Raises:
            ShipError: the network does not fit the task, or a file is damaged.
        """
        if self.trained and self.network is None:
            where, fix = f"ship {self.command}: --trained", "Give the file: --network mine.ship."
            raise ShipError(where, "takes a network as it is, and none was given", fix=fix)
        net = made.network(self.seed) if self.network is None else fitting(self.command, load(self.network), self.network, made)
        if self.trained:
            net.readout = net.readout or made.readout
        else:
            epochs = self.epochs or made.recipe.epochs
            how = f"train a network in floating point, {epochs} epochs" if epochs else "find the weights of the network's readout"
            with stages.stage(how):
                made.fit(net, seed=self.seed, epochs=epochs, progress=progress)
        right = hits(net, made.held_out())
        return net, wilson(int(right.sum()), len(right)), len(right)


def fitting(command: str, net: Network, file: Path, made: Task) -> Network:
    """Check that a network of a file fits a task; return it.

    Raises:
        GraphError: numbers of input units or output classes, time steps, or chips do not fit.
    """
    where = f"ship {command}: --network {file.name}"
    groups = net.simulation(where).groups
    inputs = {tag: group.n for tag, group in groups.items() if isinstance(group.spec.model, SpikeInput | CurrentInput)}
    if list(inputs.values()) != [made.channels]:
        got = ", ".join(f"{n} in {tag!r}" for tag, n in inputs.items()) or "none"
        raise GraphError(where, f"must have one input of {made.channels} units, the channels of the task {made.name!r}", got=got)
    outputs = {tag: groups[tag].n for tag in net.outputs}
    if list(outputs.values()) != [len(made.classes)]:
        got = ", ".join(f"{n} in {tag!r}" for tag, n in outputs.items()) or "none"
        rule = f"must have one output of {len(made.classes)} units, the classes of the task {made.name!r}"
        raise GraphError(where, rule, got=got, fix="Name it: net.add(..., output=True).")
    dt = net.settings["dt"]
    if abs(dt - made.dt) > 1e-9 * made.dt:
        fix = f"Initialise it with net.init(dt={made.dt:g}) before it is saved."
        raise GraphError(where, f"must have the time step of the task {made.name!r}, {made.dt:g} s", got=f"{dt:g} s", fix=fix)
    if net.chips is not None:
        raise GraphError(
            where, "must have no chips: it is copied to them", got=f"{net.chips} chips", fix="Save the trained network."
        )
    return net


def whole(made: Task) -> Tensor:
    """Return the samples to train on in one tensor.

    Raises:
        ShipError: they differ in length.
    """
    if not isinstance(made.train.x, Tensor):
        raise ShipError(f"task {made.name!r}", "needs samples of one length, for a layer that learns on the chips")
    return made.train.x


def remarks(made: Task) -> Sequence[str]:
    """Return what a reader must know beside any number of a task."""
    about = made.test.about
    said = [f"Task {made.name}: {about.title} (licence: {about.licence}); divided {made.split}." if made.split else ""]
    return [text for text in dict.fromkeys((*said, *made.notes, about.note)) if text]


def _plain(text: str) -> Any:
    """Return the number or the truth value that a text is, or the text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
