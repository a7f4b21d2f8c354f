"""Pictures of clothes of Fashion-MNIST as spike times, encoded and read like those of MNIST."""

from __future__ import annotations

from pathlib import Path

from .mnist import images
from .task import Task


def fashion_mnist(*, folder: str | Path | None = None, seed: int = 0) -> Task:
    """Make the task, with the encoding, network and recipe of ``mnist``.

    Args:
        folder: where the files are looked for first.
        seed: not needed, for nothing is drawn.

    Raises:
        FileError: a file is damaged, or cannot be downloaded.
        RunError: a file must be downloaded, and pooch is not installed.
    """
    said = "Network and recipe are those of MNIST: no accuracy of theirs on these images is known beforehand."
    return images("fashion-mnist", folder, notes=(said,))
