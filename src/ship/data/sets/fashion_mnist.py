"""Fashion-MNIST: 70,000 pictures of clothes of 28 x 28 pixels, in the files and with the split of MNIST."""

from __future__ import annotations

from pathlib import Path

from . import idx
from .fetch import Remote
from .labelled import About, LabelledSet

ABOUT = About(
    title="Fashion-MNIST",
    licence="MIT",
    citation="Xiao, Rasul & Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms, "
    "arXiv:1708.07747 (2017)",
    home="https://github.com/zalandoresearch/fashion-mnist",
)
CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
# Addresses and MD5 are those of the home page; the SHA-256 are those that two projects, batchup and mnists, give alike.
SITE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
HASHES = (
    ("08dc20ab1689590a0bcd66e874647b6ee8464e2d501b5a3f1f78831db19a3fdc", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    ("b0197879cbda89f3dc7b894f9fd52b858e68ea4182b6947c9d8c2b67e5f18dcc", "25c81989df183df01b3e8a0aad5dffbe"),
    ("78dcbbfb5a27efaf1b6c1d616caca68560be8766c5bffcb2791df9273a534229", "bef4ecab320f06d8554ea6380940ec79"),
    ("42bd18137a62d5998cdeae52bf3a0676ac6b706f5cf8439b47bb5b151ae3dccf", "bb300cfdad3c16e7a12a480ee83cd310"),
)
REMOTES = tuple(Remote(SITE + file, sha256, file, md5) for file, (sha256, md5) in zip(idx.FILES, HASHES, strict=True))


def load(folder: Path | None = None) -> LabelledSet:
    """Load Fashion-MNIST from ``fashion-mnist.npz`` in the layout of Keras, or from the four idx files.

    Args:
        folder: a folder of the user to look into first.

    Returns:
        Images ``[70000, 28, 28]`` in uint8, 0 for the background; the last 10,000 are the official test images.

    Raises:
        FileError: a file is damaged, or cannot be downloaded.
        RunError: the files must be downloaded, and pooch is not installed.
    """
    return idx.load("fashion-mnist", folder, REMOTES, ABOUT, CLASSES, "fashion-mnist.npz")
