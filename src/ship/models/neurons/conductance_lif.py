"""Leaky integrate-and-fire neuron with conductance inputs.

``C dv/dt = g_L (E_L - v) + g_e (E_e - v) + g_i (E_i - v) + i``; spike where ``v >= v_th``: ``v <- v_reset``. Conductances are
held over a slot, over which the step is exact (`conductances`): exact for conductances that are constant over slots, of order 1
in dt otherwise.

Source: Vogels & Abbott, J. Neurosci. 25:10786 (2005), Brette et al., J. Comput. Neurosci. 23:349 (2007), appendix 2, benchmark
1; the defaults are theirs: 200 pF, 10 nS, -60 mV, threshold -50 mV, reversal potentials 0 and -80 mV (dead time 5 ms:
``t_ref=5e-3``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from .conductances import ConductanceNeuron, relaxed


class ConductanceState(NamedTuple):
    v: Units  # V


class ConductanceCoeffs(NamedTuple):
    rate: Units  # dt / C, s/F


@dataclass(frozen=True)
class ConductanceLIF(ConductanceNeuron):
    """A LIF neuron with conductance inputs. In: conductances ``exc`` and ``inh`` (S), ``current`` (A). Out: events, 0 or 1."""

    c_m: Value = param(200e-12, unit="F", above=0.0, role="capacitance")
    g_leak: Value = param(10e-9, unit="S", above=0.0, role="conductance")
    e_leak: Value = param(-60e-3, unit="V", role="voltage")
    v_th: Value = param(-50e-3, unit="V", role="threshold")
    v_reset: Value = param(-60e-3, unit="V", role="voltage")
    e_exc: Value = param(0.0, unit="V", role="reversal potential")
    e_inh: Value = param(-80e-3, unit="V", role="reversal potential")

    states = declare_states(ConductanceState, v=State("e_leak", unit="V", held=True))

    def discretise(self, p: Bag, dt: float) -> ConductanceCoeffs:
        return ConductanceCoeffs(dt / p.c_m)

    def margin(self, state: ConductanceState, p: Bag) -> Units:
        return state.v - p.v_th

    def reset(self, state: ConductanceState, fired: Units, p: Bag) -> ConductanceState:
        return ConductanceState(torch.where(fired, p.v_reset, state.v))

    def evolve(self, state: ConductanceState, x: Bag, p: Bag, c: ConductanceCoeffs) -> ConductanceState:
        return ConductanceState(relaxed(state.v, p.g_leak, p.g_leak * p.e_leak, x, p, c.rate))
