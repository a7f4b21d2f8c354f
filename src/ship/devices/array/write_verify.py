"""Closed-loop programming: write, read, and write again the devices that missed their targets.

Only the devices that missed are worked on: they are taken out of their array, side by side, and put back at the end. Each draws
the numbers that it would draw in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ...base.checks import check_choice, check_whole
from ...base.errors import ParameterError
from ...base.parameters.bag import Bag
from .. import device as physics
from ..contract import Pulse, Xi
from ..device import Device, DeviceEvent, Trajectory, Values


class WritableDevices(Protocol):
    """The part of a `DeviceArray` that this module needs."""

    device: Device
    dtype: torch.dtype
    watch: Callable[[DeviceEvent], None] | None

    @property
    def full_shape(self) -> tuple[int, ...]: ...
    @property
    def values(self) -> Values: ...
    @property
    def nominal(self) -> Values: ...
    @property
    def trajectory(self) -> Trajectory: ...
    def next_event(self) -> int: ...
    def normals(self, name: str, count: int, event: int, index: Tensor | None = None) -> Xi: ...
    def put(self, index: Tensor, t: Trajectory) -> None: ...
    def out(self, tensor: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class WriteVerify:
    """Settings of closed-loop programming: write, read, and write again the devices that missed their targets.

    Args:
        tolerance: the accepted error, as a fraction of the device's window.
        most: how many attempts one device gets.
        by: "rewrite": each attempt is a write of its own; "pulse": one standard pulse up or down at a time; "train": as many
            pulses at once as would take the nominal device from where it was read to the target.
        reads: how many reads a verification averages.
    """

    tolerance: float = 0.02
    most: int = 20
    by: str = "rewrite"
    reads: int = 1

    def __post_init__(self) -> None:
        if not (isinstance(self.tolerance, int | float) and 0 < self.tolerance < 1):
            raise ParameterError(
                "WriteVerify.tolerance", "must lie between 0 and 1 (a fraction of the window)", got=self.tolerance
            )
        check_whole("WriteVerify.most", self.most, 1, of="attempts")
        check_choice("WriteVerify.by", self.by, ("rewrite", "pulse", "train"), either=True)
        check_whole("WriteVerify.reads", self.reads, 1, of="reads")


class Written(NamedTuple):
    """The cost and the result of a write for each device, ``[chip, ...]``, or without the chip axis."""

    pulses: Tensor  # pulses or writes for each device
    energy: Tensor  # J in each device; wires and drivers are not in it
    error: Tensor  # S, what was read last minus the target
    failed: Tensor  # whether the device missed its target; without verification nothing is said to fail


class _Some:
    """A selection of an array's devices, side by side: ``[device]``, states with an inner axis ``[inner, device]``."""

    def __init__(self, array: WritableDevices, index: Tensor, parts: tuple[Trajectory, Values, Tensor, Tensor, Tensor]) -> None:
        self.array, self.index = array, index
        self.t, self.p, self.goal, self.accept, self.seen = parts

    @classmethod
    def taken(cls, array: WritableDevices, index: Tensor, goal: Tensor, accept: Tensor) -> _Some:
        """Take devices out of their array, by their places in the flattened array."""

        def of(tensor: Tensor) -> Tensor:
            if tensor.numel() == 1:
                return tensor.reshape(1)
            inner = tensor.shape[: max(tensor.ndim - len(array.full_shape), 0)]  # of a state that a device has many of
            return tensor.expand(*inner, *array.full_shape).flatten(len(inner))[..., index]

        t, p = physics.mapped(array.trajectory, of), array.values.mapped(of)
        return cls(array, index, (t, p, of(goal), of(accept), torch.zeros((), dtype=array.dtype)))

    def part(self, mask: Tensor) -> _Some:
        """Return the devices in ``mask``."""

        def of(tensor: Tensor) -> Tensor:
            return tensor if tensor.numel() == 1 else tensor[..., mask]

        t, p = physics.mapped(self.t, of), self.p.mapped(of)
        return _Some(self.array, self.index[mask], (t, p, of(self.goal), of(self.accept), of(self.seen)))

    def draw(self, part: str, event: int) -> Xi:
        return self.array.normals(part, physics.draws(self.array.device, self.p.cycles, part), event, self.index)

    def attempt(self, verify: WriteVerify, curves: Curves | None) -> tuple[Tensor, Tensor]:
        """Write each device once, or apply a train of pulses; return the number of pulses and the energy (J)."""
        device, own, before, event = self.array.device, self.p.of(""), self.t, self.array.next_event()
        rewrite = verify.by == "rewrite"
        seen = physics.conductance(device, self.p, before) if rewrite else self.seen
        count = torch.ones_like(self.goal) if curves is None else curves.pulses(seen, self.goal)
        pulse = Pulse(torch.where(seen < self.goal, own.v_set, own.v_reset), own.t_write, count)
        kept = self.draw("retention", event)
        if rewrite:
            self.t = physics.written(device, self.p, before, self.goal, self.draw("programming", event), kept)
        else:
            self.t = physics.pulsed(device, self.p, before, pulse, self.draw("update", event), kept)
        energy = physics.pulse_energy(device, self.p, before, self.t, pulse)
        if self.array.watch is not None:
            self.array.watch(DeviceEvent("write", self.p, pulse, before, self.t, energy, None, self.index))
        return count, energy

    def read(self, reads: int) -> Tensor:
        """Average `reads` reads; return the devices whose mean misses its target."""
        device, watch = self.array.device, self.array.watch
        if device.noise is None or (physics.draws(device, self.p.cycles, "noise") == 1 and device.noise.white):
            once, share = 1, reads if device.noise is not None else 1
        else:
            once, share = reads, 1
        total = torch.zeros(())
        for _ in range(once):
            # White noise is in proportion to one normal number: the mean of n reads is one read with 1 / sqrt(n) of it.
            xi = tuple(x / math.sqrt(share) for x in self.draw("noise", self.array.next_event()))
            seen = physics.read(device, self.p, self.t, xi)
            if watch is not None:
                watch(physics.read_event(device, self.p, self.t, seen, torch.full_like(seen, float(share)), self.index))
            total = total + seen
        self.seen = total / once
        return (self.seen - self.goal).abs() > self.accept


class Curves:
    """The conductance of the nominal device under pulses, from the bottom of the window up and from its top down."""

    def __init__(self, device: Device, p: Values, like: Tensor) -> None:
        counts = torch.unique(torch.logspace(0, 4, 97, dtype=torch.float64).round())
        self.counts = torch.cat([torch.zeros(1, dtype=torch.float64), counts]).to(like)
        self._follow(device, p)
        self.counts = torch.unique(torch.cat([self.counts, *(self._corner(branch) for branch in (self.up, -self.down))]))
        self._follow(device, p)

    def _corner(self, rising: Tensor) -> Tensor:
        """Return whole numbers around the count at which a branch ends: a hard bound is a corner between two counts."""
        k = int((rising >= rising.max() - 1e-6 * (rising.max() - rising.min())).double().argmax())
        return torch.linspace(float(self.counts[max(k - 1, 0)]), float(self.counts[k]), 65).round().to(self.counts)

    def _follow(self, device: Device, p: Values) -> None:
        """Take the nominal device through all counts, up and down."""
        p = p.mapped(lambda t: t.flatten() if t.numel() == 1 else t.reshape(len(t), -1))  # (a state with many keeps its axis)
        own, bag, n = p.of(""), p.of("update"), len(self.counts)
        low, high = (end.reshape(-1)[:1] for end in device.update.window(bag))
        self.up = self._branch(device, bag, low.expand(n), own.v_set.reshape(-1)[:1], own.t_write.reshape(-1)[:1])
        self.down = self._branch(device, bag, high.expand(n), own.v_reset.reshape(-1)[:1], own.t_write.reshape(-1)[:1])

    def _branch(self, device: Device, bag: Bag, start: Tensor, v: Tensor, width: Tensor) -> Tensor:
        states = device.update.states
        empty = type(states)(*(start.new_zeros((*((s.inner,) if s.inner else ()), len(start))) for s in states))
        quiet = (torch.zeros_like(start),) * device.update.normals
        x = device.update.pulse(device.update.place(start, empty, bag), Pulse(v, width, self.counts), bag, quiet)
        return device.update.conductance(x, bag)

    def from_bottom(self, goal: Tensor) -> Tensor:
        """Return how many pulses lead from the bottom of the window to ``goal`` (S), with fractions between whole numbers."""
        return self._at(self.up, goal) - self._at(self.up, self.up[:1].expand_as(goal))

    def pulses(self, seen: Tensor, goal: Tensor) -> Tensor:
        """Return how many pulses lead from ``seen`` to ``goal`` (S), at least 1."""
        up = self._at(self.up, goal) - self._at(self.up, seen)
        down = self._at(-self.down, -goal) - self._at(-self.down, -seen)
        return torch.where(goal > seen, up, down).round().clamp(min=1.0)

    def _at(self, rising: Tensor, g: Tensor) -> Tensor:
        """Return the number of pulses after which a branch is at ``g``, by interpolation."""
        branch = rising.cummax(0).values.contiguous()
        k = torch.searchsorted(branch, g.contiguous()).clamp(1, len(branch) - 1)
        step = branch[k] - branch[k - 1]
        share = torch.where(step > 0, (g - branch[k - 1]) / torch.where(step > 0, step, 1.0), 0.0).clamp(0.0, 1.0)
        return self.counts[k - 1] + share * (self.counts[k] - self.counts[k - 1])


def verified(array: WritableDevices, goal: Tensor, verify: WriteVerify, chosen: Tensor | None) -> Written:
    """Write ``goal`` (S, ``[chip, 1, ...]``) to the devices chosen, to all where None; return cost and result."""
    shape = array.full_shape
    low, high = physics.window(array.device, array.values)
    wanted = torch.ones(shape, dtype=torch.bool, device=goal.device) if chosen is None else chosen.expand(shape)
    index = wanted.flatten().nonzero().squeeze(1)
    count, spent, error = (torch.zeros(wanted.numel(), dtype=array.dtype, device=goal.device) for _ in range(3))
    failed = torch.zeros_like(wanted).flatten()
    ends: list[_Some] = []
    some = _Some.taken(array, index, goal, verify.tolerance * (high - low))
    missed = torch.ones_like(index, dtype=torch.bool) if verify.by == "rewrite" else some.read(verify.reads)
    curves = Curves(array.device, array.nominal, goal) if verify.by == "train" else None
    for attempt in range(verify.most + 1):
        last = attempt == verify.most
        ended = some.part(torch.ones_like(missed) if last else ~missed)
        if len(ended.index):
            ends.append(ended)
            error[ended.index] = ended.seen - ended.goal
            some = some.part(missed)
        if last or not len(some.index):
            break
        pulses, energy = some.attempt(verify, curves)
        spent[some.index] += energy
        count[some.index] += pulses
        missed = some.read(verify.reads)
    failed[some.index] = True
    if ends:
        array.put(torch.cat([part.index for part in ends]), _joined(ends))
    return Written(*(array.out(part.reshape(shape)) for part in (count, spent, error, failed)))


def _joined(parts: list[_Some]) -> Trajectory:
    """Join the trajectories of several selections, one after the other."""

    def join(tensors: Iterable[Tensor]) -> Tensor:
        return torch.cat([t.expand(*t.shape[:-1], len(part.index)) for t, part in zip(tensors, parts, strict=True)], dim=-1)

    all_t = [part.t for part in parts]
    x = type(all_t[0].x)(*map(join, zip(*(t.x for t in all_t), strict=True)))
    kept = tuple(map(join, zip(*(t.kept for t in all_t), strict=True)))
    return Trajectory(x, join(t.age for t in all_t), join(t.cycles for t in all_t), kept, all_t[0].frozen)
