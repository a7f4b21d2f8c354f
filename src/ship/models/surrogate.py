"""Surrogate gradients: a spike forward, a smooth pseudo-derivative backward.

``x`` is the distance above threshold, in the neuron's unit. Forward: 1 where ``x >= 0``, else 0, exactly. Backward:
``derivative(x)``.
Both consist of pointwise operations, so that models with it become kernels.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ..base.errors import ParameterError


@dataclass(frozen=True)
class Surrogate(ABC):
    """A spike function with a pseudo-derivative. All its numbers must be above zero."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
                raise ParameterError(f"{type(self).__name__}.{f.name}", "must be a finite number above 0", got=repr(value))

    def __call__(self, x: Tensor) -> Tensor:
        return _Spike.apply(x, self)  # type: ignore[no-any-return, no-untyped-call]

    @abstractmethod
    def derivative(self, x: Tensor) -> Tensor:
        """Compute the pseudo-derivative at a distance ``x`` above threshold."""


class _Spike(torch.autograd.Function):
    """The spike with its pseudo-derivative, also for the transforms of `torch.func`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, surrogate: Surrogate) -> Tensor:
        return torch.where(x.isnan(), x, (x >= 0).to(x.dtype))  # NaN stays visible in the spikes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Surrogate], output: Tensor) -> None:
        x, ctx.surrogate = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grads[0] * ctx.surrogate.derivative(x), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        (x,) = ctx.saved_tensors
        return tangents[0] * ctx.surrogate.derivative(x)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class FastSigmoid(Surrogate):
    """A fast sigmoid as pseudo-derivative: ``1 / (slope |x| + 1)^2``; slope per unit of x.

    Source: Zenke & Ganguli, Neural Comput. 30:1514 (2018).
    """

    slope: float = 10.0

    def derivative(self, x: Tensor) -> Tensor:
        return (self.slope * x.abs() + 1) ** -2


@dataclass(frozen=True)
class Sigmoid(Surrogate):
    """The derivative of a logistic function: ``slope s (1 - s)``, ``s`` that of ``slope x``; slope per unit of x.

    Source: Zenke & Vogels, Neural Comput. 33:899 (2021).
    """

    slope: float = 4.0

    def derivative(self, x: Tensor) -> Tensor:
        s = torch.sigmoid(self.slope * x)
        return self.slope * s * (1 - s)


@dataclass(frozen=True)
class ATan(Surrogate):
    """The derivative of an arc tangent: ``slope / (2 (1 + (pi slope x / 2)^2))``; slope per unit of x.

    Source: Fang et al., ICCV (2021).
    """

    slope: float = 2.0

    def derivative(self, x: Tensor) -> Tensor:
        return self.slope / 2 / (1 + (math.pi / 2 * self.slope * x) ** 2)


@dataclass(frozen=True)
class Triangle(Surrogate):
    """A triangle: ``height max(0, 1 - |x| / width)``; width, half the base, in the unit of x.

    Source: Bellec et al., NeurIPS (2018).
    """

    width: float = 1.0
    height: float = 0.3

    def derivative(self, x: Tensor) -> Tensor:
        return self.height * (1 - x.abs() / self.width).clamp(min=0)


@dataclass(frozen=True)
class Rectangle(Surrogate):
    """A rectangle: ``1 / width`` where ``|x| < width / 2``; width in the unit of x.

    Source: Wu et al., Front. Neurosci. 12:331 (2018).
    """

    width: float = 1.0

    def derivative(self, x: Tensor) -> Tensor:
        return (x.abs() < self.width / 2).to(x.dtype) / self.width


def _normal_density(x: Tensor, width: float) -> Tensor:
    return torch.exp(-0.5 * (x / width) ** 2) / (width * math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class Gaussian(Surrogate):
    """A normal density, ``N(x; width)``, of standard deviation ``width``, in the unit of x.

    Source: Yin et al., Nat. Mach. Intell. 3:905 (2021), who build `MultiGaussian` of it.
    """

    width: float = 0.5

    def derivative(self, x: Tensor) -> Tensor:
        return _normal_density(x, self.width)


@dataclass(frozen=True)
class MultiGaussian(Surrogate):
    """A sum of normal densities, negative far from threshold.

    ``(1 + height) N(x; width) - height (N(x - width; scale width) + N(x + width; scale width))``.

    ``width`` in the unit of x, ``height`` and ``scale`` are numbers. Source: Yin et al., Nat. Mach. Intell. 3:905 (2021).
    """

    width: float = 0.5
    height: float = 0.15
    scale: float = 6.0

    def derivative(self, x: Tensor) -> Tensor:
        wide = self.scale * self.width
        sides = _normal_density(x - self.width, wide) + _normal_density(x + self.width, wide)
        return (1 + self.height) * _normal_density(x, self.width) - self.height * sides


@dataclass(frozen=True)
class Exponential(Surrogate):
    """A two-sided exponential: ``height exp(-|x| / width)``; width in the unit of x.

    Source: Shrestha & Orchard (SLAYER), NeurIPS (2018).
    """

    height: float = 1.0
    width: float = 0.5

    def derivative(self, x: Tensor) -> Tensor:
        return self.height * torch.exp(-x.abs() / self.width)


@dataclass(frozen=True)
class Tanh(Surrogate):
    """A hyperbolic secant squared: ``slope / 2 sech^2(slope x)``, equal to `Sigmoid` of twice the slope; slope per unit of x.

    Source: Wozniak et al., Nat. Mach. Intell. 2:325 (2020), there without the factor ``slope / 2``.
    """

    slope: float = 2.0

    def derivative(self, x: Tensor) -> Tensor:
        return 0.5 * self.slope * (1 - torch.tanh(self.slope * x) ** 2)


@dataclass(frozen=True)
class SquaredSoftsign(Surrogate):
    """The derivative of ``x / sqrt(1 + x^2)``: ``slope / (2 (1 + (slope x)^2)^(3/2))``; slope per unit of x."""

    slope: float = 2.0

    def derivative(self, x: Tensor) -> Tensor:
        return 0.5 * self.slope * (1 + (self.slope * x) ** 2) ** -1.5


@dataclass(frozen=True)
class LeakyReLU(Surrogate):
    """The derivative of a leaky rectifier: ``height`` where ``x >= 0`` and ``leak`` below, both per unit of x."""

    height: float = 1.0
    leak: float = 0.1

    def derivative(self, x: Tensor) -> Tensor:
        return torch.where(x >= 0, torch.full_like(x, self.height), torch.full_like(x, self.leak))


@dataclass(frozen=True)
class StraightThrough(Surrogate):
    """A pseudo-derivative of ``height`` everywhere. Source: Bengio et al., arXiv:1308.3432 (2013)."""

    height: float = 1.0

    def derivative(self, x: Tensor) -> Tensor:
        return torch.full_like(x, self.height)


SURROGATES: dict[str, type[Surrogate]] = {
    c.__name__: c
    for c in (
        ATan,
        Exponential,
        FastSigmoid,
        Gaussian,
        LeakyReLU,
        MultiGaussian,
        Rectangle,
        Sigmoid,
        SquaredSoftsign,
        StraightThrough,
        Tanh,
        Triangle,
    )
}
