"""Losses on scores, and regularisers on activity and parameters, as pure functions and frozen settings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base.errors import ParameterError, RunError


def check_labels(where: str, scores: Tensor, labels: Tensor, classes: int | None = None) -> None:
    """Refuse labels that do not fit scores.

    Args:
        where: the caller, with which errors begin.
        scores: scores ``[..., batch, class]``.
        labels: labels ``[batch]``.
        classes: the number of classes; None for the last axis of ``scores``.

    Raises:
        RunError: labels have another shape, are not whole numbers, or are not the number of a class.
    """
    if scores.ndim < 2 or labels.shape != scores.shape[-2:-1]:
        raise RunError(
            f"{where}: labels",
            "must be [batch] for scores [..., batch, class]",
            got=f"shapes {list(labels.shape)} and {list(scores.shape)}",
        )
    if labels.is_floating_point() or labels.is_complex():
        raise RunError(f"{where}: labels", "must be whole numbers", got=str(labels.dtype), fix="Use labels.long().")
    classes = classes or scores.shape[-1]
    bad = (labels < 0) | (labels >= classes)
    if bool(bad.any()):
        raise RunError(f"{where}: labels", f"must be from 0 to {classes - 1}", got=str(labels[bad][0].item()))


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of scores with labels, averaged over samples (and chips).

    Args:
        scores: unnormalised scores ``[..., batch, class]`` from a readout.
        labels: labels ``[batch]``, shared by all leading axes.

    Raises:
        RunError: shapes do not fit, or a label is not the number of a class.
    """
    check_labels("cross_entropy", scores, labels)
    log = torch.log_softmax(scores, -1)
    index = labels.long().expand(scores.shape[:-1]).unsqueeze(-1)
    return -log.gather(-1, index).mean()


def mse_count(counts: Tensor, labels: Tensor, right: float = 10.0, wrong: float = 1.0) -> Tensor:
    """Return the mean squared distance of spike counts from ``right`` for the labelled class and ``wrong`` for the others.

    Args:
        counts: spike counts ``[..., batch, class]`` from `SpikeCount`.
        labels: labels ``[batch]``.
        right, wrong: the wanted counts of the labelled class and of the other classes.

    Raises:
        RunError: shapes do not fit, or a label is not the number of a class.
    """
    check_labels("mse_count", counts, labels)
    hot = torch.nn.functional.one_hot(labels.long(), counts.shape[-1]).to(counts.dtype)
    return (counts - (wrong + (right - wrong) * hot)).square().mean()


@dataclass(frozen=True)
class RateBounds:
    """A penalty on mean rates outside bounds: ``weight * mean(max(low - r, 0)^2 + max(r - high, 0)^2)``.

    r is the rate of one unit (of one chip) in Hz, averaged over batch and time, so that a unit may be silent for some samples.

    Args:
        tag: the tag of the spiking group.
        low, high: the bounds of the rate, in Hz.
        weight: the weight of the penalty, in 1/Hz^2.
    """

    tag: str
    low: float = 0.0
    high: float = float("inf")
    weight: float = 1e-4

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high or not 0 <= self.weight < math.inf:
            got = f"low={self.low}, high={self.high}, weight={self.weight}"
            raise ParameterError("RateBounds", "needs 0 <= low <= high and weight >= 0", got=got)

    def __call__(self, spikes: Tensor, dt: float) -> Tensor:
        """Return the penalty as a scalar tensor.

        Args:
            spikes: spikes ``[..., batch, time, unit]``.
            dt: the time step, in s.

        Raises:
            RunError: the spikes lack one of these axes, or dt is not above 0 s.
        """
        if spikes.ndim < 3:
            raise RunError("RateBounds: spikes", "must be [..., batch, time, unit]", got=f"shape {list(spikes.shape)}")
        if not 0 < dt < math.inf:
            raise RunError("RateBounds: dt", "must be above 0 s", got=f"{dt:g}")
        rate = spikes.mean((-3, -2)) / dt
        return self.weight * ((self.low - rate).clamp(min=0).square() + (rate - self.high).clamp(min=0).square()).mean()


@dataclass(frozen=True)
class L2:
    """A penalty on the size of parameters: ``weight * sum(w^2)`` over all tensors, e.g. ``L2(1e-4)(net.parameters())``.

    Args:
        weight: the weight of the penalty, in 1 / (unit of the parameter)^2.
    """

    weight: float = 1e-4

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ParameterError("L2.weight", "must be at least 0", got=f"{self.weight:g}")

    def __call__(self, tensors: Iterable[Tensor]) -> Tensor:
        """Return the penalty as a scalar tensor.

        Raises:
            RunError: there are no tensors, e.g. because an iterator is used up.
        """
        parts = [t.square().sum() for t in tensors]
        if not parts:
            raise RunError("L2", "needs at least one tensor", fix="Give net.parameters() anew for each call.")
        return self.weight * torch.stack(parts).sum()
