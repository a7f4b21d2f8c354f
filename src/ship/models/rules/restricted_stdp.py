"""Pair-based plasticity in which only neighbouring spikes make pairs: the presynaptic-centred and the reduced symmetric scheme.

``dw = a_plus x_pre post - a_minus pre x_post`` as in `stdp`, with the traces before this slot's spikes, but the two traces of a
connection know of both its sides:

``"presynaptic"``  Each presynaptic spike pairs with the last postsynaptic spike before it and the first one after it. A
                   postsynaptic spike sets x_post to 1 and x_pre to 0.
``"reduced"``      Each spike pairs with the last one of the other side, if no spike of its own side lies between. A spike sets
                   the trace of its side to 1 and that of the other side to 0.

Spikes of both sides in one slot do not act on each other, and both mark their traces. The symmetric scheme, in which each spike
pairs with the last one of the other side, is ``PairSTDP(pairing="nearest")``: it needs no trace on a connection.

Source: Morrison, Diesmann & Gerstner, Biol. Cybern. 98:459 (2008), fig. 7B and 7C. The defaults are those of `PairSTDP`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from ..integrals import lost
from .stdp import pairs
from .traces import TraceCoeffs, Traces, marked


@dataclass(frozen=True)
class RestrictedSTDP(Rule):
    """A rule of additive pair-based plasticity in which only neighbouring spikes make pairs."""

    a_plus: Value = param(0.01, unit="V", least=0.0, role="learning rate", gradient=False)
    a_minus: Value = param(0.0105, unit="V", least=0.0, role="learning rate", gradient=False)
    tau_pre: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_post: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False)
    pairing: str = option("presynaptic", choices=("presynaptic", "reduced"))

    states = declare_states(Traces, x_pre=State(0.0, on="connection"), x_post=State(0.0, on="connection"))

    def discretise(self, p: Bag, dt: float) -> TraceCoeffs:
        return TraceCoeffs(lost(dt / p.tau_pre), lost(dt / p.tau_post))

    def update(self, state: Traces, x: Bag, w: Connections, p: Bag, c: TraceCoeffs) -> tuple[Connections, Traces]:
        pre = torch.where(x.post > 0, torch.zeros_like(state.x_pre), state.x_pre)
        post = state.x_post
        if self.pairing == "reduced":
            post = torch.where(x.pre > 0, torch.zeros_like(post), post)
        pre = marked(pre, x.pre, "all" if self.pairing == "presynaptic" else "nearest")
        post = marked(post, x.post, "nearest")
        return pairs(state, x, p), Traces(pre - pre * c.lost_pre, post - post * c.lost_post)
