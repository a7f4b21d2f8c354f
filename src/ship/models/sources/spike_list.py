"""Spike lists: a source that holds the times of its spikes.

An event belongs to the slot that begins nearest to its time, as the events of an input do (`ship.Events`), at any dt and across
a change of it. Times count from the last reset.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...base.clock import FUZZ
from ...base.errors import ParameterError
from ...base.parameters import Kind, numbers, option
from ...base.parameters.bag import Bag
from ..contract import Source, Units


@dataclass(frozen=True)
class SpikeListSource(Source):
    """A source with given spikes: ``time`` (s since the last reset) and ``unit``, lists of one length. Out: events (counts).

    All samples and all chips get the same trains. Spikes of single samples are an input, `ship.Events`.
    """

    time: Any = option(())
    unit: Any = option(())

    emits: ClassVar[Kind] = "events"
    timed: ClassVar[bool] = True

    def check(self, where: str, p: Bag) -> None:
        time, unit = numbers(f"{where}.time", self.time), numbers(f"{where}.unit", self.unit)
        if time.ndim != 1 or time.shape != unit.shape:
            raise ParameterError(
                f"{where}.time", "time and unit must be lists of one length", got=f"shapes {list(time.shape)}, {list(unit.shape)}"
            )
        late = ~(torch.isfinite(time) & (time >= 0))
        if bool(late.any()):
            raise ParameterError(f"{where}.time", "must be seconds from the last reset on", got=f"{float(time[late][0]):g}")
        n = int(p.n_units)
        bad = (unit != unit.round()) | (unit < 0) | (unit >= n)
        if bool(bad.any()):
            fix = "Units count from 0."
            raise ParameterError(f"{where}.unit", f"must be numbers of its {n} units", got=f"{float(unit[bad][0]):g}", fix=fix)

    @cached_property
    def _sorted(self) -> tuple[Tensor, Tensor]:
        """The times (s) in order, and their units."""
        time, unit = numbers("time", self.time).double(), numbers("unit", self.unit).long()
        time, order = time.sort(stable=True)
        return time, unit[order]

    def emit(self, state: Any, x: Bag, p: Bag, c: Any) -> tuple[Units, Any]:
        start, before = x.start.flatten(), x.before.flatten()
        time, unit = (t.to(start.device) for t in self._sorted)
        # The edges between slots lie half-way between their starts, rounded as `ship.base.clock.slots` rounds.
        ends = x.stop.flatten()[-1:] - (x.stop - x.start).flatten()[-1:] * (0.5 + FUZZ)
        edges = torch.cat([start - before * (0.5 + FUZZ), ends])
        first, last = (int(i) for i in torch.searchsorted(time, edges[[0, -1]]))
        slot = torch.searchsorted(edges, time[first:last], right=True) - 1
        counts = torch.zeros(len(start), len(x.unit), dtype=torch.float64, device=start.device)
        counts.index_put_((slot, unit[first:last]), torch.ones_like(time[first:last]), accumulate=True)
        return counts.reshape(len(start), 1, 1, -1), state
