"""Spoken digits of SHD, as spikes of a model of the cochlea, counted into slots of 4 ms."""

from __future__ import annotations

from pathlib import Path

from ... import data
from .event_sets import Slots, event_task
from .task import Recipe, Task

UNITS = 700
STEPS, DT = 350, 4e-3  # slots of 1.4 s; s


def shd(*, folder: str | Path | None = None, seed: int = 0) -> Task:
    """Make the task: 700 channels, 20 classes.

    Args:
        folder: where the files are looked for first.
        seed: not needed, for nothing is drawn.

    Raises:
        FileError: a file is damaged, or cannot be downloaded.
        RunError: h5py is not installed, or a file must be downloaded and pooch is not installed.
    """
    encode = Slots(UNITS, STEPS, DT)
    return event_task(data.load("shd", folder), encode, spread=0.05, recipe=Recipe(epochs=40, size=64, lr=1e-3, clip=1.0))
