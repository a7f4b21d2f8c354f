"""Work spread over as many threads as torch has: one setting, ``torch.set_num_threads``, for both."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch


def spread(tasks: int, work: Callable[[int, int], None], most: int = 0) -> None:
    """``work(lo, hi)`` over all tasks, on as many threads as torch has, in at most so many pieces."""
    threads = torch.get_num_threads()
    pieces = min(tasks, 1 if threads == 1 else most or 4 * threads)
    if pieces <= 1:
        work(0, tasks)
        return
    cuts = [tasks * i // pieces for i in range(pieces + 1)]
    for future in [_pool(os.getpid(), threads).submit(work, lo, hi) for lo, hi in zip(cuts, cuts[1:], strict=False)]:
        future.result()


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process: a forked one makes its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="ship")
