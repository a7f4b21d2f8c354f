"""Delay lines: signals in flight survive the end of a segment and a change of dt."""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...base.clock import FUZZ, slots
from ...base.parameters import Kind
from .history import History


class Pending(NamedTuple):
    """A signal in flight at the end of a segment.

    It acts from ``arrival`` on, in seconds after that end: a charge for ``width`` seconds, a level until the next one arrives.
    Seconds since the reset could not tell slots apart after 10^8 of them.
    """

    arrival: float
    width: float
    value: Tensor


class Line:
    """A delay line from one group's outputs to one target, with one delay."""

    def __init__(self, trace: History, kind: Kind, delay: float, width: int) -> None:
        self.trace, self.kind, self.delay, self.width = trace, kind, delay, width
        self.lag = 0
        self.pending: list[Pending] = []
        self._early: dict[int, Tensor] = {}

    def begin(self, dt: float, steps: int, inserted: int) -> None:
        """Start a segment: assign signals in flight to slots of the new grid."""
        self.lag = slots(self.delay, dt) + inserted
        self._early = {}
        if self.kind == "values":
            self._hold(dt, steps)
            return
        late = []
        for item in self.pending:
            shares = route(item, self.kind, dt, steps)
            if not shares or max(shares) >= steps:
                late.append(item)  # slots past the end of this segment are routed again in the next one
            for j, share in shares.items():
                if j < steps:
                    value = item.value if share == 1 else item.value * share
                    self._early[j] = value if j not in self._early else self._early[j] + value
        self.pending = [_rest(item, self.kind, steps * dt) for item in late]

    def _hold(self, dt: float, steps: int) -> None:
        """Assign levels in flight: each slot before the segment's own signals has the last level that arrived by its start.

        Levels arrive in the order in which they were sent.
        """
        first = [max(0, math.ceil(item.arrival / dt - FUZZ)) for item in self.pending]
        due = dict(zip(first, self.pending, strict=True))  # the last of several in one slot remains
        level, n = None, min(self.lag, steps)
        for k in range(min(first, default=n), n):
            level = due[k].value if k in due else level
            if level is not None:
                self._early[k] = level
        come = sum(k <= steps for k in first)
        # A delay that reaches past the end needs the level that holds there, and those that arrive later.
        left = self.pending[max(0, come - 1) :] if self.lag > steps else []
        self.pending = [item._replace(arrival=item.arrival - steps * dt) for item in left]

    def at(self, k: int) -> Tensor | None:
        """Return the signal that arrives in slot k; None for nothing."""
        early = self._early.get(k)
        if k < self.lag:
            return early
        own = self.trace.at(k - self.lag)
        return own if early is None or self.kind == "values" else own + early

    def early(self, k0: int, n: int, like: Tensor) -> Tensor | None:
        """Return the signals that were in flight before the segment and arrive in n slots from k0 on; None for nothing."""
        found = {k - k0: v for k, v in self._early.items() if k0 <= k < k0 + n and (k < self.lag or self.kind != "values")}
        if not found:
            return None
        lead = np.broadcast_shapes(*(v.shape[:2] for v in found.values()))
        zero = like.new_zeros((*lead, self.width))
        return torch.stack([found[k].expand(*lead, self.width) if k in found else zero for k in range(n)])

    def window(self, k0: int, n: int, like: Tensor) -> Tensor:
        """Return the arrivals of slots k0 .. k0 + n - 1, ``[n, chip, batch, unit]``, with zeros where nothing arrives."""
        early = self.early(k0, n, like)
        first = max(k0, self.lag)
        if first >= k0 + n:
            return like.new_zeros((n, 1, 1, self.width)) if early is None else early
        own = self.trace.window(first - self.lag, k0 + n - first)
        if first > k0:
            own = torch.cat([own.new_zeros((first - k0, *own.shape[1:])), own])
        return own if early is None else own + early

    def end(self, dt: float, steps: int) -> None:
        """End a segment: keep the signals that have not arrived in flight."""
        held = self.kind == "values" and self.delay > 0  # the last level lasts until the next arrives, in a finer grid, too
        kept = max(self.lag, int(held))
        if kept and steps:
            # Events keep their exact time for the next grid; charges and levels keep the times of their slots.
            exact = self.kind == "events" and slots(self.delay, dt) == self.lag
            first = max(0, steps - kept)
            sent = self.trace.window(first, steps - first).unbind(0)
            own = [
                Pending((k - steps) * dt + self.delay if exact else (k - steps + self.lag) * dt, dt, value)
                for k, value in enumerate(sent, first)
            ]
            if self.kind == "values":  # a level that was sent later replaces earlier ones from its arrival on
                self.pending = [item for item in self.pending if item.arrival < own[0].arrival - FUZZ * dt]
            self.pending += own
        self._early = {}


def route(item: Pending, kind: Kind, dt: float, last: int = sys.maxsize) -> dict[int, float]:
    """Return the slots of dt from now on, up to slot ``last``, in which events or a charge act, with the share in each."""
    first = item.arrival / dt
    if kind == "events":
        return {max(0, math.floor(first + 0.5 + FUZZ)): 1.0}
    begin = max(0.0, _snap(first))
    end = _snap((item.arrival + item.width) / dt)
    whole = item.width / dt
    if whole < FUZZ:
        return {math.floor(begin): 1.0}
    pieces = {j: min(end, j + 1.0) - max(begin, float(j)) for j in range(math.floor(begin), min(math.ceil(end), last + 1))}
    return {j: piece / whole for j, piece in pieces.items() if piece > FUZZ * min(1.0, whole)}


def _snap(x: float) -> float:
    return round(x) if abs(x - round(x)) < FUZZ else x


def _rest(item: Pending, kind: Kind, seconds: float) -> Pending:
    """Return the rest of a signal after some seconds: of a charge, the part that is not yet delivered."""
    left = item.arrival + item.width - seconds
    if kind == "events" or left >= item.width:
        return item._replace(arrival=item.arrival - seconds)
    return Pending(0.0, left, item.value * (left / item.width))
