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
from ..run.executor import Record, row_addresses, row_table
from ..tape.edges import Structure
from ..trace.program import NotNow, Untraceable

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
    """Run slots ``k0 .. k0 + n - 1`` of a node.

    Raises:
        NotNow: a gradient is wanted.
    """
    states, tree = flatten(node.state)
    needs = torch.is_grad_enabled() and any(t.requires_grad for t in [*states, *constants, *vars(node.p).values()])
    values = [segments.pick(t.detach().to(node.group.dtype)).contiguous() for t in constants]
    full = (*node.lead, len(segments.order))
    entry = [segments.pick(s.to(node.group.dtype)).expand(full).contiguous() for s in states]
    many = max(1, LARGEST // (segments.width * node.lead[0] * node.lead[1]))
    outs = []
    for first in range(k0, k0 + n, many):
        came = segments.arrivals(first, min(many, k0 + n - first))
        if needs or (torch.is_grad_enabled() and any(t.requires_grad for t in came)):
            raise NotNow("a gradient through a state on every edge")
        out, entry = _forward(node, segments, kernel, values, entry, came)
        outs.append(out)
    shape = (node.group.n_pre, node.group.n) if node.edges is None else (len(segments.order),)
    after = [s[..., segments.back].reshape(*node.lead, *shape) for s in entry]
    node.state = unflatten([a != 0 if f else a for a, f in zip(after, kernel.flags, strict=True)], tree)
    out = outs[0] if len(outs) == 1 else torch.cat(outs)
    node.trace.put(out + node.p.bias if node.bias else out)
    for take in node.takes:
        take(k0, n, node.window_lookup(k0, n))


def _forward(
    node: ConnectionNode, segments: Segments, kernel: Kernel, values: list[Tensor], entry: list[Tensor], came: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Return the output of some slots, and the states after them."""
    lead, dtype, slots = node.lead, kernel.dtype, len(came[0])
    came = [x.to(dtype) if x.stride(-1) == 1 or x.shape[-1] == 1 else x.to(dtype).contiguous() for x in came]
    rows, parts = lead[0] * lead[1], len(segments.cuts) - 1
    out = torch.zeros(parts, *lead, slots, node.group.n, dtype=dtype)
    leave = [torch.empty_like(t) for t in entry]
    record = Record(
        EDGE_GRID,
        tile=kernel.tile,
        slots=slots,
        n_post=node.group.n,
        states=kernel.states,
        constants=kernel.constants,
        rows=rows,
        parts=parts,
        cuts=segments.cuts,
        begins=segments.begins,
        buckets=segments.buckets,
        units=segments.units,
        targets=segments.targets,
        arrivals=np.stack([row_addresses(x, 1, 2, lead) for x in came]),
        steps=np.array([x.stride(0) for x in came], np.int64),
        entry=row_table(entry, lead),
        leave=row_table(leave, lead),
        values=row_table(values, lead),
        single=np.array([t.shape[-1] == 1 for t in values] or [0], np.int64),
        outs=out.data_ptr(),
    )
    drive = texts.drivers("edge grid", dtype)["forward"]
    spread(rows * parts, lambda lo, hi: drive(lo, hi, record.address))
    total = out[0] if parts == 1 else out.sum(0)
    return total.permute(2, 0, 1, 3), leave
