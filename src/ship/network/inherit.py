"""The inheritance of a network that is initialised again: what it had become since the last time is kept, or named.

A value of the old network belongs to the new one where its group is of the same model, what it was made from was not given anew,
and its shape (and the edges, where it lies on edges) is the same. What belongs to single dies (deviates, weights that a rule has
changed, devices) can be kept where the dies are the same ones: seed, chips and variation are those of before.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..groups.group import Group
from ..groups.states import STORED, stored_as
from .settings import Settings


class Before(NamedTuple):
    """The groups of the last `init`, and its settings."""

    groups: Mapping[str, Group]
    settings: Settings


@torch.no_grad()
def inherit(before: Before, groups: Mapping[str, Group], settings: Settings, keep: bool | None) -> None:
    """Give new groups what the old ones had become, or say what is lost.

    Args:
        before: the groups and settings of the last `init`.
        groups, settings: those of this `init`, as they were drawn.
        keep: True: keep all that belongs to both, and warn of what cannot be kept; None: keep nothing, and warn of what is lost,
            unless the seed is another one; False: keep nothing.

    Warns:
        UserWarning: something is lost.
    """
    if keep is False or (keep is None and before.settings["seed"] != settings["seed"]):
        return
    alike = all(before.settings.get(name) == settings.get(name) for name in ("seed", "variation"))
    lost = []
    for tag, new in groups.items():
        old = before.groups.get(tag)
        if old is not None and type(old.model) is type(new.model):
            same_dies = alike and torch.equal(old.die_ids.cpu(), new.die_ids.cpu())
            lost += [f"{tag!r}: {what}" for what in (_kept(old, new, same_dies) if keep else _changed(old, new))]
    if not lost:
        return
    if keep:
        text = f"cannot be kept, because shapes, edges or dies are others, and starts as drawn: {'; '.join(lost)}."
    else:
        text = f"draws anew what had changed since the last init: {'; '.join(lost)}."
        text += " Give keep=True to go on with it, keep=False to start over."
    warnings.warn(f"Network.init: {text}", UserWarning, stacklevel=4)


def _kept(old: Group, new: Group, same_dies: bool) -> list[str]:
    """Take over what fits; return the names of what had been learnt and does not fit."""
    lost = []
    for name, value, own in _values(old, new):
        of_dies = name == "plastic_weight" or name.startswith(STORED) or name.endswith("/deviate")
        if value.shape == own.shape and _same_edges(old, new) and (same_dies or not of_dies):
            own.copy_(value)
        elif _learnt(old, name, value, own):
            lost.append(name)
    if old.hardware is not None and new.hardware is not None and _written(old):
        if same_dies and _same_devices(old, new):
            new.hardware.load_state_dict(old.hardware.state_dict())
        else:
            lost.append("devices")
    return lost


def _changed(old: Group, new: Group) -> list[str]:
    """Return the names of what is no longer as it was drawn."""
    lost = [name for name, value, own in _values(old, new) if _learnt(old, name, value, own)]
    return lost + ["devices"] * _written(old)


def _learnt(old: Group, name: str, value: Tensor, drawn: Tensor) -> bool:
    """Return whether a value differs from the one that was drawn for it."""
    if name == "plastic_weight":
        return not torch.equal(value, old.initial_weight())
    if name.startswith(STORED):
        return value.shape != drawn.shape or not torch.equal(value.to(drawn), drawn)
    if not isinstance(value, nn.Parameter):
        return False
    if value.shape != drawn.shape:  # nothing to compare with; optimisers and `load_state_dict` count as changes
        return value._version > 0
    return not torch.equal(value.float().cpu(), drawn.float().cpu())


def _values(old: Group, new: Group) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield the name and the old and new tensor of each value that was not given anew."""
    for name, own in (*new.named_parameters(recurse=False), *new.named_buffers(recurse=False)):
        value = getattr(old, name, None)
        if name in ("die_ids", "zero", "edge_pre", "edge_post", "edge_weight") or not isinstance(value, Tensor):
            continue
        if _same(*(_given(group, name) for group in (old, new))):
            yield name, value, own


def _given(group: Group, name: str) -> Any:
    """Return the argument that a tensor of a group was made from."""
    spec, name = group.spec, name.removesuffix("/deviate")
    if name == "plastic_weight":
        return spec.given.get("weight")
    if name.startswith(STORED):
        return spec.rule if name.startswith(stored_as("", rule=True)) else spec.initial.get(name.removeprefix(STORED))
    if name.startswith("rule/"):
        return spec.rule
    return spec.initial.get(name.removeprefix("initial/")) if name.startswith("initial/") else spec.given.get(name)


def _written(group: Group) -> bool:
    """Return whether something was written to the devices of a group, or it runs with other weights than its model's."""
    hardware = group.hardware
    return hardware is not None and (hardware.mode != "weights" or int(hardware.array.events) > 0)


def _same_devices(old: Group, new: Group) -> bool:
    assert old.hardware is not None
    assert new.hardware is not None
    given = zip((old.spec.device, old.spec.mapping), (new.spec.device, new.spec.mapping), strict=True)
    return old.hardware.pairs == new.hardware.pairs and _same_edges(old, new) and all(_same(a, b) for a, b in given)


def _same_edges(old: Group, new: Group) -> bool:
    if not (old.edges or new.edges):
        return True
    return old.edges and new.edges and torch.equal(old.pre, new.pre) and torch.equal(old.post, new.post)


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        return bool(a == b)
    except (RuntimeError, ValueError):  # several numbers have no single truth: they were given anew
        return False
