"""Double-exponential synapse: each event starts a current ``weight * (exp(-t/tau) - exp(-t/tau_rise)) / (tau - tau_rise)``.

The total charge of an event is ``weight`` (V). The time of the peak is ``tau tau_rise / (tau - tau_rise) * ln(tau / tau_rise)``.
It is a cascade: an exponential synapse of ``tau_rise``, low-pass filtered with ``tau``,

``dr/dt = -r / tau_rise``, an event adds ``weight / tau_rise``;  ``di/dt = (r - i) / tau``

so that no two near numbers are subtracted where the time constants are close; where they are equal it is the alpha synapse. Over
a slot, with ``z = dt / tau`` and ``z_r = dt / tau_rise``, exactly (see `integrals`; z_m = 0 without a membrane): the charge is
``dt (i pair(z, z_m) + r z triple(z, z_r, z_m)) / spread(z_m)``; ``i <- i e^-z + r z pair(z, z_r)``; ``r <- r e^-z_r``.
``drive="exact"`` as in the exponential synapse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse, exact_membrane
from ..integrals import lost, pair, spread, triple


class DoubleExpState(NamedTuple):
    i: Connections  # V/s, synaptic current
    rise: Connections  # V/s, what it follows


class DoubleExpCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-z)
    lost_rise: Connections  # 1 - exp(-z_r)
    gain: Connections  # 1 / tau_rise, 1/s
    feed: Connections  # of rise into i
    charge: Connections  # s, per unit of i
    charge_rise: Connections  # s, per unit of rise


@dataclass(frozen=True)
class DoubleExpSynapse(Synapse):
    """A synapse with a double-exponential (second-order) current. In: events. Out: charge (V per slot)."""

    tau: Value = param(10e-3, unit="s", above=0.0, role="time constant")
    tau_rise: Value = param(2e-3, unit="s", above=0.0, role="time constant")
    drive: str = option("charge", choices=("charge", "exact"))

    states = DoubleExpState(i=State(0.0, unit="V/s"), rise=State(0.0, unit="V/s"))  # type: ignore[arg-type]

    def discretise(self, p: Bag, dt: float) -> DoubleExpCoeffs:
        membrane = exact_membrane(self, p, self.drive)
        z, r = dt / p.tau, dt / p.tau_rise
        m = torch.zeros_like(z) if membrane is None else dt / membrane
        slot = dt / spread(m)
        return DoubleExpCoeffs(lost(z), lost(r), 1 / p.tau_rise, z * pair(z, r), slot * pair(z, m), slot * z * triple(z, r, m))

    def receive(self, state: DoubleExpState, x: Bag, p: Bag, c: DoubleExpCoeffs) -> DoubleExpState:
        return DoubleExpState(state.i, state.rise + x.value * c.gain)

    def step(self, state: DoubleExpState, x: Bag, p: Bag, c: DoubleExpCoeffs) -> tuple[Connections, DoubleExpState]:
        i, rise = state
        charge = i * c.charge + rise * c.charge_rise
        return charge, DoubleExpState(i - i * c.lost + rise * c.feed, rise - rise * c.lost_rise)
