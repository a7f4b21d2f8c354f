"""Sparse connectivity: which units are connected, as a list of edges that is drawn from seed and tag.

A connection with ``connect=`` has one weight (and delay, device, ...) for each edge, and never a matrix over all pairs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..base.checks import check_real, check_whole
from ..base.errors import ParameterError
from ..base.indices import Chosen, chosen

Pairs = NDArray[np.int64]


class EdgeList(NamedTuple):
    """Edges as numbers of units, ``[edge]``, int32 where that can hold them. Drawn edges are in order of pre, then of post."""

    pre: Tensor
    post: Tensor


class Connectivity(ABC):
    """A rule that gives the edges between ``n_pre`` and ``n_post`` units."""

    @abstractmethod
    def edges(self, where: str, n_pre: int, n_post: int, key: int) -> EdgeList:
        """Return the edges, which depend on sizes and key alone.

        Raises:
            ParameterError: the rule does not fit the sizes; the text begins with ``where``.
        """

    @abstractmethod
    def expected(self, n_pre: int, n_post: int) -> float:
        """Return the mean number of edges."""


def listed(pre: Pairs | Tensor, post: Pairs | Tensor, n_pre: int, n_post: int) -> EdgeList:
    """Return edges with the numbers of units in the smallest type that holds them."""
    kind = torch.int32 if max(n_pre, n_post) <= 2**31 else torch.int64
    return EdgeList(torch.as_tensor(pre).to(kind), torch.as_tensor(post).to(kind))


def generator(key: int) -> np.random.Generator:
    """Return the stream of random numbers of a key."""
    return np.random.Generator(np.random.Philox(key=key))


def _ordered(pre: Pairs, post: Pairs, n_pre: int, n_post: int) -> EdgeList:
    flat = np.sort(pre * n_post + post)
    return listed(flat // n_post, flat % n_post, n_pre, n_post)


def _partners(where: str, k: int, n: int, others: int, key: int, *, multapses: bool) -> Pairs:
    """Draw k of ``others`` units for each of n units, ``[n, k]``."""
    draws = generator(key)
    if multapses:
        return (draws.random((n, k)) * others).astype(np.int64)
    if k > others:
        raise ParameterError(where, f"must be at most the {others} units there are", got=str(k), fix="Allow multapses=True.")
    if 2 * k > others:
        return np.argsort(draws.random((n, others)), axis=1, kind="stable")[:, :k].astype(np.int64)
    chosen = np.sort((draws.random((n, k)) * others).astype(np.int64), axis=1)
    while True:  # what was drawn twice is drawn again
        twice = np.zeros_like(chosen, dtype=bool)
        twice[:, 1:] = chosen[:, 1:] == chosen[:, :-1]
        count = int(twice.sum())
        if not count:
            return chosen
        chosen[twice] = (draws.random(count) * others).astype(np.int64)
        chosen.sort(axis=1)


@dataclass(frozen=True)
class _Degree(Connectivity):
    k: int
    multapses: bool = False

    def __post_init__(self) -> None:
        check_whole(f"{type(self).__name__}.k", self.k, 1)


@dataclass(frozen=True)
class InDegree(_Degree):
    """A rule by which each target has ``k`` edges, from sources drawn at random.

    ``multapses`` allows several edges between the same two units.
    """

    def edges(self, where: str, n_pre: int, n_post: int, key: int) -> EdgeList:
        pre = _partners(f"{where}.k", self.k, n_post, n_pre, key, multapses=self.multapses)
        return _ordered(pre.ravel(), np.repeat(np.arange(n_post), self.k), n_pre, n_post)

    def expected(self, n_pre: int, n_post: int) -> float:
        return self.k * n_post


@dataclass(frozen=True)
class OutDegree(_Degree):
    """A rule by which each source has ``k`` edges, to targets drawn at random.

    ``multapses`` allows several edges between the same two units.
    """

    def edges(self, where: str, n_pre: int, n_post: int, key: int) -> EdgeList:
        post = _partners(f"{where}.k", self.k, n_pre, n_post, key, multapses=self.multapses)
        return _ordered(np.repeat(np.arange(n_pre), self.k), post.ravel(), n_pre, n_post)

    def expected(self, n_pre: int, n_post: int) -> float:
        return self.k * n_pre


@dataclass(frozen=True)
class Probability(Connectivity):
    """A rule by which each pair of units is connected with probability ``p``, independently of all others."""

    p: float

    def __post_init__(self) -> None:
        check_real("Probability.p", self.p, "must be from 0 to 1", least=0.0, most=1.0)

    def edges(self, where: str, n_pre: int, n_post: int, key: int) -> EdgeList:
        pairs = n_pre * n_post
        if self.p == 0:
            found = np.empty(0, np.int64)
        elif self.p == 1:
            found = np.arange(pairs)
        else:  # the gaps between successes are geometric
            draws, found, last = generator(key), np.empty(0, np.int64), -1
            while last < pairs:
                expected = (pairs - last) * self.p
                gaps = draws.geometric(self.p, int(expected + 6 * expected**0.5) + 16)
                found = np.concatenate([found, last + np.cumsum(gaps)])
                last = int(found[-1])
            found = found[found < pairs]
        return listed(found // n_post, found % n_post, n_pre, n_post)

    def expected(self, n_pre: int, n_post: int) -> float:
        return self.p * n_pre * n_post


@dataclass(frozen=True, eq=False)
class Edges(Connectivity):
    """Edges as the user gives them: the numbers of their source and target units, ``[edge]`` each.

    Weights count in this order.
    """

    pre: Any
    post: Any

    def __post_init__(self) -> None:
        for name in ("pre", "post"):
            units = chosen(f"Edges.{name}", getattr(self, name), None, masks=False, error=ParameterError).numbers
            object.__setattr__(self, name, units)
        if len(self.pre) != len(self.post):
            raise ParameterError("Edges", "pre and post must be equally long", got=f"{len(self.pre)} and {len(self.post)}")

    def edges(self, where: str, n_pre: int, n_post: int, key: int) -> EdgeList:
        for name, units, n in (("pre", self.pre, n_pre), ("post", self.post, n_post)):
            Chosen(units).check(f"{where}.{name}", n, ParameterError)
        return listed(self.pre, self.post, n_pre, n_post)

    def expected(self, n_pre: int, n_post: int) -> float:
        return len(self.pre)


def matrix_edges(where: str, mask: Tensor, n_pre: int, n_post: int) -> EdgeList:
    """Return the edges of a matrix ``[pre, post]`` of truth values or of 0 and 1.

    Raises:
        ParameterError: another shape, or other values.
    """
    if tuple(mask.shape) != (n_pre, n_post) or not bool(((mask == 0) | (mask == 1)).all()):
        raise ParameterError(
            where,
            f"must be a rule, or a matrix [pre, post] = [{n_pre}, {n_post}] of 0 and 1",
            got=f"shape {list(mask.shape)}",
            fix="E.g. connect=ship.InDegree(100).",
        )
    pre, post = mask.nonzero(as_tuple=True)
    return listed(pre, post, n_pre, n_post)
