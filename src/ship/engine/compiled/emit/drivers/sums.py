# ruff: noqa: F821
# mypy: ignore-errors
"""How the operands of a loop are summed: from signals as they are, or gathered through weights from nonzeros."""

loop_at, operand_at, source_at = reader(LOOP), reader(OPERAND), reader(SOURCE)
signal_at, edges_at = reader(SIGNAL), reader(EDGES)


@intrinsic
def wide_index(typing, address):
    """The address as a pointer to unit numbers of 32 bits."""
    return pointer(types.uint32)


@intrinsic
def short_index(typing, address):
    """The address as a pointer to unit numbers of 16 bits."""
    return pointer(types.uint16)


@intrinsic
def listed(typing, address):
    """The address as a pointer to the entries of a list of nonzeros."""
    return pointer(types.int32)


@inner
def accumulate(target, source, n):
    """target += source."""
    a, b = vector(target, n), vector(source, n)
    for j in range(n):
        a[j] += b[j]


@inner
def accumulate_scaled(target, source, n, how, dt):
    """target += source times dt (``how`` is 1), or divided by dt."""
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
    """`spread` of four rows of weights, ``stride`` bytes apart."""
    a = vector(target, n)
    w0, w1, w2, w3 = vector(weight, n), vector(weight + stride, n), vector(weight + 2 * stride, n), vector(weight + 3 * stride, n)
    for j in range(n):
        a[j] += (w0[j] * v0 + w1[j] * v1) + (w2[j] * v2 + w3[j] * v3)


LOOK = 64  # elements that are looked at together


@intrinsic
def nonzero_bits(typing, address):
    """A bit for each of the `LOOK` elements at the address, set where it is not 0; the lowest bit is that of the first one."""

    def build(context, builder, signature, args):
        row = ir.VectorType(ir.FloatType() if SIZE == 4 else ir.DoubleType(), LOOK)
        found = builder.load(builder.inttoptr(args[0], row.as_pointer()))
        found.align = SIZE
        return builder.bitcast(builder.fcmp_unordered("!=", found, ir.Constant(row, None)), ir.IntType(LOOK))

    return types.int64(types.int64), build


@intrinsic
def lowest(typing, bits):
    """The number of the lowest bit that is set, in a number that is not 0."""

    def build(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), build


@inner
def compress(address, n, indices, first):
    """Write the positions of nonzeros, counted from ``first``, to the list at the address ``indices``; return how many."""
    v, found, count, whole = vector(address, n), listed(indices), 0, n - n % LOOK
    for start in range(0, whole, LOOK):
        bits = nonzero_bits(address + start * SIZE)
        while bits != 0:
            found[count] = first + start + lowest(bits)
            count += 1
            bits &= bits - 1
    for j in range(whole, n):
        found[count] = first + j
        count += v[j] != F(0)
    return count


@inner
def gather(target, signal, indices, count, n_pre, matrix, stride, n):
    """target += signal @ matrix, over the nonzeros of the signal."""
    v, at = vector(signal, n_pre), listed(indices)
    q = 0
    while q + 4 <= count:
        i0, i1, i2, i3 = at[q], at[q + 1], at[q + 2], at[q + 3]
        a = vector(target, n)
        w0, w1 = vector(matrix + i0 * stride, n), vector(matrix + i1 * stride, n)
        w2, w3 = vector(matrix + i2 * stride, n), vector(matrix + i3 * stride, n)
        v0, v1, v2, v3 = v[i0], v[i1], v[i2], v[i3]
        for j in range(n):
            a[j] += (w0[j] * v0 + w1[j] * v1) + (w2[j] * v2 + w3[j] * v3)
        q += 4
    while q < count:
        spread(target, matrix + at[q] * stride, n, v[at[q]])
        q += 1


@inner
def along_edges(target, to, n, signal, n_pre, indices, count, begins, weights, shared):
    """target[to] += signal[pre] * weight along the edges of the nonzeros of the signal. ``shared`` says whether all edges of a
    source unit have its weight.
    """
    a, v, at = vector(target, n), vector(signal, n_pre), listed(indices)
    first, last = integers(begins), integers(begins + n_pre * 8)
    w = vector(weights, n_pre)
    for q in range(count):
        i = at[q]
        value = v[i]
        if shared:
            value *= w[i]
            for e in range(first[i], last[i]):
                a[to[e]] += value
        else:
            for e in range(first[i], last[i]):
                a[to[e]] += w[e] * value


@inner
def slot_at(record, q, r, t):
    """The address of slot ``t`` of signal ``q`` in row ``r``."""
    run = loop_at(record, 0)
    signal = signal_at(run.signals, q)
    return integers(run.base)[q * run.rows + r] + (t & signal.mask) * signal.stride


@inner
def list_at(record, r, part, which, t):
    """The address of the list of nonzeros of a signal in slot ``t``, and where its length is kept."""
    run = loop_at(record, 0)
    group = r if run.splits > 1 else r % run.together
    i = ((group * run.splits + part) * run.n_lists + which) * run.depth + t % run.depth
    return run.lists + i * run.list_bytes, run.counts + 8 * i


@inner
def list_nonzeros(record, s, r, part, t):
    """Keep the list of nonzeros of what a step put out in slot ``t``, for the units of a part."""
    run = loop_at(record, 0)
    step = step_at(run.steps, s)
    n, q = step.units, step.listing
    blocks = (n + BLOCK - 1) // BLOCK
    low, high = blocks * part // run.splits * BLOCK, min(n, blocks * (part + 1) // run.splits * BLOCK)
    indices, count = list_at(record, r, part, signal_at(run.signals, q).listing, t)
    integers(count)[0] = compress(slot_at(record, q, r, t) + low * SIZE, high - low, indices, low)


@inner
def nonzeros(record, q, r, t, address, n):
    """A list of the nonzeros of signal ``q`` in slot ``t``, and its length; ``address``: where the n units of the signal lie."""
    run = loop_at(record, 0)
    which = signal_at(run.signals, q).listing
    if which < 0:  # no list is kept
        return run.list, compress(address, n, run.list, np.int64(0))
    if run.splits == 1:
        indices, count = list_at(record, r, np.int64(0), which, t)
        return indices, integers(count)[0]
    found, whole = 0, listed(run.list)
    for p in range(run.splits):
        indices, count = list_at(record, r, p, which, t)
        own = listed(indices)
        for j in range(integers(count)[0]):
            whole[found] = own[j]
            found += 1
    return run.list, found


@inner
def add_product(record, e, r, part, t, address, total, low, high, n):
    """Add what a source sends through its weights to the units ``low .. high - 1`` of an operand; ``t`` and ``address`` are slot
    and place of the signal.
    """
    run, source = loop_at(record, 0), source_at(loop_at(record, 0).sources, e)
    width, m = source.width, source.matrix
    indices, count = nonzeros(record, source.signal, r, t, address, width)
    weights = integers(run.matrices)[m * run.rows + r]
    if source.kind == 1:
        gather(total + low * SIZE, address, indices, count, width, weights + low * SIZE, source.apart, high - low)
        return
    edges, shared = edges_at(run.edges, m), source.kind == 3
    begins = edges.begins + part * width * 8
    if edges.size == 2:
        along_edges(total, short_index(edges.targets), n, address, width, indices, count, begins, weights, shared)
    else:
        along_edges(total, wide_index(edges.targets), n, address, width, indices, count, begins, weights, shared)


@inner
def add_source(record, e, r, part, t, total, low, high, n):
    """Add what one source brings in slot ``t`` to the units ``low .. high - 1`` of an operand."""
    run, source = loop_at(record, 0), source_at(loop_at(record, 0).sources, e)
    q = source.signal
    k = t - source.lag
    if k < 0 or k >= signal_at(run.signals, q).slots:
        return
    address = slot_at(record, q, r, k) + source.offset * SIZE
    if source.kind > 0:
        add_product(record, e, r, part, k, address, total, low, high, n)
        return
    a, b = max(low, source.into), min(high, source.into + source.width)
    if a >= b:
        return
    address += (a - source.into) * SIZE
    if source.convert == 0:
        accumulate(total + a * SIZE, address, b - a)
    else:
        accumulate_scaled(total + a * SIZE, address, b - a, source.convert, run.dt)


@inner
def operand(record, x, r, part, t, buffer, low, high, n):
    """The address of what enters operand ``x`` in slot ``t``: of a signal, or of the sum, which is made in ``buffer`` or where it
    is kept for the gradient. Units ``low .. high - 1`` of n are needed.
    """
    run, x_at = loop_at(record, 0), operand_at(loop_at(record, 0).operands, x)
    first, last, store = x_at.first, x_at.last, x_at.store
    if first == last:
        return run.zeros
    only = source_at(run.sources, first)
    if last == first + 1 and only.kind == 0 and only.width == n and only.convert == 0 and store < 0:
        k = t - only.lag
        if k >= 0 and k < signal_at(run.signals, only.signal).slots:
            return slot_at(record, only.signal, r, k) + only.offset * SIZE
        return run.zeros
    total = buffer if store < 0 else slot_at(record, store, r, t)
    fill(total + low * SIZE, high - low, F(0))
    for e in range(first, last):
        add_source(record, e, r, part, t, total, low, high, n)
    return total
