"""The Poisson source of the publication: at most one event a slot, with probability ``rate dt``.

For a rate that is not far below 1 / dt it has fewer events than a Poisson process: take `PoissonSource` for new work. Random
numbers are those of the network, keyed by seed and tag, so that trains of the original, which drew from the global generator, are
replayed through a `SpikeInput`.

Source: Gemo, Brivio, Spiga, component models of SHIP (2024): poissonN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch

from ...base.errors import ParameterError
from ...base.parameters import Kind, Value, param
from ...base.parameters.bag import Bag
from ..contract import Source, Units


class BernoulliCoeffs(NamedTuple):
    p: Units  # probability of an event in a slot


@dataclass(frozen=True)
class BernoulliSource(Source):
    """The source `poissonN` of the publication. Out: events, 0 or 1."""

    rate: Value = param(100.0, unit="Hz", least=0.0, role="rate", gradient=False)

    emits: ClassVar[Kind] = "events"
    noise = {"u": "uniform"}

    def discretise(self, p: Bag, dt: float) -> BernoulliCoeffs:
        if bool((p.rate * dt > 1).any()):
            got = f"{float(p.rate.max()):g} Hz at dt = {dt:g} s"
            raise ParameterError("BernoulliSource.rate", "must be at most 1 / dt", got=got, fix="Use ship.PoissonSource.")
        return BernoulliCoeffs(p.rate * dt)

    def emit(self, state: Any, x: Bag, p: Bag, c: BernoulliCoeffs) -> tuple[Units, Any]:
        return torch.where(x.u < c.p, 1.0, 0.0), state
