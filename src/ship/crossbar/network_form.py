"""A crossbar as two sets of lines, in the single orientation that the solvers know.

Rows have their near end at column 0. Columns have their near end at row 0: the solvers count rows from the sense amplifiers on,
in the reverse of the user's order. By reciprocity, a solver for (rows, columns) serves (columns, rows) on ``G^T``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..base.errors import ParameterError
from .settings import Crossbar


class Lines(NamedTuple):
    """The rows, or the columns, of a batch of networks."""

    r: float  # ohm, between neighbouring nodes
    near: Tensor  # ohm, from the terminal to the first node, [batch, lines]; inf where open
    far: Tensor  # ohm, from the same terminal to the last node, [batch, lines]; inf where open


class Net(NamedTuple):
    """A batch of linear networks."""

    G: Tensor  # S, [batch, m, n], float64
    rows: Lines
    columns: Lines

    @property
    def transposed(self) -> Net:
        """The same networks with rows and columns exchanged."""
        return Net(self.G.mT.contiguous(), self.columns, self.rows)

    def part(self, lo: int, hi: int) -> Net:
        """Return the networks ``lo .. hi - 1`` of the batch."""
        rows, columns = (Lines(s.r, s.near[lo:hi], s.far[lo:hi]) for s in (self.rows, self.columns))
        return Net(self.G[lo:hi], rows, columns)


def _lines(r: float, end: float, both: bool, floating: Tensor, like: Tensor) -> Lines:
    near, far = r + end, r + end if both else float("inf")
    if r == 0 and both:  # the line is one node, whose two ends act in parallel
        near, far = end / 2, float("inf")
    near_end = torch.full(floating.shape, near, dtype=like.dtype, device=like.device).masked_fill(floating, float("inf"))
    far_end = torch.full(floating.shape, far, dtype=like.dtype, device=like.device).masked_fill(floating, float("inf"))
    return Lines(r, near_end, far_end)


def network(G: Tensor, wires: Crossbar, floating_rows: Tensor | None = None, floating_columns: Tensor | None = None) -> Net:
    """Bring a crossbar into the form of the solvers.

    Args:
        G: conductances in S, ``[batch, m, n]``, rows in the user's order.
        wires: wires and periphery.
        floating_rows: a mask ``[batch, m]`` of the rows that are not driven; None for none.
        floating_columns: a mask ``[batch, n]`` of the columns that are not connected; None for none.
    """
    G = G.detach().flip(-2).contiguous()
    batch, m, n = G.shape
    rows = torch.zeros(batch, m, dtype=torch.bool, device=G.device) if floating_rows is None else floating_rows.flip(-1)
    columns = torch.zeros(batch, n, dtype=torch.bool, device=G.device) if floating_columns is None else floating_columns
    return Net(
        G,
        _lines(wires.r_row, wires.r_driver, wires.drive == "both", rows, G),
        _lines(wires.r_col, wires.r_sense, wires.sense == "both", columns, G),
    )


def check_conductances(where: str, G: Tensor) -> None:
    """Check that ``G`` is a matrix of finite conductances of at least 0 S.

    Raises:
        ParameterError: it is not.
    """
    if not isinstance(G, Tensor) or not G.is_floating_point() or G.ndim < 2 or 0 in G.shape[-2:]:
        got = f"{G.dtype} {list(G.shape)}" if isinstance(G, Tensor) else type(G).__name__
        raise ParameterError(f"{where}: G", "must be a tensor of real numbers [..., m, n] with at least one cell", got=got)
    least, most = (float(x) for x in torch.aminmax(G.detach())) if G.numel() else (0.0, 0.0)
    if not (least >= 0 and most < float("inf")):
        raise ParameterError(f"{where}: G", "must be finite and at least 0 S", got=f"from {least:g} to {most:g} S")


def check_anchored(where: str, net: Net) -> None:
    """Check that a path of cells connects each floating line to a driven line; otherwise its voltage is not determined.

    Raises:
        ParameterError: a floating line is not connected.
    """
    cells = net.G > 0
    rows, columns = net.rows.near.isfinite(), net.columns.near.isfinite()
    while True:
        new_columns = columns | (cells & rows.unsqueeze(-1)).any(-2)
        new_rows = rows | (cells & new_columns.unsqueeze(-2)).any(-1)
        if torch.equal(new_rows, rows) and torch.equal(new_columns, columns):
            break
        rows, columns = new_rows, new_columns
    lost = int((~rows).sum()) + int((~columns).sum())
    if lost:
        raise ParameterError(
            f"{where}: floating lines", "must be connected to a driven line by cells above 0 S", got=f"{lost} that are not"
        )
