"""Data sets by name. Each is a file of this folder, with ``ABOUT`` and ``load(folder, ...)``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ...base.errors import RunError, suggest
from .labelled import About, LabelledSet

__all__ = ["About", "LabelledSet", "load", "names"]

FILES = {  # name of a data set -> file of this folder
    "digits": "digits",
    "mnist": "mnist",
    "fashion-mnist": "fashion_mnist",
    "spoken-digits": "spoken_digits",
    "braille": "braille",
    "ecg": "ecg",
    "n-mnist": "n_mnist",
    "shd": "shd",
    "dvs-gesture": "dvs_gesture",
}


def names() -> dict[str, About]:
    """Return the names of the data sets, with title, licence, citation and home of each."""
    return {name: importlib.import_module(f".{file}", __name__).ABOUT for name, file in FILES.items()}


def load(name: str, folder: str | Path | None = None, **options: Any) -> LabelledSet:
    """Load a data set by its name; what is not there yet is downloaded once.

    Args:
        name: one of `names`.
        folder: where its files are looked for first; then the folder that the environment variable SHIP_DATA names, then the
            cache.
        options: what the data set itself takes, see its file.

    Raises:
        RunError: no data set has this name, or it cannot be had.
        FileError: a file is damaged, or is not what was published.
    """
    if name not in FILES:
        raise RunError("ship.data.load", f"no data set named {name!r}", fix=suggest(name, FILES))
    made: LabelledSet = importlib.import_module(f".{FILES[name]}", __name__).load(
        None if folder is None else Path(folder), **options
    )
    return made
