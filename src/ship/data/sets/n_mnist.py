"""N-MNIST: the digits of MNIST as an event camera saw them on a screen, with the official test split.

Each file holds one digit: five bytes an event, column, row, and 24 bits of which the highest is the polarity (1: brighter) and
the others are the time in us. An event in row 240 is none: the clock of the camera has overflowed, and 2^13 us are added to all
later times.

Source: Orchard, Jayawant, Cohen & Thakor, Frontiers in Neuroscience 9 (2015) 437; the layout stands on the home page, row 240 in
Orchard's reader ``eventvision.py`` (github.com/gorchard/event-Python).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from ...base.errors import FileError
from . import fetch
from .archives import members
from .events import Row, kept, units_of
from .fetch import Remote
from .labelled import About, LabelledSet

ABOUT = About(
    title="Neuromorphic-MNIST (N-MNIST)",
    licence="CC BY-SA 4.0",
    citation="Orchard, Jayawant, Cohen & Thakor, Converting static image datasets to spiking neuromorphic datasets using "
    "saccades, Frontiers in Neuroscience 9 (2015) 437",
    home="https://www.garrickorchard.com/datasets/n-mnist",
    note="The digits do not move: the camera does, in three saccades that are the same for every sample.",
)
# The files of the record at Mendeley Data (doi 10.17632/468j46mzdv.1); the MD5 are those that tonic and SpikingJelly pin.
SITE = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"
REMOTES = (
    Remote(f"{SITE}39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded", None, "Train.zip", "20959b8e626244a1b502305a9e6e2031"),
    Remote(f"{SITE}05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded", None, "Test.zip", "69ca8762b2fe404d9b9bad1103e97832"),
)
WIDTH = HEIGHT = 34
OVERFLOW_ROW, OVERFLOW = 240, 1 << 13  # row that marks an overflow of the clock; us that it adds


def read(data: bytes, where: str) -> np.ndarray:
    """Read the events of one digit.

    Args:
        data: the bytes of a ``.bin`` file.
        where: the name of the file, for errors.

    Returns:
        int32 ``[event, 2]``, in order of time: time in us and unit, see `ship.data.sets.events`.

    Raises:
        FileError: the file ends inside an event, or has a pixel outside 34 x 34.
    """
    if len(data) % 5:
        raise FileError(where, "must hold 5 bytes for each event", got=f"{len(data)} bytes", fix="Download the archive again.")
    raw = np.frombuffer(data, np.uint8).reshape(-1, 5).astype(np.int32)
    x, y, polarity = raw[:, 0], raw[:, 1], raw[:, 2] >> 7
    over = y == OVERFLOW_ROW
    time = ((raw[:, 2] & 127) << 16) + (raw[:, 3] << 8) + raw[:, 4] + OVERFLOW * np.cumsum(over, dtype=np.int32)
    x, y, polarity, time = x[~over], y[~over], polarity[~over], time[~over]
    bad = (x >= WIDTH) | (y >= HEIGHT)
    if bad.any():
        i = int(bad.argmax())
        raise FileError(f"{where}: event {i}", f"must be a pixel of {WIDTH} x {HEIGHT}", got=f"column {x[i]}, row {y[i]}")
    order = np.argsort(time, kind="stable")
    return np.stack([time, units_of(x, y, polarity, WIDTH, HEIGHT)], 1)[order]


def load(folder: Path | None = None) -> LabelledSet:
    """Load N-MNIST from ``Train.zip`` and ``Test.zip``.

    Args:
        folder: a folder of the user to look into first.

    Returns:
        A list of events int32 ``[event, 2]`` for each of 70,000 digits: time in us, and unit of 2 x 34 x 34. The order is that of
        MNIST; the test digits come last.

    Raises:
        FileError: a file is damaged, or cannot be downloaded.
        RunError: the files must be downloaded, and pooch is not installed.
    """
    paths = fetch.files("n-mnist", REMOTES, folder)

    def rows() -> Iterator[Row]:
        for path, test in zip(paths, (False, True), strict=True):
            for name, data in members(path, ".bin"):
                yield read(data, f"{path}: {name}"), _columns(str(path), PurePosixPath(name), test)

    found = kept("n-mnist", [fetch.signature(path) for path in paths], rows, order="place")
    if not found.samples:
        raise FileError(str(paths[0].parent), "holds no digit", fix="The archives must hold files such as Train/5/00001.bin.")
    labels, place = torch.tensor(found.columns["label"]), torch.tensor(found.columns["place"])
    classes = tuple(str(i) for i in range(10))
    return LabelledSet("n-mnist", found.samples, labels, classes, ABOUT, {"image": place[:, 1]}, place[:, 0] > 0)


def _columns(archive: str, name: PurePosixPath, test: bool) -> dict[str, object]:
    """Return label and place of a digit, which the names of folder and file give: ``Train/5/00001.bin``."""
    if not (name.parent.name.isdigit() and int(name.parent.name) < 10 and name.stem.isdigit()):
        raise FileError(archive, "must name each file by digit and number, such as Train/5/00001.bin", got=str(name))
    return {"label": int(name.parent.name), "place": [int(test), int(name.stem)]}
