"""Edges of sparse connections as drivers follow them: sorted, with as few bytes an edge as will do."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....groups.connectivity import EdgeList
from ..emit import texts

Table = NDArray[np.int64]
LONG = 64  # slots from which on it is worth to look whether all edges of a source have one weight
SMALL = 2**16  # units from which on a number of one takes more than two bytes


class Weights(NamedTuple):
    """The weights of edges, in the order of a `Structure`; ``shared``: one for each source unit, which all its edges have."""

    values: Tensor  # [..., edge or pre]
    shared: bool


class ByPost(NamedTuple):
    """Both ends of all edges, and the edges in order of post: tables that drivers read."""

    edge_pre: NDArray[np.int32]  # [edge]
    edge_post: NDArray[np.int32]
    edge_order: NDArray[np.int32]  # [edge]: their numbers
    from_post: Table  # [post + 1]: where in that order those of each target begin


class Structure:
    """Edges in order of pre, then of post: the ``chosen`` ones of a connection, those from units ``offset`` on."""

    def __init__(self, edges: EdgeList, chosen: Tensor, offset: int, n_pre: int, n_post: int) -> None:
        every = len(chosen) == len(edges.pre) and bool((chosen == torch.arange(len(chosen))).all())
        pre, post = ((x if every else x[chosen]).numpy() for x in edges)
        self.n_pre, self.n_post = n_pre, n_post
        self.chosen = None if every else chosen  # in this order
        rising = post[1:] >= post[:-1]
        if not ((pre[1:] > pre[:-1]) | (pre[1:] == pre[:-1]) & rising).all():
            sort = texts.drivers("edges", torch.float32)["sort"]
            order = np.arange(len(post), dtype=np.int32 if len(post) < 2**31 else np.int64)
            if not rising.all():
                order = sort(post, n_post, 0, order)
            order = sort(pre, n_pre, offset, order)
            post = post[order]
            self.chosen = torch.from_numpy(order) if every else chosen[torch.from_numpy(order)]
        self.posts: NDArray[np.integer[Any]] = post.astype(np.uint16 if n_post <= SMALL else np.uint32)
        counts = np.bincount(pre - offset, minlength=n_pre)
        self.starts: Table = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.full = np.flatnonzero(self.starts[1:] > self.starts[:-1])  # the sources that have edges
        self._bounds: dict[tuple[int, ...], Table] = {}
        self._weights: tuple[Tensor, Weights] | None = None

    def bounds(self, cuts: tuple[int, ...]) -> Table:
        """``[part + 1, pre]``: where the edges of each source to each part of the targets begin; parts are cut at ``cuts``."""
        if cuts not in self._bounds:
            table = np.repeat(self.starts[None, :-1], len(cuts), 0)
            for row, cut in zip(table, cuts, strict=True):
                row[self.full] += np.add.reduceat(self.posts < cut, self.starts[self.full], dtype=np.int64)
            self._bounds[cuts] = table
        return self._bounds[cuts]

    @cached_property
    def by_post(self) -> ByPost:
        """What is needed to find the edges of a target unit, and the units of an edge."""
        count = len(self.posts)
        pre = np.repeat(np.arange(self.n_pre, dtype=np.int32), np.diff(self.starts))
        sort = texts.drivers("edges", torch.float32)["sort"]
        order = sort(self.posts, self.n_post, 0, np.arange(count, dtype=np.int32))
        starts: Table = np.concatenate([[0], np.cumsum(np.bincount(self.posts, minlength=self.n_post))]).astype(np.int64)
        return ByPost(pre, self.posts.astype(np.int32), order, starts)

    def sorted(self, values: Tensor) -> Tensor:
        """Return values of the connection's edges, ``[..., edge]``, in the order of the structure."""
        return values if self.chosen is None else values[..., self.chosen.long()]

    def back(self, values: Tensor) -> Tensor:
        """Return values in the order of the structure, which has all edges, in the order of the connection's."""
        if self.chosen is None:
            return values
        found = torch.empty_like(values)
        found[..., self.chosen.long()] = values
        return found

    def parts(self, most: int) -> Table:
        """Where parts of the sources begin, and their end: each has about ``most`` edges, or one source."""
        count = -(-len(self.posts) // most)
        return np.unique([0, *np.searchsorted(self.starts, np.arange(1, count) * most), self.n_pre])

    def forget(self) -> None:
        """The weights may have changed: a version does not count what changes ``.data``."""
        self._weights = None

    def weights(self, weight: Tensor, slots: int = LONG) -> Weights:
        """Those of the connection's weights, for so many slots; the last ones are kept until `forget`: a run in chunks asks again
        and again. Where they will have a gradient, they are what it flows through, one for each edge.
        """
        if slots < LONG or (weight.requires_grad and torch.is_grad_enabled()):
            return Weights(self._own(weight), False)
        if self._weights is None or self._weights[0] is not weight:
            self._weights = weight, self._condensed(self._own(weight))
        return self._weights[1]

    def _own(self, weight: Tensor) -> Tensor:
        if self.chosen is None:
            return weight
        # With leading axes ten times as fast as `index_select`, backward too.
        return weight.gather(-1, self.chosen.long().expand(*weight.shape[:-1], -1))

    def _condensed(self, weight: Tensor) -> Weights:
        first = self.starts[self.full]
        rows = weight.detach().reshape(-1, len(self.posts)).numpy()
        each = np.zeros((len(rows), self.n_pre), rows.dtype)
        for row, values in zip(each, rows, strict=True):
            row[self.full] = np.minimum.reduceat(values, first)
            if (row[self.full] != np.maximum.reduceat(values, first)).any():
                return Weights(weight, False)
        return Weights(torch.from_numpy(each).reshape(*weight.shape[:-1], self.n_pre), True)
