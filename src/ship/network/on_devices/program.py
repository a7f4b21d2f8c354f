"""The functions behind the verbs of a network with devices: program, adopt, wait, read, record and replay pulses, refresh."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...base.checks import check_real
from ...base.errors import GraphError, RunError, suggest
from ...base.parameters import to_tensor
from ...devices.array.adopt import taken
from ...devices.array.open_loop import OpenLoop
from ...devices.array.write_verify import WriteVerify, Written
from ...devices.weights.mapping import Differential
from ...devices.weights.pulse_log import Pulses, listed, replay
from ...devices.weights.synapse import SynapseDevices
from ...groups.group import Group
from ...groups.spec import Spec

Groups = Mapping[str, Group]
MISSED = 0.01  # fraction of devices that fail verification above which `program` warns; `explain` reports any


def with_devices(where: str, groups: Groups, tags: Sequence[str]) -> dict[str, SynapseDevices]:
    """Return the hardware of the groups with the given tags, or of all groups that have devices.

    Raises:
        GraphError: a tag is unknown, or the group or the whole network has no devices.
    """
    found = {tag: group.hardware for tag, group in groups.items() if group.hardware is not None}
    for tag in tags:
        if not isinstance(tag, str) or tag not in groups:
            raise GraphError(where, f"no group named {tag!r}", fix=suggest(str(tag), found or groups))
        if tag not in found:
            raise GraphError(where, f"group {tag!r} has no devices", fix="Give device= to net.add.")
    if not found:
        raise GraphError(where, "no group has devices", fix="Give device= to net.add, e.g. device=ship.Device(g_max=50e-6).")
    return {tag: found[tag] for tag in tags} if tags else found


def reach(specs: Mapping[str, Spec], groups: Groups, tag: str) -> float | None:
    """Return the smallest voltage from rest to threshold of a connection's targets, in V; None if they have no threshold."""
    found = []
    for target in specs[tag].target:
        names = groups[target].declarations
        if "v_th" in names and "v_rest" in names:
            found.append(float((groups[target].value("v_th") - groups[target].value("v_rest")).detach().min()))
    return min(found) if found else None


def program(
    groups: Groups,
    specs: Mapping[str, Spec],
    tags: Sequence[str],
    verify: WriteVerify | OpenLoop | None,
    weights: Mapping[str, Any],
) -> dict[str, Written]:
    """Write weights to devices; see `Network.program`."""
    where = "Network.program"
    chosen = with_devices(where, groups, [*tags, *(t for t in weights if t not in tags)] if tags else list(weights))
    if verify is not None and not isinstance(verify, WriteVerify | OpenLoop):
        raise RunError(f"{where}: verify", "must be a ship.WriteVerify", got=repr(verify), fix="E.g. ship.WriteVerify(0.02).")
    report = {}
    for tag, hardware in chosen.items():
        own = groups[tag].model_weight().detach()
        if tag in weights:
            given = to_tensor(f"{where}: weights[{tag!r}]", weights[tag]).to(own)
            shape, dies = own.shape[-len(hardware.pairs) :], len(hardware.array.die_ids)
            if tuple(given.shape) not in (tuple(shape), (dies, *shape), (dies, 1, *shape)):
                rule = f"must be {list(shape)}, or {[dies, *shape]} with a chip axis"
                raise RunError(f"{where}: weights[{tag!r}]", rule, got=f"{list(given.shape)}")
            own = given.unsqueeze(1) if given.ndim == 1 + len(shape) else given
        hardware.warn(groups[tag].spec.where, own, reach(specs, groups, tag))
        report[tag] = hardware.program(own, verify)
        if hardware.missed > MISSED and isinstance(verify, WriteVerify):
            span = hardware.view.high - hardware.view.low
            warnings.warn(
                f"{where}: {hardware.missed:.1%} of the devices of {tag!r} missed their targets by more than "
                f"{verify.tolerance:.1%} of the window, the worst by {float(report[tag].error.abs().max()) / span:.1%}; "
                f"the report says which (failed)",
                UserWarning,
                stacklevel=3,
            )
        show_weights(groups, [tag])
    _warn_exact(where, chosen)
    return report


def show_weights(groups: Groups, tags: Iterable[str]) -> None:
    """Let ``plastic_weight`` of groups that learn be what their devices now act as, where groups run with them."""
    for tag in tags:
        group = groups[tag]
        if group.spec.rule is not None and group.hardware is not None and group.hardware.mode == "programmed":
            with torch.no_grad(), torch.inference_mode(False):  # persistent tensors must stay writable
                group.plastic_weight = group.hardware.weight(group.model_weight().detach()).clone()


def _warn_exact(where: str, chosen: Mapping[str, SynapseDevices]) -> None:
    """Warn, once a call, of groups written exactly although their device says that its law of writing was not measured.

    A device made by hand says nothing of what was measured: for these `Network.explain` has the same text.
    """
    said: dict[str, list[str]] = {}
    for tag, hardware in chosen.items():
        if hardware.array.device.origins and (text := hardware.ideal()):
            said.setdefault(text, []).append(repr(tag))
    for text, tags in said.items():
        warnings.warn(f"{where}: {', '.join(tags)} {text}", UserWarning, stacklevel=5)


def adopt(groups: Groups, tag: str, measured: Sequence[Any], faults: Sequence[Any] | None) -> None:
    """Give the devices of a group the state of a measured chip; see `Network.adopt`."""
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
        hardware.array.adopt(*(torch.stack(kind, dim=-1 - len(shape)) for kind in zip(*parts, strict=True)))
        hardware.full.fill_(hardware.full_scale(model))
        hardware.gain.fill_(1.0)
        hardware.column.fill_(1.0)
        hardware.missed, hardware.one_shot = 0.0, False
        # The measurement does not tell what the chip was meant to hold.
        hardware.wanted, hardware.aim = hardware.wanted.new_empty(0), hardware.aim.new_empty(0)
        hardware.remember()
        hardware.mode = "programmed"
        hardware.changed()
        show_weights(groups, [tag])


def _part(where: str, measured: Any, faults: Any, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the conductances (S) and fault codes that a measured array gives to one device of every weight."""
    measured, faults = taken(measured, faults)
    g = to_tensor(f"{where}: conductance", measured).double()
    codes = torch.zeros_like(g) if faults is None else to_tensor(f"{where}: faults", faults).double()
    for name, tensor in (("conductance", g), ("faults", codes)):
        if tuple(tensor.shape[-len(shape) :]) != shape:
            fix = "Transpose it: rows are source units, columns target units." if tuple(tensor.shape) == shape[::-1] else ""
            raise GraphError(f"{where}: {name}", f"must be {list(shape)}, [pre, post]", got=f"{list(tensor.shape)}", fix=fix)
    return g, codes.expand_as(g)


def wait(groups: Groups, seconds: float, kelvin: float | None) -> None:
    """Let time pass for all devices; see `Network.wait`."""
    found = with_devices("Network.wait", groups, ())
    if not any(hardware.mode == "programmed" for hardware in found.values()):
        raise RunError("Network.wait", "no group runs with its devices, so nothing would age", fix="Call net.program() first.")
    with torch.no_grad():
        after = {tag: hardware.array.aged(seconds, kelvin) for tag, hardware in found.items()}
        for tag, hardware in found.items():  # stored after all were computed, so that an error changes nothing
            hardware.array.store(after[tag])
    show_weights(groups, found)


def read(groups: Groups, tag: str) -> Tensor:
    """Return the conductances that an instrument reads; see `Network.read`."""
    with torch.no_grad():
        return with_devices("Network.read", groups, [tag])[tag].array.read()


def set_mode(groups: Groups, where: str, tags: Sequence[str], mode: str, drift: float = 0.0, kelvin: float | None = None) -> None:
    """Set the weights with which groups run: those of the model, of programmed or of sampled devices."""
    check_real(f"{where}: drift", drift, "must be a time in s, at least 0", least=0.0, error=RunError)
    found = with_devices(where, groups, tags)
    for hardware in found.values():
        hardware.array.check_wait(drift, kelvin)
    for hardware in found.values():
        hardware.asked = True
        hardware.mode = mode
        hardware.leave_alone(float(drift), kelvin)


# -- learning --------------------------------------------------------------------------------------------------------------


def check_learning(groups: Groups, reset_persistent: bool) -> None:
    """Refuse a run in which a rule would pulse devices that hold no weights, or devices would have to be reset.

    Raises:
        RunError: devices were not programmed, or ``reset_persistent`` asks for their initial state.
    """
    for tag, group in groups.items():
        if group.hardware is None or group.spec.rule is None:
            continue
        if group.hardware.mode != "programmed":
            raise RunError(
                f"Network.run: {group.spec.where}",
                "learns by pulses, so its devices must be programmed",
                got=f"it runs with {group.hardware.mode!r}",
                fix=f"Call net.program({tag!r}) first.",
            )
        if reset_persistent:
            raise RunError(
                "Network.run: reset_persistent",
                f"cannot set devices back, and {group.spec.where} has some",
                fix=f"Call net.program({tag!r}): it writes the weights of init again.",
            )


def programmed(where: str, groups: Groups, tags: Sequence[str]) -> dict[str, SynapseDevices]:
    """Do what `with_devices` does, and check that the groups run with their devices.

    Raises:
        GraphError: as in `with_devices`.
        RunError: a group does not run with its devices.
    """
    found = with_devices(where, groups, tags)
    for tag, hardware in found.items():
        if hardware.mode != "programmed":
            raise RunError(
                where,
                f"devices must be programmed: group {tag!r} does not run with its devices",
                got=hardware.mode,
                fix="Call net.program() first.",
            )
    return found


def record_pulses(groups: Groups, tag: str, on: bool) -> None:
    """Begin or end the recording of pulses; see `Network.record_pulses`."""
    pulser = with_devices("Network.record_pulses", groups, [tag])[tag].pulser
    pulser.time, pulser.log = 0.0, [] if on else None


def pulses(groups: Groups, tag: str) -> Pulses:
    """Return the pulses recorded so far; see `Network.pulses`."""
    pulser = with_devices("Network.pulses", groups, [tag])[tag].pulser
    if pulser.log is None:
        raise RunError("Network.pulses", "nothing was recorded", fix=f"Call net.record_pulses({tag!r}) before the run.")
    return listed(pulser.array, pulser.log)


def replay_pulses(groups: Groups, tag: str, given: Pulses) -> None:
    """Apply a list of pulses; see `Network.replay`."""
    hardware = programmed("Network.replay", groups, [tag])[tag]
    replay(hardware.array, given, bias=hardware.pulser.pulsing.bias)
    show_weights(groups, [tag])


def refresh(groups: Groups, tag: str, above: float) -> int:
    """Rewrite pairs whose devices are nearly full; see `Network.refresh`."""
    where = "Network.refresh"
    hardware = programmed(where, groups, [tag])[tag]
    if not isinstance(hardware.mapping, Differential):
        raise GraphError(where, "needs differential pairs", got=type(hardware.mapping).__name__)
    if not (isinstance(above, int | float) and 0 < above < 1):
        raise RunError(f"{where}: above", "must lie between 0 and 1 (a fraction of the window)", got=repr(above))
    array, low, high = hardware.array, hardware.view.low, hardware.view.high
    with torch.no_grad():
        seen = array.read()  # [chip, device, pre, post]
        pairs = seen.unflatten(1, (-1, 2))  # [chip, pair, 2, pre, post]
        full = (pairs > low + above * (high - low)).any(2, keepdim=True)
        u = pairs[:, :, 0] - pairs[:, :, 1]
        goal = low + torch.stack([u.clamp(min=0), (-u).clamp(min=0)], 2)
        before = hardware.there()
        # This write happens even if no pair is full, so that a die draws the same numbers alone and among others.
        array.write(goal.flatten(1, 2), only=full.expand(pairs.shape).flatten(1, 2))
        # Refreshed pairs carry less current. `compensate` must not take that for drift, so that its reference is adapted.
        hardware.reference.mul_(hardware.there() / before.clamp(min=torch.finfo(before.dtype).tiny))
    show_weights(groups, [tag])
    return int(full.sum())
