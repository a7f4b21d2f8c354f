"""Training of a network whose first part does not learn: that part is run once, not in every epoch.

A task with ``Recipe(trained=("res>out",), once=True)`` is trained by `fit_once`. A study that needs the short network itself, for
example to write only its weights to devices, asks for it with `shortened`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.errors import RunError
from ...data.sets import LabelledSet
from ...network.network import Network
from ...train import Trainer
from ..frozen import Cut, cut
from .task import Task


class Short(NamedTuple):
    """A task for the part of a network that learns, and that part."""

    task: Task  # its samples are what the other part said, its network is `net`
    net: Network
    cut: Cut


def shortened(task: Task, net: Network, *, size: int = 100, test: bool = True) -> Short:
    """Run the part of a network that does not learn once over all samples of a task; what is left is a shorter task.

    Args:
        task: a task whose encoding draws nothing, and whose recipe names what learns.
        net: an initialised network for it, without a chip axis.
        size: number of samples that are run at a time.
        test: whether the held-out samples are run, too; False leaves the shorter task without any.

    Returns:
        The shorter task, with the network that learns it. Scores are those of the whole network.

    Raises:
        RunError: the recipe trains everything, or the encoding in training is another one; what `ship.study.cut` raises.
        GraphError: what `ship.study.cut` raises.
    """
    where = f"task {task.name!r}"
    if not task.recipe.trained:
        raise RunError(where, "must name what learns, so that the rest is run once", fix="Give Recipe(trained=(...)).")
    if task.encode_train is not None:
        fix = "Leave encode_train out, or train the whole network (Recipe(once=False))."
        raise RunError(where, "must encode a sample alike in every epoch, so that it is run once", got="encode_train", fix=fix)
    made = cut(net, task.recipe.trained)

    def said(part: LabelledSet) -> LabelledSet:
        return replace(part, x=made.record(task.in_order(part, size), tail=task.readout.tail))

    short = replace(
        task,
        train=said(task.train),
        test=said(task.test) if test else task.test.part([]),
        channels=made.back[made.border].n,
        encode=as_floats,
        readout=replace(task.readout, tail=0),  # its slots are in the recorded samples
        build=lambda: cut(net, task.recipe.trained).back,
        recipe=replace(task.recipe, once=False),
    )
    return Short(short, made.back, made)


def as_floats(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Return what was recorded as numbers that a network takes."""
    return x.to(torch.get_default_dtype())


def fit_once(task: Task, net: Network, **options: Any) -> Trainer:
    """Train a network for a task, its part that does not learn run once.

    Args:
        task: the task.
        net: the network, which gets the trained parameters.
        options: as of `Task.fit`.

    Returns:
        A trainer of the whole network, with the history.
    """
    short = shortened(task, net, test=False)
    trained = short.task.fit(short.net, **options)
    short.cut.give(net)
    whole = task.trainer(net)
    whole.progress = trained.progress
    return whole
