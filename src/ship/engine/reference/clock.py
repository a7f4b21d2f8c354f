"""The position of a run: time, slot, trial and first sample."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """The position of a simulation since its last reset, which also determines the noise that is drawn next."""

    time: float = 0.0  # s
    slot: int = 0
    trial: int = 0
    first_sample: int = 0
