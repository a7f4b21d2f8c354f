"""LIF neuron with escape noise: it spikes at random, the more likely the nearer the voltage is to its threshold.

``tau dv/dt = v_rest - v + tau i``; hazard ``r(v) = exp((v - v_th) / delta) / tau_escape``; ``v <- v_reset`` at a spike. At t_k
a unit spikes with the probability ``1 - exp(-r(v) dt)``, so rates and intervals do not depend on dt where v changes little in a
slot (order 1 otherwise). It is the same as a threshold that is drawn afresh in each slot: with u uniform in (0, 1) it spikes
where ``v >= v_th + theta``, ``theta = delta ln(-ln(1 - u) tau_escape / dt)``. So the surrogate sees a distance in volts, and a
surrogate of area 1 (`Sigmoid`, `ATan`, ...) gives on average the gradient of the spike probability, smoothed over its width.

theta is drawn for the slot that ends at t_k; in the first slot after a reset of the network there is none, and v is compared with
v_th itself. ``delta = 0`` makes it a LIF neuron.

Source: Plesser & Gerstner, Neural Comput. 12:367 (2000); Gerstner et al., *Neuronal Dynamics* (2014), sec. 9.1 and eq. 9.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from .lif import IntegrateAndFire, LIFCoeffs, lif_coefficients, lif_evolved

RANGE = (1e-30, 40.0)  # of -ln(1 - u): what is beyond has a probability below 1e-17, and 1 - u may round to 0 or 1


class EscapeState(NamedTuple):
    v: Units  # V
    theta: Units  # V, the threshold drawn for this slot, above v_th


class EscapeCoeffs(NamedTuple):
    lif: LIFCoeffs
    log_slots: Units  # ln(tau_escape / dt)


@dataclass(frozen=True)
class EscapeLIF(IntegrateAndFire):
    """A LIF neuron with escape noise of an exponential hazard. In: impulses (V) and charge (V per slot). Out: events, 0 or 1."""

    delta: Value = param(0.1, unit="V", least=0.0, role="noise")
    tau_escape: Value = param(10e-3, unit="s", above=0.0, role="time constant")

    noise = {"u": "uniform"}
    states = declare_states(EscapeState, v=State("v_rest", unit="V", held=True), theta=State(0.0, unit="V"))

    def discretise(self, p: Bag, dt: float) -> EscapeCoeffs:
        return EscapeCoeffs(lif_coefficients(p, dt), torch.log(p.tau_escape / dt))

    def margin(self, state: EscapeState, p: Bag) -> Units:
        return state.v - p.v_th - state.theta

    def evolve(self, state: EscapeState, x: Bag, p: Bag, c: EscapeCoeffs) -> EscapeState:
        drawn = (-torch.log1p(-x.u)).clamp(*RANGE)
        theta = p.delta * (torch.log(drawn) + c.log_slots)
        return EscapeState(lif_evolved(state.v, x.charge, p, c.lif), theta)
