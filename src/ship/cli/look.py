"""The command ``ship look``: what the reader sees in files, and how they could be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..devices.reading.look import look
from .reading_options import source


def show(files: Sequence[Path], **options: Any) -> None:
    """Print what is in one file, or in several that are one measurement.

    Raises:
        FitError: no table.
        FileError: a file is missing or damaged.
    """
    print(look(source(files), **options))
