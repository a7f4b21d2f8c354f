"""A look at signals that may be large, in one pass. Compiled by Numba from this text."""

import numpy as np

STRETCH = 64  # values that are looked at together: most hold no event


@njit(nogil=True, error_model="numpy", cache=CACHE)
def sift(lo, hi, x, found):
    """Rows ``lo .. hi - 1`` of ``x``: sets ``found[0]`` where one is not finite, ``found[1]`` where one is no whole number from 0
    on.
    """
    odd, torn = 0, 0
    for row in range(lo, hi):
        line = x[row]
        for j in range(line.shape[0]):
            v = line[j]
            odd |= not abs(v) < np.inf
            torn |= (v < 0) | (np.floor(v) != v)
    if odd:
        found[0] = 1
    if torn:
        found[1] = 1


@njit(nogil=True, error_model="numpy", cache=CACHE)
def events(lo, hi, x, cuts, places, count):
    """Where the pieces ``lo .. hi - 1`` of ``x``, cut at ``cuts``, are not zero: so many places from the piece's first on."""
    for piece in range(lo, hi):
        at = cuts[piece]
        for start in range(cuts[piece], cuts[piece + 1], STRETCH):
            stop = min(start + STRETCH, cuts[piece + 1])
            some = np.int32(stop - start < STRETCH)
            if not some:
                stretch = x[start : start + STRETCH]
                for j in range(STRETCH):
                    some += np.int32(stretch[j] != 0)
            if some:
                for j in range(start, stop):
                    places[at] = j
                    at += x[j] != 0
        count[piece] = at - cuts[piece]
