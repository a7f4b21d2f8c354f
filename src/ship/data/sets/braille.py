"""Braille characters: 1560 grey images of 28 x 28 pixels, 26 letters, 60 images each.

The 60 images of a letter are 20 random versions each of three changes of **one** photograph: brightness (``dim``), rotation
(``rot``) and shift (``whs``). A split at random therefore has versions of one photograph in both parts, and does not measure how
well an unseen photograph would be read; a split by ``augmentation`` at least has another kind of change in each part.

A prepared file ``braille.npz`` (``images`` uint8 ``[1560, 28, 28]``, ``filename``) is taken where there is one. Otherwise the
images are read as Kaggle gives them, JPEG files such as ``a1.JPG10rot.jpg`` (letter, changes, number of the version); Kaggle asks
for an account, so they cannot be downloaded by name and `load` says what to put where. Images and their order are the same.

Source: https://www.kaggle.com/datasets/shanks0465/braille-character-dataset, and what its files hold.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from ...base.errors import FileError
from .archives import members
from .fetch import cached, places, prepared
from .labelled import About, LabelledSet

NAME = re.compile(r"([a-z])1\.JPG(\d+)(dim|rot|whs)\.jpg")
ARCHIVES = ("braille-character-dataset.zip", "archive.zip")  # from Kaggle's command, and from its page
ONE_PHOTOGRAPH = "the 60 images of a letter are changed versions of one photograph, so no split measures unseen photographs"
SIZE = 28  # pixels on a side

ABOUT = About(
    title="Braille Character Dataset",
    licence="not stated",
    citation="Braille Character Dataset, published on Kaggle by its user shanks0465",
    home="https://www.kaggle.com/datasets/shanks0465/braille-character-dataset",
    note=ONE_PHOTOGRAPH[0].upper() + ONE_PHOTOGRAPH[1:] + ".",
)


def load(folder: Path | None = None) -> LabelledSet:
    """Load the images, white as 1 and black as 0, in the order of their file names.

    Args:
        folder: where the prepared file, the archive of Kaggle or a folder of its images is looked for first.

    Returns:
        ``x [1560, 28, 28]`` in float32; the columns are ``augmentation`` ("dim", "rot" or "whs") and ``version`` (0 to 19).

    Raises:
        FileError: the images are nowhere, or a file is damaged.
    """
    path = prepared("braille", "braille.npz", folder)
    if path is not None:
        return from_prepared(path)
    for place in [*places(folder), cached("braille").parent]:
        for home in (place / "braille", place):
            for archive in (home / name for name in ARCHIVES):
                if archive.is_file() and (found := [item for item in members(archive, ".jpg") if _is_image(item[0])]):
                    return from_images(archive, found)
        if images := sorted(p for p in (place / "braille").rglob("*.jpg") if _is_image(p.name)):
            return from_images(place / "braille", ((p.name, p.read_bytes()) for p in images))
    raise FileError(
        "ship.data.load('braille')",
        "needs the images, which Kaggle gives to those who have an account",
        fix=f"Download the archive from {ABOUT.home}, put it as {ARCHIVES[0]} (or its images, unpacked) into a folder named "
        f"braille, and name the folder around it by folder=, --data or SHIP_DATA; {cached('braille')} is found without that.",
    )


def from_prepared(path: Path) -> LabelledSet:
    """Read a prepared file.

    Raises:
        FileError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            return collected(zip(held["filename"].tolist(), held["images"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise FileError(str(path), "is no prepared file of Braille characters", got=str(error)) from error


def from_images(path: Path, images: Iterable[tuple[str, bytes]]) -> LabelledSet:
    """Read JPEG files.

    Args:
        path: where they lie, for errors.
        images: name and content of each.

    Raises:
        FileError: a file is no image of 28 x 28 pixels.
    """
    from PIL import Image

    def pixels() -> Iterator[tuple[str, np.ndarray]]:
        for name, content in images:
            try:
                with Image.open(io.BytesIO(content)) as image:
                    yield PurePosixPath(name).name, np.asarray(image.convert("L"))
            except OSError as error:
                raise FileError(f"{path}: {name}", "must be a JPEG image", got=str(error)) from error

    try:
        return collected(pixels())
    except ValueError as error:
        raise FileError(str(path), "must hold Braille characters of 28 x 28 pixels", got=str(error)) from error


def collected(images: Iterable[tuple[str, np.ndarray]]) -> LabelledSet:
    """Make a data set of images and their file names, in the order of the names.

    Raises:
        ValueError: a name or a shape that is not of this set, or no images.
    """
    rows = sorted(images, key=lambda row: row[0])
    parsed = [NAME.fullmatch(name) for name, _ in rows]
    wrong = next(
        (name for (name, image), at in zip(rows, parsed, strict=True) if at is None or image.shape != (SIZE, SIZE)), None
    )
    if wrong is not None or not rows:
        raise ValueError(f"the file {wrong}" if wrong else "no images")
    fields = [at.groups() for at in parsed if at is not None]
    return LabelledSet(
        "braille",
        torch.as_tensor(np.stack([image for _, image in rows])).float() / 255,
        torch.tensor([ord(letter) - ord("a") for letter, _, _ in fields]),
        tuple("abcdefghijklmnopqrstuvwxyz"),
        ABOUT,
        by={"augmentation": [kind for _, _, kind in fields], "version": torch.tensor([int(v) for _, v, _ in fields])},
    )


def _is_image(name: str) -> bool:
    return NAME.fullmatch(PurePosixPath(name).name) is not None
