"""From samples and labels of a user to a task: what becomes spikes how, and which samples are held out.

Kinds of samples: "spikes" are counts ``[sample, time, channel]`` and enter the network as they are. "values" are levels
``[sample, time, channel]`` that flow into the neurons, after the weights; they are multiplied by ``gain`` first, which is by
default 1 / 20 ms: a level of 1 through a weight of 1 then brings a neuron to 1 V. An "image" has no time, ``[sample, ...]``: its
values become times to a first spike, the earlier the larger (20 slots of 1 ms, ``-8 ms ln x``, silent up to 0.05), after those
outside [0, 1] have been scaled. "events" are lists of time (s) and unit, counted into slots of ``dt``.

Held out are the samples that the file names; else whole groups, where it has groups; else a part of each class at random. The
task says which, in ``split`` and ``notes``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .... import data
from ....base.checks import check_real, check_whole
from ....base.errors import FileError
from ....data.sets import About, LabelledSet
from ....data.sets.events import to_slots
from ....network.network import Network
from ....network.readout import Max, Mean
from ..layers import TAU as LIF_TAU
from ..layers import hidden_layer
from ..task import Recipe, Task

KINDS = ("spikes", "values", "image", "events")
STEPS, DT, TAU, SILENT = 20, 1e-3, 8e-3, 0.05  # slots, s, time constant (s) and threshold of the code of images
MOST = 10**8  # slots x units of a sample of events
TAIL = 8  # slots of silence after an image, in which its last spikes still act
ABOUT = About(title="your own", licence="yours to say", citation="yours to say", home="a file of yours")


@dataclass(frozen=True)
class Samples:
    """What was read from a file of a user.

    Args:
        name: the name of the file without its folder.
        x: ``[sample, ...]``, or for events a list of float64 ``[event, 2]`` with time (s) and unit.
        labels: the label of each sample, numbers or text.
        kind: one of `KINDS`.
        dt: time step, s; None: not given.
        test: bool ``[sample]``, those that the file holds out; None: it does not say.
        groups: of whom each sample is, as text; None: it does not say.
        units: number of units of events; None: up to the largest.
        notes: what a reader must know beside any number.
    """

    name: str
    x: Tensor | list[Tensor]
    labels: Sequence[Any]
    kind: str
    dt: float | None = None
    test: Tensor | None = None
    groups: Sequence[str] | None = None
    units: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Latency:
    """Times to a first spike of values that are scaled from [low, high] to [0, 1] first.

    Args:
        low, high: what becomes 0 and 1, a number for all values or one for each.
    """

    low: Tensor
    high: Tensor

    def __call__(self, x: Tensor, _: torch.Generator | None = None) -> Tensor:
        """Return spikes ``[..., time, channel]``."""
        level = ((x.flatten(1).float() - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
        return data.latency(level, steps=STEPS, dt=DT, tau=TAU, threshold=SILENT)


@dataclass(frozen=True)
class Counts:
    """Events ``[event, 2]`` in s counted into slots."""

    units: int
    steps: int
    dt: float

    def __call__(self, x: Tensor, _: torch.Generator | None = None) -> Tensor:
        """Return the counts ``[time, channel]`` of one sample."""
        return to_slots(x, self.units, self.steps, self.dt, tick=1.0)


@dataclass(frozen=True)
class Levels:
    """Levels that are multiplied by a gain (1/s), and are else as they are; 1 for counts of spikes."""

    gain: float = 1.0

    def __call__(self, x: Tensor, _: torch.Generator | None = None) -> Tensor:
        """Return levels ``[..., time, channel]``."""
        return self.gain * x.float()


def task_of(
    found: Samples, *, seed: int = 0, dt: float | None = None, gain: float | None = None, hidden: int = 128, held: float = 0.2
) -> Task:
    """Make a task of what was read from a file.

    Args:
        found: what was read.
        seed: seed of the split, where the file has none.
        dt: time step, s, in place of the file's; images need none.
        gain: what levels are multiplied by, 1/s; 1 for a network of yours that takes them as they are.
        hidden: number of neurons of the hidden layer of the network that the task comes with.
        held: fraction of the samples that is held out, where the file does not say which.

    Raises:
        FileError: samples and labels do not fit together, or the file does not say what is needed.
        ParameterError: a number is out of its limits.
    """
    check_whole("task: hidden", hidden, 1)
    check_real("task: held", held, "must lie between 0 and 1", above=0.0, below=1.0)
    labels, classes = _classes(found)
    test, split, notes = _held_out(found, labels, held, seed)
    by = {} if found.groups is None else {"group": found.groups}
    whole = LabelledSet(found.name, found.x, labels, classes, ABOUT, by, test)
    train, kept = whole.part(~test), whole.part(test)
    unseen = sorted(set(kept.labels.tolist()) - set(train.labels.tolist()))
    if unseen:
        raise FileError(found.name, "must have samples of each class to train on", got=f"none of class {classes[unseen[0]]!r}")
    step, channels, encode, more = _encoding(found, train, dt, gain)
    return Task(
        name=found.name,
        train=train,
        test=kept,
        channels=channels,
        dt=step,
        encode=encode,
        readout=Max(tail=TAIL) if found.kind == "image" else Mean(),
        build=_builder(found.kind, channels, hidden, len(classes), _spread(encode, train, found.kind, step)),
        recipe=Recipe(epochs=40, size=min(64, max(1, len(train) // 8)), lr=5e-3),
        split=split,
        notes=(*found.notes, *notes, *more, f"The network is one of SHIP's: {hidden} LIF neurons in one hidden layer."),
    )


def _classes(found: Samples) -> tuple[Tensor, tuple[str, ...]]:
    """Return the number of each sample's class, and the names of the classes: labels in order."""
    if len(found.labels) != len(found.x):
        got = f"{len(found.x)} samples, {len(found.labels)} labels"
        raise FileError(found.name, "must have one label for each sample", got=got)
    names = sorted(set(found.labels))
    if len(names) < 2:
        raise FileError(found.name, "must have samples of at least two classes", got=f"{len(found.x)} samples, classes {names}")
    number = {name: i for i, name in enumerate(names)}
    return torch.tensor([number[label] for label in found.labels]), tuple(str(name) for name in names)


def _held_out(found: Samples, labels: Tensor, held: float, seed: int) -> tuple[Tensor, str, tuple[str, ...]]:
    """Return which samples are held out, how they were chosen, and what is to be said of it."""
    if found.test is not None:
        if bool(found.test.all()) or not bool(found.test.any()):
            raise FileError(found.name, "must have samples to train on and to test", got=f"{int(found.test.sum())} to test")
        return found.test, "as the file says", ()
    test = torch.zeros(len(labels), dtype=torch.bool)
    if found.groups is not None:
        return _whole_groups(found, held, seed)
    test[data.split(labels, [1 - held, held], seed=seed)[1]] = True
    if not bool(test.any()):
        raise FileError(found.name, "has too few samples to hold any out", got=f"{len(labels)}", fix="Give x_test and y_test.")
    note = (
        "The split is at random: where samples of one source (a person, a device, a recording) are in both parts, it flatters. "
        "Give groups to hold out whole sources."
    )
    return test, "at random, by class", (note,)


def _whole_groups(found: Samples, held: float, seed: int) -> tuple[Tensor, str, tuple[str, ...]]:
    """Hold out whole groups, in an order drawn from the seed, until they have about the wanted part of the samples."""
    assert found.groups is not None
    sizes = Counter(found.groups)
    names = sorted(sizes)
    if len(names) < 2:
        raise FileError(found.name, "must have at least two groups to hold one out", got=f"groups {names}")
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    chosen: set[str] = set()
    for name in (names[i] for i in order[:-1]):  # one group is left to train on
        if sum(sizes[other] for other in chosen) >= held * len(found.groups):
            break
        chosen.add(name)
    test = torch.tensor([group in chosen for group in found.groups])
    return test, f"by group: {len(chosen)} of {len(names)} groups are held out", ()


def _encoding(
    found: Samples, train: LabelledSet, dt: float | None, gain: float | None
) -> tuple[float, int, Callable[..., Tensor], tuple[str, ...]]:
    """Return time step, number of channels, encoding, and what is to be said of it."""
    if gain is not None and found.kind != "values":
        raise FileError(found.name, f"takes no gain: its samples are {found.kind}", got=f"gain={gain:g}")
    if found.kind == "image":
        assert isinstance(train.x, Tensor)
        if dt is not None or found.dt is not None:
            rule = f"takes no dt: it has images, which become spikes in slots of {DT:g} s"
            raise FileError(found.name, rule, got=f"dt={dt or found.dt:g}", fix="Say kind=... if it has no images.")
        encode, note = _latency(train.x, found.name)
        code = f"Images become times to a first spike: {STEPS} slots of {DT:g} s, -{TAU:g} s ln x, silent up to x = {SILENT:g}."
        return DT, train.x[0].numel(), encode, (code, *note)
    step = dt if dt is not None else found.dt
    if step is None:
        fix = "Give it: dt=0.001, or an array dt in an NPZ file."
        raise FileError(found.name, f"needs the time step (s) of its {found.kind}", fix=fix)
    check_real("task: dt", step, "must be above 0 s", above=0.0)
    if isinstance(found.x, list):
        largest = max((int(x[:, 1].max()) for x in found.x if len(x)), default=0)
        units = found.units or largest + 1
        if largest >= units:
            raise FileError(found.name, f"must have units from 0 to {units - 1}", got=largest)
        end = max((float(x[:, 0].max()) for x in found.x if len(x)), default=0.0)
        steps = math.floor(end / step + 0.5) + 1
        if steps * units > MOST:
            fix = "Times and dt are in seconds; are those of the file?"
            raise FileError(
                found.name, f"must have samples of at most {MOST:.0g} slots x units", got=f"{steps} x {units}", fix=fix
            )
        every = f"Every sample lasts {steps} slots of {step:g} s, up to the last event of all; there are {units} units."
        return step, units, Counts(units, steps, step), (every,)
    if found.kind == "values":
        gain = 1 / LIF_TAU if gain is None else check_real("task: gain", gain, "must be above 0 /s", above=0.0)
        flow = f"Values are multiplied by {gain:g} /s and flow into the neurons, after the weights, in V/s."
        return step, found.x.shape[-1], Levels(gain), (flow,)
    return step, found.x.shape[-1], Levels(), ()


def _latency(x: Tensor, name: str) -> tuple[Latency, tuple[str, ...]]:
    """Return the code of images, scaled by the smallest and largest training value where these lie outside [0, 1]."""
    if x.dtype == torch.uint8:
        return Latency(torch.tensor(0.0), torch.tensor(255.0)), ("Bytes from 0 to 255 are scaled to [0, 1].",)
    flat = x.flatten(1).float()
    if float(flat.min()) >= 0 and float(flat.max()) <= 1:
        return Latency(torch.tensor(0.0), torch.tensor(1.0)), ()
    table = x.ndim == 2
    low, high = (flat.amin(0), flat.amax(0)) if table else (flat.min(), flat.max())
    high = torch.where(high > low, high, low + 1)
    each = "of each column" if table else "of all pixels"
    note = f"Values are scaled: the smallest and largest {each} in the training samples become 0 and 1, others are cut there."
    return Latency(low, high), (note,)


def _spread(encode: Callable[..., Tensor], train: LabelledSet, kind: str, dt: float) -> float:
    """Return a spread of weights at which the input of a neuron comes to about 1 V within its time constant.

    Weights of spread w sum to ``w sqrt(n)`` over n spikes within the time constant, to ``w tau sqrt(sum_c x_c^2)`` over levels.
    """
    some = range(min(32, len(train)))
    generator = torch.Generator().manual_seed(0)
    x = encode(train.x[: len(some)], generator) if isinstance(train.x, Tensor) else [encode(train.x[i], generator) for i in some]
    if kind == "values":
        assert isinstance(x, Tensor)
        size = LIF_TAU * float(x.square().sum(-1).mean().sqrt())
    else:
        spikes = torch.stack([part.sum() for part in x]).mean()
        size = float((spikes * min(1.0, LIF_TAU / (len(x[0]) * dt))).clamp(min=1).sqrt())
    return 1 / size if size else 1.0


def _builder(kind: str, channels: int, hidden: int, classes: int, spread: float) -> Callable[[], Network]:
    def build() -> Network:
        return hidden_layer(channels, hidden, classes, spread=spread, values=kind == "values", recurrent=kind != "image")

    return build


def finite(name: str, x: np.ndarray) -> None:
    """Refuse values that are not numbers, and name the first.

    Raises:
        FileError: a value is NaN or infinite.
    """
    if np.issubdtype(x.dtype, np.floating) and not np.isfinite(x).all():
        place = np.argwhere(~np.isfinite(x))[0]
        raise FileError(f"{name}[{', '.join(map(str, place))}]", "must be a finite number", got=x[tuple(place)])
