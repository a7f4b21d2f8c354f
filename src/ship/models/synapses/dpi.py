"""Differential-pair integrator (DPI) synapse: a current-mode low-pass filter of subthreshold circuits, in its linear regime.

``tau di/dt + i = (I_th / I_tau) I_w s(t)``, ``tau = C U_T / (kappa I_tau)``, s(t) = 1 during the pulse of an event, which has the
width t_pulse. ``I_w`` is the weight of the connection (A), so an event adds

``(I_th / I_tau) I_w (1 - exp(-t_pulse / tau))``

to i, which then decays with tau. The pulse acts as a whole at the event: it should be short beside tau and beside the slot.
In slot k: events at t_k add to i; the slot's charge is its exact integral, ``i tau (1 - exp(-z))``, ``z = dt / tau``; i loses the
fraction ``1 - exp(-z)``. Into a port for levels (the ``current`` of `DPINeuron`) the charge comes as its mean over the slot.

The linear regime is that of I_w well above I_tau and of an output current well above I_th. A negative weight is a synapse whose
current is subtracted by a mirror.

Source: Bartolozzi & Indiveri, Neural Comput. 19:2581 (2007); Chicca et al., Proc. IEEE 102:1367 (2014), sec. III. Capacitance,
slope factor, thermal voltage and I_tau are values of teili's DPI circuits and make tau 5.319 ms; the pulse of 10 us, the gain
I_th / I_tau of 100 and the weight of 1 nA are those of Rockpool's DynapSE2 simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse
from ..integrals import lost, spread
from ..subthreshold import time_constant


class DPISynapseState(NamedTuple):
    i: Connections  # A


class DPISynapseCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-dt / tau)
    gain: Connections  # what an event adds to i, for each ampere of weight
    charge: Connections  # s, charge of the slot per ampere at its start


@dataclass(frozen=True)
class DPISynapse(Synapse):
    """A synapse made of a differential-pair integrator. In: events. Out: charge (C per slot). Weights are currents I_w (A)."""

    weight: Value = param(1e-9, unit="A", role="weight", per="connection")
    c_syn: Value = param(1.5e-12, unit="F", above=0.0, role="capacitance")
    u_t: Value = param(25e-3, unit="V", above=0.0, role="thermal voltage")  # kT/q
    kappa: Value = param(0.705, above=0.0, role="slope factor")
    i_tau: Value = param(10e-12, unit="A", above=0.0, role="leak")
    i_th: Value = param(1e-9, unit="A", above=0.0, role="gain")
    t_pulse: Value = param(10e-6, unit="s", above=0.0, role="pulse width")

    states = declare_states(DPISynapseState, i=State(0.0, unit="A"))

    def discretise(self, p: Bag, dt: float) -> DPISynapseCoeffs:
        tau = time_constant(p.c_syn, p.u_t, p.kappa, p.i_tau)
        return DPISynapseCoeffs(lost(dt / tau), p.i_th / p.i_tau * lost(p.t_pulse / tau), dt * spread(dt / tau))

    def receive(self, state: DPISynapseState, x: Bag, p: Bag, c: DPISynapseCoeffs) -> DPISynapseState:
        return DPISynapseState(state.i + x.value * c.gain)

    def step(self, state: DPISynapseState, x: Bag, p: Bag, c: DPISynapseCoeffs) -> tuple[Connections, DPISynapseState]:
        return state.i * c.charge, DPISynapseState(state.i - state.i * c.lost)
