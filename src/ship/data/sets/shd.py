"""Spiking Heidelberg Digits: spoken digits, German and English, as spikes of a model of the cochlea.

Source of the layout of the files: https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/ .
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...base.errors import FileError, RunError
from . import fetch
from .archives import members
from .events import Row, kept
from .fetch import Remote
from .labelled import About, LabelledSet

ABOUT = About(
    title="Spiking Heidelberg Digits (SHD)",
    licence="CC BY 4.0",
    citation="Cramer, Stradmann, Schemmel & Zenke, The Heidelberg spiking data sets for the systematic evaluation of spiking "
    "neural networks, IEEE TNNLS 33 (2022) 2744",
    home="https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/",
    note="Two of the twelve speakers are in the test set only; the others are in both.",
)
SITE = "https://zenkelab.org/datasets/"  # MD5: as public loaders of this set pin them, all alike
REMOTES = (
    Remote(f"{SITE}shd_train.h5.gz", None, "shd_train.h5.gz", "d47c9825dee33347913e8ce0f2be08b0"),
    Remote(f"{SITE}shd_test.h5.gz", None, "shd_test.h5.gz", "3062a80ec0c5719404d5b02e166543b1"),
)
UNITS = 700


def read(file: Any, where: str) -> Iterator[Row]:
    """Read the utterances of one HDF5 file, in its order.

    Args:
        file: a path, or an open file.
        where: its name, for errors.

    Yields:
        Events int32 ``[event, 2]`` (time in us, unit) of each utterance, and its label, word and speaker.

    Raises:
        FileError: the file is damaged, or an utterance is not what was published.
        RunError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise RunError("data set 'shd'", "needs h5py", fix="Install it: pip install ship-snn[data]") from error
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise FileError(where, "is no HDF5 file, or damaged", got=str(error), fix="Download it again.") from error
    with opened:
        try:
            times, units = opened["spikes/times"], opened["spikes/units"]
            labels, speakers, keys = (opened[part][:] for part in ("labels", "extra/speaker", "extra/keys"))
        except KeyError as error:
            rule = "must hold spikes/times, spikes/units, labels, extra/speaker and extra/keys"
            raise FileError(where, rule, got=", ".join(opened)) from error
        if not len(times) == len(units) == len(labels) == len(speakers):
            got = f"{len(times)}, {len(units)}, {len(labels)}, {len(speakers)}"
            raise FileError(where, "must hold times, units, a label and a speaker of each utterance", got=got)
        words = [key.decode() if isinstance(key, bytes) else str(key) for key in keys]
        if len(labels) and int(max(labels)) >= len(words):
            raise FileError(f"{where}: labels", f"must be from 0 to {len(words) - 1}, as extra/keys says", got=int(max(labels)))
        for i, label in enumerate(labels):
            row = {"label": int(label), "word": words[label], "speaker": str(speakers[i])}
            yield _events(times[i], units[i], f"{where}: utterance {i}"), row


def _events(times: np.ndarray, units: np.ndarray, where: str) -> np.ndarray:
    time, unit = np.asarray(times, np.float64), np.asarray(units, np.int64)
    if time.shape != unit.shape or time.ndim != 1:
        raise FileError(where, "must hold a time and a unit of each spike", got=f"{time.shape} times, {unit.shape} units")
    if time.size and not (np.isfinite(time).all() and time.min() >= 0 and time.max() < 2000):
        raise FileError(where, "times must be numbers of seconds from 0 on", got=f"{time.min()} to {time.max()}")
    if unit.size and not (unit.min() >= 0 and unit.max() < UNITS):
        raise FileError(where, f"units must be from 0 to {UNITS - 1}", got=f"{unit.min()} to {unit.max()}")
    order = np.argsort(time, kind="stable")
    return np.stack([np.rint(time[order] * 1e6), unit[order]], 1).astype(np.int32)


def load(folder: Path | None = None) -> LabelledSet:
    """Load the digits from ``shd_train.h5.gz`` and ``shd_test.h5.gz``, packed or unpacked.

    Args:
        folder: a folder of the user to look into first.

    Returns:
        A list of events int32 ``[event, 2]`` for each utterance: time in us, and unit of 700. The classes have
        the names that the files give them. The column ``speaker`` says who spoke.

    Raises:
        FileError: a file is damaged, or cannot be downloaded.
        RunError: h5py is not installed, or a file must be downloaded and pooch is not installed.
    """
    own = [fetch.prepared("shd", remote.file.removesuffix(".gz"), folder) for remote in REMOTES]
    paths = [path for path in own if path is not None]
    if len(paths) < len(REMOTES):
        paths = fetch.files("shd", REMOTES, folder)

    def rows() -> Iterator[Row]:
        for path, test in zip(paths, (False, True), strict=True):
            opened = [(path.name, path)] if path.suffix != ".gz" else [(n, io.BytesIO(d)) for n, d in members(path)]
            for name, file in opened:
                for events, row in read(file, f"{path.parent / name}"):
                    yield events, {**row, "test": test}

    found = kept("shd", [fetch.signature(path) for path in paths], rows)
    if not found.samples:
        raise FileError(str(paths[0].parent), "holds no utterance", fix="Download the files again.")
    columns = found.columns
    words = dict(zip(columns["label"], columns["word"], strict=True))
    classes = tuple(words.get(label, str(label)) for label in range(max(words) + 1))
    labels, test = torch.tensor(columns["label"]), torch.tensor(columns["test"])
    return LabelledSet("shd", found.samples, labels, classes, ABOUT, {"speaker": columns["speaker"]}, test)
