"""Eligibility propagation (e-prop): a gradient that needs no way back in time.

The derivative of a spike by a weight is a trace that runs forward with the network. The modulator, one unit for each target unit,
says how the loss changes with each spike: ``L``, the learning signal. In slot k:

at t_k          1. response     ``r``, the derivative of the voltage by the weight (`response`)
                2. eligibility  ``e = psi(margin) r``, psi the pseudo-derivative of the target's surrogate
                3. filter       ``f <- f + e``, f decays with ``tau_readout``
                4. weight       ``dw = -rate L f``
the slot        5. response     0 where the target spiked (its reset forgets what came before); then decay and charge; f decays

For a layer of LIF units without recurrence, and a readout that leaks with ``tau_readout``, ``sum_k L f`` is the gradient that
backpropagation through time gives, with the surrogate of the target, its reset held constant, and weights that do not change
within the run. It holds for a target without refractory time. In recurrent networks, and with random ``L``, it is an
approximation.

Source: Bellec et al., Nat. Commun. 11:3625 (2020), eq. 1, 4, 21 to 24. A hard reset in the place of a subtraction is why r is
set to 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from ..integrals import lost
from ..surrogate import FastSigmoid, Surrogate
from .response import ResponseCoeffs, felt, flowed, response_coefficients


class EPropState(NamedTuple):
    charge: Connections  # [..., pre, 1], still to flow
    response: Connections
    filtered: Connections  # 1/V


class EPropCoeffs(NamedTuple):
    response: ResponseCoeffs
    lost: Connections


@dataclass(frozen=True)
class EProp(Rule):
    """A rule of eligibility propagation (e-prop), with a learning signal for each target unit as its third factor."""

    w_min: Value = param(-1.0, unit="V", gradient=False)
    rate: Value = param(1e-3, least=0.0, role="learning rate", gradient=False)
    tau: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False, infinite=True)
    tau_synapse: Value = param(5e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_readout: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False, infinite=True)
    synapse: str = option("exponential", choices=("exponential", "impulse"))
    surrogate: Surrogate = option(FastSigmoid())

    reads: ClassVar[tuple[str, ...]] = ("margin",)
    modulated: ClassVar[bool] = True
    states = declare_states(
        EPropState,
        charge=State(0.0, on="pre"),
        response=State(0.0, on="connection"),
        filtered=State(0.0, unit="1/V", on="connection"),
    )

    def discretise(self, p: Bag, dt: float) -> EPropCoeffs:
        return EPropCoeffs(response_coefficients(p, dt), lost(dt / p.tau_readout))

    def update(self, state: EPropState, x: Bag, w: Connections, p: Bag, c: EPropCoeffs) -> tuple[Connections, EPropState]:
        response = felt(state.response, x.pre, self.synapse)
        filtered = state.filtered + self.surrogate.derivative(x.margin) * response
        left = torch.where(x.post > 0, torch.zeros_like(response), response)
        charge, after = flowed(state.charge, left, x.pre, self.synapse, c.response)
        return -p.rate * x.modulator * filtered, EPropState(charge, after, filtered - filtered * c.lost)
