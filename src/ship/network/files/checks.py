"""What a network file may ask for, and what its tensors must be: looked at before anything is made of them.

A file cannot make the reader allocate or draw much more than it itself holds: sizes are compared with the tensors in it. Tensors
obey the types and limits that values given to `Network.add` obey.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...base.errors import FileError, is_real, is_whole
from ...base.parameters import Distribution, Parameter, PerChip, Varied, declared
from ...devices.weights.synapse import MODES
from ...groups.connectivity import Connectivity
from ...groups.group import Group
from ...groups.spec import Spec
from ...groups.wiring import Wiring, wire
from ..network import Network

MOST_GROUPS = 10_000
SPARE = 2**26  # numbers that a file may ask for beyond those that it holds: half a GiB

Tensors = Mapping[str, Tensor]


def check_count(where: str, groups: Sequence[Any]) -> None:
    """Whether a network has few enough groups for a file.

    Raises:
        FileError: more than `MOST_GROUPS`.
    """
    if len(groups) > MOST_GROUPS:
        raise FileError(where, f"must have at most {MOST_GROUPS} groups", got=str(len(groups)))


def check_sizes(net: Network, tensors: Tensors, settings: Mapping[str, Any], running: Mapping[str, Any] | None) -> None:
    """Whether a file holds what its structure speaks of; nothing large is made for it.

    Args:
        net: with its groups, before `init`.
        tensors: of the file.
        settings: of `init`.
        running: what the file says of the running state.

    Raises:
        FileError: units, chips, connections or samples that its tensors do not bear out.
    """
    if not isinstance(settings["variation"], bool):
        raise FileError("variation", "must be true or false", got=repr(settings["variation"]))
    wiring = wire({tag: replace(spec, connect=None, delay=0.0) for tag, spec in net._specs.items()}, 0)
    chips = _check_chips(net, tensors, settings["chips"])
    held = sum(t.numel() for t in tensors.values()) + SPARE
    rows = 1
    if running is not None and running["lead"] is not None:
        rows = math.prod(_whole("running", n, 1) for n in running["lead"])
    for tag, spec in net._specs.items():
        asked = max(wiring.n[tag] * rows, _drawn(spec, wiring, chips))
        if asked > held:
            rule = f"must ask for at most {held} numbers, those that the file holds and {SPARE} more"
            raise FileError(f"group {tag!r}", rule, got=str(asked))
        _check_connections(spec, wiring, tensors)


def _check_chips(net: Network, tensors: Tensors, chips: Any) -> int:
    """The number of chips, which the ids of the dies must bear out."""
    count = 1 if chips is None else (len(chips) if isinstance(chips, list) else _whole("chips", chips, 1))
    for tag in net.tags:
        stored = tensors[f"net/groups.{tag}.die_ids"]
        if tuple(stored.shape) != (count,):
            raise FileError("chips", f"must be those of group {tag!r}, {list(stored.shape)}", got=str(count))
    return count


def _whole(name: str, value: Any, least: int) -> int:
    if not is_whole(value, least):
        raise FileError(name, f"must be a whole number, at least {least}", got=repr(value))
    return int(value)


def _drawn(spec: Spec, wiring: Wiring, chips: int) -> int:
    """The most numbers that one of the group's tensors may have, where a file need not hold them."""
    n, pairs = wiring.n[spec.tag], wiring.n_pre[spec.tag] * wiring.n[spec.tag]
    on_edges = isinstance(spec.connect, Connectivity)
    if on_edges:
        pairs = math.ceil(spec.connect.expected(wiring.n_pre[spec.tag], n))
    each = chips if any(isinstance(v, Varied | PerChip) for v in (*spec.given.values(), *_rule(spec))) else 1
    asked = [n * each]
    if spec.device is not None:
        asked.append(chips * pairs * (1 if spec.mapping is None else spec.mapping.devices))
    if spec.rule is not None or (isinstance(spec.delay, Distribution) and "weight" in declared(type(spec.model))[0]):
        asked.append(pairs * (chips if spec.rule is not None else 1))
    return max(asked)


def _rule(spec: Spec) -> list[Any]:
    return [] if spec.rule is None else list(vars(spec.rule).values())


def _check_connections(spec: Spec, wiring: Wiring, tensors: Tensors) -> None:
    """What there is one of for each connection is stored in full."""
    n_pre, n = wiring.n_pre[spec.tag], wiring.n[spec.tag]
    for name, declaration in declared(type(spec.model))[0].items():
        if declaration.per != "connection" or not (spec.connect is None or isinstance(spec.connect, Connectivity)):
            continue
        where, stored = f"group {spec.tag!r}.{name}", tensors[f"net/groups.{spec.tag}.{name}"]
        if spec.connect is None:
            if tuple(stored.shape[-2:]) != (n_pre, n):
                raise FileError(where, f"must be [{n_pre}, {n}]", got=f"{list(stored.shape)}")
            continue
        count, expected = stored.shape[-1], spec.connect.expected(n_pre, n)
        if abs(count - expected) > 10 * math.sqrt(expected) + 10:
            raise FileError(where, f"must have about {expected:g} edges", got=str(count))


def check_values(net: Network, own: Tensors) -> None:
    """Whether tensors for an initialised network are of its types and within the limits of what they stand for.

    Args:
        net: initialised.
        own: as its ``state_dict``.

    Raises:
        FileError: another type, NaN, out of limits, or dies of other chips.
    """
    for tag in net.tags:
        _check_group(net[tag], own)


def _check_group(group: Group, own: Tensors) -> None:
    prefix = f"groups.{group.tag}."
    for name, buffer in group.state_dict().items():
        given, where = own.get(prefix + name), f"group {group.tag!r}.{name}"
        if given is None:
            continue  # `load_state_dict` says what is missing
        if given.dtype != buffer.dtype:
            raise FileError(where, f"must be {buffer.dtype}".replace("torch.", ""), got=str(given.dtype).removeprefix("torch."))
        _check_tensor(where, _declaration(group, name), given)
        if name.endswith("die_ids") and not torch.equal(given, buffer.cpu()):
            raise FileError(where, f"must be {buffer.tolist()}", got=str(given.tolist()))
        if name == "hardware.mode_" and not 0 <= int(given) < len(MODES):
            raise FileError(where, f"must be from 0 to {len(MODES) - 1}", got=str(int(given)))


def _declaration(group: Group, name: str) -> Parameter | None:
    """How the parameter that a tensor holds was declared; None where it holds none."""
    if name in ("hardware.full", "hardware.array.age", "hardware.array.cycles", "hardware.array.events"):
        return Parameter(0.0, least=0.0)
    if name.startswith("hardware.array.p/") and group.hardware is not None:
        return group.hardware.array.declaration(name.removeprefix("hardware.array."))
    return group.declarations.get(name.replace("/", "."))


def _check_tensor(where: str, declaration: Parameter | None, value: Tensor) -> None:
    if not value.is_floating_point() and declaration is None:
        return
    if declaration is None:
        if bool(torch.isnan(value).any()):
            raise FileError(where, "must not be NaN")
        return
    if not declaration.all_inside(value):
        worst = value[~declaration.inside(value)].flatten()[0]
        raise FileError(where, declaration.rule, got=f"{float(worst):g}")


def check_running(meta: Mapping[str, Any], n_lines: int) -> None:
    """Whether what a file says of the running state can be: clocks, and on which lines something is on its way.

    Raises:
        FileError: a clock that is no time, or a line that is none.
    """
    if meta["lead"] is None:
        return
    time, *counts = meta["clock"]
    for value in counts:
        _whole("clock", value, 0)
    for name, value in [("clock.time", time), *((f"dt of group {tag!r}", dt) for tag, dt in meta["dt"].items())]:
        if not is_real(value) or value < 0:
            raise FileError(name, "must be a number of seconds, at least 0", got=repr(value))
    for line, *times in meta["pending"]:
        if _whole("pending", line, 0) >= n_lines or not all(map(is_real, times)):
            raise FileError("pending", f"must be on one of {n_lines} lines, at a time", got=repr([line, *times]))
