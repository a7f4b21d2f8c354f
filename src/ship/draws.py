"""Counter-based random numbers, compiled: the same numbers as `random`, bit for bit. Compiled by Numba from this text."""

import numpy as np
from numba import njit


@njit(nogil=True, error_model="numpy", cache=CACHE)
def uniform(lo, hi, k0, k1, slots, samples, trial, n, out):
    """Rows ``lo .. hi - 1`` of ``out [slot * chip * batch, n]``: uniform numbers in (0, 1), two for each counter."""
    low = np.uint64(0xFFFFFFFF)
    chips, batch = k0.shape[0], samples.shape[0]
    pairs = n // 2
    for row in range(lo, hi):
        b, c = row % batch, row // batch % chips
        slot, sample, a0, a1 = slots[row // (batch * chips)], samples[b], k0[c], k1[c]
        line = out[row]
        for j in range(pairs + n % 2):
            c0, c1, c2, c3 = np.uint64(j), slot, sample, trial
            x, y = a0, a1
            for _ in range(10):
                p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
                c0, c1 = (p1 >> np.uint64(32)) ^ c1 ^ x, p1 & low
                c2, c3 = (p0 >> np.uint64(32)) ^ c3 ^ y, p0 & low
                x, y = (x + np.uint64(0x9E3779B9)) & low, (y + np.uint64(0xBB67AE85)) & low
            line[2 * j] = (np.float64((c0 << np.uint64(20)) | (c1 >> np.uint64(12))) + 0.5) * 2.0**-52
            if 2 * j + 1 < n:
                line[2 * j + 1] = (np.float64((c2 << np.uint64(20)) | (c3 >> np.uint64(12))) + 0.5) * 2.0**-52


@njit(nogil=True, error_model="numpy", cache=CACHE)
def poisson(lo, hi, u, rate, first, out):
    """Rows of counts: the smallest k with CDF(k) >= u. ``first [n]``: exp(-rate)."""
    n = u.shape[1]
    for row in range(lo, hi):
        x, line = u[row], out[row]
        for j in range(n):
            term = first[j]
            total, count = term, 0
            while total < x[j]:
                count += 1
                term = term * rate[j] / count
                if not total + term > total:
                    break
                total += term
            line[j] = count


BLOCK = 256


@njit(nogil=True, error_model="numpy", cache=CACHE)
def poisson_table(lo, hi, u, table, out):
    """As `poisson` where all units have one rate: the count is how many entries of the CDF lie below u."""
    n = u.shape[1]
    count = np.empty(BLOCK, np.float64)
    for row in range(lo, hi):
        for start in range(0, n, BLOCK):
            width = min(BLOCK, n - start)
            x, line = u[row, start : start + width], out[row, start : start + width]
            for j in range(width):
                count[j] = 0.0
            for k in range(table.shape[0]):
                edge, above = table[k], 0
                for j in range(width):
                    more = x[j] > edge
                    count[j] += 1.0 if more else 0.0
                    above += 1 if more else 0
                if above == 0:
                    break
            for j in range(width):
                line[j] = count[j]


@njit(error_model="numpy", cache=CACHE)
def cdf(rate, first):
    """The distribution of counts, from 0 on, as far as it grows in floating point. ``first``: exp(-rate)."""
    table = np.empty(1024)
    term = total = first
    count = 0
    while True:
        table[count] = total
        count += 1
        term = term * rate / count
        if not total + term > total or count == 1024:
            return table[:count].copy()
        total += term
