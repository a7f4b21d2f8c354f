"""The trajectories of an array's devices as tensors: new ones, their buffers, and changes of some devices.

A `Trajectory` is kept in the buffers ``x/...`` (the state of the update part), ``age``, ``cycles``, ``kept/...`` and
``frozen/...``, each ``[chip, 1, ...]`` or with 1 in the place of a size while all devices are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .. import device as physics
from ..contract import Xi
from ..device import Device, Trajectory, Values


def never_written(device: Device, p: Values, full_shape: tuple[int, ...], dtype: torch.dtype, frozen: Xi) -> Trajectory:
    """Return devices as made: at the bottom of their window, never written.

    Args:
        device: their kind.
        p: their parameters.
        full_shape: ``[chip, 1, ...]``.
        dtype: the float type of their states.
        frozen: what was drawn with the die.
    """
    states, bag = device.update.states, p.of("update")
    start = {
        name: (getattr(bag, state.initial) if isinstance(state.initial, str) else torch.tensor(state.initial, dtype=dtype))
        .expand(*(state.inner,) * bool(state.inner), *full_shape)
        .clone()
        for name, state in zip(states._fields, states, strict=True)
    }
    one = (1,) * len(full_shape)
    kept = tuple(torch.zeros(one, dtype=dtype) for _ in range(physics.draws(device, p.cycles, "retention")))
    age, cycles = (torch.zeros(one, dtype=torch.float64) for _ in range(2))
    return Trajectory(type(states)(**start), age, cycles, kept, frozen)


def to_buffers(t: Trajectory) -> dict[str, Tensor]:
    """Return the tensors of a trajectory by the names of their buffers."""
    named = {f"x/{n}": v for n, v in zip(type(t.x)._fields, t.x, strict=True)}
    named |= {"age": t.age, "cycles": t.cycles}
    return named | {f"kept/{i}": v for i, v in enumerate(t.kept)} | {f"frozen/{i}": v for i, v in enumerate(t.frozen)}


def from_buffers(device: Device, n_kept: int, buffer: Callable[[str], Tensor]) -> Trajectory:
    """Return the trajectory that buffers hold.

    Args:
        device: the kind of the devices.
        n_kept: how many normals a write draws for their retention.
        buffer: gives a buffer by its name.
    """
    states = device.update.states
    return Trajectory(
        type(states)(*(buffer(f"x/{n}") for n in states._fields)),
        buffer("age"),
        buffer("cycles"),
        tuple(buffer(f"kept/{i}") for i in range(n_kept)),
        tuple(buffer(f"frozen/{i}") for i in range(n_frozen(device))),
    )


def n_frozen(device: Device) -> int:
    """Return how many normals are drawn with the die for the faults of a device."""
    return 0 if device.faults is None else device.faults.frozen


def is_buffer(name: str) -> bool:
    """Return whether the buffer of this name holds a part of the trajectory."""
    return name in ("age", "cycles") or name.startswith(("x/", "kept/", "frozen/"))


def fits(shape: Sequence[int], full: Sequence[int]) -> bool:
    """Return whether a stored tensor has the devices' shape, or 1 in the place of some of its sizes."""
    return len(shape) == len(full) and all(own in (1, size) for own, size in zip(shape, full, strict=True))


def placed(now: Trajectory, index: Tensor, t: Trajectory, full_shape: tuple[int, ...]) -> Trajectory:
    """Return ``now`` with the devices ``t``, ``[device]``, at the places ``index`` of the flattened array ``[chip, 1, ...]``."""

    def into(old: Tensor, new: Tensor) -> Tensor:
        inner = old.shape[: old.ndim - len(full_shape)]
        full = old.expand(*inner, *full_shape).contiguous().clone()
        full.view(*inner, -1)[..., index] = new.to(full.dtype)
        return full

    x = type(now.x)(*map(into, now.x, t.x))
    return Trajectory(x, into(now.age, t.age), into(now.cycles, t.cycles), tuple(map(into, now.kept, t.kept)), now.frozen)


def chosen_from(chosen: Tensor, new: Trajectory, old: Trajectory) -> Trajectory:
    """Return ``new`` for the devices chosen, ``old`` for the others."""

    def one(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(chosen, a, b)

    x = type(new.x)(*map(one, new.x, old.x))
    return Trajectory(x, one(new.age, old.age), one(new.cycles, old.cycles), tuple(map(one, new.kept, old.kept)), new.frozen)
