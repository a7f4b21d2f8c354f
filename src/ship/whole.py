"""Write a file as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from .errors import FileError


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write beside the place, then move there: a crash never loses the previous file.

    Raises:
        FileError: the folder is missing or not writable.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    except OSError as error:
        fix = "Check that the folder exists and is writable."
        raise FileError(str(path), "cannot be written", got=str(error.strerror), fix=fix) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _open_up(temporary, path)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _open_up(temporary: str, path: Path) -> None:
    """Give a temporary file, which is its owner's alone, the permissions of the file that it replaces, or of any new one."""
    mask = os.umask(0o022)  # it can only be read by setting it
    os.umask(mask)
    os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
