"""LIF neuron with a white noise current, the same process at any time step.

``tau dv = (v_rest - v) dt + tau i dt + sigma sqrt(2 tau) dW``: without threshold v has the standard deviation ``sigma`` and the
autocorrelation ``sigma^2 exp(-|s| / tau)``. The exact update adds ``sigma sqrt(1 - exp(-2 z)) xi`` in each slot, xi standard
normal.

Source: Uhlenbeck & Ornstein, Phys. Rev. 36:823 (1930); Gillespie, Phys. Rev. E 54:2084 (1996), eq. 1.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.errors import ParameterError
from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Units
from ..integrals import lost
from .lif import LIF, LIFCoeffs, LIFState


class NoisyCoeffs(NamedTuple):
    lif: LIFCoeffs
    kick: Units  # V, standard deviation of the noise of one slot


@dataclass(frozen=True)
class NoisyLIF(LIF):
    """LIF with current noise. In: impulses (V) and charge (V per slot). Out: events, 0 or 1."""

    sigma: Value = param(0.1, unit="V", least=0.0, role="noise")

    noise = {"xi": "normal"}

    def check(self, where: str, p: Bag) -> None:
        if bool((torch.isinf(p.tau) & (p.sigma > 0)).any()):
            raise ParameterError(
                f"{where}.tau",
                "must be finite where sigma is above 0, the deviation that v reaches after many tau",
                got="inf",
                fix="A long tau takes noise of s volt per root second as sigma = s * sqrt(tau / 2).",
            )

    def discretise(self, p: Bag, dt: float) -> NoisyCoeffs:  # type: ignore[override]
        return NoisyCoeffs(super().discretise(p, dt), p.sigma * torch.sqrt(lost(2 * dt / p.tau)))

    def evolve(self, state: LIFState, x: Bag, p: Bag, c: NoisyCoeffs) -> LIFState:  # type: ignore[override]
        return LIFState(super().evolve(state, x, p, c.lif).v + c.kick * x.xi)
