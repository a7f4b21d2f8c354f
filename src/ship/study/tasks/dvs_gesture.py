"""Gestures of DVS Gesture, as an event camera saw them, on 32 x 32 pixels in slots of 10 ms."""

from __future__ import annotations

from pathlib import Path

from ... import data
from .event_sets import Camera, Slots, event_task
from .task import Recipe, Task

CAMERA = Camera(128, 128, by=4)
STEPS, DT = 150, 10e-3  # slots of the first 1.5 s of a gesture; s


def dvs_gesture(*, folder: str | Path | None = None, seed: int = 0) -> Task:
    """Make the task: 2048 channels, one for each 4 x 4 pixels and polarity; people of the test are not among those of training.

    Args:
        folder: where the files are looked for first.
        seed: not needed, for nothing is drawn.

    Raises:
        FileError: the archive is not on this machine (the error says where to get it), or is damaged.
    """
    encode = Slots(CAMERA.units, STEPS, DT, CAMERA)
    pooled = f"{CAMERA.by} x {CAMERA.by} pixels are counted as one."
    recipe = Recipe(epochs=40, size=32, lr=1e-3, clip=1.0)
    return event_task(data.load("dvs-gesture", folder), encode, spread=0.02, recipe=recipe, notes=(pooled,))
