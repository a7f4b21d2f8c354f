"""A state on every connection: the connections of one source unit to a block of targets run through many slots while their states
stay in the cache, instead of all states passing through memory in each slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....base.parameters.bag import Bag
from ....base.threads import spread
from ....models.contract import Connection
from ...reference.connection import ConnectionNode
from ...reference.node import coefficients_of
from ...slot import connection_slot, on_connections
from ...trees import flatten, unflatten
from ..emit import texts
from ..emit.drivers.records import GRID
from ..emit.numba import BLOCK_BYTES
from ..kernels.kernel import Kernel, lean
from ..run.executor import Record, row_addresses, row_table
from ..tape.autograd import recorded_run
from ..tape.tape import EVERY
from ..trace.program import as_constants
from . import edge_grid


class Grid(NamedTuple):
    """The kernel of a connection group, with the constants that it reads: numbers of the leaves of `leaves`."""

    kernel: Kernel
    constants: tuple[int, ...]
    segments: edge_grid.Segments | None = None  # the connections, where they are no matrix with one arrival a row


def leaves(node: ConnectionNode) -> tuple[list[str], list[Tensor], Any]:
    """Names of the parameters; their tensors followed by the coefficients; the tree of these."""
    names = [k for k, v in vars(node.p).items() if isinstance(v, Tensor) and k != "bias"]
    coefficients, tree = coefficients_of(node)
    tensors = [vars(node.p)[k] for k in names] + as_constants(coefficients, node.like)
    return names, tensors, tree


def build(node: ConnectionNode) -> Grid:
    """Trace the model. Its only input is the arrival; the weight is one of the constants.

    Raises:
        Untraceable: it is no pointwise program.
    """
    model = node.group.model
    assert isinstance(model, Connection)
    names, tensors, tree = leaves(node)
    states, state_tree = flatten(node.group.state_form())
    flags = tuple(s.dtype == torch.bool for s in states)

    def function(state: Sequence[Tensor], x: Sequence[Tensor], constants: Sequence[Tensor]) -> Any:
        p = Bag(dict(zip(names, constants, strict=False)))
        c = None if tree is None else unflatten(list(constants[len(names) :]), tree)
        out, after, _ = connection_slot(model, unflatten(list(state), state_tree), Bag(on_connections(model, x[0], p)), p, c)
        return [out], flatten(after)[0]

    kernel, constants = lean(function, flags, 1, len(tensors), node.group.dtype)
    return Grid(kernel, constants, edge_grid.Segments(node) if edge_grid.follows_edges(node) else None)


def run(node: ConnectionNode, grid: Grid, k0: int, n: int) -> None:
    """Run slots ``k0 .. k0 + n - 1`` of a node."""
    _, tensors, _ = leaves(node)
    if grid.segments is not None:
        edge_grid.run(node, grid.segments, grid.kernel, [tensors[i] for i in grid.constants], k0, n)
        return
    arrivals = node.feed.arrivals(k0, n, node.like)
    states, tree = flatten(node.state)
    dtype = node.group.dtype
    given = [arrivals, *(s.to(dtype) for s in states), *(tensors[i] for i in grid.constants)]
    needs = [t.requires_grad for t in given]
    recorded = torch.is_grad_enabled() and any(needs)
    if recorded:
        grid.kernel.backward_program(grid.kernel.wanted([needs[0]], needs[1 + len(states) :]))

    def make() -> _Field:
        return _Field(grid.kernel, node.lead, node.group.n_pre, node.group.n, given)

    out, *after = recorded_run(make, given, needs, given) if recorded else make().forward()[1]
    node.state = unflatten([a != 0 if f else a for a, f in zip(after, grid.kernel.flags, strict=True)], tree)
    node.trace.put(out + node.p.bias if node.bias else out)
    for take in node.takes:
        take(k0, n, node.window_lookup(k0, n))


class _Field:
    """One run of a group of connections."""

    holds = ("x", "entry", "constants")
    spent = False

    def __init__(self, kernel: Kernel, lead: tuple[int, int], n_pre: int, n: int, tensors: Sequence[Tensor]) -> None:
        self.kernel, self.lead, self.n_pre, self.n = kernel, lead, n_pre, n
        self.drivers = texts.drivers("grid", kernel.dtype)
        self.shapes = [t.shape for t in tensors]
        self.size = kernel.dtype.itemsize
        self.blocks = -(-n // (BLOCK_BYTES // self.size))
        x, rest = tensors[0].detach().to(kernel.dtype), [t.detach().to(kernel.dtype) for t in tensors[1:]]
        self.x = x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()
        self.entry = [t.expand(*lead, n_pre, n).contiguous() for t in rest[: kernel.states]]
        self.constants = []
        for t in rest[kernel.states :]:
            four = t.reshape((1,) * (4 - t.ndim) + tuple(t.shape))
            self.constants.append(four.expand(*four.shape[:3], n).contiguous())
        self.strides = np.array([t.stride(2) * self.size if t.shape[2] > 1 else 0 for t in self.constants] or [0], np.int64)

    @property
    def rows(self) -> int:
        return self.lead[0] * self.lead[1]

    def _record(self, **fields: int | NDArray[Any]) -> Record:
        """The record that both passes begin with."""
        k = self.kernel
        return Record(
            GRID,
            tile=k.tile,
            slots=len(self.x),
            every=EVERY,
            n_pre=self.n_pre,
            n_post=self.n,
            states=k.states,
            constants=k.constants,
            arrivals=row_addresses(self.x, 1, 2, self.lead),
            arrival_step=self.x.stride(0),
            rows=self.rows,
            entry=row_table(self.entry, self.lead),
            values=row_table(self.constants, self.lead),
            strides=self.strides,
        ).but(**fields)

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        """Run all slots; return no result that the gradient needs again, then the output and the final states."""
        k, slots = self.kernel, len(self.x)
        out = torch.empty(*self.lead, slots, self.n, dtype=k.dtype).permute(2, 0, 1, 3)
        leave = [torch.empty_like(t) for t in self.entry]
        record = self._record(
            outs=row_addresses(out, 1, 2, self.lead), out_stride=out.stride(0) * self.size, leave=row_table(leave, self.lead)
        )
        spread(self.rows * self.blocks, lambda lo, hi: self.drivers["forward"](lo, hi, record.address))
        return [], [out, *leave]

    def backward(self, grads: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradient of each tensor that was given."""
        k, slots, s = self.kernel, len(self.x), self.kernel.states
        full = (*self.lead, self.n_pre, self.n)
        given = grads[0] if grads[0] is not None else torch.zeros(slots, *self.lead, self.n, dtype=k.dtype)
        g_out = given.to(k.dtype).expand(slots, *self.lead, self.n)
        g_out = g_out if g_out.stride(-1) == 1 else g_out.contiguous()
        g_x = torch.empty(*self.lead, self.blocks, slots, self.n_pre, dtype=k.dtype) if needs[0] else None
        g_entry = [torch.empty(full, dtype=k.dtype) for _ in self.entry]
        g_leave = [torch.zeros(full, dtype=k.dtype) if g is None else g.to(k.dtype).expand(full).contiguous() for g in grads[1:]]
        g_constants = [torch.empty(full, dtype=k.dtype) if need else None for need in needs[1 + s :]]
        tasks = self.rows * self.blocks
        step = slots * self.n_pre * self.size
        at_x = np.zeros(tasks, np.int64) if g_x is None else g_x.data_ptr() + np.arange(tasks, dtype=np.int64) * step
        record = self._record(
            again=k.again,
            back=k.backward(k.wanted([needs[0]], needs[1 + s :])),
            outs=row_addresses(g_out, 1, 2, self.lead),
            out_stride=g_out.stride(0) * self.size,
            g_arrivals=at_x,
            g_entry=row_table(g_entry, self.lead),
            g_leave=row_table(g_leave, self.lead),
            g_values=row_table(g_constants, self.lead),
        )
        spread(tasks, lambda lo, hi: self.drivers["backward"](lo, hi, record.address))
        arrivals = None if g_x is None else g_x.sum(2).permute(2, 0, 1, 3)
        found = [arrivals, *(g if need else None for g, need in zip(g_entry, needs[1 : 1 + s], strict=True)), *g_constants]
        return [
            None if g is None else g.sum_to_size(shape) if g.shape != shape else g
            for g, shape in zip(found, self.shapes, strict=True)
        ]
