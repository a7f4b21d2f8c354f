"""Stochastic synapse: an event releases with probability ``p_release``, independently on each connection, or does nothing.

A release starts a current ``weight / tau * exp(-t / tau)``, as in the exponential synapse. The charge of an event has the mean
``p_release weight`` and the variance ``p_release (1 - p_release) weight^2``. In slot k: where a uniform number is below
``p_release``, the events of t_k are added to the current; charge and decay as in the exponential synapse. Several events on one
connection in one slot are released together, or not at all.

Source: a single release site of the quantal model, Katz, *The Release of Neural Transmitter Substances* (1969).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from .exponential import ExpCoeffs, ExponentialCurrent, ExpState


@dataclass(frozen=True)
class StochasticSynapse(ExponentialCurrent):
    """An exponential synapse that releases at random. In: events. Out: charge (V per slot)."""

    p_release: Value = param(0.5, least=0.0, most=1.0, role="release", gradient=False)
    side: str = option("connection", choices=("connection",))

    noise = {"u": "uniform"}

    def receive(self, state: ExpState, x: Bag, p: Bag, c: ExpCoeffs) -> ExpState:
        released = torch.where(x.u < p.p_release, x.value, torch.zeros_like(x.value))
        return ExpState(state.i + released * c.gain)
