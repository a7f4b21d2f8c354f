"""A function over a grid of parameters and seeds: every point once, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...base.atomic_write import write_whole
from ...base.checks import check_choice
from ...base.errors import RunError
from ..record.files import table_files
from .conduct import bar, do, missing, opened
from .dataset import dataset, needs_xarray
from .journal import Journal
from .plan import Plan, check_fixed, check_takes, key_of, plan
from .pool import pool
from .source import Source, source_of

CHANGED = ("refuse", "keep")
RESULT = "result"


def grid(
    fn: Callable[..., Any],
    axes: Mapping[str, Any],
    seeds: int | Sequence[int] = (0,),
    *,
    folder: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    threads: int | None = None,
    scheduler: Any = None,
    fixed: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
    retry: bool = False,
    changed: str = "refuse",
    progress: bool = True,
) -> Any:
    """Call a function at every point of a grid of parameters, with every seed, and return the results as a labelled table.

    This is for whatever a function measures, over any number of parameters; `ship.study.sweep` is the short way from one property
    of a device to the accuracies of virtual chips, a `Curve`.

    With a folder, each result is on the disk before the point counts as done: a call with the same folder goes on where an
    earlier one ended or was killed, with nothing lost and nothing done twice but the points that were under way. More values of
    an axis, or more seeds, may be asked for later: what is there is kept. A point whose call raises an error is noted as failed,
    with the traceback in a file, and the others are done. One whose function, or what that uses of its file, has changed is
    noticed and refused.

    The points are done by processes on this machine, one for each core, each with its share of the threads. They import the file
    of the function, so in a script the call must stand in a block ``if __name__ == "__main__":``. A function that is not at the
    top of a file needs ``workers=0``.

    Args:
        fn: the function, called as ``fn(tau=..., scale=..., seed=...)``; it returns a number, an array of numbers, or a table of
            these by name, always of one shape.
        axes: the values of each parameter by name: numbers, text or truth values.
        seeds: the seeds, or their number, counted from 0.
        folder: where results are kept, with ``result.nc`` and ``result.csv`` at the end; None to keep them in memory alone.
        workers: the number of processes; None for one for each core; 0 for this process itself.
        threads: the number of threads of each; None for its share of the cores, or 1 on a cluster.
        scheduler: a Dask cluster of one's own: the address of its scheduler, a ``distributed.Client``, or a cluster object such
            as ``dask_jobqueue.SLURMCluster``; None for this machine.
        fixed: values of further parameters, the same at all points: anything that JSON has words for, such as a folder of data.
        units: the unit of each axis or result that has one.
        retry: whether points that failed before are done again.
        changed: what to do where the folder has results of another version of the function: "refuse", or "keep" them.
        progress: whether to draw a progress bar, on a terminal.

    Returns:
        An ``xarray.Dataset`` with a dimension for each axis and ``seed``, a variable for each result (a lone one is called
        ``value``) and the variable ``failed``. A point that failed holds NaN. Attributes say function, source and versions.

    Raises:
        ParameterError: axes or seeds that are none, or that the function does not take.
        RunError: every point failed; the folder holds another sweep, or another version of the function; Dask or xarray is
            missing; other processes cannot find the function; results of one name have several shapes.
        FileError: the folder cannot be used, is used by another process, or is damaged; workers cannot import the file.
    """
    where = "ship.study.grid"
    check_choice(f"{where}: changed", changed, CHANGED, either=True)
    made = plan(where, axes, seeds, units)
    needs_xarray(where)
    source = source_of(where, fn)
    same = check_fixed(where, made, fixed or {})
    check_takes(where, fn, {**same, **made.points[0]})
    head = {"kind": "grid", "function": source.name, "axes": sorted(made.axes), "fixed": same}
    with opened(where, folder, head, source, changed=changed) as journal:
        points, todo = made.points, missing(journal, made.points, retry=retry)
        if todo:
            with (
                pool(where, fn, source, workers=workers, threads=threads, scheduler=scheduler, most=len(todo)) as hands,
                bar(source.name, len(points), len(points) - len(todo), progress=progress) as told,
            ):
                do(journal, todo, source, hands, told=told, fixed=same)
        return _result(where, made, journal, source)


def _result(where: str, made: Plan, journal: Journal, source: Source) -> Any:
    entries = [journal.points.get(key_of(point)) for point in made.points]
    failed = [entry for entry in entries if entry is not None and "error" in entry]
    if len(failed) == len(entries):
        fix = "Call the function at one point by itself." if journal.folder is None else f"See {journal.folder}/failures."
        raise RunError(where, f"all {len(failed)} points failed", got=failed[0]["error"], fix=fix)
    about = {"title": f"{source.name} over {', '.join(made.axes)} and seeds", "function": source.name}
    about |= {"source_sha256": ", ".join(sorted({entry["source"] for entry in entries if entry is not None}))}
    versions = {json.dumps(session["versions"], sort_keys=True): None for session in journal.sessions}
    table = dataset(where, made, entries, about | {"versions": "; ".join(versions)})
    if journal.folder is not None:
        for name, content in table_files(where, RESULT, table).items():
            write_whole(Path(journal.folder) / name, content)
    return table
