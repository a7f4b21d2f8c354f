"""Adaptive exponential integrate-and-fire neuron (AdEx) with conductance inputs.

``C dv/dt = g_L (E_L - v) + g_L D_T exp((v - v_T) / D_T) - w + g_e (E_e - v) + g_i (E_i - v)``
``tau_w dw/dt = a (v - E_L) - w``; spike where v >= v_cut: v <- v_reset, w <- w + b.

Over a slot, w is held in the equation of v and v in that of w; what is linear in v is then solved exactly and the exponential
enters as a current at the value of the slot's start (exponential Euler, order 1 in dt): with ``G = g_L + g_e + g_i``,
``v <- v + (v_inf - v) (1 - exp(-dt G / C))``. In the exponential v is clipped at v_cut, and ``D_T exp(...)`` at e^40 V, which
takes v past v_cut in any case. So the limit of a small D_T is the leaky neuron that spikes where it crosses v_T.

Source: Brette & Gerstner, J. Neurophysiol. 94:3637 (2005); the defaults are theirs, with the cut at 0 V.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from ..integrals import lost
from .conductances import ConductanceNeuron, relaxed

STEEPEST = 40.0  # ln of V: beyond any voltage, and neither that nor its slope overflows in float32


class AdExState(NamedTuple):
    v: Units  # V
    w: Units  # A, adaptation current


class AdExCoeffs(NamedTuple):
    rate: Units  # dt / C, s/F
    lost: Units  # 1 - exp(-dt / tau_w)
    log_slope: Units  # ln(D_T / 1 V)


@dataclass(frozen=True)
class AdEx(ConductanceNeuron):
    """An adaptive exponential integrate-and-fire neuron. In: conductances ``exc`` and ``inh`` (S), ``current`` (A).

    Out: events, 0 or 1.
    """

    c_m: Value = param(281e-12, unit="F", above=0.0, role="capacitance")
    g_leak: Value = param(30e-9, unit="S", above=0.0, role="conductance")
    e_leak: Value = param(-70.6e-3, unit="V", role="voltage")
    v_t: Value = param(-50.4e-3, unit="V", role="threshold")
    delta_t: Value = param(2e-3, unit="V", above=0.0, role="voltage")
    tau_w: Value = param(144e-3, unit="s", above=0.0, role="time constant")
    a: Value = param(4e-9, unit="S", role="adaptation")
    b: Value = param(80.5e-12, unit="A", role="adaptation")
    v_cut: Value = param(0.0, unit="V", role="voltage")
    v_reset: Value = param(-70.6e-3, unit="V", role="voltage")
    e_exc: Value = param(0.0, unit="V", role="reversal potential")
    e_inh: Value = param(-80e-3, unit="V", role="reversal potential")

    states = declare_states(AdExState, v=State("e_leak", unit="V", held=True), w=State(0.0, unit="A"))

    def discretise(self, p: Bag, dt: float) -> AdExCoeffs:
        return AdExCoeffs(dt / p.c_m, lost(dt / p.tau_w), torch.log(p.delta_t))

    def margin(self, state: AdExState, p: Bag) -> Units:
        return state.v - p.v_cut

    def reset(self, state: AdExState, fired: Units, p: Bag) -> AdExState:
        return AdExState(torch.where(fired, p.v_reset, state.v), torch.where(fired, state.w + p.b, state.w))

    def evolve(self, state: AdExState, x: Bag, p: Bag, c: AdExCoeffs) -> AdExState:
        v, w = state
        steep = (torch.where(v < p.v_cut, v, p.v_cut) - p.v_t) / p.delta_t + c.log_slope
        upswing = torch.exp(steep.clamp(max=STEEPEST))  # V
        after = relaxed(v, p.g_leak, p.g_leak * (p.e_leak + upswing) - w, x, p, c.rate)
        w_inf = p.a * (v - p.e_leak)
        return AdExState(after, w + (w_inf - w) * c.lost)
