"""Counter-based random numbers, compiled by Numba from this text: bit for bit the numbers of `philox` and `poisson`.

Numbers are made in blocks that stay in the L1 cache, in loops that become vector instructions.
"""

import numpy as np

BLOCK = 256
HALF = BLOCK // 2


@njit(nogil=True, error_model="numpy", cache=CACHE)
def bits(first, slot, sample, trial, k0, k1, even, odd):
    """Draw 52 bits for each unit of a block; each counter, from ``first`` on, serves two units."""
    for j in range(HALF):
        c0, c1, c2, c3 = philox_words(np.uint64(first + j), slot, sample, trial, k0, k1)
        even[j] = np.int64((c0 << np.uint64(20)) | (c1 >> np.uint64(12)))
        odd[j] = np.int64((c2 << np.uint64(20)) | (c3 >> np.uint64(12)))


@njit(nogil=True, error_model="numpy", cache=CACHE)
def lay(even, odd, line):
    """Interleave even and odd units into a line of at most one block."""
    for j in range(len(line) // 2):
        line[2 * j], line[2 * j + 1] = even[j], odd[j]
    if len(line) % 2:
        line[-1] = even[len(line) // 2]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def uniform(lo, hi, k0, k1, slots, samples, trial, out):
    """Fill rows ``lo .. hi - 1`` of ``out [slot * chip * batch, n]`` with uniform numbers in (0, 1)."""
    chips, batch = len(k0), len(samples)
    even, odd = np.empty(HALF, np.int64), np.empty(HALF, np.int64)
    u, v = np.empty(HALF), np.empty(HALF)
    for row in range(lo, hi):
        b, c, s = row % batch, row // batch % chips, row // (batch * chips)
        for start in range(0, out.shape[1], BLOCK):
            bits(start // 2, slots[s], samples[b], trial, k0[c], k1[c], even, odd)
            for j in range(HALF):
                u[j], v[j] = (even[j] + 0.5) * 2.0**-52, (odd[j] + 0.5) * 2.0**-52
            lay(u, v, out[row, start : start + BLOCK])


@njit(nogil=True, error_model="numpy", cache=CACHE)
def tally(x, edges, count):
    """Count how many edges lie below each value of half a block. ``edges`` ascend; their number is a multiple of four."""
    for j in range(HALF):
        count[j] = 0
    for k in range(0, len(edges), 4):
        e0, e1, e2, e3 = edges[k], edges[k + 1], edges[k + 2], edges[k + 3]
        above = np.int64(0)
        for j in range(HALF):
            last = np.int64(x[j] > e3)
            count[j] += np.int64(x[j] > e0) + np.int64(x[j] > e1) + np.int64(x[j] > e2) + last
            above |= last
        if above == 0:
            break


@njit(nogil=True, error_model="numpy", cache=CACHE)
def counts(lo, hi, k0, k1, slots, samples, trial, edges, out):
    """Fill rows as `uniform` does, but with Poisson counts: the number of edges below the 52 bits."""
    chips, batch = len(k0), len(samples)
    even, odd = np.empty(HALF, np.int64), np.empty(HALF, np.int64)
    n, m = np.empty(HALF, np.int64), np.empty(HALF, np.int64)
    for row in range(lo, hi):
        b, c, s = row % batch, row // batch % chips, row // (batch * chips)
        for start in range(0, out.shape[1], BLOCK):
            bits(start // 2, slots[s], samples[b], trial, k0[c], k1[c], even, odd)
            tally(even, edges, n)
            tally(odd, edges, m)
            lay(n, m, out[row, start : start + BLOCK])


@njit(nogil=True, error_model="numpy", cache=CACHE)
def poisson(lo, hi, u, rate, first, out):
    """Fill rows with counts, the smallest k with CDF(k) >= u; ``first [n]`` is exp(-rate)."""
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


@njit(nogil=True, error_model="numpy", cache=CACHE)
def poisson_table(lo, hi, u, edges, out):
    """Do what `poisson` does where all units have one rate; ``edges`` is the distribution function of the counts."""
    x, count = np.zeros(HALF), np.empty(HALF, np.int64)
    for row in range(lo, hi):
        for start in range(0, u.shape[1], HALF):
            width = min(HALF, u.shape[1] - start)
            x[:width] = u[row, start : start + width]
            tally(x, edges, count)
            out[row, start : start + width] = count[:width]


@njit(error_model="numpy", cache=CACHE)
def cdf(rate, first):
    """Return the distribution function of the counts from 0 on, as far as it grows in floating point, padded with ones.

    ``first`` is exp(-rate).
    """
    table = np.ones(1024)
    term = total = first
    count = 0
    while True:
        table[count] = total
        count += 1
        term = term * rate / count
        if not total + term > total or count == 1024:
            return table[: (count + 3) // 4 * 4].copy()
        total += term
