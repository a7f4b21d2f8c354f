"""Who does the points of a sweep: this process, processes on this machine, or a cluster; the last two through Dask.

Processes on this machine are started afresh (not forked), one for each core unless told otherwise, and the cores are shared out:
each process has as many threads of PyTorch, of SHIP's kernels and of BLAS as its share. They end with the process that started
them, also where that is killed. On a cluster of one's own a point has one thread unless told otherwise, for several may share a
machine.

A worker that is killed loses nothing but the points that it was doing, which are done elsewhere. A point whose worker has died
four times is taken to be the reason, and fails.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ...base.checks import check_whole
from ...base.errors import RunError
from ...base.threads import VARIABLES, cores
from .plan import Point
from .point import Outcome, called, outcome
from .source import Source

Done = tuple[int, Outcome]  # the number of a point, and what came of it
AHEAD = 4  # points that wait at each thread of a worker, so that it never waits for us
DEATHS = 3  # of workers at one point, before that is taken to be the reason: Dask's own number


class Pool(NamedTuple):
    """A way to do points: ``each(points)`` yields what came of them, as they are done."""

    each: Callable[[Sequence[Point]], Iterator[Done]]
    at_once: int  # points


@contextlib.contextmanager
def pool(
    where: str, fn: Callable[..., Any], source: Source, *, workers: int | None, threads: int | None, scheduler: Any, most: int
) -> Iterator[Pool]:
    """Open a pool for a function.

    Args:
        where: the caller, for errors.
        fn: the function, for this process.
        source: where it stands, for other processes.
        workers: the number of processes on this machine; None for one for each core; 0 for this process itself.
        threads: the number of threads of each worker; None for its share of the cores, or 1 on a cluster.
        scheduler: the address of a Dask scheduler, a Dask cluster or client; None for this machine.
        most: the number of points there are to do: no more processes are started.

    Raises:
        RunError: Dask is missing, other processes cannot find the function, no scheduler is at the address.
        ParameterError: a number is out of range.
    """
    for name, value, least in (("workers", workers, 0), ("threads", threads, 1)):
        if value is not None:
            check_whole(f"{where}: {name}", value, least)
    if scheduler is not None and workers is not None:
        raise RunError(f"{where}: workers", "are those of the scheduler", got=f"workers={workers}", fix="Leave it out.")
    if workers == 0:
        yield Pool(lambda points: _here(fn, points, threads), 1)
        return
    _check_travels(where, source)
    _check_dask(where)
    if scheduler is not None:
        with _client(where, scheduler) as client:
            yield Pool(lambda points: _there(client, source, points, threads or 1), max(1, _slots(client)))
        return
    count = min(workers or cores(), max(1, most))
    share = threads or max(1, cores() // count)
    with _local(where, count, share) as client:
        yield Pool(lambda points: _there(client, source, points, share), count)


def _here(fn: Callable[..., Any], points: Iterable[Point], threads: int | None) -> Iterator[Done]:
    from ...base.threads import threads as on_threads

    for number, point in enumerate(points):
        with on_threads(threads) if threads else contextlib.nullcontext():
            made = called(fn, point)
        yield number, made


def _there(client: Any, source: Source, points: Sequence[Point], threads: int) -> Iterator[Done]:
    """Do points on workers, a few for each ahead of time, and yield what came of each when it is there."""
    from distributed import KilledWorker, as_completed

    waiting = iter(enumerate(points))
    numbers: dict[str, int] = {}

    def submit() -> list[Any]:
        made, count = [], AHEAD * max(1, _slots(client)) - len(numbers)  # workers come and go
        for number, point in itertools.islice(waiting, max(0, count)):
            future = client.submit(outcome, source, point, threads, pure=False, retries=0)
            numbers[future.key] = number
            made.append(future)
        return made

    follow: Any = as_completed
    under_way = follow(submit(), loop=client.loop)
    for future in under_way:
        number = numbers.pop(future.key)
        try:
            made: Outcome = future.result()
        except KilledWorker as error:
            said = f"its worker died {DEATHS + 1} times, which may be for want of memory"
            made = {"error": said, "traceback": str(error), "seconds": None, "cpu": None, "process": ""}
        future.release()
        yield number, made
        for more in submit():
            under_way.add(more)


def _slots(client: Any) -> int:
    """Return how many points the workers of a cluster do at once, by now."""
    return sum(client.nthreads().values())


@contextlib.contextmanager
def _local(where: str, workers: int, threads: int) -> Iterator[Any]:
    """Start processes on this machine, which listen to it alone."""
    if getattr(multiprocessing.process.current_process(), "_inheriting", False):
        fix = "Put the call into a block 'if __name__ == \"__main__\":', for each worker imports the script; or give workers=0."
        raise RunError(where, "cannot start workers while a script is imported by one", fix=fix)
    import dask
    from distributed import Client, LocalCluster

    environment = dict.fromkeys(VARIABLES, str(threads))
    settings = {"distributed.scheduler.allowed-failures": DEATHS, "distributed.nanny.pre-spawn-environ": environment}
    with (
        dask.config.set(settings),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
            silence_logs=50,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


@contextlib.contextmanager
def _client(where: str, scheduler: Any) -> Iterator[Any]:
    """Return a client of a scheduler that is there already; one that is given stays open."""
    from distributed import Client

    if isinstance(scheduler, Client):
        yield scheduler
        return
    try:
        client = Client(scheduler, set_as_default=False, timeout=20)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        fix = "Start one by 'dask scheduler', and workers by 'dask worker ADDRESS'."
        raise RunError(f"{where}: scheduler", "no Dask scheduler answers there", got=str(scheduler), fix=fix) from error
    with client:
        yield client


def _check_travels(where: str, source: Source) -> None:
    if not source.travels:
        rule = f"cannot send {source.name!r} to other processes: it stands neither at the top of a file nor in a package"
        fix = "Define it with def at the top of a .py file, or give workers=0 to call it in this process."
        raise RunError(where, rule, fix=fix)


def _check_dask(where: str) -> None:
    if importlib.util.find_spec("distributed") is None:
        raise RunError(where, "needs Dask for several processes", fix="pip install ship-snn[study], or give workers=0.")
