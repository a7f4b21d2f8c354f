"""Volatile memristor on every connection: a conductance that each event raises and that relaxes by itself.

``dg/dt = (g_off - g) / tau``; an event moves g towards g_on by the fraction ``alpha``: ``g <- g + alpha (g_on - g)`` (a soft
bound), and reads the device with a rectangular pulse of ``v_read`` and ``t_pulse``, spread over the slot. Charge delivered per
event, in volt on the target: ``gain v_read g t_pulse``, with g after the event. Facilitation is then exact: after n events at
interval T, ``g_n = g_on - (g_on - g_off) * ...`` obeys the two-step map ``g <- g_off + (g - g_off) e^(-T/tau)``, ``g <- g + alpha
(g_on - g)``.

Source: relaxation as in arXiv 2404.08647 (constant voltage between pulses); soft bound as in Fusi & Abbott, Nat. Neurosci. 10:485
(2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Connection, Connections
from ..integrals import lost

NOTHING = -100.0  # ln of what alpha = 1 leaves: finite, so that no events still change nothing


class MemristorState(NamedTuple):
    g: Connections  # S, conductance [..., pre, post]


class MemristorCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-dt / tau)
    log_left: Connections  # ln(1 - alpha)


@dataclass(frozen=True)
class VolatileMemristor(Connection):
    """A volatile memristor on each connection. In: events. Out: charge (V per slot)."""

    tau: Value = param(50e-3, unit="s", above=0.0, role="time constant", per="connection")
    g_on: Value = param(100e-6, unit="S", above=0.0, role="conductance", per="connection")
    g_off: Value = param(1e-6, unit="S", least=0.0, role="conductance", per="connection")
    alpha: Value = param(0.2, least=0.0, most=1.0, role="plasticity", per="connection")
    v_read: Value = param(0.2, unit="V", role="voltage")
    t_pulse: Value = param(1e-3, unit="s", above=0.0, role="pulse width")
    gain: Value = param(1e7, unit="1/F", role="gain")  # 1 / capacitance of the membrane, 100 nF

    weighted: ClassVar[bool] = False
    states = declare_states(MemristorState, g=State("g_off", unit="S", on="connection"))

    def discretise(self, p: Bag, dt: float) -> MemristorCoeffs:
        return MemristorCoeffs(lost(dt / p.tau), torch.log1p(-p.alpha).clamp(min=NOTHING))

    def receive(self, state: MemristorState, x: Bag, p: Bag, c: MemristorCoeffs) -> MemristorState:
        gone = -torch.expm1(x.value * c.log_left)  # n events in a slot act n times
        return MemristorState(state.g - state.g * gone + p.g_on * gone)

    def step(self, state: MemristorState, x: Bag, p: Bag, c: MemristorCoeffs) -> tuple[Connections, MemristorState]:
        charge = p.gain * p.v_read * p.t_pulse * state.g * x.value
        return charge, MemristorState(state.g + (p.g_off - state.g) * c.lost)
