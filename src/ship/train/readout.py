"""Readouts: from an output over time ``[..., batch, time, unit]`` to scores ``[..., batch, unit]``.

An emit-first output of slot k is the state at t_k, so what the last input slot brings shows only after it: ``tail`` slots of silence
are run after the input's end. ``lengths`` (slots of each ragged sample) leaves out what lies behind a sample's own end and tail.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ParameterError


@dataclass(frozen=True)
class Readout(ABC):
    """How a score is read from an output over time."""

    tail: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.tail, bool) or not isinstance(self.tail, int) or self.tail < 0:
            raise ParameterError(f"{type(self).__name__}.tail", "must be a whole number of slots, at least 0", got=repr(self.tail))

    def __call__(self, output: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Scores ``[..., batch, unit]``."""
        steps = output.shape[-2]
        if lengths is None:
            valid = torch.ones(1, steps, 1, dtype=torch.bool, device=output.device)
        else:
            ends = (lengths.to(output.device) + self.tail).clamp(max=steps)
            valid = (torch.arange(steps, device=output.device) < ends[:, None])[..., None]
        return self.read(output, valid)

    @abstractmethod
    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        """Scores from the slots where ``valid [batch or 1, time, 1]``."""


@dataclass(frozen=True)
class Max(Readout):
    """The largest value over time."""

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        return output.masked_fill(~valid, -torch.inf).amax(-2)


@dataclass(frozen=True)
class Mean(Readout):
    """The mean over time."""

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        return (output * valid).sum(-2) / valid.sum(-2)


@dataclass(frozen=True)
class Last(Readout):
    """The value of the last slot."""

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        last = valid.sum(-2, keepdim=True) - 1
        index = last.expand(*output.shape[:-2], 1, output.shape[-1])
        return output.gather(-2, index).squeeze(-2)


@dataclass(frozen=True)
class SpikeCount(Readout):
    """The sum over time: the number of spikes of a spiking output."""

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        return (output * valid).sum(-2)


@dataclass(frozen=True)
class FirstSpike(Readout):
    """Time to first spike, as a score in slots: ``T - k`` for a first spike in slot k of T, 0 without one; earlier is larger.

    The gradient is that of each unit's first spike, weighted with its score (as if a spike could appear or vanish, not move).
    """

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        spikes = output * valid
        fired = spikes.detach() > 0
        first = fired & (fired.cumsum(-2) == 1)
        steps = output.shape[-2]
        early = (steps - torch.arange(steps, device=output.device, dtype=output.dtype))[:, None]
        return torch.where(first, spikes.clamp(max=1.0), torch.zeros_like(spikes)).mul(early).sum(-2)
