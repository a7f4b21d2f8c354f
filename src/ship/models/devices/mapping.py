"""From model weights to conductances and back: the boundary between a network and its devices.

A weight is normalised, ``u = w / w_max`` in [-1, 1]; a mapping says which conductances of the window [low, high] stand for it,
and which u a set of conductances acts as. ``span = high - low``.

pair        ``G+ = low + max(u, 0) span``, ``G- = low + max(-u, 0) span``;  ``u = (G+ - G-) / span``
N pairs     the same, N times; their mean
offset      ``G = (low + high) / 2 + u span / 2``, against a reference in the middle;  ``u = 2 (G - reference) / span``
bit-sliced  |u| in digits of base b, most significant first, a pair for each digit;
            ``u = sum_k b^(K-1-k) (G+_k - G-_k) / span (b - 1) / (b^K - 1)``

Physical gain: a spike reads a device of conductance G with ``v_read`` for ``t_read``; its charge on the membrane's capacitor
moves the target by ``G v_read t_read / c_mem``. So ``w_max = span v_read t_read / c_mem`` (half of that for an offset).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import ParameterError, is_whole


class Rounded(torch.autograd.Function):
    """Round to the nearest whole number; the gradient goes straight through."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return grad


def quantised(u: Tensor, levels: int) -> Tensor:
    """The nearest of ``levels`` values spaced evenly from -1 to 1; straight-through gradient."""
    step = 2 / (levels - 1)
    rounded: Tensor = Rounded.apply((u + 1) / step)  # type: ignore[no-untyped-call]
    return rounded * step - 1


@dataclass(frozen=True, kw_only=True)
class Mapping(ABC):
    """What all mappings share.

    Args:
        w_max: V, the weight that full scale stands for; None: the largest in the group when it is programmed.
        c_mem: F, the capacitor that a read charges; fixes ``w_max`` in its place.
        levels: weights are rounded to so many values, spaced evenly from -w_max to w_max.
    """

    w_max: float | None = None
    c_mem: float | None = None
    levels: int | None = None

    def __post_init__(self) -> None:
        where = type(self).__name__
        for name in ("w_max", "c_mem"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and 0 < value < float("inf")):
                raise ParameterError(f"{where}.{name}", "must be a number above 0", got=repr(value))
        if self.w_max is not None and self.c_mem is not None:
            raise ParameterError(where, "w_max and c_mem say the same thing", fix="Give one of them.")
        if self.levels is not None and not is_whole(self.levels, 2):
            raise ParameterError(f"{where}.levels", "must be a whole number, at least 2", got=repr(self.levels))

    @property
    @abstractmethod
    def devices(self) -> int:
        """Devices for one weight."""

    @property
    def reach(self) -> float:
        """The weight at full scale for one span of conductance read: 1 for a pair."""
        return 1.0

    @abstractmethod
    def targets(self, u: Tensor, low: Tensor, high: Tensor) -> list[Tensor]:
        """The conductances (S) that stand for ``u``, one tensor of its shape for each device."""

    @abstractmethod
    def weight(self, g: Sequence[Tensor], low: Tensor, high: Tensor) -> Tensor:
        """The normalised weight that the conductances act as."""

    @abstractmethod
    def signs(self) -> list[float]:
        """For each device, how the weight moves with its conductance: sign and share, of the whole span."""


@dataclass(frozen=True, kw_only=True)
class Differential(Mapping):
    """``pairs`` differential pairs for each weight."""

    pairs: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_whole(self.pairs, 1):
            raise ParameterError("Differential.pairs", "must be a whole number, at least 1", got=repr(self.pairs))

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
    """One device for each weight, against a fixed reference in the middle of the window."""

    @property
    def devices(self) -> int:
        return 1

    @property
    def reach(self) -> float:
        return 0.5

    def targets(self, u: Tensor, low: Tensor, high: Tensor) -> list[Tensor]:
        return [(low + high) / 2 + u * (high - low) / 2]

    def weight(self, g: Sequence[Tensor], low: Tensor, high: Tensor) -> Tensor:
        return (2 * g[0] - (low + high)) / (high - low)

    def signs(self) -> list[float]:
        return [2.0]


@dataclass(frozen=True, kw_only=True)
class BitSliced(Mapping):
    """The magnitude in ``slices`` digits of base ``base``, a differential pair for each digit."""

    slices: int = 4
    base: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("slices", 1), ("base", 2)):
            if not is_whole(getattr(self, name), least):
                raise ParameterError(
                    f"BitSliced.{name}", f"must be a whole number, at least {least}", got=repr(getattr(self, name))
                )
        if self.levels is not None:
            raise ParameterError("BitSliced.levels", "follows from slices and base", fix="Leave it out.")

    @property
    def devices(self) -> int:
        return 2 * self.slices

    def _shares(self) -> list[float]:
        top = self.base**self.slices - 1
        return [self.base ** (self.slices - 1 - k) * (self.base - 1) / top for k in range(self.slices)]

    def targets(self, u: Tensor, low: Tensor, high: Tensor) -> list[Tensor]:
        span, top = high - low, self.base**self.slices - 1
        whole = torch.round(u.abs() * top)
        made: list[Tensor] = []
        for k in range(self.slices):
            digit = torch.floor(whole / self.base ** (self.slices - 1 - k)) % self.base / (self.base - 1)
            # The digits are whole numbers of a rounded weight: the gradient goes straight through, shared by all.
            digit = digit + (u.abs() - u.abs().detach())
            made += [low + torch.where(u > 0, digit, 0 * digit) * span, low + torch.where(u < 0, digit, 0 * digit) * span]
        return made

    def weight(self, g: Sequence[Tensor], low: Tensor, high: Tensor) -> Tensor:
        total = torch.zeros_like(g[0])
        for share, plus, minus in zip(self._shares(), g[0::2], g[1::2], strict=True):
            total = total + share * (plus - minus)
        return total / (high - low)

    def signs(self) -> list[float]:
        return [sign * share for share in self._shares() for sign in (1.0, -1.0)]
