"""Files of data sets: from a folder of the user, or downloaded once into one cache, each checked against its published hash.

A file is looked for in the folder that is given, then in the folder of the environment variable ``SHIP_DATA``, then in the cache
(``data`` in the cache folder of SHIP, see `ship cache`); what is nowhere is downloaded into the cache with pooch. A download is
written into a file whose name ends in ``.part``, which takes its own name only when it is whole and its hash is right, so a
process that is killed in the middle leaves no half file that could be taken for the data set. The next call goes on from where
the part ends, where the hash of the whole is published (else nobody could tell whether two halves belong together) and the server
sends ranges; otherwise it starts again. One process at a time downloads the files of a data set; others wait for it.

Source: of ranges: RFC 9110, HTTP Semantics (2022), sec. 14.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...base.atomic_write import lock
from ...base.errors import FileError, RunError
from ...base.native.cache import folder as cache_folder
from ...base.native.cache import make_inside

VARIABLE = "SHIP_DATA"
CHUNK = 1 << 14  # bytes that are read at a time, so the most that a broken connection loses
PATIENCE = (10.0, 60.0)  # s, to connect and between two pieces of an answer


@dataclass(frozen=True)
class Remote:
    """A file of a data set, with the address it is downloaded from and the hash that its publisher gives.

    Args:
        url: the address, http or https.
        sha256: the SHA-256 of the file in hexadecimal digits; None where none is published.
        file: the name of the file on this machine, which may begin with folders (``"train/images.gz"``).
        md5: the MD5, for files whose publishers give only that. Without either, a download is not checked.
        by_hand: whether only a person can download it, on the page ``url``, e.g. because terms must be agreed to.
    """

    url: str
    sha256: str | None
    file: str
    md5: str | None = None
    by_hand: bool = False

    @property
    def known(self) -> tuple[str, str] | None:
        """The algorithm and the digits of the published hash; None where there is none."""
        if self.sha256:
            return "sha256", self.sha256.lower()
        return ("md5", self.md5.lower()) if self.md5 else None


def files(name: str, remotes: Sequence[Remote], folder: Path | None = None, *, progress: bool = True) -> list[Path]:
    """Find the files of a data set, and download those that are nowhere on this machine.

    Args:
        name: the name of the data set; its files may lie in a folder of this name, too.
        remotes: the files.
        folder: a folder of the user to look into first.
        progress: whether to draw a progress bar, where standard error is a terminal.

    Returns:
        The path of each file, in the order of ``remotes``.

    Raises:
        FileError: a file has another hash than the published one, cannot be downloaded (the error says what to put where), or
            cannot be written.
        RunError: a file must be downloaded, and pooch is not installed.
    """
    found = [_at_hand(name, remote, folder) for remote in remotes]
    if all(found):
        return [path for path in found if path is not None]
    by_hand = [remote for remote, path in zip(remotes, found, strict=True) if path is None and remote.by_hand]
    if by_hand:
        rule = "is given by its publisher on a page for people, not to programs"
        raise FileError(f"data set {name!r}", rule, fix=f"So {_by_hand(name, by_hand)}")
    with alone(cached(name)):
        found = [_at_hand(name, remote, folder) for remote in remotes]  # another process may have had the lock, and loaded them
        missing = [remote for remote, path in zip(remotes, found, strict=True) if path is None]
        return [path or _download(name, remote, missing, progress) for path, remote in zip(found, remotes, strict=True)]


def prepared(name: str, file: str, folder: Path | None = None) -> Path | None:
    """Find a prepared file of a data set, such as ``mnist.npz``, in a folder of the user or in that of ``SHIP_DATA``.

    Args:
        name: the name of the data set; the file may lie in a folder of this name, too.
        file: the name of the file.
        folder: a folder of the user to look into first.

    Returns:
        The path of the file, or None where it is in neither folder.

    Raises:
        FileError: ``folder`` or ``SHIP_DATA`` names no folder.
    """
    for place in places(folder):
        for path in (place / file, place / name / file):
            if path.is_file():
                return path
    return None


def places(folder: Path | None = None) -> list[Path]:
    """Return the folders of the user in which data are looked for, the first one first.

    Raises:
        FileError: ``folder`` or ``SHIP_DATA`` names no folder.
    """
    variable = os.environ.get(VARIABLE)
    wanted = [(folder, "given"), (Path(variable) if variable else None, f"named by the variable {VARIABLE}")]
    found = []
    for path, what in wanted:
        if path is None:
            continue
        path = path.expanduser()
        if not path.is_dir():
            fix = "Make the folder and put the data there, or leave the name out: data are then downloaded into the cache."
            raise FileError(str(path), f"must be a folder: it is {what} as that of the data", fix=fix)
        found.append(path)
    return found


def cached(name: str) -> Path:
    """Return the folder of the cache in which the downloaded files of a data set lie, whether it exists or not."""
    return cache_folder() / "data" / name


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits, e.g. to record what was downloaded where no hash is published."""
    return _digest(path, "sha256")


def signature(path: Path) -> str:
    """Return what tells a file from another one on this machine without reading it: its place, size and time of change."""
    found = path.stat()
    return f"{path.resolve()} {found.st_size} {found.st_mtime_ns}"


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _at_hand(name: str, remote: Remote, folder: Path | None) -> Path | None:
    """Return the file where it is in a folder of the user (which must then be the right one) or, whole, in the cache."""
    own = prepared(name, remote.file, folder)
    if own is not None:
        _check(own, remote, "Download it again, or take it away from there so that it is downloaded into the cache.")
        return own
    path = cached(name) / remote.file
    if path.is_file() and (remote.known is None or _digest(path, remote.known[0]) == remote.known[1]):
        return path
    return None


def _check(path: Path, remote: Remote, fix: str, where: str = "") -> None:
    if remote.known is None:
        return
    algorithm, wanted = remote.known
    got = _digest(path, algorithm)
    if got != wanted:
        named = {"sha256": "SHA-256", "md5": "MD5"}[algorithm]
        raise FileError(where or str(path), f"the {named} must be {wanted}, as published for {remote.url}", got=got, fix=fix)


def _download(name: str, remote: Remote, missing: Sequence[Remote], progress: bool) -> Path:
    """Download one of the missing files into the cache, under its name only when it is whole and right."""
    try:
        import pooch
        import requests
    except ImportError as error:
        fix = f"Install it: pip install ship-snn[data]. Or {_by_hand(name, missing)}"
        raise RunError(f"data set {name!r}", "needs pooch to be downloaded", fix=fix) from error
    folder = cached(name)
    pooch.get_logger().setLevel("WARNING")
    known = None if remote.known is None else ":".join(remote.known)
    try:
        downloader = _Downloader(folder / f"{remote.file}.part", remote, progress)
        return Path(pooch.retrieve(remote.url, known, fname=remote.file, path=folder, downloader=downloader))
    except requests.exceptions.RequestException as error:  # an OSError, too
        fix = f"Try again (a download goes on where it ended, if it can), or {_by_hand(name, missing)}"
        raise FileError(f"data set {name!r}", f"cannot be downloaded from {remote.url}", got=_reason(error), fix=fix) from error
    except OSError as error:
        fix = "Check that the folder is writable and that the disk is not full, or set SHIP_CACHE to another folder."
        raise FileError(str(folder), "cannot be written", got=error.strerror or str(error), fix=fix) from error


def _reason(error: Exception) -> str:
    """Say in a few words why a request failed: what the innermost library says, without its object and address."""
    inner = getattr(error.args[0], "reason", None) or error.args[0] if error.args else error
    text = str(inner.args[0] if isinstance(inner, Exception) and inner.args else inner)
    return f"{type(error).__name__}: {text.rpartition('): ')[2] or text}"[:200]


def _by_hand(name: str, remotes: Sequence[Remote]) -> str:
    """Say what a person has to download, and where to put it."""
    what = ", ".join(f"{r.url}" + ("" if r.url.endswith(f"/{r.file}") else f" as {r.file}") for r in remotes)
    return f"download by hand {what} into FOLDER{os.sep}{name}, and name that FOLDER: --data FOLDER, or the variable {VARIABLE}."


class _Downloader:
    """A downloader for pooch that goes on with the part that an earlier process left, and hands over what is whole and right."""

    def __init__(self, part: Path, remote: Remote, progress: bool) -> None:
        self.part, self.remote, self.progress = part, remote, progress

    def __call__(self, url: str, output_file: Any, _: Any, check_only: bool = False) -> None:
        if self.remote.known is None:
            self.part.unlink(missing_ok=True)
        resumed = self._receive(url)
        try:
            self._checked()
        except FileError:
            if not resumed:
                raise
            self._receive(url)  # the part was of another file
            self._checked()
        os.replace(self.part, output_file)

    def _checked(self) -> None:
        fix = (
            "The download was thrown away: try again. If the hash stays so, the publisher has changed the file; "
            "put the file with the published hash into a folder, and name it: --data FOLDER."
        )
        try:
            _check(self.part, self.remote, fix, where=f"download of {self.remote.file!r}")
        except FileError:
            self.part.unlink()
            raise

    def _receive(self, url: str) -> bool:
        """Receive the file, or what is missing of it; return whether an earlier part was used."""
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable and have:
                whole = answer.headers.get("Content-Range", "") == f"bytes */{have}"
                if whole:  # killed between the last byte and the new name
                    return True
                self.part.unlink()
                return self._receive(url)
            answer.raise_for_status()
            span = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
            resumed = bool(have) and answer.status_code == requests.codes.partial and span is not None and int(span[1]) == have
            if answer.status_code == requests.codes.partial and not resumed:
                raise requests.exceptions.ContentDecodingError("the server sent another range than the one asked for")
            self._write(answer, have if resumed else 0)
        return resumed

    def _write(self, answer: Any, have: int) -> None:
        from tqdm.auto import tqdm

        length = answer.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        quiet = None if self.progress else True  # None: quiet unless standard error is a terminal
        options: dict[str, Any] = {"unit": "B", "unit_scale": True, "leave": False, "disable": quiet}
        with (
            self.part.open("ab" if have else "wb", buffering=0) as file,
            tqdm(desc=self.remote.file, initial=have, total=total, **options) as bar,
        ):
            for piece in answer.iter_content(CHUNK):
                file.write(piece)
                bar.update(len(piece))
            os.fsync(file.fileno())


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of the cache, which the system gives back when a process dies."""
    try:
        make_inside(folder)
        held = (folder / ".lock").open("wb")
    except OSError as error:
        fix = "Set SHIP_CACHE to a folder that you can write to."
        raise FileError(str(folder), "cannot be written", got=error.strerror or str(error), fix=fix) from error
    with held:
        lock(held.fileno(), wait=True)
        for path in folder.rglob("tmp*"):  # what pooch left where a process was killed
            if re.fullmatch(r"tmp[a-z0-9_]{8}", path.name) and path.is_file():
                path.unlink()
        yield
