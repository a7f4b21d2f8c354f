"""One point of a sweep, where it is done: in this process, in another one, or on a cluster."""

from __future__ import annotations

import os
import platform
import time
import traceback
from collections.abc import Mapping
from typing import Any

from ...base.threads import threads as on_threads
from . import values
from .source import Source, function_of

Outcome = dict[str, Any]  # in words of JSON: "values", or "error" and "traceback"; "seconds", "cpu", "process"


def outcome(source: Source, point: Mapping[str, Any], threads: int | None = None) -> Outcome:
    """Call a function at a point, in a process that may be far away, and return what it gives or why it failed.

    Args:
        source: where the function stands.
        point: the values that it is called with, by name.
        threads: the number of threads of PyTorch and of SHIP's kernels meanwhile; None for as many as there are.

    Raises:
        FileError: the function cannot be imported; that is no matter of this point.
    """
    fn = function_of(source)
    if threads is None:
        return called(fn, point)
    with on_threads(threads):
        return called(fn, point)


def called(fn: Any, point: Mapping[str, Any]) -> Outcome:
    """Call a function at a point, and return what it gives or why it failed."""
    start, used = time.perf_counter(), time.process_time()
    try:
        made: Outcome = {"values": values.to_plain(fn.__name__, fn(**point))}
    except (Exception, SystemExit) as error:  # whatever the user's function raises: the other points are done
        said = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        made = {"error": said[:500], "traceback": traceback.format_exc()}
    spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - used}
    return made | spent | {"process": f"{platform.node()}:{os.getpid()}"}
