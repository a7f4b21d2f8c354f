# ruff: noqa: F821
# mypy: ignore-errors
"""How the operands of a loop are summed: from signals as they are, or gathered through weights from what is not zero."""


@intrinsic
def wide_index(typing, address):
    """The address as a pointer to unit numbers of 32 bits."""
    return pointer(types.uint32)


@intrinsic
def short_index(typing, address):
    """The same of 16 bits."""
    return pointer(types.uint16)


@inner
def accumulate(target, source, n):
    a, b = vector(target, n), vector(source, n)
    for j in range(n):
        a[j] += b[j]


@inner
def accumulate_scaled(target, source, n, how, dt):
    a, b, scale = vector(target, n), vector(source, n), F(dt)
    if how == 1:
        for j in range(n):
            a[j] += b[j] * scale
    else:
        for j in range(n):
            a[j] += b[j] / scale


@inner
def spread(target, weight, n, value):
    """target += value * weight."""
    a, w = vector(target, n), vector(weight, n)
    for j in range(n):
        a[j] += w[j] * value


@inner
def spread4(target, weight, stride, n, v0, v1, v2, v3):
    a = vector(target, n)
    w0, w1, w2, w3 = vector(weight, n), vector(weight + stride, n), vector(weight + 2 * stride, n), vector(weight + 3 * stride, n)
    for j in range(n):
        a[j] += (w0[j] * v0 + w1[j] * v1) + (w2[j] * v2 + w3[j] * v3)


LOOK = 32  # elements that are looked at together


@inner
def compress(address, n, indices, first):
    """The positions of what is not zero, counted from ``first``; returns how many."""
    v, count, whole = vector(address, n), 0, n - n % LOOK
    for start in range(0, whole, LOOK):
        bits = integers(address + start * SIZE)
        found = np.int64(0)
        for q in range(LOOK * SIZE // 8):
            found |= bits[q]
        if found != 0:
            for j in range(start, start + LOOK):
                indices[count] = first + j
                count += v[j] != F(0)
    for j in range(whole, n):
        indices[count] = first + j
        count += v[j] != F(0)
    return count


@inner
def gather(target, signal, indices, count, n_pre, matrix, stride, n):
    """target += signal @ matrix, over the elements of the signal that are not zero."""
    v = vector(signal, n_pre)
    q = 0
    while q + 4 <= count:
        i0, i1, i2, i3 = indices[q], indices[q + 1], indices[q + 2], indices[q + 3]
        a = vector(target, n)
        w0, w1 = vector(matrix + i0 * stride, n), vector(matrix + i1 * stride, n)
        w2, w3 = vector(matrix + i2 * stride, n), vector(matrix + i3 * stride, n)
        v0, v1, v2, v3 = v[i0], v[i1], v[i2], v[i3]
        for j in range(n):
            a[j] += (w0[j] * v0 + w1[j] * v1) + (w2[j] * v2 + w3[j] * v3)
        q += 4
    while q < count:
        spread(target, matrix + indices[q] * stride, n, v[indices[q]])
        q += 1


@inner
def along_edges(target, to, n_edges, n, signal, n_pre, indices, count, begins, ends, weights, shared):
    """target[to] += signal[pre] * weight along the edges of the elements of the signal that are not zero. ``shared``: whether
    all edges of a source have its weight.
    """
    a, v = vector(target, n), vector(signal, n_pre)
    first, last = integers(begins), integers(ends)
    w = vector(weights, n_pre if shared else n_edges)
    for q in range(count):
        i = indices[q]
        value = v[i]
        if shared:
            value *= w[i]
            for e in range(first[i], last[i]):
                a[to[e]] += value
        else:
            for e in range(first[i], last[i]):
                a[to[e]] += w[e] * value


@inner
def operand(x, t, r, part, buffer, zeros, lo, hi, n, operands, refs, signals, base, matrices, edges, lists, counts, own, dt):
    """The address of what enters operand ``x`` in slot ``t``: of a signal, or of the sum, which is made in ``buffer`` or where it
    is kept for the gradient. Units ``lo .. hi - 1`` of n are needed.
    """
    r0, r1, store = operands[x, 0], operands[x, 1], operands[x, 2]
    if r0 == r1:
        return zeros
    if r1 == r0 + 1 and refs[r0, 0] == 0 and refs[r0, 6] == n and refs[r0, 7] == 0 and store < 0:
        q = refs[r0, 1]
        k = t - refs[r0, 2]
        if k >= 0 and k < signals[q, 2]:
            return base[q, r] + (k & signals[q, 1]) * signals[q, 0] + refs[r0, 4] * SIZE
        return zeros
    acc = buffer if store < 0 else base[store, r] + (t & signals[store, 1]) * signals[store, 0]
    fill(acc + lo * SIZE, hi - lo, F(0))
    for e in range(r0, r1):
        q = refs[e, 1]
        k = t - refs[e, 2]
        if k < 0 or k >= signals[q, 2]:
            continue
        source = base[q, r] + (k & signals[q, 1]) * signals[q, 0] + refs[e, 4] * SIZE
        if refs[e, 0] > 0:
            m, ring, slot, at, found = refs[e, 3], signals[q, 3], k % counts.shape[2], own, 0
            if ring < 0:  # no list is kept
                found = compress(source, refs[e, 6], own, np.int64(0))
            elif lists.shape[0] == 1:
                at, found = lists[0, ring, slot], counts[0, ring, slot]
            else:
                for p in range(lists.shape[0]):
                    for j in range(counts[p, ring, slot]):
                        own[found] = lists[p, ring, slot, j]
                        found += 1
            if refs[e, 0] == 1:
                gather(acc + lo * SIZE, source, at, found, refs[e, 6], matrices[m, r] + lo * SIZE, refs[e, 8], hi - lo)
            else:
                begins, shared = edges[m, 0] + part * refs[e, 6] * 8, refs[e, 0] == 3
                ends = begins + refs[e, 6] * 8
                if edges[m, 3] == 2:
                    post = short_index(edges[m, 1])
                    along_edges(acc, post, edges[m, 2], n, source, refs[e, 6], at, found, begins, ends, matrices[m, r], shared)
                else:
                    posts = wide_index(edges[m, 1])
                    along_edges(acc, posts, edges[m, 2], n, source, refs[e, 6], at, found, begins, ends, matrices[m, r], shared)
            continue
        a, b = max(lo, refs[e, 5]), min(hi, refs[e, 5] + refs[e, 6])
        if a >= b:
            continue
        source += (a - refs[e, 5]) * SIZE
        if refs[e, 7] == 0:
            accumulate(acc + a * SIZE, source, b - a)
        else:
            accumulate_scaled(acc + a * SIZE, source, b - a, refs[e, 7], dt)
    return acc
