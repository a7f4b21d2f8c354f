"""Metrics of classification: accuracy, the confusion matrix and the macro-F1."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from ..base.checks import check_choice, check_whole
from ..base.display.notebook import html_table
from ..base.errors import RunError
from .losses import check_labels


def accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the fraction of samples whose largest score is that of their label.

    Args:
        scores: scores ``[..., batch, class]``.
        labels: labels ``[batch]``.

    Returns:
        A tensor ``[...]`` in float64: one number for each chip, or a scalar.

    Raises:
        RunError: shapes do not fit, there are no samples, or a label is not the number of a class.
    """
    if scores.ndim < 2 or labels.shape != scores.shape[-2:-1] or not len(labels):
        got = f"shapes {list(scores.shape)} and {list(labels.shape)}"
        raise RunError("accuracy", "needs scores [..., batch, class] and labels [batch] of at least one sample", got=got)
    check_labels("accuracy", scores, labels)
    return (scores.argmax(-1) == labels.to(scores.device)).double().mean(-1)


def macro_f1(counts: Tensor) -> Tensor:
    """Return the mean over classes of ``F1 = 2 TP / (2 TP + FP + FN)``; a class that neither occurs nor is predicted has none.

    Args:
        counts: numbers of samples, ``[..., true, predicted]``.

    Returns:
        A tensor ``[...]`` in float64; NaN where nothing was counted.

    Raises:
        RunError: counts of another shape.
    """
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2]:
        raise RunError("macro_f1: counts", "must be [..., true, predicted]", got=f"shape {list(counts.shape)}")
    both = (counts.sum(-1) + counts.sum(-2)).double()
    f1 = torch.where(both > 0, 2 * counts.diagonal(dim1=-2, dim2=-1) / both, 0.0)
    return f1.sum(-1) / (both > 0).sum(-1)


class ConfusionMatrix:
    """The confusion matrix ``counts [true, predicted]`` over all samples, including equal pairs within a batch.

    Args:
        n_classes: the number of classes.
    """

    def __init__(self, n_classes: int) -> None:
        check_whole("ConfusionMatrix.n_classes", n_classes, 1)
        self.counts = torch.zeros(n_classes, n_classes, dtype=torch.int64)

    def add(self, labels: Tensor, predicted: Tensor) -> None:
        """Count a batch, given the true and the predicted class of each sample in tensors of the same shape.

        Raises:
            RunError: sizes differ, or a class is out of range.
        """
        n = self.counts.shape[0]
        for name, value in (("labels", labels), ("predicted", predicted)):
            if value.is_floating_point():
                raise RunError(
                    f"ConfusionMatrix.add: {name}", "must be whole numbers", got=str(value.dtype), fix="Use scores.argmax(-1)."
                )
        labels, predicted = labels.flatten().cpu().long(), predicted.flatten().cpu().long()
        if labels.shape != predicted.shape:
            raise RunError(
                "ConfusionMatrix.add", "needs one prediction for each label", got=f"{len(predicted)} and {len(labels)}"
            )
        both = torch.cat([labels, predicted])
        if len(both) and not 0 <= int(both.min()) <= int(both.max()) < n:
            raise RunError(
                "ConfusionMatrix.add", f"classes must be from 0 to {n - 1}", got=f"{int(both.min())} to {int(both.max())}"
            )
        # Adding at an index (counts[labels, predicted] += 1) would count equal pairs in a batch only once.
        self.counts += torch.bincount(labels * n + predicted, minlength=n * n).reshape(n, n)

    def __repr__(self) -> str:
        if not self.total:
            return f"ConfusionMatrix({len(self.counts)} classes, no samples)"
        width = max(len(str(int(self.counts.max()))), 3) + 1
        rows = [" " * 4 + "".join(f"{j:{width}}" for j in range(len(self.counts)))]
        rows += [f"{i:4}" + "".join(f"{n:{width}}" for n in row) for i, row in enumerate(self.counts.tolist())]
        return "\n".join([f"ConfusionMatrix({self._title()}), rows are true classes:", *rows])

    def _title(self) -> str:
        return f"accuracy {self.accuracy:.1%}, {self.correct} of {self.total}"

    def _repr_html_(self) -> str:
        rows = [(i, *row) for i, row in enumerate(self.counts.tolist())]
        title = self._title() if self.total else "no samples"
        return html_table(title, ("true \\ predicted", *range(len(self.counts))), rows)

    @property
    def total(self) -> int:
        """The number of samples that were counted."""
        return int(self.counts.sum())

    @property
    def correct(self) -> int:
        """The number of samples whose predicted class is the true one."""
        return int(self.counts.diagonal().sum())

    @property
    def accuracy(self) -> float:
        """The fraction of correct samples; NaN if none was counted."""
        return self.correct / self.total if self.total else math.nan

    @property
    def macro_f1(self) -> float:
        """The mean of the F1 of the classes that occur or were predicted; NaN if no sample was counted."""
        return float(macro_f1(self.counts))

    def normalised(self, axis: Literal["true", "predicted", "all"] = "true") -> Tensor:
        """Return the counts as fractions in float64; NaN for 0 of 0.

        Args:
            axis: "true" for fractions of each true class (rows sum to 1), "predicted" for fractions of each predicted class
                (columns sum to 1), "all" for fractions of all samples.

        Raises:
            ParameterError: ``axis`` is none of these.
        """
        sums = {"true": self.counts.sum(1, keepdim=True), "predicted": self.counts.sum(0, keepdim=True), "all": self.counts.sum()}
        check_choice("ConfusionMatrix.normalised: axis", axis, sums, either=True)
        return self.counts.double() / sums[axis]

    @property
    def per_class(self) -> Tensor:
        """The recall: for each class the fraction of its samples that were recognised, ``[class]``; NaN without samples."""
        return self.normalised("true").diagonal()
