"""Do the points of a sweep that are not done yet, and keep what comes of each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...base.atomic_write import write_whole
from ...base.errors import FileError, RunError
from ..record.environment import environment
from .journal import Entry, Journal
from .plan import Point, key_of
from .point import Outcome
from .pool import Pool
from .source import Source

FAILURES = "failures"  # the folder of tracebacks


@contextlib.contextmanager
def opened(
    where: str, folder: str | os.PathLike[str] | None, head: Mapping[str, Any], source: Source, *, changed: str
) -> Iterator[Journal]:
    """Open the journal of a sweep for one session.

    Args:
        where: the caller, for errors.
        folder: its folder; None for a journal in memory.
        head: what is swept; a journal of something else is refused.
        source: the function.
        changed: what to do where the journal has results of another source of the function: "refuse", or "keep" them.

    Raises:
        RunError: there are results of another source, or of another sweep.
        FileError: the folder cannot be used.
    """
    with Journal(None if folder is None else Path(folder)) as journal:
        others = {entry["source"] for entry in journal.points.values() if "values" in entry} - {source.sha256}
        if others and changed != "keep":
            rule = f"holds results of another version of {source.name!r}, or of what that uses of its file"
            fix = "Give another folder, or changed='keep' (--keep-changed) where these results are still good."
            raise RunError(f"{where}: {journal.folder}", rule, got=f"source {source.sha256[:12]}", fix=fix)
        said = environment()
        session = {"source": source.sha256, "function": source.name, "versions": said["versions"], "cpu": said["cpu"]}
        journal.begin(head, session)
        yield journal


def missing(journal: Journal, points: Sequence[Point], *, retry: bool) -> list[Point]:
    """Return the points that are not done, each once; those that failed are done again where ``retry`` says so."""

    def is_done(point: Point) -> bool:
        entry = journal.points.get(key_of(point))
        return entry is not None and ("values" in entry or not retry)

    return list({key_of(point): point for point in points if not is_done(point)}.values())


def do(
    journal: Journal,
    points: Sequence[Point],
    source: Source,
    pool: Pool,
    *,
    told: Callable[[Entry], None] = lambda entry: None,
    fixed: Mapping[str, Any] | None = None,
) -> None:
    """Do points, and note each in the journal as it is done; the traceback of one that failed goes to a file beside it.

    Args:
        journal: the journal.
        points: the points to do.
        source: the function.
        pool: who does them.
        told: a function that is told of each point that is done.
        fixed: values that the function is called with at every point.
    """
    for number, made in pool.each([{**(fixed or {}), **point} for point in points]):
        entry = note(journal, points[number], source, made)
        told(entry)


def note(journal: Journal, point: Point, source: Source, made: Outcome) -> Entry:
    """Note what came of a point."""
    key = key_of(point)
    text = made.pop("traceback", "")
    if text and journal.folder is not None:
        made["file"] = _keep(journal.folder, key, text)
    journal.done(key, {**made, "source": source.sha256})
    return journal.points[key]


def _keep(folder: Path, key: str, text: str) -> str:
    """Write a traceback to a file, and return its name."""
    import hashlib

    name = f"{FAILURES}/{hashlib.sha256(key.encode()).hexdigest()[:12]}.txt"
    try:
        (folder / FAILURES).mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(str(folder / FAILURES), "cannot be made", got=error.strerror or str(error)) from error
    write_whole(folder / name, f"{key}\n\n{text}".encode())
    return name


@contextlib.contextmanager
def bar(what: str, total: int, done: int, *, progress: bool) -> Iterator[Callable[[Entry], None]]:
    """Draw a progress bar, on a terminal; what is returned is told of each point that is done."""
    from tqdm.auto import tqdm

    failed = 0
    with tqdm(total=total, initial=done, desc=what, unit="run", disable=None if progress else True) as line:

        def told(entry: Entry) -> None:
            nonlocal failed
            failed += "error" in entry
            line.set_postfix({"failed": failed} if failed else {}, refresh=False)
            line.update()

        yield told
