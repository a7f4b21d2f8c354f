"""What is done of a sweep, in a file that only grows: a line for each point, written before the next one is begun.

A line is a JSON text, a tab, and the first 16 digits of the SHA-256 of that text. A process or machine that stops while a line is
written leaves a torn one at the end, which is cut off when the file is opened; a damaged line before the end is refused, for it
is no trace of a stop. Lines are on the disk (``fsync``) before a point counts as done. The file is locked while a sweep is
under way, so that no two add to it.

The first line says what the file is; each session adds a line with the source of the function and the versions it ran with; then
one for each point. The last line of a point counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...base.atomic_write import lock
from ...base.errors import FileError, RunError

NAME, FORMAT = "journal.jsonl", "ship sweep 1"
Entry = dict[str, Any]


class Journal:
    """The journal of a sweep in a folder, open for one process; without a folder it is kept in memory.

    Used as ``with Journal(folder) as journal:``.

    Args:
        folder: the folder, made where it does not exist; None for none.

    Raises:
        FileError: the folder cannot be made, another process has the journal, or it is damaged.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.points: dict[str, Entry] = {}  # the last line of each point, by its key
        self.sessions: list[Entry] = []
        self.head: Entry | None = None
        self._handle: int | None = None
        if folder is not None:
            self._open(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def begin(self, head: Mapping[str, Any], session: Mapping[str, Any]) -> None:
        """Note a session: what is swept, by which source, with which versions. Equal sessions are noted once.

        Raises:
            RunError: the journal is that of a sweep of another kind, or of other axes.
        """
        if self.head is None:
            self._add({"head": dict(head), "format": FORMAT})
        elif self.head != head:
            said = "; ".join(f"{k}: {self.head.get(k)}, not {v}" for k, v in head.items() if self.head.get(k) != v)
            fix = "Values may be added to an axis. For other axes give another folder."
            raise RunError(f"sweep in {self.folder}", "must go on with what it began with", got=said, fix=fix)
        if session not in self.sessions:
            self._add({"session": dict(session)})

    def done(self, key: str, entry: Mapping[str, Any]) -> None:
        """Note a point, on the disk when this returns."""
        self._add({"point": key, **entry})

    def _add(self, entry: Entry) -> None:
        self._take(entry)
        if self._handle is not None:
            _write(self._handle, _line(entry))
            os.fsync(self._handle)

    def _take(self, entry: Entry) -> None:
        if "head" in entry:
            self.head = entry["head"]
        elif "session" in entry:
            self.sessions.append(entry["session"])
        else:
            self.points[entry["point"]] = entry

    def _open(self, folder: Path) -> None:
        path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise FileError(str(folder), "cannot be the folder of a sweep", got=error.strerror or str(error)) from error
        try:
            _alone(self._handle, path)
            whole = 0
            for end, entry in _entries(path):
                self._take(entry)
                whole = end
            if self.head is None and self.points:
                raise FileError(str(path), "is no journal of a sweep", fix="Give another folder.")
            os.ftruncate(self._handle, whole)
            _settle(folder)
        except BaseException:
            os.close(self._handle)
            self._handle = None
            raise


def _alone(handle: int, path: Path) -> None:
    try:
        lock(handle, wait=False)
    except BlockingIOError as error:
        raise FileError(str(path), "is in use by another process", fix="Wait until that has ended.") from error
    except OSError:
        pass  # no locks on this disk


def _line(entry: Entry) -> bytes:
    text = json.dumps(entry, allow_nan=False).encode()
    return text + b"\t" + _sum(text) + b"\n"


def _sum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _entries(path: Path) -> Iterator[tuple[int, Entry]]:
    """Yield each entry with the number of bytes up to its end; a torn line at the end is left out.

    Raises:
        FileError: a line before the end is damaged, or the file is no journal.
    """
    content = path.read_bytes()
    lines, end = content.splitlines(keepends=True), 0
    for number, line in enumerate(lines, 1):
        text, _, rest = line.rpartition(b"\t")
        if rest != _sum(text) + b"\n":
            if number == len(lines) and (number > 1 or not content.endswith(b"\n")):
                return  # torn: the process stopped while it wrote
            fix = "Its lines up to there are whole: cut it off there, and the rest is done again."
            raise FileError(f"{path}: line {number}", "is damaged, or the file is no journal of a sweep", fix=fix)
        entry = json.loads(text)
        if number == 1 and entry.get("format") != FORMAT:
            raise FileError(str(path), f"must be of the format {FORMAT!r}", got=repr(entry.get("format")))
        end += len(line)
        yield end, entry


def _settle(folder: Path) -> None:
    """Write the folder itself to the disk, so that a new file in it is there after a crash of the machine."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError:
            pass  # not on this disk
        finally:
            os.close(handle)
