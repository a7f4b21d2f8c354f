"""LIF neuron with an adaptation current, which follows the voltage and is raised by each spike.

``tau dv/dt = v_rest - v - w + tau i``, ``tau_w dw/dt = a (v - v_rest) - w``; spike where ``v >= v_th``: ``v <- v_reset``,
``w <- w + b``. w is the current times the membrane's resistance, in V. ``a`` above ``tau / (4 tau_w) (1 - tau_w / tau)^2`` makes
the neuron swing (damped). The two equations are linear: the step is their exact propagator for any dt, for a current that is
constant over the slot (`second_order`). While the unit is refractory, w follows the voltage that is held, exactly too.

Source: Treves, Network 4:259 (1993), for spike-triggered adaptation; Richardson, Brunel & Hakim, J. Neurophysiol. 89:2538
(2003), for the generalised integrate-and-fire neuron with a current that follows the voltage; Gerstner et al., *Neuronal
Dynamics* (2014), sec. 6.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import HALF, Spiking, StateTuple, Units
from ..integrals import lost
from ..second_order import Propagator, propagator
from .lif import IntegrateAndFire


class CurrentAdaptiveState(NamedTuple):
    v: Units  # V
    w: Units  # V, adaptation current times resistance


class CurrentAdaptiveCoeffs(NamedTuple):
    both: Propagator  # of v - v_rest and w
    lost: Units  # 1 - exp(-dt / tau_w), of w alone


@dataclass(frozen=True)
class CurrentAdaptiveLIF(IntegrateAndFire):
    """A LIF neuron with subthreshold and spike-triggered adaptation. In: impulses (V) and charge (V per slot).

    Out: events, 0 or 1.
    """

    tau: Value = param(20e-3, unit="s", above=0.0, role="time constant")
    tau_w: Value = param(0.1, unit="s", above=0.0, role="time constant")
    a: Value = param(0.0, above=-1.0, role="adaptation")
    b: Value = param(0.1, unit="V", role="adaptation")

    states = declare_states(CurrentAdaptiveState, v=State("v_rest", unit="V", held=True), w=State(0.0, unit="V"))

    def discretise(self, p: Bag, dt: float) -> CurrentAdaptiveCoeffs:
        z, z_w = dt / p.tau, dt / p.tau_w
        z, z_w, a = torch.broadcast_tensors(z, z_w, p.a)
        return CurrentAdaptiveCoeffs(propagator(z, z_w, z, a * z_w), lost(z_w))

    def reset(self, state: CurrentAdaptiveState, fired: Units, p: Bag) -> CurrentAdaptiveState:
        return CurrentAdaptiveState(torch.where(fired, p.v_reset, state.v), torch.where(fired, state.w + p.b, state.w))

    def evolve(self, state: CurrentAdaptiveState, x: Bag, p: Bag, c: CurrentAdaptiveCoeffs) -> CurrentAdaptiveState:
        v, w = state
        above, to = v - p.v_rest, c.both
        return CurrentAdaptiveState(
            v - above * to.lost_first - w * to.from_second + x.charge * to.spread,
            w - w * to.lost_second + above * to.from_first + x.charge * to.passed,
        )

    def advance(self, state: StateTuple, x: Bag, p: Bag, c: CurrentAdaptiveCoeffs) -> StateTuple:
        after = super().advance(state, x, p, c)
        if not isinstance(state, Spiking):
            return after
        v, w = state.cell
        alone = w + (p.a * (v - p.v_rest) - w) * c.lost
        return after._replace(cell=after.cell._replace(w=torch.where(state.wait > HALF, alone, after.cell.w)))

    def membrane(self, p: Bag) -> None:
        return None  # it is one of two linear equations
