"""A look at signals that may be large, in one pass. Compiled by Numba from this text."""

import numpy as np

STRETCH = 64  # values that are looked at together: most hold no event


@njit(nogil=True, error_model="numpy", cache=CACHE)
def uncountable(lo, hi, x, found):
    """Rows ``lo .. hi - 1`` of ``x``: sets ``found[0]`` where a value is no whole number from 0 on. ``found``: whole numbers as
    wide as the values, as all that is in the loop must be.
    """
    odd, whole, none = found.dtype.type(0), found.dtype.type, x.dtype.type(0)
    for row in range(lo, hi):
        line = x[row]
        for j in range(line.shape[0]):
            v = line[j]
            odd = whole(odd | whole((v < none) | (np.floor(v) != v)))
    if odd:
        found[0] = 1


@njit(nogil=True, error_model="numpy", cache=CACHE)
def events(lo, hi, x, bits, cuts, places, count):
    """Where the pieces ``lo .. hi - 1`` of ``x``, cut at ``cuts``, are not zero: so many places from the piece's first on.
    ``bits``: the same memory as whole numbers.
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
