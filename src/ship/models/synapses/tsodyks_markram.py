"""Tsodyks-Markram synapse: short-term facilitation and depression of an exponential current.

A share x of the resources is there, and an event uses the fraction u of it: ``u <- u + use (1 - u)``, the current gets
``weight u x / tau``, ``x <- x - u x``. Between events ``du/dt = -u / tau_fac``, ``dx/dt = (1 - x) / tau_rec``,
``di/dt = -i / tau``, solved exactly: the states at events on the grid do not depend on dt. ``tau_fac = 0`` is a synapse without
facilitation: u is ``use`` at each event. Of several events of one connection in one slot each uses the fraction u of what is
there at t_k, and together no more than all of it.

At a steady rate, events T apart, with ``f = exp(-T / tau_fac)`` and ``r = exp(-T / tau_rec)``: ``u = use / (1 - (1 - use) f)``
and ``x = (1 - r) / (1 - (1 - u) r)`` at each event.

Source: Tsodyks, Uziel & Markram, J. Neurosci. 20:RC50 (2000). There what an event used becomes inactive with ``tau`` and then
recovers; here it recovers from the event on, as in Markram, Wang & Tsodyks, PNAS 95:5323 (1998) and NEST's
``tsodyks2_synapse``: the limit of ``tau`` far below ``tau_rec``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse, exact_membrane
from ..integrals import lost
from .exponential import slot_charge


class TsodyksMarkramState(NamedTuple):
    i: Connections  # current: V/s where each connection has one, 1/s before the weight where each source unit has one
    u: Connections  # fraction that an event uses
    x: Connections  # share of the resources that is there


class TsodyksMarkramCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-dt / tau)
    lost_u: Connections  # 1 - exp(-dt / tau_fac)
    lost_x: Connections  # 1 - exp(-dt / tau_rec)
    gain: Connections  # 1 / tau, 1/s
    charge: Connections  # s, charge of the slot per unit of current at its start


@dataclass(frozen=True)
class TsodyksMarkram(Synapse):
    """A synapse with short-term plasticity. In: events. Out: charge (V per slot).

    With ``side="pre"`` all connections of a source unit share u and x, as they do where their parameters are the same.
    """

    tau: Value = param(3e-3, unit="s", above=0.0, role="time constant")
    use: Value = param(0.5, above=0.0, most=1.0, role="release")
    tau_rec: Value = param(0.8, unit="s", above=0.0, role="time constant")
    tau_fac: Value = param(0.0, unit="s", least=0.0, role="time constant")
    side: str = option("pre", choices=("pre", "connection"))
    drive: str = option("charge", choices=("charge", "exact"))

    states = declare_states(TsodyksMarkramState, i=State(0.0, unit="V/s"), u=State(0.0), x=State(1.0))

    def discretise(self, p: Bag, dt: float) -> TsodyksMarkramCoeffs:
        calm = torch.where(p.tau_fac > 0, p.tau_fac, torch.ones_like(p.tau_fac))
        lost_u = torch.where(p.tau_fac > 0, lost(dt / calm), torch.ones_like(calm))
        charge = slot_charge(p.tau, exact_membrane(self, p, self.drive), dt)
        return TsodyksMarkramCoeffs(lost(dt / p.tau), lost_u, lost(dt / p.tau_rec), 1 / p.tau, charge)

    def receive(self, state: TsodyksMarkramState, x: Bag, p: Bag, c: TsodyksMarkramCoeffs) -> TsodyksMarkramState:
        count, weight = (x.value, 1.0) if self.side == "pre" else (x.arrival, p.weight)
        u = state.u + p.use * (1 - state.u) * count.clamp(max=1.0)
        released = state.x * (u * count).clamp(max=1.0)
        return TsodyksMarkramState(state.i + weight * released * c.gain, u, state.x - released)

    def step(
        self, state: TsodyksMarkramState, x: Bag, p: Bag, c: TsodyksMarkramCoeffs
    ) -> tuple[Connections, TsodyksMarkramState]:
        i, u, there = state
        return i * c.charge, TsodyksMarkramState(i - i * c.lost, u - u * c.lost_u, there + (1 - there) * c.lost_x)
