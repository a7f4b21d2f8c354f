"""Digits of N-MNIST, as an event camera saw them, counted into slots of 2 ms."""

from __future__ import annotations

from pathlib import Path

from ... import data
from .event_sets import Camera, Slots, event_task
from .task import Recipe, Task

CAMERA = Camera(34, 34)
STEPS, DT = 155, 2e-3  # slots of three saccades of about 0.1 s each; s


def n_mnist(*, folder: str | Path | None = None, seed: int = 0) -> Task:
    """Make the task: 2312 channels, one for each pixel and polarity.

    Args:
        folder: where the files are looked for first.
        seed: not needed, for nothing is drawn.

    Raises:
        FileError: a file is damaged, or cannot be downloaded.
        RunError: a file must be downloaded, and pooch is not installed.
    """
    encode = Slots(CAMERA.units, STEPS, DT)
    return event_task(data.load("n-mnist", folder), encode, spread=0.05, recipe=Recipe(epochs=5, size=128, lr=2e-3, clip=1.0))
