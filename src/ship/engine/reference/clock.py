"""Where a run stands: time, slot, trial and first sample."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Where a simulation stands: it counts from the last reset, and says which noise is next."""

    time: float = 0.0  # s
    slot: int = 0
    trial: int = 0
    first_sample: int = 0
