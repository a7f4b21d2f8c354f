"""Spike-driven plasticity with a bistable weight, gated by the voltage of the target and by its calcium (stop-learning).

Each connection has a variable X in 0 to 1. C (calcium, in steps of one spike) follows the spikes of the target with tau_c. At a
presynaptic spike, with C before this slot's spikes and the voltage v of the target (after its reset):

``X <- X + a``  where ``v > theta_v``  and ``up_low < C < up_high``
``X <- X - b``  where ``v <= theta_v`` and ``down_low < C < down_high``

and over every slot X drifts, up by ``alpha dt`` where it is above ``theta_x``, else down by ``beta dt``, within 0 and 1. So a
connection keeps one of two values for as long as nothing happens, and learning stops where the target is silent, or active
enough.

With ``efficacy="binary"`` the weight is w_max where X is above theta_x, else w_min, as published; with ``efficacy="graded"``
it is ``w_min + X (w_max - w_min)``. A binary weight keeps X as its distance d from the end that the weight is at, ``X = u + d``,
``u`` 0 or 1. It is a state that lasts; where samples of a batch share a weight each has a d of its own, so give them
``per_sample=True``, or use the graded one.

Source: Brader, Senn & Fusi, Neural Comput. 19:2881 (2007), eq. 2 to 5 and table 1: a = b = 0.1, theta_v 0.8 of the threshold, up
3 to 13, down 3 to 4, drift 3.5 / s, theta_x 0.5, tau_c 60 ms. (The table is quoted from memory. A circuit of it, in teili: steps
0.2, up 180 to 1000 mV and down 50 to 90 mV at 250 mV a spike.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from ..integrals import lost
from .traces import check_span, fraction


class CalciumState(NamedTuple):
    calcium: Connections  # [..., 1, post], in steps of one spike
    d: Connections  # X less where the weight is, of a binary weight


class CalciumCoeffs(NamedTuple):
    lost: Connections
    up: Connections  # alpha dt
    down: Connections  # beta dt


@dataclass(frozen=True)
class BraderFusi(Rule):
    """A rule of spike-driven plasticity with a bistable weight, which reads the voltage ``v`` of its target."""

    a: Value = param(0.1, least=0.0, role="learning rate", gradient=False)
    b: Value = param(0.1, least=0.0, role="learning rate", gradient=False)
    theta_v: Value = param(0.8, unit="V", role="threshold", gradient=False)
    up_low: Value = param(3.0, least=0.0, role="threshold", gradient=False)
    up_high: Value = param(13.0, least=0.0, role="threshold", gradient=False)
    down_low: Value = param(3.0, least=0.0, role="threshold", gradient=False)
    down_high: Value = param(4.0, least=0.0, role="threshold", gradient=False)
    tau_c: Value = param(60e-3, unit="s", above=0.0, role="time constant", gradient=False)
    alpha: Value = param(3.5, unit="1/s", least=0.0, gradient=False)
    beta: Value = param(3.5, unit="1/s", least=0.0, gradient=False)
    theta_x: Value = param(0.5, least=0.0, most=1.0, role="threshold", gradient=False)
    efficacy: str = option("binary", choices=("binary", "graded"))

    reads: ClassVar[tuple[str, ...]] = ("v",)
    states = declare_states(CalciumState, calcium=State(0.0, on="post"), d=State(0.0, on="connection", persistent=True))

    def check(self, where: str, p: Bag) -> None:
        check_span(where, p)

    def discretise(self, p: Bag, dt: float) -> CalciumCoeffs:
        return CalciumCoeffs(lost(dt / p.tau_c), dt * p.alpha, dt * p.beta)

    def update(self, state: CalciumState, x: Bag, w: Connections, p: Bag, c: CalciumCoeffs) -> tuple[Connections, CalciumState]:
        span, calcium = p.w_max - p.w_min, state.calcium
        at = fraction(w, p)
        up = (x.v > p.theta_v) & (calcium > p.up_low) & (calcium < p.up_high)
        down = (x.v <= p.theta_v) & (calcium > p.down_low) & (calcium < p.down_high)
        step = x.pre * (torch.where(up, p.a, 0.0) - torch.where(down, p.b, 0.0))
        before = at if self.efficacy == "graded" else at + state.d
        inner = (before + step).clamp(0.0, 1.0)
        inner = (inner + torch.where(inner > p.theta_x, c.up, -c.down)).clamp(0.0, 1.0)
        spiked = calcium + x.post
        calcium = spiked - spiked * c.lost
        if self.efficacy == "graded":
            return span * (inner - at), CalciumState(calcium, state.d)
        end = (inner > p.theta_x).to(inner.dtype)
        return span * (end - at), CalciumState(calcium, inner - end)
