"""Pair-based plasticity whose steps depend on the weight by a power law.

With ``u = (w - w_min) / (w_max - w_min)`` and the traces before this slot's spikes,
``dw = (w_max - w_min) rate ((1 - u)^mu_plus x_pre post - alpha u^mu_minus pre x_post)``.

Exponents 0 give additive steps with hard bounds, 1 multiplicative steps with soft bounds. Where pairs of both orders are equally
frequent and equally long, and ``mu_plus = mu_minus = mu``, the weight rests at ``u = 1 / (1 + alpha^(1 / mu))``.

Source: Guetig, Aharonov, Rotter & Sompolinsky, J. Neurosci. 23:3697 (2003), eq. 2 and 3, with one exponent for both. Two
exponents as in NEST's stdp_synapse, and its defaults: rate (lambda) 0.01, alpha 1, exponents 1. ``mu_plus=0, mu_minus=1`` is the
rule of van Rossum, Bi & Turrigiano, J. Neurosci. 20:8812 (2000).
"""

from __future__ import annotations

from dataclasses import dataclass

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Connections
from .traces import TraceCoeffs, TraceRule, Traces, check_span, fraction


@dataclass(frozen=True)
class PowerSTDP(TraceRule):
    """A rule of pair-based plasticity with steps that depend on the weight by a power law, from additive to multiplicative."""

    rate: Value = param(0.01, least=0.0, role="learning rate", gradient=False)
    alpha: Value = param(1.0, least=0.0, role="learning rate", gradient=False)
    mu_plus: Value = param(1.0, least=0.0, most=10.0, gradient=False)
    mu_minus: Value = param(1.0, least=0.0, most=10.0, gradient=False)

    def check(self, where: str, p: Bag) -> None:
        check_span(where, p)

    def update(self, state: Traces, x: Bag, w: Connections, p: Bag, c: TraceCoeffs) -> tuple[Connections, Traces]:
        u = fraction(w, p)
        up = (1 - u) ** p.mu_plus * state.x_pre * x.post
        down = p.alpha * u**p.mu_minus * x.pre * state.x_post
        return (p.w_max - p.w_min) * p.rate * (up - down), self.traces(state, x, c)
