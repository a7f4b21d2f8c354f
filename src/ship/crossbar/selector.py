"""A selector in series with each memory cell: the transistor of a 1T1R cell or the threshold switch of a 1S1R cell.

conducting   ``G' = 1 / (1 / G + resistance)``
blocking     ``G' = 1 / (1 / G + 1 / leakage)``    where the voltage across the cell is below ``threshold``

The voltage compared with the threshold is that between ideal lines, before any IR drop, so that the network stays linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base.errors import ParameterError, is_real


@dataclass(frozen=True)
class Selector:
    """A switch in series with a cell.

    Args:
        resistance: the resistance while the selector conducts, in ohm.
        leakage: the conductance while it blocks, in S.
        threshold: the voltage across cell and selector from which on it conducts, in V.

    Raises:
        ParameterError: a value is negative.
    """

    resistance: float = 0.0
    leakage: float = 0.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        for name, unit in (("resistance", "ohm"), ("leakage", "S"), ("threshold", "V")):
            value = getattr(self, name)
            if not is_real(value) or value < 0:
                raise ParameterError(f"Selector.{name}", f"must be at least 0 {unit}", got=value)
            object.__setattr__(self, name, float(value))


def conducting(G: Tensor, selector: Selector) -> Tensor:
    """Return the conductance (S) of cells ``G`` (S, any shape) in series with conducting selectors; 0 stays 0. Differentiable."""
    return G / (1 + G * selector.resistance)


def selected(G: Tensor, selector: Selector, v: Tensor, column_v: Tensor | None = None) -> Tensor:
    """Return the conductance of cells and selectors under a pattern of line voltages, such as V/2 or V/3 reading.

    Args:
        G: conductances of the cells in S, ``[..., m, n]``.
        selector: the selector in series with each cell.
        v: voltages of the rows in V, ``[..., m]``.
        column_v: voltages of the columns in V, ``[..., n]``; None is 0 V.

    Returns:
        Conductances in S, ``[..., m, n]``, for `currents` under the same voltages; differentiable in ``G``, not in the voltages.

    Raises:
        ParameterError: the shapes do not fit.
    """
    fits = G.ndim >= 2 and v.shape[-1:] == G.shape[-2:-1] and (column_v is None or column_v.shape[-1:] == G.shape[-1:])
    if not fits:
        got = f"{list(G.shape)}, {list(v.shape)}" + ("" if column_v is None else f", {list(column_v.shape)}")
        raise ParameterError("selected", "needs G [..., m, n], v [..., m] and column_v [..., n]", got=got)
    across = v.detach().to(G.dtype).unsqueeze(-1)
    if column_v is not None:
        across = across - column_v.detach().to(G.dtype).unsqueeze(-2)
    blocking = G * selector.leakage / (G + selector.leakage) if selector.leakage > 0 else torch.zeros_like(G)
    return torch.where(across.abs() >= selector.threshold, conducting(G, selector), blocking)
