"""Triplet spike-timing-dependent plasticity.

Four traces: r1 and r2 follow the presynaptic spikes with tau_plus and tau_x, o1 and o2 the postsynaptic ones with tau_minus and
tau_y. In slot k, with the traces before this slot's spikes:
``dw = post r1 (a2_plus + a3_plus o2) - pre o1 (a2_minus + a3_minus r2)``.
``pairing="all"`` adds 1 to a trace at each spike, ``pairing="nearest"`` sets it to 1 (`traces`).

Source: Pfister & Gerstner, J. Neurosci. 26:9673 (2006), eq. 3 and 4. The defaults are its minimal model of visual cortex, all to
all (table 3): a2_plus and a3_minus 0, a3_plus 6.5e-3, a2_minus 7.1e-3, tau_plus 16.8 ms, tau_minus 33.7 ms, tau_y 114 ms. With
a3_minus = 0 tau_x does nothing; its default is that of the full model, 101 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from ..integrals import lost
from .traces import marked


class TripletState(NamedTuple):
    r1: Connections  # [..., pre, 1]
    r2: Connections
    o1: Connections  # [..., 1, post]
    o2: Connections


@dataclass(frozen=True)
class TripletSTDP(Rule):
    """A rule of triplet plasticity, in which potentiation grows with the rate of the postsynaptic spikes."""

    a2_plus: Value = param(0.0, unit="V", least=0.0, role="learning rate", gradient=False)
    a3_plus: Value = param(6.5e-3, unit="V", least=0.0, role="learning rate", gradient=False)
    a2_minus: Value = param(7.1e-3, unit="V", least=0.0, role="learning rate", gradient=False)
    a3_minus: Value = param(0.0, unit="V", least=0.0, role="learning rate", gradient=False)
    tau_plus: Value = param(16.8e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_x: Value = param(101e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_minus: Value = param(33.7e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_y: Value = param(114e-3, unit="s", above=0.0, role="time constant", gradient=False)
    pairing: str = option("all", choices=("all", "nearest"))

    states = declare_states(
        TripletState, r1=State(0.0, on="pre"), r2=State(0.0, on="pre"), o1=State(0.0, on="post"), o2=State(0.0, on="post")
    )

    def discretise(self, p: Bag, dt: float) -> TripletState:
        return TripletState(lost(dt / p.tau_plus), lost(dt / p.tau_x), lost(dt / p.tau_minus), lost(dt / p.tau_y))

    def update(self, state: TripletState, x: Bag, w: Connections, p: Bag, c: TripletState) -> tuple[Connections, TripletState]:
        up = x.post * state.r1 * (p.a2_plus + p.a3_plus * state.o2)
        down = x.pre * state.o1 * (p.a2_minus + p.a3_minus * state.r2)
        after = [marked(trace, events, self.pairing) for trace, events in zip(state, (x.pre, x.pre, x.post, x.post), strict=True)]
        return up - down, TripletState(*(trace - trace * part for trace, part in zip(after, c, strict=True)))
