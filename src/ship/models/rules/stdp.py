"""Pair-based spike-timing-dependent plasticity, additive.

In slot k, with the traces before this slot's spikes: ``dw = a_plus x_pre post - a_minus pre x_post``. Spikes of both sides in one
slot are a pair of zero lag and do not act.
A pair at lag T changes the weight by ``a_plus exp(-T / tau_pre)`` (pre first) or ``-a_minus exp(-T / tau_post)`` (post first).
``pairing="all"`` counts all pairs, ``pairing="nearest"`` each spike with the last one of the other side (`traces`).

Source: Song, Miller & Abbott, Nat. Neurosci. 3:919 (2000). The defaults are those widely used with it, in units of the largest
weight: 20 ms, a_plus 0.01, a_minus 1.05 a_plus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Connections
from .traces import TraceCoeffs, TraceRule, Traces


def pairs(state: Any, x: Bag, p: Bag) -> Connections:
    """Return the change of additive pair-based plasticity, from the traces ``x_pre`` and ``x_post`` of a state."""
    change: Connections = p.a_plus * state.x_pre * x.post - p.a_minus * x.pre * state.x_post
    return change


@dataclass(frozen=True)
class PairSTDP(TraceRule):
    """A rule of pair-based spike-timing-dependent plasticity (STDP), with hard bounds ``w_min`` and ``w_max`` on the weights."""

    a_plus: Value = param(0.01, unit="V", least=0.0, role="learning rate", gradient=False)
    a_minus: Value = param(0.0105, unit="V", least=0.0, role="learning rate", gradient=False)

    def update(self, state: Traces, x: Bag, w: Connections, p: Bag, c: TraceCoeffs) -> tuple[Connections, Traces]:
        return pairs(state, x, p), self.traces(state, x, c)
