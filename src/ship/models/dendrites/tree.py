"""Integrate-and-fire neurons with a dendritic tree each: passive compartments with axial coupling, solved exactly.

``c_i dv_i/dt = c_i (v_rest - v_i) / tau_i + sum_j g_ij (v_j - v_i) + c_i i_i``; g_ij (1/s) is the axial conductance between a
compartment and its parent, over the capacitance of a compartment with c = 1. ``parent`` lists, for each compartment of a tree,
the number of the one that it hangs on: ``parent=(-1, 0, 1, 1)`` is a soma (0) with a dendrite (1) that branches into 2 and 3.
The g of a compartment is that to its parent. All units of the group are compartments, tree by tree: unit ``m k + i`` is
compartment i of tree k, of m. The first one of each tree is the soma: it alone spikes, and is reset; other compartments are
silent (``"TAG.v"`` is the signal of the voltages). Everything that holds for `LIF` holds for it: v_reset, t_ref, impulses (V on
that compartment) and charge.

With ``dv/dt = A v + b`` for each tree, and the matrices ``D = exp(A dt) - 1`` and ``F = int_0^1 exp(A dt s) ds`` of
`discretise`,

``v <- v + D v + F (v_rest dt / tau + charge)``,

exact for any dt and for currents that are constant over the slot. (During the refractory time of the soma the other
compartments see its voltage move within a slot; at each t_k it is v_reset. That has order 1.) A is similar to a symmetric
matrix: time constants are real. A uniform cable of many compartments attenuates steadily as ``cosh((L - x) / lambda) / cosh(L /
lambda)``, with ``lambda = sqrt(g tau)`` compartments.

The sum over compartments is not pointwise, so that such a group runs slot by slot in PyTorch.

Source: Rall (1964) for compartments, as in Koch, *Biophysics of Computation* (1999), ch. 2 and 3; Rotter & Diesmann, Biol.
Cybern. 81:381 (1999), for the exact step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Units
from ..neurons.lif import IntegrateAndFire, LIFState


class TreeCoeffs(NamedTuple):
    change: Tensor  # D, [..., tree, compartment, compartment]
    spread: Tensor  # F, the same
    pull: Units  # V, v_rest dt / tau


@dataclass(frozen=True)
class MultiCompartmentLIF(IntegrateAndFire):
    """Integrate-and-fire neurons with passive dendritic trees. In: impulses (V), charge (V per slot). Out: events of the somata.

    Units are compartments, tree by tree.
    """

    parent: Sequence[int] | Tensor = option((-1,))
    g: Value = param(100.0, unit="1/s", least=0.0, role="conductance")
    c: Value = param(1.0, above=0.0, role="capacitance")

    def __post_init__(self) -> None:
        parent = tuple(k if float(k) % 1 else int(k) for k in self.parent)  # from a list, or from a file
        if not parent or parent[0] != -1 or not all(type(k) is int and 0 <= k < i for i, k in enumerate(parent) if i):
            raise ParameterError(
                f"{type(self).__name__}.parent",
                "must list an earlier compartment for each but the first, which has -1",
                got=repr(parent),
                fix="E.g. parent=(-1, 0, 1, 1) for a soma with a dendrite of two branches.",
            )
        object.__setattr__(self, "parent", parent)

    def check(self, where: str, p: Bag) -> None:
        super().check(where, p)
        self._whole_trees(where, int(p.n_units))

    def _whole_trees(self, where: str, n: int) -> None:
        """Raise a `ParameterError` where n units are no whole number of trees."""
        m = len(self.parent)
        if n % m:
            raise ParameterError(
                where,
                f"sums over the {m} compartments of each tree, which is not pointwise; n must be a multiple of {m}",
                got=f"{n}",
                fix=f"n counts compartments: 10 trees have n = {10 * m}.",
            )

    def membrane(self, p: Bag) -> None:
        return None

    def discretise(self, p: Bag, dt: float) -> TreeCoeffs:
        m = len(self.parent)
        tau, g, c = (self._by_tree(x) for x in torch.broadcast_tensors(p.tau, p.g, p.c))
        rate = torch.diag_embed(-1 / tau)
        for i, k in enumerate(self.parent):
            if k >= 0:
                rate = rate + _edge(m, i, k, rate) * (g[..., i] / c[..., i])[..., None, None]
                rate = rate + _edge(m, k, i, rate) * (g[..., i] / c[..., k])[..., None, None]
        none = torch.zeros_like(rate)
        one = torch.eye(m, dtype=rate.dtype, device=rate.device).expand_as(rate)
        both = torch.linalg.matrix_exp(torch.cat([torch.cat([rate * dt, one], -1), torch.cat([none, none], -1)], -2))
        spread = both[..., :m, m:]
        return TreeCoeffs(rate * dt @ spread, spread, p.v_rest * (dt / p.tau))

    def _by_tree(self, x: Tensor) -> Tensor:
        """Return a parameter with its last axis split into trees and compartments; one value is that of all compartments."""
        m = len(self.parent)
        if x.ndim == 0 or x.shape[-1] == 1:
            return x.reshape(*x.shape[:-1], 1, 1).expand(*x.shape[:-1], 1, m)
        self._whole_trees(type(self).__name__, x.shape[-1])
        return x.reshape(*x.shape[:-1], -1, m)

    def margin(self, state: LIFState, p: Bag) -> Units:
        return torch.where(self._somata(state.v), state.v - p.v_th, -torch.inf)

    def reset(self, state: LIFState, fired: Units, p: Bag) -> LIFState:
        return LIFState(torch.where(fired & self._somata(fired), p.v_reset, state.v))

    def _somata(self, v: Units) -> Tensor:
        """Return which units are somata."""
        first: Tensor = torch.arange(v.shape[-1], device=v.device) % len(self.parent) == 0
        return first

    def evolve(self, state: LIFState, x: Bag, p: Bag, c: TreeCoeffs) -> LIFState:
        v, pushed = self._by_tree(state.v), self._by_tree(c.pull + x.charge + torch.zeros_like(state.v))
        moved = (c.change @ v.unsqueeze(-1) + c.spread @ pushed.unsqueeze(-1)).squeeze(-1)
        return LIFState(state.v + moved.flatten(-2))


def _edge(m: int, row: int, column: int, like: Tensor) -> Tensor:
    """Return the matrix of a flow into ``row`` in proportion to the voltage of ``column`` above its own."""
    edge = torch.zeros(m, m, dtype=like.dtype, device=like.device)
    edge[row, column], edge[row, row] = 1.0, -1.0
    return edge
