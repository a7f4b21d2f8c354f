"""Runs at several time steps compared: how far spikes move, how far states differ, and with which order that shrinks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor

from ...groups.wiring import emits_first
from ...models.contract import Neuron
from .audited import Audited
from .beside import Beside

CLOCKS = ("wait", "held", "last")  # states that count slots; they are no traces
EXACT = 64  # roundings: differences below this many times the precision of the network are none


class Level(NamedTuple):
    """What one run has left, on the slots of the coarsest dt."""

    spikes: Mapping[str, tuple[Tensor, Tensor]]  # by group: the number of the train (chip, sample, unit), and the time, s
    traces: Mapping[str, Tensor]  # by group: its first state, [chip, batch, time, unit]; NaN from the unit's first spike on
    outputs: Mapping[str, Tensor]  # by output group, [chip, batch, time, unit]; events counted in the slots of the coarsest dt


class Trains(NamedTuple):
    """How the spikes of two runs differ."""

    shift: float  # s, the mean distance of the n-th spikes of trains with as many spikes; NaN without such trains
    changed: float  # share of the trains that spike at all whose number of spikes differs
    rate: float  # the larger of two relative differences: of all numbers of spikes, and of the time by which as many have come


def level(beside: Beside, ratio: int, traced: Mapping[str, str], units: int, spiking: Sequence[str]) -> Level:
    """Run at dt / ratio, and bring what was recorded to the slots of dt.

    Args:
        beside: the network and its input.
        ratio: how many slots make one of dt.
        traced: by group, the state to record.
        units: the number of units of which states are recorded.
        spiking: the groups whose spikes are recorded.
    """
    net = deepcopy(beside.net)
    for tag in spiking:
        net.monitor(tag, "output", events=True)
    late = {tag: not emits_first(net.specs[tag]) and isinstance(net.specs[tag].model, Neuron) for tag in net.tags}
    width = {tag: min(units, net[tag].n) for tag in traced}
    for tag, state in traced.items():
        net.monitor(tag, state, every=1 if late[tag] else ratio, units=range(width[tag]))
    made = beside.run(net, ratio)
    outputs = made if isinstance(made, dict) else ({net.outputs[0]: made} if isinstance(made, Tensor) else {})
    traces = {tag: _chips(net.records[tag][state]).double() for tag, state in traced.items()}
    for tag in traced:
        if late[tag]:
            traces[tag] = traces[tag][..., ratio - 1 :: ratio, :]
    spikes = {}
    for tag in spiking:
        events = net.records[tag].output
        train = (events.chip * beside.batch + events.sample) * net[tag].n + events.unit
        times = events.time.repeat_interleave(events.counts.long())
        spikes[tag] = (train.repeat_interleave(events.counts.long()), times)
        if tag in traces:
            first = _first(*spikes[tag], (beside.chips, beside.batch, 1, net[tag].n))[..., : width[tag]]
            traces[tag] = traces[tag].masked_fill(net.timeline(tag)[_on(late[tag], ratio), None] >= first, math.nan)
    kinds = net.wiring.kinds
    coarse = {tag: coarser(_chips(out), kinds[tag] == "events", late[tag], ratio) for tag, out in outputs.items()}
    return Level(spikes, traces, coarse)


def _on(late: bool, ratio: int) -> slice:
    return slice(ratio - 1 if late else 0, None, ratio)


def _first(train: Tensor, time: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the time of the first spike of each unit (s), infinity without one."""
    none = torch.full((math.prod(shape),), math.inf, dtype=torch.float64)
    return none.scatter_reduce(0, train, time, "amin").reshape(*shape)


def coarser(x: Tensor, events: bool, late: bool, ratio: int) -> Tensor:
    """Bring an output ``[..., time, unit]`` to slots ``ratio`` times as long: events are counted, levels taken at the same time.

    A neuron that emits first says in slot k what happened up to t_k, one that emits late what happened in the slot.
    """
    if ratio == 1:
        return x
    if not events:
        return x[..., ratio - 1 :: ratio, :] if late else x[..., ::ratio, :]
    slots = x.shape[-2] // ratio
    k = torch.arange(x.shape[-2], device=x.device)
    place = k // ratio if late else (k + ratio - 1) // ratio
    made = x.new_zeros(*x.shape[:-2], slots + 1, x.shape[-1]).index_add(-2, place, x)
    return made[..., :slots, :]  # what happens after the last t_k is seen by neither


def traced(net: Audited) -> dict[str, str]:
    """Return the state of each group of neurons that is compared, its first one."""
    found = {}
    for tag, spec in net.specs.items():
        names = [name for name in getattr(spec.model.states, "_fields", ()) if name not in CLOCKS]
        if names and isinstance(spec.model, Neuron):
            found[tag] = names[0]
    return found


def moved(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Trains:
    """Compare the spikes of two runs, train by train."""
    size = 1 + max((int(train.max()) for train, _ in (a, b) if len(train)), default=-1)
    counts = [torch.bincount(train, minlength=size) for train, _ in (a, b)]
    alike, active = counts[0] == counts[1], (counts[0] + counts[1]) > 0
    if not bool(active.any()):
        return Trains(0.0, 0.0, 0.0)
    times = []
    for train, time in (a, b):
        own = alike[train]
        order = torch.argsort(train[own], stable=True)  # records are in order of time
        times.append(time[own][order])
    shift = float((times[0] - times[1]).abs().mean()) if len(times[0]) else math.nan
    numbers = abs(len(a[0]) - len(b[0])) / max(len(b[0]), 1)
    return Trains(shift, float((~alike & active).sum() / active.sum()), max(numbers, _by_when(*times, counts[1][alike & active])))


def _by_when(a: Tensor, b: Tensor, counts: Tensor) -> float:
    """Return by how much the last spikes of trains with as many spikes differ, relative to the time at which they come."""
    last = counts.cumsum(0) - 1
    when = float(b[last].mean()) if len(last) else 0.0
    return float((a[last] - b[last]).abs().mean()) / when if when > 0 else 0.0


def apart(a: Tensor, b: Tensor, eps: float) -> float:
    """Return the mean absolute difference of two traces, relative to the standard deviation of the second.

    What is NaN in either is left out; a difference that is rounding counts as 0.
    """
    known = ~(a.isnan() | b.isnan())
    if not bool(known.any()):
        return 0.0
    a, b = a[known], b[known]
    difference, size = float((a - b).abs().mean()), float(b.std(correction=0))
    if difference <= EXACT * eps * max(size, float(b.abs().mean())):
        return 0.0
    return difference / size if size > 0 else math.inf


def order_of(differences: Sequence[float]) -> float | None:
    """Estimate the order from differences between dt and dt / 2, dt / 2 and dt / 4, ...: the slope of their logarithms.

    None where there is nothing to see: all is exact.
    """
    known = [(h, math.log2(d)) for h, d in enumerate(differences) if 0 < d < math.inf]
    if len(known) < 2:
        return None
    mean_h, mean_d = (sum(x) / len(known) for x in zip(*known, strict=True))
    return float(-sum((h - mean_h) * (d - mean_d) for h, d in known) / sum((h - mean_h) ** 2 for h, _ in known))


def richardson(difference: float, order: float | None) -> float:
    """Return the error at dt, from the difference between dt and dt / 2 and the order by which it shrinks.

    ``e(dt) - e(dt / 2) = e(dt) (1 - 2^-p)``. An order below 1 / 2 is no convergence to build upon: 1 / 2 is then taken.
    """
    return difference / (1.0 - math.pow(2.0, -max(1.0 if order is None else order, 0.5)))


def _chips(x: Tensor) -> Tensor:
    return x if x.ndim == 4 else x.unsqueeze(0)
