# ruff: noqa: F821
# mypy: ignore-errors
"""Edges put in order: counting sorts, which take a pass over the edges for the counts and one to place them."""

import numpy as np


@njit(nogil=True, error_model="numpy", cache=CACHE)
def sort(units, n, offset, order):
    """Return ``order`` with its elements in order of ``units[element] - offset``, below n; those of equal units as they were."""
    at = np.zeros(n + 1, np.int64)
    for e in range(len(order)):
        at[units[e] - offset + 1] += 1
    for i in range(n):
        at[i + 1] += at[i]
    found = np.empty_like(order)
    for e in range(len(order)):
        i = units[order[e]] - offset
        found[at[i]] = order[e]
        at[i] += 1
    return found
