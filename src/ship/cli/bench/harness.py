"""Run the sides of a case in turn, each in its own process, and compare them.

All sides of a case are alive at once and run one after the other, round by round, in an order that rotates: what the machine does
meanwhile then falls on all alike. A ratio is the median over rounds of the ratio within a round.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from statistics import median
from typing import IO, Any

from ...base.errors import RunError
from .cases import Case
from .worker import machine

WORKER = Path(__file__).with_name("worker.py")
ENGINES = ("reference", "fused", "both")
LIMIT = 600.0  # s, for one answer of a side
PARTS = ("forward", "backward", "total")
Row = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One competitor: its name in the results, and how its worker is started.

    Args:
        name: what the rows of the results call it.
        python: the interpreter that runs it.
        module: a module of the package, or a file, with a function for each kind of work that the side can do.
        options: what the worker is told besides.
        peer: whether the others are compared with it.
    """

    name: str
    python: str
    module: str
    options: tuple[str, ...] = ()
    peer: bool = False


def ship_sides(engine: str) -> list[Side]:
    """Return the sides that need nothing but SHIP: the floor, the chosen engines that this version has, crossbars, and what they
    are compared with (the same work without chips or devices, and SciPy).

    Raises:
        RunError: there is no such engine.
    """
    from .networks import engines

    if engine not in ENGINES:
        raise RunError("ship bench: engine", f"must be one of {', '.join(ENGINES)}", got=repr(engine))
    wanted = ("fused", "reference") if engine == "both" else (engine,)
    missing = [name for name in wanted if name not in engines()]
    if missing and engine != "both":
        raise RunError("ship bench: engine", f"this version has {', '.join(engines())} only", got=repr(engine))
    here = "ship.cli.bench"
    return [
        Side("floor", sys.executable, f"{here}.floors"),
        *(Side(f"ship-{e}", sys.executable, f"{here}.networks", ("--engine", e)) for e in wanted if e in engines()),
        Side("ship", sys.executable, f"{here}.crossbars"),
        Side("ship", sys.executable, f"{here}.sweeps"),
        Side("plain", sys.executable, f"{here}.plain", peer=True),
        Side("SciPy", sys.executable, f"{here}.scipy_crossbar", peer=True),
    ]


def peer_sides(python: str, scripts: Path) -> list[Side]:
    """Return a side for the script of each simulator in the folder.

    Raises:
        RunError: there are none in the folder.
    """
    files = sorted(scripts.glob("bench_*.py"))
    if not files:
        raise RunError(
            "ship bench: peers", "needs the folder benchmarks/peers", got=str(scripts), fix="Call it from a checkout's root."
        )
    return [Side(_constant(file, "NAME"), python, str(file), peer=True) for file in files]


def _constant(file: Path, name: str) -> str:
    """Read a constant of a script without running it: its libraries may be missing here."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return str(ast.literal_eval(node.value))
    return file.stem.removeprefix("bench_")


def does(side: Side, kind: str) -> bool:
    """Return whether a side has a function for a kind of work, without running it."""
    if side.module.endswith(".py"):
        file = Path(side.module)
    else:
        spec = importlib.util.find_spec(side.module)
        if spec is None or spec.origin is None:
            return True  # its worker will say that there is no such module
        file = Path(spec.origin)
    return any(isinstance(node, ast.FunctionDef) and node.name == kind for node in ast.parse(file.read_text()).body)


class FailedError(Exception):
    """A side gave no answer."""


@dataclass
class Runner:
    """A side at work on one case: its process, and what that said.

    Args:
        side: who works.
        case: what is to be done.
        quick: whether the small sizes are taken.
        limit: how long one answer may take, in s.
        said: all that it has answered, by name.
        times: the times of each round, in ms by part.
        error: why there is no result, if there is none.
    """

    side: Side
    case: Case
    quick: bool
    limit: float = LIMIT
    said: Row = field(default_factory=dict)
    times: list[dict[str, float]] = field(default_factory=list)
    error: str = ""

    def __post_init__(self) -> None:
        command = [self.side.python, str(WORKER), self.side.module, self.case.kind, json.dumps(self.case.size(self.quick))]
        self._noise: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by `stop`)
        self._answers: Queue[str] = Queue()
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None
        if self.side.name in self.case.hours and not self.quick:
            self.error = "not run: it would take hours"
            return
        try:
            self._process = subprocess.Popen(
                [*command, *self.side.options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._noise, text=True
            )
        except OSError as error:
            self.error = f"does not start: {error}"
            return
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def _listen(self, answers: IO[str] | None) -> None:
        for line in answers or ():
            self._answers.put(line)
        self._answers.put("")

    def expect(self, key: str) -> Row:
        """Read answers until one that has ``key``.

        Raises:
            FailedError: the side says an error, ends, or takes too long.
        """
        end = time.monotonic() + self.limit
        while True:
            try:
                line = self._answers.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                raise FailedError(f"took longer than {self.limit:g} s") from None
            if not line:
                raise FailedError(f"ended: {self._last_words()}")
            said: Row = json.loads(line)
            if "error" in said:
                raise FailedError(said["error"])
            self.said |= said
            if key in said:
                return said

    def _last_words(self) -> str:
        self._noise.seek(0)
        lines = self._noise.read().split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "without a word")

    def attempt(self, act: Callable[[], None]) -> None:
        """Do something unless the side failed before; keep why it failed."""
        if self.error:
            return
        try:
            act()
        except (FailedError, OSError) as error:
            self.error = str(error)
            self.stop()

    def once(self) -> None:
        """Run one round."""
        assert self._process is not None
        assert self._process.stdin is not None
        print("run", file=self._process.stdin, flush=True)
        self.times.append(self.expect("times")["times"])

    def finish(self) -> None:
        """Ask for no more rounds, and read what the side says at its end."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.expect("peak_memory_mb")

    def stop(self) -> None:
        """End the process, whatever it is doing, and close what belongs to it."""
        process, self._process = self._process, None
        if process is None:
            self._noise.close()
            return
        process.kill()
        process.wait()
        if self._listener is not None:
            self._listener.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was asked may still lie in a broken pipe
                    pipe.close()
        self._noise.close()


def measure(
    case: Case, sides: Sequence[Side], *, repeat: int | None = None, quick: bool = False, limit: float = LIMIT
) -> list[Row]:
    """Run all sides of one case and return their rows of the results, ratios included.

    Args:
        case: what to run.
        sides: who runs it; those that cannot are left out.
        repeat: the number of rounds; the case's own number where left out.
        quick: whether the small sizes are taken.
        limit: how long one answer of a side may take, in s.
    """
    runners: list[Runner] = []
    try:
        for side in (s for s in sides if does(s, case.kind)):  # one at a time: a start must not disturb another
            runner = Runner(side, case, quick, limit)
            runners.append(runner)
            runner.attempt(lambda runner=runner: runner.expect("ready") and None)  # type: ignore[misc]
        for k in range(repeat or case.repeat):
            for runner in runners[k % len(runners) :] + runners[: k % len(runners)]:
                runner.attempt(runner.once)
        for runner in runners:
            runner.attempt(runner.finish)
    finally:
        for runner in runners:
            runner.stop()
    rows = [row(runner, quick) for runner in runners]
    compare(rows, {r.side.name: [t["total"] for t in r.times] for r in runners if not r.error}, {s.name for s in sides if s.peer})
    return rows


def row(runner: Runner, quick: bool) -> Row:
    """Return what one side did: the medians, and the range over the rounds."""
    head: Row = {"case": runner.case.name, "engine": runner.side.name, "peer": runner.side.peer}
    tail: Row = {
        "size": runner.case.size(quick),
        "quick": quick,
        "machine": machine(),
        "versions": runner.said.get("versions", {}),
    }
    if runner.error:
        return {**head, "error": runner.error, **tail}
    times: Row = {}
    for part in [*PARTS, *(p for p in runner.times[0] if p not in PARTS)]:
        values = [t[part] for t in runner.times if part in t]
        times[f"{part}_ms"] = round(median(values), 3) if values else None
        if values:
            times.setdefault("range_ms", {})[part] = [round(min(values), 3), round(max(values), 3)]
    said = runner.said
    return {
        **head,
        **times,
        "repeat": len(runner.times),
        "build_ms": round(said["build_ms"], 1),
        "first_ms": round(said["first_ms"], 1),
        "peak_memory_mb": round(said["peak_memory_mb"], 1),
        "rate": None if said["rate"] is None else round(said["rate"], 2),
        **({"check": said["check"]} if "check" in said else {}),
        **({"busy": round(said["busy"], 4)} if "busy" in said else {}),
        "ratio_to_best_peer": None,
        "ratio_to_floor": None,
        "memory_ratio_to_best_peer": None,
        **tail,
    }


def compare(rows: Sequence[Row], totals: Mapping[str, Sequence[float]], peers: set[str]) -> None:
    """Fill in the ratios: of times, the median over rounds; of memory, to the peer that needs the least."""
    done = [r for r in rows if "error" not in r]
    rivals = [r for r in done if r["engine"] in peers]
    best = min(rivals, key=lambda r: float(r["total_ms"]), default=None)
    least = min((float(r["peak_memory_mb"]) for r in rivals), default=0.0)
    for r in done:
        own = totals[r["engine"]]
        if best is not None:
            r["ratio_to_best_peer"] = paired(own, totals[best["engine"]])
        if "floor" in totals:
            r["ratio_to_floor"] = paired(own, totals["floor"])
        if least > 0:
            r["memory_ratio_to_best_peer"] = round(r["peak_memory_mb"] / least, 4)


def paired(own: Sequence[float], other: Sequence[float]) -> float:
    """Return the median over the rounds of one side's time by the other's in the same round."""
    return round(median(a / b for a, b in zip(own, other, strict=True)), 4)


def run(
    cases: Sequence[Case], sides: Sequence[Side], *, repeat: int | None = None, quick: bool = False, limit: float = LIMIT
) -> Iterator[Row]:
    """Yield the rows of all cases, as they come."""
    for case in cases:
        yield from measure(case, sides, repeat=repeat, quick=quick, limit=limit)
