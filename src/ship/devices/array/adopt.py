"""A measured chip taken as it is: conductances and a map of faults become the state of an array.

Devices are as if written now: age 0, what their retention draws at a write drawn anew; their cycles go on counting. Stuck and
open devices of the map are broken for good, in place of those that the device's faults part drew with the die.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ...base.errors import ParameterError
from .. import device as physics
from ..contract import FAULTS, SOUND, Xi
from ..device import Device, Trajectory, Values


@runtime_checkable
class Chip(Protocol):
    """A measured chip with its map of faults, as far as this module needs it: a `MeasuredArray`."""

    @property
    def conductance(self) -> Tensor: ...
    @property
    def faults(self) -> Tensor: ...


class AdoptingDevices(Protocol):
    """The part of a `DeviceArray` that this module needs."""

    device: Device
    dtype: torch.dtype
    where: str
    notes: list[str]

    @property
    def full_shape(self) -> tuple[int, ...]: ...
    @property
    def values(self) -> Values: ...
    @property
    def trajectory(self) -> Trajectory: ...
    def next_event(self) -> int: ...
    def normals(self, name: str, count: int, event: int) -> Xi: ...
    def window(self) -> tuple[Tensor, Tensor]: ...
    def checked(self, where: str, value: Any) -> Tensor: ...
    def store(self, t: Trajectory) -> None: ...


def taken(measured: Any, faults: Any) -> tuple[Any, Any]:
    """Return conductances and a map of faults: the given one, else the one that belongs to them."""
    return (
        (measured.conductance, measured.faults if faults is None else faults)
        if isinstance(measured, Chip)
        else (measured, faults)
    )


def adopt(array: AdoptingDevices, measured: Any, faults: Any = None) -> None:
    """Take over the state of a measured chip; see `DeviceArray.adopt`."""
    measured, faults = taken(measured, faults)
    g = array.checked("conductance", measured).expand(array.full_shape)
    codes = torch.full_like(g, SOUND) if faults is None else array.checked("faults", faults).expand(array.full_shape)
    if not bool(torch.isin(codes, torch.tensor(list(FAULTS), dtype=codes.dtype, device=codes.device)).all()):
        raise ParameterError(f"{array.where}: faults", "must be 0 (sound), 1 (stuck low), 2 (stuck high) or 3 (open)")
    sound = codes == SOUND
    if bool((g < 0).any()):
        raise ParameterError(f"{array.where}: conductance", "must be at least 0 S", got=f"{float(g.min()):g}")
    frozen = _frozen(array, codes)
    p, before, event = array.values, array.trajectory, array.next_event()
    x = array.device.update.place(torch.where(sound, g, p.of("").g_min), before.x, p.of("update"))
    _check_held(array, array.device.update.conductance(x, p.of("update")), g, sound)
    kept = array.normals("retention", physics.draws(array.device, p.cycles, "retention"), event)
    array.store(physics.Trajectory(x, torch.zeros_like(before.age), before.cycles, kept, frozen))
    _note(array, g, sound)


def _frozen(array: AdoptingDevices, codes: Tensor) -> Xi:
    """Return the normals with which the device's faults part breaks the devices of the map, and no others."""
    part = array.device.faults
    broken = int((codes != SOUND).sum())
    if part is None:
        if broken:
            raise ParameterError(
                f"{array.where}: faults",
                "need a device with a faults part that keeps them",
                got=f"{broken} of {codes.numel()} devices that are stuck or open",
                fix="Give the device faults=ship.devices.Stuck(low=0.01, high=0.01, open=0.01); the map takes the place of its "
                "draws. (An array with variation=False has no faults.)",
            )
        return ()
    made = part.as_mapped(codes, array.values.of("faults"))
    if made is None:
        kinds = ", ".join(f"{int((codes == c).sum())} {name}" for c, name in FAULTS.items() if bool((codes == c).any()))
        raise ParameterError(
            f"{array.where}.faults",
            f"{type(part).__name__} cannot hold this map",
            got=kinds,
            fix="Every kind in the map needs a fraction above 0, e.g. ship.devices.Stuck(low=0.01, high=0.01, open=0.01), and "
            "the fractions must leave room for sound devices.",
        )
    return tuple(xi.to(array.dtype) for xi in made)


def _check_held(array: AdoptingDevices, there: Tensor, g: Tensor, sound: Tensor) -> None:
    """Refuse conductances that the device's state cannot take."""
    away = (there - g).abs() > 1e-4 * g.abs() + 1e-12
    bad = away.expand_as(sound) & sound
    if bool(bad.any()):
        low, high = array.window()
        raise ParameterError(
            f"{array.where}: conductance",
            f"{type(array.device.update).__name__} cannot take all of the measured values; its window is "
            f"{float(low.min()):.3g} to {float(high.max()):.3g} S",
            got=f"{float(g[bad][0]):g} S ({int(bad.sum())} such devices)",
        )


def _note(array: AdoptingDevices, g: Tensor, sound: Tensor) -> None:
    """Say what differs from the measurement, for `explain`."""
    p = array.values
    low, high = physics.window(array.device, p, array.trajectory)
    outside = int((((g < low) | (g > high)) & sound).sum())
    if outside:
        array.notes.append(f"adopted: {outside} of {g.numel()} devices lie outside the window; pulses bring them into it")
    if not bool(sound.all()):
        off = (physics.conductance(array.device, p, array.trajectory) - g).abs()[~sound].max()
        array.notes.append(
            f"adopted: {int((~sound).sum())} broken devices are where {type(array.device.faults).__name__} says, up to "
            f"{float(off):.3g} S from where they were measured (low_at and high_at take one value for each device)"
        )
