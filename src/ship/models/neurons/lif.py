"""Leaky integrate-and-fire (LIF) neuron.

``tau * dv/dt = v_rest - v + tau * i(t)``, ``i`` in V/s. In slot k:

emit at t_k     1. impulses   ``v <- v + jump``
                2. compare    ``spike = 1 where v >= v_th``
                3. reset      ``v <- v_reset`` where it spiked
advance         4. decay      ``v <- v + (v_rest - v) * (1 - exp(-z))``, ``z = dt / tau``   exact for any dt
                5. charge     ``v <- v + charge * (1 - exp(-z)) / z``                       exact for a current constant over the
                slot

The refractory time is shared by all spiking neurons (`SpikingNeuron`).
Source: Gerstner et al., *Neuronal Dynamics* (2014), sec. 1.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.parameters import Port, State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import SpikingNeuron, StateTuple, Units
from ..integrals import lost, spread


class LIFState(NamedTuple):
    v: Units  # V, membrane voltage


class LIFCoeffs(NamedTuple):
    lost: Units  # 1 - exp(-z), in [0, 1]
    spread: Units  # (1 - exp(-z)) / z, in (0, 1]


def lif_coefficients(p: Bag, dt: float) -> LIFCoeffs:
    """Return the coefficients of a slot of ``dt`` (s)."""
    z = dt / p.tau
    return LIFCoeffs(lost(z), spread(z))


def lif_evolved(v: Units, charge: Units, p: Bag, c: LIFCoeffs) -> Units:
    """Return the voltage (V) at the end of a slot in which ``charge`` (V) flows in."""
    return v + (p.v_rest - v) * c.lost + charge * c.spread


@dataclass(frozen=True)
class IntegrateAndFire(SpikingNeuron):
    """The base class of leaky integrate-and-fire neurons: everything but what happens within a slot, for any states with a v."""

    tau: Value = param(20e-3, unit="s", above=0.0, role="time constant", infinite=True)
    v_th: Value = param(1.0, unit="V", role="threshold")
    v_rest: Value = param(0.0, unit="V", role="voltage")
    v_reset: Value = param(0.0, unit="V", role="voltage")

    ports = {"impulse": Port("events", "V"), "charge": Port("charge", "V")}
    states: ClassVar[Any] = declare_states(LIFState, v=State("v_rest", unit="V", held=True))

    def receive(self, state: StateTuple, jump: Units, p: Bag) -> StateTuple:
        return state._replace(v=state.v + jump)

    def margin(self, state: StateTuple, p: Bag) -> Units:
        margin: Units = state.v - p.v_th
        return margin

    def reset(self, state: StateTuple, fired: Units, p: Bag) -> StateTuple:
        return state._replace(v=torch.where(fired, p.v_reset, state.v))

    def membrane(self, p: Bag) -> Tensor | None:
        tau: Tensor = p.tau
        return tau


@dataclass(frozen=True)
class LIF(IntegrateAndFire):
    """A leaky integrate-and-fire (LIF) neuron. In: impulses (V) and charge (V per slot). Out: events, 0 or 1."""

    def discretise(self, p: Bag, dt: float) -> LIFCoeffs:
        return lif_coefficients(p, dt)

    def evolve(self, state: LIFState, x: Bag, p: Bag, c: LIFCoeffs) -> LIFState:
        return LIFState(lif_evolved(state.v, x.charge, p, c))
