"""Exponential conductance: an event raises a conductance by ``weight`` (S), into a neuron's port for conductances.

``dg/dt = -g / tau``. The neuron knows the reversal potential and solves its voltage under the conductance. What it is given is
the exact mean of the conductance over the slot, ``g spread(z)``, ``z = dt / tau``: with a voltage that is solved exactly under
a constant conductance it then converges with order 2 in dt, where the conductance at the start of the slot would give order 1.
Then the conductance loses the fraction ``1 - exp(-z)``.

Source: Roth & van Rossum, Modeling synapses, in De Schutter (ed.), *Computational Modeling Methods for Neuroscientists* (2009).
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ...base.parameters import Kind, State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse
from ..integrals import lost, spread


class ExpConductanceState(NamedTuple):
    g: Connections  # S


class ExpConductanceCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-z)
    mean: Connections  # of the slot, per unit of g at its start


@dataclass(frozen=True)
class Conductance(Synapse, ABC):
    """The base class of synapses whose weight is a conductance. In: events. Out: a level, in siemens."""

    weight: Value = param(1e-9, unit="S", role="weight", per="connection")

    unit: ClassVar[str] = "S"

    def emits_for(self, kind: Kind) -> Kind:
        return "values"


@dataclass(frozen=True)
class ConductanceExp(Conductance):
    """A synapse with a conductance that jumps and decays. In: events. Out: conductance (S), its mean over the slot."""

    tau: Value = param(5e-3, unit="s", above=0.0, role="time constant")

    states = declare_states(ExpConductanceState, g=State(0.0, unit="S"))

    def discretise(self, p: Bag, dt: float) -> ExpConductanceCoeffs:
        return ExpConductanceCoeffs(lost(dt / p.tau), spread(dt / p.tau))

    def receive(self, state: ExpConductanceState, x: Bag, p: Bag, c: ExpConductanceCoeffs) -> ExpConductanceState:
        return ExpConductanceState(state.g + x.value)

    def step(
        self, state: ExpConductanceState, x: Bag, p: Bag, c: ExpConductanceCoeffs
    ) -> tuple[Connections, ExpConductanceState]:
        return state.g * c.mean, ExpConductanceState(state.g - state.g * c.lost)
