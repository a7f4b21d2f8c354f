"""Tasks by name. Each is a function of a file of this folder, ``(*, folder, seed, ...) -> Task``."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from ...base.errors import RunError, suggest
from . import own
from .task import Recipe, Short, Task

__all__ = ["Recipe", "Short", "Task", "task", "tasks"]

MAKERS = {  # name of a task -> file of this folder, function in it
    "digits": ("digits", "digits"),
    "mnist": ("mnist", "mnist"),
    "fashion-mnist": ("fashion_mnist", "fashion_mnist"),
    "spoken-digits": ("spoken_digits", "spoken_digits"),
    "braille": ("braille", "braille"),
    "ecg": ("ecg", "ecg"),
    "n-mnist": ("n_mnist", "n_mnist"),
    "shd": ("shd", "shd"),
    "dvs-gesture": ("dvs_gesture", "dvs_gesture"),
}


def tasks() -> dict[str, str]:
    """Return the names of the tasks, each with the first line of what its file says."""
    files = {name: importlib.import_module(f".{file}", __name__) for name, (file, _) in MAKERS.items()}
    return {name: (module.__doc__ or "").strip().splitlines()[0] for name, module in files.items()}


def task(name: str | Path, *, folder: str | Path | None = None, seed: int = 0, **options: Any) -> Task:
    """Make a task by its name, or of a file of yours.

    Args:
        name: one of `tasks`, or a file: ``.npz`` or ``.csv`` with samples and labels, or ``.py`` with a function ``task()`` that
            returns a `Task`, which is run as your code.
        folder: where files of data sets are looked for first, see `ship.data.load`.
        seed: seed of what is drawn in making it, such as a split.
        options: what the task itself takes, such as ``split="patient"``; see its file, or `ship.study.tasks.own` for yours.

    Raises:
        RunError: no task has this name, or an option is not one of its.
        FileError: a file is missing, damaged, or does not hold what a task needs.
    """
    if Path(name).suffix.lower() in own.SUFFIXES:
        return own.made(Path(name), folder=folder, seed=seed, options=options)
    if name not in MAKERS:
        fix = f"{suggest(str(name), MAKERS)} A file of yours ends in {', '.join(own.SUFFIXES)}."
        raise RunError("ship.study.task", f"no task named {str(name)!r}", fix=fix)
    file, function = MAKERS[str(name)]
    maker = getattr(importlib.import_module(f".{file}", __name__), function)
    parameters = inspect.signature(maker).parameters
    known = [option for option in parameters if option not in ("folder", "seed")]
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for option in options:
        if option not in known and not anything:
            raise RunError(f"task {str(name)!r}", f"has no option {option!r}", fix=suggest(option, known))
    made: Task = maker(folder=folder, seed=seed, **options)
    return made
