"""HfO2 resistive memory: programming to levels, and drift of the conductance over time.

Fit of 32 x 32 HfO2 devices, G and w0 (as written) in uS, ``L = log10(t / 1 s)``, valid from 10 s to 10^4 s:

mean      ``mu = (0.2302 w0 - 15.24) L + 0.9546 w0 + 4.82``  for w0 < 64.41;  ``mu = w0 - 0.4129 L``  from there on
spread    ``sigma / mu = (1.047 s0 - 0.006294) L - 0.01677 s0 + 0.005473``,  ``s0 = 0.005127 + 0.85543 / (w0 - 38.72)``
device    ``G = mu (1 + sigma/mu * xi)``, xi standard normal and frozen for each device: it keeps its own trajectory

The two branches do not meet: just below 64.41 uS the mean is 1.90 uS above the upper branch. That is in the published fit and is
kept by default; ``continuous=True`` takes the lower of the two branches there, which changes nothing below about 54 uS nor from
64.41 uS on, to see how much a result owes to the jump. Before 10 s the fit is not valid (its lower branch does not return w0 at 1
s, its spread turns negative below 0.9 s), nor is it behind 10^4 s or outside 45 to 130 uS: these are refused. t = 0 means as
written.

Source: fit to Fig. 4 of Esmanhotto et al., Adv. Intell. Syst. 4:2200145 (2022), doi 10.1002/aisy.202200145, as used by Gemo et
al., Front. Neurosci. 17:1270090 (2024). Conductances are in siemens at the interface.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import option
from ...base.parameters.bag import Bag
from ..contract import Retention, Xi
from ..device import Device
from ..parts.programming import LevelProgramming, of_a_pair

G_MIN, G_MAX = 50e-6, 120e-6  # S, the window that weights are mapped to
T_MIN, T_MAX = 10.0, 1e4  # s, validity of the fit
KNEE = 64.41  # uS, where the branches should meet
W_MIN, W_MAX = 45.0, 130.0  # uS, validity of the fit
POLE = 38.72  # uS, of the spread
MICRO = 1e6


def _log_time(t: float) -> float:
    if not T_MIN <= t <= T_MAX:
        raise ParameterError(
            "HfO2 drift: t", f"must be 0 or lie from {T_MIN:g} s to {T_MAX:g} s, where the fit is valid", got=f"{t:g} s"
        )
    return math.log10(t)


def _in_microsiemens(g0: Tensor) -> Tensor:
    w = g0 * MICRO
    bad = ~((w >= W_MIN) & (w <= W_MAX))
    if bool(bad.any()):
        raise ParameterError(
            "HfO2 drift: g0",
            f"must lie from {W_MIN:g} uS to {W_MAX:g} uS, where the fit is valid",
            got=f"{w[bad].flatten()[0].item():g} uS",
        )
    return w


def drift_mean(g0: Tensor, t: float, *, continuous: bool = False) -> Tensor:
    """Mean conductance (S) a time ``t`` (s) after writing ``g0`` (S); the same shape.

    Raises:
        ParameterError: t or g0 outside the range of the fit.
    """
    if t == 0:
        return g0
    log_t = _log_time(t)
    return mean_law(_in_microsiemens(g0), log_t, continuous) / MICRO


def mean_law(w: Tensor, log_t: Tensor | float, continuous: bool) -> Tensor:
    """mu (uS) for w0 = ``w`` (uS) at ``log_t = log10(t / 1 s)``; nothing is checked."""
    low, high = (0.2302 * w - 15.24) * log_t + 0.9546 * w + 4.82, w - 0.4129 * log_t
    if continuous:
        low = torch.minimum(low, high)
    return torch.where(w < KNEE, low, high)


def spread_law(w: Tensor, log_t: Tensor | float) -> Tensor:
    """sigma / mu for w0 = ``w`` (uS), never negative; nothing is checked."""
    s0 = 0.005127 + 0.85543 / (w - POLE)
    return ((1.047 * s0 - 0.006294) * log_t - 0.01677 * s0 + 0.005473).clamp(min=0.0)


def drift_spread(g0: Tensor, t: float) -> Tensor:
    """Standard deviation over the mean at ``t`` (s), never negative; 0 at t = 0.

    Raises:
        ParameterError: t or g0 outside the range of the fit.
    """
    if t == 0:
        return torch.zeros_like(g0)
    log_t = _log_time(t)
    return spread_law(_in_microsiemens(g0), log_t)


def drifted(g0: Tensor, t: float, xi: Tensor, *, continuous: bool = False) -> Tensor:
    """Conductance (S) of devices written to ``g0`` after ``t`` (s), not below 0; ``xi``: one standard normal number for each
    device, kept for all t.

    Differentiable in ``g0`` and ``xi``.
    """
    mean = drift_mean(g0, t, continuous=continuous)
    return (mean * (1 + drift_spread(g0, t) * xi)).clamp(min=0.0)


@dataclass(frozen=True)
class HfO2Drift(Retention):
    """The drift as a part of a device: as written below an age of 10 s, then the fit, up to 10^4 s.

    At 10 s the conductance steps from what was written to the fit, which has no earlier value.

    Args:
        continuous: take the lower of the two branches below 64.41 uS, which removes the jump there.
        outside: conductances as written that are not within 45 to 130 uS are refused ("refuse"), or take the relative drift of
            the nearer end ("scale"), for arrays whose programming error reaches further than the fit.
    """

    source: ClassVar[str] = "fit to Esmanhotto et al. 2022, doi 10.1002/aisy.202200145, Fig. 4"
    normals: ClassVar[int] = 1
    oldest: ClassVar[float] = T_MAX
    g_range: ClassVar[tuple[float, float]] = (W_MIN / MICRO, W_MAX / MICRO)

    continuous: bool = option(False, choices=(False, True))
    outside: str = option("refuse", choices=("refuse", "scale"))

    def valid(self, where: str, g: Tensor, age: Tensor) -> None:
        super().valid(where, g if self.outside == "refuse" else g.clamp(*self.g_range), age)

    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        w0 = g * MICRO
        w = w0.clamp(W_MIN, W_MAX)
        log_t = age.clamp(min=T_MIN).log10()
        later = mean_law(w, log_t, self.continuous) * (1 + spread_law(w, log_t) * xi[0])
        early = age < T_MIN * (1 - 1e-9)  # a sum of steps that make 10 s
        return torch.where(early, g, (later * (w0 / w) / MICRO).clamp(min=0.0))


def quantise(w: Tensor, levels: int, w_max: float) -> Tensor:
    """The nearest of ``levels`` values spaced evenly from ``-w_max`` to ``w_max``, as in the publication; with an even number of
    them none is zero. (`ship.Differential` counts the levels of a device, and always has one.)
    """
    if levels < 2:
        raise ParameterError("quantise: levels", "must be at least 2", got=str(levels))
    step = 2 * w_max / (levels - 1)
    return torch.round((w.clamp(-w_max, w_max) + w_max) / step) * step - w_max


def to_pair(w: Tensor, w_max: float, g_min: float = G_MIN, g_max: float = G_MAX) -> tuple[Tensor, Tensor]:
    """Differential pair (S): the device of the weight's sign carries ``g_min + |w| / w_max (g_max - g_min)``, its partner
    ``g_min``.
    """
    if not w_max > 0:
        raise ParameterError("to_pair: w_max", "must be above 0", got=f"{w_max:g}")
    if bool((~(w.abs() <= w_max * (1 + 1e-6))).any()):
        raise ParameterError("to_pair: w", f"must lie within -w_max and w_max = {w_max:g}", got=f"{w.abs().max().item():g}")
    span = (g_max - g_min) / w_max
    return g_min + w.clamp(min=0, max=w_max) * span, g_min + (-w).clamp(min=0, max=w_max) * span


def from_pair(plus: Tensor, minus: Tensor, w_max: float, g_min: float = G_MIN, g_max: float = G_MAX) -> Tensor:
    """The weight that a pair acts as."""
    return (plus - minus) * (w_max / (g_max - g_min))


def programming_spread(levels: int, g_min: float = G_MIN, g_max: float = G_MAX) -> float:
    """Standard deviation (S) of one programmed device, see `programming.of_a_pair`."""
    return of_a_pair(g_max - g_min, float(levels))


def hfo2_memory(*, levels: int | None = 16, continuous: bool = False, outside: str = "refuse") -> Device:
    """HfO2 resistive memory, 50 to 120 uS, for differential pairs whose weights have a number of levels.

    Args:
        levels: of a weight, which set the programming error; None: programmed exactly.
        continuous, outside: see `HfO2Drift`. With fewer than about 14 levels the error reaches below the fit, at 45 uS.
    """
    return Device(
        name="hfo2_memory",
        g_min=G_MIN,
        g_max=G_MAX,
        programming=None if levels is None else LevelProgramming(levels=levels, of="pair"),
        retention=HfO2Drift(continuous=continuous, outside=outside),
    )
