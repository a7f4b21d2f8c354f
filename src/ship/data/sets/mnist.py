"""MNIST: 70,000 handwritten digits of 28 x 28 pixels, with the official test split."""

from __future__ import annotations

from pathlib import Path

from . import idx
from .fetch import Remote
from .labelled import About, LabelledSet

ABOUT = About(
    title="The MNIST database of handwritten digits",
    licence="CC BY-SA 3.0",
    citation="LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document recognition, "
    "Proc. IEEE 86 (1998) 2278",
    home="http://yann.lecun.com/exdb/mnist/",
    note="Writers of the test images are not among those of the training images.",
)
# The mirror of the CVDF foundation; hashes: tensorflow_datasets/url_checksums/mnist.txt of TensorFlow Datasets.
SITE = "https://storage.googleapis.com/cvdf-datasets/mnist/"
HASHES = (
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)
REMOTES = tuple(Remote(SITE + file, digits, file) for file, digits in zip(idx.FILES, HASHES, strict=True))


def load(folder: Path | None = None) -> LabelledSet:
    """Load MNIST from ``mnist.npz`` in the layout of Keras, or from the four idx files.

    Args:
        folder: a folder of the user to look into first.

    Returns:
        Images ``[70000, 28, 28]`` in uint8, 0 for white paper; the last 10,000 are the official test images.

    Raises:
        FileError: a file is damaged, or cannot be downloaded.
        RunError: the files must be downloaded, and pooch is not installed.
    """
    return idx.load("mnist", folder, REMOTES, ABOUT, [str(i) for i in range(10)], "mnist.npz")
