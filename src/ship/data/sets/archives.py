"""Archives of data sets (zip, tar in any compression, gz): read member by member, or unpacked, never outside their folder.

An archive comes from someone else: a member whose name leads out of the folder, and a link, are refused before anything is
written. The folder of an archive takes its name when all of it is there.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ...base.errors import FileError
from .fetch import alone, signature

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def members(archive: Path, suffix: str | tuple[str, ...] = "") -> Iterator[tuple[str, bytes]]:
    """Read the files of an archive one by one, without writing anything.

    Args:
        archive: a file that ends in .zip, .tar, .tar.gz (or another compression of tar) or .gz.
        suffix: how the names end of the files that are wanted, e.g. ``".bin"``, or several such endings; empty for all.

    Yields:
        The name of each file inside the archive, with ``/`` between folders, and its content.

    Raises:
        FileError: the archive is damaged, of another kind, or has a member whose name leads out of its folder.
    """
    try:
        for name, file in _listed(archive):
            with file:
                if name.endswith(suffix):
                    yield name, file.read()
    except DAMAGED as error:
        raise _damaged(archive, error) from error


def unpack(archive: Path, into: Path) -> Path:
    """Unpack an archive into a folder of its own, once; a folder that is there already is left as it is.

    Args:
        archive: a file that ends in .zip, .tar, .tar.gz (or another compression of tar) or .gz.
        into: the folder in which the folder of the archive is made, e.g. `ship.data.sets.fetch.cached` of the data set.

    Returns:
        The folder. Its name says which archive it is made from, so that another archive of that name has another folder.

    Raises:
        FileError: the archive is damaged, of another kind, has a member whose name leads out of its folder, or the folder cannot
            be written.
    """
    which = hashlib.sha256(signature(archive).encode()).hexdigest()[:12]
    place = into / f"{archive.name}.{which}"
    if place.is_dir():
        return place
    fresh = into / f"{place.name}.unpacking"
    with alone(into):
        if place.is_dir():  # another process unpacked it meanwhile
            return place
        try:
            shutil.rmtree(fresh, ignore_errors=True)  # of a process that was killed
            _write(archive, fresh)
            fresh.rename(place)
        except DAMAGED as error:
            raise _damaged(archive, error) from error
        except OSError as error:
            fix = "Check that the folder is writable and that the disk is not full, or set SHIP_CACHE to another folder."
            raise FileError(str(into), "cannot be written", got=error.strerror or str(error), fix=fix) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return place


def _write(archive: Path, folder: Path) -> None:
    folder.mkdir()
    for name, source in _listed(archive):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with source, path.open("wb") as target:
            shutil.copyfileobj(source, target)


def _listed(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Open the files of an archive in its order, each under a name that stays inside a folder."""
    name = archive.name.lower()
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive) as box:
            for entry in box.infolist():
                if not entry.is_dir() and not entry.filename.startswith("__MACOSX/"):  # what macOS adds for itself
                    if stat.S_ISLNK(entry.external_attr >> 16):
                        raise _unsafe(archive, entry.filename, "a link")
                    yield _inside(archive, entry.filename), box.open(entry)
    elif re.search(r"\.(tar(\.\w+)?|tgz)$", name):
        with tarfile.open(archive, "r|*") as tape:  # in the order of the file: a compressed tar cannot be read in another
            for member in tape:
                if member.isfile():
                    opened = tape.extractfile(member)
                    assert opened is not None
                    yield _inside(archive, member.name), opened
                elif not member.isdir():
                    raise _unsafe(archive, member.name, "a link or a device")
    elif name.endswith(".gz"):
        yield archive.name[:-3], cast(IO[bytes], gzip.open(archive))  # noqa: SIM115, closed by those who read
    else:
        raise FileError(str(archive), "must be an archive: .zip, .tar, .tar.gz or .gz", got=archive.suffix or "no suffix")


def _inside(archive: Path, name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise _unsafe(archive, name, "a name that leads out of the folder of the archive")
    return str(path)


def _unsafe(archive: Path, name: str, what: str) -> FileError:
    fix = "Do not use it: archives of data sets have no such members."
    return FileError(str(archive), f"has a member that is {what}", got=repr(name), fix=fix)


def _damaged(archive: Path, error: Exception) -> FileError:
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    return FileError(str(archive), "cannot be unpacked: it is damaged, or no such archive", got=reason, fix="Download it again.")
