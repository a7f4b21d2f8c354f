"""The integrate-and-fire neurons and the integrator of the publication.

In slot k, ``beta = exp(-dt / tau)``, with the charge of the same slot, which is not filtered:

advance         1. integrate  ``u <- max(u beta + charge, 0)``; 0 where the unit is blocked, and its input is lost
emit            2. compare    ``spike = 1 where u >= v_th``; u stays above threshold, so that a spike is seen in it
                3. block      the slot after a spike (``refractory="slot"``), or while a countdown of ``refr_time`` is above 0
                              (``refractory="countdown"``): it starts at a spike and loses dt in each slot, so that
                              ``ceil(refr_time / dt)`` slots are blocked, none where ``refr_time`` is 0

The countdown keeps its seconds when dt changes. The floor at 0 cuts gradients, as in the original. A unit that rests at
``u_rest`` (`RestLIF2024`, `RestLIF2024c`) is floored at 0 as well, so that a negative rest is no rest: it jumps to 0 in the first
slot.

Source: Gemo, Brivio, Spiga, component models of SHIP (2024): liN, lifN, lifN_b, lifN_c, refractory_variabletimestep.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import Kind, Port, State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Neuron, SpikingNeuron, Units
from ..surrogate import FastSigmoid, Surrogate


class State2024(NamedTuple):
    u: Units  # V, membrane voltage
    wait: Units  # s, countdown after a spike, before the slot that just ended is taken off it
    last: Units  # s, length of the slot that just ended


class Coeffs2024(NamedTuple):
    beta: Units
    dt: Units  # s


def _coefficients(p: Bag, dt: float) -> Coeffs2024:
    return Coeffs2024(torch.exp(-dt / p.tau), torch.full_like(p.tau, dt))


@dataclass(frozen=True)
class Neuron2024(SpikingNeuron):
    """The base class of the spiking neurons of the publication: all but the voltage within a slot."""

    tau: Value = param(1e-3, unit="s", above=0.0, role="time constant")
    v_th: Value = param(1.0, unit="V", role="threshold")
    refr_time: Value = param(0.0, unit="s", least=0.0, role="refractory time", gradient=False)
    refractory: str = option("slot", choices=("slot", "countdown"))
    emit_order: str = option("after", choices=("after",))
    surrogate: Surrogate = option(FastSigmoid(100.0))

    ports = {"charge": Port("charge", "V")}
    states = declare_states(State2024, u=State(0.0, unit="V"), wait=State(0.0, unit="s"), last=State(0.0, unit="s"))

    def discretise(self, p: Bag, dt: float) -> Coeffs2024:
        return _coefficients(p, dt)

    def receive(self, state: State2024, jump: Units, p: Bag) -> State2024:
        return state

    def margin(self, state: State2024, p: Bag) -> Units:
        return state.u - p.v_th

    def reset(self, state: State2024, fired: Units, p: Bag) -> State2024:
        start = p.refr_time if self.refractory == "countdown" else torch.ones_like(state.wait)
        return State2024(state.u, torch.where(fired, start, state.wait), state.last)

    def evolve(self, state: State2024, x: Bag, p: Bag, c: Coeffs2024) -> State2024:
        free = state.wait <= 0
        wait = state.wait - state.last if self.refractory == "countdown" else torch.zeros_like(state.wait)
        u = torch.where(free, self.integrated(state.u, x.charge, p, c), self.blocked(state.u, p))
        return State2024(u, torch.where(free, state.wait, wait), c.dt + torch.zeros_like(state.last))

    @abstractmethod
    def integrated(self, u: Units, charge: Units, p: Bag, c: Coeffs2024) -> Units:
        """Return the voltage (V) at the end of a slot in which the unit is not blocked."""

    def blocked(self, u: Units, p: Bag) -> Units:
        """Return the voltage (V) of a unit that is blocked."""
        return torch.zeros_like(u)


@dataclass(frozen=True)
class LIF2024(Neuron2024):
    """The neuron `lifN` of the publication, which rests at 0. In: charge (V per slot). Out: events, 0 or 1."""

    def integrated(self, u: Units, charge: Units, p: Bag, c: Coeffs2024) -> Units:
        return (u * c.beta + charge).clamp(min=0.0)


@dataclass(frozen=True)
class RestLIF2024(Neuron2024):
    """The neuron `lifN_b` of the publication, which rests at ``u_rest`` and returns there. In: charge. Out: events."""

    u_rest: Value = param(0.0, unit="V", role="voltage")

    def integrated(self, u: Units, charge: Units, p: Bag, c: Coeffs2024) -> Units:
        return p.u_rest + torch.maximum((u - p.u_rest) * c.beta + charge, -p.u_rest)

    def blocked(self, u: Units, p: Bag) -> Units:
        return p.u_rest + torch.zeros_like(u)


@dataclass(frozen=True)
class RestLIF2024c(Neuron2024):
    """The neuron `lifN_c` of the publication: `lifN_b` computed from rest. In: charge. Out: events.

    Its state ``u`` is the distance to rest. Its reset voltage ``ur`` was never used and is left out.
    """

    u_rest: Value = param(0.0, unit="V", role="voltage")

    def margin(self, state: State2024, p: Bag) -> Units:
        return state.u - (p.v_th - p.u_rest)

    def integrated(self, u: Units, charge: Units, p: Bag, c: Coeffs2024) -> Units:
        return torch.maximum(u * c.beta + charge, -p.u_rest)


class Integrator2024State(NamedTuple):
    u: Units  # V


@dataclass(frozen=True)
class LeakyIntegrator2024(Neuron):
    """The integrator `liN` of the publication. In: charge (V per slot). Out: values, u at the end of the slot (V)."""

    tau: Value = param(1e-3, unit="s", above=0.0, role="time constant")
    emit_order: str = option("after", choices=("after",))

    emits: ClassVar[Kind] = "values"
    ports = {"charge": Port("charge", "V")}
    states = declare_states(Integrator2024State, u=State(0.0, unit="V"))

    def discretise(self, p: Bag, dt: float) -> Coeffs2024:
        return _coefficients(p, dt)

    def emit(self, state: Integrator2024State, jump: Units, p: Bag, c: Coeffs2024) -> tuple[Units, Integrator2024State]:
        return state.u, state

    def advance(self, state: Integrator2024State, x: Bag, p: Bag, c: Coeffs2024) -> Integrator2024State:
        return Integrator2024State((state.u * c.beta + x.charge).clamp(min=0.0))
