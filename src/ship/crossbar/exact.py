"""Exact currents of a crossbar with resistive wires, drivers and sense amplifiers: IR drop and sneak paths.

Kirchhoff's current law at the ``2 m n`` nodes of rows and columns. The network is linear, and rows that do not spike are held
at 0 V, so that the column currents are ``I = V @ G_eff`` with one effective matrix for all inputs: solved once, it costs
nothing in the time loop. Gradients are adjoint solves: ``dI_k / dG = -(voltage across the cell) (the same for 1 V at column k
alone)``.

All is solved in float64, whatever the dtype of ``G``, which the results have.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..base.errors import ParameterError
from ..base.native import cache
from ..base.threads import spread
from . import elimination
from .network_form import Net, check_anchored, check_conductances, network
from .settings import Crossbar

MOST_STEPS = 500  # of conjugate gradients; what needs more is eliminated
TOLERANCE = 1e-15  # of the residual, in the norm of the preconditioner and relative to that of the sources
STEEP = 12.0  # line lengths in decay lengths from where on elimination is used, so that small currents keep their digits
CHUNK = 1 << 21  # entries n m^2 that are eliminated at once: 16 MiB


class Nodes(NamedTuple):
    """Voltages of the nodes, without gradient."""

    row: Tensor  # V, [..., m, n]
    column: Tensor  # V, [..., m, n]


def effective(G: Tensor, wires: Crossbar) -> Tensor:
    """The matrix that gives the column currents of all inputs: ``I = V @ G_eff``.

    Args:
        G: S, ``[..., m, n]``; leading axes are chips.
        wires: resistances of wires, drivers and sense amplifiers; its other fields are not looked at.

    Returns:
        S, ``[..., m, n]``; ``G`` itself where all resistances are 0. Differentiable once in ``G``. About ``5 m n min(m, n)^2``
        operations for each chip.

    Raises:
        ParameterError: ``G`` is not a matrix of finite conductances of at least 0 S.
    """
    check_conductances("effective", G)
    if _ideal(wires) or G.numel() == 0:
        return G
    result: Tensor = _Effective.apply(G, wires)  # type: ignore[no-untyped-call]
    return result


def currents(
    G: Tensor,
    v: Tensor,
    wires: Crossbar,
    *,
    column_v: Tensor | None = None,
    floating_rows: Tensor | None = None,
    floating_columns: Tensor | None = None,
) -> Tensor:
    """Currents out of the columns into the sense amplifiers, for given row voltages.

    Leading axes are broadcast against each other. For many inputs to one ``G``, `effective` is cheaper.

    Args:
        G: S, ``[..., m, n]``.
        v: V, of the rows, ``[..., m]``.
        wires: resistances of wires, drivers and sense amplifiers; its other fields are not looked at.
        column_v: V, of the columns, ``[..., n]``; None: virtual ground.
        floating_rows: True where a row is not driven, ``[..., m]``, whatever its ``v``.
        floating_columns: True where a column is not connected, ``[..., n]``; its current is 0.

    Returns:
        A, ``[..., n]``. Differentiable once in ``G``, ``v`` and ``column_v``.

    Raises:
        ParameterError: shapes that do not fit; conductances or voltages that are not finite; a floating line without connection.
    """
    return _solved("currents", G, v, wires, column_v, floating_rows, floating_columns)[0]


def nodes(
    G: Tensor,
    v: Tensor,
    wires: Crossbar,
    *,
    column_v: Tensor | None = None,
    floating_rows: Tensor | None = None,
    floating_columns: Tensor | None = None,
) -> tuple[Tensor, Nodes]:
    """`currents`, with the voltages of all nodes."""
    result, u, w = _solved("nodes", G, v, wires, column_v, floating_rows, floating_columns)
    return result, Nodes(u, w)


def _solved(
    where: str, G: Tensor, v: Tensor, wires: Crossbar, column_v: Tensor | None, rows: Tensor | None, columns: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    check_conductances(where, G)
    m, n = G.shape[-2:]
    column_v = G.new_zeros(n) if column_v is None else column_v
    for name, value, size in (("v", v, m), ("column_v", column_v, n)):
        if not isinstance(value, Tensor) or value.ndim < 1 or value.shape[-1] != size:
            got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ParameterError(f"{where}: {name}", f"must have a last axis of {size}", got=got)
        if value.dtype != G.dtype or not bool(value.isfinite().all()):
            fault = value.dtype if value.dtype != G.dtype else "some that are not finite"
            raise ParameterError(f"{where}: {name}", f"must be finite voltages of dtype {G.dtype}", got=fault)
    masks = (("floating_rows", rows, m), ("floating_columns", columns, n))
    for name, mask, size in masks:
        if mask is not None and (mask.dtype != torch.bool or mask.ndim < 1 or mask.shape[-1] != size):
            raise ParameterError(
                f"{where}: {name}", f"must be truth values [..., {size}]", got=f"{mask.dtype} {list(mask.shape)}"
            )
    lead = [x.shape[:-1] for x in (v, column_v, rows, columns) if x is not None]
    try:
        batch = torch.broadcast_shapes(G.shape[:-2], *lead)
    except RuntimeError:
        raise ParameterError(
            f"{where}: leading axes", "must fit together", got=[list(s) for s in (G.shape[:-2], *lead)]
        ) from None
    flat = [None if x is None else x.expand(*batch, x.shape[-1]).reshape(-1, x.shape[-1]) for x in (v, column_v, rows, columns)]
    found = _Currents.apply(G.expand(*batch, m, n).reshape(-1, m, n), *flat, wires)  # type: ignore[no-untyped-call]
    result, u, w = (x.reshape(*batch, *x.shape[1:]) for x in found)
    return result, u, w


def _ideal(wires: Crossbar) -> bool:
    return wires.r_row == wires.r_col == wires.r_driver == wires.r_sense == 0


class _Currents(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, G: Tensor, v: Tensor, c: Tensor, rows: Tensor | None, columns: Tensor | None, wires: Crossbar
    ) -> tuple[Tensor, Tensor, Tensor]:
        net = network(G.double(), wires, rows, columns)
        if rows is not None or columns is not None:
            check_anchored("currents", net)
        u, w = solve(net, v.double().flip(-1), c.double())
        across = u - w
        ctx.net, ctx.across, ctx.dtype = net, across, G.dtype
        out = (net.G * across).sum(-2).to(G.dtype), u.flip(-2).to(G.dtype), w.flip(-2).to(G.dtype)
        ctx.mark_non_differentiable(*out[1:])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        net: Net = ctx.net
        u, w = solve(net, net.G.new_zeros(net.G.shape[:2]), grads[0].double())
        adjoint = u - w
        taken = net.G * adjoint
        found = (-adjoint * ctx.across).flip(-2), -taken.sum(-1).flip(-1), taken.sum(-2)
        return (*(x.to(ctx.dtype) for x in found), None, None, None)


class _Effective(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, G: Tensor, wires: Crossbar) -> Tensor:
        ctx.save_for_backward(G)
        ctx.wires = wires
        net = network(G.reshape(-1, *G.shape[-2:]).double(), wires)
        out = torch.empty_like(net.G)

        def work(part: Net, lo: int, hi: int) -> None:
            out[lo:hi] = elimination.effective(part)

        _chunks(net, work)
        return out.flip(-2).reshape(G.shape).to(G.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (G,) = ctx.saved_tensors
        net = network(G.reshape(-1, *G.shape[-2:]).double(), ctx.wires)
        grad, out = grads[0].reshape(net.G.shape).double().flip(-2), torch.empty_like(net.G)

        def work(part: Net, lo: int, hi: int) -> None:
            out[lo:hi] = elimination.effective_gradient(part, grad[lo:hi])

        _chunks(net, work)
        return out.flip(-2).reshape(G.shape).to(G.dtype), None


def _chunks(net: Net, work: Any) -> None:
    """``work(part, lo, hi)`` on parts of the batch that fit in caches; on the CPU, parts are spread over threads."""
    batch, m, n = net.G.shape
    size = max(1, CHUNK // (m * n * min(m, n)))
    parts = -(-batch // size)

    def some(first: int, last: int) -> None:
        with torch.no_grad():  # a thread has its own setting
            for i in range(first, last):
                lo, hi = i * size, min((i + 1) * size, batch)
                work(net.part(lo, hi), lo, hi)

    if net.G.device.type == "cpu":
        spread(parts, some)
    else:
        some(0, parts)


def _decay(net: Net) -> float:
    """The longer of the lines in their decay lengths ``1 / sqrt(r G)``, at the mean conductance."""
    mean = float(net.G.mean())
    m, n = net.G.shape[-2:]
    return max(n * math.sqrt(net.rows.r * mean), m * math.sqrt(net.columns.r * mean))


def solve(net: Net, v: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Node voltages ``[batch, m, n]`` of rows and columns for terminals at ``v [batch, m]`` and ``c [batch, n]``; all float64.

    Conjugate gradients, compiled, where they serve: on the CPU with Numba, all wires resistive and no line of many decay lengths;
    otherwise, and for what does not converge, elimination.
    """
    u, w = torch.empty_like(net.G), torch.empty_like(net.G)
    left = torch.ones(len(net.G), dtype=torch.bool)
    serves = net.G.device.type == "cpu" and cache.available() and min(net.rows.r, net.columns.r) > 0
    if serves and len(net.G) and _decay(net) < STEEP:
        left = _iterated(net, v, c, u, w)
    if bool(left.any()):
        at = left.nonzero().flatten().to(net.G.device)
        rows, columns = (s._replace(near=s.near[at], far=s.far[at]) for s in (net.rows, net.columns))

        def work(part: Net, lo: int, hi: int) -> None:
            u[at[lo:hi]], w[at[lo:hi]] = elimination.nodes(part, v[at[lo:hi]], c[at[lo:hi]])

        _chunks(Net(net.G[at], rows, columns), work)
    return u, w


def _iterated(net: Net, v: Tensor, c: Tensor, u: Tensor, w: Tensor) -> Tensor:
    """Conjugate gradients into ``u`` and ``w``; True where they did not converge."""
    run = cache.load_file(Path(__file__).with_name("conjugate_gradient.py"))["solve"]
    rows, columns = (((1 / side.near).numpy(), (1 / side.far).numpy(), 1 / side.r) for side in (net.rows, net.columns))
    arrays = [x.contiguous().numpy() for x in (v, c, u, w)]
    cells, steps = net.G.numpy(), torch.zeros(len(net.G), dtype=torch.int64)

    def work(lo: int, hi: int) -> None:
        run(lo, hi, cells, rows, columns, *arrays, MOST_STEPS, TOLERANCE, steps.numpy())

    spread(len(net.G), work)
    return steps < 0
