"""Heart beats: cut out of a recording midway between annotations, brought to the time step of a network, and coded as events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..base.checks import check_real
from ..base.errors import ParameterError, RunError
from .encoders import level_crossing


def cut_midway(at: Tensor, *, longest: float, rate: float, after: float | None = None) -> Tensor:
    """Cut a recording midway between each annotated beat and its two neighbours, or at a fixed time behind the beat.

    The first and the last beat have one neighbour only and are left out.

    Args:
        at: the samples of the annotations, ``[beat]``, ascending.
        longest: the most that is kept on either side of an annotation, s.
        rate: samples a second, Hz.
        after: how long each piece goes on behind its annotation, s, whether or not the next beat has come by then; None for
            midway to it.

    Returns:
        The first sample of each piece, its annotation, and the first sample behind it, ``[beat - 2, 3]``.

    Raises:
        ParameterError: samples that do not ascend, or a length, rate or time that is not above 0.
    """
    check_real("cut_midway: longest", longest, "must be above 0 s", above=0.0)
    check_real("cut_midway: rate", rate, "must be above 0 Hz", above=0.0)
    if after is not None:
        check_real("cut_midway: after", after, "must be above 0 s", above=0.0)
    at = at.long()
    if at.ndim != 1 or bool((at[1:] <= at[:-1]).any()):
        raise ParameterError("cut_midway: at", "must be samples that ascend, [beat]", got=f"shape {list(at.shape)}")
    middle = (at[1:] + at[:-1] + 1) // 2
    most, beat = round(longest * rate), at[1:-1]
    end = torch.minimum(middle[1:], beat + most) if after is None else beat + round(after * rate)
    return torch.stack([torch.maximum(middle[:-1], beat - most), beat, end], 1)


def resampled(signal: Tensor, *, rate: float, dt: float, whole: int = 1) -> Tensor:
    """Bring a signal to the slots of a network, by Akima's interpolation, which does not overshoot at steep flanks.

    Args:
        signal: ``[time, lead]``, at least two samples.
        rate: its samples a second, Hz.
        dt: time step, s.
        whole: the number of slots is a multiple of this one; what is left over at the end is not used.

    Returns:
        ``[slot, lead]``: the value at the start of each slot; slot 0 is the first sample.

    Raises:
        ParameterError: a signal that is too short for one such multiple, or a rate or dt that is not above 0.

    Source: Akima, J. ACM 17:589 (1970).
    """
    from scipy.interpolate import Akima1DInterpolator

    check_real("resampled: rate", rate, "must be above 0 Hz", above=0.0)
    check_real("resampled: dt", dt, "must be above 0 s", above=0.0)
    end = (len(signal) - 1) / rate  # s
    steps = int(end / dt + 1e-6) // whole * whole
    if len(signal) < 2 or not steps:
        raise ParameterError("resampled: signal", f"must last at least {whole} slots of {dt:g} s", got=f"{len(signal)} samples")
    if len(signal) < 5:
        raise ParameterError("resampled: signal", "must have at least 5 samples", got=f"{len(signal)}")
    curve = Akima1DInterpolator(np.arange(len(signal)) / rate, signal.numpy(), axis=0)
    return torch.as_tensor(curve(np.minimum(np.arange(steps) * dt, end)), dtype=torch.float32)


def crossings(
    signals: Sequence[Tensor], *, rate: float, dt: float, delta: float, bits: int, whole: int = 1, at_once: int = 256
) -> list[Tensor]:
    """Code signals of several lengths as levels that they cross (`level_crossing`), after `resampled`.

    Args:
        signals: ``[time, lead]`` each.
        rate: their samples a second, Hz.
        dt: time step, s.
        delta: height of a level, in the unit of the signals.
        bits: number of channels for each direction: more than one say in binary how many levels a slot crosses.
        whole: the number of slots of each is a multiple of this one.
        at_once: number of signals that are coded together.

    Returns:
        ``[slot, 2 bits lead]`` for each signal, 0 or 1 in one byte: for each lead its up bits, then its down bits.

    Raises:
        ParameterError: a value out of its limits; a signal that is too short.
        RunError: no signals.
    """
    if not len(signals):
        raise RunError("crossings", "needs at least one signal")
    made: list[Tensor] = []
    for first in range(0, len(signals), at_once):
        some = [resampled(signal, rate=rate, dt=dt, whole=whole) for signal in signals[first : first + at_once]]
        padded = torch.nn.utils.rnn.pad_sequence(some, batch_first=True)
        events = level_crossing(padded, delta=delta, bits=bits).to(torch.uint8)
        made += [events[i, : len(each)].clone() for i, each in enumerate(some)]
    return made
