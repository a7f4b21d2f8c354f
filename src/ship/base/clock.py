"""Slots, durations and programmes of dt: pure functions on seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .errors import RunError, is_real, is_whole

FUZZ = 1e-6  # slots; absorbs the float error of a quotient such as 0.3 / 0.1
TIE = 2e-4  # slots; keeps a fraction that was rounded down below the half slot at which a running clock ends, also in float32


class Segment(NamedTuple):
    """A stretch of time with a constant dt."""

    dt: float  # s
    steps: int


Programme = tuple[Segment, ...]


def slots(seconds: float, dt: float) -> int:
    """Return how many slots a delay or dead time takes, rounded half up (2.5 slots are 3)."""
    return math.floor(seconds / dt + 0.5 + FUZZ)


def nearest_slots(seconds: Tensor, dt: float) -> Tensor:
    """Do what `slots` does for a tensor: return whole numbers in the dtype of ``seconds``."""
    return torch.floor(seconds / dt + 0.5 + FUZZ)


def dead_slots(seconds: Tensor, dt: float) -> Tensor:
    """Return the slots that a dead time lasts, in float64 and with their fraction.

    A clock that counts them down and ends where less than half a slot is left runs for `nearest_slots`; the fraction lets it end
    at the right time after a change to a finer dt, too.
    """
    whole = nearest_slots(seconds, dt)
    rest = (seconds / dt - whole).clamp(max=0.5 - TIE)
    return whole + torch.where(rest.abs() < FUZZ, 0.0, rest)


def check_dt(where: str, dt: float) -> float:
    """Check a time step and return it as a float, in seconds.

    Raises:
        RunError: ``dt`` is not a finite number above zero.
    """
    if not is_real(dt) or dt <= 0:
        raise RunError(f"{where}: dt", "must be a number above 0 s", got=repr(dt), fix="Give seconds, e.g. dt=1e-3.")
    return float(dt)


def steps_of(where: str, duration: float, dt: float) -> int:
    """Return the number of slots in a duration, which must be a whole number of them (0.3 s at 0.1 s is 3).

    Raises:
        RunError: the duration is not finite, is negative, or is not a multiple of dt.
    """
    if not is_real(duration) or duration < 0:
        raise RunError(f"{where}: duration", "must be a number of seconds, at least 0", got=repr(duration))
    n = slots(float(duration), dt)
    dtype = np.asarray(duration).dtype
    eps = float(np.finfo(dtype if dtype.kind == "f" else float).eps)
    if abs(float(duration) / dt - n) > min(FUZZ + 4 * eps * n, 0.1):  # rounding errors of the user's own number type
        raise RunError(
            f"{where}: duration",
            f"must be a whole number of slots of dt = {dt:g} s",
            got=f"{duration:g} s = {duration / dt:g} slots",
            fix=f"Use {n * dt:g} s.",
        )
    return n


def programme(where: str, dt: float | Sequence[tuple[float, int]], steps: int | None) -> Programme:
    """Make a programme from one dt and a number of slots, or from ``[(dt, steps), ...]``.

    Raises:
        RunError: the programme is malformed, or its slots do not add up to ``steps``.
    """
    if not isinstance(dt, Sequence):
        return (Segment(check_dt(where, dt), steps or 0),)
    segments = []
    try:
        pairs = [(d, n) for d, n in dt]
    except (TypeError, ValueError) as error:
        raise RunError(f"{where}: dt", "must be a number or a list of (dt, steps)", got=repr(dt)) from error
    for d, n in pairs:
        if not is_whole(n, 1):
            raise RunError(f"{where}: dt", "each (dt, steps) needs a whole number of steps, at least 1", got=repr((d, n)))
        segments.append(Segment(check_dt(where, d), int(n)))
    if not segments:
        raise RunError(f"{where}: dt", "must name at least one (dt, steps)", got="an empty list")
    total = sum(s.steps for s in segments)
    if steps is not None and total != steps:
        raise RunError(f"{where}: dt", f"the programme must have as many slots as the input, {steps}", got=str(total))
    return tuple(segments)


def timeline(segments: Sequence[Segment], start: float = 0.0) -> Tensor:
    """Return the start times of all slots (s, float64). Each segment counts from its own start, so errors do not add up."""
    parts, t = [], start
    for dt, n in segments:
        parts.append(t + dt * torch.arange(n, dtype=torch.float64))
        t += dt * n
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.float64)
