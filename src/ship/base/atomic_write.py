"""Files are written as a whole or not at all, and only regular files are read."""

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
    """Write beside the place, then move there: a crash never loses the previous file. What a killed process left beside the
    place is removed. A link is followed.

    Raises:
        FileError: the folder is missing or not writable, the disk is full, or something that is no regular file is there.
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
    """Write files of one folder that belong together; None: there is none, and one from before is removed.

    The first is the sign that the folder is whole: it goes before the others change and comes back last, so that files of two
    writings never stand beside a first one.

    Raises:
        FileError: as `write_whole`.
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
    """Write a figure as a whole; the name's ending says the format.

    Raises:
        FileError: as `write_whole`.
    """
    write_whole(path, picture(figure, Path(path).suffix.lstrip(".") or "png"))


def picture(figure: Figure, kind: str = "png") -> bytes:
    """A figure as the content of a file."""
    made = BytesIO()
    figure.savefig(made, format=kind)
    return made.getvalue()


def regular_file(path: str | os.PathLike[str], most: int | None = None) -> Path:
    """The path of a file that can be read: one that is there, and no folder, pipe or device, which might never end.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        FileError: it is not there, is no regular file, or is too large.
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
    """A file beside the place, locked as long as it is open: that says that its process lives. In the end it is gone."""
    while True:
        file = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{_stem(path)}.", suffix=".part", delete=False)  # noqa: SIM115
        with contextlib.suppress(OSError):  # no locks on this disk
            _lock(file.fileno(), wait=True)
        if os.fstat(file.fileno()).st_nlink:  # else another process swept it away before the lock
            break
        file.close()
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            os.unlink(file.name)


def _lock(handle: int, *, wait: bool) -> None:
    """Lock an open file; OSError where another process has it. On Windows a file that is open cannot be removed: no need."""
    if sys.platform != "win32":
        from fcntl import LOCK_EX, LOCK_NB, flock

        flock(handle, LOCK_EX if wait else LOCK_EX | LOCK_NB)


def _stem(path: Path) -> str:
    return path.name[:100]  # a name may have 255 bytes


def _sweep(path: Path) -> None:
    """Remove what processes that were killed left beside the place."""
    ours = re.compile(re.escape(_stem(path)) + r"\.[a-z0-9_]{8}\.part")
    for name in filter(ours.fullmatch, os.listdir(path.parent)):
        with contextlib.suppress(OSError):
            handle = os.open(path.parent / name, os.O_RDWR)
            try:
                _lock(handle, wait=False)
                if os.name != "nt":
                    os.unlink(path.parent / name)
            finally:
                os.close(handle)
            if os.name == "nt":
                os.unlink(path.parent / name)


def _open_up(temporary: str, path: Path) -> None:
    """Give a temporary file, which is its owner's alone, the permissions of the file that it replaces, or of any new one."""
    mask = os.umask(0o022)  # it can only be read by setting it
    os.umask(mask)
    os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
