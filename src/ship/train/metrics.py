"""Counts that count every sample, and intervals that say how sure they are."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import RunError


class Interval(NamedTuple):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float


class ConfusionMatrix:
    """``counts [true, predicted]`` over all samples, duplicates in a batch included."""

    def __init__(self, n_classes: int) -> None:
        self.counts = torch.zeros(n_classes, n_classes, dtype=torch.int64)

    def add(self, labels: Tensor, predicted: Tensor) -> None:
        """Count a batch.

        Raises:
            RunError: sizes differ, or a class is out of range.
        """
        n = self.counts.shape[0]
        labels, predicted = labels.flatten().cpu().long(), predicted.flatten().cpu().long()
        if labels.shape != predicted.shape:
            raise RunError("ConfusionMatrix.add", "needs one prediction for each label", got=f"{len(predicted)} and {len(labels)}")
        both = torch.cat([labels, predicted])
        if len(both) and not 0 <= int(both.min()) <= int(both.max()) < n:
            raise RunError("ConfusionMatrix.add", f"classes must be from 0 to {n - 1}", got=f"{int(both.min())} to {int(both.max())}")
        self.counts += torch.bincount(labels * n + predicted, minlength=n * n).reshape(n, n)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @property
    def correct(self) -> int:
        return int(self.counts.diagonal().sum())

    @property
    def accuracy(self) -> float:
        return self.correct / self.total if self.total else math.nan

    def normalised(self) -> Tensor:
        """Each row divided by the number of samples of its true class; NaN where there is none."""
        return self.counts.double() / self.counts.sum(1, keepdim=True)

    @property
    def per_class(self) -> Tensor:
        """Recall of each class."""
        return self.normalised().diagonal()


def wilson(correct: int, total: int, level: float = 0.95) -> Interval:
    """Interval of a proportion. Source: Wilson, J. Am. Stat. Assoc. 22:209 (1927)."""
    from scipy import stats

    if total < 1 or not 0 <= correct <= total:
        raise RunError("wilson", "needs 0 <= correct <= total, total above 0", got=f"{correct} of {total}")
    z = float(stats.norm.ppf(0.5 + level / 2))
    p = correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return Interval(p, centre - half, centre + half)


def mean_interval(values: Tensor, level: float = 0.95) -> Interval:
    """Mean of independent values (chips, seeds) with Student's t interval."""
    from scipy import stats

    values = values.double().flatten()
    if len(values) < 2:
        raise RunError("mean_interval", "needs at least two values", got=str(len(values)))
    mean, error = float(values.mean()), float(values.std()) / math.sqrt(len(values))
    half = float(stats.t.ppf(0.5 + level / 2, len(values) - 1)) * error
    return Interval(mean, mean - half, mean + half)
