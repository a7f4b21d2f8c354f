"""Reward-modulated plasticity: pairs leave an eligibility on each connection, which a third factor turns into a change.

Pairs of spikes act as in `stdp`, but on the eligibility c (V), which decays with ``tau_eligibility``; ``dw/dt = rate c d``. In
slot k:

events of t_k   1. pairs        ``c <- c + a_plus x_pre post - a_minus pre x_post``
                2. modulator    ``d <- d + m``, m the events of the modulator                            ``modulation="events"``
                                ``d = m - baseline``, m its level                                        ``modulation="values"``
the slot        3. weight       ``dw = rate c d`` times the integral of the decays over the slot         exact for any dt
                4. decay        c with tau_eligibility; d with tau_modulator, where m are events

A reward M (as a count) a time T after a pair that left c changes the weight by
``rate c M exp(-T / tau_eligibility) / (1 / tau_eligibility + 1 / tau_modulator)``. With levels whose mean is ``baseline`` the
mean change is ``rate`` times the covariance of reward and eligibility.

Source: Izhikevich, Cereb. Cortex 17:2443 (2007), for events (its eq. 1 and 2: 1 s, 0.2 s, depression 1.5 times potentiation, from
its program); Fremaux & Gerstner, Front. Neural Circuits 9:85 (2016), for the covariance of reward and eligibility.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections
from ..integrals import lost, spread
from .stdp import pairs
from .traces import TraceRule


class RewardState(NamedTuple):
    x_pre: Connections  # [..., pre, 1]
    x_post: Connections  # [..., 1, post]
    d: Connections  # [..., 1, post], the modulator above its baseline
    eligibility: Connections  # V


class RewardCoeffs(NamedTuple):
    lost_pre: Connections
    lost_post: Connections
    lost_d: Connections
    lost_c: Connections
    lasting: Connections  # s, the integral of the decays over the slot


@dataclass(frozen=True)
class RewardSTDP(TraceRule):
    """A rule of reward-modulated plasticity: an eligibility on each connection, which a modulator turns into a change."""

    a_plus: Value = param(0.1, unit="V", least=0.0, role="learning rate", gradient=False)
    a_minus: Value = param(0.15, unit="V", least=0.0, role="learning rate", gradient=False)
    tau_eligibility: Value = param(1.0, unit="s", above=0.0, role="time constant", gradient=False)
    tau_modulator: Value = param(0.2, unit="s", above=0.0, role="time constant", gradient=False)
    rate: Value = param(1.0, unit="1/s", least=0.0, role="learning rate", gradient=False)
    baseline: Value = param(0.0, gradient=False)
    modulation: str = option("events", choices=("events", "values"))

    modulated: ClassVar[bool] = True
    states = declare_states(
        RewardState,
        x_pre=State(0.0, on="pre"),
        x_post=State(0.0, on="post"),
        d=State(0.0, on="post"),
        eligibility=State(0.0, unit="V", on="connection"),
    )

    def discretise(self, p: Bag, dt: float) -> RewardCoeffs:
        eligibility, modulator = dt / p.tau_eligibility, dt / p.tau_modulator
        z = eligibility + modulator if self.modulation == "events" else eligibility
        lasting = dt * spread(z)
        return RewardCoeffs(lost(dt / p.tau_pre), lost(dt / p.tau_post), lost(modulator), lost(eligibility), lasting)

    def update(self, state: RewardState, x: Bag, w: Connections, p: Bag, c: RewardCoeffs) -> tuple[Connections, RewardState]:
        eligibility = state.eligibility + pairs(state, x, p)
        d = state.d + x.modulator if self.modulation == "events" else x.modulator - p.baseline
        change = p.rate * c.lasting * eligibility * d
        after = d - d * c.lost_d if self.modulation == "events" else torch.zeros_like(state.d)
        return change, RewardState(*self.traces(state, x, c), after, eligibility - eligibility * c.lost_c)
