"""A block of the schedule that runs group by group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ...groups.schedule import Block


class RunsBlock(Protocol):
    """What runs a block of the schedule."""

    def run(self, k0: int, n: int, last: bool = False) -> None:
        """Run slots ``k0 .. k0 + n - 1`` of all groups of the block. ``last`` says whether the segment ends with them, and
        gradients.
        """


class GroupByGroup:
    """Groups that run one after the other, slice by slice, each by ``run_group(tag, k0, n)``."""

    def __init__(self, planned: Block, run_group: Callable[[str, int, int], None]) -> None:
        self.planned, self.run_group = planned, run_group

    def run(self, k0: int, n: int, last: bool = False) -> None:
        """Run slots ``k0 .. k0 + n - 1``."""
        length = self.planned.length or n
        for k in range(k0, k0 + n, length):
            for tag in self.planned.tags:
                self.run_group(tag, k, min(length, k0 + n - k))
