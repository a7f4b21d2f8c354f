"""A state on every edge, or on every connection with a delay of its own: the connections of one source unit with one delay run
through many slots while their states stay in the cache. What they give is then added to their targets, slot by slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....base.threads import spread
from ....groups.connectivity import EdgeList
from ...reference.connection import ConnectionNode
from ...trees import flatten, unflatten
from ..emit import texts
from ..emit.drivers.records import EDGE_GRID
from ..kernels.kernel import Kernel
from ..run.executor import Record, row_addresses, row_table, shaped
from ..tape.autograd import recorded_run
from ..tape.edges import Structure
from ..tape.tape import EVERY
from ..trace.program import Untraceable

LARGEST = 2**24  # numbers of arrivals that are known at once
PARTS = 8  # into which edges are cut at most: threads share them; where they are cut does not depend on the threads


def follows_edges(node: ConnectionNode) -> bool:
    """Whether the connections of a node, with a state each, are run edge by edge: they are no matrix with one arrival a row."""
    return node.edges is not None or node.feed.per_connection


class Segments:
    """All connections of a node in order of bucket (source and delay), source unit, target unit.

    Raises:
        Untraceable: there are none.
    """

    def __init__(self, node: ConnectionNode) -> None:
        if node.edges is not None and not len(node.edges.pre):
            raise Untraceable("it has no edges")
        self.node = node
        widths, pre, post, ids = zip(*self._buckets(), strict=True)
        ends = np.cumsum(widths)
        firsts = ends - widths  # the units of all buckets are numbered one after the other
        edges = EdgeList(torch.cat([own + int(first) for own, first in zip(pre, firsts, strict=True)]), torch.cat(post))
        every = torch.cat(ids)
        made = Structure(edges, torch.arange(len(every)), 0, int(ends[-1]), node.group.n)
        self.order = made.sorted(every)  # numbers of connections
        self.back = torch.argsort(self.order)
        self.begins = np.append(made.starts[made.full], len(every)).astype(np.int64)
        self.buckets = np.searchsorted(firsts, made.full, "right").astype(np.int64) - 1
        self.units = (made.full - firsts[self.buckets]).astype(np.int64)
        self.targets = made.posts.astype(np.int32)
        self.width = int(ends[-1])  # arrivals of a slot

    def _buckets(self) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """Of each bucket how many units its source has, and its connections: their source units, counted from the first of the
        source, target units, numbers.
        """
        node, n = self.node, self.node.group.n
        for offset, width, buckets in node.feed.sources:
            for _, mask in buckets:
                if node.edges is not None:
                    assert mask is not None
                    chosen = mask.long()
                    yield width, node.edges.pre[chosen].long() - offset, node.edges.post[chosen].long(), chosen
                    continue
                whole = torch.ones(width, n, dtype=torch.bool) if mask is None else mask.reshape(width, -1).expand(width, n)
                pre, post = whole.nonzero(as_tuple=True)
                yield width, pre, post, (pre + offset) * n + post

    @cached_property
    def cuts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The first segment of each part, and their end."""
        count = min(PARTS, max(1, len(self.order) // (16 * self.node.group.n)))
        inner = np.searchsorted(self.begins, np.arange(1, count) * len(self.order) // count)
        return np.array([0, *inner, len(self.units)], np.int64)

    def arrivals(self, k0: int, n: int) -> list[Tensor]:
        """What arrives from each bucket in n slots, ``[slot, chip or 1, batch or 1, unit]``."""
        lines = [bucket.line for _, _, buckets in self.node.feed.sources for bucket in buckets]
        return [line.window(k0, n, self.node.like) for line in lines]

    def pick(self, t: Tensor) -> Tensor:
        """Return what belongs to connections as ``[chip or 1, batch or 1, connection or 1]``, in order."""
        if self.node.edges is None and t.numel() > 1:
            t = t.reshape((1,) * (4 - t.ndim) + tuple(t.shape))
            single, pairs = t.shape[2:].numel() == 1, (self.node.group.n_pre, self.node.group.n)
            t = (t if single else t.expand(*t.shape[:2], *pairs)).flatten(-2)
        t = t.flatten() if t.numel() == 1 else t
        t = t.reshape((1,) * (3 - t.ndim) + tuple(t.shape))
        return t if t.shape[-1] == 1 else t[..., self.order]


def run(node: ConnectionNode, segments: Segments, kernel: Kernel, constants: Sequence[Tensor], k0: int, n: int) -> None:
    """Run slots ``k0 .. k0 + n - 1`` of a node; ``constants`` are what its kernel reads."""
    states, tree = flatten(node.state)
    full, dtype = (*node.lead, len(segments.order)), node.group.dtype
    values = [segments.pick(t.to(dtype)) for t in constants]
    after = [segments.pick(s.to(dtype)).expand(full) for s in states]
    many = max(1, LARGEST // (segments.width * node.lead[0] * node.lead[1]))
    outs = []
    for first in range(k0, k0 + n, many):
        out, *after = _part(node, segments, kernel, [*segments.arrivals(first, min(many, k0 + n - first)), *after, *values])
        outs.append(out)
    shape = (node.group.n_pre, node.group.n) if node.edges is None else (len(segments.order),)
    after = [s[..., segments.back].reshape(*node.lead, *shape) for s in after]
    node.state = unflatten([a != 0 if f else a for a, f in zip(after, kernel.flags, strict=True)], tree)
    out = outs[0] if len(outs) == 1 else torch.cat(outs)
    node.trace.put(out + node.p.bias if node.bias else out)
    for take in node.takes:
        take(k0, n, node.window_lookup(k0, n))


def _part(node: ConnectionNode, segments: Segments, kernel: Kernel, given: list[Tensor]) -> list[Tensor]:
    """Return the output of some slots and the states after them; ``given``: arrivals, states, constants."""
    needs = [t.requires_grad for t in given]
    recorded = torch.is_grad_enabled() and any(needs)

    def make() -> _Edges:
        return _Edges(kernel, segments, node.lead, node.group.n, given)

    if not recorded:
        return make().forward()[1]
    kernel.backward_program(_wanted(kernel, needs))  # while another engine can still step in
    return recorded_run(make, given, needs, given)


def _wanted(kernel: Kernel, needs: Sequence[bool]) -> tuple[int, ...]:
    """Return what the kernel must differentiate."""
    first = len(needs) - kernel.constants
    return kernel.wanted([bool(any(needs[: first - kernel.states]))], needs[first:])


class _Edges:
    """One run of the connections of a group through some slots."""

    holds = ("came", "entry", "values")
    spent = False

    def __init__(self, kernel: Kernel, segments: Segments, lead: tuple[int, int], n: int, tensors: Sequence[Tensor]) -> None:
        self.kernel, self.segments, self.lead, self.n = kernel, segments, lead, n
        self.drivers = texts.drivers("edge grid", kernel.dtype)
        self.shapes = [t.shape for t in tensors]
        given = [t.detach().to(kernel.dtype) for t in tensors]
        last = len(given) - kernel.constants
        first = last - kernel.states
        self.came = [x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous() for x in given[:first]]
        self.entry = [t.contiguous() for t in given[first:last]]
        self.values = [t.contiguous() for t in given[last:]]
        self.slots = len(given[0])

    @property
    def tasks(self) -> int:
        """Rows times parts."""
        return self.lead[0] * self.lead[1] * (len(self.segments.cuts) - 1)

    def _record(self, outs: Tensor, **fields: Any) -> Record:
        """The record of both passes."""
        k, made, lead = self.kernel, self.segments, self.lead
        return Record(
            EDGE_GRID,
            tile=k.tile,
            slots=self.slots,
            every=EVERY,
            n_post=self.n,
            states=k.states,
            constants=k.constants,
            rows=lead[0] * lead[1],
            parts=len(made.cuts) - 1,
            cuts=made.cuts,
            segments=len(made.units),
            begins=made.begins,
            buckets=made.buckets,
            units=made.units,
            targets=made.targets,
            arrivals=np.stack([row_addresses(x, 1, 2, lead) for x in self.came]),
            steps=np.array([x.stride(0) for x in self.came], np.int64),
            entry=row_table(self.entry, lead),
            values=row_table(self.values, lead),
            single=np.array([int(t.shape[-1] == 1) for t in self.values] or [0], np.int64),
            outs=outs.data_ptr(),
        ).but(**fields)

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        """Run all slots; return no result that the gradient needs again, then the output and the final states."""
        parts = len(self.segments.cuts) - 1
        out = torch.zeros(parts, *self.lead, self.slots, self.n, dtype=self.kernel.dtype)
        leave = [torch.empty_like(t) for t in self.entry]
        record = self._record(out, leave=row_table(leave, self.lead))
        spread(self.tasks, lambda lo, hi: self.drivers["forward"](lo, hi, record.address))
        total = out[0] if parts == 1 else out.sum(0)
        return [], [total.permute(2, 0, 1, 3), *leave]

    def backward(self, grads: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradient of each tensor that was given."""
        k, full = self.kernel, (*self.lead, len(self.segments.order))
        slots = (self.slots, *self.lead, self.n)
        given = torch.zeros(slots, dtype=k.dtype) if grads[0] is None else grads[0].to(k.dtype).expand(slots)
        g_out = given.permute(1, 2, 0, 3).contiguous()
        last = len(needs) - k.constants
        first = last - k.states
        wanted = any(needs[:first])
        g_came = torch.zeros(*self.lead, len(self.segments.units), self.slots, dtype=k.dtype) if wanted else None
        g_entry = [torch.empty(full, dtype=k.dtype) for _ in self.entry]
        g_leave = [torch.zeros(full, dtype=k.dtype) if g is None else g.to(k.dtype).expand(full).contiguous() for g in grads[1:]]
        g_values = [torch.empty(full, dtype=k.dtype) if need else None for need in needs[last:]]
        record = self._record(
            g_out,
            again=k.again,
            back=k.backward(_wanted(k, needs)),
            g_arrivals=0 if g_came is None else g_came.data_ptr(),
            g_entry=row_table(g_entry, self.lead),
            g_leave=row_table(g_leave, self.lead),
            g_values=row_table(g_values, self.lead),
        )
        spread(self.tasks, lambda lo, hi: self.drivers["backward"](lo, hi, record.address))
        found = [self._bucket(g_came, b) if need and g_came is not None else None for b, need in enumerate(needs[:first])]
        found += [g if need else None for g, need in zip(g_entry, needs[first:last], strict=True)]
        found += g_values
        return [None if g is None else shaped(g, shape) for g, shape in zip(found, self.shapes, strict=True)]

    def _bucket(self, g_came: Tensor, bucket: int) -> Tensor:
        """Return the gradient of what arrived from one bucket, from that of its segments."""
        lo, hi = np.searchsorted(self.segments.buckets, [bucket, bucket + 1])
        found = g_came.new_zeros(self.slots, *self.lead, self.shapes[bucket][-1])
        found[..., torch.from_numpy(self.segments.units[lo:hi])] = g_came[:, :, lo:hi].permute(3, 0, 1, 2)
        return found
