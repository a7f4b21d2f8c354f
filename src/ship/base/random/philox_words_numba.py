"""The generator Philox4x32-10 for one counter, as a text that Numba compiles in front of others, which call it."""

import numpy as np


@njit(error_model="numpy", inline="always")
def philox_words(c0, c1, c2, c3, k0, k1):
    """Return four 32-bit words, each in 64 bits, of a counter of four; all are unsigned."""
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (p1 >> np.uint64(32)) ^ c1 ^ k0, p1 & low
        c2, c3 = (p0 >> np.uint64(32)) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return c0, c1, c2, c3
