"""Random telegraph noise: a level that switches between two values at random times, with exact probabilities for any dt.

The low level lasts ``tau_low`` on average, the high one ``tau_high``, both exponentially distributed. With ``1 / tau = 1 /
tau_low + 1 / tau_high``, the occupancy ``P = tau_high / (tau_low + tau_high)`` and ``z = dt / tau``, a slot later a low level is
high with the probability ``P (1 - exp(-z))``, a high one low with ``(1 - P) (1 - exp(-z))``, whatever happened in between. The
first slot is drawn from the occupancy. What is emitted is the level at t_k, held over the slot: its autocovariance is
``amplitude^2 P (1 - P) exp(-|s| / tau)`` at any dt, and its one-sided power spectral density is the Lorentzian ``4 amplitude^2
P (1 - P) tau / (1 + (2 pi f tau)^2)`` well below 1 / (2 dt). Switching within a slot is not resolved: take dt well below tau
where it matters.

Both rates are thermally activated: at the temperature T they are ``exp(e_a / k (1 / t_ref - 1 / T))`` times those declared.

Source: Machlup, J. Appl. Phys. 25:341 (1954); Kirton & Uren, Adv. Phys. 38:367 (1989) for traps in devices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ...base.temperature import arrhenius
from ..contract import Units
from ..integrals import lost
from .noise import NoiseSource


class TelegraphState(NamedTuple):
    high: Units  # 1 or 0 at t_k; inf: drawn in the first slot


class TelegraphCoeffs(NamedTuple):
    occupancy: Units  # P
    up: Units  # probability of a change in a slot
    down: Units


@dataclass(frozen=True)
class TelegraphNoise(NoiseSource):
    """Random telegraph noise between ``mean`` and ``mean + amplitude``. Out: levels.

    ``tau_low`` and ``tau_high`` are mean times at either level, at the temperature ``t_ref``; ``e_a`` (eV) is the activation
    energy of both rates, 0 where they do not depend on the temperature.
    """

    mean: Value = param(0.0, unit="V/s", role="level", gradient=False)
    amplitude: Value = param(10.0, unit="V/s", role="noise", gradient=False)
    tau_low: Value = param(10e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_high: Value = param(10e-3, unit="s", above=0.0, role="time constant", gradient=False)
    e_a: Value = param(0.0, unit="eV", least=0.0, role="thermal", gradient=False)
    t_ref: Value = param(300.0, unit="K", above=0.0, role="thermal", gradient=False)
    temperature: Value = param(300.0, unit="K", above=0.0, role="temperature", gradient=False)

    noise = {"u": "uniform"}
    states = declare_states(TelegraphState, high=State(math.inf))

    def discretise(self, p: Bag, dt: float) -> TelegraphCoeffs:
        z = dt / p.tau_low + dt / p.tau_high
        gone = lost(z * arrhenius(p.e_a, p.t_ref, p.temperature))
        high, low = 1 / (1 + p.tau_low / p.tau_high), 1 / (1 + p.tau_high / p.tau_low)
        return TelegraphCoeffs(high, high * gone, low * gone)

    def emit(self, state: TelegraphState, x: Bag, p: Bag, c: TelegraphCoeffs) -> tuple[Units, TelegraphState]:
        # The probability of a change is compared with u, not that of none: float32 resolves small numbers, not those near 1.
        changes = x.u < torch.where(state.high > 0, c.down, c.up)
        moved = torch.where(changes, 1 - state.high, state.high)
        high = torch.where(torch.isinf(state.high), (x.u < c.occupancy).to(moved.dtype), moved)
        return p.mean + p.amplitude * high, TelegraphState(high)
