"""NMDA synapse: a slow conductance that magnesium blocks unless the target is depolarised.

The conductance of the double exponential (see `conductance_rising`) is multiplied by the fraction of receptors that is not
blocked,

``B(v) = 1 / (1 + ([Mg] / 3.57 mM) exp(-0.062 v / mV)) = sigmoid(62 v / V - ln([Mg] / 3.57 mM))``,

with v of the target at the start of the slot (order 1 in dt). Into a port for conductances with a reversal potential of 0 V; v
is the membrane's true voltage in volt.

Source: Jahr & Stevens, J. Neurosci. 10:3178 (1990), for the block. A rise of 2 ms and a decay of 100 ms are those of Wang, J.
Neurosci. 19:9587 (1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections
from .conductance_rising import RisingCoeffs, RisingConductance, RisingState

HALF_BLOCK = 3.57  # mol/m^3 (mM): concentration that blocks half of the receptors at 0 V
STEEPNESS = 62.0  # 1/V
NO_MAGNESIUM = -100.0  # ln of a concentration that blocks nothing


class NMDACoeffs(NamedTuple):
    conductance: RisingCoeffs
    log_mg: Connections  # ln([Mg] / 3.57 mM)


def unblocked(v: Tensor, log_mg: Tensor) -> Tensor:
    """Return the fraction of receptors that magnesium does not block.

    Args:
        v: voltage of the target, V.
        log_mg: ln of the concentration over 3.57 mM.
    """
    return torch.sigmoid(STEEPNESS * v - log_mg)


@dataclass(frozen=True)
class NMDASynapse(RisingConductance):
    """A slow synapse with magnesium block. In: events; reads v (V) of its target. Out: conductance (S)."""

    tau: Value = param(100e-3, unit="s", above=0.0, role="time constant")
    tau_rise: Value = param(2e-3, unit="s", above=0.0, role="time constant")
    mg: Value = param(1.0, unit="mol/m^3", least=0.0, role="concentration", gradient=False)
    side: str = option("post", choices=("post", "connection"))

    reads: ClassVar[tuple[str, ...]] = ("v",)

    def times(self, p: Bag) -> tuple[Tensor, Tensor]:
        return p.tau, p.tau_rise

    def discretise(self, p: Bag, dt: float) -> NMDACoeffs:  # type: ignore[override]
        return NMDACoeffs(super().discretise(p, dt), torch.log(p.mg / HALF_BLOCK).clamp(min=NO_MAGNESIUM))

    def receive(self, state: RisingState, x: Bag, p: Bag, c: NMDACoeffs) -> RisingState:  # type: ignore[override]
        return super().receive(state, x, p, c.conductance)

    def step(self, state: RisingState, x: Bag, p: Bag, c: NMDACoeffs) -> tuple[Connections, RisingState]:  # type: ignore[override]
        g, after = super().step(state, x, p, c.conductance)
        return g * unblocked(x.v, c.log_mg), after
