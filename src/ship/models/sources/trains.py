"""What sources of spike trains share: events, and whether all samples of a batch get the same trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...base.parameters import Kind, option
from ..contract import Source


@dataclass(frozen=True)
class SpikeTrains(Source):
    """The base class of sources of random spike trains. ``shared=True`` gives all samples of a batch the same trains.

    Trains are inputs: all chips see the same ones.
    """

    shared: bool = option(False, choices=(True, False))

    emits: ClassVar[Kind] = "events"

    @property
    def same_for_all(self) -> bool:
        return self.shared
