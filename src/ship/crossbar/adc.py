"""The conversion of column currents by an analogue-to-digital converter.

``x = gain i + offset``,   ``code = round(clip(x) / lsb)``,   ``i' = lsb code + inl(code)``

with ``lsb = full_scale / (2^bits - 1)`` and codes from 0 on for a unipolar converter, or ``full_scale / (2^(bits - 1) - 1)`` and
codes of both signs for a bipolar one. Errors belong to one column or are common to all. The gradient passes straight through the
rounding, multiplied by the gain; it is 0 where the converter clips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.errors import ParameterError, is_real, is_whole


@dataclass(frozen=True, eq=False)
class ADC:
    """An analogue-to-digital converter of column currents.

    Args:
        bits: the number of bits of a code, 1 to 24; at least 2 for a bipolar converter.
        full_scale: the largest current that is not clipped, in A; None until `calibrated` sets it.
        bipolar: whether negative currents are converted.
        gain: the factor on the current, a number or ``[n]``.
        offset: the current added after the gain, in A; a number or ``[n]``.
        inl: the integral non-linearity of each code from the lowest on, in A, ``[codes]`` or ``[n, codes]``; None for none.

    Raises:
        ParameterError: bits or full scale are out of range, or the INL does not have one value for each code.
    """

    bits: int = 8
    full_scale: float | None = None
    bipolar: bool = False
    gain: float | Tensor = 1.0
    offset: float | Tensor = 0.0
    inl: Tensor | None = None

    def __post_init__(self) -> None:
        least = 2 if self.bipolar else 1
        if not is_whole(self.bits, least) or self.bits > 24:
            raise ParameterError("ADC.bits", f"must be a whole number from {least} to 24", got=repr(self.bits))
        if self.full_scale is not None and not (is_real(self.full_scale) and self.full_scale > 0):
            raise ParameterError("ADC.full_scale", "must be above 0 A", got=self.full_scale)
        for name in ("gain", "offset"):
            value = getattr(self, name)
            if not (bool(value.isfinite().all()) if isinstance(value, Tensor) else is_real(value)):
                raise ParameterError(f"ADC.{name}", "must be finite, a number or a tensor [n]", got=repr(value))
        if self.inl is not None and (self.inl.ndim not in (1, 2) or self.inl.shape[-1] != self.codes):
            raise ParameterError("ADC.inl", f"must be [{self.codes}] or [n, {self.codes}]", got=list(self.inl.shape))

    @property
    def lowest(self) -> int:
        """The lowest code of the converter."""
        return -self.highest if self.bipolar else 0

    @property
    def highest(self) -> int:
        """The highest code of the converter."""
        return (1 << (self.bits - 1 if self.bipolar else self.bits)) - 1

    @property
    def codes(self) -> int:
        """The number of codes of the converter."""
        return self.highest - self.lowest + 1


class Converted(NamedTuple):
    """The result of a conversion."""

    currents: Tensor  # A, [..., n]
    clipped: Tensor  # the fraction of the values that were clipped, from 0 to 1, without axes


def calibrated(adc: ADC, currents: Tensor, *, percentile: float = 100.0) -> ADC:
    """Return the converter with its full scale set to a percentile of the magnitudes of calibration currents.

    Args:
        adc: the converter.
        currents: calibration currents in A, of any shape.
        percentile: the percentile, above 0; 100 is the largest magnitude.

    Raises:
        ParameterError: the percentile is not above 0 and at most 100, or no current is above 0.
    """
    if not (is_real(percentile) and 0 < percentile <= 100):
        raise ParameterError("calibrated: percentile", "must be above 0 and at most 100", got=percentile)
    # By sorting, because torch.quantile refuses more than 2^24 values; takes the nearest rank, without interpolation.
    values = currents.detach().abs().flatten().sort().values
    rank = max(-int(-percentile / 100 * len(values) // 1) - 1, 0)
    full_scale = float(values[rank]) if len(values) else 0.0
    if not full_scale > 0:
        raise ParameterError("calibrated: currents", f"must be above 0 A at percentile {percentile:g}", got=f"{full_scale:g} A")
    return replace(adc, full_scale=full_scale)


def convert(currents: Tensor, adc: ADC) -> Converted:
    """Convert currents (A, ``[..., n]``); return them as the converter reads them, and the fraction that it clipped.

    Raises:
        ParameterError: the converter has no full scale, or gain, offset or INL have another number of columns.
    """
    if adc.full_scale is None:
        raise ParameterError("convert: adc.full_scale", "must be set", got=None, fix="Use calibrated(adc, currents).")
    _check_columns(adc, currents.shape[-1])
    lsb = adc.full_scale / adc.highest
    read: Tensor = _Straight.apply(currents * _like(adc.gain, currents) + _like(adc.offset, currents), adc, lsb)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        x = (currents * _like(adc.gain, currents) + _like(adc.offset, currents)) / lsb
        # Values up to half a code beyond the last one are rounded to it, without loss.
        clipped = ((x > adc.highest + 0.5) | (x < adc.lowest - 0.5)).to(currents.dtype).mean()
    return Converted(read, clipped)


def _like(value: float | Tensor, like: Tensor) -> float | Tensor:
    return value.to(like) if isinstance(value, Tensor) else value


def _check_columns(adc: ADC, n: int) -> None:
    tables = [("gain", adc.gain, 1), ("offset", adc.offset, 1), ("inl", adc.inl, 2)]
    for name, value, axes in tables:
        if isinstance(value, Tensor) and value.ndim == axes and value.shape[0] not in (1, n):
            raise ParameterError(f"convert: adc.{name}", f"must have one value for each of {n} columns", got=value.shape[0])


class _Straight(torch.autograd.Function):
    """Rounding and clipping with a straight-through gradient: 1 within the range, 0 where clipped."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, adc: ADC, lsb: float) -> Tensor:
        scaled = x / lsb
        ctx.save_for_backward((scaled <= adc.highest + 0.5) & (scaled >= adc.lowest - 0.5))
        code = scaled.round().clamp(adc.lowest, adc.highest)
        read = code * lsb
        if adc.inl is None:
            return read
        at = (code - adc.lowest).long()
        table = adc.inl.to(x)
        if table.ndim == 1:
            return read + table[at]
        column = torch.arange(at.shape[-1], device=at.device).expand_as(at)
        return read + table.expand(at.shape[-1], -1)[column, at]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = ctx.saved_tensors
        return grads[0] * inside, None, None
