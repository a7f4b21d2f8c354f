"""The input of a connection: the lines of all its sources and delays, and their sums through the weights."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...base.parameters import Kind
from ...groups.connectivity import EdgeList
from ...groups.wiring import of_source
from .history import History
from .line import Line
from .products import project, project_edges


class Bucket(NamedTuple):
    """The part of a connection that has one delay: the whole connection (mask None), or the part where the mask is 1."""

    line: Line
    mask: Tensor | None  # [pre] or [pre, post]; with edges the indices of the source's edges that have this delay


class Feed:
    """The input of a connection: for each source its buckets of equal delay; sources lie side by side on the pre axis."""

    def __init__(self, n_post: int, edges: EdgeList | None = None) -> None:
        self.sources: list[tuple[int, int, list[Bucket]]] = []  # (offset, width, buckets)
        self.n_post, self.edges = n_post, edges
        self.product: Callable[[Tensor, Tensor], Tensor] = project  # sums signals through weights

    def add(self, trace: History, kind: Kind, offset: int, width: int, delay: Tensor) -> list[Line]:
        """Connect a source and return its lines, one for each delay."""
        buckets = []
        every = None if self.edges is None else of_source(self.edges.pre, offset, width)
        for d in torch.unique(delay).tolist():
            mask = None
            if every is not None:
                mask = every[delay == d] if delay.ndim else every
            elif delay.ndim == 2 and bool((delay != d).any()):
                mask = delay == d  # takes one byte for each connection
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
        """Whether one source unit reaches different targets with different delays."""
        if self.edges is not None:
            return any(len(buckets) > 1 for _, _, buckets in self.sources)
        return any(b.mask is not None and b.mask.ndim == 2 for _, _, buckets in self.sources for b in buckets)

    def arrivals(self, k0: int, n: int, like: Tensor, skip: Container[Line] = ()) -> Tensor:
        """Return the signals that arrive in n slots, ``[n, chip, batch, pre]``, where no delay is per connection.

        Lines in ``skip`` contribute only what was in flight before the segment.
        """
        parts = []
        for _, _, buckets in self.sources:
            masks = (b.mask if self.edges is None else None for b in buckets)  # with edges the mask names edges, not units
            parts.append(_total(_masked(_arrival(b.line, k0, n, like, skip), m) for b, m in zip(buckets, masks, strict=True)))
        return parts[0] if len(parts) == 1 else torch.cat(same_lead(parts), -1)

    def weighted(
        self, k0: int, n: int, weight: Tensor, like: Tensor, skip: Container[Line] = (), *, square: bool = False
    ) -> Tensor:
        """Return the sums of arrivals through the weights, ``[n, chip, batch, post]``; with ``square``, of squared arrivals."""
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
        """Return the signals that arrive on each edge, ``[n, chip, batch, edge]``."""
        assert self.edges is not None
        parts, places = [], []
        for offset, _, buckets in self.sources:
            for line, chosen in buckets:
                assert chosen is not None
                parts.append(line.window(k0, n, like)[..., self.edges.pre[chosen] - offset])
                places.append(chosen)
        if not parts:
            return like.new_zeros((n, 1, 1, 0))
        joined, order = torch.cat(same_lead(parts), -1), torch.cat(places)
        return joined[..., torch.argsort(order)]

    def dense(self, k0: int, n: int, like: Tensor) -> Tensor:
        """Return the signals that arrive on each connection.

        The shape is ``[n, chip, batch, pre, post or 1]``, or ``[n, chip, batch, edge]`` with edges.
        """
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
        return torch.cat(same_lead(parts), -2)


def _arrival(line: Line, k0: int, n: int, like: Tensor, skip: Container[Line]) -> Tensor:
    if line not in skip:
        return line.window(k0, n, like)
    early = line.early(k0, n, like)
    return like.new_zeros((n, 1, 1, line.width)) if early is None else early


def same_lead(tensors: list[Tensor]) -> list[Tensor]:
    """Broadcast the leading axes to one shape and leave the last axis unchanged."""
    lead = np.broadcast_shapes(*(t.shape[:3] if t.ndim > 3 else t.shape[:2] for t in tensors))
    return [t if t.shape[: len(lead)] == lead else t.expand(*lead, *t.shape[len(lead) :]) for t in tensors]


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask.to(x)


def _total(parts: Iterable[Tensor]) -> Tensor:
    """Return the sum of tensors, which are made one after the other."""
    return reduce(add, parts)
