"""Samples and labels of an NPZ file: arrays ``x`` and ``y``, or events ``sample``, ``time``, ``unit`` and ``y``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....base.checks import check_choice
from ....base.errors import FileError
from ....data.sets.arrays import arrays
from .samples import KINDS, Samples, finite

EVENTS = ("sample", "time", "unit")
FIX = "Save kind='spikes', 'values' or 'image' in the file, or give it: kind=..."


def read(path: Path, *, kind: str | None = None) -> Samples:
    """Read an NPZ file.

    Args:
        path: the file. ``x [sample, time, channel]`` or ``[sample, ...]`` and ``y [sample]``; optional ``x_test`` and ``y_test``,
            or ``test [sample]``; ``groups [sample]``, ``kind``, ``dt`` (s). Or ``sample``, ``time`` (s) and ``unit``, each
            ``[event]``, and ``y [sample]``; optional ``test [sample]``, ``groups``, ``units``, ``dt``.
        kind: what ``x`` is, see `KINDS`, in place of the file's.

    Raises:
        FileError: the file is damaged, or an array is missing or does not fit; the error names it.
    """
    optional = ("x", *EVENTS, "x_test", "y_test", "groups", "test", "kind", "dt", "units")
    found = arrays(path, ("y",), optional)
    name = path.name
    said = str(found["kind"]) if "kind" in found else None
    if kind is not None or said is not None:
        check_choice(f"{name}: kind", kind or said, KINDS, either=True, error=FileError)
    dt = _number(name, "dt", found)
    groups = None if "groups" not in found else [str(g) for g in found["groups"].tolist()]
    test = None if "test" not in found else torch.from_numpy(_column(name, "test", found["test"]).astype(bool))
    labels = _column(name, "y", found["y"]).tolist()
    if "x" not in found:
        units = _number(name, "units", found)
        x: Tensor | list[Tensor] = _events(name, found, len(labels))
        return Samples(name, x, labels, "events", dt, test, groups, None if units is None else int(units))
    values = found["x"]
    if "x_test" in found or "y_test" in found:
        if "x_test" not in found or "y_test" not in found:
            raise FileError(name, "must have both x_test and y_test", got="one of them")
        if values.shape[1:] != found["x_test"].shape[1:]:
            got = f"{list(values.shape)} and {list(found['x_test'].shape)}"
            raise FileError(name, "x and x_test must have samples of one shape", got=got)
        if groups is not None and len(groups) == len(values):
            groups = groups + ["held out by the file"] * len(found["x_test"])
        _one_each(name, values, labels)
        _one_each(name, found["x_test"], found["y_test"], "_test")
        test = torch.arange(len(values) + len(found["x_test"])) >= len(values)
        labels += _column(name, "y_test", found["y_test"]).tolist()
        values = np.concatenate([values, found["x_test"]])
    _one_each(name, values, labels)
    for what, column in (("groups", groups), ("test", test)):
        if column is not None and len(column) != len(values):
            raise FileError(f"{name}: {what}", f"must have one entry for each of {len(values)} samples", got=len(column))
    return Samples(name, _samples(name, values, kind or said), labels, _kind(name, values, kind or said), dt, test, groups)


def _kind(name: str, x: np.ndarray, said: str | None) -> str:
    if said in ("spikes", "values") and x.ndim != 3:
        raise FileError(f"{name}: x", f"must be [sample, time, channel] for {said}", got=f"shape {list(x.shape)}")
    if said == "events":
        raise FileError(name, f"must hold {', '.join(EVENTS)} and y for events", got="x", fix=FIX)
    if said is None and x.ndim == 3:
        rule = "may be [sample, time, channel] or images [sample, row, column]"
        raise FileError(f"{name}: x", rule, got=f"shape {list(x.shape)}", fix=FIX)
    return said or "image"


def _samples(name: str, x: np.ndarray, said: str | None) -> Tensor:
    if x.ndim < 2 or not x.size or x.dtype.kind not in "biuf":
        raise FileError(f"{name}: x", "must be numbers [sample, ...]", got=f"{x.dtype} {list(x.shape)}")
    finite(f"{name}: x", x)
    if said == "spikes":
        bad = (x < 0) | (x != np.rint(x))
        if bad.any():
            place = np.argwhere(bad)[0]
            where, rule = f"{name}: x[{', '.join(map(str, place))}]", "spikes must be whole numbers of at least 0"
            raise FileError(where, rule, got=x[tuple(place)], fix="For levels: kind='values'.")
    return torch.from_numpy(np.ascontiguousarray(x if x.dtype == np.uint8 else x.astype(np.float32)))


def _events(name: str, found: dict[str, np.ndarray], n: int) -> list[Tensor]:
    missing = [column for column in EVENTS if column not in found]
    if missing:
        raise FileError(name, "must hold x and y, or sample, time, unit and y", got=f"no x, and no {missing[0]}")
    sample, time, unit = (_column(name, column, found[column]) for column in EVENTS)
    if not len(sample) == len(time) == len(unit):
        got = f"{len(sample)}, {len(time)}, {len(unit)}"
        raise FileError(name, "sample, time and unit must have one entry for each event", got=got)
    return grouped(name, sample, time.astype(np.float64), unit, n)


def grouped(name: str, sample: np.ndarray, time: np.ndarray, unit: np.ndarray, n: int) -> list[Tensor]:
    """Return the events of each of ``n`` samples in order of time, float64 ``[event, 2]``: time (s) and unit.

    Args:
        name: the name of the file, for errors.
        sample: the sample of each event, from 0 to n - 1.
        time: its time, s.
        unit: its unit, from 0 on.
        n: number of samples.

    Raises:
        FileError: a sample, time or unit out of its limits; the error names the event, counted from 0.
    """
    for what, values, rule, bad in (
        ("sample", sample, f"must be from 0 to {n - 1}", (sample < 0) | (sample >= n) | (sample != np.rint(sample))),
        ("unit", unit, "must be a whole number from 0 on", ~(unit >= 0) | (unit != np.rint(unit))),
        ("time", time, "must be a number of seconds from 0 on", ~(time >= 0) | np.isinf(time)),
    ):
        if bad.any():
            i = int(bad.argmax())
            raise FileError(f"{name}: {what}[{i}]", rule, got=values[i])
    order = np.lexsort((time, sample))
    pairs = torch.from_numpy(np.stack([time[order], unit[order].astype(np.float64)], 1))
    counts = np.bincount(sample.astype(np.int64), minlength=n).tolist()
    return list(pairs.split(counts))


def _number(name: str, what: str, found: dict[str, np.ndarray]) -> float | None:
    if what not in found:
        return None
    if found[what].size != 1 or found[what].dtype.kind not in "iuf":
        raise FileError(f"{name}: {what}", "must be one number", got=f"{found[what].dtype} {list(found[what].shape)}")
    return float(found[what].reshape(()))


def _column(name: str, what: str, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        got = f"{values.dtype} {list(values.shape)}"
        raise FileError(f"{name}: {what}", "must be a list of numbers or text", got=got)
    if values.dtype.kind == "f" and what.startswith("y"):
        finite(f"{name}: {what}", values)
    return values


def _one_each(name: str, x: np.ndarray, y: Any, which: str = "") -> None:
    if len(x) != len(y):
        raise FileError(name, f"must have one label y{which} for each sample", got=f"{len(x)} samples, {len(y)} labels")
