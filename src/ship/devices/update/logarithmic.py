"""Logarithmic pulses of filamentary HfO2: resistance against the number of identical pulses, as a law of the resistance alone.

depression    ``R = R_d + alpha_d ln n``
potentiation  ``R = R_p + alpha_p (n^-beta - 1)``

n is not stored: pulses start from the n that the present resistance stands for. With m more pulses,

depression    ``R <- R + alpha_d ln(1 + m exp(-(R - R_d) / alpha_d))``
potentiation  ``y = (R - R_p + alpha_p) / alpha_p = n^-beta``, ``R <- R + alpha_p y ((1 + m y^(1 / beta))^-beta - 1)``

which is exact for any m, and stays finite where n does not. Below ``R_p - alpha_p``, which potentiation approaches, it does
nothing. Dispersion: each pulse adds ``D_d xi`` (depression) or ``(C_p y + D_p) xi`` (potentiation) to R, m pulses in one event
``sqrt(m)`` times that of the first. R is then clipped to the window: the fit itself has no upper end.

Source: fit by CNR for memristive synapses on HfO2 devices, parameters of the NCS/teiili MemristiveFusi model (D. Conti, 2016);
devices: Covi et al., Front. Neurosci. 10:482 (2016), Frascaroli et al., Sci. Rep. 8:7178 (2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Conductance, Pulse, Update, Xi


@dataclass(frozen=True)
class LogarithmicPulses(Update):
    """Resistance against ln n downwards, against a power of n upwards (in conductance)."""

    source: ClassVar[str] = "CNR fit in the NCS MemristiveFusi model; devices of Covi et al. 2016, doi 10.3389/fnins.2016.00482"
    normals: ClassVar[int] = 1

    r_d: Value = param(3234.0, unit="Ohm", above=0.0, role="plasticity")
    alpha_d: Value = param(502.0, unit="Ohm", above=0.0, role="plasticity")
    r_p: Value = param(6031.56, unit="Ohm", above=0.0, role="plasticity")
    alpha_p: Value = param(3350.0, unit="Ohm", above=0.0, role="plasticity")
    beta: Value = param(0.612, above=0.0, role="plasticity")
    c_p: Value = param(0.0, unit="Ohm", least=0.0, role="noise")
    d_p: Value = param(0.0, unit="Ohm", least=0.0, role="noise")
    d_d: Value = param(0.0, unit="Ohm", least=0.0, role="noise")
    v_th: Value = param(0.0, unit="V", least=0.0, role="threshold")

    def pulse(self, x: Conductance, pulse: Pulse, p: Bag, xi: Xi) -> Conductance:
        up = pulse.v > 0
        count = torch.where(pulse.v.abs() > p.v_th, pulse.n, torch.zeros_like(pulse.n))
        low, high = 1 / p.g_max, 1 / p.g_min
        r = 1 / torch.minimum(torch.maximum(x.g, p.g_min), p.g_max)
        y = ((r - p.r_p + p.alpha_p) / p.alpha_p).clamp(min=0.0)
        moved = torch.where(up, self._potentiated(r, y, count, p), self._depressed(r, count, p))
        sigma = torch.where(up, p.c_p * y + p.d_p, p.d_d)
        moved = moved + sigma * count.clamp(min=0).sqrt() * xi[0]
        g = 1 / torch.minimum(torch.maximum(moved, low), high)
        return Conductance(torch.where(count > 0, g, x.g))

    @staticmethod
    def _depressed(r: Tensor, count: Tensor, p: Bag) -> Tensor:
        return r + p.alpha_d * _log_one_and(_log(count) - (r - p.r_d) / p.alpha_d)

    @staticmethod
    def _potentiated(r: Tensor, y: Tensor, count: Tensor, p: Bag) -> Tensor:
        safe = torch.where(y > 0, y, torch.ones_like(y))
        more = _log_one_and(_log(count) + safe.log() / p.beta)
        return torch.where(y > 0, r + p.alpha_p * safe * torch.expm1(-p.beta * more), r)

    def check(self, where: str, p: Bag) -> None:
        if bool((p.g_min <= 0).any()):
            raise ParameterError(
                f"{where}: g_min", "must be above 0 S, for a law of the resistance", got=f"{float(p.g_min.min()):g}"
            )


def _log(count: Tensor) -> Tensor:
    return torch.where(count > 0, count, torch.ones_like(count)).log()  # where there are no pulses, nothing is asked


def _log_one_and(log: Tensor) -> Tensor:
    """Return ``ln(1 + exp(log))`` without overflow in between."""
    return torch.logaddexp(torch.zeros_like(log), log)
