"""Counts that count every sample, and intervals that say how sure they are."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import ParameterError, RunError
from ..show import html_table
from .losses import check_labels


class Interval(NamedTuple):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float


def accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Fraction of samples whose largest score is that of their label.

    Args:
        scores: ``[..., batch, class]``.
        labels: ``[batch]``.

    Returns:
        ``[...]``, float64: one number for each chip, or a scalar.

    Raises:
        RunError: shapes that do not fit, no samples, or labels that are no classes.
    """
    if scores.ndim < 2 or labels.shape != scores.shape[-2:-1] or not len(labels):
        got = f"shapes {list(scores.shape)} and {list(labels.shape)}"
        raise RunError("accuracy", "needs scores [..., batch, class] and labels [batch] of at least one sample", got=got)
    check_labels("accuracy", scores, labels)
    return (scores.argmax(-1) == labels.to(scores.device)).double().mean(-1)


class ConfusionMatrix:
    """``counts [true, predicted]`` over all samples, duplicates in a batch included.

    Args:
        n_classes: number of classes.
    """

    def __init__(self, n_classes: int) -> None:
        if isinstance(n_classes, bool) or not isinstance(n_classes, int) or n_classes < 1:
            raise ParameterError("ConfusionMatrix.n_classes", "must be a whole number, at least 1", got=repr(n_classes))
        self.counts = torch.zeros(n_classes, n_classes, dtype=torch.int64)

    def add(self, labels: Tensor, predicted: Tensor) -> None:
        """Count a batch: true and predicted class of each sample, in tensors of one shape.

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
        # Adding at an index (counts[labels, predicted] += 1) would count equal pairs of a batch once.
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
        """Samples counted."""
        return int(self.counts.sum())

    @property
    def correct(self) -> int:
        """Samples whose predicted class is the true one."""
        return int(self.counts.diagonal().sum())

    @property
    def accuracy(self) -> float:
        """Fraction of correct samples; NaN where none was counted."""
        return self.correct / self.total if self.total else math.nan

    def normalised(self, axis: Literal["true", "predicted", "all"] = "true") -> Tensor:
        """Fractions, float64: of each true class (rows sum to 1), of each predicted class (columns do) or of all; NaN for 0 of 0.

        Raises:
            ParameterError: another axis.
        """
        sums = {"true": self.counts.sum(1, keepdim=True), "predicted": self.counts.sum(0, keepdim=True), "all": self.counts.sum()}
        if axis not in sums:
            raise ParameterError("ConfusionMatrix.normalised: axis", "must be 'true', 'predicted' or 'all'", got=repr(axis))
        return self.counts.double() / sums[axis]

    @property
    def per_class(self) -> Tensor:
        """Recall: for each class the fraction of its samples that were recognised, ``[class]``; NaN where it has none."""
        return self.normalised("true").diagonal()


def wilson(correct: int, total: int, level: float = 0.95) -> Interval:
    """Confidence interval of a proportion, e.g. of an accuracy over ``total`` independent test samples.

    ``(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)``, z the normal quantile of the level.

    Raises:
        RunError: not ``0 <= correct <= total``, ``total`` above 0.
        ParameterError: a level outside (0, 1).

    Source: Wilson, J. Am. Stat. Assoc. 22:209 (1927).
    """
    from scipy import stats

    _check_level("wilson", level)
    if total < 1 or not 0 <= correct <= total:
        raise RunError("wilson", "needs 0 <= correct <= total, total above 0", got=f"{correct} of {total}")
    z = float(stats.norm.ppf(0.5 + level / 2))
    p = correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    # At 0 of n and n of n one end is exact; the sum would miss it by a rounding error.
    return Interval(p, 0.0 if correct == 0 else centre - half, 1.0 if correct == total else centre + half)


def mean_interval(values: Tensor | Sequence[float], level: float = 0.95) -> Interval:
    """Mean of independent values (chips, seeds) with Student's t interval: ``mean +- t std / sqrt(n)``, n - 1 degrees of freedom.

    Raises:
        RunError: fewer than two values, or one that is not finite.
        ParameterError: a level outside (0, 1).
    """
    from scipy import stats

    _check_level("mean_interval", level)
    sample = _sample("mean_interval", values)
    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / math.sqrt(len(sample))
    half = float(stats.t.ppf(0.5 + level / 2, len(sample) - 1)) * error
    return Interval(mean, mean - half, mean + half)


def bootstrap_interval(
    values: Tensor | Sequence[float],
    statistic: Callable[[Any], float] = np.mean,
    level: float = 0.95,
    seed: int = 0,
    *,
    resamples: int = 9999,
) -> Interval:
    """Any statistic of independent values with its bootstrap interval (bias-corrected and accelerated).

    Args:
        values: one for each chip or seed.
        statistic: from a 1-D numpy array to a number, e.g. ``np.median``.
        level: of confidence.
        seed: of the resampling.
        resamples: number of resamples.

    Raises:
        RunError: fewer than two values, one that is not finite, or a statistic for which the interval is not defined.
        ParameterError: a level outside (0, 1), or no resamples.

    Source: Efron, J. Am. Stat. Assoc. 82:171 (1987).
    """
    from scipy import stats

    _check_level("bootstrap_interval", level)
    if resamples < 1:
        raise ParameterError("bootstrap_interval: resamples", "must be at least 1", got=str(resamples))
    sample = _sample("bootstrap_interval", values)
    value = float(statistic(sample))
    if np.ptp(sample) == 0:
        return Interval(value, value, value)
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # told below, as an error
        found = stats.bootstrap(
            (sample,), statistic, vectorized=False, confidence_level=level, n_resamples=resamples, method="BCa", random_state=rng
        ).confidence_interval
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise RunError(
            "bootstrap_interval",
            "is not defined for this statistic of these values",
            fix="Give more values or a smoother statistic.",
        )
    return Interval(value, float(found.low), float(found.high))


def _check_level(where: str, level: float) -> None:
    if not 0 < level < 1:
        raise ParameterError(f"{where}: level", "must lie between 0 and 1", got=f"{level:g}", fix="E.g. 0.95.")


def _sample(where: str, values: Tensor | Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    sample = torch.as_tensor(values, dtype=torch.float64).detach().cpu().flatten().numpy()
    if len(sample) < 2:
        raise RunError(where, "needs at least two values", got=str(len(sample)))
    if not np.isfinite(sample).all():
        raise RunError(where, "needs finite values", got="NaN or infinity")
    return sample
