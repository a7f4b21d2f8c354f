"""Search for the parameters at which a function is best, with Optuna's tree-structured Parzen estimator (TPE).

Trials are proposed in rounds of a fixed number, each round from the results of all earlier ones and from (seed, round) alone. So
a search gives the same trials on any number of workers, and the same after a kill as without one. What it costs: a worker may
wait for the last trials of a round.

Source: Bergstra, Bardenet, Bengio & Kégl, *Algorithms for Hyper-Parameter Optimization*, NeurIPS 2011 (TPE).
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...base.atomic_write import write_whole
from ...base.boundary import left
from ...base.checks import check_choice, check_whole
from ...base.errors import RunError
from .conduct import bar, do, missing, opened
from .grid import CHANGED
from .journal import Journal
from .plan import Point, check_takes, key_of, plan
from .pool import Pool, pool
from .source import Source, source_of
from .space import Best, Between, Space, check_space
from .values import from_plain

DIRECTIONS = {"maximise": "maximize", "minimise": "minimize"}  # our word -> Optuna's
ROUND = 4  # trials


@left("space")
def search(
    fn: Callable[..., Any],
    space: Mapping[str, Between | Sequence[Any]],
    trials: int,
    *,
    direction: str = "maximise",
    seed: int = 0,
    seeds: int | Sequence[int] = (0,),
    folder: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    scheduler: Any = None,
    retry: bool = False,
    changed: str = "refuse",
    progress: bool = True,
) -> Best:
    """Search for the parameters at which a function is largest or smallest, by Optuna's TPE.

    Results are kept, gone on with and done by workers as in `ship.study.grid`. Trials are proposed four at a time, each four from
    the results of all before, so that neither workers nor kills change what is found; more trials may be asked for later.

    Args:
        fn: the function, called as ``fn(lr=..., size=..., seed=...)``; it returns a number, or a table of numbers with one called
            ``value``.
        space: for each parameter a range `Between` or a list of choices.
        trials: the number of trials.
        direction: "maximise" or "minimise".
        seed: the seed of the search itself.
        seeds: the seeds that each trial is done with, or their number; its value is the mean over them.
        folder: where results are kept, with ``trials.csv`` at the end; None to keep them in memory alone.
        workers: the number of processes; None for one for each core; 0 for this process itself.
        scheduler: a Dask cluster of one's own, as in `ship.study.grid`.
        retry: whether trials that failed before are done again.
        changed: what to do where the folder has results of another version of the function: "refuse", or "keep" them.
        progress: whether to draw a progress bar, on a terminal.

    Returns:
        The best parameters, their value, and a row for each trial. A trial with a seed that failed, or with a value that is not
        finite, counts as failed.

    Raises:
        ParameterError: a space or a number that is none, or that the function does not take.
        RunError: every trial failed; the folder holds another search; Optuna or Dask is missing.
        FileError: the folder cannot be used, is used by another process, or is damaged.
    """
    where = "ship.study.search"
    check_choice(f"{where}: changed", changed, CHANGED, either=True)
    check_choice(f"{where}: direction", direction, tuple(DIRECTIONS), either=True)
    for name, value, least in (("trials", trials, 1), ("seed", seed, 0)):
        check_whole(f"{where}: {name}", value, least)
    check_space(where, space)
    whole = plan(where, {"trial": [0]}, seeds).seeds
    source = source_of(where, fn)
    check_takes(where, fn, {**dict.fromkeys(space), "seed": 0})
    proposer = _Proposer(where, space, direction, seed)
    head = {"kind": "search", "function": source.name, "space": _said(space), "direction": direction, "seed": seed}
    rows: list[dict[str, Any]] = []
    most = min(ROUND, trials) * len(whole)
    with opened(where, folder, head, source, changed=changed) as journal, contextlib.ExitStack() as stack:
        hands = _Late(stack, lambda: pool(where, fn, source, workers=workers, threads=None, scheduler=scheduler, most=most))
        told = stack.enter_context(bar(source.name, trials * len(whole), 0, progress=progress))
        while len(rows) < trials:
            proposed = proposer.next(rows, min(ROUND, trials - len(rows)))
            points = [{**each, "seed": s} for each in proposed for s in whole]
            todo = missing(journal, points, retry=retry)
            for point in points:
                if point not in todo:
                    told(journal.points[key_of(point)])
            if todo:
                do(journal, todo, source, hands(), told=told)
            rows += [_row(journal, len(rows) + k, each, whole) for k, each in enumerate(proposed)]
        return _found(where, journal, rows, source, direction, list(space))


class _Late:
    """A pool that is opened when it is first needed: a search that is done needs none."""

    def __init__(self, stack: contextlib.ExitStack, opener: Callable[[], contextlib.AbstractContextManager[Pool]]) -> None:
        self.stack, self.opener = stack, opener
        self.pool: Pool | None = None

    def __call__(self) -> Pool:
        if self.pool is None:
            self.pool = self.stack.enter_context(self.opener())
        return self.pool


class _Proposer:
    """Optuna's sampler, begun anew for each round from (seed, round) and the trials before."""

    def __init__(self, where: str, space: Space, direction: str, seed: int) -> None:
        try:
            import optuna
        except ImportError as error:
            raise RunError(where, "needs Optuna", fix="pip install ship-snn[search]") from error
        self.optuna, self.direction, self.seed = optuna, direction, seed
        self.distributions = {name: _distribution(optuna.distributions, what) for name, what in space.items()}

    def next(self, rows: Sequence[Mapping[str, Any]], count: int) -> list[Point]:
        """Propose the trials of the next round; the same ones for the same trials before."""
        optuna = self.optuna
        sampler = optuna.samplers.TPESampler(seed=(self.seed * 1_000_003 + len(rows)) % 2**32, constant_liar=True)
        with _quiet(optuna):
            study = optuna.create_study(direction=DIRECTIONS[self.direction], sampler=sampler)
            for row in rows:
                study.add_trial(self._trial(row))
            return [dict(study.ask(self.distributions).params) for _ in range(ROUND)][:count]

    def _trial(self, row: Mapping[str, Any]) -> Any:
        states = self.optuna.trial.TrialState
        failed = bool(row["error"])
        return self.optuna.trial.create_trial(
            params={name: row[name] for name in self.distributions},
            distributions=self.distributions,
            value=None if failed else row["value"],
            state=states.FAIL if failed else states.COMPLETE,
        )


@contextlib.contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _distribution(kinds: Any, what: Between | Sequence[Any]) -> Any:
    if not isinstance(what, Between):
        return kinds.CategoricalDistribution(list(what))
    if what.whole:
        return kinds.IntDistribution(what.low, what.high, log=what.log, step=what.step or 1)
    return kinds.FloatDistribution(what.low, what.high, log=what.log, step=what.step)


def _said(space: Space) -> dict[str, Any]:
    """Return a space in words of JSON, by which a journal knows it."""
    plain = {k: [v.low, v.high, v.log, v.step] if isinstance(v, Between) else {"choices": list(v)} for k, v in space.items()}
    made: dict[str, Any] = json.loads(json.dumps(plain))
    return made


def _row(journal: Journal, number: int, parameters: Point, seeds: Sequence[int]) -> dict[str, Any]:
    """Return a trial as a row: its parameters, the mean of its values, and the first error of its seeds."""
    entries = [journal.points[key_of({**parameters, "seed": seed})] for seed in seeds]
    row: dict[str, Any] = {"trial": number, **parameters, "value": None}
    for entry in entries:
        if "values" not in entry:
            return row | {"error": entry["error"]}
    results: list[Any] = [from_plain(entry["values"]).get("value") for entry in entries]
    if not all(isinstance(each, bool | int | float) and abs(each) < float("inf") for each in results):
        return row | {"error": f"must return a finite number, or a table with one called 'value'; got {results}"}
    return row | {"value": statistics.fmean(results), "error": ""}


def _found(
    where: str, journal: Journal, rows: list[dict[str, Any]], source: Source, direction: str, names: Sequence[str]
) -> Best:
    good = [row for row in rows if not row["error"]]
    if not good:
        raise RunError(where, f"all {len(rows)} trials failed", got=rows[0]["error"], fix=f"Call {source.name} by itself.")
    best = (max if direction == "maximise" else min)(good, key=lambda row: row["value"])
    if journal.folder is not None:
        made = io.StringIO()
        writer = csv.DictWriter(made, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(Path(journal.folder) / "trials.csv", made.getvalue().encode())
    return Best({name: best[name] for name in names}, best["value"], rows, direction == "maximise")
