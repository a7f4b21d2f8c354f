r"""The exact solution of a crossbar by elimination of one column after the other, with dense matrices over the rows.

The wire of column j, a tridiagonal system in its nodes w_j, is eliminated first: with ``D = diag(G_j)`` and ``B`` the inverse
of the column's matrix (wires, ends and D),

    ``w = B D u + b c``          b: voltages for 1 V at the column's terminal, c: the terminal's voltage
    ``S = D - D B D``            the current that the column takes from the row nodes per V; ``y = D b`` per V at its terminal

The rest couples neighbouring columns through one segment r of each row. With the admittance Y_{j+1} of all behind column j,

    ``A_j = S_j + Y_{j+1}``,   ``W_j = (1 + r A_j)^-1``,   ``Y_j = A_j W_j``
    ``q_j = s_j + W_{j+1} q_{j+1}``,   ``u_j = W_j (u_{j-1} + r q_j)``

where s are the currents into the row nodes. W has eigenvalues in (0, 1], and r and A appear as the product r A only, so that
neither small r, down to 0, nor strong IR drop loses digits. ``Y = (1 - W) / r`` saves a product; its error, eps / r, is
multiplied by the resistance of the driver, so that it is used up to a `RATIO` of the two. The cost is about ``5 n m^3``
operations.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .network_form import Lines, Net

RATIO = 1e3  # largest ratio of driver to segment resistance for the shortcut: 1e3 eps sqrt(n) = 4e-12 at n = 256


class BlockColumns(NamedTuple):
    """The eliminated columns, ``[batch, n, ...]``."""

    B: Tensor  # ohm, [batch, n, m, m]; from currents into the column to its node voltages
    b: Tensor  # [batch, n, m]; node voltages of the column for 1 V at its terminal
    g: Tensor  # S, [batch, n, m]; the conductances of the cells


class Factor(NamedTuple):
    """A network whose columns are eliminated."""

    columns: BlockColumns
    W: list[Tensor]  # [batch, m, m] for each column j; where r = 0, column 0 is the only one
    driven: Tensor  # [batch, m, 1]; 0 where a row floats, else 1
    series: Tensor  # ohm, [batch, m, 1]; the resistance of the near end, or a scale where a row floats


def column_inverse(g: Tensor, lines: Lines) -> BlockColumns:
    """Invert the matrices of columns with cells ``g [batch, n, m]`` by recurrences of positive terms."""
    m, r = g.shape[-1], lines.r
    near, far = 1 / lines.near, 1 / lines.far
    if r == 0:  # the column is one node
        z = 1 / (near + g.sum(-1))
        b = 1 / (1 + lines.near * g.sum(-1))
        return BlockColumns(z[..., None, None].expand(*g.shape, m), b.unsqueeze(-1).expand_as(g), g)
    # Admittances at a node: `behind` towards the far end, its cell included, `before` towards the near end.
    behind, before = torch.empty_like(g), torch.empty_like(g)
    transfer = torch.empty_like(g)  # the voltage of node i divided by that of node i - 1
    side = far
    for i in range(m - 1, -1, -1):
        full = side + g[..., i]
        behind[..., i], transfer[..., i] = full, 1 / (1 + r * full)
        side = full * transfer[..., i]
    side = near
    for i in range(m):
        before[..., i] = side
        full = side + g[..., i]
        side = full / (1 + r * full)
    B = torch.empty(*g.shape, m, dtype=g.dtype, device=g.device)
    own = 1 / (behind + before)
    B[..., 0, 0] = own[..., 0]
    for i in range(1, m):
        row = B[..., i - 1, :i] * transfer[..., i, None]
        B[..., i, :i], B[..., :i, i], B[..., i, i] = row, row, own[..., i]
    b = B[..., 0] * near.unsqueeze(-1) + B[..., m - 1] * far.unsqueeze(-1)
    return BlockColumns(B, b, g)


def _taken(columns: BlockColumns, j: int) -> Tensor:
    """Return S_j, ``[batch, m, m]``."""
    g = columns.g[:, j]
    S = columns.B[:, j] * g.unsqueeze(-1) * -g.unsqueeze(-2)
    S.diagonal(dim1=-2, dim2=-1).add_(g)
    return S


def factor(net: Net) -> Factor:
    """Eliminate all columns, beginning at the far end of the rows."""
    n, r = net.G.shape[-1], net.rows.r
    columns = column_inverse(net.G.mT.contiguous(), net.columns)
    near = net.rows.near[net.rows.near.isfinite()]
    subtract = r > 0 and bool((near <= RATIO * r).all())
    A = _taken(columns, n - 1)
    A.diagonal(dim1=-2, dim2=-1).add_(1 / net.rows.far)
    W: list[Tensor] = []
    for j in range(n - 1, 0, -1):
        if r > 0:
            M = A * r
            M.diagonal(dim1=-2, dim2=-1).add_(1)
            W.append(torch.cholesky_inverse(torch.linalg.cholesky(M)))
            A = W[-1] * (-1 / r) if subtract else A @ W[-1]
            if subtract:
                A.diagonal(dim1=-2, dim2=-1).add_(1 / r)
        A += _taken(columns, j - 1)
    driven = net.rows.near.isfinite().to(A.dtype)
    series = torch.where(driven > 0, net.rows.near, 1 / A.diagonal(dim1=-2, dim2=-1))
    first = A * series.unsqueeze(-1)
    first.diagonal(dim1=-2, dim2=-1).add_(driven)
    W.append(torch.linalg.inv(first))
    return Factor(columns, W[::-1], driven.unsqueeze(-1), series.unsqueeze(-1))


def row_nodes(net: Net, f: Factor, v: Tensor | None, c: Tensor | None) -> list[Tensor]:
    """Return the voltages of the row nodes of each column, ``n`` tensors ``[batch, m, k]``.

    Args:
        net: the networks.
        f: the result of `factor` for them.
        v: voltages of the rows' terminals in V, ``[batch, m, k]``; None is 0 V.
        c: voltages of the columns' terminals in V, ``[batch, n, k]``; None is 0 V.
    """
    n, r = net.G.shape[-1], net.rows.r
    far = (1 / net.rows.far).unsqueeze(-1)
    y = f.columns.g * f.columns.b

    def source(j: int) -> Tensor | None:
        here = None if c is None else y[:, j].unsqueeze(-1) * c[:, j].unsqueeze(-2)
        if j == n - 1 and v is not None and bool((far > 0).any()):
            here = far * v if here is None else here + far * v
        return here

    q: list[Tensor | None] = [None] * n
    for j in range(n - 1, -1, -1):
        carried, here = (None if j == n - 1 else q[j + 1]), source(j)
        if carried is not None:
            carried = carried if r == 0 else f.W[j + 1] @ carried
            here = carried if here is None else here + carried
        q[j] = here
    first = q[0]
    right = torch.zeros_like(f.driven) if v is None else f.driven * v
    u = [f.W[0] @ (right if first is None else right + f.series * first)]
    for j in range(1, n):
        here = q[j]
        u.append(u[-1] if r == 0 else f.W[j] @ (u[-1] if here is None else u[-1] + r * here))
    return u


def oriented(net: Net) -> tuple[Net, bool]:
    """Turn a network so that its lines without resistance, or else the fewer lines, are rows; return whether it was turned."""
    m, n = net.G.shape[-2:]
    swap = net.rows.r > 0 if net.columns.r == 0 else net.rows.r > 0 and m > n
    return (net.transposed, True) if swap else (net, False)


def nodes(net: Net, v: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return the voltages of row nodes and column nodes, ``[batch, m, n]``, for terminals ``v [batch, m]``, ``c [batch, n]``."""
    turned, swap = oriented(net)
    if swap:
        w, u = nodes(turned, c, v)
        return u.mT, w.mT
    f = factor(net)
    u = torch.cat(row_nodes(net, f, v.unsqueeze(-1), c.unsqueeze(-1)), -1)  # [batch, m, n]
    columns = f.columns
    w = (columns.B @ (columns.g * u.mT).unsqueeze(-1)).squeeze(-1) + columns.b * c.unsqueeze(-1)
    return u, w.mT


def effective(net: Net) -> Tensor:
    """Return the currents of the columns for 1 V at each row, ``[batch, m, n]`` in S."""
    turned, swap = oriented(net)
    if swap:
        return effective(turned).mT
    f = factor(net)
    y = (f.columns.g * f.columns.b).unsqueeze(-1)
    eye = torch.eye(net.G.shape[-2], dtype=net.G.dtype, device=net.G.device).expand(len(net.G), -1, -1)
    return torch.cat([x.mT @ y[:, j] for j, x in enumerate(row_nodes(net, f, eye, None))], -1)


def effective_gradient(net: Net, grad: Tensor) -> Tensor:
    """Return the gradient with respect to ``G`` of ``sum(grad * effective)``, ``[batch, m, n]``.

    ``d G_eff[i, k] / d G[a, j] = -(voltage across the cell for 1 V at row i) (the same for 1 V at column k)``, so that all
    columns can be excited at once, weighted by ``grad[i, :]``.
    """
    turned, swap = oriented(net)
    if swap:
        return effective_gradient(turned, grad.mT).mT
    f = factor(net)
    eye = torch.eye(net.G.shape[-2], dtype=net.G.dtype, device=net.G.device).expand(len(net.G), -1, -1)
    found = []
    weight = grad.mT.contiguous()  # [batch, n, inputs]
    for j, (x, a) in enumerate(zip(row_nodes(net, f, eye, None), row_nodes(net, f, None, weight), strict=True)):
        Bg = f.columns.B[:, j] * f.columns.g[:, j].unsqueeze(-2)
        across = x - Bg @ x
        adjoint = a - Bg @ a - f.columns.b[:, j].unsqueeze(-1) * weight[:, j].unsqueeze(-2)
        found.append(-(across * adjoint).sum(-1))
    return torch.stack(found, -1)
