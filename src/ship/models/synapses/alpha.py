"""Alpha synapse: each event starts a current ``weight * t / tau^2 * exp(-t / tau)``, total ``weight`` (V), peak at t = tau.

``di/dt = a - i / tau``, ``da/dt = -a / tau``, an event adds ``weight / tau^2`` to a. Over a slot, with ``z = dt / tau``:
charge ``i tau (1 - e^-z) + a tau^2 (1 - (1 + z) e^-z)``; ``i <- (i + a dt) e^-z``; ``a <- a e^-z``. All exact (see `integrals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse
from ..integrals import lost, spread, triple


class AlphaState(NamedTuple):
    i: Connections  # V/s
    a: Connections  # V/s^2


class AlphaCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-z)
    feed: Connections  # s, dt * exp(-z)
    gain: Connections  # 1 / tau^2
    charge_i: Connections  # s
    charge_a: Connections  # s^2


@dataclass(frozen=True)
class AlphaSynapse(Synapse):
    """A synapse with an alpha-shaped current. In: events. Out: charge (V per slot)."""

    tau: Value = param(5e-3, unit="s", above=0.0, role="time constant")

    states = AlphaState(i=State(0.0, unit="V/s"), a=State(0.0, unit="V/s^2"))  # type: ignore[arg-type]

    def discretise(self, p: Bag, dt: float) -> AlphaCoeffs:
        z = dt / p.tau
        return AlphaCoeffs(lost(z), dt * torch.exp(-z), p.tau**-2, dt * spread(z), dt * dt * triple(torch.zeros_like(z), z, z))

    def receive(self, state: AlphaState, x: Bag, p: Bag, c: AlphaCoeffs) -> AlphaState:
        return AlphaState(state.i, state.a + x.value * c.gain)

    def step(self, state: AlphaState, x: Bag, p: Bag, c: AlphaCoeffs) -> tuple[Connections, AlphaState]:
        i, a = state
        return i * c.charge_i + a * c.charge_a, AlphaState(i - i * c.lost + a * c.feed, a - a * c.lost)
