"""Scans of signals that may be large, in one pass; compiled by Numba from this text."""

import numpy as np

STRETCH = 64  # values that are tested together: most stretches hold no event


@njit(nogil=True, error_model="numpy", cache=CACHE)
def uncountable(lo, hi, x, found):
    """Set ``found[0]`` to 1 if rows ``lo .. hi - 1`` of ``x`` hold a value that is not a whole number from 0 on.

    ``found`` has integers as wide as the values: vector instructions need one width for everything in the loop.
    """
    odd, whole, none, largest = found.dtype.type(0), found.dtype.type, x.dtype.type(0), x.dtype.type(np.inf)
    for row in range(lo, hi):
        line = x[row]
        for j in range(line.shape[0]):
            v = line[j]
            odd = whole(odd | whole((v < none) | (np.floor(v) != v) | (v == largest)))
    if odd:
        found[0] = 1


@njit(nogil=True, error_model="numpy", cache=CACHE)
def events(lo, hi, x, bits, cuts, places, count):
    """List the indices of the nonzeros in the pieces ``lo .. hi - 1`` of ``x``, which is cut at ``cuts``.

    The indices of a piece are written to ``places`` from the first index of the piece on, and their number to ``count``. ``bits``
    is the memory of ``x``, read as integers.
    """
    none = x.dtype.type(0)
    for piece in range(lo, hi):
        at, last = cuts[piece], cuts[piece + 1]
        whole = last - (last - at) % STRETCH
        for start in range(at, whole, STRETCH):
            stretch = bits[start : start + STRETCH]
            some = bits.dtype.type(0)
            for j in range(STRETCH):
                some |= stretch[j]
            if some != 0:
                for j in range(start, start + STRETCH):
                    places[at] = j
                    at += x[j] != none
        for j in range(whole, last):
            places[at] = j
            at += x[j] != none
        count[piece] = at - cuts[piece]
