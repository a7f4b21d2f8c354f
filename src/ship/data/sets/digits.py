"""The handwritten digits of scikit-learn, which need no download."""

from __future__ import annotations

from pathlib import Path

import torch

from ..datasets import digits
from .labelled import About, LabelledSet

ABOUT = About(
    title="Optical Recognition of Handwritten Digits, test set, as scikit-learn ships it",
    licence="CC BY 4.0",
    citation="Alpaydin & Kaynak, UCI Machine Learning Repository (1998), doi 10.24432/C50P49",
    home="https://archive.ics.uci.edu/dataset/80",
)


def load(folder: Path | None = None, *, seed: int = 0, test_fraction: float = 0.2) -> LabelledSet:
    """Load the 1797 digits, 8 x 8 pixels in [0, 1].

    Args:
        folder: not needed, for nothing is downloaded.
        seed: seed of the split by class.
        test_fraction: fraction of each class that is held out.

    Returns:
        ``x [1797, 64]``, those to train on first; the held-out ones are marked by ``test``.

    Raises:
        RunError: scikit-learn is not installed.
    """
    made = digits(test_fraction, seed)
    held = torch.arange(len(made.x) + len(made.x_test)) >= len(made.x)
    classes = tuple(str(i) for i in range(10))
    x, labels = torch.cat([made.x, made.x_test]), torch.cat([made.labels, made.labels_test])
    return LabelledSet("digits", x, labels, classes, ABOUT, test=held)
