"""The same device with one property made ideal, to see what that property costs.

``spread``      every device is the nominal one: no deviation from device to device
``scatter``     a write, or a pulse, does the same each time: no noise of the update and of the programming
``read noise``  a read sees what is there
``on/off``      a window whose low end is a thousandth of what it was, with all that is a fraction of it
``faults``      no device is broken
``resolution``  pulses act between whole numbers as well; it belongs to the way of writing, not to the device

The draws of all that stays are those of the device as it is: chips of the same seed can be compared one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch

from ..base.parameters import Varied, declared
from ..devices.array.array import DeviceArray
from ..devices.array.write_verify import Curves
from ..devices.contract import Part
from ..devices.device import KINDS, Device
from ..devices.update.bounded import Bounded
from ..devices.update.nonlinear import NonlinearPulses
from ..devices.update.stepped import Stepped
from ..devices.update.unmeasured import Unmeasured
from ..devices.weights.gain import view_of

TINY = 1e-3  # of g_min that is left where the window is made ideal
FRACTIONAL = (Bounded, NonlinearPulses, Stepped, Unmeasured)  # laws of a fraction of the window, which need no conductance
NAMES = {
    "spread": "spread from device to device",
    "scatter": "scatter from write to write",
    "resolution": "number of pulses",
    "read noise": "read noise",
    "on/off": "finite on/off ratio",
    "faults": "faults",
    "drift": "drift",
}


OF_DEVICES = ("spread", "scatter", "read noise", "on/off", "faults")  # those that are the device's own


WIDE = 20.0  # an on/off ratio from which on the low end is small beside the window
MANY = 200.0  # pulses from end to end from which on their number leaves no gaps


def ratio(device: Device) -> float:
    """Return the on/off ratio of the nominal device; infinity where its low end is 0 S."""
    view = view_of(device)
    return view.high / view.low if view.low > 0 else math.inf


def concerned(device: Device, *, counts: bool) -> list[str]:
    """Return the properties that may cost something, of those that can be made ideal.

    Args:
        device: the device.
        counts: whether it is written by counts of pulses, whose number is then a property.
    """
    names = [name for name in OF_DEVICES if name != "on/off" or ratio(device) < WIDE]
    if counts:
        array = DeviceArray(replace(device, faults=None, correlated=(), origins={}), 1, variation=False, dtype=torch.float64)
        low, high = array.window()
        count = Curves(array.device, array.values, low).from_bottom(low + 0.99 * (high - low))
        names += ["resolution"] if float(count.max()) < MANY else []
    return names


def without(device: Device, name: str) -> Device | None:
    """Return the device with a property made ideal; None where it has no such property, or its laws do not allow it.

    Args:
        device: the device as it is.
        name: spread, scatter, read noise, on/off or faults.
    """
    made = _MADE[name](replace(device, origins={}))
    return None if made is None or made == replace(device, origins={}) else made


def _spread(device: Device) -> Device:
    none = dict.fromkeys(("d2d", "d2d_abs", "gradient", "gradient_abs"), 0.0)
    return replace(_each(device, lambda value: _plain(replace(value, **none))), correlated=())


def _scatter(device: Device) -> Device:
    parts: dict[str, Any] = {"update": _quiet(device.update)}
    if device.programming is not None:
        quiet = _quiet(device.programming)
        parts["programming"] = None if quiet == device.programming else quiet  # it has a width that no number sets
    return _each(replace(device, **parts), lambda value: _plain(replace(value, c2c=0.0, c2c_abs=0.0)))


def _read_noise(device: Device) -> Device:
    return replace(device, noise=None)


def _on_off(device: Device) -> Device | None:
    if not isinstance(device.update, FRACTIONAL):
        return None
    return replace(device, g_min=_times(device.g_min, TINY))


def _faults(device: Device) -> Device:
    return replace(device, faults=None)


_MADE: dict[str, Callable[[Device], Device | None]] = {
    "spread": _spread,
    "scatter": _scatter,
    "read noise": _read_noise,
    "on/off": _on_off,
    "faults": _faults,
}


def _each(device: Device, change: Callable[[Varied], Any]) -> Device:
    """Return the device with a change of all of its varied values, whichever part they are of."""

    def changed(part: Any) -> Any:
        new = {f.name: change(getattr(part, f.name)) for f in fields(part) if isinstance(getattr(part, f.name), Varied)}
        return replace(part, **new) if new else part

    parts = {name: changed(getattr(device, name)) for name in KINDS if getattr(device, name) is not None}
    made: Device = changed(replace(device, correlated=(), **parts))
    return made


def _plain(value: Varied) -> Any:
    """Return the nominal value where nothing varies any more."""
    return value.nominal if value == Varied(value.nominal) else value


def _quiet(part: Part) -> Any:
    """Return a part whose widths of noise are 0; itself where it has none that may be."""
    numbers = declared(type(part))[0].items()
    silent = {name: 0.0 for name, number in numbers if number.role == "noise" and number.least == 0.0}
    return replace(part, **silent) if silent else part


def _times(value: Any, factor: float) -> Any:
    if not isinstance(value, Varied):
        return value * factor
    spreads = {name: getattr(value, name) * factor for name in ("d2d_abs", "c2c_abs", "gradient_abs")}
    return replace(value, nominal=value.nominal * factor, **spreads)
