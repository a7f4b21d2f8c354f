"""Files that are ZIP containers (NPZ, XLSX): members are read one by one, when asked for, up to a largest size."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator

from ...base.errors import FileError, ShipError
from . import limits

DIRECTORY = b"PK\x01\x02"  # begins each entry of the directory
PROTECTED = b"\xd0\xcf\x11\xe0"  # begins XLSX files with a password, and files of the time before XLSX


@contextlib.contextmanager
def damaged(name: str, what: str, fix: str = "") -> Iterator[None]:
    """Report any failure within this context as the file's fault: damaged bytes reach all kinds of errors, in many libraries.

    Raises:
        FileError: in the place of any other exception.
    """
    try:
        yield
    except ShipError:
        raise
    except Exception as error:
        raise FileError(name, f"is damaged, or {what}", got=f"{type(error).__name__}: {str(error)[:200]}", fix=fix) from error


class Container:
    """The members of a ZIP container, by name."""

    def __init__(self, name: str, data: bytes) -> None:
        """Read the directory of the container.

        Raises:
            FileError: damaged, protected, members that are too many or of one name.
        """
        self.name = name
        if data.startswith(PROTECTED):
            raise FileError(name, "is protected, or of an old format", fix="Save it as .xlsx, without a password, or as CSV.")
        if data.count(DIRECTORY) > limits.MEMBERS:  # before the directory is read
            raise FileError(name, f"must have at most {limits.MEMBERS} members", got="more")
        with damaged(name, "no file of its kind"):
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        self.sizes = {info.filename: info.file_size for info in self._zip.infolist()}
        if len(self.sizes) < len(self._zip.infolist()):
            raise FileError(name, "is damaged: it has several members of one name")

    def read(self, member: str, most: int) -> bytes:
        """Return the bytes of a member, which may be at most ``most``.

        Raises:
            FileError: there is none, it is larger, damaged or packed in an unusual way.
        """
        where = f"{self.name}: {member}"
        if member not in self.sizes:
            raise FileError(self.name, f"is damaged: it has no {member!r}")
        if self.sizes[member] > most:
            size = f"{self.sizes[member] >> 20} MiB"
            raise FileError(where, f"must be at most {most >> 20} MiB, unpacked", got=size, fix=limits.FEWER)
        info = self._zip.getinfo(member)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(where, "must be stored or deflated", got=f"method {info.compress_type}")
        with damaged(where, "protected"), self._zip.open(info) as file:
            return b"".join(iter(lambda: file.read(1 << 20), b""))  # in pieces: the declared size may be wrong
