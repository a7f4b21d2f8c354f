"""The command ``ship sweep``: a function of a user's file over a grid of parameters, or in search of the best ones.

The file is a Python file with a function ``point``, and for a grid

    AXES = {"tau": [0.01, 0.02], "scale": [1.0, 2.0]}    the values of each parameter
    SEEDS = 10                                           seeds, or their number (1 where it is left out)
    UNITS = {"tau": "s"}                                 units of axes and results, where they have one

or for a search

    SPACE = {"lr": Between(1e-4, 1e-1, log=True)}        a range or a list of choices for each parameter
    TRIALS = 100                                         their number
    DIRECTION = "maximise"                               or "minimise"
    SEEDS = 3                                            seeds of each trial, or their number (1 where it is left out)

It is imported, as Python would import it, because the user asks for it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ..base.errors import FileError, RunError
from ..base.statistics import mean_interval
from ..study import Best, grid, search
from .check import imported

ROWS = 40  # of the table that is printed
QUICK = 2  # values of each axis
FIX = "A sweep has AXES and a function point; a search has SPACE, TRIALS and point; see ship sweep --help."


def run(
    path: Path,
    out: Path | None,
    *,
    workers: int | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    slurm: Sequence[str] = (),
    quick: bool = False,
    retry: bool = False,
    keep_changed: bool = False,
    progress: bool = True,
) -> None:
    """Do the sweep or the search of a file, and print what came of it.

    Raises:
        FileError: no such file, an error inside it, or nothing in it to do.
        RunError: as `ship.study.grid` and `ship.study.search`; no SLURM where it is asked for.
    """
    module = imported(path)
    point, seeds = getattr(module, "point", None), getattr(module, "SEEDS", 1)
    if not callable(point):
        raise FileError(str(path), "has no function named 'point'", fix=FIX)
    searches = hasattr(module, "SPACE")
    if searches == hasattr(module, "AXES"):
        raise FileError(str(path), "must have AXES or SPACE", got="both" if searches else "neither", fix=FIX)
    folder = out or Path(f"sweep-{path.stem}")
    told: dict[str, Any] = {"folder": folder, "workers": workers, "retry": retry, "progress": progress}
    told["changed"] = "keep" if keep_changed else "refuse"
    with _scheduler(scheduler, slurm) as address:
        if searches:
            trials = min(4, _of(module, "TRIALS")) if quick else _of(module, "TRIALS")
            direction = getattr(module, "DIRECTION", "maximise")
            found = search(point, module.SPACE, trials, direction=direction, seeds=seeds, scheduler=address, **told)
            _show_found(found)
        else:
            axes = _short_axes(module.AXES) if quick else module.AXES
            units = getattr(module, "UNITS", None)
            seeds = _first(seeds) if quick else seeds
            _show(grid(point, axes, seeds, units=units, threads=threads, scheduler=address, **told))
    print(f"Written: {folder}")


def job_script(settings: Sequence[str]) -> str:
    """Return the job that SLURM would be given for one lot of workers."""
    given, _ = _slurm_settings(settings)
    return _job(given)


def _of(module: ModuleType, name: str) -> Any:
    if not hasattr(module, name):
        raise FileError(str(module.__file__), f"must say {name}", fix=FIX)
    return getattr(module, name)


def _short_axes(axes: Any) -> Any:
    return {k: list(values)[:QUICK] for k, values in axes.items()} if isinstance(axes, Mapping) else axes


def _first(seeds: Any) -> Any:
    return 1 if isinstance(seeds, int) else list(seeds)[:1]


@contextlib.contextmanager
def _scheduler(address: str | None, slurm: Sequence[str]) -> Iterator[Any]:
    """Return the address of the scheduler that is asked for, or a cluster of jobs of SLURM, or None."""
    if not slurm:
        yield address
        return
    if address is not None:
        raise RunError(
            "ship sweep --slurm", "starts a scheduler of its own", got=f"--scheduler {address}", fix="Give one of them."
        )
    if shutil.which("sbatch") is None:
        raise RunError("ship sweep --slurm", "needs the command sbatch", fix="Call it where jobs are handed in.")
    given, jobs = _slurm_settings(slurm)
    with importlib.import_module("dask_jobqueue").SLURMCluster(**given) as cluster:
        cluster.scale(jobs=jobs)
        yield cluster


def _slurm_settings(settings: Sequence[str]) -> tuple[dict[str, Any], int]:
    """Return the settings of a job, as dask-jobqueue takes them, and the number of jobs."""
    where = "ship sweep --slurm"
    if importlib.util.find_spec("dask_jobqueue") is None:
        raise RunError(where, "needs dask-jobqueue", fix="pip install ship-snn[slurm]")
    given: dict[str, Any] = {}
    for pair in settings:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise RunError(where, "must be KEY=VALUE", got=repr(pair), fix="E.g. --slurm cores=8 --slurm memory=16GB.")
        given[key] = int(text) if text.isdigit() else text
    jobs = given.pop("jobs", 1)
    if missing := [key for key in ("cores", "memory") if key not in given]:
        raise RunError(where, f"needs {missing[0]}=, of one job", fix="E.g. --slurm cores=8 --slurm memory=16GB --slurm jobs=4.")
    given.setdefault("processes", given["cores"])  # a process for each core, so that points do not share one
    try:
        _job(given)
    except (TypeError, ValueError) as error:
        fix = "Keys: jobs, and those of dask_jobqueue.SLURMCluster, such as queue, account, walltime, cores, memory."
        raise RunError(where, "cannot make a job of these settings", got=str(error).splitlines()[0], fix=fix) from error
    return given, jobs


def _job(given: Mapping[str, Any]) -> str:
    """Return the script of a job; the address of the scheduler is known when one runs."""
    kind = importlib.import_module("dask_jobqueue.slurm").SLURMJob
    return str(kind("tcp://SCHEDULER:8786", name="ship", **given).job_script())


def _show_found(found: Best) -> None:
    print(found.table())
    print(found)


def _show(table: Any) -> None:
    """Print the mean over seeds with its 95 % interval at each point of the grid, and what failed."""
    from rich.console import Console
    from rich.table import Table

    axes = [name for name in table.failed.dims if name != "seed"]
    names = [name for name, values in table.data_vars.items() if values.dims == table.failed.dims and name != "failed"]
    seeds = table.sizes["seed"]
    made = Table(
        title=table.attrs["title"] + (f": mean over {seeds} seeds, 95 % interval" if seeds > 1 else ""), title_justify="left"
    )
    for name in (*axes, *names):
        unit = table[name].attrs.get("units", "")
        made.add_column(f"{name} ({unit})" if unit else str(name), justify="right")
    points = np.ndindex(*(table.sizes[name] for name in axes))
    for shown, index in enumerate(points):
        if shown == ROWS:
            break
        at = dict(zip(axes, index, strict=True))
        made.add_row(*(_word(table[name].values[k]) for name, k in at.items()), *(_mean(table[name].isel(at)) for name in names))
    console = Console()
    console.print(made)
    cells = int(np.prod([table.sizes[name] for name in axes]))
    if cells > ROWS:
        console.print(f"{cells - ROWS} more rows: see result.csv.")
    failed = int(table.failed.sum())
    if failed:
        first = table.attrs["failures"].splitlines()[0]
        console.print(f"{failed} of {table.failed.size} runs failed; tracebacks are in the folder failures. The first: {first}")


def _mean(values: Any) -> str:
    """Return the mean over the seeds that are there, with its interval where there are several, in words."""
    known = torch.as_tensor(values.values[~np.isnan(values.values.astype(float))].astype(float))
    if len(known) < 2:
        return _word(float(known[0])) if len(known) else "failed"
    found = mean_interval(known)
    return f"{_word(found.value)} ({_word(found.low)} to {_word(found.high)})"


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
