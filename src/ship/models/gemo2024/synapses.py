"""The synapses of the publication: an event adds ``weight * w_scale`` to a current (V/s), not to a charge.

`FirstOrder2024`, in slot k with ``A = exp(-dt / tau)``: ``i <- i A + event weight w_scale``; the charge of the slot is the exact
integral, ``i tau (1 - A)``. `SecondOrder2024` is the difference of two of them with ``tau_1`` and ``tau_2``. `Summed2024` has one
current for each target, and gives the current itself in place of its integral, so that its effect grows as 1 / dt.

Source: Gemo, Brivio, Spiga, component models of SHIP (2024): lS_1o, lS_2o, lS_FZenke.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Uniform, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Synapse


class FirstOrderState(NamedTuple):
    i: Connections  # V/s


class FirstOrderCoeffs(NamedTuple):
    keep: Connections  # A
    charge: Connections  # s


class SecondOrderState(NamedTuple):
    i_1: Connections  # V/s
    i_2: Connections


class SecondOrderCoeffs(NamedTuple):
    first: FirstOrderCoeffs
    second: FirstOrderCoeffs


def _decay(tau: torch.Tensor, dt: float) -> FirstOrderCoeffs:
    keep = torch.exp(-dt / tau)
    return FirstOrderCoeffs(keep, tau * (1 - keep))


@dataclass(frozen=True)
class OneCurrent2024(Synapse):
    """The base class of the synapses of the publication with one current: all but what they give."""

    w_scale: Value = param(1.0, role="gain", gradient=False)
    tau: Value = param(8e-3, unit="s", above=0.0, role="time constant")

    def discretise(self, p: Bag, dt: float) -> FirstOrderCoeffs:
        return _decay(p.tau, dt)

    def receive(self, state: FirstOrderState, x: Bag, p: Bag, c: FirstOrderCoeffs) -> FirstOrderState:
        return FirstOrderState(state.i * c.keep + x.value * p.w_scale)


@dataclass(frozen=True)
class FirstOrder2024(OneCurrent2024):
    """The synapse `lS_1o` of the publication. In: events. Out: charge (V per slot)."""

    weight: Value = param(Uniform(0.0, 1.0), unit="V/s", role="weight", per="connection")
    side: str = option("connection", choices=("connection", "post", "pre"))

    states = declare_states(FirstOrderState, i=State(0.0, unit="V/s"))

    def step(self, state: FirstOrderState, x: Bag, p: Bag, c: FirstOrderCoeffs) -> tuple[Connections, FirstOrderState]:
        return state.i * c.charge, state


@dataclass(frozen=True)
class SecondOrder2024(Synapse):
    """The synapse `lS_2o` of the publication. In: events. Out: charge (V per slot)."""

    weight: Value = param(Uniform(0.0, 1.0), unit="V/s", role="weight", per="connection")
    w_scale: Value = param(1.0, role="gain", gradient=False)
    tau_1: Value = param(8e-3, unit="s", above=0.0, role="time constant")
    tau_2: Value = param(4e-3, unit="s", above=0.0, role="time constant")
    side: str = option("connection", choices=("connection", "post", "pre"))

    states = declare_states(SecondOrderState, i_1=State(0.0, unit="V/s"), i_2=State(0.0, unit="V/s"))

    def discretise(self, p: Bag, dt: float) -> SecondOrderCoeffs:
        return SecondOrderCoeffs(_decay(p.tau_1, dt), _decay(p.tau_2, dt))

    def receive(self, state: SecondOrderState, x: Bag, p: Bag, c: SecondOrderCoeffs) -> SecondOrderState:
        given = x.value * p.w_scale
        return SecondOrderState(state.i_1 * c.first.keep + given, state.i_2 * c.second.keep - given)

    def step(self, state: SecondOrderState, x: Bag, p: Bag, c: SecondOrderCoeffs) -> tuple[Connections, SecondOrderState]:
        return state.i_1 * c.first.charge + state.i_2 * c.second.charge, state


@dataclass(frozen=True)
class Summed2024(OneCurrent2024):
    """The synapse `lS_FZenke` of the publication. In: events. Out: charge (V per slot), the current at its end without dt."""

    weight: Value = param(Uniform(0.0, 1.0), unit="V", role="weight", per="connection")
    side: str = option("post", choices=("post",))

    states = declare_states(FirstOrderState, i=State(0.0, unit="V"))

    def step(self, state: FirstOrderState, x: Bag, p: Bag, c: FirstOrderCoeffs) -> tuple[Connections, FirstOrderState]:
        return state.i, state
