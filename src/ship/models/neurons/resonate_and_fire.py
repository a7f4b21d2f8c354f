"""Resonate-and-fire neuron: damped oscillations below threshold.

``dz/dt = (-1 / tau + i omega) z + current`` for ``z = u + i v``, i.e. ``du/dt = -u / tau - omega v + current``, ``dv/dt = -v /
tau + omega u``, ``omega = 2 pi frequency``; spike where ``v >= v_th``: ``v <- v_reset``, ``u <- u_reset``. Impulses and charge
go into u, which is like a current, so that v answers a quarter of a period later. Both are held while refractory. A slot is an
exact rotation: ``z <- z exp(k) + charge (exp(k) - 1) / k``, ``k = (-1 / tau + i omega) dt``, for any dt.

A small sinusoidal current of the angular frequency W gives v the amplitude ``omega / sqrt((omega^2 + 1 / tau^2 - W^2)^2 + (2 W /
tau)^2)`` times its own, largest at ``W^2 = omega^2 - 1 / tau^2``.

Source: Izhikevich, Neural Networks 14:883 (2001), whose threshold is 1 and whose reset is z = i: v at its threshold, u at 0
(the defaults).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import Port, State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import SpikingNeuron, Units
from ..integrals import lost

SMALL = 1e-2  # below this |k| the series of (exp(k) - 1) / k is exact to 1e-15


class ResonatorState(NamedTuple):
    u: Units  # V, like a current
    v: Units  # V, like a voltage


class ResonatorCoeffs(NamedTuple):
    lost: Units  # 1 - Re exp(k)
    turn: Units  # Im exp(k)
    spread: Units  # Re of (exp(k) - 1) / k
    passed: Units  # Im of (exp(k) - 1) / k


@dataclass(frozen=True)
class ResonateAndFire(SpikingNeuron):
    """A resonate-and-fire neuron with damped oscillations. In: impulses (V) and charge (V per slot), into u. Out: events, 0 or
    1."""

    tau: Value = param(20e-3, unit="s", above=0.0, role="time constant", infinite=True)
    frequency: Value = param(50.0, unit="Hz", least=0.0, role="frequency")
    v_th: Value = param(1.0, unit="V", role="threshold")
    v_reset: Value = param(1.0, unit="V", role="voltage")
    u_reset: Value = param(0.0, unit="V", role="voltage")

    ports = {"impulse": Port("events", "V"), "charge": Port("charge", "V")}
    states = declare_states(ResonatorState, u=State(0.0, unit="V", held=True), v=State(0.0, unit="V", held=True))

    def discretise(self, p: Bag, dt: float) -> ResonatorCoeffs:
        x, y = torch.broadcast_tensors(-dt / p.tau, 2 * math.pi * p.frequency * dt)
        # exp(k) - 1 without differences of near numbers, and its quotient by k, near 0 as a series.
        real, imaginary = -lost(-x) * torch.cos(y) - 2 * torch.sin(y / 2) ** 2, torch.exp(x) * torch.sin(y)
        square = x * x + y * y
        near = square < SMALL * SMALL
        k = torch.complex(x, y)
        series = 1 + k / 2 * (1 + k / 3 * (1 + k / 4 * (1 + k / 5 * (1 + k / 6 * (1 + k / 7)))))
        safe = torch.where(near, torch.ones_like(square), square)
        spread = torch.where(near, series.real, (real * x + imaginary * y) / safe)
        passed = torch.where(near, series.imag, (imaginary * x - real * y) / safe)
        return ResonatorCoeffs(-real, imaginary, spread, passed)

    def receive(self, state: ResonatorState, jump: Units, p: Bag) -> ResonatorState:
        return state._replace(u=state.u + jump)

    def margin(self, state: ResonatorState, p: Bag) -> Units:
        return state.v - p.v_th

    def reset(self, state: ResonatorState, fired: Units, p: Bag) -> ResonatorState:
        return ResonatorState(torch.where(fired, p.u_reset, state.u), torch.where(fired, p.v_reset, state.v))

    def evolve(self, state: ResonatorState, x: Bag, p: Bag, c: ResonatorCoeffs) -> ResonatorState:
        u, v = state
        return ResonatorState(
            u - u * c.lost - v * c.turn + x.charge * c.spread,
            v - v * c.lost + u * c.turn + x.charge * c.passed,
        )
