"""Readouts: from an output over time ``[..., batch, time, unit]`` to scores ``[..., batch, unit]``.

An emit-first output of slot k is the state at t_k, so what the last input slot brings shows only after it: ``tail`` slots of
silence are run after the input's end (the trainer pads the input with them). ``lengths`` (input slots of ragged samples) leaves
out what lies behind a sample's own end and tail, so a score does not depend on what the sample was batched with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base.checks import check_choice, check_real, check_whole
from ..base.errors import RunError


@dataclass(frozen=True)
class Readout(ABC):
    """A way to read a score from an output over time.

    Args:
        tail: slots to run after the input's end.
    """

    tail: int = 0

    def __post_init__(self) -> None:
        check_whole(f"{type(self).__name__}.tail", self.tail, of="slots")

    def __call__(self, output: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return scores ``[..., batch, unit]``.

        Args:
            output: ``[..., batch, time, unit]``, the tail included.
            lengths: slots of each sample without its tail, ``[batch]``; None for all.

        Raises:
            RunError: no slots, or lengths that do not fit the output.
        """
        return self.read(output, _valid(type(self).__name__, output, lengths, self.tail))

    def running(self, output: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the scores after each slot, ``[..., batch, time, unit]``: those of the output up to and including that slot.

        They stand still behind the end of a sample and its tail; the last ones are those of the whole output, to rounding.

        Args:
            output, lengths: as for a call.

        Raises:
            RunError: as a call.
        """
        return self.read_on(output, _valid(type(self).__name__, output, lengths, self.tail))

    @abstractmethod
    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        """Return scores from the slots where ``valid [time, 1]`` or ``[batch, time, 1]``, which begin at slot 0."""

    def read_on(self, output: Tensor, valid: Tensor) -> Tensor:
        """Return the scores after each slot. A readout that can go on from its last score does it faster than this."""
        slots = range(1, output.shape[-2] + 1)
        return torch.stack([self.read(output[..., :k, :], valid[..., :k, :]) for k in slots], -2)


def _valid(where: str, output: Tensor, lengths: Tensor | None, tail: int) -> Tensor:
    if output.ndim < 2 or output.shape[-2] == 0:
        raise RunError(
            where, "needs an output [..., batch, time, unit] with at least one slot", got=f"shape {list(output.shape)}"
        )
    steps = output.shape[-2]
    if lengths is None:
        return torch.ones(steps, 1, dtype=torch.bool, device=output.device)
    batch = output.shape[-3] if output.ndim > 2 else 0
    if lengths.shape != (batch,):
        raise RunError(f"{where}: lengths", f"must be one number for each of {batch} samples", got=f"shape {list(lengths.shape)}")
    bad = (lengths < 1) | (lengths > steps)
    if bool(bad.any()):
        raise RunError(f"{where}: lengths", f"must be from 1 to the output's {steps} slots", got=str(lengths[bad][0].item()))
    ends = (lengths.to(output.device) + tail).clamp(max=steps)
    return (torch.arange(steps, device=output.device) < ends[:, None])[..., None]


@dataclass(frozen=True)
class Max(Readout):
    """A readout of the largest value over time; slots that share it share its gradient.

    A class whose output never rises above its start has no gradient and does not recover: give its weights a small positive mean,
    or use `Mean`.
    """

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        return output.masked_fill(~valid, -torch.inf).amax(-2)

    def read_on(self, output: Tensor, valid: Tensor) -> Tensor:
        return output.masked_fill(~valid, -torch.inf).cummax(-2).values


@dataclass(frozen=True)
class Mean(Readout):
    """A readout of the mean over time, the tail included."""

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        return output.masked_fill(~valid, 0.0).sum(-2) / valid.sum(-2)

    def read_on(self, output: Tensor, valid: Tensor) -> Tensor:
        return output.masked_fill(~valid, 0.0).cumsum(-2) / valid.cumsum(-2)


@dataclass(frozen=True)
class Last(Readout):
    """A readout of the last slot, the tail included."""

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        last = valid.sum(-2, keepdim=True) - 1
        return output.gather(-2, last.expand(*output.shape[:-2], 1, output.shape[-1])).squeeze(-2)

    def read_on(self, output: Tensor, valid: Tensor) -> Tensor:
        return output.gather(-2, (valid.cumsum(-2) - 1).expand(output.shape))


@dataclass(frozen=True)
class SpikeCount(Readout):
    """A readout of the sum over time: the number of spikes of a spiking output."""

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        return output.masked_fill(~valid, 0.0).sum(-2)

    def read_on(self, output: Tensor, valid: Tensor) -> Tensor:
        return output.masked_fill(~valid, 0.0).cumsum(-2)


@dataclass(frozen=True)
class FirstSpike(Readout):
    """A readout of the time to first spike, as a score in slots: ``T - k`` for slot k of a sample's T, 0 without a spike.

    Read as ``sum_k (T - k) s_k prod_{j<k} (1 - s_j)``, which for spikes 0 or 1 is that score and for spike probabilities its
    mean. So its gradient is what a spike more or less would change: an earlier spike counts by the slots gained, the first one by
    the slots to the next, spikes after the first by nothing, and a silent unit learns to fire.
    """

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        spikes = output.masked_fill(~valid, 0.0).clamp(max=1.0)
        silent = torch.cumprod(1 - spikes, -2)
        silent_before = torch.cat([torch.ones_like(silent[..., :1, :]), silent[..., :-1, :]], -2)
        k = torch.arange(output.shape[-2], device=output.device)[:, None]
        early = (valid.sum(-2, keepdim=True) - k).to(output.dtype)
        return (early * spikes * silent_before).sum(-2)


READOUTS: Mapping[str, type[Readout]] = {made.__name__: made for made in (Max, Mean, Last, SpikeCount, FirstSpike)}


def first_spike_time(spikes: Tensor, dt: float, *, emit_order: str = "before") -> Tensor:
    """Return the time (s) of each unit's first spike, infinity without one.

    It has no gradient; `FirstSpike` is the score to train on.

    Args:
        spikes: ``[..., time, unit]``.
        dt: the time step, s.
        emit_order: the ``emit_order`` of the neurons. Spikes of ``"before"`` are stamped with the start of their slot, those of
            ``"after"`` with its end, as ``net.timeline(tag)`` gives them.

    Returns:
        ``[..., unit]`` in the dtype of ``spikes``.

    Raises:
        ParameterError: dt is not above 0 s, or another word for ``emit_order``.
        RunError: no slots.
    """
    check_real("first_spike_time: dt", dt, "must be above 0 s", above=0.0, got=f"{dt:g}")
    check_choice("first_spike_time: emit_order", emit_order, ("before", "after"), either=True)
    if spikes.ndim < 2 or not spikes.shape[-2]:
        raise RunError(
            "first_spike_time: spikes", "must be [..., time, unit], with at least one slot", got=f"shape {list(spikes.shape)}"
        )
    fired = spikes.detach() > 0
    time = (fired.int().argmax(-2).to(spikes.dtype) + (emit_order == "after")) * dt  # the first of equal values
    return torch.where(fired.any(-2), time, torch.full_like(time, torch.inf))
