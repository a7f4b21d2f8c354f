"""Double-exponential synapse: each event starts a current ``weight * (exp(-t/tau) - exp(-t/tau_rise)) / (tau - tau_rise)``.

The total charge of an event is ``weight`` (V). The two exponentials are states of their own and each is integrated exactly, as in
the exponential synapse; ``drive="exact"`` as there. The time of the peak is ``tau tau_rise / (tau - tau_rise) * ln(tau /
tau_rise)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...errors import ParameterError
from ...parameters import State, Value, option, param
from ..contract import Bag, Connections, Synapse, check_membrane
from .exponential import slot_charge


class DoubleExpState(NamedTuple):
    fall: Connections  # V/s
    rise: Connections  # V/s


class DoubleExpCoeffs(NamedTuple):
    keep_fall: Connections
    keep_rise: Connections
    gain: Connections  # 1 / (tau - tau_rise), 1/s
    charge_fall: Connections  # s
    charge_rise: Connections  # s


@dataclass(frozen=True)
class DoubleExpSynapse(Synapse):
    """Double-exponential (second-order) synapse. In: events. Out: charge (V per slot). ``tau`` must differ from ``tau_rise``."""

    tau: Value = param(10e-3, unit="s", above=0.0, role="time constant")
    tau_rise: Value = param(2e-3, unit="s", above=0.0, role="time constant")
    drive: str = option("charge", choices=("charge", "exact"))

    states = DoubleExpState(fall=State(0.0, unit="V/s"), rise=State(0.0, unit="V/s"))  # type: ignore[arg-type]

    def check(self, where: str, p: Bag) -> None:
        if bool((p.tau == p.tau_rise).any()):
            raise ParameterError(
                f"{where}.tau", "must differ from tau_rise", got="equal ones", fix="Use AlphaSynapse, their limit."
            )

    def discretise(self, p: Bag, dt: float) -> DoubleExpCoeffs:
        membrane = p.__dict__.get("membrane") if self.drive == "exact" else None
        check_membrane("DoubleExpSynapse", self.drive, membrane)
        fall, rise = slot_charge(p.tau, membrane, dt), slot_charge(p.tau_rise, membrane, dt)
        return DoubleExpCoeffs(torch.exp(-dt / p.tau), torch.exp(-dt / p.tau_rise), 1 / (p.tau - p.tau_rise), fall, rise)

    def receive(self, state: DoubleExpState, x: Bag, p: Bag, c: DoubleExpCoeffs) -> DoubleExpState:
        jump = x.value * c.gain
        return DoubleExpState(state.fall + jump, state.rise + jump)

    def step(self, state: DoubleExpState, x: Bag, p: Bag, c: DoubleExpCoeffs) -> tuple[Connections, DoubleExpState]:
        charge = state.fall * c.charge_fall - state.rise * c.charge_rise
        return charge, DoubleExpState(state.fall * c.keep_fall, state.rise * c.keep_rise)
