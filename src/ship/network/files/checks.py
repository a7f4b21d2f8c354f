"""Checks of a network file before anything is made from it: the sizes that it asks for, and the values of its tensors.

A file cannot make the reader allocate or draw much more than it holds itself, because sizes are compared with the tensors in it.
Its tensors must satisfy the same types and limits as values that are given to `Network.add`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...base.checks import check_real, check_whole, is_real
from ...base.errors import FileError
from ...base.parameters import Distribution, Parameter, PerChip, Varied, declared
from ...devices.weights.synapse import MODES
from ...groups.connectivity import Connectivity
from ...groups.convolution import SharedConnectivity
from ...groups.group import Group
from ...groups.spec import Spec
from ...groups.wiring import Wiring, wire
from ..network import Network

MOST_GROUPS = 10_000
SPARE = 2**26  # numbers that a file may ask for in addition to those that it holds: half a GiB

Tensors = Mapping[str, Tensor]


def check_count(where: str, groups: Sequence[Any]) -> None:
    """Check that the number of groups is small enough for a file.

    Raises:
        FileError: there are more than `MOST_GROUPS`.
    """
    if len(groups) > MOST_GROUPS:
        raise FileError(where, f"must have at most {MOST_GROUPS} groups", got=str(len(groups)))


def check_sizes(net: Network, tensors: Tensors, settings: Mapping[str, Any], running: Mapping[str, Any] | None) -> None:
    """Check that a file holds the tensors that its structure describes, without allocating anything large.

    Args:
        net: the network with its groups, before `init`.
        tensors: the tensors of the file.
        settings: the settings of `init` in the file.
        running: the description of the running state in the file; None if it has none.

    Raises:
        FileError: the numbers of units, chips, connections or samples do not fit the tensors.
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
    """Return the number of chips, after a check that each group has as many die ids."""
    count = 1 if chips is None else (len(chips) if isinstance(chips, list) else _whole("chips", chips, 1))
    for tag in net.tags:
        stored = tensors[f"net/groups.{tag}.die_ids"]
        if tuple(stored.shape) != (count,):
            raise FileError("chips", f"must be those of group {tag!r}, {list(stored.shape)}", got=str(count))
    return count


def _whole(name: str, value: Any, least: int) -> int:
    return check_whole(name, value, least, error=FileError)


def _drawn(spec: Spec, wiring: Wiring, chips: int) -> int:
    """Return the size of the largest tensor of a group that a file need not hold, because it is drawn or made."""
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
    """Check that parameters of single connections are stored in full."""
    n_pre, n = wiring.n_pre[spec.tag], wiring.n[spec.tag]
    for name, declaration in declared(type(spec.model))[0].items():
        if declaration.per != "connection" or not (spec.connect is None or isinstance(spec.connect, Connectivity)):
            continue
        where, stored = f"group {spec.tag!r}.{name}", tensors[f"net/groups.{spec.tag}.{name}"]
        shared = spec.connect if isinstance(spec.connect, SharedConnectivity) and name == "weight" else None
        if spec.connect is None or shared is not None:
            matrix = (n_pre, n) if shared is None else shared.matrix
            if tuple(stored.shape[-2:]) != matrix:
                raise FileError(where, f"must be {list(matrix)}", got=f"{list(stored.shape)}")
            continue
        count, expected = stored.shape[-1], spec.connect.expected(n_pre, n)
        if abs(count - expected) > 10 * math.sqrt(expected) + 10:
            raise FileError(where, f"must have about {expected:g} edges", got=str(count))


def check_values(net: Network, own: Tensors) -> None:
    """Check that tensors for an initialised network have its types, and are within the limits of their parameters.

    Args:
        net: an initialised network.
        own: tensors by their names in its ``state_dict``.

    Raises:
        FileError: a tensor has another type, is NaN or out of limits, or belongs to the dies of other chips.
    """
    for tag in net.tags:
        _check_group(net[tag], own)


def _check_group(group: Group, own: Tensors) -> None:
    prefix = f"groups.{group.tag}."
    for name, buffer in group.state_dict().items():
        given, where = own.get(prefix + name), f"group {group.tag!r}.{name}"
        if given is None:
            continue  # `load_state_dict` reports missing names
        if given.dtype != buffer.dtype:
            raise FileError(where, f"must be {buffer.dtype}".replace("torch.", ""), got=str(given.dtype).removeprefix("torch."))
        _check_tensor(where, _declaration(group, name), given)
        if name.endswith("die_ids") and not torch.equal(given, buffer.cpu()):
            raise FileError(where, f"must be {buffer.tolist()}", got=str(given.tolist()))
        if name == "hardware.mode_" and not 0 <= int(given) < len(MODES):
            raise FileError(where, f"must be from 0 to {len(MODES) - 1}", got=str(int(given)))


def _declaration(group: Group, name: str) -> Parameter | None:
    """Return the declaration of the parameter that a tensor holds; None if it is not a parameter."""
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
    """Check the description of the running state in a file: its clocks, and the lines with signals in flight.

    Raises:
        FileError: a clock is not a time, or a line does not exist.
    """
    if meta["lead"] is None:
        return
    time, *counts = meta["clock"]
    for value in counts:
        _whole("clock", value, 0)
    for name, value in [("clock.time", time), *((f"dt of group {tag!r}", dt) for tag, dt in meta["dt"].items())]:
        check_real(name, value, "must be a number of seconds, at least 0", least=0.0, error=FileError)
    for line, *times in meta["pending"]:
        if _whole("pending", line, 0) >= n_lines or not all(map(is_real, times)):
            raise FileError("pending", f"must be on one of {n_lines} lines, at a time", got=repr([line, *times]))
