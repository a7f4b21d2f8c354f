"""Hodgkin-Huxley neuron: sodium and potassium channels with gates m, h and n.

``C dv/dt = g_Na m^3 h (E_Na - v) + g_K n^4 (E_K - v) + g_L (E_L - v) + g_e (E_e - v) + g_i (E_i - v) + i``,
``dx/dt = alpha_x(v) (1 - x) - beta_x(v) x`` for each gate, with v in mV and the rates in 1/ms at 6.3 degrees Celsius:

alpha_m = 0.1 (v + 40) / (1 - exp(-(v + 40) / 10))     beta_m = 4 exp(-(v + 65) / 18)
alpha_h = 0.07 exp(-(v + 65) / 20)                     beta_h = 1 / (1 + exp(-(v + 35) / 10))
alpha_n = 0.01 (v + 55) / (1 - exp(-(v + 55) / 10))    beta_n = 0.125 exp(-(v + 65) / 80)

These are the equations of 1952 with the voltage reversed and shifted, so that rest is -65 mV. Two rates are quotients of the
form ``x / (1 - exp(-x))``, which is 1 at x = 0 (`spread`). In a slot the gates go half a slot with v held, exactly, then v goes
a slot with the gates held, exactly (`conductances`), then the gates go the other half: order 2 in dt. Exponents are bounded by
50.

A spike is an upward crossing of ``v_th``: v is at least v_th, and was below at the start of the slot before. Nothing is reset,
so that a dead time only keeps the unit silent.

Source: Hodgkin & Huxley, J. Physiol. 117:500 (1952), table 3 and eq. 12 to 26; the capacitance and the conductances are theirs
(1 uF/cm^2; 120, 36, 0.3 mS/cm^2; 50, -77, -54.387 mV) for a membrane of 20,000 um^2, so that 1 uA/cm^2 is 200 pA. The step:
Strang, SIAM J. Numer. Anal. 5:506 (1968).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from ..integrals import lost, spread
from .conductances import ConductanceNeuron, relaxed

LIMIT = 50.0  # of an exponent: e^50 per ms is at once, and does not overflow in float32
SILENT = -1.0  # V, the margin of a unit that has been above v_th already


class HHState(NamedTuple):
    v: Units  # V
    m: Units  # activation of sodium
    h: Units  # inactivation of sodium
    n: Units  # activation of potassium
    before: Units  # V, at the start of the slot before


class HHCoeffs(NamedTuple):
    rate: Units  # dt / C, s/F
    half: Units  # dt / 2, ms


def bounded(x: Units) -> Units:
    """Return an exponent within bounds."""
    return x.clamp(-LIMIT, LIMIT)


def rates(v: Units) -> tuple[tuple[Units, Units], tuple[Units, Units], tuple[Units, Units]]:
    """Return alpha and beta of m, h and n, in 1/ms, at a voltage in V."""
    mv = 1e3 * v
    m = 1 / spread(bounded((mv + 40) / 10)), 4 * torch.exp(bounded(-(mv + 65) / 18))
    h = 0.07 * torch.exp(bounded(-(mv + 65) / 20)), torch.sigmoid(bounded((mv + 35) / 10))
    n = 0.1 / spread(bounded((mv + 55) / 10)), 0.125 * torch.exp(bounded(-(mv + 65) / 80))
    return m, h, n


def gated(gates: tuple[Units, Units, Units], v: Units, half: Units) -> tuple[Units, Units, Units]:
    """Return the gates after half a slot (ms) at a voltage that is held."""
    m, h, n = (x + (a / (a + b) - x) * lost(half * (a + b)) for x, (a, b) in zip(gates, rates(v), strict=True))
    return m, h, n


@dataclass(frozen=True)
class HodgkinHuxley(ConductanceNeuron):
    """A Hodgkin-Huxley neuron with sodium and potassium channels. In: conductances ``exc`` and ``inh`` (S), ``current`` (A).
    Out: events, 0 or 1, at upward crossings."""

    c_m: Value = param(200e-12, unit="F", above=0.0, role="capacitance")
    g_na: Value = param(24e-6, unit="S", least=0.0, role="conductance")
    g_k: Value = param(7.2e-6, unit="S", least=0.0, role="conductance")
    g_leak: Value = param(60e-9, unit="S", above=0.0, role="conductance")
    e_na: Value = param(50e-3, unit="V", role="reversal potential")
    e_k: Value = param(-77e-3, unit="V", role="reversal potential")
    e_leak: Value = param(-54.387e-3, unit="V", role="reversal potential")
    v_th: Value = param(0.0, unit="V", role="threshold")
    e_exc: Value = param(0.0, unit="V", role="reversal potential")
    e_inh: Value = param(-80e-3, unit="V", role="reversal potential")

    states = declare_states(
        HHState,
        v=State(-65e-3, unit="V"),
        m=State(0.0529324852572496),
        h=State(0.596120753508460),
        n=State(0.317676914060697),
        before=State(-65e-3, unit="V"),
    )

    def discretise(self, p: Bag, dt: float) -> HHCoeffs:
        return HHCoeffs(dt / p.c_m, torch.full_like(p.c_m, 0.5e3 * dt))

    def margin(self, state: HHState, p: Bag) -> Units:
        return torch.where(state.before >= p.v_th, SILENT, state.v - p.v_th)

    def reset(self, state: HHState, fired: Units, p: Bag) -> HHState:
        return state

    def evolve(self, state: HHState, x: Bag, p: Bag, c: HHCoeffs) -> HHState:
        m, h, n = gated((state.m, state.h, state.n), state.v, c.half)
        sodium, potassium = p.g_na * m * m * m * h, p.g_k * (n * n) * (n * n)
        own = sodium * p.e_na + potassium * p.e_k + p.g_leak * p.e_leak
        v = relaxed(state.v, sodium + potassium + p.g_leak, own, x, p, c.rate)
        m, h, n = gated((m, h, n), v, c.half)
        return HHState(v, m, h, n, state.v)
