"""A measured chip taken as it is: conductances and a map of faults become the state of an array, or of a group's devices.

Devices are as if written now: age 0, what their retention draws at a write drawn anew; their cycles go on counting. Stuck and
open devices of the map are broken for good, in place of those that the device's faults part drew with the die.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .errors import GraphError, ParameterError
from .fitting.array import FAULTS, SOUND, MeasuredArray
from .models.devices import device as physics
from .models.devices.contract import Xi

if TYPE_CHECKING:
    from .arrays import DeviceArray
    from .group import Group


def adopt(array: DeviceArray, measured: Any, faults: Any = None) -> None:
    """See `DeviceArray.adopt`."""
    if isinstance(measured, MeasuredArray):
        faults = measured.faults if faults is None else faults
        measured = measured.conductance
    g = array._full("conductance", measured).expand(array.full_shape)
    codes = torch.full_like(g, SOUND) if faults is None else array._full("faults", faults).expand(array.full_shape)
    if not bool(torch.isin(codes, torch.tensor(list(FAULTS), dtype=codes.dtype, device=codes.device)).all()):
        raise ParameterError(f"{array.where}: faults", "must be 0 (sound), 1 (stuck low), 2 (stuck high) or 3 (open)")
    sound = codes == SOUND
    if bool((g < 0).any()):
        raise ParameterError(f"{array.where}: conductance", "must be at least 0 S", got=f"{float(g.min()):g}")
    frozen = _frozen(array, codes)
    p, before, event = array.values, array.trajectory, array.next_event()
    x = array.device.update.place(torch.where(sound, g, p.of("").g_min), before.x, p.of("update"))
    _check_held(array, array.device.update.conductance(x, p.of("update")), g, sound)
    kept = array.normals("retention", physics.draws(array.device, p, "retention"), event)
    array._store(physics.Trajectory(x, torch.zeros_like(before.age), before.cycles, kept, frozen))
    _note(array, g, sound)


def _frozen(array: DeviceArray, codes: Tensor) -> Xi:
    """The numbers with which the device's faults part breaks the devices of the map, and no others."""
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


def _check_held(array: DeviceArray, there: Tensor, g: Tensor, sound: Tensor) -> None:
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


def _note(array: DeviceArray, g: Tensor, sound: Tensor) -> None:
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


def adopt_group(groups: Mapping[str, Group], tag: str, measured: Sequence[Any], faults: Sequence[Any] | None) -> None:
    """See `Network.adopt`."""
    from .programming import with_devices

    where = "Network.adopt"
    hardware = with_devices(where, groups, [tag])[tag]
    n, shape = hardware.mapping.devices, hardware.pairs
    if len(measured) != n:
        raise GraphError(
            where,
            f"{type(hardware.mapping).__name__} has {n} devices for each weight of {tag!r}, and needs a measured array for each",
            got=f"{len(measured)} arrays",
            fix=f"net.adopt({tag!r}, plus, minus)" if n == 2 else "",
        )
    maps = list(faults) if faults is not None else [None] * n
    if len(maps) != n:
        raise GraphError(f"{where}: faults", f"must be {n} maps, one for each array", got=f"{len(maps)}")
    parts = [_part(f"{where}: array {k} of {tag!r}", a, f, shape) for k, (a, f) in enumerate(zip(measured, maps, strict=True))]
    model = groups[tag].model_weight().detach()
    with torch.no_grad():
        adopt(hardware.array, *(torch.stack(kind, dim=-1 - len(shape)) for kind in zip(*parts, strict=True)))
        hardware.full.fill_(hardware.full_scale(model))
        hardware.gain.fill_(1.0)
        hardware.column.fill_(1.0)
        hardware.wanted = hardware.aim = None  # what was wanted of this chip is not in the measurement
        hardware.remember()
        hardware.mode = "programmed"
        hardware.changed()
        if groups[tag].spec.rule is not None:
            groups[tag].plastic_weight = hardware.weight(model).clone()


def _part(where: str, measured: Any, faults: Any, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Conductances (S) and codes of one device of every weight."""
    if isinstance(measured, MeasuredArray):
        faults = measured.faults if faults is None else faults
        measured = measured.conductance
    g = torch.as_tensor(measured, dtype=torch.float64)
    codes = torch.zeros_like(g) if faults is None else torch.as_tensor(faults, dtype=torch.float64)
    for name, tensor in (("conductance", g), ("faults", codes)):
        if tuple(tensor.shape[-len(shape) :]) != shape:
            fix = "Transpose it: rows are source units, columns target units." if tuple(tensor.shape) == shape[::-1] else ""
            raise GraphError(f"{where}: {name}", f"must be {list(shape)}, [pre, post]", got=f"{list(tensor.shape)}", fix=fix)
    return g, codes.expand_as(g)
