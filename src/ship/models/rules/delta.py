"""The delta rule on a graded readout: least mean squares, slot by slot.

The modulator says what the readout should be. In slot k: ``dw = rate dt (modulator - y) r``, y the level of the target, r the
response of its membrane to a connection of weight 1 (`response`), the derivative of y by the weight. So the change follows the
gradient of ``sum_k dt (modulator - y)^2 / 2`` downwards, exactly while the weights stand still. Give ``tau`` and ``tau_synapse``
of the readout and its synapse.

Source: Widrow & Hoff, IRE WESCON Conv. Rec. 4:96 (1960); on spikes, Gerstner et al., *Neuronal Dynamics* (2014), sec. 19.3, for
errors times presynaptic traces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import Kind, State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from .response import ResponseCoeffs, felt, flowed, response_coefficients


class DeltaState(NamedTuple):
    charge: Connections  # [..., pre, 1], still to flow
    response: Connections  # [..., pre, 1]


class DeltaCoeffs(NamedTuple):
    response: ResponseCoeffs
    dt: Connections


@dataclass(frozen=True)
class DeltaRule(Rule):
    """A delta rule (least mean squares) for targets that do not spike; the modulator is the level that they should have."""

    w_min: Value = param(-1.0, unit="V", gradient=False)
    rate: Value = param(1.0, unit="1/s", least=0.0, role="learning rate", gradient=False)
    tau: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False, infinite=True)
    tau_synapse: Value = param(5e-3, unit="s", above=0.0, role="time constant", gradient=False)
    synapse: str = option("exponential", choices=("exponential", "impulse"))

    learns_from: ClassVar[tuple[Kind, ...]] = ("values",)
    modulated: ClassVar[bool] = True
    states = declare_states(DeltaState, charge=State(0.0, on="pre"), response=State(0.0, on="pre"))

    def discretise(self, p: Bag, dt: float) -> DeltaCoeffs:
        return DeltaCoeffs(response_coefficients(p, dt), torch.full_like(p.tau, dt))

    def update(self, state: DeltaState, x: Bag, w: Connections, p: Bag, c: DeltaCoeffs) -> tuple[Connections, DeltaState]:
        response = felt(state.response, x.pre, self.synapse)
        change = p.rate * c.dt * (x.modulator - x.post) * response
        return change, DeltaState(*flowed(state.charge, response, x.pre, self.synapse, c.response))
