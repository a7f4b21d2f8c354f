"""Pair-based spike-timing-dependent plasticity, all pairs, additive.

Traces: ``x_pre`` and ``x_post`` decay with ``tau_pre`` and ``tau_post`` and each spike adds 1. In slot k, with the traces before
this slot's spikes: ``dw = a_plus x_pre post - a_minus pre x_post``. Spikes of both sides in one slot are a pair of zero lag and
do not act.
A pair at lag T changes the weight by ``a_plus exp(-T / tau_pre)`` (pre first) or ``-a_minus exp(-T / tau_post)`` (post first).

Source: Song, Miller & Abbott, Nat. Neurosci. 3:919 (2000). The defaults are those widely used with it, in units of the largest
weight: 20 ms, a_plus 0.01, a_minus 1.05 a_plus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...base.parameters import State, Value, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from ..integrals import lost


class STDPState(NamedTuple):
    x_pre: Connections  # [..., pre, 1]
    x_post: Connections  # [..., 1, post]


class STDPCoeffs(NamedTuple):
    lost_pre: Connections  # 1 - exp(-dt / tau_pre)
    lost_post: Connections


@dataclass(frozen=True)
class PairSTDP(Rule):
    """A rule of pair-based spike-timing-dependent plasticity (STDP), with hard bounds ``w_min`` and ``w_max`` on the weights."""

    a_plus: Value = param(0.01, unit="V", least=0.0, role="learning rate", gradient=False)
    a_minus: Value = param(0.0105, unit="V", least=0.0, role="learning rate", gradient=False)
    tau_pre: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_post: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False)

    states = STDPState(x_pre=State(0.0, on="pre"), x_post=State(0.0, on="post"))  # type: ignore[arg-type]

    def discretise(self, p: Bag, dt: float) -> STDPCoeffs:
        return STDPCoeffs(lost(dt / p.tau_pre), lost(dt / p.tau_post))

    def update(self, state: STDPState, x: Bag, w: Connections, p: Bag, c: STDPCoeffs) -> tuple[Connections, STDPState]:
        change = p.a_plus * state.x_pre * x.post - p.a_minus * x.pre * state.x_post
        pre, post = state.x_pre + x.pre, state.x_post + x.post
        return change, STDPState(pre - pre * c.lost_pre, post - post * c.lost_post)
