"""Correlated Poisson trains: each unit is a Poisson process, any two have the correlation coefficient c.

A mother train of rate L is common to all units. Each of its events goes to unit i with the probability ``p_i``, and the unit
has events of its own, of rate ``r_i - L p_i``. With ``p_i = sqrt(c_i r_i / L)`` the counts of two units in any interval, at any
dt, have the correlation coefficient ``sqrt(c_i c_j)``, c where all are equal. L may lie between the largest ``c_i r_i`` and the
smallest ``r_i / c_i``:

kind="single"    L at its lower end (single interaction process): one c for all gives ``L = c r`` and ``p = 1``, so that all units
                 that share an event fire at once
kind="multiple"  L at its upper end (multiple interaction process): ``L = r / c``, ``p = c``, and no events of their own: of n
                 units about ``c n`` fire together

Source: Kuhn, Aertsen & Rotter, Neural Comput. 15:67 (2003), both processes; the counts of the copies are binomial numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ...base.random.binomial import binomial
from ...base.random.poisson import poisson
from ..contract import Units
from .trains import SpikeTrains

SLACK = 1e-6  # of a rate; the ends of the range of L are met by rounded numbers


class CorrelatedCoeffs(NamedTuple):
    mother: Tensor  # expected events of the mother train in a slot, [..., 1]
    copied: Units  # probability with which a unit takes an event of it
    own: Units  # expected events of a unit's own in a slot


@dataclass(frozen=True)
class CorrelatedPoisson(SpikeTrains):
    """A source of Poisson spike trains with pairwise correlation. Out: events (counts).

    The correlation coefficient of the counts of two units is ``sqrt(c_i c_j)`` of their ``correlation``, at any dt. ``kind`` is
    ``"single"`` (units that share an event fire all at once) or ``"multiple"`` (each fires with the probability ``correlation``).
    """

    rate: Value = param(20.0, unit="Hz", least=0.0, role="rate", gradient=False)
    correlation: Value = param(0.1, least=0.0, most=1.0, role="correlation", gradient=False)
    kind: str = option("single", choices=("single", "multiple"))

    noise = {"m": "uniform", "u": "uniform", "own": "uniform"}

    def check(self, where: str, p: Bag) -> None:
        low, high = _range(p)
        if bool((low > high * (1 + SLACK)).any()):
            i = int((low > high * (1 + SLACK)).flatten().nonzero()[0])
            raise ParameterError(
                f"{where}.correlation",
                "units of different rates cannot be so alike: the largest correlation * rate must not exceed the smallest rate / "
                "correlation",
                got=f"{float(low.flatten()[i]):g} Hz and {float(high.flatten()[i]):g} Hz",
                fix="Use less correlation, or rates nearer to each other.",
            )

    def discretise(self, p: Bag, dt: float) -> CorrelatedCoeffs:
        low, high = _range(p)
        mother = torch.where(torch.isfinite(high), high, low) if self.kind == "multiple" else low
        some = mother > 0
        copied = (p.correlation * p.rate / torch.where(some, mother, torch.ones_like(mother))).clamp(max=1.0).sqrt()
        copied = torch.where(some, copied, torch.zeros_like(copied))
        own = (p.rate - mother * copied).clamp(min=0.0)
        own = torch.where(own > SLACK * p.rate, own, torch.zeros_like(own))  # what rounding leaves of nothing
        return CorrelatedCoeffs(mother * dt, copied, own * dt)

    def emit(self, state: Any, x: Bag, p: Bag, c: CorrelatedCoeffs) -> tuple[Units, Any]:
        mother = poisson(x.m[..., :1], c.mother)
        return binomial(x.u, mother, c.copied) + poisson(x.own, c.own), state


def _range(p: Bag) -> tuple[Tensor, Tensor]:
    """Return the least and the largest rate (Hz) of the mother train, ``[..., 1]``, from the units that are correlated."""
    rate, c = torch.broadcast_tensors(p.rate.double(), p.correlation.double())
    rate, c = (v.reshape(1) if v.ndim == 0 else v for v in (rate, c))
    some = rate * c > 0
    low = torch.where(some, rate * c, torch.zeros_like(rate)).amax(-1, keepdim=True)
    high = torch.where(some, rate / c, torch.full_like(rate, math.inf)).amin(-1, keepdim=True)
    return low, high
