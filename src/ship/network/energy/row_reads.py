"""The cells that one event on a row of a group reads: sums along rows, and the same charges as they enter the columns.

A row is a source unit with one delay. `along_rows` sums over the cells of a row (for the dissipated energy); `to_columns` sends
the events through the cells to the targets with the products of the engine (for the energy of the supply).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...engine.reference.connection import ConnectionNode
from ...engine.signals.line import Line
from ...engine.signals.products import project, project_edges, sum_edges
from ...groups.wiring import of_source


class Way(NamedTuple):
    """One line into a group: the units of one source, with one delay."""

    line: Line
    offset: int  # the first of these units on the group's pre axis
    width: int
    mask: Tensor | None  # [pre] or [pre, post], 1 where the cell has this delay; with edges [pre]
    chosen: Tensor | None  # with edges: the edges of this line


def ways(node: ConnectionNode) -> list[Way]:
    """Return all lines into a connection."""
    found = []
    for offset, width, buckets in node.feed.sources:
        for line, mask in buckets:
            if node.edges is None:
                found.append(Way(line, offset, width, mask, None))
            elif node.feed.edges is None:  # the state is on the pre side, so that arrivals belong to units, not to edges
                found.append(Way(line, offset, width, mask, of_source(node.edges.pre, offset, width)))
            else:
                assert mask is not None
                found.append(Way(line, offset, width, None, mask))
    return found


def arrived(line: Line, k0: int, n: int, like: Tensor) -> Tensor:
    """Sum the arrivals of slots k0 .. k0 + n - 1, ``[chip, batch, unit]`` in float64.

    The result is that of `Line.window` summed over slots, without the copy that it makes.
    """
    total, early = like.new_zeros(1, 1, line.width), line.early(k0, n, like)
    first = max(k0, line.lag)
    if first < k0 + n:
        total = line.trace.window(first - line.lag, k0 + n - first).sum(0)
    return total.double() if early is None else total.double() + early.sum(0).double()


def _cells(way: Way, cells: Tensor) -> Tensor:
    """Return the rows of this line, with zeros where a cell has another delay, ``[chip, pre, post]``."""
    own = cells[:, way.offset : way.offset + way.width]
    return own if way.mask is None else own * way.mask.to(own).reshape(way.width, -1)


def along_rows(node: ConnectionNode, way: Way, cells: Tensor) -> Tensor:
    """Sum over the cells of each row, ``[chip, pre]``; ``cells`` is ``[chip, pre, post]`` or ``[chip, edge]``."""
    if way.chosen is None:
        return _cells(way, cells).sum(-1)
    assert node.edges is not None
    rows = sum_edges(cells[:, way.chosen], node.edges.pre[way.chosen] - way.offset, way.width)
    return rows if way.mask is None else rows * way.mask.to(rows)


def to_columns(node: ConnectionNode, way: Way, counts: Tensor, cells: Tensor) -> Tensor:
    """Sum ``counts [chip, batch, pre]`` events through the cells to each target, ``[chip, batch, post]``."""
    if way.chosen is None:
        return project(counts.unsqueeze(0), _cells(way, cells).unsqueeze(1))[0]
    assert node.edges is not None
    sent = counts if way.mask is None else counts * way.mask.to(counts)
    pre, post = node.edges.pre[way.chosen] - way.offset, node.edges.post[way.chosen]
    return project_edges(sent.unsqueeze(0), cells[:, None, way.chosen], pre, post, node.group.n)[0]


def unit_cells(node: ConnectionNode) -> Tensor:
    """Return 1 for each cell, ``[1, pre, post]`` or ``[1, edge]``."""
    return torch.ones(1, *node.group.shape_of("connection"), dtype=torch.float64, device=node.group.die_ids.device)
