"""Exponential synapse: each event starts a current ``weight / tau * exp(-t / tau)``.

The total charge of an event is ``weight`` (V), whatever tau. In slot k: events at t_k add to the current; the slot's charge is
its exact integral, ``i tau (1 - exp(-z))``, ``z = dt / tau``; the current loses the fraction ``1 - exp(-z)``. With
``drive="exact"`` into a linear membrane the charge is ``i dt pair / spread`` (see `integrals`), which makes the response
independent of dt for events on the grid.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse, exact_membrane
from ..integrals import lost, pair, spread


class ExpState(NamedTuple):
    i: Connections  # V/s, synaptic current


class ExpCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-z)
    gain: Connections  # 1 / tau, 1/s
    charge: Connections  # s, charge of the slot per unit of current at its start


def slot_charge(tau: torch.Tensor, membrane: torch.Tensor | None, dt: float) -> torch.Tensor:
    """Compute the charge of a slot (s) per unit of the current at its start; exact for a linear membrane where one is given."""
    z = dt / tau
    if membrane is None:
        return dt * spread(z)
    return dt * pair(z, dt / membrane) / spread(dt / membrane)


@dataclass(frozen=True)
class ExponentialCurrent(Synapse, ABC):
    """The base class of synapses whose events start an exponential current: everything but what an event starts."""

    tau: Value = param(5e-3, unit="s", above=0.0, role="time constant")
    drive: str = option("charge", choices=("charge", "exact"))

    states = declare_states(ExpState, i=State(0.0, unit="V/s"))

    def discretise(self, p: Bag, dt: float) -> ExpCoeffs:
        membrane = exact_membrane(self, p, self.drive)
        return ExpCoeffs(lost(dt / p.tau), 1 / p.tau, slot_charge(p.tau, membrane, dt))

    def step(self, state: ExpState, x: Bag, p: Bag, c: ExpCoeffs) -> tuple[Connections, ExpState]:
        return state.i * c.charge, ExpState(state.i - state.i * c.lost)


@dataclass(frozen=True)
class ExpSynapse(ExponentialCurrent):
    """A synapse with an exponential (first-order) current. In: events. Out: charge (V per slot)."""

    def receive(self, state: ExpState, x: Bag, p: Bag, c: ExpCoeffs) -> ExpState:
        return ExpState(state.i + x.value * c.gain)
