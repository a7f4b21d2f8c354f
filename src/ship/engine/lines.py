"""What lies between groups: stored outputs, delay lines, sums through weights. Delays survive a change of dt."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..clock import FUZZ, slots
from ..connect import EdgeList
from ..parameters import Kind
from ..plan import of_source


class Trace:
    """The outputs of one group in the running segment, as windows ``[slot, chip, batch, unit]``, as far back as anyone still
    reads.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start a segment."""
        self.starts: list[int] = []
        self.windows: list[Tensor] = []
        self.slots: list[tuple[Tensor, ...] | None] = []  # of each window, once single ones were asked for
        self.end = 0

    def put(self, window: Tensor, start: int | None = None) -> None:
        """What follows; from slot ``start`` on where slots that nobody reads are left out."""
        self.starts.append(self.end if start is None else start)
        self.windows.append(window)
        self.slots.append(None)
        self.end = self.starts[-1] + len(window)

    def at(self, k: int) -> Tensor:
        i = bisect_right(self.starts, k) - 1
        alone = k == self.end - 1 and self.slots[i] is None  # the last slot, which ends a segment
        if alone or not self.windows[i].requires_grad:
            return self.windows[i][k - self.starts[i]]
        slots = self.slots[i]
        if slots is None:  # all at once: the gradient of each single slot would be as large as the window
            slots = self.slots[i] = self.windows[i].unbind(0)
        return slots[k - self.starts[i]]

    def window(self, k0: int, n: int) -> Tensor:
        """Slots k0 .. k0 + n - 1."""
        i, j = bisect_right(self.starts, k0) - 1, bisect_right(self.starts, k0 + n - 1)
        parts = [part_of(w, 0, max(0, k0 - s), k0 + n - s) for s, w in zip(self.starts[i:j], self.windows[i:j], strict=True)]
        if len(parts) == 1:
            return parts[0]
        lead = np.broadcast_shapes(*(part.shape[1:3] for part in parts))  # that of torch imports SymPy
        return torch.cat([part.expand(-1, *lead, -1) for part in parts])

    def trim(self, first: int) -> None:
        """Forget the windows that end before ``first``."""
        drop = 0
        while drop < len(self.starts) - 1 and self.starts[drop + 1] <= first:
            drop += 1
        del self.starts[:drop], self.windows[:drop], self.slots[:drop]


class Pending(NamedTuple):
    """A signal in flight when a segment ended: it acts from ``arrival`` on (s), a charge for ``width`` seconds, a level until the
    next one comes.
    """

    arrival: float
    width: float
    value: Tensor


class Line:
    """The way of one signal with one delay. ``at(k)`` is what arrives in slot k, None for nothing."""

    def __init__(self, trace: Trace, kind: Kind, delay: float, width: int) -> None:
        self.trace, self.kind, self.delay, self.width = trace, kind, delay, width
        self.lag = 0
        self.pending: list[Pending] = []
        self._early: dict[int, Tensor] = {}

    def begin(self, start: float, dt: float, steps: int, inserted: int) -> None:
        """Start a segment: what is in flight finds its slot in the new grid."""
        self.lag = slots(self.delay, dt) + inserted
        self._early = {}
        if self.kind == "values":
            self._hold(start, dt, steps)
            return
        late = []
        for item in self.pending:
            shares = route(item, self.kind, start, dt)
            if max(shares) >= steps:
                late.append(item)  # slots past this segment's end are routed again in the next
            for j, share in shares.items():
                if j < steps:
                    value = item.value if share == 1 else item.value * share
                    self._early[j] = value if j not in self._early else self._early[j] + value
        self.pending = [_rest(item, self.kind, start + steps * dt) for item in late]

    def _hold(self, start: float, dt: float, steps: int) -> None:
        """Levels in flight: each slot before the segment's own has the last one that came by its start. They come in the order
        in which they were sent.
        """
        first = [max(0, math.ceil((item.arrival - start) / dt - FUZZ)) for item in self.pending]
        due = dict(zip(first, self.pending, strict=True))  # of several in one slot the last
        level, n = None, min(self.lag, steps)
        for k in range(min(first, default=n), n):
            level = due[k].value if k in due else level
            if level is not None:
                self._early[k] = level
        come = sum(k <= steps for k in first)
        # A delay that reaches past the end needs the level that holds there, and what comes later.
        self.pending = self.pending[max(0, come - 1) :] if self.lag > steps else []

    def at(self, k: int) -> Tensor | None:
        early = self._early.get(k)
        if k < self.lag:
            return early
        own = self.trace.at(k - self.lag)
        return own if early is None or self.kind == "values" else own + early

    def early(self, k0: int, n: int, like: Tensor) -> Tensor | None:
        """What was in flight before the segment and arrives in these slots; None for nothing."""
        found = {k - k0: v for k, v in self._early.items() if k0 <= k < k0 + n and (k < self.lag or self.kind != "values")}
        if not found:
            return None
        lead = np.broadcast_shapes(*(v.shape[:2] for v in found.values()))
        zero = like.new_zeros((*lead, self.width))
        return torch.stack([found[k].expand(*lead, self.width) if k in found else zero for k in range(n)])

    def window(self, k0: int, n: int, like: Tensor) -> Tensor:
        """The arrivals of slots k0 .. k0 + n - 1, ``[n, chip, batch, unit]``; zeros where nothing arrives."""
        early = self.early(k0, n, like)
        first = max(k0, self.lag)
        if first >= k0 + n:
            return like.new_zeros((n, 1, 1, self.width)) if early is None else early
        own = self.trace.window(first - self.lag, k0 + n - first)
        if first > k0:
            own = torch.cat([own.new_zeros((first - k0, *own.shape[1:])), own])
        return own if early is None else own + early

    def end(self, start: float, dt: float, steps: int) -> None:
        """End a segment: what has not arrived is kept in flight."""
        held = self.kind == "values" and self.delay > 0  # the last level lasts until the next one comes, in a finer grid, too
        kept = max(self.lag, int(held))
        if kept and steps:
            # Events keep their exact time for the next grid; charges and levels that of the slots they were cut into.
            exact = self.kind == "events" and slots(self.delay, dt) == self.lag
            shift = self.delay if exact else self.lag * dt
            first = max(0, steps - kept)
            last = self.trace.window(first, steps - first).unbind(0)
            if self.kind == "values":  # what was sent later holds from its arrival on
                self.pending = [item for item in self.pending if item.arrival < start + first * dt + shift - FUZZ * dt]
            self.pending += [Pending(start + k * dt + shift, dt, value) for k, value in enumerate(last, first)]
        self._early = {}


def route(item: Pending, kind: Kind, start: float, dt: float) -> dict[int, float]:
    """The slots of the grid ``start + j dt`` in which events or a charge act, with the share in each."""
    first = (item.arrival - start) / dt
    if kind == "events":
        return {max(0, math.floor(first + 0.5 + FUZZ)): 1.0}
    begin = max(0.0, _snap(first))
    end = _snap((item.arrival + item.width - start) / dt)
    whole = item.width / dt
    if whole < FUZZ:
        return {math.floor(begin): 1.0}
    pieces = {j: min(end, j + 1.0) - max(begin, float(j)) for j in range(math.floor(begin), math.ceil(end))}
    return {j: piece / whole for j, piece in pieces.items() if piece > FUZZ * min(1.0, whole)}


def _snap(x: float) -> float:
    return round(x) if abs(x - round(x)) < FUZZ else x


def _rest(item: Pending, kind: Kind, end: float) -> Pending:
    """What is left of a signal after ``end``: a charge gives the part not yet delivered."""
    if kind == "events" or item.arrival >= end:
        return item
    left = item.arrival + item.width - end
    return Pending(end, left, item.value * (left / item.width))


class Bucket(NamedTuple):
    """The part of a connection that has one delay: all of it (mask None), or where the mask is 1."""

    line: Line
    mask: Tensor | None  # [pre] or [pre, post]; with edges, which of the source's edges, as indices


class Feed:
    """All that enters a connection: for each source its buckets of equal delay, side by side on the pre axis."""

    def __init__(self, n_post: int, edges: EdgeList | None = None) -> None:
        self.sources: list[tuple[int, int, list[Bucket]]] = []  # (offset, width, buckets)
        self.n_post, self.edges = n_post, edges
        self.product: Callable[[Tensor, Tensor], Tensor] = project  # how signals go through weights

    def add(self, trace: Trace, kind: Kind, offset: int, width: int, delay: Tensor) -> list[Line]:
        """Connect a source; returns its lines."""
        buckets = []
        every = None if self.edges is None else of_source(self.edges.pre, offset, width)
        for d in torch.unique(delay).tolist():
            mask = None
            if every is not None:
                mask = every[delay == d] if delay.ndim else every
            elif delay.ndim == 2 and bool((delay != d).any()):
                mask = delay == d  # a byte for each connection
                mask = mask[:, 0] if mask.shape[1] == 1 else mask.expand(width, self.n_post)
            buckets.append(Bucket(Line(trace, kind, d, width), mask))
        self.sources.append((offset, width, buckets))
        return [b.line for b in buckets]

    @property
    def lines(self) -> list[Line]:
        """The lines of all sources and delays."""
        return [bucket.line for _, _, buckets in self.sources for bucket in buckets]

    @property
    def per_connection(self) -> bool:
        """Whether different targets of one unit see different delays."""
        if self.edges is not None:
            return any(len(buckets) > 1 for _, _, buckets in self.sources)
        return any(b.mask is not None and b.mask.ndim == 2 for _, _, buckets in self.sources for b in buckets)

    def arrivals(self, k0: int, n: int, like: Tensor, skip: Container[Line] = ()) -> Tensor:
        """``[n, chip, batch, pre]``: what arrives in each slot, where no delay is per connection. Of the lines to ``skip`` only
        what was in flight before the segment.
        """
        parts = []
        for _, _, buckets in self.sources:
            parts.append(_total(_masked(_arrival(b.line, k0, n, like, skip), b.mask) for b in buckets))
        return parts[0] if len(parts) == 1 else torch.cat(_same_lead(parts), -1)

    def weighted(
        self, k0: int, n: int, weight: Tensor, like: Tensor, skip: Container[Line] = (), *, square: bool = False
    ) -> Tensor:
        """``[n, chip, batch, post]``: sums through the weights; ``square``: of the squares of what arrives."""
        if self.edges is not None:
            return self._along_edges(k0, n, weight, like, skip, square)
        if not self.per_connection:
            came = self.arrivals(k0, n, like, skip)
            return self.product(came.square() if square else came, weight)
        sums = []
        for offset, width, buckets in self.sources:
            rows = weight[..., offset : offset + width, :]
            for line, mask in buckets:
                own = rows if mask is None else rows * mask.to(rows).reshape(width, -1)
                came = _arrival(line, k0, n, like, skip)
                sums.append(self.product(came.square() if square else came, own))
        return _total(sums)

    def _along_edges(self, k0: int, n: int, weight: Tensor, like: Tensor, skip: Container[Line], square: bool) -> Tensor:
        assert self.edges is not None
        sums = []
        for offset, _, buckets in self.sources:
            for line, chosen in buckets:
                assert chosen is not None
                x = _arrival(line, k0, n, like, skip)
                x = x.square() if square else x
                sums.append(
                    project_edges(x, weight[..., chosen], self.edges.pre[chosen] - offset, self.edges.post[chosen], self.n_post)
                )
        return _total(sums) if sums else like.new_zeros((n, 1, 1, self.n_post))

    def _on_edges(self, k0: int, n: int, like: Tensor) -> Tensor:
        """``[n, chip, batch, edge]``: what arrives on each edge."""
        assert self.edges is not None
        parts, places = [], []
        for offset, _, buckets in self.sources:
            for line, chosen in buckets:
                assert chosen is not None
                parts.append(line.window(k0, n, like)[..., self.edges.pre[chosen] - offset])
                places.append(chosen)
        if not parts:
            return like.new_zeros((n, 1, 1, 0))
        joined, order = torch.cat(_same_lead(parts), -1), torch.cat(places)
        return joined[..., torch.argsort(order)]

    def dense(self, k0: int, n: int, like: Tensor) -> Tensor:
        """``[n, chip, batch, pre, post or 1]``: what arrives on each connection; ``[n, chip, batch, edge]`` with edges."""
        if self.edges is not None:
            return self._on_edges(k0, n, like)
        if not self.per_connection:
            return self.arrivals(k0, n, like).unsqueeze(-1)
        parts = []
        for _, width, buckets in self.sources:
            spread = (
                b.line.window(k0, n, like).unsqueeze(-1) * (1.0 if b.mask is None else b.mask.to(like).reshape(width, -1))
                for b in buckets
            )
            total = _total(spread)
            parts.append(total.expand(*total.shape[:-1], self.n_post))
        return torch.cat(_same_lead(parts), -2)


def _arrival(line: Line, k0: int, n: int, like: Tensor, skip: Container[Line]) -> Tensor:
    if line not in skip:
        return line.window(k0, n, like)
    early = line.early(k0, n, like)
    return like.new_zeros((n, 1, 1, line.width)) if early is None else early


def _same_lead(tensors: list[Tensor]) -> list[Tensor]:
    """Leading axes broadcast to one shape, the last axis left alone."""
    lead = np.broadcast_shapes(*(t.shape[:3] if t.ndim > 3 else t.shape[:2] for t in tensors))
    return [t if t.shape[: len(lead)] == lead else t.expand(*lead, *t.shape[len(lead) :]) for t in tensors]


def part_of(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """A slice; all of it as it is, because the gradient of a slice fills and copies a whole tensor."""
    return x if start == 0 and stop >= x.shape[axis] else x.narrow(axis, start, min(stop, x.shape[axis]) - start)


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask.to(x)


def _total(parts: Iterable[Tensor]) -> Tensor:
    """The sum of some tensors, made one after the other."""
    return reduce(add, parts)


EDGE_VALUES = 2**22  # products held at a time


def project_edges(x: Tensor, weight: Tensor, pre: Tensor, post: Tensor, n_post: int) -> Tensor:
    """``x [slot, chip, batch, pre]`` along edges with weights ``[edge]`` or ``[chip or 1, batch or 1, edge]``."""
    lead = np.broadcast_shapes(x.shape[1:3], weight.shape[:-1])
    slots = max(1, EDGE_VALUES // max(1, lead[0] * lead[1] * len(pre)))
    parts = [sum_edges(part[..., pre] * weight, post, n_post) for part in x.split(slots)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def sum_edges(value: Tensor, post: Tensor, n_post: int) -> Tensor:
    """``[..., edge]`` summed over the edges of each target."""
    return value.new_zeros((*value.shape[:-1], n_post)).index_add(-1, post.long(), value)  # fifty times as fast as with int32


def project(x: Tensor, weight: Tensor) -> Tensor:
    """``x [slot, chip, batch, pre]`` through ``weight``: ``[pre, post]``, ``[chip, 1, pre, post]`` or ``[chip or 1, batch, pre,
    post]``.
    """
    if weight.ndim == 2:
        # Rows side by side in time, as runs take and give them, make one product without a copy.
        return (x.permute(1, 2, 0, 3) @ weight).permute(2, 0, 1, 3) if x.stride(0) < x.stride(2) else x @ weight
    if weight.shape[1] == 1:
        chips = max(weight.shape[0], x.shape[1])
        return torch.einsum("lcbi,cij->lcbj", x.expand(-1, chips, -1, -1), weight.squeeze(1).expand(chips, -1, -1))
    return (x.unsqueeze(-2) @ weight).squeeze(-2)
