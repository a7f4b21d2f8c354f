"""White noise: a level whose integral over any time T has the variance ``sigma^2 T``, however T is cut into slots.

``level = mean + sigma xi / sqrt(dt)``, xi standard normal: its integral over a slot has the variance ``sigma^2 dt``. The power
spectral density, one-sided, is ``2 sigma^2``. A leaky membrane of time constant tau that it flows into gets a standard deviation
of ``sigma sqrt(tau / 2)``, times ``sqrt(tanh(z / 2) / (z / 2))`` in slots of ``z = dt / tau``, because a charge flows evenly
within a slot: 0.01 % less at z = 0.05.

Johnson noise is the white noise of a resistor, ``2 sigma^2 = 4 k T / R``: the current of a resistance R at the temperature T. On
a capacitance C in parallel the voltage has the variance ``k T / C``, whatever R.

Sources: Gardiner, *Handbook of Stochastic Methods* (1985), sec. 4.1; Johnson, Phys. Rev. 32:97 and Nyquist, Phys. Rev. 32:110
(1928).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ...base.temperature import BOLTZMANN
from ..contract import Units
from .noise import NoiseSource


class WhiteCoeffs(NamedTuple):
    spread: Units  # standard deviation of the level of a slot


@dataclass(frozen=True)
class White(NoiseSource):
    """The base class of white noise: a density gives the level of each slot."""

    noise = {"xi": "normal"}

    @abstractmethod
    def density(self, p: Bag) -> Tensor:
        """Return the standard deviation of the integral over a second."""

    def discretise(self, p: Bag, dt: float) -> WhiteCoeffs:
        return WhiteCoeffs(self.density(p) / math.sqrt(dt))

    def emit(self, state: Any, x: Bag, p: Bag, c: WhiteCoeffs) -> tuple[Units, Any]:
        return c.spread * x.xi, state


@dataclass(frozen=True)
class WhiteNoise(White):
    """White noise around a mean. Out: levels. Their integral over a time T has the variance ``sigma^2 T``."""

    mean: Value = param(0.0, unit="V/s", role="level", gradient=False)
    sigma: Value = param(1.0, unit="V/s^0.5", least=0.0, role="noise", gradient=False)

    def density(self, p: Bag) -> Tensor:
        return p.sigma

    def emit(self, state: Any, x: Bag, p: Bag, c: WhiteCoeffs) -> tuple[Units, Any]:
        return p.mean + c.spread * x.xi, state


@dataclass(frozen=True)
class JohnsonNoise(White):
    """The thermal noise current of a resistor. Out: levels (A), of the one-sided density ``4 k T / R``.

    Into a membrane it goes through a `Link` with ``gain = 1 / C``. The temperature is that of the network, where it has one.
    """

    resistance: Value = param(1e9, unit="ohm", above=0.0, role="resistance", gradient=False)
    temperature: Value = param(300.0, unit="K", above=0.0, role="temperature", gradient=False)

    def density(self, p: Bag) -> Tensor:
        return torch.sqrt(2 * BOLTZMANN * p.temperature / p.resistance)
