"""Current-mode adaptive exponential neuron: the subthreshold circuit of the differential-pair integrator (DPI).

``tau (1 + I_th / (I + I_0)) dI/dt = (I_th / I_tau) (I_in + I_a - I_sh - I_ahp) - I_th - (1 + (I_sh + I_ahp - I_a) / I_tau) I``,
``tau = C U_T / (kappa I_tau)``. The membrane is a current I (A), the output of the integrator; where I is far above I_th it is a
leaky integrator of ``I_th (I_in / I_tau - 1)`` with the time constant tau. What the other currents do:

- ``I_in``: the input, at least the dark current I_0; ``I_sh``: a shunt, between 0 and I;
- ``I_a = I_gain / (1 + exp(-(I - I_a_th) / I_a_norm))``: positive feedback, which makes the spike's upswing;
- ``I_ahp``: adaptation, a DPI of its own. Each spike adds ``I_th_ahp I_ca / I_tau_ahp``, which decays exponentially with
  ``tau_ahp = C_ahp U_T / (kappa I_tau_ahp)``: exact for a DPI without input.

Spike where I >= I_spike, then ``I <- I_reset`` for the refractory time. I does not fall below I_0. The distance to threshold is
relative, ``(I - I_spike) / I_spike``, so that surrogates have slopes of order 1.

With the positive feedback and the denominator taken at one current, the equation is linear in I and is solved exactly (``I <- I
+ (A - B I) s spread(B s)``, s the slot in units of the time constant at that current; see `integrals`): first over half a slot
with the currents at its start, then over the whole slot with those in its middle. This exponential midpoint rule has order 2 in
dt below threshold and keeps a steady state at any dt; spike times have order 1, as for all neurons. A growth of more than e^30
in a slot is cut there: it ends above the threshold in any case.

Sources: Livi & Indiveri, ISCAS (2009), 2898; Chicca, Stefanini, Bartolozzi & Indiveri, Proc. IEEE 102:1367 (2014), sec. IV; the
equation with its dark currents, and the defaults, are those of the open-source Brian 2 library teili (dpi_neuron_param), where
kappa is the mean of 0.75 (n) and 0.66 (p).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import Port, State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import SpikingNeuron, Units
from ..integrals import lost, spread
from ..subthreshold import time_constant

STEEPEST = -30.0  # the least exponent of a slot: beyond any threshold, and it does not overflow in float32


class DPIState(NamedTuple):
    i: Units  # A, membrane current
    i_ahp: Units  # A, adaptation current


class DPICoeffs(NamedTuple):
    slots: Units  # dt / tau
    gain: Units  # I_th / I_tau
    lost: Units  # 1 - exp(-dt / tau_ahp)
    half_lost: Units  # the same for half a slot


@dataclass(frozen=True)
class DPINeuron(SpikingNeuron):
    """A current-mode adaptive exponential neuron of DPI circuits. In: ``current`` and ``shunt`` (A). Out: events, 0 or 1."""

    c_m: Value = param(1.5e-12, unit="F", above=0.0, role="capacitance")
    u_t: Value = param(25e-3, unit="V", above=0.0, role="thermal voltage")  # kT/q
    kappa: Value = param(0.705, above=0.0, role="slope factor")
    i_0: Value = param(0.5e-12, unit="A", above=0.0, role="dark current")
    i_tau: Value = param(8e-12, unit="A", above=0.0, role="leak")
    i_th: Value = param(0.9e-12, unit="A", above=0.0, role="gain")
    i_spike: Value = param(1e-9, unit="A", above=0.0, role="threshold")
    i_reset: Value = param(0.6e-12, unit="A", above=0.0, role="reset")
    i_gain: Value = param(50e-12, unit="A", least=0.0, role="feedback")
    i_a_th: Value = param(0.5e-9, unit="A", least=0.0, role="feedback")
    i_a_norm: Value = param(10e-12, unit="A", above=0.0, role="feedback")
    c_ahp: Value = param(1e-12, unit="F", above=0.0, role="capacitance")
    i_tau_ahp: Value = param(1e-12, unit="A", above=0.0, role="adaptation")
    i_th_ahp: Value = param(1e-12, unit="A", least=0.0, role="adaptation")
    i_ca: Value = param(2e-12, unit="A", least=0.0, role="adaptation")
    t_ref: Value = param(1e-3, unit="s", least=0.0, role="refractory time", gradient=False)

    ports = {"current": Port("values", "A"), "shunt": Port("values", "A")}
    states = declare_states(DPIState, i=State("i_reset", unit="A", held=True), i_ahp=State(0.0, unit="A"))

    def discretise(self, p: Bag, dt: float) -> DPICoeffs:
        tau = time_constant(p.c_m, p.u_t, p.kappa, p.i_tau)
        z = dt / time_constant(p.c_ahp, p.u_t, p.kappa, p.i_tau_ahp)
        return DPICoeffs(dt / tau, p.i_th / p.i_tau, lost(z), lost(z / 2))

    def receive(self, state: DPIState, jump: Units, p: Bag) -> DPIState:
        return state

    def margin(self, state: DPIState, p: Bag) -> Units:
        return (state.i - p.i_spike) / p.i_spike

    def reset(self, state: DPIState, fired: Units, p: Bag) -> DPIState:
        step = p.i_th_ahp * (p.i_ca / p.i_tau_ahp)
        return DPIState(torch.where(fired, p.i_reset, state.i), torch.where(fired, state.i_ahp + step, state.i_ahp))

    def evolve(self, state: DPIState, x: Bag, p: Bag, c: DPICoeffs) -> DPIState:
        i, i_ahp = state
        middle = _moved(i, i, i_ahp, 0.5 * c.slots, x, p, c)
        after = _moved(i, middle, i_ahp - i_ahp * c.half_lost, c.slots, x, p, c)
        return DPIState(after, i_ahp - i_ahp * c.lost)


def _moved(i: Units, at: Units, i_ahp: Units, slots: Units, x: Bag, p: Bag, c: DPICoeffs) -> Units:
    """Return the current (A) after ``slots`` time constants, with what is not linear in it taken at the current ``at``."""
    feedback = p.i_gain * torch.sigmoid((at - p.i_a_th) / p.i_a_norm)
    net = feedback - torch.minimum(x.shunt.clamp(min=0.0), at) - i_ahp
    drive = c.gain * (torch.maximum(x.current, p.i_0) + net) - p.i_th
    decay = 1 - net / p.i_tau
    s = slots * ((at + p.i_0) / (p.i_th + at + p.i_0))
    z = (decay * s).clamp(min=STEEPEST)
    return torch.maximum(i + (drive - decay * i) * s * spread(z), p.i_0)
