"""Work spread over as many threads as torch has: one setting, ``torch.set_num_threads``, for both.

Where torch brings GNU OpenMP, its team of threads does the work: that team waits busily for a while after each operation of
torch, and another pool would have to share the cores with it. Elsewhere, and in a forked process, a separate pool does the work.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

ORIGIN = os.getpid()
# What libraries read when they are loaded: OpenMP (PyTorch, and SHIP's kernels with it), MKL and OpenBLAS, Numba.
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
Region = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def spread(tasks: int, work: Callable[[int, int], None], most: int = 0) -> None:
    """Call ``work(lo, hi)`` for slices that cover all tasks, on as many threads as torch has.

    Args:
        tasks: the number of tasks.
        work: a function that does the tasks ``lo .. hi - 1``.
        most: the largest number of slices; 0 for four per thread. An idle thread takes the next slice.
    """
    threads = torch.get_num_threads()
    pieces = min(tasks, 1 if threads == 1 else most or 4 * threads)
    cuts, numbers = [tasks * i // max(1, pieces) for i in range(pieces + 1)], count()

    def take() -> None:
        while (i := next(numbers)) < pieces:
            work(cuts[i], cuts[i + 1])

    _together(min(threads, pieces), take)


def crew(function: int, record: NDArray[np.int64], first: int, last: int) -> None:
    """Call a C function with the address of a record, on as many threads as torch has.

    The threads take the tasks ``first .. last - 1`` from the record and count there how many are done, so that no thread waits
    for another, or for Python.

    Raises:
        MemoryError: some tasks were not done.
    """
    record[:3] = first, last, 0
    threads, where = min(torch.get_num_threads(), last - first), record.ctypes.data
    team = _team() if threads > 1 and os.getpid() == ORIGIN else None
    if team is not None:
        team(ctypes.c_void_p(function), ctypes.c_void_p(where), threads, 0)
    else:
        call = Region(function)
        _together(threads, lambda: call(where))
    if record[2] < last - first:  # a C function of tasks can fail for want of memory only
        raise MemoryError


def _together(threads: int, work: Callable[[], None]) -> None:
    """Call ``work()`` once on each of several threads and raise the first error."""
    if threads <= 1:
        work()
        return
    errors: list[BaseException] = []

    def one(_: Any = None) -> None:
        try:
            if not errors:
                work()
        except BaseException as error:
            errors.append(error)

    team = _team() if os.getpid() == ORIGIN else None
    if team is not None:
        team(Region(one), None, threads, 0)
    else:
        helpers = [_pool(os.getpid(), torch.get_num_threads()).submit(one) for _ in range(threads - 1)]
        one()
        wait([helper for helper in helpers if not helper.cancel()])
    if errors:
        raise errors[0]


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch, and SHIP with it, work on a number of threads for a while.

    Threads that wait busily for each other at the end of each small operation cost more than they give, above all where others
    use the same cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _team() -> Any:
    """Return ``GOMP_parallel`` of the OpenMP library that torch itself runs on; None where that is not GNU's."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        try:
            function = ctypes.CDLL(str(path)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        function.restype = None
        return function
    return None


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Return the pool of this process; a forked process makes a new one."""
    return ThreadPoolExecutor(threads, thread_name_prefix="ship")
