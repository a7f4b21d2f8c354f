"""What rules of spike timing share: a trace on each side, and the place of a weight between its limits.

A trace decays with its time constant. With ``pairing="all"`` each spike adds 1 to it, so that all earlier spikes count; with
``pairing="nearest"`` a spike sets it to 1, so that only the last one does (nearest neighbour, the symmetric scheme).

Source: Morrison, Diesmann & Gerstner, Biol. Cybern. 98:459 (2008), sec. 4.1, for the schemes of pairing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch

from ...base.errors import ParameterError
from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from ..integrals import lost


class Traces(NamedTuple):
    x_pre: Connections  # [..., pre, 1]
    x_post: Connections  # [..., 1, post]


class TraceCoeffs(NamedTuple):
    lost_pre: Connections  # 1 - exp(-dt / tau_pre)
    lost_post: Connections


def marked(trace: Connections, events: Connections, pairing: str) -> Connections:
    """Return a trace with the events of a slot, by ``pairing``: "all" adds them, "nearest" sets the trace to 1."""
    return trace + events if pairing == "all" else torch.where(events > 0, torch.ones_like(trace), trace)


def fraction(w: Connections, p: Bag) -> Connections:
    """Return where weights lie between ``w_min`` (0) and ``w_max`` (1)."""
    share: Connections = ((w - p.w_min) / (p.w_max - p.w_min)).clamp(0.0, 1.0)
    return share


def check_span(where: str, p: Bag) -> None:
    """Refuse limits of the weights without a span between them.

    Raises:
        ParameterError: ``w_max`` is not above ``w_min``.
    """
    if bool((p.w_max <= p.w_min).any()):
        raise ParameterError(
            f"{where}.w_max",
            "must be above w_min, because the changes depend on where the weight lies between them",
            got=f"{float(p.w_max.min()):g} V, with w_min = {float(p.w_min.max()):g} V",
        )


@dataclass(frozen=True)
class TraceRule(Rule):
    """The base class of rules with one trace on each side, which decay with ``tau_pre`` and ``tau_post``."""

    tau_pre: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_post: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False)
    pairing: str = option("all", choices=("all", "nearest"))

    states: ClassVar[Any] = declare_states(Traces, x_pre=State(0.0, on="pre"), x_post=State(0.0, on="post"))

    def discretise(self, p: Bag, dt: float) -> Any:
        return TraceCoeffs(lost(dt / p.tau_pre), lost(dt / p.tau_post))

    def traces(self, state: Any, x: Bag, c: Any) -> Traces:
        """Return the traces at t_k + dt, with the spikes of slot k."""
        pre, post = marked(state.x_pre, x.pre, self.pairing), marked(state.x_post, x.post, self.pairing)
        return Traces(pre - pre * c.lost_pre, post - post * c.lost_post)
