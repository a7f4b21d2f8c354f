"""Wear: the window closes with the logarithm of the cycles, and one day the device fails.

Above the `onset`, ``loss = min(1, rate log10(cycles / onset))`` of the window is gone: its lower end rises by ``towards loss``,
its upper end falls by ``(1 - towards) loss``, so that it closes at the fraction `towards`. These are fractions of
``g_max - g_min``, or with ``log`` of ``ln(g_max / g_min)``: each end then follows a power law of the cycles, as states that
differ by decades do, and the ratio of the ends is ``(g_max / g_min)^(1 - loss)``. From ``10^decades`` cycles on the
device is stuck at the fraction `fails_at`. Lifetimes that differ log-normally, as they do, are ``decades=Varied(8.0,
d2d_abs=0.5)``: half a decade. A cycle is a one-shot write, or a pulse that moved the device.

Wear shows at the next write or pulse, which the new window limits.

Source: none; a phenomenological law. Its constants are the user's, from a measurement of endurance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Endurance


@dataclass(frozen=True)
class Wear(Endurance):
    """Wear by cycles: a window that closes, and a hard failure.

    Args:
        onset: cycles after which the window starts to close.
        rate: fraction of the window that is lost in each decade of cycles.
        towards: where it closes, as a fraction of the window (0: at g_min).
        decades: log10 of the cycles to the hard failure; infinite: never.
        fails_at: where a failed device is stuck, as a fraction of ``g_max - g_min``.
        log: whether the loss is that of the logarithm of the window; `g_min` must then be above 0 S.
    """

    source: ClassVar[str] = "a phenomenological law; its constants are the user's"

    onset: Value = param(1e6, least=1.0, role="endurance")
    rate: Value = param(0.1, least=0.0, role="endurance")
    towards: Value = param(0.5, least=0.0, most=1.0, role="endurance")
    decades: Value = param(float("inf"), least=0.0, role="endurance", infinite=True)
    fails_at: Value = param(0.0, least=0.0, most=1.0, role="endurance")
    log: bool = option(False, choices=(False, True))

    def check(self, where: str, p: Bag) -> None:
        if self.log and bool((p.g_min <= 0).any()):
            raise ParameterError(
                f"{where}.log", "needs a g_min above 0 S: the window is a ratio", got=f"g_min {float(p.g_min.min()):g} S"
            )

    def window(self, low: Tensor, high: Tensor, cycles: Tensor, p: Bag) -> tuple[Tensor, Tensor]:
        span = high - low
        past = (cycles / p.onset).clamp(min=1.0).log10()
        loss = (p.rate * past).clamp(max=1.0)
        failed = cycles.clamp(min=1.0).log10() >= p.decades
        end = low + p.fails_at * span
        up, down = p.towards * loss, (1 - p.towards) * loss
        if self.log:
            ratio = high / low
            return torch.where(failed, end, low * ratio**up), torch.where(failed, end, high * ratio**-down)
        return torch.where(failed, end, low + up * span), torch.where(failed, end, high - down * span)
