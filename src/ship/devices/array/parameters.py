"""The parameters of an array's devices: resolved and drawn for each device, and assembled as the laws take them.

A parameter is known by its full name, ``"update.alpha_p"`` (the device's own ones have no part in front), and kept in the array's
buffer ``p/update/alpha_p``; its deviates from device to device, where it has any, are in ``p/update/alpha_p/deviate``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base import random
from ...base.checks import is_whole
from ...base.errors import ParameterError, suggest
from ...base.parameters import Parameter, Varied, declared
from ...base.parameters.bag import Bag
from ...base.parameters.resolve import correlated, resolve
from ..device import Device, Values


class Site(NamedTuple):
    """The place of an array's devices, by which their deviations are drawn."""

    where: str  # the array's name in errors
    tag: str
    seed: int
    shape: tuple[int, ...]  # of one chip
    dies: Sequence[int]
    variation: bool
    place: Sequence[Tensor] | None  # coordinates on the die, see `resolve.places`

    def key(self, *names: str) -> int:
        """Return the key of the draws of one purpose."""
        return random.key(self.seed, self.tag, "device", *names)


@dataclass
class DrawnParameters:
    """The parameters of an array by their full names, and how they vary."""

    declarations: dict[str, Parameter] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)  # by the names that they get in the array
    spreads: dict[str, tuple[float, float]] = field(default_factory=dict)  # from device to device, see `resolve.varied`
    cycles: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)  # by part and name: drawn anew at each event
    notes: list[str] = field(default_factory=list)


def buffer_name(full: str) -> str:
    """Return the name of the buffer that holds a parameter."""
    return "p/" + full.replace(".", "/")


def draw_parameters(device: Device, site: Site, dtype: torch.dtype) -> DrawnParameters:
    """Resolve all parameters of a device and draw those that differ from device to device.

    Raises:
        ParameterError: what is wrong with the device, and where.
    """
    drawn = DrawnParameters()
    for part, made in device.parts.items():
        for name, declaration in declared(type(made))[0].items():
            _draw(drawn, site, dtype, part, name, declaration, getattr(made, name), made.event)
    _correlate(drawn, device, site, dtype)
    return drawn


def _draw(
    drawn: DrawnParameters,
    site: Site,
    dtype: torch.dtype,
    part: str,
    name: str,
    declaration: Parameter,
    value: Any,
    event: str | None,
) -> None:
    full = f"{part}.{name}".lstrip(".")
    made = resolve(
        f"{site.where}.{full}", declaration, value, site.shape, site.key(full), site.dies, site.variation, event, site.place
    )
    if made.redrawn:
        drawn.notes.append(f"{full}: {made.redrawn} draws fell outside the limits ({declaration.rule}) and were drawn again")
    drawn.declarations[full] = declaration
    drawn.buffers[buffer_name(full)] = made.nominal.detach().to(dtype, copy=True)
    if made.deviate is not None:
        drawn.buffers[buffer_name(full) + "/deviate"] = made.deviate.to(dtype)
        drawn.spreads[full] = made.spread
    if any(made.cycle):
        drawn.cycles.setdefault(part, {})[name] = made.cycle


def _correlate(drawn: DrawnParameters, device: Device, site: Site, dtype: torch.dtype) -> None:
    """Mix the deviates of parameters that vary together."""
    if not device.correlated:
        return
    names = list(dict.fromkeys(name for a, b, _ in device.correlated for name in (a, b)))
    where = f"{site.where}.correlated"
    factor = _correlation_factor(drawn, device, where, names)
    if not all(name in drawn.spreads for name in names):
        return  # variation=False
    parts = [(drawn.declarations[n], drawn.buffers[buffer_name(n)], drawn.spreads[n], site.key(n)) for n in names]
    deviates, redrawn = correlated(where, parts, factor, site.shape, site.dies)
    for name, deviate in zip(names, deviates, strict=True):
        drawn.buffers[buffer_name(name) + "/deviate"] = deviate.to(dtype)
    if redrawn:
        drawn.notes.append(f"correlated: {redrawn} draws fell outside the limits and were drawn again")


def _correlation_factor(drawn: DrawnParameters, device: Device, where: str, names: Sequence[str]) -> Tensor:
    """Return the Cholesky factor of the matrix of coefficients, ``[name, name]``; refuse what cannot be correlated."""
    given = {name: _given(device, name) if name in drawn.declarations else None for name in names}
    for name, value in given.items():
        if name not in drawn.declarations:
            raise ParameterError(where, f"no parameter {name!r}", fix=suggest(name, drawn.declarations))
        if isinstance(value, Varied) and (value.gradient or value.gradient_abs):
            raise ParameterError(where, "a parameter with a trend across the die cannot be correlated", got=name)
    matrix = torch.eye(len(names), dtype=torch.float64)
    for a, b, r in device.correlated:
        if not -1 < r < 1:
            raise ParameterError(where, "a coefficient must lie between -1 and 1", got=f"{r} for {a} and {b}")
        matrix[names.index(a), names.index(b)] = matrix[names.index(b), names.index(a)] = r
    factor: Tensor
    factor, bad = torch.linalg.cholesky_ex(matrix)
    if int(bad):
        rule = "coefficients must be possible together (a positive definite matrix)"
        raise ParameterError(where, rule, got=repr(device.correlated))
    for name, value in given.items():
        if not (isinstance(value, Varied) and (value.d2d or value.d2d_abs)):
            raise ParameterError(where, "needs parameters that vary", got=name, fix="Give it as Varied(..., d2d=...).")
    return factor


def _given(device: Device, full: str) -> Any:
    part, _, name = full.rpartition(".")
    return getattr(device.parts[part], name)


def assemble(device: Device, tensors: Mapping[str, Tensor], frozen: Tensor | None, drawn: DrawnParameters) -> Values:
    """Put the parameters together as the functions of `ship.devices.device` take them.

    Args:
        device: the device that they belong to; its update part knows the window.
        tensors: each device's parameters, by full name.
        frozen: the normals that the update part draws once with the die; None: it takes none.
        drawn: which of them are drawn anew from cycle to cycle.
    """
    table: dict[str, dict[str, Tensor]] = {part: {} for part in device.parts}
    for full, tensor in tensors.items():
        part, _, name = full.rpartition(".")
        table[part][name] = tensor
    if frozen is not None:
        table["update"]["frozen"] = frozen
    low, high = device.update.window(Bag({k: table[""][k] for k in ("g_min", "g_max")} | table["update"]))
    table[""] |= {"g_min": low, "g_max": high}
    return Values(table, drawn.cycles)


def check_array(device: Any, shape: Any, chips: Any) -> None:
    """Refuse arguments of a `DeviceArray` that are no device, no shape, or no chips.

    Raises:
        ParameterError: there is one.
    """
    if not isinstance(device, Device):
        raise ParameterError("DeviceArray: device", "must be a device", got=repr(device), fix="E.g. ship.Device(g_max=50e-6).")
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    if not all(is_whole(size) for size in sizes):
        raise ParameterError("DeviceArray: shape", "must be a whole number, or a tuple of them", got=repr(shape))
    if is_whole(chips) and chips < 1:
        raise ParameterError("DeviceArray: chips", "must be None, a number of chips, or a list of die ids", got=repr(chips))
