"""Plasticity at postsynaptic spikes, for unsupervised learning of patterns: Diehl and Cook's rule of pre- and postsynaptic
traces.

With ``u = (w - w_min) / (w_max - w_min)`` and the traces before this slot's spikes,
``dw = (w_max - w_min) (rate_post post (x_pre - x_target) (1 - u)^mu - rate_pre pre x_post u^mu)``.

A postsynaptic spike strengthens the connections of units that were active of late, and weakens all others where ``x_target`` is
above 0. With ``mu = 0`` and ``x_target = 0`` it is the additive pair rule, with rates of its own at spikes of either side.
``acts_at="post"`` leaves presynaptic spikes out, which takes less time than ``rate_pre=0``.

With ``bounds="upper"`` all steps at postsynaptic spikes shrink towards w_max, as published; with ``bounds="both"`` steps up do so
with ``(1 - u)^mu``, and steps down, of either side, shrink towards w_min with ``u^mu_minus``. With both exponents 1 these are
soft bounds, as memory devices have them: a weight rests where ``u = a / (a + b)``, if x_pre is at the target's spikes above
x_target by a and below it by b, on average over all of them.

Source: Diehl & Cook, Front. Comput. Neurosci. 9:99 (2015), sec. 2.3. It gives no numbers for x_target and mu; their defaults
leave them out. Soft bounds: Fusi & Abbott, Nat. Neurosci. 10:485 (2007). The other defaults are those of the program published
with Diehl & Cook: rates 1e-4 at presynaptic and 1e-2 at postsynaptic spikes, 20 ms, traces that a spike sets to 1. That program
learns by triplets: ``TripletSTDP(a2_plus=0.0, a3_plus=1e-2, a2_minus=1e-4, tau_plus=20e-3, tau_minus=20e-3, tau_y=40e-3,
pairing="nearest")``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections
from .traces import TraceCoeffs, TraceRule, Traces, check_span, fraction


@dataclass(frozen=True)
class OnlineSTDP(TraceRule):
    """A rule that acts at postsynaptic spikes, on presynaptic traces with an offset, for unsupervised learning of patterns."""

    rate_pre: Value = param(1e-4, least=0.0, role="learning rate", gradient=False)
    rate_post: Value = param(1e-2, least=0.0, role="learning rate", gradient=False)
    x_target: Value = param(0.0, least=0.0, gradient=False)
    mu: Value = param(0.0, least=0.0, most=10.0, gradient=False)
    mu_minus: Value = param(1.0, least=0.0, most=10.0, gradient=False)
    pairing: str = option("nearest", choices=("all", "nearest"))
    acts_at: str = option("both", choices=("both", "post"))
    bounds: str = option("upper", choices=("upper", "both"))

    def check(self, where: str, p: Bag) -> None:
        check_span(where, p)

    def update(self, state: Traces, x: Bag, w: Connections, p: Bag, c: TraceCoeffs) -> tuple[Connections, Traces]:
        u, above = fraction(w, p), state.x_pre - p.x_target
        up = (1 - u) ** p.mu
        down = u ** (p.mu_minus if self.bounds == "both" else p.mu)
        change = p.rate_post * x.post * above * (torch.where(above < 0, down, up) if self.bounds == "both" else up)
        if self.acts_at == "both":
            change = change - p.rate_pre * x.pre * state.x_post * down
        return (p.w_max - p.w_min) * change, self.traces(state, x, c)
