"""Low-pass synapse: a first-order filter of the weighted sum of levels.

``tau dy/dt = x - y``, x the sum of the levels that arrive times ``weight``, held over each slot, for which the filter is exact:
with ``z = dt / tau`` the output is the mean of y over the slot, ``y + (x - y) (1 - spread(z))``, and
``y <- y + (x - y) (1 - exp(-z))``. An event filtered like this is the current of an `ExpSynapse`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import Kind, State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse
from ..integrals import lost, triple


class LowPassState(NamedTuple):
    y: Connections  # the unit of the levels


class LowPassCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-z)
    rise: Connections  # 1 - (1 - exp(-z)) / z


@dataclass(frozen=True)
class LowPass(Synapse):
    """A low-pass filter of graded signals. In: values. Out: values, the mean over the slot."""

    tau: Value = param(20e-3, unit="s", above=0.0, role="time constant")

    accepts: ClassVar[tuple[Kind, ...]] = ("values",)
    states = declare_states(LowPassState, y=State(0.0))

    def emits_for(self, kind: Kind) -> Kind:
        return "values"

    def discretise(self, p: Bag, dt: float) -> LowPassCoeffs:
        z = dt / p.tau
        return LowPassCoeffs(lost(z), z * triple(torch.zeros_like(z), torch.zeros_like(z), z))

    def step(self, state: LowPassState, x: Bag, p: Bag, c: LowPassCoeffs) -> tuple[Connections, LowPassState]:
        return state.y + (x.value - state.y) * c.rise, LowPassState(state.y + (x.value - state.y) * c.lost)
