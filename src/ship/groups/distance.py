"""Connectivity by distance, and one to one.

Two units at the distance d are connected with the probability ``peak exp(-(d / width)^2)``, as in the columns of liquid state
machines.

Source: Maass, Natschlaeger & Markram, Neural Comput. 14:2531 (2002), sec. 3 (``C exp(-(D / lambda)^2)``, with lambda 2 on a grid
of spacing 1, and C of 0.3, 0.2, 0.4, 0.1 for EE, EI, IE, II).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.checks import check_real, check_whole
from ..base.errors import ParameterError
from ..base.parameters import to_tensor
from .connectivity import Connectivity, EdgeList, generator, listed

PIECE = 2**22  # pairs whose distances are held at a time


def grid(*sizes: int) -> Tensor:
    """Return the places of units on a grid of spacing 1, ``[unit, axis]`` in float64; the last axis is the fastest.

    Args:
        sizes: the number of units along each axis, of which there is at least one.

    Raises:
        ParameterError: no size, or one below 1.
    """
    if not sizes:
        raise ParameterError("grid: sizes", "needs the number of units along each axis", fix="E.g. ship.grid(5, 5, 5).")
    for size in sizes:
        check_whole("grid: sizes", size, 1)
    return torch.cartesian_prod(*(torch.arange(size, dtype=torch.float64) for size in sizes)).reshape(-1, len(sizes))


@dataclass(frozen=True)
class OneToOne(Connectivity):
    """A rule that connects each unit with the unit of the same number, each edge with a weight of its own."""

    def edges(self, where: str, n_pre: int, n_post: int, key: int) -> EdgeList:
        if n_pre != n_post:
            raise ParameterError(where, "needs as many source as target units", got=f"{n_pre} and {n_post}")
        units = torch.arange(n_pre)
        return listed(units, units, n_pre, n_post)

    def expected(self, n_pre: int, n_post: int) -> float:
        return min(n_pre, n_post)


@dataclass(frozen=True, eq=False)
class ByDistance(Connectivity):
    """A rule by which two units are connected with a probability that falls with their distance, ``peak exp(-(d / width)^2)``.

    Args:
        pre: the places of the source units, ``[unit, axis]``, e.g. rows of `grid`.
        post: those of the target units.
        peak: the probability at distance 0, from 0 to 1.
        width: the distance at which it has fallen to 1/e of that, in the unit of the places.
        itself: whether units at the same place (distance 0) are connected, too.

    Raises:
        ParameterError: places that are no table of numbers, or a value out of its range.
    """

    pre: Any
    post: Any
    peak: float = 0.3
    width: float = 2.0
    itself: bool = True

    def __post_init__(self) -> None:
        for name in ("pre", "post"):
            places = to_tensor(f"ByDistance.{name}", getattr(self, name)).double()
            if places.ndim != 2 or not bool(torch.isfinite(places).all()):
                got = f"shape {list(places.shape)}"
                raise ParameterError(f"ByDistance.{name}", "must be finite places [unit, axis]", got=got, fix="See ship.grid.")
            object.__setattr__(self, name, places)
        if self.pre.shape[1] != self.post.shape[1]:
            got = f"{self.pre.shape[1]} and {self.post.shape[1]}"
            raise ParameterError("ByDistance", "pre and post must have the same axes", got=got)
        check_real("ByDistance.peak", self.peak, "must be from 0 to 1", least=0.0, most=1.0)
        check_real("ByDistance.width", self.width, "must be a number above 0", above=0.0)

    def _probability(self, first: int, last: int) -> Tensor:
        """Return the probability of each pair of the source units ``first .. last - 1``, ``[pre, post]``."""
        d = torch.cdist(self.pre[first:last], self.post, compute_mode="donot_use_mm_for_euclid_dist")
        p = self.peak * torch.exp(-((d / self.width) ** 2))
        return p if self.itself else torch.where(d == 0, torch.zeros_like(p), p)

    def _pieces(self) -> range:
        return range(0, len(self.pre), max(1, PIECE // max(1, len(self.post))))

    def edges(self, where: str, n_pre: int, n_post: int, key: int) -> EdgeList:
        if (len(self.pre), len(self.post)) != (n_pre, n_post):
            raise ParameterError(
                where, f"must have a place for each of {n_pre} and {n_post} units", got=f"{len(self.pre)} and {len(self.post)}"
            )
        draws, found = generator(key), []
        step = self._pieces().step
        for first in self._pieces():
            p = self._probability(first, first + step).numpy()
            pre, post = np.nonzero(draws.random(p.shape) < p)
            found.append((pre + first, post))
        return listed(np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found]), n_pre, n_post)

    def expected(self, n_pre: int, n_post: int) -> float:
        step = self._pieces().step
        return float(sum(self._probability(first, first + step).sum() for first in self._pieces()))
