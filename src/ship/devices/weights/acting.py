"""What the devices of a weight act as, as pure, pointwise functions: an array calls them for all weights, a kernel for one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import device as physics
from ..array.array import DeviceArray
from ..contract import Xi
from ..device import Device, Trajectory, Values
from .mapping import Mapping


def read_current(device: Device, p: Values, t: Trajectory, xi: Xi | None) -> Tensor:
    """Return the current (A) of the read that one spike does; ``xi``: the noise that stays for a trial, None: there is none."""
    g = None if xi is None else physics.read(device, p, t, xi)
    return physics.current(device, p, t, p.of("").v_read, g)


def read_spread(array: DeviceArray) -> Tensor:
    """Return the standard deviation of white read noise (S, current over voltage) of each device, ``[chip, 1, ...]``."""
    p, device, t = array.values, array.device, array.trajectory
    one = (torch.ones((), dtype=array.dtype, device=array.die_ids.device),) * physics.draws(device, p.cycles, "noise")
    noisy, quiet = (read_current(device, p, t, xi) / p.of("").v_read for xi in (one, tuple(map(torch.zeros_like, one))))
    return (noisy - quiet).expand(array.full_shape)


def acting_weight(
    mapping: Mapping, parts: Sequence[Tensor], low: Tensor, high: Tensor, factor: Tensor | None, scale: Tensor | float
) -> Tensor:
    """Return the weight (V) that conductances (S) act as.

    Args:
        mapping: how weights became conductances.
        parts: the conductances of each device, as they are read.
        low, high: the window of the nominal device, as it is read.
        factor: of the current of each device, not of the reference of an offset, which is subtracted afterwards; None: 1.
        scale: V, the weight at full scale.
    """
    if factor is not None:
        parts = tuple(part * factor for part in parts)
    return mapping.weight(parts, low, high) * scale


def slow_noise(device: Device) -> bool:
    """Whether reads have noise that stays for a trial."""
    return device.noise is not None and not device.noise.white


def ends(like: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Return the ends of a window as tensors of a float type."""
    return torch.tensor(low, dtype=like.dtype, device=like.device), torch.tensor(high, dtype=like.dtype, device=like.device)
