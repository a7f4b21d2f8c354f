"""Exponential integrate-and-fire neuron (EIF): a leaky membrane with the upswing of its spike.

``tau dv/dt = v_rest - v + delta_t exp((v - v_t) / delta_t) + tau i``; spike where ``v >= v_peak``: ``v <- v_reset``. Over a
slot the right-hand side f is replaced by its tangent at the slot's start, whose solution is exact: ``v <- v + f (exp(J) - 1) /
J`` with f in V per slot and ``J = (exp((v - v_t) / delta_t) - 1) dt / tau`` (exponential Rosenbrock-Euler, order 2 in dt below
threshold). The upswing is never negative, so v stays at or above what the leak alone would give; where it ends above v_peak (at
most as far as v_reset is below, `topped`) the unit spikes at the slot's end. In the limit of a small delta_t it is the leaky
neuron that spikes where it crosses v_t.

A constant current above ``(v_t - v_rest - delta_t) / tau`` makes it spike for ever.

Source: Fourcaud-Trocme, Hansel, van Vreeswijk & Brunel, J. Neurosci. 23:11628 (2003); the defaults are theirs, with the cut at
-30 mV. The step: Hochbruck & Ostermann, Acta Numerica 19:209 (2010), sec. 2.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from ..integrals import spread
from .lif import LIFCoeffs, lif_coefficients, lif_evolved
from .peaked import PeakedNeuron, topped

STEEPEST = 30.0  # exponent of the upswing: 1e13 times delta_t, past any peak
FASTEST = 20.0  # exponent of a slot


class EIFState(NamedTuple):
    v: Units  # V


class EIFCoeffs(NamedTuple):
    lif: LIFCoeffs
    z: Units  # dt / tau


@dataclass(frozen=True)
class EIF(PeakedNeuron):
    """An exponential integrate-and-fire neuron, with the upswing of its spikes. In: impulses (V) and charge (V per slot). Out:
    events, 0 or 1."""

    tau: Value = param(10e-3, unit="s", above=0.0, role="time constant")
    v_rest: Value = param(-65e-3, unit="V", role="voltage")
    v_t: Value = param(-59.9e-3, unit="V", role="threshold")
    delta_t: Value = param(3.48e-3, unit="V", above=0.0, role="voltage")
    v_peak: Value = param(-30e-3, unit="V", role="voltage")
    v_reset: Value = param(-68e-3, unit="V", role="voltage")

    states = declare_states(EIFState, v=State("v_rest", unit="V", held=True))

    def discretise(self, p: Bag, dt: float) -> EIFCoeffs:
        return EIFCoeffs(lif_coefficients(p, dt), dt / p.tau)

    def evolve(self, state: EIFState, x: Bag, p: Bag, c: EIFCoeffs) -> EIFState:
        v = state.v
        steep = torch.exp(((v - p.v_t) / p.delta_t).clamp(max=STEEPEST))
        change = ((p.v_rest - v + p.delta_t * steep) * c.z + x.charge) * spread(((1 - steep) * c.z).clamp(min=-FASTEST))
        leaking = lif_evolved(v, x.charge, p, c.lif)
        after = torch.where(v + change < leaking, leaking, v + change)
        return EIFState(topped(after, None, p.v_peak, p.v_reset))
