"""Integrate-and-fire neuron of analogue circuits: a linear leak, and a floor below which the voltage does not fall.

``dv/dt = i(t) - leak`` above ``v_floor``, where v stays as long as i is below the leak; i and leak are currents over the
capacitance of the membrane (V/s). In slot k:

emit at t_k     1. impulses   ``v <- max(v + jump, v_floor)``
                2. compare    ``spike = 1 where v >= v_th``
                3. reset      ``v <- v_reset`` where it spiked
advance         4. charge     ``v <- max(v + charge - leak dt, v_floor)``   exact for a current constant over the slot

The last step is exact with the floor, because v is monotone within a slot. Under a constant current above the leak the unit
fires with the frequency ``1 / (t_ref + (v_th - v_reset) / (i - leak))`` (with a capacitance C: ``C (v_th - v_reset) / (I -
I_leak)``), and never below it. Under white noise of mean current mu (less the leak) and variance sigma^2 per second, with
v_reset at the floor and theta above it, the mean interval is ``t_ref + theta / mu - sigma^2 / (2 mu^2) (1 - exp(-2 mu theta /
sigma^2))``.

Source: Fusi & Mattia, Neural Comput. 11:633 (1999), as used in circuits since Mead, *Analog VLSI and Neural Systems* (1989). The
defaults are round numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.errors import ParameterError
from ...base.parameters import Port, State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import SpikingNeuron, Units


class LinearLeakState(NamedTuple):
    v: Units  # V


class LinearLeakCoeffs(NamedTuple):
    leak: Units  # V, what leaks in a slot


@dataclass(frozen=True)
class LinearLeakLIF(SpikingNeuron):
    """An integrate-and-fire neuron with a linear leak and a floor. In: impulses (V), charge (V per slot). Out: events, 0 or 1."""

    leak: Value = param(10.0, unit="V/s", least=0.0, role="leak")
    v_th: Value = param(1.0, unit="V", role="threshold")
    v_reset: Value = param(0.0, unit="V", role="voltage")
    v_floor: Value = param(0.0, unit="V", role="voltage")

    ports = {"impulse": Port("events", "V"), "charge": Port("charge", "V")}
    states = declare_states(LinearLeakState, v=State("v_floor", unit="V", held=True))

    def check(self, where: str, p: Bag) -> None:
        floor, threshold = torch.broadcast_tensors(p.v_floor, p.v_th)
        bad = floor >= threshold
        if bool(bad.any()):
            raise ParameterError(
                f"{where}.v_floor",
                "must be below v_th, or the neuron would fire in each slot",
                got=f"{float(floor[bad][0]):g} V with v_th = {float(threshold[bad][0]):g} V",
                fix="Raise v_th.",
            )

    def discretise(self, p: Bag, dt: float) -> LinearLeakCoeffs:
        return LinearLeakCoeffs(p.leak * dt)

    def receive(self, state: LinearLeakState, jump: Units, p: Bag) -> LinearLeakState:
        return LinearLeakState(torch.maximum(state.v + jump, p.v_floor))

    def margin(self, state: LinearLeakState, p: Bag) -> Units:
        return state.v - p.v_th

    def reset(self, state: LinearLeakState, fired: Units, p: Bag) -> LinearLeakState:
        return LinearLeakState(torch.where(fired, p.v_reset, state.v))

    def evolve(self, state: LinearLeakState, x: Bag, p: Bag, c: LinearLeakCoeffs) -> LinearLeakState:
        return LinearLeakState(torch.maximum(state.v + (x.charge - c.leak), p.v_floor))
