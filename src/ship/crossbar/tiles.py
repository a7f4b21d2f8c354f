"""A weight matrix on crossbars of limited size, cut into tiles that each have their own lines, drivers and converters.

The currents of one column are summed over tiles after the converters, without error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..base.errors import ParameterError
from .adc import Converted, convert
from .approximate import approximate
from .exact import effective
from .network_form import check_conductances
from .selector import conducting
from .settings import Crossbar


class Matrix(NamedTuple):
    """The effective matrix of a whole layer."""

    matrix: Tensor  # S, [..., m, n]
    bound: Tensor  # A/V, [..., n]; the largest error of a column current for inputs from 0 to 1 V; 0 where exact


def _cuts(size: int, tile: int | None) -> Iterator[tuple[int, int]]:
    step = size if tile is None else tile
    for lo in range(0, size, step):
        yield lo, min(lo + step, size)


def matrix(G: Tensor, crossbar: Crossbar) -> Matrix:
    """Return the effective matrix of cells ``G`` (S, ``[..., m, n]``) in series with conducting selectors, tile by tile.

    Rows without a spike are at 0 V, and their selectors are assumed to conduct; blocking selectors change the sneak currents,
    which `selected` and `currents` show. Tiles of the same shape are solved together.

    Returns:
        The matrix of ``I = V @ matrix`` for all inputs, differentiable once in ``G``, and its error: 0 where ``crossbar.exact``.

    Raises:
        ParameterError: ``G`` is not a matrix of finite conductances of at least 0 S.
    """
    check_conductances("matrix", G)
    cells = G if crossbar.selector is None else conducting(G, crossbar.selector)
    tile = crossbar.tile or (None, None)
    rows, columns = list(_cuts(G.shape[-2], tile[0])), list(_cuts(G.shape[-1], tile[1]))
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            groups.setdefault((bottom - top, right - left), []).append((i, j))
    found: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    for where in groups.values():
        stack = torch.stack([cells[..., slice(*rows[i]), slice(*columns[j])] for i, j in where])
        if crossbar.exact:
            solved, bounds = effective(stack, crossbar), stack.new_zeros(*stack.shape[:-2], stack.shape[-1])
        else:
            solved, bounds, _ = approximate(stack, crossbar, probes=0)
        found.update({at: (solved[k], bounds[k]) for k, at in enumerate(where)})
    grid = range(len(rows)), range(len(columns))
    whole = torch.cat([torch.cat([found[i, j][0] for j in grid[1]], -1) for i in grid[0]], -2)
    bound = torch.stack([torch.cat([found[i, j][1] for j in grid[1]], -1) for i in grid[0]]).sum(0)
    return Matrix(whole, bound)


def read(v: Tensor, effective_matrix: Tensor, crossbar: Crossbar) -> Converted:
    """Read the column currents: convert them tile by tile where there is a converter, then sum them.

    Args:
        v: voltages of the rows in V, ``[..., m]``.
        effective_matrix: the matrix from `matrix`, ``[..., m, n]`` in S.
        crossbar: the settings; only ``tile`` and ``adc`` are used.

    Returns:
        The currents in A, ``[..., n]``, and the fraction of conversions that were clipped (0 without a converter).

    Raises:
        ParameterError: the rows do not fit, or the converter has no full scale.
    """
    if effective_matrix.ndim < 2:
        raise ParameterError("read: effective_matrix", "must be [..., m, n]", got=f"shape {list(effective_matrix.shape)}")
    m = effective_matrix.shape[-2]
    if v.ndim < 1 or v.shape[-1] != m:
        raise ParameterError("read: v", f"must have a last axis of {m}", got=list(v.shape))
    if crossbar.adc is None:
        return Converted(_product(v, effective_matrix), v.new_zeros(()))
    tall = None if crossbar.tile is None else crossbar.tile[0]
    parts = [convert(_product(v[..., lo:hi], effective_matrix[..., lo:hi, :]), crossbar.adc) for lo, hi in _cuts(m, tall)]
    return Converted(torch.stack([p.currents for p in parts]).sum(0), torch.stack([p.clipped for p in parts]).mean())


def _product(v: Tensor, matrix: Tensor) -> Tensor:
    return v @ matrix if matrix.ndim == 2 else (v.unsqueeze(-2) @ matrix).squeeze(-2)
