"""Graded synapse: release that follows a voltage without spikes.

The share of open channels s follows ``tau ds/dt = s_inf(v) - s``, ``s_inf = tanh((v - v_th) / v_slope)`` above ``v_th`` and 0
below it, v the level that arrives from a source unit. The current is ``weight s`` (V/s). Each slot is solved exactly for a
level that is held over it: with ``z = dt / tau`` the output is the mean over the slot, ``s + (s_inf - s) (1 - spread(z))``, and
``s <- s + (s_inf - s) (1 - exp(-z))``.

Source: the rectified tanh is the release of the graded synapses of retina models, e.g. Publio, Oliveira & Roque, PLoS ONE
4:e6970 (2009); here with a constant time constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import FanIn, Kind, State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse
from ..integrals import lost, triple


class GradedState(NamedTuple):
    s: Connections  # share of channels that is open


class GradedCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-z)
    rise: Connections  # 1 - (1 - exp(-z)) / z


@dataclass(frozen=True)
class GradedSynapse(Synapse):
    """A synapse that releases in proportion to a voltage. In: values (V). Out: values, a current (V/s)."""

    weight: Value = param(FanIn(), unit="V/s", role="weight", per="connection")
    tau: Value = param(5e-3, unit="s", above=0.0, role="time constant")
    v_th: Value = param(0.0, unit="V", role="threshold")
    v_slope: Value = param(0.5, unit="V", above=0.0, role="voltage")
    side: str = option("pre", choices=("pre",))

    accepts: ClassVar[tuple[Kind, ...]] = ("values",)
    states = declare_states(GradedState, s=State(0.0))

    def emits_for(self, kind: Kind) -> Kind:
        return "values"

    def discretise(self, p: Bag, dt: float) -> GradedCoeffs:
        z = dt / p.tau
        return GradedCoeffs(lost(z), z * triple(torch.zeros_like(z), torch.zeros_like(z), z))

    def step(self, state: GradedState, x: Bag, p: Bag, c: GradedCoeffs) -> tuple[Connections, GradedState]:
        aim = torch.tanh(((x.value - p.v_th) / p.v_slope).clamp(min=0.0))
        return state.s + (aim - state.s) * c.rise, GradedState(state.s + (aim - state.s) * c.lost)
