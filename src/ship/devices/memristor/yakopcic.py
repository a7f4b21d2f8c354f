"""Yakopcic's model: hyperbolic sines for the current, exponentials above two thresholds for the state, and Nb:SrTiO3 with it.

current   ``i = a1 x sinh(b v)`` for v >= 0, ``i = a2 x sinh(b v)`` below
state     ``dx/dt = eta g(v) f(x)``,  0 <= x <= 1
speed     ``g = a_p (exp(v) - exp(v_p))`` for v > v_p,  ``g = -a_n (exp(-v) - exp(v_n))`` for v < -v_n,  0 between, exactly
damping   eta v >= 0:  ``f = exp(-alpha_p (x - x_p)) ((x_p - x) / (1 - x_p) + 1)`` for x >= x_p, 1 below
          eta v < 0:   ``f = exp(alpha_n (x + x_n - 1)) x / (1 - x_n)`` for x <= 1 - x_n, 1 above

Two branches (Nb:SrTiO3): ``i = x h(v; g_max, b_max) + (1 - x) h(v; g_min, b_min)``, ``h = g sinh(b v)``, with separate g and b
for either sign of v. Its x_n was fitted with the damping below ``x <= 0.242``, that is x_n = 1 - 0.242 here. As published, the
branches cross at 0.92 V: above it a device of x = 0 carries the larger current.

The conductance at a small voltage is the slope at 0 V seen from above; from below it is another one where the two signs differ.
v in the exponents is over 1 V. f is 0 at the end that x moves to: devices come near it and never reach it.

Source: Yakopcic et al., IEEE Electron Device Lett. 32:1436 (2011), doi 10.1109/LED.2011.2163292, and IEEE Trans. CAD 32:1201
(2013); sets fitted to devices of Oblea 2010, Miao 2011 and Jo 2010, and to Nb:SrTiO3 by Tiotto et al. (Memristor-Models).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...base.parameters import State, Value, param
from ...base.parameters.bag import Bag
from .memristor import Fraction, Memristor


@dataclass(frozen=True)
class Thresholds(Memristor):
    """The base class with the state equation of both; ``slopes`` gives the conductance (S) at x = 0 and at x = 1."""

    states: ClassVar[Any] = Fraction(x=State(0.0))  # type: ignore[arg-type]

    a_p: Value = param(4000.0, unit="1/s", least=0.0, role="speed")
    a_n: Value = param(4000.0, unit="1/s", least=0.0, role="speed")
    v_p: Value = param(0.16, unit="V", least=0.0, role="threshold")
    v_n: Value = param(0.15, unit="V", least=0.0, role="threshold")
    alpha_p: Value = param(1.0, least=0.0, role="window")
    alpha_n: Value = param(5.0, least=0.0, role="window")
    x_p: Value = param(0.3, least=0.0, below=1.0, role="window")
    x_n: Value = param(0.5, least=0.0, below=1.0, role="window")
    eta: Value = param(1.0, least=-1.0, most=1.0, role="sign")  # -1: a voltage above 0 lowers x

    @abstractmethod
    def slopes(self, p: Bag) -> tuple[Tensor, Tensor]:
        """S at x = 0 and at x = 1, at a small voltage above 0."""

    def window(self, p: Bag) -> tuple[Tensor, Tensor]:
        return self.slopes(p)

    def bounds(self, p: Bag) -> tuple[Fraction, Fraction]:
        return Fraction(torch.zeros_like(p.x_p)), Fraction(torch.ones_like(p.x_p))

    def conductance(self, x: Fraction, p: Bag) -> Tensor:
        low, high = self.slopes(p)
        return low + (high - low) * x.x

    def place(self, g: Tensor, x: Fraction, p: Bag) -> Fraction:
        low, high = self.slopes(p)
        return Fraction(((g - low) / (high - low)).clamp(0.0, 1.0))

    def moves(self, v: Tensor, p: Bag) -> Tensor:
        return (v > p.v_p) | (v < -p.v_n)

    def rate(self, x: Fraction, v: Tensor, p: Bag) -> Fraction:
        up = p.a_p * torch.exp(p.v_p) * torch.expm1(v - p.v_p)
        down = -p.a_n * torch.exp(p.v_n) * torch.expm1(-v - p.v_n)
        speed = torch.where(v > p.v_p, up, torch.where(v < -p.v_n, down, torch.zeros_like(down)))
        rising = torch.exp(-p.alpha_p * (x.x - p.x_p)) * (1 - x.x) / (1 - p.x_p)
        falling = torch.exp(p.alpha_n * (x.x + p.x_n - 1)) * x.x / (1 - p.x_n)
        one = torch.ones_like(x.x)
        damped = torch.where(p.eta * v >= 0, torch.where(x.x >= p.x_p, rising, one), torch.where(x.x <= 1 - p.x_n, falling, one))
        return Fraction(p.eta * speed * damped)


@dataclass(frozen=True)
class Yakopcic(Thresholds):
    """One branch; the default is fitted to the device of Oblea under a sine. See `oblea_pulsed`, `miao` and `jo`."""

    source: ClassVar[str] = "Yakopcic et al. 2011, doi 10.1109/LED.2011.2163292"

    a1: Value = param(0.17, unit="A", above=0.0, role="conductance")
    a2: Value = param(0.17, unit="A", above=0.0, role="conductance")
    b: Value = param(0.05, unit="1/V", above=0.0, role="curvature")

    @classmethod
    def oblea_pulsed(cls) -> Yakopcic:
        """Return the model of Ag chalcogenide (Oblea 2010) under triangular pulses."""
        return cls(a1=0.097, a2=0.097)

    @classmethod
    def miao(cls) -> Yakopcic:
        """Return the model of TaOx (Miao 2011)."""
        return cls(a1=0.11, a2=0.11, b=0.5, a_p=7.5, a_n=2.0, v_p=0.09, v_n=0.75)

    @classmethod
    def jo(cls) -> Yakopcic:
        """Return the model of Ag / amorphous Si (Jo 2010)."""
        return cls(
            a1=3.7e-7, a2=4.35e-7, b=0.7, a_p=0.005, a_n=0.08, v_p=1.5, v_n=0.5, alpha_p=1.2, alpha_n=3.0, x_p=0.2, x_n=0.5
        )

    def slopes(self, p: Bag) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(p.a1), p.a1 * p.b

    def current(self, x: Fraction, v: Tensor, p: Bag) -> Tensor:
        return torch.where(v >= 0, p.a1, p.a2) * x.x * torch.sinh(p.b * v)


@dataclass(frozen=True)
class TwoBranch(Thresholds):
    """Two branches mixed by x; the default is Nb:SrTiO3."""

    source: ClassVar[str] = "Tiotto et al., Memristor-Models (SPICE model of Nb:SrTiO3), after Yakopcic et al. 2011"

    a_p: Value = param(90 / 844.3632, unit="1/s", least=0.0, role="speed")
    a_n: Value = param(10 / 844.3632, unit="1/s", least=0.0, role="speed")
    v_p: Value = param(0.5, unit="V", least=0.0, role="threshold")
    v_n: Value = param(0.5, unit="V", least=0.0, role="threshold")
    alpha_n: Value = param(1.0, least=0.0, role="window")
    x_p: Value = param(0.1, least=0.0, below=1.0, role="window")
    x_n: Value = param(1 - 0.242, least=0.0, below=1.0, role="window")
    g_max_p: Value = param(9e-5, unit="A", above=0.0, role="conductance")
    b_max_p: Value = param(4.96, unit="1/V", above=0.0, role="curvature")
    g_max_n: Value = param(1.7e-4, unit="A", above=0.0, role="conductance")
    b_max_n: Value = param(3.23, unit="1/V", above=0.0, role="curvature")
    g_min_p: Value = param(1.5e-5, unit="A", above=0.0, role="conductance")
    b_min_p: Value = param(6.91, unit="1/V", above=0.0, role="curvature")
    g_min_n: Value = param(4.4e-7, unit="A", above=0.0, role="conductance")
    b_min_n: Value = param(2.6, unit="1/V", above=0.0, role="curvature")

    def slopes(self, p: Bag) -> tuple[Tensor, Tensor]:
        return p.g_min_p * p.b_min_p, p.g_max_p * p.b_max_p

    def current(self, x: Fraction, v: Tensor, p: Bag) -> Tensor:
        up = v >= 0
        high = torch.where(up, p.g_max_p, p.g_max_n) * torch.sinh(torch.where(up, p.b_max_p, p.b_max_n) * v)
        low = torch.where(up, p.g_min_p, p.g_min_n) * torch.sinh(torch.where(up, p.b_min_p, p.b_min_n) * v)
        return x.x * high + (1 - x.x) * low
