"""Linear ion drift: a doped part of relative length x conducts well, and its border moves with the charge that has passed.

current   ``i = v / R``,  ``R = r_on x + r_off (1 - x)``
state     ``dx/dt = k i F(x)``,  ``k = mu r_on / d^2`` (1/C),  0 <= x <= 1;  0 where ``|v| <= v_th``

Without a window (F = 1) and at constant v, ``R dR/dt = -k (r_off - r_on) v``, so that exactly
``R^2 = R_0^2 - 2 k (r_off - r_on) v t``. With a window (see `windows`) x is integrated by `flow`.

With k = 1e4 /C a charge of 100 uC takes x from 0 to 1. Above 0 V the conductance grows.

Source: Strukov et al., Nature 453:80 (2008), eq. 5-7, doi 10.1038/nature06932.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import State, Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Xi
from .memristor import Fraction, Memristor, within
from .windows import biolek, joglekar, prodromakis


@dataclass(frozen=True)
class LinearDrift(Memristor):
    """Linear ion drift with a window of choice.

    Args:
        window_function: "none", "joglekar", "biolek" or "prodromakis"; ``power`` and ``scale`` are its p and j. With "joglekar"
            and "prodromakis" a device at x = 0, where all start, never leaves it: write it to somewhere inside first.
    """

    source: ClassVar[str] = "Strukov et al. 2008, doi 10.1038/nature06932"
    states: ClassVar[Any] = Fraction(x=State(0.0))  # type: ignore[arg-type]

    mu: Value = param(1e-14, unit="m^2/(V s)", above=0.0, role="mobility")
    d: Value = param(10e-9, unit="m", above=0.0, role="length")
    r_on: Value = param(100.0, unit="ohm", above=0.0, role="resistance")
    r_off: Value = param(16e3, unit="ohm", above=0.0, role="resistance")
    v_th: Value = param(0.0, unit="V", least=0.0, role="threshold")
    power: Value = param(1.0, above=0.0, role="window")
    scale: Value = param(1.0, above=0.0, role="window")
    window_function: str = option("none", choices=("none", "joglekar", "biolek", "prodromakis"))

    def __post_init__(self) -> None:
        names = ("none", "joglekar", "biolek", "prodromakis")
        if self.window_function not in names:
            raise ParameterError(
                "LinearDrift.window_function", f"must be one of {', '.join(names)}", got=repr(self.window_function)
            )

    def check(self, where: str, p: Bag) -> None:
        check_resistances(where, p)

    def window(self, p: Bag) -> tuple[Tensor, Tensor]:
        return 1 / p.r_off, 1 / p.r_on

    def bounds(self, p: Bag) -> tuple[Fraction, Fraction]:
        return Fraction(torch.zeros_like(p.r_on)), Fraction(torch.ones_like(p.r_on))

    def resistance(self, x: Fraction, p: Bag) -> Tensor:
        """Compute the resistance (ohm) at the doped share ``x.x``."""
        return p.r_on * x.x + p.r_off * (1 - x.x)

    def conductance(self, x: Fraction, p: Bag) -> Tensor:
        return 1 / self.resistance(x, p)

    def current(self, x: Fraction, v: Tensor, p: Bag) -> Tensor:
        return v / self.resistance(x, p)

    def place(self, g: Tensor, x: Fraction, p: Bag) -> Fraction:
        safe = within(g, 1 / p.r_off, 1 / p.r_on)
        return Fraction(((p.r_off - 1 / safe) / (p.r_off - p.r_on)).clamp(0.0, 1.0))

    def moves(self, v: Tensor, p: Bag) -> Tensor:
        return v.abs() > p.v_th

    def rate(self, x: Fraction, v: Tensor, p: Bag) -> Fraction:
        speed = p.mu * p.r_on / p.d**2 * self.current(x, v, p) * self._factor(x.x, v, p)
        return Fraction(torch.where(self.moves(v, p), speed, torch.zeros_like(speed)))

    def _factor(self, x: Tensor, v: Tensor, p: Bag) -> Tensor:
        if self.window_function == "joglekar":
            return joglekar(x, p.power)
        if self.window_function == "biolek":
            return biolek(x, v, p.power)
        if self.window_function == "prodromakis":
            return prodromakis(x, p.power, p.scale)
        return torch.ones_like(x)

    def advance(self, x: Fraction, v: Tensor, seconds: Tensor, p: Bag, xi: Xi) -> Fraction:
        if self.window_function != "none":
            windowed: Fraction = super().advance(x, v, seconds, p, xi)
            return windowed
        before, charge = self.resistance(x, p), 2 * p.mu * p.r_on / p.d**2 * v * seconds
        square = before.square() - (p.r_off - p.r_on) * charge
        after = within(square, p.r_on.square(), p.r_off.square()).sqrt()
        # R_0 - R = (R_0^2 - R^2) / (R_0 + R): small steps keep their digits.
        return Fraction((x.x + charge / (before + after)).clamp(0.0, 1.0))


def check_resistances(where: str, p: Bag) -> None:
    """The low resistance must be below the high one.

    Raises:
        ParameterError: it is not.
    """
    if bool((p.r_on >= p.r_off).any()):
        raise ParameterError(
            f"{where}.r_on", "must be below r_off", got=f"{float(p.r_on.max()):g} ohm, r_off {float(p.r_off.min()):g} ohm"
        )
