"""Uniform, normal and Poisson numbers from the counter-based generator `philox`.

A value depends on its purpose (seed, names, chip, sample, slot, trial, unit), never on when it is drawn.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .philox import M32, chip_key, counter_blocks, drawn_words, even, has_kernels, philox, unit_interval
from .poisson import SMALL_MEAN, distribution, largest_mean, poisson


def _box_muller(values: Tensor) -> Tensor:
    """Turn pairs of uniform numbers into as many standard normal numbers."""
    u, v = values[..., 0::2], values[..., 1::2]
    radius, angle = torch.sqrt(-2 * torch.log(u)), 2 * math.pi * v
    return torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], -1).flatten(-2)


def uniform(
    base: int,
    *,
    chip: Tensor,
    sample: Tensor,
    slot: Tensor,
    trial: int,
    n: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Tensor:
    """Draw uniform numbers in the open interval (0, 1), ``[slot, chip, batch, unit]``.

    Args:
        base: a key from `key`.
        chip: ids of dies, int64, ``[chip]``.
        sample: global numbers of samples, int64, ``[batch]``.
        slot: absolute slots, int64, ``[slot]``.
        trial: the number of the trial.
        n: the number of units; a smaller n gives the first of the same numbers.
        dtype: the type of the result; numbers are drawn in float64, then rounded, never to 0 or 1.
        device: the device of the result; None is the CPU.

    Raises:
        RunError: a slot, sample or trial is below 0 or above 2^32 - 1.
    """
    values = counter_blocks(base, chip, sample, slot, trial, even(n), device or torch.device("cpu"))[..., :n].to(dtype)
    return values if dtype == torch.float64 else values.clamp(torch.finfo(dtype).tiny, 1 - torch.finfo(dtype).eps / 2)


def normal(
    base: int,
    *,
    chip: Tensor,
    sample: Tensor,
    slot: Tensor,
    trial: int,
    n: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Tensor:
    """Draw standard normal numbers, ``[slot, chip, batch, unit]``; arguments and errors are those of `uniform`.

    Source: Box & Muller, Ann. Math. Statist. 29:610 (1958).
    """
    return _box_muller(counter_blocks(base, chip, sample, slot, trial, even(n), device or torch.device("cpu")))[..., :n].to(dtype)


def normal_at(base: int, *, chip: Tensor, slot: int, unit: Tensor) -> Tensor:
    """Draw the numbers that `normal` gives at single places, for sample 0 and trial 0, in float64.

    Args:
        base: a key from `key`.
        chip: ids of dies, int64, one for each number.
        slot: the absolute slot.
        unit: units, int64, one for each number.
    """
    dies, of = torch.unique(chip, return_inverse=True)
    keys = [chip_key(base, int(c)) for c in dies.tolist()]
    pair = (
        torch.tensor([k & M32 for k in keys], device=chip.device)[of],
        torch.tensor([k >> 32 for k in keys], device=chip.device)[of],
    )
    zero = torch.zeros((), dtype=torch.int64, device=chip.device)
    a, b, c, d = philox((unit // 2, zero + slot, zero, zero), pair)
    both = _box_muller(torch.stack([unit_interval(a, b), unit_interval(c, d)], -1))
    return torch.where(unit % 2 == 0, both[..., 0], both[..., 1])


def _draw_blocks(base: int, chip: int, shape: tuple[int, ...], attempt: int) -> Tensor:
    index = torch.zeros(1, dtype=torch.int64)
    return counter_blocks(base, torch.tensor([chip]), index, index, attempt, even(math.prod(shape)), torch.device("cpu"))


def draw_uniform(base: int, chip: int, shape: tuple[int, ...], *, attempt: int = 0) -> Tensor:
    """Draw uniform numbers for a parameter, in float64: functions of key, chip, flat index and attempt."""
    return _draw_blocks(base, chip, shape, attempt).flatten()[: math.prod(shape)].reshape(shape)


def draw_normal(base: int, chip: int, shape: tuple[int, ...], *, attempt: int = 0) -> Tensor:
    """Draw standard normal numbers for a parameter, in float64: functions of key, chip, flat index and attempt."""
    return _box_muller(_draw_blocks(base, chip, shape, attempt)).flatten()[: math.prod(shape)].reshape(shape)


PIECE = 2**17  # numbers drawn at a time where a second step turns them into counts: they then stay in the cache


def counts(
    base: int,
    *,
    chip: Tensor,
    sample: Tensor,
    slot: Tensor,
    trial: int,
    n: int,
    mean: Tensor,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Tensor:
    """Draw Poisson counts, ``[slot, chip, batch, unit]``: `poisson` of the numbers that `uniform` gives.

    Args:
        mean: expected counts, broadcast with the result.

    The other arguments, and errors, are those of `uniform` and `poisson`.
    """
    mean = mean.detach()
    if has_kernels(device or torch.device("cpu")) and mean.numel() == 1 and largest_mean(mean) <= SMALL_MEAN:
        # u > CDF(k) for the 52 bits of u, u = (bits + 1 / 2) / 2^52: exact in floating point.
        edges = np.floor(distribution(mean) * 2.0**52 - 0.5).astype(np.int64)
        return drawn_words("counts", base, chip, sample, slot, trial, n, dtype, edges)
    pieces = slot.split(max(1, PIECE // max(1, chip.numel() * sample.numel() * int(n))))
    drawn = (uniform(base, chip=chip, sample=sample, slot=piece, trial=trial, n=n, device=device) for piece in pieces)
    return torch.cat([poisson(u, mean).to(dtype) for u in drawn])
