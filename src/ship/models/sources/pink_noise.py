"""Pink (1/f) noise as a sum of Ornstein-Uhlenbeck processes whose corner frequencies are spaced evenly in the logarithm.

The one-sided power spectral density is ``sigma^2 / (f ln(f_max / f_min))`` from ``f_min`` to ``f_max``: ``sigma`` is the standard
deviation of what lies in this band. It is met within 0.34 dB there, in bands of up to eight decades, is flat below the band and
falls with 1/f^2 above it. There are ten processes, with corner frequencies from a factor `BEYOND` below ``f_min`` to
the same factor above ``f_max``; each has the variance ``sigma^2 D / ln(f_max / f_min)``, D the distance of two corners in ln f.
Each is exact for any dt (see `ornstein_uhlenbeck`), so the sum is: what is emitted is the mean over the slot.

Sources: van der Ziel, Physica 16:359 (1950) and McWhorter (1957) for the sum; Kasdin, Proc. IEEE 83:802 (1995) for how it is
sampled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from .noise import NoiseSource
from .ornstein_uhlenbeck import Relaxation, relaxation

PROCESSES = 10
BEYOND = 3.0  # in ln f: how far the corner frequencies reach beyond the band
WIDEST = 1e8  # f_max / f_min, up to which the processes are near enough to each other
XI = tuple(f"xi{k}" for k in range(PROCESSES))
START = tuple(f"start{k}" for k in range(PROCESSES))


class PinkState(NamedTuple):
    """The processes, in units of their standard deviation, from the slowest to the fastest; inf: drawn in the first slot."""

    x0: Units
    x1: Units
    x2: Units
    x3: Units
    x4: Units
    x5: Units
    x6: Units
    x7: Units
    x8: Units
    x9: Units


class PinkCoeffs(NamedTuple):
    slots: tuple[Relaxation, ...]  # of each process
    each: Units  # standard deviation of each process
    bridge: Units  # of all that the means of the slot get on their own, together


def corners(p: Bag) -> list[Tensor]:
    """Return the corner frequencies (Hz) of the processes."""
    low, step = torch.log(p.f_min) - BEYOND, _distance(p)
    return [torch.exp(low + (k + 0.5) * step) for k in range(PROCESSES)]


def _distance(p: Bag) -> Tensor:
    """Return the distance of two corner frequencies in ln f."""
    return (torch.log(p.f_max / p.f_min) + 2 * BEYOND) / PROCESSES


@dataclass(frozen=True)
class PinkNoise(NoiseSource):
    """Pink (1/f) noise between two frequencies. Out: levels, the mean of the process over each slot.

    ``sigma`` is the standard deviation of what lies between ``f_min`` and ``f_max``. It starts from its stationary distribution.
    """

    mean: Value = param(0.0, unit="V/s", role="level", gradient=False)
    sigma: Value = param(10.0, unit="V/s", least=0.0, role="noise", gradient=False)
    f_min: Value = param(0.1, unit="Hz", above=0.0, role="frequency", gradient=False)
    f_max: Value = param(1e3, unit="Hz", above=0.0, role="frequency", gradient=False)

    noise = dict.fromkeys((*START, *XI, "eta"), "normal")
    at_start: ClassVar[tuple[str, ...]] = START
    states = declare_states(PinkState, **{name: State(math.inf) for name in PinkState._fields})

    def check(self, where: str, p: Bag) -> None:
        ratio = p.f_max.double() / p.f_min.double()
        if bool(((ratio <= 1) | (ratio > WIDEST * (1 + 1e-6))).any()):
            raise ParameterError(
                f"{where}.f_max",
                f"must be above f_min, by a factor of at most {WIDEST:g}",
                got=f"a factor of {float(ratio.min()):g}" if bool((ratio <= 1).any()) else f"a factor of {float(ratio.max()):g}",
                fix="Add a second source for what lies beyond.",
            )

    def discretise(self, p: Bag, dt: float) -> PinkCoeffs:
        slots = tuple(relaxation(2 * math.pi * f * dt) for f in corners(p))
        each = p.sigma * torch.sqrt(_distance(p) / torch.log(p.f_max / p.f_min))
        bridge = torch.stack([s.bridge.square() for s in slots]).sum(0).sqrt()
        return PinkCoeffs(slots, each, bridge)

    def emit(self, state: PinkState, x: Bag, p: Bag, c: PinkCoeffs) -> tuple[Units, PinkState]:
        level, after = c.bridge * x.eta, []
        for k, (before, slot) in enumerate(zip(state, c.slots, strict=True)):
            xi = getattr(x, XI[k])
            y = torch.where(torch.isinf(before), getattr(x, START[k]), before)
            level = level + y * slot.spread + slot.with_kick * xi
            after.append(y - y * slot.lost + slot.kick * xi)
        return p.mean + c.each * level, PinkState(*after)
