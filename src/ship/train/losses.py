"""Losses on scores, and regularisers on activity and parameters. Pure functions and frozen settings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base.checks import check_real
from ..base.errors import ParameterError, RunError


def check_labels(where: str, scores: Tensor, labels: Tensor, classes: int | None = None) -> None:
    """Refuse labels that do not fit scores.

    Args:
        where: who asks.
        scores: ``[..., batch, class]``.
        labels: ``[batch]``.
        classes: how many there are; default: the last axis of ``scores``.

    Raises:
        RunError: another shape, no whole numbers, or a label that is no class.
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
    """Cross-entropy of scores with labels, averaged over samples (and chips).

    Args:
        scores: ``[..., batch, class]``, from a readout; unnormalised.
        labels: ``[batch]``, shared by all leading axes.

    Raises:
        RunError: shapes that do not fit, or a label that is no class.
    """
    check_labels("cross_entropy", scores, labels)
    log = torch.log_softmax(scores, -1)
    index = labels.long().expand(scores.shape[:-1]).unsqueeze(-1)
    return -log.gather(-1, index).mean()


def mse_count(counts: Tensor, labels: Tensor, right: float = 10.0, wrong: float = 1.0) -> Tensor:
    """Mean squared distance of spike counts from ``right`` for the labelled class and ``wrong`` for the others.

    Args:
        counts: ``[..., batch, class]``, from `SpikeCount`.
        labels: ``[batch]``.
        right, wrong: wanted counts.

    Raises:
        RunError: shapes that do not fit, or a label that is no class.
    """
    check_labels("mse_count", counts, labels)
    hot = torch.nn.functional.one_hot(labels.long(), counts.shape[-1]).to(counts.dtype)
    return (counts - (wrong + (right - wrong) * hot)).square().mean()


@dataclass(frozen=True)
class RateBounds:
    """Penalty on mean rates outside bounds: ``weight * mean(max(low - r, 0)^2 + max(r - high, 0)^2)``.

    r is the rate of one unit (of one chip) in Hz, its mean over batch and time: a unit may be silent for some samples.

    Args:
        tag: the spiking group it watches.
        low, high: bounds, Hz.
        weight: 1/Hz^2.
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
        """The penalty, a scalar.

        Args:
            spikes: ``[..., batch, time, unit]``.
            dt: s.

        Raises:
            RunError: spikes without batch, time and unit, or dt not above 0 s.
        """
        if spikes.ndim < 3:
            raise RunError("RateBounds: spikes", "must be [..., batch, time, unit]", got=f"shape {list(spikes.shape)}")
        if not 0 < dt < math.inf:
            raise RunError("RateBounds: dt", "must be above 0 s", got=f"{dt:g}")
        rate = spikes.mean((-3, -2)) / dt
        return self.weight * ((self.low - rate).clamp(min=0).square() + (rate - self.high).clamp(min=0).square()).mean()


@dataclass(frozen=True)
class L2:
    """Penalty on the size of parameters: ``weight * sum(w^2)`` over all tensors, e.g. ``L2(1e-4)(net.parameters())``.

    Args:
        weight: in 1 / (unit of the parameter)^2.
    """

    weight: float = 1e-4

    def __post_init__(self) -> None:
        check_real("L2.weight", self.weight, "must be at least 0", least=0.0, got=f"{self.weight:g}")

    def __call__(self, tensors: Iterable[Tensor]) -> Tensor:
        """The penalty, a scalar.

        Raises:
            RunError: no tensors, e.g. an iterator that is used up.
        """
        parts = [t.square().sum() for t in tensors]
        if not parts:
            raise RunError("L2", "needs at least one tensor", fix="Give net.parameters() anew for each call.")
        return self.weight * torch.stack(parts).sum()
