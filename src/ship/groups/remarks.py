"""Remarks: notes in `Network.explain` on what is legal, and yet not what most users mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..base.clock import FUZZ, nearest_slots
from ..base.parameters import State
from ..models.contract import SpikingNeuron
from .group import Group
from .schedule import Schedule

ROUGH = 0.01  # rounding as a fraction of the change of a state in a slot: from here on it is worth a note


def remarks(group: Group, dt: float) -> list[str]:
    """Return the notes on a group for one dt (s), a sentence each, those from the making of its parameters first."""
    return [*group.notes, *_dead_time(group, dt), *_unresolved(group, dt), *_fires_again(group, dt), *_vectors(group)]


def _dead_time(group: Group, dt: float) -> list[str]:
    """Say by how much a dead time is rounded, which acts in whole slots."""
    if getattr(group.model, "refractory", "") == "countdown":  # of the publication: it ends with the slot in which it runs out
        declared = group.value("refr_time").detach().double()
        error = float((torch.ceil(declared / dt - FUZZ) * dt - declared).abs().max())
        return [f"refr_time rounded up to whole slots, by at most {error:.3g} s"] if error > 1e-6 * dt else []
    if not isinstance(group.model, SpikingNeuron):
        return []
    declared = group.value("t_ref").detach().double()
    acting = nearest_slots(declared, dt) * dt
    error = float((acting - declared).abs().max())
    if error <= 1e-6 * dt:
        return []
    note = f"t_ref rounded to whole slots, by at most {error:.3g} s"
    if declared.numel() > 1:
        spread = (float(t.std(correction=0)) for t in (declared, acting))
        note += "; its standard deviation is {:.3g} s as declared, {:.3g} s as it acts".format(*spread)
    return [note]


def rounded_times(groups: Mapping[str, Group], plan: Schedule) -> list[str]:
    """Return a sentence for each delay and each dead time that is not whole slots of the schedule's dt."""
    dead = [f"{group.spec.where}: {note}" for group in groups.values() for note in _dead_time(group, plan.dt)]
    return [*plan.notes, *dead]


def _unresolved(group: Group, dt: float) -> list[str]:
    """Find time constants so long that a state hardly feels what it loses in a slot.

    A state x changes by z x in a slot of z time constants, and is rounded by at most eps / 2 of itself.
    """
    half, found = torch.finfo(group.dtype).eps / 2, []
    for name, declaration in group.declarations.items():
        if declaration.unit != "s" or declaration.role != "time constant":
            continue
        value = group.value(name).detach()
        value = value[torch.isfinite(value)]
        rough = half * float(value.max()) / dt if value.numel() else 0.0
        if rough > ROUGH:
            words = "it may lose nothing at all" if rough >= 1 else f"by up to {100 * rough:.0f} %"
            dtype, part = str(group.dtype).removeprefix("torch."), dt / float(value.max())
            found.append(
                f"{name}: a slot is {part:.1e} of it, and {dtype} rounds what a state loses in a slot ({words}); a longer dt or "
                "init(dtype=torch.float64) resolves it"
            )
    return found


def _fires_again(group: Group, dt: float) -> list[str]:
    """Find units that are at their threshold as soon as they are reset."""
    model = group.model
    if not isinstance(model, SpikingNeuron):
        return []
    with torch.no_grad():
        p = group.bag(dt)
        cell = type(model.states)(*(_start(group, state) for state in model.states))
        ready = model.margin(model.reset(cell, torch.ones(group.n, dtype=torch.bool), p), p) >= 0
    count = int(ready.expand(*ready.shape[:-1], group.n).reshape(-1, group.n).any(0).sum())
    if not count:
        return []
    words = "are at or above their threshold when they are reset: each spikes again at once, or when its dead time is over"
    return [f"{count} of {group.n} units {words}"]


def _start(group: Group, state: State) -> Tensor:
    return group.value(state.initial) if isinstance(state.initial, str) else torch.tensor(state.initial)


def _vectors(group: Group) -> list[str]:
    """Find vectors between groups of one size, which could be meant either way."""
    if group.n_pre != group.n or group.n < 2 or group.edges:
        return []
    found = []
    for name, given in group.spec.given.items():
        if name in group.declarations and group.declarations[name].per == "connection" and _ndim(given) == 1:
            found.append(f"{name}: a vector counts per target unit; [pre, 1] would be one for each source unit")
    if _ndim(group.spec.delay) == 1:
        found.append("delay: a vector counts per source unit; [1, post] would be one for each target unit")
    return found


def _ndim(value: object) -> int:
    if isinstance(value, Tensor | list | tuple | np.ndarray):
        return value.ndim if isinstance(value, Tensor | np.ndarray) else np.ndim(value)
    return 0
