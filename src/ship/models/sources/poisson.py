"""Poisson source: in each slot, a number of events with mean ``rate * dt``, independent of all other slots.

Counts may exceed 1, so any rate is right at any dt: Fano factor 1, ``P(0) = exp(-rate dt)``. Drawn by inversion from a uniform
number that depends on seed, tag, chip, sample, trial and slot alone. Different chips see the same trains: sources are inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Units
from .trains import SpikeTrains


class PoissonCoeffs(NamedTuple):
    mean: Units  # expected events per slot


@dataclass(frozen=True)
class PoissonSource(SpikeTrains):
    """A source of Poisson spike trains. Out: events (counts). ``shared=True`` gives all samples of a batch the same trains."""

    rate: Value = param(20.0, unit="Hz", least=0.0, role="rate", gradient=False)

    noise = {"u": "poisson"}

    def discretise(self, p: Bag, dt: float) -> PoissonCoeffs:
        return PoissonCoeffs(p.rate * dt)

    def emit(self, state: Any, x: Bag, p: Bag, c: PoissonCoeffs) -> tuple[Units, Any]:
        return x.u, state
