"""Stages of a long piece of work: announced on a terminal, and timed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple


class Timed(NamedTuple):
    """A stage that has ended: what was done, and how long it took."""

    what: str
    wall: float  # s
    cpu: float  # s, of all threads of this process and of the processes that it started and that have ended


def cpu_seconds() -> float:
    """Return the CPU time (s) that this process and its ended children have used so far, over all threads."""
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


class Stages:
    """Messages of what is being done and how long it took, on standard error, where that is a terminal.

    Args:
        show: whether to announce stages at all.
    """

    def __init__(self, show: bool = True) -> None:
        self.show = show and sys.stderr.isatty()
        self.done: list[Timed] = []  # the stages that have ended, in this order

    @contextlib.contextmanager
    def stage(self, what: str) -> Iterator[None]:
        """Announce a stage around its work, say how long it took, and note its times."""
        start, used = time.perf_counter(), cpu_seconds()
        if self.show:
            print(f"{what} ...", file=sys.stderr, flush=True)
        yield
        self.done.append(Timed(what, time.perf_counter() - start, cpu_seconds() - used))
        if self.show:
            print(f"{what}: {self.done[-1].wall:.0f} s", file=sys.stderr, flush=True)
