"""Tasks by name. Each is a function of a file of this folder, ``(*, folder, seed, ...) -> Task``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ...base.errors import RunError, suggest
from .task import Recipe, Task

__all__ = ["Recipe", "Task", "task", "tasks"]

MAKERS = {"digits": ("digits", "digits")}  # name of a task -> file of this folder, function in it


def tasks() -> dict[str, str]:
    """Return the names of the tasks, each with the first line of what its file says."""
    files = {name: importlib.import_module(f".{file}", __name__) for name, (file, _) in MAKERS.items()}
    return {name: (module.__doc__ or "").strip().splitlines()[0] for name, module in files.items()}


def task(name: str, *, folder: str | Path | None = None, seed: int = 0, **options: Any) -> Task:
    """Make a task by its name.

    Args:
        name: one of `tasks`.
        folder: where files of data sets are looked for first, see `ship.data.load`.
        seed: seed of what is drawn in making it, such as a split.
        options: what the task itself takes, such as ``split="patient"``; see its file.

    Raises:
        RunError: no task has this name.
    """
    if name not in MAKERS:
        raise RunError("ship.study.task", f"no task named {name!r}", fix=suggest(name, MAKERS))
    file, maker = MAKERS[name]
    made: Task = getattr(importlib.import_module(f".{file}", __name__), maker)(folder=folder, seed=seed, **options)
    return made
