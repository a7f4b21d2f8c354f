"""Regular and gamma sources: renewal processes whose statistics do not depend on dt.

A gamma source of shape k emits at every k-th event of a Poisson process of rate ``k * rate``: intervals have a gamma
distribution with mean ``1 / rate`` and coefficient of variation ``1 / sqrt(k)``. In a slot, the Poisson process makes N events,
a Poisson number, and ``phase <- phase + N``; one event leaves at every multiple of k that the phase passes. The start is
stationary: the phase begins at any of its k values with the same probability. A regular source is the limit of a large k:
``phase <- phase + rate * dt``, an event at every whole number, and a phase that begins anywhere between 0 and 1.

Source: Cox, *Renewal Theory* (1962): special Erlangian distributions, and equilibrium renewal processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.errors import ParameterError
from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Units
from .trains import SpikeTrains


class GammaState(NamedTuple):
    phase: Units  # events of the Poisson process since the last event that left; inf: drawn in the first slot


class GammaCoeffs(NamedTuple):
    mean: Units  # expected events of the Poisson process in a slot


@dataclass(frozen=True)
class GammaSource(SpikeTrains):
    """A source of gamma renewal spike trains. Out: events (counts).

    ``shape`` 1 is a Poisson process; intervals have a coefficient of variation of ``1 / sqrt(shape)``.
    """

    rate: Value = param(20.0, unit="Hz", least=0.0, role="rate", gradient=False)
    shape: Value = param(4.0, least=1.0, role="shape", gradient=False)

    noise = {"n": "poisson", "u": "uniform"}
    at_start: ClassVar[tuple[str, ...]] = ("u",)
    states = declare_states(GammaState, phase=State(math.inf))

    def check(self, where: str, p: Bag) -> None:
        if bool((p.shape != p.shape.round()).any()):
            raise ParameterError(
                f"{where}.shape",
                "must be whole: events are counted",
                got=f"{float(p.shape[p.shape != p.shape.round()].flatten()[0]):g}",
                fix="Use a whole number; RegularSource is the limit of a large one.",
            )

    def discretise(self, p: Bag, dt: float) -> GammaCoeffs:
        return GammaCoeffs(p.shape * p.rate * dt)

    def emit(self, state: GammaState, x: Bag, p: Bag, c: GammaCoeffs) -> tuple[Units, GammaState]:
        drawn = torch.minimum(torch.floor(x.u * p.shape), p.shape - 1)
        phase = torch.where(torch.isinf(state.phase), drawn, state.phase) + x.n
        left = torch.floor(phase / p.shape)
        return left, GammaState((phase - left * p.shape).to(state.phase.dtype))


class RegularState(NamedTuple):
    phase: Units  # intervals since the last event; inf: drawn in the first slot
    rest: Units  # what rounding left out of the phase


class RegularCoeffs(NamedTuple):
    whole: Units  # intervals in a slot, the whole ones
    part: Units  # and what is left over


@dataclass(frozen=True)
class RegularSource(SpikeTrains):
    """A source of regular spike trains, each with a random phase. Out: events (counts).

    ``initial={"phase": 0.0}`` starts all of them together, an interval before their first event.
    """

    rate: Value = param(20.0, unit="Hz", least=0.0, role="rate", gradient=False)

    noise = {"u": "uniform"}
    at_start: ClassVar[tuple[str, ...]] = ("u",)
    states = declare_states(RegularState, phase=State(math.inf), rest=State(0.0))

    def discretise(self, p: Bag, dt: float) -> RegularCoeffs:
        intervals = p.rate * dt
        return RegularCoeffs(torch.floor(intervals), intervals - torch.floor(intervals))

    def emit(self, state: RegularState, x: Bag, p: Bag, c: RegularCoeffs) -> tuple[Units, RegularState]:
        phase = torch.where(torch.isinf(state.phase), x.u, state.phase)
        # A sum in two parts (Kahan 1965): a slot of 1e-9 intervals still counts in float32.
        step = c.part + state.rest
        moved = phase + step
        rest = step - (moved - phase)
        left = torch.floor(moved)
        return c.whole + left, RegularState(moved - left, rest)
