"""Sets of images in the four idx files of MNIST: the reader, and the way to a labelled set.

An idx file holds one array: two zero bytes, a byte for the type (8: bytes without sign), a byte for the number of axes, the size
of each axis as a big-endian 32-bit number, and the values, the last axis fastest. Files end in ``.gz`` where they are packed.

Source: LeCun, Cortes & Burges, The MNIST database of handwritten digits, section "File formats for the MNIST database"
(http://yann.lecun.com/exdb/mnist/, archived).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ...base.atomic_write import regular_file
from ...base.errors import FileError
from . import fetch
from .arrays import arrays
from .labelled import About, LabelledSet

IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
BYTES = 8  # the type of an idx file of bytes without sign


def read(path: Path) -> np.ndarray:
    """Read the array of an idx file of bytes.

    Args:
        path: the file, packed by gzip if its name ends in ``.gz``.

    Raises:
        FileError: the file is missing, damaged, or holds something else.
    """
    data = regular_file(path).read_bytes()
    fix = "Download it again."
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise FileError(str(path), "is damaged: gzip cannot unpack it", got=str(error), fix=fix) from error
    if len(data) < 4 or data[:3] != bytes([0, 0, BYTES]):
        raise FileError(str(path), "must be an idx file of bytes, which begins with 00 00 08", got=data[:4].hex(" "), fix=fix)
    axes, start = data[3], 4 + 4 * data[3]
    shape = struct.unpack_from(f">{axes}I", data, 4) if len(data) >= start else ()
    wanted = int(np.prod(shape, dtype=np.int64)) if shape else -1
    if len(data) - start != wanted:
        rule = f"must hold {wanted} values, as its head of {axes} axes says" if shape else f"must hold the sizes of {axes} axes"
        raise FileError(str(path), rule, got=f"{max(0, len(data) - start)} bytes behind the head", fix=fix)
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def load(
    name: str, folder: Path | None, remotes: Sequence[fetch.Remote], about: About, classes: Sequence[str], prepared: str
) -> LabelledSet:
    """Make a labelled set of the four files, or of a prepared file with ``x_train``, ``y_train``, ``x_test``, ``y_test``.

    Args:
        name: the name of the set.
        folder: a folder of the user to look into first.
        remotes: the four files, in the order of `FILES`.
        about: what is said beside every number.
        classes: the names of the classes.
        prepared: the name of the prepared file, which is looked for before the four.

    Returns:
        Images ``[sample, row, column]`` in uint8, those to train on first; the official test images are marked by ``test``.

    Raises:
        FileError: a file is damaged, or does not fit the others.
        RunError: the files must be downloaded, and pooch is not installed.
    """
    own = fetch.prepared(name, prepared, folder)
    if own is not None:
        place, found = str(own), arrays(own, ("x_train", "y_train", "x_test", "y_test"))
        x, y, x_test, y_test = (found[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    else:
        paths = fetch.files(name, remotes, folder)
        place, (x, y, x_test, y_test) = str(paths[0].parent), (read(path) for path in paths)
    for images, labels, part in ((x, y, "train"), (x_test, y_test, "test")):
        if images.ndim != 3 or images.dtype != np.uint8 or labels.shape != images.shape[:1] or images.shape[1:] != x.shape[1:]:
            got = f"images {images.dtype} {list(images.shape)}, labels {list(labels.shape)}"
            raise FileError(place, f"{part}: must be images [sample, row, column] of bytes with a label each", got=got)
        if labels.size and int(labels.max()) >= len(classes):
            raise FileError(place, f"{part}: labels must be from 0 to {len(classes) - 1}", got=int(labels.max()))
    pictures, kinds = (torch.from_numpy(np.concatenate(pair)) for pair in ((x, x_test), (y, y_test)))
    test = torch.arange(len(pictures)) >= len(x)
    return LabelledSet(name, pictures, kinds.to(torch.int64), tuple(classes), about, test=test)
