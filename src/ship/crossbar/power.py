"""The power that a crossbar takes, and the parts that dissipate it.

By Tellegen's theorem the power that the terminals deliver is dissipated in cells, wires, drivers and sense amplifiers. Line
currents are sums of cell currents, not differences of voltages, so that no digits are lost where the wires are good. A line that
one voltage feeds at both ends divides its current by the resistances (a current divider): the voltages around the loop add up
to 0.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .exact import nodes
from .settings import Crossbar


class Power(NamedTuple):
    """Power in W, ``[...]`` each; `source` is the sum of the others."""

    source: Tensor  # delivered by all terminals
    cells: Tensor
    row_wires: Tensor
    column_wires: Tensor
    drivers: Tensor
    sense: Tensor


def power(
    G: Tensor,
    v: Tensor,
    wires: Crossbar,
    *,
    column_v: Tensor | None = None,
    floating_rows: Tensor | None = None,
    floating_columns: Tensor | None = None,
) -> Power:
    """Compute the power delivered and dissipated while the lines are held at their voltages.

    Arguments and errors are those of `currents`. There is no gradient.
    """
    with torch.no_grad():
        cells_g, held = G.double(), None if column_v is None else column_v.double()
        out, at = nodes(cells_g, v.double(), wires, column_v=held, floating_rows=floating_rows, floating_columns=floating_columns)
        across = at.row - at.column
        cells = cells_g * across
        row_wires, drivers = _line(cells, wires.r_row, wires.r_driver, wires.drive == "both", floating_rows)
        upwards = cells.flip(-2).mT
        column_wires, sense = _line(upwards, wires.r_col, wires.r_sense, wires.sense == "both", floating_columns)
        source = (v.double() * cells.sum(-1)).sum(-1)
        if held is not None:
            source = source - (held * out).sum(-1)
        parts = source, (cells * across).sum((-2, -1)), row_wires, column_wires, drivers, sense
        return Power(*(p.to(G.dtype) for p in parts))


def _line(taken: Tensor, r: float, end: float, both: bool, floating: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the power in wires and in end resistances of lines with node currents ``taken [..., lines, nodes]`` (A) outwards."""
    n = taken.shape[-1]
    near = taken.sum(-1, keepdim=True)
    if both:
        loop = 2 * (r + end) + (n - 1) * r
        towards_far = (r + end) + r * torch.arange(n, dtype=taken.dtype, device=taken.device)
        far = (taken * (towards_far / loop if loop > 0 else 0.5)).sum(-1, keepdim=True)
        near = near - (far if floating is None else far.masked_fill(floating.unsqueeze(-1), 0.0))
    segments = torch.cat([near, near - taken.cumsum(-1)], -1)  # the last segment reaches the far terminal; 0 where that is open
    ends = segments[..., [0, -1]] if both else segments[..., :1]
    inner = segments if both else segments[..., :-1]
    return r * inner.square().sum((-2, -1)), end * ends.square().sum((-2, -1))
