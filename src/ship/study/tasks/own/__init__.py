"""Tasks of a user's own: samples and labels in an NPZ or CSV file, or a Python file with one function.

An NPZ file has ``x`` and ``y``, and may have ``x_test`` and ``y_test``, ``groups``, ``kind`` and ``dt``; or ``sample``, ``time``
and ``unit`` of events instead of ``x``. A CSV file has a row for each sample, or one for each event. A Python file has a function
``task()`` that returns a `ship.study.Task`. `ship.study.tasks.own.samples` says how samples become spikes, and how those to test
on are chosen.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....base.errors import FileError, RunError, suggest
from ..task import Task

SUFFIXES = (".npz", ".csv", ".py")


def made(path: Path, *, folder: str | Path | None, seed: int, options: Mapping[str, Any]) -> Task:
    """Make a task of a file.

    Args:
        path: the file; its suffix is one of `SUFFIXES`.
        folder: handed to a function ``task`` that takes it.
        seed: seed of what is drawn in making it.
        options: ``kind``, ``dt``, ``hidden``, ``held`` and, for CSV, ``label``; what the function takes, for Python.

    Raises:
        FileError: the file is missing, damaged, or does not hold what a task needs.
        RunError: an option is not one of its.
    """
    if not path.is_file():
        raise FileError(str(path), "no such file", fix="Give the path of your file, or the name of a task: ship.study.tasks().")
    if path.suffix.lower() == ".py":
        from .python import run

        return run(path, {"folder": folder, "seed": seed}, options)
    from . import npz, samples, table

    read = npz.read if path.suffix.lower() == ".npz" else table.read
    reading = [name for name in inspect.signature(read).parameters if name != "path"]
    making = [name for name in inspect.signature(samples.task_of).parameters if name not in ("found", "seed")]
    for option in options:
        if option not in (*reading, *making):
            raise RunError(f"task {str(path)!r}", f"has no option {option!r}", fix=suggest(option, [*reading, *making]))
    found = read(path, **{name: value for name, value in options.items() if name in reading})
    return samples.task_of(found, seed=seed, **{name: value for name, value in options.items() if name in making})
