"""Nested states and coefficients as flat lists of tensors.

Named tuples, which nearly all of them are, are flattened here, because PyTorch's `_pytree` is far slower; it flattens the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from torch import Tensor
from torch.utils import _pytree


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Return the leaves of a tree, and the structure from which `unflatten` rebuilds it; like trees have equal structures."""
    leaves: list[Any] = []
    return leaves, _take(tree, leaves)


def unflatten(leaves: Sequence[Any], structure: Any) -> Any:
    """Rebuild a tree of the given structure from its leaves."""
    return _make(structure, iter(leaves))


def _take(tree: Any, leaves: list[Any]) -> Any:
    if isinstance(tree, Tensor):
        leaves.append(tree)
        return None
    kind = type(tree)
    if kind is tuple or (isinstance(tree, tuple) and hasattr(kind, "_fields")):
        return kind, tuple([_take(part, leaves) for part in tree])
    found, structure = _pytree.tree_flatten(tree)
    leaves += found
    return structure


def _make(structure: Any, leaves: Iterator[Any]) -> Any:
    if structure is None:
        return next(leaves)
    if isinstance(structure, tuple):
        kind, parts = structure
        made = [_make(part, leaves) for part in parts]
        return tuple(made) if kind is tuple else kind(*made)
    return _pytree.tree_unflatten(list(islice(leaves, structure.num_leaves)), structure)
