"""What tasks on sets of events have in common: events counted into slots, a recurrent network, the official split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.sets import LabelledSet
from ...data.sets.events import pooled, to_slots
from ...network.network import Network
from ...network.readout import Mean
from .layers import hidden_layer
from .task import Recipe, Task

UNTRIED = (
    "Network and recipe were chosen for this set without having it at hand: no accuracy of theirs is known beforehand. "
    "Measure it before you rely on it."
)


@dataclass(frozen=True)
class Camera:
    """A camera whose events are counted on coarser pixels.

    Args:
        width, height: pixels of the camera.
        by: pixels that become one, in each direction.
    """

    width: int
    height: int
    by: int = 1

    @property
    def units(self) -> int:
        """The number of units: coarse pixels of both polarities."""
        return 2 * -(-self.width // self.by) * -(-self.height // self.by)


@dataclass(frozen=True)
class Slots:
    """An encoding of events ``[event, 2]`` as counts ``[time, unit]``.

    Args:
        units: number of units.
        steps: number of slots; later events are left out.
        dt: time step, s.
        camera: the camera whose pixels are pooled; None: units stay as they are.
    """

    units: int
    steps: int
    dt: float
    camera: Camera | None = None

    def __call__(self, x: Tensor, _: torch.Generator | None = None) -> Tensor:
        """Return the counts of one sample."""
        if self.camera is not None:
            x = pooled(x, self.camera.width, self.camera.height, self.camera.by)
        return to_slots(x, self.units, self.steps, self.dt)


def event_task(
    samples: LabelledSet, encode: Slots, *, spread: float, recipe: Recipe, notes: tuple[str, ...] = (), hidden: int = 256
) -> Task:
    """Make a task of a set of events with an official split, and a recurrent network of one hidden layer.

    Args:
        samples: the set.
        encode: how events become counts.
        spread: standard deviation of the weights from the input at the start, V.
        recipe: how the network is trained.
        notes: what a reader must know beside any number.
        hidden: number of hidden neurons.
    """
    assert samples.test is not None
    own = (samples.about.note,) if samples.about.note else ()
    late = f"Events after {encode.steps * encode.dt:g} s of a sample are left out."
    return Task(
        name=samples.name,
        train=samples.part(~samples.test),
        test=samples.part(samples.test),
        channels=encode.units,
        dt=encode.dt,
        encode=encode,
        readout=Mean(),
        build=_builder(encode.units, hidden, len(samples.classes), spread),
        recipe=recipe,
        split="the official one",
        notes=(*own, *notes, late, UNTRIED),
    )


def _builder(units: int, hidden: int, classes: int, spread: float) -> Callable[[], Network]:
    return lambda: hidden_layer(units, hidden, classes, spread=spread, recurrent=True)
