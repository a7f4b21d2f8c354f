"""A look at inputs that may be large, in one pass. Compiled by Numba from this text."""

import numpy as np
from numba import njit


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
