"""What is done to the devices of a network between runs: written, left alone, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .errors import GraphError, RunError, suggest
from .group import Group, Spec
from .hardware import Hardware
from .verify import WriteVerify, Written

Groups = Mapping[str, Group]


def with_devices(where: str, groups: Groups, tags: Sequence[str]) -> dict[str, Hardware]:
    """The hardware of the groups named, or of all that have some.

    Raises:
        GraphError: an unknown tag, or a group without devices; a network without any.
    """
    found = {tag: group.hardware for tag, group in groups.items() if group.hardware is not None}
    for tag in tags:
        if tag not in groups:
            raise GraphError(where, f"no group named {tag!r}", fix=suggest(str(tag), groups))
        if tag not in found:
            raise GraphError(where, f"group {tag!r} has no devices", fix="Give device= to net.add.")
    if not found:
        raise GraphError(where, "no group has devices", fix="Give device= to net.add, e.g. device=ship.Device(g_max=50e-6).")
    return {tag: found[tag] for tag in tags} if tags else found


def reach(specs: Mapping[str, Spec], groups: Groups, tag: str) -> float | None:
    """V, from rest to threshold of a connection's targets; None where they have no such thing."""
    found = []
    for target in specs[tag].target:
        names = groups[target].declarations
        if "v_th" in names and "v_rest" in names:
            found.append(float((groups[target].value("v_th") - groups[target].value("v_rest")).detach().min()))
    return min(found) if found else None


def program(
    groups: Groups, specs: Mapping[str, Spec], tags: Sequence[str], verify: WriteVerify | None, weights: Mapping[str, Any]
) -> dict[str, Written]:
    """Write weights to devices; see `Network.program`."""
    where = "Network.program"
    chosen = with_devices(where, groups, [*tags, *(t for t in weights if t not in tags)] if tags else list(weights))
    if verify is not None and not isinstance(verify, WriteVerify):
        raise RunError(f"{where}: verify", "must be a ship.WriteVerify", got=repr(verify), fix="E.g. ship.WriteVerify(0.02).")
    report = {}
    for tag, hardware in chosen.items():
        own = groups[tag].model_weight().detach()
        if tag in weights:
            given = torch.as_tensor(weights[tag], dtype=own.dtype, device=own.device)
            shape = own.shape[-len(hardware.pairs) :]
            if tuple(given.shape[-len(shape) :]) != tuple(shape):
                raise RunError(f"{where}: weights[{tag!r}]", f"must be {list(shape)}", got=f"{list(given.shape)}")
            own = given.unsqueeze(1) if given.ndim == 1 + len(shape) else given
        hardware.warn(groups[tag].spec.where, own, reach(specs, groups, tag))
        report[tag] = hardware.program(own, verify)
    return report


def wait(groups: Groups, seconds: float, kelvin: float | None) -> None:
    """Let time pass for all devices; see `Network.wait`."""
    with torch.no_grad():
        for hardware in with_devices("Network.wait", groups, ()).values():
            hardware.array.wait(seconds, kelvin=kelvin)


def read(groups: Groups, tag: str) -> Tensor:
    """The conductances that an instrument sees; see `Network.read`."""
    with torch.no_grad():
        return with_devices("Network.read", groups, [tag])[tag].array.read()


def set_mode(groups: Groups, where: str, tags: Sequence[str], mode: str, drift: float = 0.0, kelvin: float | None = None) -> None:
    """Say with which weights groups run."""
    if not (isinstance(drift, int | float) and drift >= 0):
        raise RunError(f"{where}: drift", "must be a time in s, at least 0", got=repr(drift))
    for hardware in with_devices(where, groups, tags).values():
        hardware.mode, hardware.drift, hardware.kelvin = mode, float(drift), kelvin
