"""Quadratic integrate-and-fire neuron (QIF), solved exactly, with its spikes at infinity.

``tau dv/dt = (v - v_rest) (v - v_crit) / v_scale + tau i``; spike where ``v >= v_peak``: ``v <- v_reset``. Without input v_rest
is the resting voltage and v_crit the one above which the neuron spikes by itself; ``tau v_scale / (v_crit - v_rest)`` is the
time constant at rest. With ``m`` the mean of the two, ``kappa = v_scale tau i - ((v_crit - v_rest) / 2)^2`` and ``h = dt / (tau
v_scale)`` the equation over a slot of constant current is ``du/dt = (u^2 + kappa) h / dt`` with ``u = v - m``, and its solution

``v <- v + (u^2 + kappa) S / (C - u S)``,  ``S = sin(r h) / r, C = cos(r h)``, ``r = sqrt(kappa)``; where kappa is below 0,
``S = tanh(r h) / r, C = 1``, ``r = sqrt(-kappa)``.

It has reached infinity within the slot where the denominator has passed 0. In that case, and where it ends far above v_peak, v
stays as far above the peak as v_reset is below it (`topped`), and the unit spikes at the slot's end. A charge counts as a
constant current over its slot.

A constant current above ``(v_crit - v_rest)^2 / (4 v_scale tau)`` gives the interval ``(tau v_scale / r) (atan((v_peak - m) /
r) - atan((v_reset - m) / r))``; between infinities the rate ``sqrt(kappa) / (pi tau v_scale)``.

Source: Ermentrout & Kopell, SIAM J. Appl. Math. 46:233 (1986); Latham et al., J. Neurophysiol. 83:808 (2000); Gerstner et al.,
*Neuronal Dynamics* (2014), sec. 5.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from .peaked import PeakedNeuron, topped

SMALL = 1e-2  # below this (r h)^2 the series of four terms is exact to 1e-11 of the whole


class QIFState(NamedTuple):
    v: Units  # V


class QIFCoeffs(NamedTuple):
    h: Units  # 1/V
    drive: Units  # v_scale tau / dt, V
    mean: Units  # V
    gap: Units  # ((v_crit - v_rest) / 2)^2, V^2


def quadratic_flow(speed: Units, u: Units, kappa: Units, h: Units) -> tuple[Units, Units]:
    """Solve ``du/dt = u^2 + kappa`` over ``h``.

    Args:
        speed: ``u^2 + kappa``, in the form that has no difference of near numbers.
        u: where it starts.
        kappa: the constant, of any sign.
        h: how long.

    Returns:
        The change of u, and whether u has passed infinity (where the change is 0).
    """
    near, swings = kappa.abs() <= SMALL / (h * h), kappa > 0
    root = torch.sqrt(torch.where(near, torch.ones_like(kappa), kappa.abs()))
    x = root * h
    # Beyond pi the solution has passed infinity wherever it began; sines of large numbers are not needed.
    turn = x.clamp(max=math.pi)
    q = torch.where(near, kappa, torch.zeros_like(kappa)) * h * h
    series = 1 + q * (1 / 3 + q * (2 / 15 + q * (17 / 315 + q * (62 / 2835))))  # tan(r h) / (r h) in q = (r h)^2
    s = torch.where(near, h * series, torch.where(swings, torch.sin(turn), torch.tanh(x)) / root)
    c = torch.where(near | ~swings, torch.ones_like(kappa), torch.cos(turn))
    under = c - u * s
    passed = (under <= 0) | (~near & swings & (x >= math.pi))
    return torch.where(passed, torch.zeros_like(q), speed * s / torch.where(passed, torch.ones_like(q), under)), passed


@dataclass(frozen=True)
class QIF(PeakedNeuron):
    """A quadratic integrate-and-fire neuron, exact for any dt. In: impulses (V) and charge (V per slot). Out: events, 0 or 1."""

    tau: Value = param(20e-3, unit="s", above=0.0, role="time constant")
    v_rest: Value = param(0.0, unit="V", role="voltage")
    v_crit: Value = param(1.0, unit="V", role="threshold")
    v_scale: Value = param(1.0, unit="V", above=0.0, role="voltage")

    states = declare_states(QIFState, v=State("v_rest", unit="V", held=True))

    def discretise(self, p: Bag, dt: float) -> QIFCoeffs:
        half = (p.v_crit - p.v_rest) / 2
        return QIFCoeffs(dt / (p.tau * p.v_scale), p.v_scale * p.tau / dt, (p.v_crit + p.v_rest) / 2, half * half)

    def evolve(self, state: QIFState, x: Bag, p: Bag, c: QIFCoeffs) -> QIFState:
        v, drive = state.v, x.charge * c.drive
        speed = (v - p.v_rest) * (v - p.v_crit) + drive
        change, passed = quadratic_flow(speed, v - c.mean, drive - c.gap, c.h)
        return QIFState(topped(v + change, passed, p.v_peak, p.v_reset))
