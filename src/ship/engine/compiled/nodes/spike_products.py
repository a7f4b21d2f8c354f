"""Products of signals that are mostly zero with dense weights; their time is in proportion to the nonzeros.

Every output element is summed in one order, entry after entry in the order of the pre units (in groups of `GROUP`), whatever the
number of threads. An entry of zero meets no weight, so that ``0 * inf`` is left out where a dense product has ``nan``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....base.threads import spread
from ...signals.products import project
from ..emit import texts
from ..run.executor import gradient_buffer
from ..tape.edges import Table

GROUP = 1024  # dense rows, one block of columns wide, that lie in the L2 cache together: 256 KB
REUSE = 2  # times that a dense row must be read for a copy of it to pay


class Entries(NamedTuple):
    """The nonzeros of rows of numbers, as `drivers.events` sorts them."""

    cuts: Table  # where groups of inner elements begin, and their end
    offsets: Table  # the first entry of each row, and the end
    first: Table  # [group, outer]
    last: Table
    indices: NDArray[np.int32]  # the inner element of each entry
    values: NDArray[Any]


def spike_product(x: Tensor, weight: Tensor) -> Tensor:
    """``x @ weight`` from the non-zero elements of ``x``, and its gradient to ``weight`` likewise. A dense product differs by
    rounding alone.

    Args:
        x: ``[slot, chip, batch, pre]``, mostly zeros: spikes, counts or graded values.
        weight: ``[pre, post]`` or ``[chip or 1, 1, pre, post]``.

    Returns:
        ``[slot, chip, batch, post]``.
    """
    if x.device.type != "cpu":
        return project(x, weight)
    return _Product.apply(x, weight)  # type: ignore[no-any-return, no-untyped-call]


PRODUCTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"dense": project, "events": spike_product}


class Choice(NamedTuple):
    """How a connection sums, and what was measured; None where it was fixed by hand."""

    how: str  # "dense" or "events"
    density: float | None = None  # fraction of the arrivals that is not zero
    dense: float | None = None  # s, all sums of the run: forward, and the gradient to weights that are trained
    events: float | None = None  # s

    def __str__(self) -> str:
        if self.density is None or self.dense is None or self.events is None:
            return f"{self.how}, fixed by hand"
        return f"{self.how} ({self.density:.2%} not zero; dense {self.dense * 1e3:.3g} ms, events {self.events * 1e3:.3g} ms)"


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        rows, dense = _rows(x.detach()), _matrices(weight.detach())
        lists = [find(part) for part in ([rows.flatten(0, 1)] if len(dense) == 1 else rows)]
        chips, batch, slots = max(len(rows), len(dense)), *rows.shape[1:3]
        out = x.new_empty(chips, batch, slots, weight.shape[-1])
        for c, matrix in enumerate(dense):
            multiply(lists[c % len(lists)], matrix, out.flatten(0, 1) if len(dense) == 1 else out[c])
        ctx.lists, ctx.x_shape, ctx.weight_shape = lists, x.shape, weight.shape
        ctx.save_for_backward(weight if ctx.needs_input_grad[0] else None)
        return out.permute(2, 0, 1, 3)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        g_x = g_weight = None
        if ctx.needs_input_grad[0]:
            (weight,) = ctx.saved_tensors
            g_x = project(g, weight.transpose(-1, -2)).sum_to_size(ctx.x_shape)
        if ctx.needs_input_grad[1]:
            g_weight = gradient_buffer(ctx.weight_shape, g.dtype)
            matrices, rows = _matrices(g_weight), _rows(g)
            for c, matrix in enumerate(matrices):
                part = rows.flatten(0, 1) if len(matrices) == 1 else rows[c]
                multiply(turned(ctx.lists[c % len(ctx.lists)], len(matrix)), part, matrix)
        return g_x, g_weight


def _rows(x: Tensor) -> Tensor:
    """Return a signal as ``[chip, batch, slot, unit]``, units side by side."""
    x = x.permute(1, 2, 0, 3)
    return x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()


def _matrices(weight: Tensor) -> list[Tensor]:
    """Return the matrix ``[pre, post]`` of each chip, or the one of all."""
    weight = weight if weight.stride(-1) == 1 or weight.shape[-1] == 1 else weight.contiguous()
    return [weight] if weight.ndim == 2 else list(weight.squeeze(1))


def addresses(rows: Tensor) -> Table:
    """Return the address of each row; rows run over all axes but the last."""
    found = np.array(rows.data_ptr(), np.int64)
    for size, stride in zip(rows.shape[:-1], rows.stride(), strict=False):
        found = found[..., None] + np.arange(size) * (stride * rows.element_size())
    return found.reshape(-1)


def _cuts(n: int) -> Table:
    return np.append(np.arange(0, n, GROUP), n)


def find(rows: Tensor) -> Entries:
    """List the nonzeros of rows; rows run over all axes but the last."""
    drivers, at, n = texts.drivers("events", rows.dtype), addresses(rows), rows.shape[-1]
    offsets, cuts = np.zeros(len(at) + 1, np.int64), _cuts(n)
    spread(len(at), lambda lo, hi: drivers["count"](lo, hi, at, n, offsets[1:]))
    np.cumsum(offsets, out=offsets)
    first, last = np.empty((2, len(cuts) - 1, len(at)), np.int64)
    indices, values = _lists(int(offsets[-1]), rows.dtype)
    spread(len(at), lambda lo, hi: drivers["collect"](lo, hi, at, cuts, offsets, first, last, indices, values))
    return Entries(cuts, offsets, first, last, indices, values)


def _lists(count: int, dtype: torch.dtype) -> tuple[NDArray[np.int32], NDArray[Any]]:
    return np.empty(count, np.int32), np.empty(count, np.float32 if dtype == torch.float32 else np.float64)


def turned(entries: Entries, n: int) -> Entries:
    """List the nonzeros of the transpose: inner elements are rows, outer ones the n columns."""
    drivers = texts.drivers("events", torch.float32 if entries.values.dtype == np.float32 else torch.float64)
    cuts = _cuts(len(entries.offsets) - 1)
    first, last = np.empty((2, len(cuts) - 1, n), np.int64)
    indices, values = np.empty_like(entries.indices), np.empty_like(entries.values)
    given = (entries.offsets, entries.indices, entries.values)
    spread(len(cuts) - 1, lambda lo, hi: drivers["turn"](lo, hi, cuts, *given, first, last, indices, values))
    return Entries(cuts, entries.offsets, first, last, indices, values)


def multiply(entries: Entries, dense: Tensor, out: Tensor) -> None:
    """Compute ``out[outer] = sum of value * dense[inner]``."""
    drivers, width = texts.drivers("events", dense.dtype), dense.shape[-1]
    outer, inner = entries.first.shape[1], int(entries.cuts[-1])
    blocks, threads = -(-width // drivers["BLOCK"]), torch.get_num_threads()
    splits = 1 if threads == 1 else max(1, min(outer, -(-2 * threads // blocks)))
    packed = len(entries.indices) >= REUSE * splits * inner
    lists = (entries.cuts, entries.first, entries.last, entries.indices, entries.values)
    args = (splits, packed, *lists, addresses(dense), addresses(out), width)
    spread(blocks * splits, lambda lo, hi: drivers["multiply"](lo, hi, *args))
