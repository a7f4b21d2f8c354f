"""The values that a user may give to a parameter: distributions, variation over chips, values per sample or per chip.

A value is a number, a tensor, an array, a distribution (an initial draw, shared by all chips), a `Varied` (a nominal with a
frozen deviate per chip), or a callable given a shape and a generator.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import random
from ..errors import ParameterError


class Distribution(ABC):
    """The base class of distributions: they draw an initial nominal value, the same for all chips."""

    @abstractmethod
    def draw(self, key: int, shape: tuple[int, ...], attempt: int, chip: int = 0) -> Tensor:
        """Draw values in float64 that depend on (key, chip, flat index, attempt) only. A weight has the shape [pre, post]."""


def _finite(owner: object, **values: object) -> None:
    for name, value in values.items():
        where = f"{type(owner).__name__}.{name}"
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ParameterError(where, "must be a number", got=repr(value))
        if not math.isfinite(float(value)):
            raise ParameterError(where, "must be finite", got=value)
        object.__setattr__(owner, name, float(value))  # NumPy's numbers become Python's, which JSON can save


def _least(owner: object, least: float, **values: float) -> None:
    for name, value in values.items():
        if value < least:
            raise ParameterError(f"{type(owner).__name__}.{name}", f"must be at least {least:g}", got=value)


@dataclass(frozen=True)
class Uniform(Distribution):
    """The uniform distribution on (low, high)."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _finite(self, low=self.low, high=self.high)
        if not self.low < self.high:
            raise ParameterError("Uniform", "low must be below high", got=f"low={self.low}, high={self.high}")

    def draw(self, key: int, shape: tuple[int, ...], attempt: int, chip: int = 0) -> Tensor:
        return self.low + (self.high - self.low) * random.draw_uniform(key, chip, shape, attempt=attempt)


@dataclass(frozen=True)
class Normal(Distribution):
    """The normal distribution with a mean and a standard deviation."""

    mean: float
    std: float

    def __post_init__(self) -> None:
        _finite(self, mean=self.mean, std=self.std)
        _least(self, 0.0, std=self.std)

    def draw(self, key: int, shape: tuple[int, ...], attempt: int, chip: int = 0) -> Tensor:
        return self.mean + self.std * random.draw_normal(key, chip, shape, attempt=attempt)


@dataclass(frozen=True)
class LogNormal(Distribution):
    """The log-normal distribution ``median * exp(sigma * xi)``; sigma is the standard deviation of the logarithm."""

    median: float
    sigma: float

    def __post_init__(self) -> None:
        _finite(self, median=self.median, sigma=self.sigma)
        _least(self, 0.0, sigma=self.sigma)

    def draw(self, key: int, shape: tuple[int, ...], attempt: int, chip: int = 0) -> Tensor:
        return self.median * torch.exp(self.sigma * random.draw_normal(key, chip, shape, attempt=attempt))


@dataclass(frozen=True)
class FanIn(Distribution):
    """Normally distributed weights for n_pre inputs: mean ``mean / n_pre``, standard deviation ``std / sqrt(n_pre)``.

    This is the default of every synapse. Sources at 50 Hz that drive a LIF of 20 ms and 1 V then give a mean of ``mean`` and a
    standard deviation of ``std / sqrt(2)`` volt (Campbell), whatever their number: the neuron is neither silent nor saturated.
    """

    mean: float = 0.5
    std: float = 1.0

    def __post_init__(self) -> None:
        _finite(self, mean=self.mean, std=self.std)
        _least(self, 0.0, std=self.std)

    def draw(self, key: int, shape: tuple[int, ...], attempt: int, chip: int = 0) -> Tensor:
        n_pre = max(shape[0], 1) if len(shape) == 2 else 1
        return self.mean / n_pre + self.std / math.sqrt(n_pre) * random.draw_normal(key, chip, shape, attempt=attempt)


@dataclass(frozen=True)
class Varied:
    """A nominal value with variation from device to device: each chip has its own frozen deviates.

    Args:
        nominal: a number, tensor, array or distribution; this part can be trained.
        d2d: the standard deviation from device to device, as a fraction of the nominal value.
        d2d_abs: the standard deviation from device to device, in the parameter's unit. Together with ``d2d`` the two are
            independent contributions: the standard deviation is ``sqrt((d2d nominal)^2 + d2d_abs^2)``. The same holds for
            ``c2c`` and ``c2c_abs``.
        c2c, c2c_abs: the same from cycle to cycle, allowed where the model declares the event that draws anew.
        gradient: a linear trend across the die, added to the independent deviates: its slopes along the two axes of the die are
            independent and normally distributed, so that its direction is random on each chip. The change from one end of an
            axis to the other has this standard deviation, as a fraction of the nominal value; the middle of the die does not
            change. The axes are [pre, post] for connections and their devices (for a `DeviceArray` the last two axes of the
            array), and the index for units; the first index is at one end and the last at the other.
        gradient_abs: the same in the parameter's unit. Deviates beside it must be in that unit, too (``d2d_abs``).

    Raises:
        ParameterError: a spread is negative, a fraction belongs to a nominal of zero, or a trend is combined with a spread of
            the other kind.
    """

    nominal: Any
    d2d: float = 0.0
    d2d_abs: float = 0.0
    c2c: float = 0.0
    c2c_abs: float = 0.0
    gradient: float = 0.0
    gradient_abs: float = 0.0

    def __post_init__(self) -> None:
        spreads = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "nominal"}
        _finite(self, **spreads)
        _least(self, 0.0, **spreads)
        if isinstance(self.nominal, Varied):
            raise ParameterError("Varied.nominal", "must not be Varied itself", fix="Give one Varied with both spreads.")
        if (self.gradient or self.gradient_abs) and (self.d2d or self.gradient) and (self.d2d_abs or self.gradient_abs):
            # One frozen deviate holds both parts, so that both must be fractions, or both in the parameter's unit.
            raise ParameterError(
                "Varied.gradient",
                "a trend and the deviates beside it must be of one kind",
                got=f"d2d={self.d2d:g}, d2d_abs={self.d2d_abs:g}, gradient={self.gradient:g}, gradient_abs={self.gradient_abs:g}",
                fix="Use d2d with gradient, or d2d_abs with gradient_abs.",
            )


class PerSample(NamedTuple):
    """Separate values for the samples of a batch, ``[batch, ...]``."""

    value: Tensor


class PerChip(NamedTuple):
    """Separate values for the chips, ``[chip, ...]``."""

    value: Tensor


def per_sample(value: Any) -> PerSample:
    """Give each sample of the batch its own value: ``[batch]``, ``[batch, unit]`` or ``[batch, pre, post]``."""
    return PerSample(numbers("per_sample", value))


def per_chip(value: Any) -> PerChip:
    """Give each chip its own value: ``[chip]``, ``[chip, unit]`` or ``[chip, pre, post]``."""
    return PerChip(numbers("per_chip", value))


Value = Any  # float | Tensor | np.ndarray | Distribution | Varied | PerSample | PerChip | Callable[[shape, generator], Tensor]


def to_tensor(where: str, value: object) -> Tensor:
    """Make a real tensor from a number, sequence, array of any layout, or tensor, in float64 or the value's own float type."""
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(plain_array(np.asarray(value)))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ParameterError(where, "must be numbers", got=repr(value)) from error
    if tensor.is_complex():
        raise ParameterError(where, "must be real numbers", got=str(tensor.dtype))
    if tensor.layout != torch.strided:
        raise ParameterError(where, "must be dense", got=str(tensor.layout), fix="Use x.to_dense().")
    return tensor if tensor.is_floating_point() else tensor.to(torch.float64)


def plain_array(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array, or a copy that torch accepts: forward strides, native byte order, writable, a type that torch knows."""
    widest = {"u": np.dtype(np.int64), "f": np.dtype(np.float64)}.get(array.dtype.kind)
    strange = widest is not None and array.dtype not in (np.uint8, np.float16, np.float32, np.float64)
    return np.require(array, widest if strange else array.dtype.newbyteorder("="), ["C", "W"])


def numbers(where: str, value: object) -> Tensor:
    """Make a tensor of a quantity, as `to_tensor` does, but refuse truth values.

    Raises:
        ParameterError: the value is not a real number, or is a truth value.
    """
    tensor = to_tensor(where, value)
    if value.dtype == torch.bool if isinstance(value, Tensor) else np.asarray(value).dtype == np.bool_:
        raise ParameterError(
            where, "must be numbers, not truth values", got=repr(value), fix="Give 0.0 and 1.0 where they are meant."
        )
    return tensor
