"""One run of a study: where its results go, and what makes it repeatable."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...base.atomic_write import write_whole
from ...base.display.stages import Stages, cpu_seconds
from ...base.errors import ParameterError, RunError
from ...base.statistics import Interval
from ...data.sets import LabelledSet
from ...network.network import Network
from ..behaviour import Behaviour
from ..tasks import Task
from .environment import environment
from .files import RECORD, clear, figure_files, read_run, table_files
from .identity import network_digest

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Run:
    """One run of a study: its folder, and the record of what was done in it.

    Used as ``with Run(folder) as run:``; ``run.json`` is written when the block ends without an error, as the last file, so that
    a folder with one is whole. A study that ``ship study`` runs is given a `Run`.

    Args:
        folder: the folder that results are written to; made where it does not exist. Results of an earlier run in it are removed.
        study: the name of the study, or the path of its file.
        config: the settings of the study, as plain values.
        seed: the seed of all draws.
        data: the folder with data sets; None for the environment variable ``SHIP_DATA``, then the cache.
        progress: whether to announce stages and draw progress bars, on a terminal.
        source: the SHA-256 of the file of the study, where it is known.
        then: the record of an earlier run, as `ship.study.read_run` returns it: other data are then refused.

    Raises:
        FileError: the folder cannot be made, or holds a ``run.json`` that no study has written.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        study: str = "",
        config: Mapping[str, Any] | None = None,
        seed: int = 0,
        data: Path | str | None = None,
        progress: bool = False,
        source: str = "",
        then: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder, self.seed, self.progress = Path(folder), seed, progress
        self.data = None if data is None else Path(data)
        self._study, self._config, self._source = study, dict(config or {}), source
        self._then_data = {each["name"]: each["sha256"] for each in (then or {}).get("data", ())}
        self._stages = Stages(progress)
        self._data: dict[str, dict[str, Any]] = {}
        self._networks: dict[str, dict[str, Any]] = {}
        self._numbers: dict[str, dict[str, Any]] = {}
        self._tables: dict[str, dict[str, Any]] = {}
        self._figures: dict[str, dict[str, Any]] = {}
        self._notes: list[str] = []
        self._record: dict[str, Any] | None = None
        self._start, self._used = time.perf_counter(), cpu_seconds()
        clear(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None and self._record is None:
            self.close()

    # -- what is done, and with what ---------------------------------------------------------------------------------------

    def stage(self, what: str) -> AbstractContextManager[None]:
        """Return a context that announces a stage on a terminal, and notes its wall and CPU seconds."""
        self._open("Run.stage")
        return self._stages.stage(what)

    def uses(self, data: LabelledSet, part: str = "") -> None:
        """Note a data set that the study uses: its name, SHA-256, size, licence and citation.

        Args:
            data: the data set.
            part: which part of it this is, e.g. "train", where a study uses several parts of one set.

        Raises:
            RunError: the run that is repeated used other data of this name, or other data of this name were noted before.
        """
        self._open("Run.uses")
        about, digest, name = data.about, data.hash(), f"{data.name} ({part})" if part else data.name
        where, then, before = f"Run.uses: data {name!r}", self._then_data.get(name), self._data.get(name)
        if then is not None and then != digest:
            rule = f"must be those of the run that is repeated, SHA-256 {then[:16]}..."
            raise RunError(where, rule, got=f"{digest[:16]}...", fix="Name the folder with them by --data.")
        if before is not None and before["sha256"] != digest:
            raise RunError(where, "were noted before with other samples", fix='Give part=, e.g. part="train".')
        made = {"name": name, "sha256": digest, "samples": len(data), "title": about.title, "licence": about.licence}
        self._data[name] = made | {"citation": about.citation, "home": about.home, "note": about.note}

    def task(self, task: Task) -> None:
        """Note a task: its training and test samples, how they were divided, and what a reader must know of it."""
        self.uses(task.train, "train")
        self.uses(task.test, "test")
        for text in (f"split {task.split}" if task.split else "", *task.notes):
            if text:
                self.note(f"{task.name}: {text}")

    def network(self, name: str, net: Network, *, dt: Sequence[tuple[float, int]] | None = None) -> None:
        """Note a network: the SHA-256 of its groups and parameters, its sizes and its time step.

        Args:
            name: the name of the network in the record.
            net: the network, initialised.
            dt: the programme ``[(dt, slots), ...]`` that it is run with, where that is not one dt.
        """
        self._new("Run.network", name, self._networks)
        steps: Any = net.dt if dt is None else [[float(step), int(slots)] for step, slots in dt]
        groups = {tag: {"model": type(net.specs[tag].model).__name__, "n": group.n} for tag, group in net.items()}
        self._networks[name] = {"sha256": network_digest(net), "dt": steps, "chips": net.chips, "groups": groups}

    # -- what was found ----------------------------------------------------------------------------------------------------

    def number(
        self,
        name: str,
        value: float | Interval,
        low: float | None = None,
        high: float | None = None,
        *,
        unit: str = "",
        n: int | None = None,
        how: str = "",
        measured_time: bool = False,
    ) -> None:
        """Note a headline result with its 95 % interval.

        Args:
            name: what it is, in words that are read alone.
            value: the number; an `Interval` brings its ends and its unit.
            low, high: the ends of its 95 % interval, where there is one.
            unit: its SI unit.
            n: the number of samples, chips or draws behind it.
            how: how the interval was made, or what the number is of, in words.
            measured_time: whether it was taken from a clock, so that no run repeats it; a replay then does not compare it.

        Raises:
            ParameterError: one end of the interval without the other, ends in the wrong order, or a name that is taken.
        """
        self._new("Run.number", name, self._numbers)
        if isinstance(value, Interval):
            if low is not None or high is not None:
                raise ParameterError(f"Run.number {name!r}", "takes the ends of an Interval from it", got=f"{low} and {high}")
            unit = unit or value.unit
            value, low, high = value.value, *(None if math.isnan(end) else end for end in (value.low, value.high))
        if (low is None) != (high is None) or (low is not None and high is not None and low > high):
            raise ParameterError(
                f"Run.number {name!r}", "needs both ends of an interval, the lower one first", got=f"{low}, {high}"
            )
        made: dict[str, Any] = {"value": float(value), "low": None if low is None else float(low)}
        made |= {"high": None if high is None else float(high), "unit": unit, "n": None if n is None else int(n), "how": how}
        self._numbers[name] = made | ({"measured_time": True} if measured_time else {})

    def behaviour(self, name: str, found: Behaviour) -> None:
        """Note what a network does (`ship.study.behaviour`): its headline numbers, and tables of the rest.

        Args:
            name: the name of the network, which the numbers carry in front; its letters and digits name the tables.
            found: the behaviour.
        """
        self.note(f"{name}, energy: {'; '.join(found.left_out)}")
        for what, value, n, how in found.numbers():
            self.number(f"{name}: {what}", value, n=n, how=how)
        for what, rows in found.tables().items():
            self.table(f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-') or 'network'}-{what}", rows)

    def table(self, name: str, rows: Sequence[Mapping[str, Any]] | Any, *, measured_time: bool = False) -> None:
        """Write a table as CSV, with all digits; of an ``xarray.Dataset`` a NetCDF file, too.

        Args:
            name: the name of the file, without an ending.
            rows: a mapping from column to value for each row, or an ``xarray.Dataset``. An `Interval` becomes three columns.
            measured_time: whether it holds numbers taken from a clock, so that a replay does not compare it.

        Raises:
            RunError: no rows, or a Dataset without xarray and h5netcdf.
        """
        self._new("Run.table", name, self._tables, file=True)
        files = table_files(f"Run.table {name!r}", name, rows)
        text = files[f"{name}.csv"]
        made = {"files": self._write(files), "sha256": hashlib.sha256(text).hexdigest()}
        self._tables[name] = made | ({"measured_time": True} if measured_time else {})

    def figure(self, name: str, figure: Any, alt: str) -> None:
        """Write a figure as PNG and SVG, and close it.

        Args:
            name: the name of the files, without an ending.
            figure: a ``matplotlib.figure.Figure``.
            alt: what the figure shows, in words, for those who do not see it.
        """
        self._new("Run.figure", name, self._figures, file=True)
        if not alt.strip():
            raise ParameterError(f"Run.figure {name!r}: alt", "must say what the figure shows", got=repr(alt))
        self._figures[name] = {"files": self._write(figure_files(name, figure, alt)), "alt": alt}

    def note(self, text: str) -> None:
        """Note what a reader must know: assumptions, splits that flatter, what was left out. Once for each text."""
        self._open("Run.note")
        if text not in self._notes:
            self._notes.append(text)

    # -- the record --------------------------------------------------------------------------------------------------------

    def close(self) -> dict[str, Any]:
        """Write ``run.json`` and return what it holds. Nothing can be added afterwards."""
        self._open("Run.close")
        spent = {"wall": time.perf_counter() - self._start, "cpu": cpu_seconds() - self._used}
        record: dict[str, Any] = {"format": RECORD, "study": self._study, "source": self._source, "config": self._config}
        record |= {"seed": self.seed, "data": list(self._data.values()), "networks": self._networks, "numbers": self._numbers}
        record |= {"tables": self._tables, "figures": self._figures, "notes": self._notes}
        record |= {"stages": [stage._asdict() for stage in self._stages.done], "seconds": spent} | environment()
        write_whole(self.folder / "run.json", _json(record).encode())
        self._record = read_run(self.folder / "run.json")
        return self._record

    @property
    def record(self) -> dict[str, Any]:
        """What ``run.json`` holds, once the run has ended.

        Raises:
            RunError: it has not.
        """
        if self._record is None:
            raise RunError("Run.record", "is there when the run has ended", fix="Read it after the with block.")
        return self._record

    def _write(self, files: Mapping[str, bytes]) -> list[str]:
        for name, content in files.items():
            write_whole(self.folder / name, content)
        return list(files)

    def _open(self, where: str) -> None:
        if self._record is not None:
            raise RunError(where, "cannot add to a run that has ended", got=str(self.folder))

    def _new(self, where: str, name: str, known: Mapping[str, Any], *, file: bool = False) -> None:
        self._open(where)
        if name in known:
            raise ParameterError(f"{where}: name", "must be another one than before", got=repr(name))
        if file and not FILE_NAME.fullmatch(name):
            rule = "must be the name of a file without an ending: letters, digits, '-', '_' and '.'"
            raise ParameterError(f"{where}: name", rule, got=repr(name))
        if not name.strip():
            raise ParameterError(f"{where}: name", "must not be empty", got=repr(name))


def _json(record: Mapping[str, Any]) -> str:
    """Write a record as JSON; numbers that are not finite stand as the words ``nan``, ``inf`` and ``-inf``."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if isinstance(value, Mapping):
            return {str(key): plain(each) for key, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, list | tuple) else value

    made = io.StringIO()
    json.dump(plain(record), made, indent=1, ensure_ascii=False, allow_nan=False)
    return made.getvalue() + "\n"
