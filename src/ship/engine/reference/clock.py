"""The position of a run: time, slot, trial and first sample, and the temperature there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """The position of a simulation since its last reset, which also determines the noise that is drawn next."""

    time: float = 0.0  # s
    slot: int = 0
    trial: int = 0
    first_sample: int = 0
    kelvin: float | None = None  # the temperature of the network in the present segment; None: it has none
