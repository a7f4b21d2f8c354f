"""Arrays of an NPZ file, read without executing anything in it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...base.atomic_write import regular_file
from ...base.errors import FileError


def arrays(path: Path, names: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read arrays of an NPZ file by their names.

    Args:
        path: the file.
        names: names of arrays that it must have.
        optional: names of arrays that are read where the file has them.

    Raises:
        FileError: the file is missing, damaged, no NPZ file, has not all of ``names``, or an array holds Python objects.
    """
    place = str(regular_file(path))
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise FileError(place, "must be an NPZ file", got="a single array", fix="Write it with numpy.savez.")
            missing = [name for name in names if name not in file]
            if missing:
                raise FileError(place, f"must hold the arrays {', '.join(names)}", got=", ".join(file.files) or "none")
            found = {}
            for name in (*names, *(name for name in optional if name in file)):
                try:
                    found[name] = file[name]
                except ValueError as error:
                    rule, fix = "must be a plain array of numbers or text", "Objects are never loaded: save them as such arrays."
                    raise FileError(f"{place}: {name}", rule, got=str(error).split(":")[0], fix=fix) from error
            return found
    except FileError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(place, "is no NPZ file, or damaged", got=f"{type(error).__name__}: {error}") from error
