"""Leaky integrator: a readout that never spikes.

``tau * dv/dt = v_rest - v + tau * i(t)``. Output of slot k: ``v(t_k)`` after the impulses of t_k, so what flows in the last slot
shows in the final state only. Decay and charge as in the LIF neuron.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from ...base.parameters import Kind, Port, State, Value, param
from ...base.parameters.bag import Bag
from ..contract import Neuron, Units
from ..integrals import lost, spread


class IntegratorState(NamedTuple):
    v: Units  # V


class IntegratorCoeffs(NamedTuple):
    lost: Units
    spread: Units


@dataclass(frozen=True)
class LeakyIntegrator(Neuron):
    """A leaky integrator, which never spikes. In: impulses (V) and charge (V per slot). Out: values, v(t_k) in V."""

    tau: Value = param(20e-3, unit="s", above=0.0, role="time constant", infinite=True)
    v_rest: Value = param(0.0, unit="V", role="voltage")

    emits: ClassVar[Kind] = "values"
    ports = {"impulse": Port("events", "V"), "charge": Port("charge", "V")}
    states = IntegratorState(v=State("v_rest", unit="V"))  # type: ignore[arg-type]

    def discretise(self, p: Bag, dt: float) -> IntegratorCoeffs:
        z = dt / p.tau
        return IntegratorCoeffs(lost(z), spread(z))

    def emit(self, state: IntegratorState, jump: Units, p: Bag, c: IntegratorCoeffs) -> tuple[Units, IntegratorState]:
        v = state.v + jump
        return v, IntegratorState(v)

    def advance(self, state: IntegratorState, x: Bag, p: Bag, c: IntegratorCoeffs) -> IntegratorState:
        return IntegratorState(state.v + (p.v_rest - state.v) * c.lost + x.charge * c.spread)

    def membrane(self, p: Bag) -> Tensor:
        return p.tau
