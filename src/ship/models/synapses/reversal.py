"""Reversal synapse: a conductance that pulls its target towards ``e``, onto any neuron with a port for charge.

``i = g (e - v)``, g in 1/s (a conductance over the capacitance of the membrane); an event adds ``weight / tau`` to g, which
decays with ``tau``. In slot k, with v of the target at t_k (after its reset) and ``G = g tau (1 - exp(-z))``, the integral of g
over the slot: the charge is ``(1 - exp(-G)) (e - v)``, the exact response of a membrane without leak, which never passes e
however large G. So one event moves a membrane without leak by the fraction ``1 - exp(-weight)`` of its way to e. With a leak v
changes within the slot by itself, and the order in dt is 1; a neuron with ports for conductances solves both together
(`ConductanceExp`, order 2).

Source: Gerstner et al., *Neuronal Dynamics* (2014), sec. 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse
from ..integrals import lost
from .exponential import ExpCoeffs, slot_charge


class ReversalState(NamedTuple):
    g: Connections  # 1/s, conductance over capacitance


@dataclass(frozen=True)
class ReversalSynapse(Synapse):
    """A synapse with a reversal potential. In: events; reads v (V) of its target. Out: charge (V per slot)."""

    weight: Value = param(0.1, least=0.0, role="weight", per="connection")
    tau: Value = param(5e-3, unit="s", above=0.0, role="time constant")
    e: Value = param(2.0, unit="V", role="reversal potential")
    side: str = option("post", choices=("post", "connection"))

    unit: ClassVar[str] = "V"
    reads: ClassVar[tuple[str, ...]] = ("v",)
    states = declare_states(ReversalState, g=State(0.0, unit="1/s"))

    def discretise(self, p: Bag, dt: float) -> ExpCoeffs:
        return ExpCoeffs(lost(dt / p.tau), 1 / p.tau, slot_charge(p.tau, None, dt))

    def receive(self, state: ReversalState, x: Bag, p: Bag, c: ExpCoeffs) -> ReversalState:
        return ReversalState(state.g + x.value * c.gain)

    def step(self, state: ReversalState, x: Bag, p: Bag, c: ExpCoeffs) -> tuple[Connections, ReversalState]:
        return lost(state.g * c.charge) * (p.e - x.v), ReversalState(state.g - state.g * c.lost)
