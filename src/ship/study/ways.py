"""The ways in which the weights of a network can be written to a device, and what a device lacks for each.

``one shot``        one write to the target, by the device's law of programming
``by pulses``       as many pulses as the nominal device needs, from the reset state, without a read (`OpenLoop`)
``level by level``  weights of -1, 0 and 1 on pairs of devices that are in one of two states: what a device can hold of which
                    nothing but two states is known
``verified``        pulses or writes, each followed by a read, until the target is met (`WriteVerify`)

For weights of -1, 0 and 1 a layer has one scale: the mean size of all weights above 0.7 of the mean size of the layer's.

Source: of that scale: Li, Zhang & Liu, "Ternary weight networks", arXiv:1605.04711 (2016), eq. 6.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import torch
from torch import Tensor

from ..base.errors import ShipError
from ..base.parameters import declared
from ..devices import device as physics
from ..devices.array.array import DeviceArray
from ..devices.array.open_loop import OpenLoop
from ..devices.array.write_verify import WriteVerify, Written
from ..devices.device import Device
from ..devices.provenance import GIVEN
from ..devices.reading.spelling import assumption
from ..devices.update.unmeasured import Unmeasured
from ..devices.weights.mapping import Differential, Mapping
from ..devices.weights.synapse import SynapseDevices
from ..network.network import Network

ONE_SHOT, PULSES, LEVELS, VERIFIED = "one shot", "by pulses", "level by level", "verified"
WAYS = (ONE_SHOT, PULSES, LEVELS, VERIFIED)
TOLERANCE = 0.02  # of a verified write, as a fraction of the window
MOST_READS = 100  # that a verification averages
TRIED = 65  # targets over the window, to count the states that a law of programming writes
NAMED = {"update": "how pulses move the device", "programming": "what a write to a target leaves", "retention": "retention"}


def has_pulses(device: Device) -> bool:
    """Return whether it is known how pulses move a device: measured, assumed by someone, or given by hand.

    The update of a `ship.Device` that was made without one is nobody's word.
    """
    stated = device.origins.get("update", GIVEN) != GIVEN or device.update != Device.update
    return stated and not isinstance(device.update, Unmeasured)


def two_states(device: Device) -> bool:
    """Return whether a device is known by two states only: no pulses, and no law that writes more than two conductances."""
    return not has_pulses(device) and (device.programming is None or writes_two(device))


def writes_two(device: Device) -> bool:
    """Return whether a device has a law of programming that writes no more than two conductances, whatever the target."""
    if device.programming is None:
        return False
    array = DeviceArray(replace(device, faults=None, origins={}), TRIED, variation=False, dtype=torch.float64)
    low, high = (float(end[0]) for end in array.window())
    targets = torch.linspace(low, high, TRIED, dtype=torch.float64)
    quiet = (torch.zeros(TRIED, dtype=torch.float64),) * device.programming.normals
    written = device.programming.write(targets, array.values.of("programming"), quiet)
    return len(torch.unique(written)) <= 2


def lacks(device: Device, way: str) -> str:
    """Say why a device cannot be written in a way, and what would help; empty: it can.

    Args:
        device: the device.
        way: one of `WAYS`.
    """
    if way == LEVELS:
        return "" if two_states(device) or writes_two(device) else "it holds more than two states"
    if way == PULSES:
        return "" if has_pulses(device) else unknown(device, "update")
    if way == ONE_SHOT:
        if device.programming is None:
            return unknown(device, "programming")
        return f"a write leaves one of two states: see {LEVELS!r}" if writes_two(device) else ""
    if has_pulses(device) or (device.programming is not None and not writes_two(device)):
        return ""
    return unknown(device, "update")


def unknown(device: Device, part: str) -> str:
    """Say that a part of a device is not known, and what would make it known."""
    was = "not measured" if device.origin_of(part).status == "missing" else "not given"
    donor = {"update": "gong_2018", "retention": "hfo2_memory"}.get(part)
    fix = f"; to assume one: {assumption(part, donor)}" if donor else ""
    return f"{was}: {NAMED[part]} ({part}){fix}"


def closed_loop(device: Device) -> WriteVerify:
    """Choose how a device is best written with verification: by trains of pulses, or by writes where it has a law for these."""
    array = DeviceArray(replace(device, faults=None, origins={}), 512, variation=False)
    low, high = array.window()
    array.write((low + high) / 2)
    noise = float(((array.read() - array.conductance()) / (high - low)).std()) if array.device.noise is not None else 0.0
    reads = min(MOST_READS, max(1, math.ceil((2 * noise / TOLERANCE) ** 2)))
    by = "train" if array.device.programming is None or writes_two(device) else "rewrite"
    return WriteVerify(TOLERANCE, most=30, by=by, reads=reads)


def mapping_for(net: Network, way: str) -> Mapping | dict[str, Mapping]:
    """Return how the weights of a network become conductances in a way of writing: as pairs of devices."""
    if way != LEVELS:
        return Differential()
    sizes = {tag: net[tag].model_weight().detach().abs() for tag, spec in net.specs.items() if _holds_weights(net, tag)}
    return {tag: Differential(levels=2, w_max=_scale(size)) for tag, size in sizes.items() if size.numel() and size.max() > 0}


def _holds_weights(net: Network, tag: str) -> bool:
    spec = net.specs[tag]
    return "weight" in declared(type(spec.model))[0] and spec.rule is None


def _scale(size: Tensor) -> float:
    """Return the scale of a layer of weights of -1, 0 and 1 (V)."""
    return float(size[size > 0.7 * size.mean()].mean())


def write(made: Network, way: str, *, verify: WriteVerify | None = None, whole: bool = True) -> dict[str, Written]:
    """Write the weights of a network to its devices in one of `WAYS`.

    Args:
        made: a network with devices, of the mapping of `mapping_for`.
        way: one of `WAYS`.
        verify: the settings of verification.
        whole: False: counts of pulses between whole numbers act as well, see `OpenLoop`.

    Raises:
        ShipError: the device cannot be written so.
    """
    if way == PULSES:
        return made.program(verify=OpenLoop(whole=whole))
    if way == VERIFIED:
        return made.program(verify=verify)
    if way == ONE_SHOT:
        return made.program()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # each device goes to the end of its own window, below
        written = made.program()
    for group in made.simulation("study").groups.values():
        if group.hardware is not None and group.hardware.array.device.programming is None:
            _to_the_ends(group.hardware)
    return written


def _to_the_ends(hardware: SynapseDevices) -> None:
    """Put devices to the end of their own window that is nearer to their target."""
    array = hardware.array
    with torch.no_grad():
        low, high = physics.window(array.device, array.values)
        goal = hardware.goal(hardware.wanted)
        middle = (hardware.view.low + hardware.view.high) / 2
        array.write_(torch.where(goal < middle, low, high).expand(array.full_shape), None)
    hardware.changed()


def refused(error: ShipError) -> str:
    """Say in one line why a row has no number."""
    return f"refused: {error}"
