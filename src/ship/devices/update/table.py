"""A measured table of pulses, followed point by point.

``up[k]`` and ``down[k]`` are the conductances (S) after k equal pulses of one polarity, with [0] before the first. The branches
need not be monotone and need not meet.

same polarity   the device moves along its branch: the n-th pulse gives exactly ``up[n]`` or ``down[n]``; the last point is kept
reversal        the device enters the other branch at the point nearest to its conductance, then moves on from there. On a
                monotone branch the position is interpolated; beyond its ends, and on any other branch, it is the nearest point,
                the earliest of equals. A gap between the branches shows as a drop with the first pulse.
written         (or drifted) to a conductance: the same conductance, at its nearest position on the branch up, and a pulse down
                enters from there

Between points the conductance is interpolated linearly. ``scale`` multiplies the whole table, for devices that differ; ``noise``
(of the table's range) is added around the point after a pulse, and does not accumulate while a branch is followed.

Source: the measurement given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import State, Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Pulse, Update, Xi


class TableState(NamedTuple):
    position: Tensor  # on the branch, in pulses
    down: Tensor  # 1: on the branch down, 0: on the branch up
    off: Tensor  # S, the conductance minus the branch's at this position


@dataclass(frozen=True)
class TableUpdate(Update):
    """A measured table of pulses that each device follows point by point.

    Args:
        up, down: conductances (S) after 0, 1, 2 ... pulses; sequences or arrays of at least two numbers, kept as tuples.
        scale: factor on the table, for each device.
        noise: standard deviation after a pulse, as a fraction of the table's range.
        v_th: V, up to which nothing happens.
    """

    source: ClassVar[str] = "the measurement given"
    normals: ClassVar[int] = 1
    states: ClassVar[Any] = TableState(State(0.0), State(0.0), State(0.0, unit="S"))  # type: ignore[arg-type]

    up: Any = option((1e-6, 100e-6))  # any sequence of conductances; a tuple once it is made
    down: Any = option((100e-6, 1e-6))
    scale: Value = param(1.0, above=0.0, role="conductance")
    noise: Value = param(0.0, least=0.0, role="noise")
    v_th: Value = param(0.0, unit="V", least=0.0, role="threshold")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("up", "down"):
            object.__setattr__(self, name, _points(f"TableUpdate.{name}", getattr(self, name)))
        if min(self.up + self.down) == max(self.up + self.down):
            raise ParameterError("TableUpdate.up", "must hold more than one conductance", got=f"{self.up[0]:g} S throughout")

    def window(self, p: Bag) -> tuple[Tensor, Tensor]:
        both = self.up + self.down
        return p.scale * min(both), p.scale * max(both)

    def conductance(self, x: TableState, p: Bag) -> Tensor:
        on_down = x.down > 0.5
        points = torch.where(on_down, _value(self.down, x.position), _value(self.up, x.position))
        return p.scale * points + x.off

    def place(self, g: Tensor, x: TableState, p: Bag) -> TableState:
        position = _position(self.up, g / p.scale)
        off = g - p.scale * _value(self.up, position)
        kept = g == self.conductance(x, p)  # where nothing changed, the branch is not forgotten
        made = TableState(position, torch.zeros_like(position), off)
        return TableState(*(torch.where(kept, old, new) for old, new in zip(x, made, strict=True)))

    def pulse(self, x: TableState, pulse: Pulse, p: Bag, xi: Xi) -> TableState:
        falls = pulse.v < 0
        count = torch.where(pulse.v.abs() > p.v_th, pulse.n, torch.zeros_like(pulse.n))
        g = self.conductance(x, p) / p.scale
        entry = torch.where(falls, _position(self.down, g), _position(self.up, g))
        start = torch.where(falls == (x.down > 0.5), x.position, entry)
        last = torch.where(falls, len(self.down) - 1, len(self.up) - 1).to(g.dtype)
        span = max(self.up + self.down) - min(self.up + self.down)
        off = (p.scale * p.noise * span * xi[0]).expand_as(g)
        moved = TableState(torch.minimum(start + count, last), falls.to(g.dtype), off)
        return TableState(*(torch.where(count > 0, new, old) for new, old in zip(moved, x, strict=True)))


def _points(where: str, given: Iterable[Any]) -> tuple[float, ...]:
    try:
        points = tuple(float(g) for g in given)
    except (TypeError, ValueError) as error:
        raise ParameterError(where, "must be a sequence of conductances (S)", got=repr(given)) from error
    bad = [g for g in points if not (isfinite(g) and g >= 0)]
    if bad:
        raise ParameterError(where, "must hold conductances of at least 0 S", got=f"{bad[0]:g}")
    if len(points) < 2:
        raise ParameterError(where, "must have at least two points, before and after a pulse", got=f"{len(points)}")
    return points


def _value(table: tuple[float, ...], position: Tensor) -> Tensor:
    """The table between its points; exactly a point at a whole position."""
    points = torch.tensor(table, dtype=position.dtype, device=position.device)
    below = position.detach().floor().clamp(0, len(table) - 1)
    left, right = points[below.long()], points[(below.long() + 1).clamp(max=len(table) - 1)]
    return left + (right - left) * (position - below)


def _position(table: tuple[float, ...], g: Tensor) -> Tensor:
    """Where the table takes the value ``g``, or comes nearest to it."""
    points = torch.tensor(table, dtype=g.dtype, device=g.device)
    rises = all(a <= b for a, b in pairwise(table))
    falls = all(a >= b for a, b in pairwise(table))
    if not (rises or falls):
        return (g.unsqueeze(-1) - points).abs().argmin(-1).to(g.dtype)
    points, value = (points, g) if rises else (-points, -g)
    right = torch.searchsorted(points, value.detach().contiguous()).clamp(1, len(table) - 1)
    low, high = points[right - 1], points[right]
    step = torch.where(high > low, high - low, torch.ones_like(high))
    return (right - 1) + ((value - low) / step).clamp(0.0, 1.0)
