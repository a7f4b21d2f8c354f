"""Data sets, and what turns samples into batches: deterministic, without loss, and without global random state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.checks import check_whole
from ..base.clock import check_dt, nearest_slots
from ..base.errors import ParameterError, RunError
from ..base.indices import chosen
from ..base.parameters import to_tensor
from ..base.random.philox import key

Encode = Callable[[Tensor, torch.Generator], Tensor]


class Split(NamedTuple):
    """Samples and labels for training, and those held out for the test."""

    x: Tensor
    labels: Tensor
    x_test: Tensor
    labels_test: Tensor


def digits(test_fraction: float = 0.2, seed: int = 0) -> Split:
    """Load the 1797 handwritten digits of scikit-learn, 8 x 8 pixels in [0, 1], split by class.

    Args:
        test_fraction: fraction of each class that is held out, between 0 and 1.
        seed: seed of the split.

    Returns:
        `Split` with ``x [n, 64]`` in float32 and labels 0 to 9 in int64.

    Raises:
        RunError: scikit-learn is not installed.
        ParameterError: a fraction outside (0, 1).
    """
    if not 0 < test_fraction < 1:
        raise ParameterError("digits: test_fraction", "must lie between 0 and 1", got=f"{test_fraction:g}")
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise RunError("digits", "needs scikit-learn", fix="Install it: pip install ship-snn[demo]") from error
    data = load_digits()
    x, labels = torch.as_tensor(data.data / 16.0, dtype=torch.float32), torch.as_tensor(data.target, dtype=torch.int64)
    train, test = split(labels, [1 - test_fraction, test_fraction], seed=seed)
    return Split(x[train], labels[train], x[test], labels[test])


class SpikeDataset(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """A data set of labelled samples, encoded one by one; for a DataLoader, with `collate` where samples are ragged.

    A DataLoader without ``generator=`` draws a number from torch's global generator in each epoch; give it one.

    Args:
        x: ``[sample, ...]``, or a list of tensors, e.g. ragged ``[time, unit]``.
        labels: one label for each sample.
        encode: ``encode(x[i], generator)``, e.g. an encoder of `ship.data`. Its generator depends on (seed, epoch, i)
            alone, so a sample gets the same spikes in whatever batch, order or process it is drawn.
        seed: seed of the encoding.

    Raises:
        RunError: numbers of samples and labels differ.
    """

    def __init__(
        self, x: Tensor | Sequence[Tensor], labels: Tensor | Sequence[int], *, encode: Encode | None = None, seed: int = 0
    ) -> None:
        labels = torch.as_tensor(labels)
        _one_label_each("SpikeDataset", x, labels)
        self.x, self.labels, self.encode, self.seed = x, labels, encode, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, on which the noise of the encoding depends.

        Processes that a DataLoader keeps between epochs do not see it.
        """
        self.epoch = epoch

    def __repr__(self) -> str:
        return f"SpikeDataset({len(self.x)} samples" + (", encoded)" if self.encode is not None else ")")

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"SpikeDataset has {len(self)} samples; got index {index}.")  # ends a plain for loop
        index %= len(self)
        x = self.x[index]
        if self.encode is not None:
            generator = torch.Generator().manual_seed(key(self.seed, "SpikeDataset", str(self.epoch), str(index)))
            x = self.encode(x, generator)
        return x, self.labels[index]


def split(data: Tensor | SpikeDataset, fractions: Sequence[float], *, seed: int = 0, stratify: bool = True) -> list[Tensor]:
    """Divide samples into disjoint parts that together hold all of them; equal seeds give equal parts.

    Args:
        data: labels ``[sample]``, or a data set that has them.
        fractions: fraction of the samples that each part holds.
        seed: seed of the draw.
        stratify: divide each class by the fractions; False divides the whole.

    Returns:
        The indices of each part, ascending; `torch.utils.data.Subset` and ``x[index]`` take them.

    Raises:
        ParameterError: fractions that are negative or do not sum to 1.
        RunError: labels that are not ``[sample]``.
    """
    labels = data.labels if isinstance(data, SpikeDataset) else data
    if not all(f >= 0 for f in fractions) or not math.isclose(sum(fractions), 1, abs_tol=1e-9):
        raise ParameterError("split.fractions", "must be at least 0 and sum to 1", got=str(list(fractions)))
    if labels.ndim != 1:
        raise RunError("split", "needs labels [sample]", got=f"shape {list(labels.shape)}")
    generator = torch.Generator().manual_seed(seed)
    parts: list[list[Tensor]] = [[] for _ in fractions]
    classes = (
        [(labels == label).nonzero().flatten() for label in torch.unique(labels)] if stratify else [torch.arange(len(labels))]
    )
    for index in classes:
        index = index[torch.randperm(len(index), generator=generator)]
        ends = [round(len(index) * sum(fractions[: i + 1])) for i in range(len(fractions))]
        for part, low, high in zip(parts, [0, *ends[:-1]], ends, strict=True):
            part.append(index[low:high])
    return [torch.cat(p).sort().values if p else torch.empty(0, dtype=torch.int64) for p in parts]


class Batches:
    """Batches of tensors, shuffled anew in each epoch by (seed, epoch); the last one may be smaller.

    Args:
        x: samples along the first axis.
        labels: one label for each sample.
        size: number of samples in a batch.
        encode: ``encode(x, generator) -> [batch, time, unit]``, an encoder; its generator depends on (seed, epoch).
        shuffle: whether the order changes from epoch to epoch.
        seed: seed of the order and of the encoding.

    Raises:
        RunError: numbers of samples and labels differ.
        ParameterError: a size below 1.
    """

    def __init__(
        self, x: Tensor, labels: Tensor, size: int, *, encode: Encode | None = None, shuffle: bool = False, seed: int = 0
    ) -> None:
        _one_label_each("Batches", x, labels)
        check_whole("Batches.size", size, 1)
        self.x, self.labels, self.size, self.encode, self.shuffle, self.seed = x, labels, size, encode, shuffle, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, on which the order and the noise of the encoding depend."""
        self.epoch = epoch

    def __repr__(self) -> str:
        how = ", shuffled" * self.shuffle + (", encoded" if self.encode is not None else "")
        return f"Batches({len(self.x)} samples {list(self.x.shape[1:])} in {len(self)} batches of {self.size}{how})"

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.x), generator=generator) if self.shuffle else torch.arange(len(self.x))
        for index in torch.split(order, self.size):
            x = self.x[index]
            yield (x if self.encode is None else self.encode(x, generator)), self.labels[index]


def collate(samples: Sequence[tuple[Tensor, Any]]) -> tuple[Tensor, Tensor, Tensor]:
    """Join ragged samples to one batch, padded with silence: for a DataLoader.

    Args:
        samples: a pair ``(x [time, unit], label)`` for each sample.

    Returns:
        ``x [batch, time, unit]``, labels ``[batch]``, lengths ``[batch]`` in slots, as the trainer takes them.

    Raises:
        RunError: no samples, or samples that differ in units.
    """
    x = [s[0] for s in samples]
    if not x:
        raise RunError("collate", "needs at least one sample")
    units = x[0].shape[-1]
    for i, sample in enumerate(x):
        if sample.ndim != 2 or sample.shape[1] != units:
            raise RunError(f"collate: sample {i}", f"must be [time, {units}]", got=f"shape {list(sample.shape)}")
    labels = torch.stack([torch.as_tensor(s[1]) for s in samples])
    return torch.nn.utils.rnn.pad_sequence(x, batch_first=True), labels, torch.tensor([len(s) for s in x])


class LengthBuckets(torch.utils.data.Sampler[list[int]]):
    """A batch sampler that puts samples of similar length together; every sample once an epoch, last batches may be smaller.

    Args:
        lengths: number of slots of each sample.
        size: number of samples in a batch.
        buckets: number of groups of similar length; samples are shuffled inside a group, and batches among each other.
        seed: seed of the order, which depends on (seed, epoch).

    Raises:
        ParameterError: a size or number of buckets below 1.
        RunError: no lengths.
    """

    def __init__(self, lengths: Sequence[int] | Tensor, size: int, *, buckets: int = 8, seed: int = 0) -> None:
        check_whole("LengthBuckets.size", size, 1)
        check_whole("LengthBuckets.buckets", buckets, 1)
        if (isinstance(lengths, Tensor) and lengths.ndim != 1) or not len(lengths):
            raise RunError("LengthBuckets", "needs the length of at least one sample")
        self.order = torch.as_tensor(lengths).argsort(stable=True)
        self.size, self.buckets, self.seed, self.epoch = size, buckets, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, on which the order depends."""
        self.epoch = epoch

    def _parts(self) -> tuple[Tensor, ...]:
        return torch.split(self.order, -(-len(self.order) // self.buckets))

    def __repr__(self) -> str:
        return f"LengthBuckets({len(self.order)} samples in {len(self)} batches of {self.size})"

    def __len__(self) -> int:
        return sum(-(-len(p) // self.size) for p in self._parts())

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        batches: list[Tensor] = []
        for part in self._parts():
            batches += torch.split(part[torch.randperm(len(part), generator=generator)], self.size)
        for i in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[i].tolist()


def from_events(times: Any, units: Any, *, n: int, steps: int, dt: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Count a list of events into slots.

    Args:
        times: times of the events in s, any array of numbers; an event at t belongs to slot t / dt, rounded half up.
        units: the unit of each event, whole numbers from 0 to n - 1.
        n: number of units.
        steps: number of slots.
        dt: time step, s.
        dtype: float type of the result.

    Returns:
        Counts ``[time, unit]``; events of one unit in one slot add up.

    Raises:
        ParameterError: n or steps below 1.
        RunError: dt not above 0 s, lists that differ in length, an event outside the units or slots, NaN.
    """
    check_whole("from_events: n", n, 1)
    check_whole("from_events: steps", steps, 1)
    check_dt("from_events", dt)
    time = to_tensor("from_events: times", times).double()
    unit = chosen("from_events: units", units, n, masks=False).numbers
    if time.ndim != 1 or time.shape != unit.shape:
        raise RunError(
            "from_events", "times and units must be lists of one length", got=f"shapes {list(time.shape)} and {list(unit.shape)}"
        )
    slot = nearest_slots(time, dt)
    bad = ~((slot >= 0) & (slot < steps))  # true for NaN too
    if bool(bad.any()):
        raise RunError(
            "from_events: times",
            f"must lie inside {steps} slots of {dt:g} s",
            got=f"{time[bad][0].item():g} s",
            fix=f"From {(steps - 0.5) * dt:g} s on they belong to slot {steps}: use steps={steps + 1}, or leave them out."
            if bool((slot == steps).any())
            else "",
        )
    ones = torch.ones(len(slot), dtype=dtype)
    return torch.zeros(steps, n, dtype=dtype).index_put_((slot.long(), unit.long()), ones, accumulate=True)


def _one_label_each(where: str, x: Tensor | Sequence[Tensor], labels: Tensor) -> None:
    if (isinstance(x, Tensor) and not x.ndim) or not labels.ndim:
        raise RunError(where, "needs samples and labels along a first axis", got="one number")
    if len(x) != len(labels):
        raise RunError(where, "needs one label for each sample", got=f"{len(x)} samples, {len(labels)} labels")
