"""Drive devices with a waveform: current-voltage loops.

Sample k is at t = k dt. Between two samples the voltage is a straight line, taken as ``substeps`` equal steps at the voltage in
the middle of each (second order in dt / substeps; each step itself is exact, or as exact as the model's `pulse`).

A single device is the nominal one: nothing is drawn, neither what varies between devices and cycles nor the noise of switching
(`Update.quiet`). The devices of an array draw in each of the steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.checks import check_whole
from ...base.errors import ParameterError, RunError
from ...base.parameters import to_tensor
from .. import device as physics
from ..contract import Pulse
from ..device import Device
from ..memristor.fefet import FeFET
from ..memristor.memristor import Memristor
from .array import DeviceArray


class Sweep(NamedTuple):
    """Current and states under a waveform: ``[time]`` for one device, ``[time, ...]`` or ``[time, chip, ...]`` for an array."""

    current: Tensor  # A
    states: Any  # a NamedTuple, as the update part declares them


def sweep(device: Device | DeviceArray, v: Any, dt: float, *, substeps: int = 4, start: float | None = None) -> Sweep:
    """Apply a voltage waveform; return the current and the state at each sample.

    Args:
        device: one device (its nominal one, fresh, without chance), or an array, which is driven as it stands, with all that it
            draws, and keeps what happens to it.
        v: the waveform, V, ``[time]``; the same for all devices. A single device takes over its float type.
        dt: the time between samples, s.
        substeps: the number of steps between two samples.
        start: the conductance (S) of a single device at the start; default: the bottom of its window.

    Raises:
        RunError: a waveform that is not ``[time]``, a dt that is not above 0, or a device whose update has no time in it.
    """
    wave = to_tensor("sweep: v", v)
    single = isinstance(device, Device)
    array = _nominal(device, wave) if isinstance(device, Device) else device
    _check(array, wave, dt, substeps)
    if start is not None:
        if not single:
            raise RunError("sweep: start", "is for a single device", fix="Write to the array before.")
        array.write(start)
    wave, p, t = wave.to(array.dtype), array.values, array.trajectory
    width = torch.tensor(dt / substeps, dtype=array.dtype)
    counts = {part: physics.draws(array.device, p.cycles, part) for part in ("update", "retention")}
    currents, states = [], []
    for k in range(len(wave)):
        currents.append(_plain(array, physics.current(array.device, p, t, wave[k]), single))
        states.append(type(t.x)(*(_plain(array, x, single) for x in physics.now(array.device, p, t))))
        if k + 1 < len(wave):
            for j in range(substeps):
                pulse = Pulse(wave[k] + (wave[k + 1] - wave[k]) * ((j + 0.5) / substeps), width, torch.ones_like(width))
                event = array.next_event()
                xi, kept = (array.normals(part, counts[part], event) for part in ("update", "retention"))
                if single:
                    t = physics.pulsed(array.device, p, t, pulse, None, tuple(map(torch.zeros_like, kept)))
                else:
                    t = physics.pulsed(array.device, p, t, pulse, xi, kept)
    array.store(t)
    return Sweep(torch.stack(currents), type(t.x)(*map(torch.stack, zip(*states, strict=True))))


def _nominal(device: Device, wave: Tensor) -> DeviceArray:
    """Return the nominal device as an array of one, which is written without an error."""
    return DeviceArray(replace(device, programming=None), 1, variation=False, dtype=wave.dtype)


def _check(array: DeviceArray, wave: Tensor, dt: float, substeps: int) -> None:
    if not isinstance(array.device.update, Memristor | FeFET):
        raise RunError(
            f"sweep: {array.device.name}",
            "must have an update that depends on voltage and time",
            got=type(array.device.update).__name__,
            fix="Use array.pulse for pulses that are counted.",
        )
    if wave.ndim != 1 or not len(wave) or not bool(torch.isfinite(wave).all()):
        raise ParameterError("sweep: v", "must be finite voltages [time]", got=f"shape {list(wave.shape)}")
    if not dt > 0:
        raise RunError("sweep: dt", "must be above 0 s", got=dt)
    check_whole("sweep: substeps", substeps, 1, error=RunError)


def _plain(array: DeviceArray, tensor: Tensor, single: bool) -> Tensor:
    """Return a tensor without the axes that the user did not ask for; inner axes of a state stay in front."""
    lead = tensor.shape[: tensor.ndim - 2 - len(array.shape)]
    full = tensor.expand(*lead, len(array.die_ids), 1, *array.shape).squeeze(-1 - len(array.shape))
    full = full if array.axis else full.squeeze(-1 - len(array.shape))
    return full.squeeze(-1) if single else full
