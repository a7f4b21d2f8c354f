"""Assumptions about a device by the user: a part that was not measured, taken from a device of the library, or given.

A part of another device is brought to the window of this one. Most laws are fractions of the window, and stay as they are. What
is in S is scaled by the ratio of the windows' widths, and the origin says so. A law that is a function of the conductance in S
holds where it was measured, so the window must lie within that of its device. A law of pulses with a window of its own (a
memristor, a table) is refused: it would move the device out of the window that was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..base.checks import is_real
from ..base.errors import ParameterError, suggest
from ..base.parameters import Value, Varied, declared
from .contract import Part, Update
from .device import KINDS, Device
from .library.index import library
from .provenance import FACTS, GIVEN, NUMBERS, PARTS, SPREADS, USER, Origin, origin_of
from .reading.spelling import assumption

IDEAL = ("none", "ideal")
IN_SIEMENS: Mapping[str, tuple[str, ...]] = {
    "GaussianProgramming": ("sigma",),
    "AdditiveNoise": ("sigma",),
    "LogDrift": ("b",),
}  # parameters in S of laws that know no window; `tests/devices/test_assume.py` finds those that are left out
ABSOLUTE = ("CMODecay", "CMONoise", "HfO2Drift")  # functions of the conductance in S
SLACK = 1e-6  # of a window, by which it may reach beyond that of a law


def assume(device: Device, **parts: str | Part | Value | None) -> Device:
    """Return a device with assumptions in the place of what was not measured; its origins name each of them.

    Args:
        device: the device, such as that of a fit.
        parts: by the name of a part or a number of `Device` what to take: the name of a device of the library, whose part it is
            (``update="gong_2018"``); a part, or a number in SI; ``"none"`` (or ``"ideal"``): it is assumed to have no such part.

    Raises:
        ParameterError: an unknown name, a device without such a part, a part that was measured, a law that does not fit.
    """
    values: dict[str, Any] = {}
    origins = dict(device.origins) or dict.fromkeys(FACTS, GIVEN)
    for name, given in parts.items():
        where = f"assume: {name}"
        if name not in (*NUMBERS, *PARTS):
            raise ParameterError(where, f"no device has a {name!r}", fix=suggest(name, [*NUMBERS, *PARTS]))
        before = origin_of(device, name)
        if before.status == "measured":
            rule = f"was measured ({before.where})"
            raise ParameterError(where, rule, fix=f"Leave it out; to replace it, dataclasses.replace(device, {name}=...).")
        values[name], text = _taken(where, device, name, given)
        origins[name] = Origin("assumed", f"{text}, by the user" if text else USER.text)
    made = replace(device, **values, origins={})
    for spread in SPREADS:  # what was measured stays so; what the assumed parts add is said
        if spread in origins and origins[spread].status == "measured":
            names = ", ".join(name for name in values if name in PARTS)
            text = "; ".join(t for t in (origins[spread].text, f"that of {names} is assumed" if names else "") if t)
            origins[spread] = replace(origins[spread], text=text)
        elif spread in origins and _spreads_of(made, spread, values):
            origins[spread] = USER
    return replace(made, origins=origins)


def _spreads_of(device: Device, spread: str, names: Mapping[str, Any]) -> bool:
    """Return whether assumed numbers and parts bring a spread with them."""
    values = [getattr(device, n) for n in names if n in NUMBERS]
    parts = [getattr(device, n) for n in names if n in PARTS and getattr(device, n) is not None]
    values += [getattr(part, p) for part in parts for p in declared(type(part))[0]]
    return any(isinstance(v, Varied) and (getattr(v, spread) or getattr(v, f"{spread}_abs")) for v in values)


def _taken(where: str, device: Device, name: str, given: Any) -> tuple[Any, str]:
    """Return what is assumed, and what a reader should know of it."""
    if isinstance(given, str) and given.lower() in IDEAL:
        if name not in PARTS or name == "update":
            raise ParameterError(where, "must be given: no device is without it", got=repr(given))
        return None, "none (ideal)"
    if isinstance(given, str) and (name in PARTS or _plain(given) is None):
        return _from_library(where, device, name, given)
    if name in NUMBERS:
        return (_plain(given) if isinstance(given, str) else given), ""
    if given is not None and not isinstance(given, KINDS[name]):
        rule = f"must be the name of a device of the library, or a part of the kind {KINDS[name].__name__}"
        raise ParameterError(where, rule, got=repr(given))
    return given, "none (ideal)" if given is None else type(given).__name__


def _plain(text: str) -> float | None:
    """Return the number that a text is (the command line has text only); None: it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if is_real(number) else None


def _from_library(where: str, device: Device, name: str, given: str) -> tuple[Any, str]:
    made = library()
    if given not in made:
        raise ParameterError(where, f"no device of the library is named {given!r}", fix=suggest(given, made))
    donor = made[given]()
    value, own = getattr(donor, name), origin_of(donor, name)
    if not _has(donor, name):
        have = [other for other, make in made.items() if _has(make(), name) and not _has_own_window(getattr(make(), name))]
        fix = f"These have one: {', '.join(have)}." if have else f"None has one: give {name}= in Python."
        raise ParameterError(where, f"{given!r} has no {name}", fix=fix)
    cited = own.source or (getattr(type(value), "source", "") if name in PARTS else "")
    value, remark = (value, "") if name in NUMBERS else _brought(where, device, donor, name, value)
    return value, f"{given} ({cited}){remark}" if cited else f"{given}{remark}"


def _has(donor: Device, name: str) -> bool:
    """Return whether a device of the library states a part or a number; that of every `ship.Device` was stated by nobody."""
    value = getattr(donor, name)
    default = Device.update if name == "update" else None if name in PARTS else declared(Device)[0][name].default
    return value is not None and value is not default and value != default


def _has_own_window(part: Any) -> bool:
    """Return whether a part is a law of pulses whose conductances are its own, not fractions of the device's window."""
    ohms = isinstance(part, Update) and any("ohm" in n.unit.lower() for n in declared(type(part))[0].values())
    return ohms or (isinstance(part, Update) and type(part).window is not Update.window)


def _brought(where: str, device: Device, donor: Device, name: str, part: Any) -> tuple[Any, str]:
    """Return a part of another device as it acts in the window of this one, and what was done to it, in words."""
    cls = type(part)
    if _has_own_window(part):
        rule = f"{cls.__name__} has a window of its own, and would move the device out of the one it has"
        raise ParameterError(where, rule, got=repr(donor.name), fix=f"Take a law of pulses: {assumption(name, 'gong_2018')}.")
    low, high = _nominal(where, device, "g_min"), _nominal(where, device, "g_max")
    least, most = _nominal(where, donor, "g_min"), _nominal(where, donor, "g_max")
    if cls.__name__ in ABSOLUTE:
        slack = SLACK * (most - least)
        if low < least - slack or high > most + slack:
            rule = f"{cls.__name__} is a law in S, from {least:g} to {most:g} S, and the window must lie within"
            raise ParameterError(where, rule, got=f"{low:g} to {high:g} S", fix="Take the law of another device, or give a part.")
        return part, ""
    ratio = (high - low) / (most - least)
    chosen = {n: _scaled(getattr(part, n), ratio) for n in IN_SIEMENS.get(cls.__name__, ())}
    if not any(getattr(part, n) for n in chosen) or ratio == 1:
        return part, ""
    return replace(part, **chosen), f", {', '.join(chosen)} times {ratio:.4g}, the ratio of the windows"


def _nominal(where: str, device: Device, name: str) -> float:
    value = getattr(device, name)
    value = value.nominal if isinstance(value, Varied) else value
    if not is_real(value):
        raise ParameterError(where, f"needs a device whose {name} is a number, or a Varied one", got=repr(value)[:80])
    return float(value)


def _scaled(value: Any, ratio: float) -> Any:
    if isinstance(value, Varied):
        return replace(
            value,
            nominal=value.nominal * ratio,
            **{n: getattr(value, n) * ratio for n in ("d2d_abs", "c2c_abs", "gradient_abs") if getattr(value, n)},
        )
    return value * ratio
