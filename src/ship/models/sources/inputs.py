"""Inputs: groups whose signal is an argument of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...base.parameters import Kind
from ...base.parameters.bag import Bag
from ..contract import Source, Units


@dataclass(frozen=True)
class SpikeInput(Source):
    """An input of events, given to the run as counts per slot: ``[batch, time, unit]``."""

    emits: ClassVar[Kind] = "events"
    external: ClassVar[bool] = True

    def emit(self, state: Any, x: Bag, p: Bag, c: Any) -> tuple[Units, Any]:
        return x.value, state


@dataclass(frozen=True)
class CurrentInput(Source):
    """An input of levels, given to the run and held over each slot: ``[batch, time, unit]``; into a membrane, in V/s."""

    emits: ClassVar[Kind] = "values"
    external: ClassVar[bool] = True

    def emit(self, state: Any, x: Bag, p: Bag, c: Any) -> tuple[Units, Any]:
        return x.value, state
