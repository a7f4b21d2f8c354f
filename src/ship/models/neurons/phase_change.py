"""Stochastic phase-change neuron: a memory cell that crystallises pulse by pulse, and melts when it fires.

The membrane is the thickness u (m) of the amorphous region in the cell. An input is a crystallising pulse of a certain duration
(s), during which the crystal grows with ``speed``: ``u <- max(u - speed duration, 0)``. The cell fires where u <= u_fire, that
is where its conductance passes a threshold; it is then melted and quenched, and u starts from a new value, ``u <- max(u_reset +
sigma xi, 0)``, xi standard normal: each reset freezes other atoms in other places, which makes the number of pulses until the
next spike random. Nothing leaks, so the slots may have any length.

With one pulse of duration w in each slot the interval is ``n = max(1, ceil((u - u_fire) / (speed w)))`` slots for the u of the
reset, so ``P(n <= m) = Phi((m speed w + u_fire - u_reset) / sigma)``.

The distance to threshold is relative, ``(u_fire - u) / u_reset``, so that surrogates have slopes of order 1. The number xi of a
reset is drawn in the slot before it; a unit that fires in the very first slot starts again from u_reset.

Sources: Tuma, Pantazi, Le Gallo, Sebastian & Eleftheriou, Nat. Nanotechnol. 11:693 (2016), for the neuron and its random reset;
Sebastian et al., Nat. Commun. 8:1115 (2017), fig. 2, for the thickness u, which moves with the growth velocity v_g at the
temperature of the interface, that of the pulse's power and of a thermal resistance. Here v_g is one number, ``speed``: in a
cell the thermal resistance depends on u, and v_g with it. The defaults are round numbers for ten pulses of 20 ns, not a
measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import Port, State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import SpikingNeuron, Units


class PhaseChangeState(NamedTuple):
    u: Units  # m, amorphous thickness
    fresh: Units  # m, the thickness that the next reset will leave


@dataclass(frozen=True)
class PhaseChangeNeuron(SpikingNeuron):
    """A stochastic neuron made of a phase-change cell. In: impulses, the durations of pulses (s). Out: events, 0 or 1."""

    u_reset: Value = param(30e-9, unit="m", above=0.0, role="thickness")
    sigma: Value = param(3e-9, unit="m", least=0.0, role="noise")
    u_fire: Value = param(10e-9, unit="m", least=0.0, role="threshold")
    speed: Value = param(0.1, unit="m/s", least=0.0, role="growth")

    ports = {"impulse": Port("events", "s", "the duration of a crystallising pulse; a negative one does nothing")}
    states = declare_states(PhaseChangeState, u=State("u_reset", unit="m", held=True), fresh=State("u_reset", unit="m"))
    noise = {"xi": "normal"}

    def receive(self, state: PhaseChangeState, jump: Units, p: Bag) -> PhaseChangeState:
        grown = p.speed * jump.clamp(min=0.0)
        return PhaseChangeState((state.u - grown).clamp(min=0.0), state.fresh)

    def margin(self, state: PhaseChangeState, p: Bag) -> Units:
        return (p.u_fire - state.u) / p.u_reset

    def reset(self, state: PhaseChangeState, fired: Units, p: Bag) -> PhaseChangeState:
        return PhaseChangeState(torch.where(fired, state.fresh, state.u), state.fresh)

    def evolve(self, state: PhaseChangeState, x: Bag, p: Bag, c: None) -> PhaseChangeState:
        return PhaseChangeState(state.u, (p.u_reset + p.sigma * x.xi).clamp(min=0.0))
