"""Ornstein-Uhlenbeck process: a level with an exponential autocorrelation, the same process at any dt.

``tau dx = (mean - x) dt + sigma sqrt(2 tau) dW``: x is normally distributed around ``mean`` with the standard deviation
``sigma``, and has the autocovariance ``sigma^2 exp(-|s| / tau)``. In slot k, with ``z = dt / tau`` and two standard normal
numbers xi and eta:

at the start   1. ``x <- mean + sigma start``                                       first slot: the stationary distribution
over the slot  2. ``level = mean + (x - mean) spread(z) + sigma (a xi + b eta)``    the mean of x from t_k to t_k + dt
               3. ``x <- x + (mean - x) (1 - exp(-z)) + sigma sqrt(1 - exp(-2 z)) xi``

with ``a = spread(z) sqrt(tanh(z / 2))`` and ``b^2 = 2 (1 - tanh(z / 2) / (z / 2)) / z``. State and mean of the slot have their
joint distribution, so that both are exact for any dt: the state x has the statistics above, and the level has the integral of
the process over each slot, also where a slot is longer than tau.

Source: Gillespie, Phys. Rev. E 54:2084 (1996), for the joint distribution of the process and its integral; a and b follow from
its variances and covariance by elementary algebra.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from ..integrals import lost, spread
from .noise import NoiseSource

SERIES = 0.1  # below this z / 2 the series of the bridge is exact to 1e-12, where the difference loses digits


class Relaxation(NamedTuple):
    """One slot of an Ornstein-Uhlenbeck process with the standard deviation 1."""

    lost: Tensor  # 1 - exp(-z)
    spread: Tensor  # the share of x in the mean of the slot
    kick: Tensor  # standard deviation of what x gets
    with_kick: Tensor  # a: what the mean of the slot gets, along with x
    bridge: Tensor  # b: and on its own


def relaxation(z: Tensor) -> Relaxation:
    """Return the coefficients of a slot of z time constants."""
    half = z / 2
    small = half < SERIES
    y = torch.where(small, torch.ones_like(half), half)
    s = torch.where(small, half, torch.zeros_like(half)).square()
    # 1 - tanh(y) / y, over z
    series = half / 2 * (1 / 3 - s * (2 / 15 - s * (17 / 315 - s * (62 / 2835 - s * (1382 / 155925)))))
    rest = torch.where(small, series, (1 - torch.tanh(y) / y) / (2 * y))
    return Relaxation(lost(z), spread(z), lost(2 * z).sqrt(), spread(z) * torch.tanh(half).sqrt(), (2 * rest).sqrt())


class OUState(NamedTuple):
    x: Units  # V/s, the process at t_k, when it is recorded at t_k + dt; inf: drawn in the first slot


class OUCoeffs(NamedTuple):
    slot: Relaxation


@dataclass(frozen=True)
class OrnsteinUhlenbeck(NoiseSource):
    """A source of an Ornstein-Uhlenbeck process. Out: levels, its mean over each slot.

    It starts from its stationary distribution, or from ``initial={"x": ...}``.
    """

    mean: Value = param(0.0, unit="V/s", role="level", gradient=False)
    sigma: Value = param(10.0, unit="V/s", least=0.0, role="noise", gradient=False)
    tau: Value = param(5e-3, unit="s", above=0.0, role="time constant", gradient=False)

    noise = {"start": "normal", "xi": "normal", "eta": "normal"}
    at_start: ClassVar[tuple[str, ...]] = ("start",)
    states = declare_states(OUState, x=State(math.inf, unit="V/s"))

    def discretise(self, p: Bag, dt: float) -> OUCoeffs:
        return OUCoeffs(relaxation(dt / p.tau))

    def emit(self, state: OUState, x: Bag, p: Bag, c: OUCoeffs) -> tuple[Units, OUState]:
        away = torch.where(torch.isinf(state.x), p.sigma * x.start, state.x - p.mean)
        level = p.mean + away * c.slot.spread + p.sigma * (c.slot.with_kick * x.xi + c.slot.bridge * x.eta)
        return level, OUState(p.mean + away - away * c.slot.lost + p.sigma * c.slot.kick * x.xi)
