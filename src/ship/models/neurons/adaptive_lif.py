"""LIF neuron whose threshold rises with each of its spikes, and falls back.

``tau dv/dt = v_rest - v + tau i``, spike where ``v >= v_th + theta``: ``v <- v_reset``, ``theta <- theta + theta_step``;
``tau_theta dtheta/dt = -theta``. Both equations are linear and not coupled within a slot, so the step is exact for any dt, as
that of the LIF neuron. theta goes on falling while the unit is refractory.

In the homeostatic neuron theta outlives the run: it keeps the threshold of a unit that won often high for the samples to come.

Source: Bellec et al., NeurIPS 31 (2018), eq. 1 to 3, for the threshold of spiking networks with long short-term memory; Diehl &
Cook, Front. Comput. Neurosci. 9:99 (2015), sec. 2.1, for the homeostatic one.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from ..integrals import lost
from .lif import IntegrateAndFire, LIFCoeffs, lif_coefficients, lif_evolved


class AdaptiveState(NamedTuple):
    v: Units  # V
    theta: Units  # V, above v_th


class AdaptiveCoeffs(NamedTuple):
    lif: LIFCoeffs
    lost: Units  # 1 - exp(-dt / tau_theta)


@dataclass(frozen=True)
class AdaptiveThreshold(IntegrateAndFire, ABC):
    """The base class of LIF neurons with a threshold that adapts: everything but how long theta lasts."""

    theta_step: Value = param(0.1, unit="V", role="adaptation")
    tau_theta: Value = param(0.2, unit="s", above=0.0, role="time constant", infinite=True)

    def margin(self, state: AdaptiveState, p: Bag) -> Units:
        return state.v - p.v_th - state.theta

    def reset(self, state: AdaptiveState, fired: Units, p: Bag) -> AdaptiveState:
        v, theta = state
        return AdaptiveState(torch.where(fired, p.v_reset, v), torch.where(fired, theta + p.theta_step, theta))

    def discretise(self, p: Bag, dt: float) -> AdaptiveCoeffs:
        return AdaptiveCoeffs(lif_coefficients(p, dt), lost(dt / p.tau_theta))

    def evolve(self, state: AdaptiveState, x: Bag, p: Bag, c: AdaptiveCoeffs) -> AdaptiveState:
        return AdaptiveState(lif_evolved(state.v, x.charge, p, c.lif), state.theta - state.theta * c.lost)


@dataclass(frozen=True)
class AdaptiveLIF(AdaptiveThreshold):
    """A LIF neuron with an adaptive threshold, ``v_th + theta``. In: impulses (V) and charge (V per slot).

    Out: events, 0 or 1. ``tau_theta=math.inf`` keeps what spikes added until the next reset.
    """

    states = declare_states(AdaptiveState, v=State("v_rest", unit="V", held=True), theta=State(0.0, unit="V"))


@dataclass(frozen=True)
class HomeostaticLIF(AdaptiveThreshold):
    """A LIF neuron with a threshold that persists from run to run. In: impulses (V) and charge (V per slot).

    Out: events, 0 or 1. The change of theta of all samples of a batch is added, as if they had been shown one after the other.
    It is stored for each chip, saved with the network, and set back by ``run(..., reset_persistent=True)``. The defaults of
    time constant and step are those of Diehl & Cook (2015), whose threshold is 13 mV above rest: 10^4 s, and 0.05 mV of the 13
    mV.
    """

    theta_step: Value = param(0.05 / 13, unit="V", role="adaptation")
    tau_theta: Value = param(1e4, unit="s", above=0.0, role="time constant", infinite=True)

    states = declare_states(
        AdaptiveState,
        v=State("v_rest", unit="V", held=True),
        theta=State(0.0, unit="V", persistent=True, batch="sum"),
    )
