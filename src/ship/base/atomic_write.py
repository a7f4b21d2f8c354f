"""Files that are written completely or not at all; reading is limited to regular files."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from typing import IO, TYPE_CHECKING

from .errors import FileError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_whole(path: str | os.PathLike[str], data: bytes | bytearray) -> None:
    """Write a temporary file in the same folder and move it to its place, so that a crash never loses the previous file.

    Temporary files that a killed process left in the folder are removed. A link is followed.

    Raises:
        FileError: the folder is missing or not writable, the disk is full, or the path exists and is not a regular file.
    """
    given, path = path, Path(os.path.realpath(path))
    try:
        if path.exists() and not path.is_file():
            raise FileError(str(given), "is no regular file", fix="Give another name.")
        _sweep(path)
        with _part(path) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            _open_up(file.name, path)
            if os.name == "nt":
                file.close()  # an open file cannot be moved there
            os.replace(file.name, path)
    except OSError as error:
        fix = "Check that the folder exists and is writable, and that the disk is not full."
        raise FileError(str(given), "cannot be written", got=error.strerror or str(error), fix=fix) from error


def write_together(files: Mapping[Path, bytes | None]) -> None:
    """Write files of one folder that belong together; a file whose data are None is removed if it exists.

    The first file marks the folder as complete: it is removed before the others change and written last, so that it never stands
    beside files from two different writes.

    Raises:
        FileError: a file cannot be written or removed.
    """
    first, *others = files
    _remove(first)
    for path in others:
        data = files[path]
        if data is None:
            _remove(path)
        else:
            write_whole(path, data)
    write_whole(first, files[first] or b"")


def write_figure(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write a figure with `write_whole`; the suffix of the name sets the format.

    Raises:
        FileError: the file cannot be written.
    """
    write_whole(path, picture(figure, Path(path).suffix.lstrip(".") or "png"))


def picture(figure: Figure, kind: str = "png") -> bytes:
    """Return a figure as the content of a file of the given format."""
    made = BytesIO()
    figure.savefig(made, format=kind)
    return made.getvalue()


def regular_file(path: str | os.PathLike[str], most: int | None = None) -> Path:
    """Return the path if it is a regular file; reading a pipe or a device might never end.

    Args:
        path: the file.
        most: the largest size allowed, in bytes; None for any size.

    Raises:
        FileError: the file does not exist, is not a regular file, or is too large.
    """
    path = Path(path)
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
            raise FileError(str(path), "no such file") from error
        raise FileError(str(path), "cannot be read", got=error.strerror) from error
    if not S_ISREG(found.st_mode):
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise FileError(str(path), "must be a regular file", got=what, fix="Write what it gives to a file first.")
    if most is not None and found.st_size > most:
        raise FileError(str(path), f"must be at most {most >> 20} MiB", got=f"{found.st_size / 2**20:.1f} MiB")
    return path


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(str(path), "cannot be removed", got=error.strerror or str(error)) from error


@contextlib.contextmanager
def _part(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file in the folder of ``path`` and remove it at the end.

    It is locked as long as it is open, which tells other processes that its owner is alive.
    """
    while True:
        file = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{_stem(path)}.", suffix=".part", delete=False)  # noqa: SIM115
        with contextlib.suppress(OSError):  # no locks on this disk
            lock(file.fileno(), wait=True)
        if os.fstat(file.fileno()).st_nlink:  # otherwise another process removed it before the lock
            break
        file.close()
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            os.unlink(file.name)


def lock(handle: int, *, wait: bool) -> None:
    """Lock an open file, or raise OSError if another process holds the lock.

    Does nothing on Windows, where an open file cannot be removed anyway.
    """
    if sys.platform != "win32":
        from fcntl import LOCK_EX, LOCK_NB, flock

        flock(handle, LOCK_EX if wait else LOCK_EX | LOCK_NB)


def _stem(path: Path) -> str:
    return path.name[:100]  # a name may have 255 bytes


def _sweep(path: Path) -> None:
    """Remove the temporary files that killed processes left in the folder of ``path``."""
    ours = re.compile(re.escape(_stem(path)) + r"\.[a-z0-9_]{8}\.part")
    for name in filter(ours.fullmatch, os.listdir(path.parent)):
        with contextlib.suppress(OSError):
            handle = os.open(path.parent / name, os.O_RDWR)
            try:
                lock(handle, wait=False)
                if os.name != "nt":
                    os.unlink(path.parent / name)
            finally:
                os.close(handle)
            if os.name == "nt":
                os.unlink(path.parent / name)


def _open_up(temporary: str, path: Path) -> None:
    """Give a temporary file, which only its owner can read, the permissions of the file that it replaces, or of a new file."""
    mask = os.umask(0o022)  # the mask can only be read by setting it
    os.umask(mask)
    os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
