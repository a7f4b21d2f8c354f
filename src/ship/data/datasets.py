"""Data sets and what turns samples into batches: deterministic, nothing lost, no global random state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import ParameterError, RunError


class Split(NamedTuple):
    """Samples and labels for training and for the test that nothing was fitted to."""

    x: Tensor
    labels: Tensor
    x_test: Tensor
    labels_test: Tensor


def digits(test_fraction: float = 0.2, seed: int = 0) -> Split:
    """scikit-learn's 1797 handwritten digits, 8 x 8 pixels in [0, 1], split by class.

    Returns:
        `Split` with ``x [n, 64]`` in float32 and labels 0 to 9.

    Raises:
        RunError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise RunError("digits", "needs scikit-learn", fix="Install it: pip install ship-snn[demo]") from error
    data = load_digits()
    x, labels = torch.as_tensor(data.data / 16.0, dtype=torch.float32), torch.as_tensor(data.target, dtype=torch.int64)
    train, test = split(labels, [1 - test_fraction, test_fraction], seed=seed)
    return Split(x[train], labels[train], x[test], labels[test])


def split(labels: Tensor, fractions: Sequence[float], *, seed: int = 0) -> list[Tensor]:
    """Indices of disjoint, exhaustive parts, each class divided by the fractions; the same for the same seed.

    Raises:
        ParameterError: fractions that are negative or do not sum to 1.
    """
    if any(f < 0 for f in fractions) or abs(sum(fractions) - 1) > 1e-9:
        raise ParameterError("split.fractions", "must be at least 0 and sum to 1", got=str(list(fractions)))
    generator = torch.Generator().manual_seed(seed)
    parts: list[list[Tensor]] = [[] for _ in fractions]
    for label in torch.unique(labels):
        index = (labels == label).nonzero().flatten()
        index = index[torch.randperm(len(index), generator=generator)]
        ends = [round(len(index) * sum(fractions[: i + 1])) for i in range(len(fractions))]
        for part, low, high in zip(parts, [0, *ends[:-1]], ends, strict=True):
            part.append(index[low:high])
    return [torch.cat(p).sort().values for p in parts]


class Batches:
    """Batches of tensors, shuffled anew in each epoch by (seed, epoch); the last one may be smaller.

    Args:
        x: samples, first axis.
        labels: one a sample.
        size: samples of a batch.
        encode: ``encode(x, generator) -> [batch, time, unit]``, e.g. an encoder of `ship.data`; its generator depends on (seed, epoch).
        shuffle: whether the order changes.
        seed: of order and encoding.
    """

    def __init__(
        self, x: Tensor, labels: Tensor, size: int, *, encode: Callable[[Tensor, torch.Generator], Tensor] | None = None, shuffle: bool = False, seed: int = 0
    ) -> None:
        if len(x) != len(labels):
            raise RunError("Batches", "needs one label for each sample", got=f"{len(x)} samples, {len(labels)} labels")
        if size < 1:
            raise ParameterError("Batches.size", "must be at least 1", got=str(size))
        self.x, self.labels, self.size, self.encode, self.shuffle, self.seed = x, labels, size, encode, shuffle, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order and the encoding's noise."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.x), generator=generator) if self.shuffle else torch.arange(len(self.x))
        for index in order.split(self.size):
            x = self.x[index]
            yield (x if self.encode is None else self.encode(x, generator)), self.labels[index]


def collate(samples: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Ragged ``([time, unit], label)`` samples to ``([batch, time, unit], labels, lengths)``, padded with zeros: for a DataLoader."""
    x = [s[0] for s in samples]
    labels = torch.tensor([int(s[1]) for s in samples])
    return torch.nn.utils.rnn.pad_sequence(x, batch_first=True), labels, torch.tensor([len(s) for s in x])


class LengthBuckets(torch.utils.data.Sampler[list[int]]):
    """A batch sampler that puts samples of similar length together; every sample once an epoch, the last batch of a bucket smaller.

    Args:
        lengths: slots of each sample.
        size: samples of a batch.
        buckets: how many groups of similar length.
        seed: the order depends on (seed, epoch).
    """

    def __init__(self, lengths: Sequence[int], size: int, *, buckets: int = 8, seed: int = 0) -> None:
        if size < 1 or buckets < 1:
            raise ParameterError("LengthBuckets", "size and buckets must be at least 1", got=f"size={size}, buckets={buckets}")
        self.order = torch.as_tensor(list(lengths)).argsort(stable=True)
        self.size, self.buckets, self.seed, self.epoch = size, buckets, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def _parts(self) -> tuple[Tensor, ...]:
        return self.order.split(max(1, -(-len(self.order) // self.buckets)))

    def __len__(self) -> int:
        return sum(-(-len(p) // self.size) for p in self._parts())

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        batches: list[Any] = []
        for part in self._parts():
            batches += part[torch.randperm(len(part), generator=generator)].split(self.size)
        for i in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[i].tolist()
