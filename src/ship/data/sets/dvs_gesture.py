"""DVS Gesture: 11 gestures of 29 people in three kinds of light, seen by an event camera of 128 x 128 pixels.

A trial is a recording (``user01_led.aedat``) and a table of when which gesture was shown (``user01_led_labels.csv``: class from 1
on, first and last time in us). The lists ``trials_to_train.txt`` and ``trials_to_test.txt`` are the official split, in which
people are either in one part or in the other.

Source of the layout: the README of the set, https://research.ibm.com/interactive/dvsgesture/ .
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from ...base.errors import FileError
from . import aedat, fetch
from .archives import members
from .events import Row, kept, units_of
from .fetch import Remote
from .labelled import About, LabelledSet

ABOUT = About(
    title="DVS128 Gesture",
    licence="CC BY 4.0",
    citation="Amir, Taba, Berg et al., A low power, fully event-based gesture recognition system, CVPR (2017) 7243",
    home="https://research.ibm.com/interactive/dvsgesture/",
    note="The table user22_led_labels.csv gives an end of class 9 that lies behind the start of the next gesture; it is used as "
    "published.",
)
PAGE = "https://ibm.ent.box.com/s/3hiq58ww1pbbjrinh367ykfdf60xsfm8/folder/50167556794"
# IBM gives the archive on this page only; the MD5 is the one that event-camera libraries pin (SpikingJelly, among others).
REMOTES = (Remote(PAGE, None, "DvsGesture.tar.gz", "8a5c71fb11e24e5ca5b11866ca6c00a1", by_hand=True),)
WIDTH = HEIGHT = 128
CLASSES = (  # gesture_mapping.csv
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter clockwise",
    "left arm clockwise",
    "left arm counter clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
LISTS = ("trials_to_train.txt", "trials_to_test.txt")
Files = Callable[[tuple[str, ...]], Iterator[tuple[str, bytes]]]  # files whose names end so: name without folders, and content


def load(folder: Path | None = None) -> LabelledSet:
    """Load the gestures from ``DvsGesture.tar.gz``, or from the folder that it holds.

    Args:
        folder: a folder of the user to look into first.

    Returns:
        A list of events int32 ``[event, 2]`` for each gesture: time in us since its start, and unit of 2 x 128 x 128. The columns
        ``user`` and ``light`` say who was seen, and in which light.

    Raises:
        FileError: the archive is not on this machine (the error says where to get it), or is damaged.
    """
    files, key = _source(folder)
    found = kept("dvs-gesture", key, lambda: _rows(files, key[0]))
    if not found.samples:
        raise FileError(key[0], "holds no gesture", fix="Download the archive again.")
    columns = found.columns
    labels, test = torch.tensor(columns["label"]), torch.tensor(columns["test"])
    by = {"user": columns["user"], "light": columns["light"]}
    return LabelledSet("dvs-gesture", found.samples, labels, CLASSES, ABOUT, by, test)


def _source(folder: Path | None) -> tuple[Files, list[str]]:
    """Return how files are read, from the unpacked folder or the archive, and what identifies them."""
    for place in ("", "DvsGesture/"):
        own = fetch.prepared("dvs-gesture", place + LISTS[0], folder)
        if own is not None:
            paths = sorted(path for path in own.parent.iterdir() if path.is_file())
            return partial(_from_folder, paths), [str(own.parent), *(fetch.signature(path) for path in paths)]
    archive = fetch.files("dvs-gesture", REMOTES, folder)[0]
    return partial(_from_archive, archive), [str(archive), fetch.signature(archive)]


def _from_folder(paths: list[Path], ending: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    return ((path.name, path.read_bytes()) for path in paths if path.name.endswith(ending))


def _from_archive(archive: Path, ending: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    return ((PurePosixPath(name).name, data) for name, data in members(archive, ending))


def _rows(files: Files, where: str) -> Iterator[Row]:
    small = dict(files((".txt", "_labels.csv")))  # one pass over the archive, another one for the recordings
    missing = [name for name in LISTS if name not in small]
    if missing:
        raise FileError(where, f"must hold {' and '.join(LISTS)}", got=f"no {missing[0]}", fix="Download the archive again.")
    tests = {trial: test for test, name in enumerate(LISTS) for trial in small[name].decode("utf-8", "replace").split()}
    seen = set()
    for name, data in files((".aedat",)):
        if name in tests:
            seen.add(name)
            table = name.removesuffix(".aedat") + "_labels.csv"
            if table not in small:
                raise FileError(f"{where}: {name}", "must have a table of its gestures", got=f"no {table}")
            yield from _gestures(name, data, labels(small[table], f"{where}: {table}"), bool(tests[name]), where)
    if len(seen) < len(tests):
        raise FileError(where, "must hold the recordings that its lists name", got=f"no {sorted(set(tests) - seen)[0]}")


def _gestures(name: str, data: bytes, gestures: list[tuple[int, int, int]], test: bool, where: str) -> Iterator[Row]:
    found = re.fullmatch(r"(user\d+)_(\w+)\.aedat", name)
    if found is None:
        raise FileError(where, "must name recordings by person and light, such as user01_led.aedat", got=name)
    time, x, y, polarity = aedat.read(data, f"{where}: {name}")
    bad = (x >= WIDTH) | (y >= HEIGHT)
    if bad.any():
        got = f"column {x[bad][0]}, row {y[bad][0]}"
        raise FileError(f"{where}: {name}", f"must be events of {WIDTH} x {HEIGHT} pixels", got=got)
    order = np.argsort(time, kind="stable")
    time, unit = time[order], units_of(x, y, polarity, WIDTH, HEIGHT)[order]
    for label, start, end in gestures:
        low, high = np.searchsorted(time, [start, end])
        events = np.stack([(time[low:high] - start).astype(np.int32), unit[low:high]], 1)
        yield events, {"label": label, "user": found[1], "light": found[2], "test": test}


def labels(data: bytes, where: str) -> list[tuple[int, int, int]]:
    """Read the table of a trial: class from 0 on, first and last time in us, of each gesture.

    Args:
        data: the bytes of the CSV file.
        where: its name, for errors.

    Raises:
        FileError: another head, or a row that is no gesture; the error names it.
    """
    rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"))) if row]
    if not rows or [cell.strip() for cell in rows[0]] != ["class", "startTime_usec", "endTime_usec"]:
        got = ",".join(rows[0]) if rows else "an empty file"
        raise FileError(where, "must begin with class,startTime_usec,endTime_usec", got=got)
    found = []
    for i, row in enumerate(rows[1:], 2):
        cells = [int(cell) if cell.strip().isdigit() else -1 for cell in row]
        if len(cells) != 3 or not 1 <= cells[0] <= len(CLASSES) or not 0 <= cells[1] < cells[2]:
            rule = f"must be a class from 1 to {len(CLASSES)}, a start and a later end in us"
            raise FileError(f"{where}: row {i}", rule, got=",".join(row))
        found.append((cells[0] - 1, cells[1], cells[2]))
    return found
