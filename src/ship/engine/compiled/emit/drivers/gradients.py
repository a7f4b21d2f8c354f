# ruff: noqa: F821
# mypy: ignore-errors
"""The gradients of sums along edges: to signals, as a part of the loop's `backward`, and to weights, after it."""


@inner
def back_along_edges(target, n_pre, source, n, to, begins, weights, shared):
    """target[pre] += source[to] * weight along all edges; in four sums, as one would wait for each addition. ``shared`` is as in
    `along_edges`.
    """
    a, g, first = vector(target, n_pre), vector(source, n), integers(begins)
    w = vector(weights, n_pre)
    for i in range(n_pre):
        e, last = first[i], first[n_pre + i]
        s0 = s1 = s2 = s3 = F(0)
        if shared:
            while e + 4 <= last:
                s0, s1, s2, s3 = s0 + g[to[e]], s1 + g[to[e + 1]], s2 + g[to[e + 2]], s3 + g[to[e + 3]]
                e += 4
            while e < last:
                s0 += g[to[e]]
                e += 1
            a[i] += ((s0 + s1) + (s2 + s3)) * w[i]
        else:
            while e + 4 <= last:
                s0, s1 = s0 + w[e] * g[to[e]], s1 + w[e + 1] * g[to[e + 1]]
                s2, s3 = s2 + w[e + 2] * g[to[e + 2]], s3 + w[e + 3] * g[to[e + 3]]
                e += 4
            while e < last:
                s0 += w[e] * g[to[e]]
                e += 1
            a[i] += (s0 + s1) + (s2 + s3)


@driver
def weigh(lo, hi, cuts, starts, posts, n, rows, slots, steps, weights):
    """Add up the gradient of weights, weights[row][edge] += signal[pre] * gradient[post], over rows and slots in their order, for
    parts ``lo .. hi - 1`` of the source units, which are cut at ``cuts``. Only nonzeros of the signal are followed.

    ``starts`` and ``posts`` are the edges of each unit, ``rows`` the addresses of the first slot of signal and gradient
    (``[2, row]``), ``steps`` the bytes from a slot to the next, ``n`` the number of targets.
    """
    widest = np.int64(0)
    for part in range(lo, hi):
        widest = max(widest, cuts[part + 1] - cuts[part])
    found = np.empty(widest + 1, np.int32)
    list_of = np.int64(found.ctypes.data)
    for part in range(lo, hi):
        first, width = cuts[part], cuts[part + 1] - cuts[part]
        for r in range(rows.shape[1]):
            w = vector(weights[r], len(posts))
            for t in range(slots):
                source = rows[0, r] + t * steps[0] + first * SIZE
                v, g = vector(source, width), vector(rows[1, r] + t * steps[1], n)
                for q in range(compress(source, width, list_of, np.int64(0))):
                    i = found[q]
                    for e in range(starts[first + i], starts[first + i + 1]):
                        w[e] += v[i] * g[posts[e]]
    found[0] = 0  # in use until here: an address alone does not keep an array alive
