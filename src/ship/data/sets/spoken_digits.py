"""The Free Spoken Digit Dataset: English digits of six speakers, 50 takes of each, at 8 kHz.

A prepared file ``fsdd.npz`` (``signal`` int16, cut by ``offsets``; ``label``, ``speaker``, ``take``, ``speakers``, ``rate``) is
taken where there is one; otherwise the archive of the release is downloaded, and its wave files are read. No hash of the archive
is published, so the recordings themselves are checked: both ways must give the samples that `HASH` names.

Source: https://github.com/Jakobovski/free-spoken-digit-dataset, tag v1.0.10; the official test split is takes 0 to 4 of each
speaker and digit (its README, section "Usage").
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...base.errors import FileError
from .archives import members
from .fetch import Remote, files, prepared
from .labelled import About, LabelledSet

RATE = 8000.0  # Hz
TEST_TAKES = 5  # takes 0 to 4 are the official test split
HASH = "fbf7e8af3455449359203cdddd571bfc97010fa007e141501ed9bbca4af94cdb"
REMOTE = Remote(
    url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
    sha256=None,
    file="free-spoken-digit-dataset-1.0.10.tar.gz",
)
ABOUT = About(
    title="Free Spoken Digit Dataset (FSDD), v1.0.10",
    licence="CC BY-SA 4.0",
    citation="Z. Jackson et al., Free Spoken Digit Dataset v1.0.10, doi 10.5281/zenodo.1342401",
    home="https://github.com/Jakobovski/free-spoken-digit-dataset",
    note="Six speakers say all of it: the official split has the same speakers in both parts.",
)


class Recording(NamedTuple):
    """One spoken digit."""

    label: int
    speaker: str
    take: int
    signal: Tensor  # int16 [time]


def load(folder: Path | None = None) -> LabelledSet:
    """Load the 3000 recordings, int16 at 8 kHz, in the order of digit, speaker and take.

    Args:
        folder: where the prepared file or the archive is looked for first.

    Returns:
        ``x`` is a list of ``[time]``; the columns are ``speaker`` and ``take``; ``test`` marks the official test split.

    Raises:
        FileError: the file is damaged, or holds other recordings than the release.
        RunError: it must be downloaded, and pooch is not installed.
    """
    path = prepared("spoken-digits", "fsdd.npz", folder)
    if path is not None:
        return checked(path, from_prepared(path))
    (archive,) = files("spoken-digits", [REMOTE], folder)
    return checked(archive, from_archive(archive))


def checked(path: Path, samples: LabelledSet) -> LabelledSet:
    """Return the samples if they are those of the release.

    Raises:
        FileError: they are others.
    """
    found = samples.hash()
    if found != HASH:
        fix = "Take the file away, so that the release is downloaded anew."
        raise FileError(str(path), f"must hold the recordings of {ABOUT.title} (hash {HASH[:12]})", got=found[:12], fix=fix)
    return samples


def from_prepared(path: Path) -> LabelledSet:
    """Read a prepared file.

    Raises:
        FileError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            signal, ends = torch.as_tensor(held["signal"]), held["offsets"].tolist()
            names = [str(name) for name in held["speakers"]]
            columns = zip(held["label"].tolist(), held["speaker"].tolist(), held["take"].tolist(), ends, ends[1:], strict=False)
            return collected(Recording(label, names[who], take, signal[a:b].clone()) for label, who, take, a, b in columns)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise FileError(str(path), "is no prepared file of spoken digits", got=str(error)) from error


def from_archive(path: Path) -> LabelledSet:
    """Read the wave files of an archive: ``recordings/7_jackson_32.wav`` is take 32 of a seven of Jackson.

    Raises:
        FileError: the archive is damaged, or holds no recordings.
    """
    from scipy.io import wavfile

    def recordings() -> Iterator[Recording]:
        for name, content in members(path, ".wav"):
            at = PurePosixPath(name)
            if at.parent.name == "recordings":
                label, speaker, take = at.stem.split("_")
                rate, signal = wavfile.read(io.BytesIO(content))
                if rate != RATE or signal.dtype != np.int16 or signal.ndim != 1:
                    raise ValueError(f"{name}: {rate} Hz, {signal.dtype}, {signal.ndim} axes")
                yield Recording(int(label), speaker, int(take), torch.as_tensor(signal.copy()))

    try:
        return collected(recordings())
    except ValueError as error:
        raise FileError(str(path), "must hold recordings/DIGIT_SPEAKER_TAKE.wav, 8 kHz, 16 bit, mono", got=str(error)) from error


def collected(recordings: Iterator[Recording]) -> LabelledSet:
    """Put recordings in order, and make a data set of them."""
    rows = sorted(recordings, key=lambda r: r[:3])
    if not rows:
        raise ValueError("no recordings")
    take = torch.tensor([r.take for r in rows])
    return LabelledSet(
        "spoken-digits",
        [r.signal for r in rows],
        torch.tensor([r.label for r in rows]),
        tuple(str(digit) for digit in range(10)),
        ABOUT,
        by={"speaker": [r.speaker for r in rows], "take": take},
        test=take < TEST_TAKES,
    )
