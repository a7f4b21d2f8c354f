"""Synaptic scaling: all weights onto a unit grow or shrink by one factor, until the unit fires at its rate.

The activity a (Hz) of a target follows its spikes with ``tau``: each adds ``1 / tau``. ``dw/dt = rate w (rho - a)``, exactly
integrated over the slot: ``w <- w exp(rate (rho dt - integral of a))``. Each spike counts once in the integral of a, whatever
tau, so a unit without spikes gains ``exp(rate rho t)`` in t seconds.

Source: van Rossum, Bi & Turrigiano, J. Neurosci. 20:8812 (2000), eq. 5, its first term: multiplicative, in proportion to the
error. Its activity follows over 100 s; ``rate`` is the change of the logarithm of the weight for each spike too few, 4e-5 there
(from memory).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from ..integrals import lost


class ScalingState(NamedTuple):
    activity: Connections  # [..., 1, post], spikes


class ScalingCoeffs(NamedTuple):
    lost: Connections
    due: Connections  # rho dt, the spikes that there should be


MOST = 30.0  # the logarithm of a factor that reaches any limit


@dataclass(frozen=True)
class SynapticScaling(Rule):
    """A homeostatic rule that scales all weights onto a unit until it fires at the rate ``rho``."""

    rate: Value = param(4e-5, least=0.0, role="learning rate", gradient=False)
    rho: Value = param(5.0, unit="Hz", least=0.0, gradient=False)
    tau: Value = param(100.0, unit="s", above=0.0, role="time constant", gradient=False)

    states = declare_states(ScalingState, activity=State(0.0, on="post"))

    def discretise(self, p: Bag, dt: float) -> ScalingCoeffs:
        return ScalingCoeffs(lost(dt / p.tau), p.rho * dt)

    def update(self, state: ScalingState, x: Bag, w: Connections, p: Bag, c: ScalingCoeffs) -> tuple[Connections, ScalingState]:
        spiked = state.activity + x.post
        counted = spiked * c.lost
        change = w * torch.expm1((p.rate * (c.due - counted)).clamp(-MOST, MOST))
        return change, ScalingState(spiked - counted)
