"""Losses on scores and regularisers on activity. Pure functions and frozen settings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ParameterError


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of ``scores [..., batch, class]`` with ``labels [batch]``, averaged over samples (and chips)."""
    log = torch.log_softmax(scores, -1)
    index = labels.expand(scores.shape[:-1]).unsqueeze(-1)
    return -log.gather(-1, index).mean()


def count_error(counts: Tensor, labels: Tensor, right: float = 10.0, wrong: float = 1.0) -> Tensor:
    """Mean squared distance of spike counts from ``right`` for the labelled class and ``wrong`` for the others."""
    hot = torch.nn.functional.one_hot(labels, counts.shape[-1]).to(counts.dtype)
    return (counts - (wrong + (right - wrong) * hot)).square().mean()


@dataclass(frozen=True)
class RateBounds:
    """Penalty on mean rates outside bounds: ``weight * mean(max(low - r, 0)^2 + max(r - high, 0)^2)``, r per unit in Hz.

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
        if not 0 <= self.low <= self.high or self.weight < 0:
            raise ParameterError("RateBounds", "needs 0 <= low <= high and weight >= 0", got=f"low={self.low}, high={self.high}, weight={self.weight}")

    def __call__(self, spikes: Tensor, dt: float) -> Tensor:
        """The penalty for ``spikes [..., batch, time, unit]``."""
        rate = spikes.mean(-2).flatten(0, -2).mean(0) / dt
        return self.weight * ((self.low - rate).clamp(min=0).square() + (rate - self.high).clamp(min=0).square()).mean()
