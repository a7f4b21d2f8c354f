"""From model weights to conductances and back: the boundary between a network and its devices.

A weight is normalised, ``u = w / w_max`` in [-1, 1]; a mapping says which conductances of the window [low, high] stand for it,
and which u a set of conductances acts as. ``span = high - low``.

pair        ``G+ = low + max(u, 0) span``, ``G- = low + max(-u, 0) span``;  ``u = (G+ - G-) / span``
N pairs     the same, N times; their mean
offset      ``G = reference + u r span`` with ``reference = low + r span``;  ``u = (G - reference) / (r span)``; r = 1/2
bit-sliced  |u| in digits of base b, most significant first, a pair for each digit;
            ``u = sum_k b^(K-1-k) (G+_k - G-_k) / span (b - 1) / (b^K - 1)``

Levels are those of one device, n of them evenly spaced from low to high. A weight is rounded so that each of its devices is on
one of them, with a value for zero and as many on either side, whatever n:

pair        the values ``k / (n - 1)``, ``|k| < n``: 2 n - 1 of them; N pairs the same ones, for all their pairs hold the same
offset      the reference is a level, ``r = m / (n - 1)`` with ``m = floor((n - 1) / 2)``: the 2 m + 1 values ``k / m``. It is the
            middle of the window for an odd n; for an even n it lies half a level below, and the uppermost level is not used
bit-sliced  each device has b levels: ``2 b^K - 1`` values

Half-way cases, as far as float32 can tell, go towards zero, so that both float types take the same value.

Physical gain: a spike reads a device of conductance G with ``v_read`` for ``t_read``; its charge on the membrane's capacitor
moves the target by ``G v_read t_read / c_mem``. So ``w_max = span v_read t_read / c_mem`` (r times that for an offset).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...base.checks import check_real, check_whole
from ...base.errors import ParameterError

TIE = 5e-7  # of a value: a quotient of two float32 numbers is off by less


def nearest_step(size: Tensor, steps: int) -> Tensor:
    """Return the whole number nearest to ``size * steps``, float64; half-way cases go towards zero, in both float types.

    Args:
        size: a number from 0 to 1.
        steps: the number of steps that divide the interval.
    """
    x = size.detach().double() * steps
    return torch.ceil(x - 0.5 - (TIE * x).clamp(max=0.25))  # a whole x stays what it is


def quantised(u: Tensor, steps: int) -> Tensor:
    """Round to the nearest of the values ``k / steps``, k from -steps to steps; the gradient goes straight through.

    Args:
        u: normalised weights, from -1 to 1.
        steps: the number of values on either side of zero.
    """
    rounded = (nearest_step(u.abs(), steps) / steps * u.detach().sign()).to(u.dtype)
    return rounded + (u - u.detach())


@dataclass(frozen=True, kw_only=True)
class Mapping(ABC):
    """The base class of mappings from weights to conductances.

    Args:
        w_max: the weight (V) that full scale stands for; None: the largest in the group when it is programmed.
        c_mem: the capacitor (F) that a read charges; it fixes ``w_max`` in its place.
        levels: the number of levels of one device, evenly spaced over its window: weights are rounded so that every device is on
            one of them. A pair of n-level devices makes 2 n - 1 weights, zero among them. None: no rounding.
    """

    w_max: float | None = None
    c_mem: float | None = None
    levels: int | None = None

    def __post_init__(self) -> None:
        where = type(self).__name__
        for name in ("w_max", "c_mem"):
            value = getattr(self, name)
            if value is not None:
                check_real(f"{where}.{name}", value, "must be a number above 0", above=0.0)
        if self.w_max is not None and self.c_mem is not None:
            raise ParameterError(where, "w_max and c_mem say the same thing", fix="Give one of them.")
        if self.levels is not None:
            check_whole(f"{where}.levels", self.levels, 2)

    @property
    @abstractmethod
    def devices(self) -> int:
        """The number of devices for one weight."""

    @property
    def reach(self) -> float:
        """The weight at full scale for one span of conductance read: 1 for a pair."""
        return 1.0

    @property
    def steps(self) -> int | None:
        """The number of values of a weight on either side of zero; None where no levels are asked for."""
        return None if self.levels is None else self.levels - 1

    @abstractmethod
    def targets(self, u: Tensor, low: Tensor, high: Tensor) -> list[Tensor]:
        """Return the conductances (S) that stand for ``u``, one tensor of its shape for each device."""

    @abstractmethod
    def weight(self, g: Sequence[Tensor], low: Tensor, high: Tensor) -> Tensor:
        """Return the normalised weight that conductances act as."""

    @abstractmethod
    def signs(self) -> list[float]:
        """Return for each device how the weight moves with its conductance: sign and share of the whole span."""


@dataclass(frozen=True, kw_only=True)
class Differential(Mapping):
    """Differential pairs, ``pairs`` for each weight."""

    pairs: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("Differential.pairs", self.pairs, 1)

    @property
    def devices(self) -> int:
        return 2 * self.pairs

    def targets(self, u: Tensor, low: Tensor, high: Tensor) -> list[Tensor]:
        span = high - low
        return [low + u.clamp(min=0) * span, low + (-u).clamp(min=0) * span] * self.pairs

    def weight(self, g: Sequence[Tensor], low: Tensor, high: Tensor) -> Tensor:
        total = torch.zeros_like(g[0])
        for plus, minus in zip(g[0::2], g[1::2], strict=True):
            total = total + (plus - minus)
        return total / ((high - low) * self.pairs)

    def signs(self) -> list[float]:
        return [1.0 / self.pairs, -1.0 / self.pairs] * self.pairs


@dataclass(frozen=True, kw_only=True)
class Offset(Mapping):
    """One device for each weight, against a fixed reference in the middle of the window; with ``levels``, on the level there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.levels is not None and self.levels < 3:
            raise ParameterError(
                "Offset.levels",
                "must be at least 3: the reference is one of them, and a weight may be above or below",
                got=repr(self.levels),
                fix="Use ship.Differential(levels=2) for weights of -1, 0 and 1.",
            )

    @property
    def devices(self) -> int:
        return 1

    @property
    def reach(self) -> float:
        return 0.5 if self.levels is None else (self.levels - 1) // 2 / (self.levels - 1)

    @property
    def steps(self) -> int | None:
        return None if self.levels is None else (self.levels - 1) // 2

    def targets(self, u: Tensor, low: Tensor, high: Tensor) -> list[Tensor]:
        span = self.reach * (high - low)
        return [low + span + u * span]

    def weight(self, g: Sequence[Tensor], low: Tensor, high: Tensor) -> Tensor:
        span = self.reach * (high - low)
        return (g[0] - (low + span)) / span

    def signs(self) -> list[float]:
        return [1 / self.reach]


@dataclass(frozen=True, kw_only=True)
class BitSliced(Mapping):
    """A magnitude in ``slices`` digits of base ``base``, with a differential pair for each digit."""

    slices: int = 4
    base: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("slices", 1), ("base", 2)):
            check_whole(f"BitSliced.{name}", getattr(self, name), least)
        if self.levels is not None:
            raise ParameterError("BitSliced.levels", "follows from base, the levels of each device", fix="Leave it out.")

    @property
    def devices(self) -> int:
        return 2 * self.slices

    def _shares(self) -> list[float]:
        top = self.base**self.slices - 1
        return [self.base ** (self.slices - 1 - k) * (self.base - 1) / top for k in range(self.slices)]

    def targets(self, u: Tensor, low: Tensor, high: Tensor) -> list[Tensor]:
        span, top = high - low, self.base**self.slices - 1
        whole = nearest_step(u.abs(), top)
        made: list[Tensor] = []
        for k in range(self.slices):
            digit = torch.floor(whole / self.base ** (self.slices - 1 - k)) % self.base / (self.base - 1)
            # The digits are whole numbers of a rounded weight: the gradient goes straight through, shared by all.
            digit = digit.to(u.dtype) + (u.abs() - u.abs().detach())
            made += [low + torch.where(u > 0, digit, 0 * digit) * span, low + torch.where(u < 0, digit, 0 * digit) * span]
        return made

    def weight(self, g: Sequence[Tensor], low: Tensor, high: Tensor) -> Tensor:
        total = torch.zeros_like(g[0])
        for share, plus, minus in zip(self._shares(), g[0::2], g[1::2], strict=True):
            total = total + share * (plus - minus)
        return total / (high - low)

    def signs(self) -> list[float]:
        return [sign * share for share in self._shares() for sign in (1.0, -1.0)]
