"""Pulses on a few devices of an array: work in proportion to these, with the numbers that pulses on all of them would draw."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import device as physics
from ..contract import Pulse
from .array import DeviceArray

FEW = 4  # of so many devices one at most


def pulse_few(array: DeviceArray, pulse: Pulse) -> bool:
    """Apply pulses (``n`` for each device) if few devices get any and nobody wants to be told; return whether they were applied.

    Raises:
        ParameterError: as the update law of the devices.
    """
    n = pulse.n.expand(array.full_shape).flatten()
    index = n.nonzero().squeeze(1)
    if array.watch is not None or FEW * len(index) > len(n):
        return False

    def of(tensor: Tensor) -> Tensor:
        """The part of these devices; a state that a device has many of keeps its axis."""
        if tensor.numel() == 1:
            return tensor.flatten()
        inner = tensor.shape[: tensor.ndim - len(array.full_shape)]
        return tensor.expand(*inner, *array.full_shape).flatten(len(inner))[..., index]

    event, t = array.next_event(), array.trajectory
    xi, kept = (array.normals(part, array.n_draws(part), event, index) for part in ("update", "retention"))
    before = physics.mapped(t, of)
    before = before._replace(x=type(before.x)(*(torch.broadcast_to(v, (*v.shape[:-1], len(index))) for v in before.x)))
    after = physics.pulsed(array.device, array.values.mapped(of), before, Pulse(*map(of, pulse)), xi, kept)
    array.put(index, after)
    return True
