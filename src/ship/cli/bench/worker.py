"""One process for one side and one case: it builds, warms up, runs once for each line that it reads, and says how long that took.

``python worker.py SIDE KIND SIZE [--option VALUE ...]``: SIDE is a Python file or a module with a function named KIND that takes
the shared arrays and the sizes and returns what there is to run, as a dict:

forward     () -> output
backward    (output) -> None; left out for inference
whole       () -> output: forward and backward as one call, where they cannot be split; the time beyond forward's is backward's
rate        (output) -> mean firing rate, Hz
check       (output) -> another number that all sides of the case share, for work without spikes
warm        () -> None: instead of one full run to warm up
extra       name -> () -> None: further parts, timed alone

This file imports nothing of SHIP, so that it runs in any environment that has NumPy.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import IO, Any

THREADS = 2
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
SEVERAL, SHORT = 5, 1500.0  # the most runs of a round; no further one begins after this time (ms)


def limit_threads() -> None:
    """Keep this process to the first cores and to as many threads, for libraries that read the variables or count the cores."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(THREADS)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def load(name: str) -> ModuleType:
    """Import a module by its name, or by its file under a name that hides no library's."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(f"side_{Path(name).stem}", name)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module in {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def memory(field: str) -> float:
    """Return ``VmRSS`` or ``VmHWM`` of this process in MB (10^6 bytes); the peak for both where the system keeps no such file."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6
    except (OSError, StopIteration):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def machine() -> dict[str, Any]:
    """Return the number of cores and the model of the processor."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"cores": os.cpu_count(), "threads": THREADS, "cpu": model}


def once(work: Mapping[str, Any]) -> tuple[dict[str, float], Any]:
    """Run once, and return the times in ms and the output."""
    clock = time.perf_counter
    start = clock()
    output = work["forward"]()
    times = {"forward": (clock() - start) * 1e3}
    if "whole" in work:
        start = clock()
        output = work["whole"]()
        times["total"] = (clock() - start) * 1e3
        times["backward"] = max(0.0, times["total"] - times["forward"])
    elif "backward" in work:
        start = clock()
        work["backward"](output)
        times["backward"] = (clock() - start) * 1e3
    times.setdefault("total", times["forward"] + times.get("backward", 0.0))
    for name, part in work.get("extra", {}).items():
        start = clock()
        part()
        times[name] = (clock() - start) * 1e3
    return times, output


def several(work: Mapping[str, Any]) -> tuple[dict[str, float], Any]:
    """Run as `once` does, again where that was short, and return the medians: repeated work finds its data and code warm."""
    times, output = once(work)
    rounds = [times]
    while len(rounds) < SEVERAL and sum(t["total"] for t in rounds) < SHORT:
        del output
        times, output = once(work)
        rounds.append(times)
    return {name: median(t[name] for t in rounds) for name in times}, output


def serve(
    side: str, kind: str, size: Mapping[str, Any], options: Mapping[str, str], ask: IO[str], say: Callable[..., None]
) -> None:
    """Say ``ready``, then a line of times for each line that is read, and at the end rate and peak memory."""
    module = load(side)
    if hasattr(module, "load"):
        module.load(**options)
    data = load(str(Path(__file__).parent / "data.py"))
    base = memory("VmRSS")
    say(versions={"python": platform.python_version(), **module.versions()})
    start = time.perf_counter()
    make = getattr(module, kind)
    work = make(data.make(kind, size), size, **{k: v for k, v in options.items() if k in inspect.signature(make).parameters})
    built = time.perf_counter()
    if "warm" in work:
        work["warm"]()
    else:
        _, output = once(work)
        del output
    say(ready=True, build_ms=(built - start) * 1e3, first_ms=(time.perf_counter() - built) * 1e3)
    shared: dict[str, float | None] = {"rate": None}
    for _ in ask:
        times, output = several(work)
        shared |= {name: float(work[name](output)) for name in ("rate", "check", "busy") if name in work}
        del output
        say(times=times)
    say(**shared, peak_memory_mb=memory("VmHWM") - base)


def main() -> None:
    """Send what libraries print to standard error, and JSON lines alone to standard output."""
    sys.path.pop(0)  # this file's folder: its modules are no libraries
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    limit_threads()

    def say(**message: Any) -> None:
        print(json.dumps(message), file=answers, flush=True)

    side, kind, size, *rest = sys.argv[1:]
    options = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    repeat = options.pop("repeat", None)
    ask: Any = sys.stdin if repeat is None else range(int(repeat))
    whole = {name: int(value) if float(value).is_integer() else value for name, value in json.loads(size).items()}
    try:
        serve(side, kind, whole, options, ask, say)
    except Exception as error:
        say(error=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
        if repeat is not None:
            raise


if __name__ == "__main__":
    main()
