"""Delayed synapse: a delay that is no whole number of slots acts to the fraction, and can be trained.

An event of t_k acts at ``t_k + lag``, in slot k + m after the fraction f of it, ``lag = (m + f) dt``, m whole and f in [0, 1).
From there on it is the current of the exponential synapse, ``weight / tau * exp(-t / tau)``. With ``z = dt / tau``, of the slot
in which it begins: the charge is ``weight (1 - exp(-(1 - f) z))``, and at its end the current is
``weight / tau exp(-(1 - f) z)``. Both are exact, and they join where f reaches 1 and m the next number, so that the charges of
all slots are continuous in ``lag``: its gradient is that of the exact response, without interpolation. With ``drive="exact"``
into a linear membrane (``z_m = dt / tau_m``; 0 without it) the charge is that with the same effect at the end of the slot,
``weight (1 - f) z pair((1 - f) z, (1 - f) z_m) / spread(z_m)``. Like every gradient of a delay it knows the next slots only,
not a distant coincidence.

Counts that arrived up to 15 slots ago are states, which move on by one in each slot: ``lag`` is below 16 slots, in addition to
the whole slots of ``delay=``. Where dt changes within a run, what waits in the line keeps its number of slots.

Source: the training of delays by their gradient, Hammouamri, Khalfaoui-Hassani & Masquelier, ICLR (2024), who interpolate
between slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.errors import ParameterError
from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse, exact_membrane
from ..integrals import lost, pair, spread
from .exponential import slot_charge

SLOTS = 16  # of the line


class DelayedState(NamedTuple):
    i: Connections  # V/s, synaptic current; 1/s before the weight where each source unit has one
    a1: Connections  # count that arrived 1 slot ago; and so on
    a2: Connections
    a3: Connections
    a4: Connections
    a5: Connections
    a6: Connections
    a7: Connections
    a8: Connections
    a9: Connections
    a10: Connections
    a11: Connections
    a12: Connections
    a13: Connections
    a14: Connections
    a15: Connections


class DelayedCoeffs(NamedTuple):
    slot: Connections  # m, whole slots of the lag
    lost: Connections  # 1 - exp(-z)
    charge: Connections  # s, of a slot per unit of the current at its start
    first: Connections  # charge of an event, over its weight, in the slot in which it begins
    left: Connections  # 1/s, exp(-(1 - f) z) / tau, its current at the end of that slot


@dataclass(frozen=True)
class DelayedSynapse(Synapse):
    """An exponential synapse with a fractional, trainable delay ``lag``. In: events. Out: charge (V per slot)."""

    tau: Value = param(5e-3, unit="s", above=0.0, role="time constant")
    lag: Value = param(0.0, unit="s", least=0.0, role="delay")
    side: str = option("pre", choices=("pre", "connection"))
    drive: str = option("charge", choices=("charge", "exact"))

    states = declare_states(
        DelayedState,
        i=State(0.0, unit="V/s"),
        a1=State(0.0),
        a2=State(0.0),
        a3=State(0.0),
        a4=State(0.0),
        a5=State(0.0),
        a6=State(0.0),
        a7=State(0.0),
        a8=State(0.0),
        a9=State(0.0),
        a10=State(0.0),
        a11=State(0.0),
        a12=State(0.0),
        a13=State(0.0),
        a14=State(0.0),
        a15=State(0.0),
    )

    def discretise(self, p: Bag, dt: float) -> DelayedCoeffs:
        late = p.lag / dt
        if bool((late >= SLOTS).any()):
            raise ParameterError(
                f"{type(self).__name__}.lag",
                f"must be below {SLOTS} slots, {SLOTS * dt:g} s with dt = {dt:g} s",
                got=f"{float(p.lag.max()):g}",
                fix="Give whole slots by delay=, and the rest as lag.",
            )
        membrane = exact_membrane(self, p, self.drive)
        slot = torch.floor(late.detach())
        part = 1 - (late - slot)  # of the slot that is left
        z, m = dt / p.tau, torch.zeros_like(p.tau) if membrane is None else dt / membrane
        first = part * z * pair(part * z, part * m) / spread(m)
        return DelayedCoeffs(slot, lost(z), slot_charge(p.tau, membrane, dt), first, torch.exp(-part * z) / p.tau)

    def step(self, state: DelayedState, x: Bag, p: Bag, c: DelayedCoeffs) -> tuple[Connections, DelayedState]:
        come, weight = (x.value, 1.0) if self.side == "pre" else (x.arrival, p.weight)
        line = (come, *state[1:])
        begins = torch.zeros_like(come)
        for j, count in enumerate(line):
            begins = begins + torch.where(c.slot == j, count, 0.0)
        begins = weight * begins
        return state.i * c.charge + begins * c.first, DelayedState(state.i - state.i * c.lost + begins * c.left, *line[:-1])
