"""The drivers of the fused engine on the CPU: time loops that call kernels by address. Compiled by Numba from this text.

A tape is a list of steps; each step is one group: its operands are summed from signals, its kernel advances a block of units by
one slot, its outputs are stored as signals. Rows are (chip, sample) pairs. One text serves both float types: ``F`` is set by the
loader. All tables are int64; addresses are in bytes. `tape` builds the tables and names their columns.

Kernels see a work area of ``BLOCK`` elements an operand: states, inputs, constants, outputs; for gradients in addition those of
states, outputs, inputs and constants.
"""

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic

F = np.float32  # the loader writes float64 here for the other float type, and says whether compiled code is kept (CACHE)
SIZE = np.dtype(F).itemsize
BLOCK = 512 // SIZE


@intrinsic
def pointer(typing, address):
    """The address as a pointer to floats."""
    kind = types.float32 if F is np.float32 else types.float64

    def build(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

    return types.CPointer(kind)(types.int64), build


@intrinsic
def integer_pointer(typing, address):
    """The address as a pointer to 64-bit integers."""

    def build(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(types.CPointer(types.int64)))

    return types.CPointer(types.int64)(types.int64), build


@intrinsic
def index_pointer(typing, address):
    """The address as a pointer to 32-bit unit numbers."""

    def build(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(types.CPointer(types.uint32)))

    return types.CPointer(types.uint32)(types.int64), build


@intrinsic
def call(typing, function, address, n):
    """Call the kernel at an address."""

    def build(context, builder, signature, args):
        float_pointer = context.get_value_type(types.CPointer(types.float32))
        kind = ir.FunctionType(ir.VoidType(), [float_pointer, ir.IntType(64)])
        kernel = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(kernel, [builder.inttoptr(args[1], float_pointer), args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@intrinsic
def call_tile(typing, function, work, n, slots, signal, step, out):
    """Call the kernel for a row of connections at an address."""

    def build(context, builder, signature, args):
        number, floats = ir.IntType(64), context.get_value_type(types.CPointer(types.float32))
        kind = ir.FunctionType(ir.VoidType(), [floats, number, number, floats, number, floats])
        kernel = builder.inttoptr(args[0], kind.as_pointer())
        work, signal, out = (builder.inttoptr(args[i], floats) for i in (1, 4, 6))
        builder.call(kernel, [work, args[2], args[3], signal, args[5], out])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), build


@intrinsic
def copy(typing, target, source, count):
    """memcpy of ``count`` bytes."""

    def build(context, builder, signature, args):
        byte = ir.IntType(8).as_pointer()
        memcpy = builder.module.declare_intrinsic("llvm.memcpy", [byte, byte, ir.IntType(64)])
        builder.call(
            memcpy,
            [builder.inttoptr(args[0], byte), builder.inttoptr(args[1], byte), args[2], ir.Constant(ir.IntType(1), 0)],
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@njit(inline="always")
def vector(address, n):
    return carray(pointer(address), (n,), F)


@njit(error_model="numpy", cache=CACHE)
def fill(address, n, value):
    v = vector(address, n)
    for j in range(n):
        v[j] = value


@njit(error_model="numpy", cache=CACHE)
def accumulate(target, source, n):
    a, b = vector(target, n), vector(source, n)
    for j in range(n):
        a[j] += b[j]


@njit(error_model="numpy", cache=CACHE)
def accumulate_scaled(target, source, n, how, dt):
    a, b, scale = vector(target, n), vector(source, n), F(dt)
    if how == 1:
        for j in range(n):
            a[j] += b[j] * scale
    else:
        for j in range(n):
            a[j] += b[j] / scale


@njit(error_model="numpy", cache=CACHE)
def spread(target, weight, n, value):
    """target += value * weight."""
    a, w = vector(target, n), vector(weight, n)
    for j in range(n):
        a[j] += w[j] * value


@njit(error_model="numpy", cache=CACHE)
def spread4(target, weight, stride, n, v0, v1, v2, v3):
    a = vector(target, n)
    w0, w1, w2, w3 = vector(weight, n), vector(weight + stride, n), vector(weight + 2 * stride, n), vector(weight + 3 * stride, n)
    for j in range(n):
        a[j] += (w0[j] * v0 + w1[j] * v1) + (w2[j] * v2 + w3[j] * v3)


@njit(error_model="numpy", cache=CACHE)
def compress(address, n, indices):
    """The positions of what is not zero; returns how many."""
    v = vector(address, n)
    count = 0
    for j in range(n):
        indices[count] = j
        count += v[j] != F(0)
    return count


@njit(error_model="numpy", cache=CACHE)
def into_blocks(work, stride, source, first, last, n):
    """From a row of units to the blocks of an operand."""
    for b in range(first, last):
        copy(work + (b - first) * stride, source + b * BLOCK * SIZE, min(BLOCK, n - b * BLOCK) * SIZE)


@njit(error_model="numpy", cache=CACHE)
def from_blocks(target, work, stride, first, last, n):
    for b in range(first, last):
        copy(target + b * BLOCK * SIZE, work + (b - first) * stride, min(BLOCK, n - b * BLOCK) * SIZE)


@njit(error_model="numpy", cache=CACHE)
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


@njit(error_model="numpy", cache=CACHE)
def gather_edges(target, n, signal, n_pre, indices, count, begins, ends, posts, weights, n_edges):
    """target[post] += signal[pre] * weight along the edges of the elements of the signal that are not zero."""
    a, v = vector(target, n), vector(signal, n_pre)
    first = carray(integer_pointer(begins), (n_pre,), np.int64)
    last = carray(integer_pointer(ends), (n_pre,), np.int64)
    post = carray(index_pointer(posts), (n_edges,), np.uint32)
    w = vector(weights, n_edges)
    for q in range(count):
        i = indices[q]
        value = v[i]
        for e in range(first[i], last[i]):
            a[post[e]] += w[e] * value


@njit(error_model="numpy", cache=CACHE)
def operand(
    x, t, r, part, target, acc, n, first, last, stride, operands, refs, signals, base, matrices, edges, rings, counts, dt
):
    """Sum what enters operand ``x`` in slot ``t`` and put it into the blocks at ``target``."""
    r0, r1, store = operands[x, 0], operands[x, 1], operands[x, 2]
    if r1 == r0 + 1 and refs[r0, 0] == 0 and refs[r0, 6] == n and refs[r0, 7] == 0 and store < 0:
        q = refs[r0, 1]
        k = t - refs[r0, 2]
        if k >= 0 and k < signals[q, 2]:
            into_blocks(target, stride, base[q, r] + (k & signals[q, 1]) * signals[q, 0] + refs[r0, 4] * SIZE, first, last, n)
        else:
            for b in range(first, last):
                fill(target + (b - first) * stride, min(BLOCK, n - b * BLOCK), F(0))
        return
    lo, hi = first * BLOCK, min(n, last * BLOCK)
    fill(acc + lo * SIZE, hi - lo, F(0))
    for e in range(r0, r1):
        q = refs[e, 1]
        k = t - refs[e, 2]
        if k < 0 or k >= signals[q, 2]:
            continue
        source = base[q, r] + (k & signals[q, 1]) * signals[q, 0] + refs[e, 4] * SIZE
        if refs[e, 0] > 0:
            ring, slot = signals[q, 3], k % rings.shape[1]
            if ring < 0:  # no list is kept
                ring, slot = rings.shape[0] - 1, 0
                counts[ring, slot] = compress(source, refs[e, 6], rings[ring, slot])
            m, found = refs[e, 3], counts[ring, slot]
            if refs[e, 0] == 1:
                gather(
                    acc + lo * SIZE, source, rings[ring, slot], found, refs[e, 6], matrices[m, r] + lo * SIZE, refs[e, 8], hi - lo
                )
            else:
                begins = edges[m, 0] + part * refs[e, 6] * 8
                gather_edges(
                    acc,
                    n,
                    source,
                    refs[e, 6],
                    rings[ring, slot],
                    found,
                    begins,
                    begins + refs[e, 6] * 8,
                    edges[m, 1],
                    matrices[m, r],
                    edges[m, 2],
                )
            continue
        a, b = max(lo, refs[e, 5]), min(hi, refs[e, 5] + refs[e, 6])
        if a >= b:
            continue
        source += (a - refs[e, 5]) * SIZE
        if refs[e, 7] == 0:
            accumulate(acc + a * SIZE, source, b - a)
        else:
            accumulate_scaled(acc + a * SIZE, source, b - a, refs[e, 7], dt)
    if store >= 0:
        copy(base[store, r] + (t & signals[store, 1]) * signals[store, 0] + lo * SIZE, acc + lo * SIZE, (hi - lo) * SIZE)
    into_blocks(target, stride, acc, first, last, n)


@njit(error_model="numpy", cache=CACHE)
def load(target, source, stride, n):
    """Elements ``stride`` bytes apart to a block; one for all where the stride is 0."""
    if stride == SIZE:
        copy(target, source, n * SIZE)
    elif stride == 0:
        fill(target, n, vector(source, 1)[0])
    else:
        step = stride // SIZE
        a, v = vector(target, n), vector(source, (n - 1) * step + 1)
        for j in range(n):
            a[j] = v[j * step]


@njit(error_model="numpy", cache=CACHE)
def unload(target, stride, source, n, marks, first):
    """From a block to elements ``stride`` bytes apart, those left out that are marked."""
    step = stride // SIZE
    a, v = vector(target, (n - 1) * step + 1), vector(source, n)
    for j in range(n):
        if marks[first + j] == 0:
            a[j * step] = v[j]


@njit(error_model="numpy", cache=CACHE)
def sweep(kernel, parts, first, count, at, work, lines, n_lines, length, across, along, masked, marks):
    """Run a kernel on whole lines of connections: rows, or columns, as the strides ``across`` and ``along`` lines say."""
    ONE = BLOCK * SIZE
    for j in range(0, length if n_lines else 0, BLOCK):
        width = min(BLOCK, length - j)
        for i in range(count):
            step = parts[first + i, along]
            if parts[first + i, across] == 0:
                load(work + i * ONE, at[i] + j * step, step, width)
        for k in range(n_lines):
            for i in range(count):
                apart, step = parts[first + i, across], parts[first + i, along]
                if apart != 0:
                    load(work + i * ONE, at[i] + lines[k] * apart + j * step, step, width)
            call(kernel, work, width)
            for i in range(count):
                apart, step = parts[first + i, across], parts[first + i, along]
                if parts[first + i, 4] and masked:
                    unload(at[i] + lines[k] * apart + j * step, step, work + i * ONE, width, marks, j)
                elif parts[first + i, 4]:
                    copy(at[i] + lines[k] * apart + j * SIZE, work + i * ONE, width * SIZE)


@njit(error_model="numpy", cache=CACHE)
def visit(kernel, parts, first, last, r, t, at, work, rows, n_rows, columns, n_columns, marks, n_pre, n, fields, signals, base):
    """Run a kernel on whole rows of connections, then on whole columns without the rows that are marked."""
    count = last - first
    for i in range(count):
        q = parts[first + i, 0]
        at[i] = base[q, r] + (t & signals[q, 1]) * signals[q, 0] if q >= 0 else fields[parts[first + i, 1], r]
    sweep(kernel, parts, first, count, at, work, rows, n_rows, n, 2, 3, False, marks)
    sweep(kernel, parts, first, count, at, work, columns, n_columns, n_pre, 3, 2, True, marks)


@njit(error_model="numpy", cache=CACHE)
def mark(marks, seen, n_seen):
    for k in range(n_seen):
        marks[seen[k]] = 1


@njit(error_model="numpy", cache=CACHE)
def collect(marks, n, indices):
    """The positions of what is marked; returns how many."""
    count = 0
    for j in range(n):
        indices[count] = j
        count += marks[j]
    return count


@njit(error_model="numpy", cache=CACHE)
def learn(x, t, r0, together, learns, parts, fields, signals, base, at, work, indices, marks):
    """The weights for slot ``t``, from what happened in the slot before.

    Where only events change weights, rows with an arrival and columns with a spike are visited; else all rows. Of rows of a batch
    that share their weights (``together``) the first kernel adds up the changes, the second applies them.
    """
    n_pre, n, events = learns[x, 6], learns[x, 7], learns[x, 10]
    rows, columns, every = indices[0], indices[1], indices[2]
    here, row_marks, column_marks = marks[0], marks[1], marks[2]
    for k in range(n_pre):
        every[k] = k
    row_marks[:] = 0
    column_marks[:] = 0
    for w in range(together):
        r = r0 + w
        n_rows, n_columns = n_pre, 0
        if events:
            q, p = learns[x, 8], learns[x, 9]
            n_rows = compress(base[q, r] + (t & signals[q, 1]) * signals[q, 0], n_pre, rows)
            n_columns = compress(base[p, r] + (t & signals[p, 1]) * signals[p, 0], n, columns)
        seen = rows if events else every
        if n_rows * n + 4 * n_columns * n_pre >= n_pre * n:  # a column takes about four times as long as a row of its size
            seen, n_rows, n_columns = every, n_pre, 0
        here[:] = 0
        mark(here, seen, n_rows)
        visit(
            learns[x, 0],
            parts,
            learns[x, 1],
            learns[x, 2],
            r,
            t,
            at,
            work,
            seen,
            n_rows,
            columns,
            n_columns,
            here,
            n_pre,
            n,
            fields,
            signals,
            base,
        )
        if learns[x, 3]:
            mark(row_marks, seen, n_rows)
            mark(column_marks, columns, n_columns)
    if learns[x, 3]:
        n_rows, n_columns = collect(row_marks, n_pre, rows), collect(column_marks, n, columns)
        seen = rows
        if n_rows * n + 4 * n_columns * n_pre >= n_pre * n:
            seen, n_rows, n_columns = every, n_pre, 0
        visit(
            learns[x, 3],
            parts,
            learns[x, 4],
            learns[x, 5],
            r0,
            t,
            at,
            work,
            seen,
            n_rows,
            columns,
            n_columns,
            row_marks,
            n_pre,
            n,
            fields,
            signals,
            base,
        )


@njit(nogil=True, error_model="numpy", cache=CACHE)
def forward(
    lo,
    hi,
    splits,
    begin,
    start,
    stop,
    every,
    steps,
    operands,
    refs,
    signals,
    base,
    constants,
    entry,
    leave,
    checks,
    outs,
    matrices,
    edges,
    depth,
    widest,
    dt,
    together,
    learns,
    parts,
    fields,
):
    """Run tasks ``lo .. hi - 1`` over slots ``start .. stop - 1`` of a run that began in slot ``begin``. A task is ``together`` rows
    in lockstep, or one of ``splits`` parts of the blocks of a row.
    """
    n_steps = steps.shape[0]
    all_rings = np.zeros((together, steps.shape[0] + 1, depth, max(widest, 1) + 1), np.int32)
    all_counts = np.zeros((together, steps.shape[0] + 1, depth), np.int64)
    room = np.empty(max(widest, 1), F)
    acc = room.ctypes.data
    total = 0
    for s in range(n_steps):
        total += steps[s, 12] * ((steps[s, 2] + BLOCK - 1) // BLOCK)
    area = np.zeros(together * total // SIZE + 1, F)
    area0 = area.ctypes.data
    taught = learns.shape[1] > 1
    at = np.zeros(parts.shape[0] + 1, np.int64)
    bench = np.zeros(parts.shape[0] * BLOCK if taught else 1, F)
    indices = np.zeros((3, max(widest, 1) + 1 if taught else 1), np.int32)
    marks = np.zeros((3, max(widest, 1) + 1 if taught else 1), np.int8)
    for task in range(lo, hi):
        r0 = task // splits * together
        part = task % splits
        for w in range(together):
            r, work0, rings, counts = r0 + w, area0 + w * total, all_rings[w], all_counts[w]
            for s in range(n_steps):
                n = steps[s, 2]
                blocks = (n + BLOCK - 1) // BLOCK
                first, last = blocks * part // splits, blocks * (part + 1) // splits
                stride, work = steps[s, 12], work0 + steps[s, 11]
                S, X, P = steps[s, 3], steps[s, 4], steps[s, 5]
                for i in range(S):
                    into_blocks(work + i * BLOCK * SIZE, stride, entry[steps[s, 7] + i, r], first, last, n)
                for i in range(P):
                    into_blocks(work + (S + X + i) * BLOCK * SIZE, stride, constants[steps[s, 9] + i, r], first, last, n)
                if start > begin and steps[s, 13] >= 0:
                    for b in range(last - first):
                        fill(work + b * stride + (S + X + steps[s, 13]) * BLOCK * SIZE, BLOCK, F(1))
                q = steps[s, 14]
                if q >= 0:
                    for t in range(start):
                        ring = signals[q, 3]
                        counts[ring, t % depth] = compress(
                            base[q, r] + (t & signals[q, 1]) * signals[q, 0], n, rings[ring, t % depth]
                        )
        for t in range(start, stop):
            for s in range(n_steps):
                n = steps[s, 2]
                blocks = (n + BLOCK - 1) // BLOCK
                first, last = blocks * part // splits, blocks * (part + 1) // splits
                stride = steps[s, 12]
                S, X, P, Y = steps[s, 3], steps[s, 4], steps[s, 5], steps[s, 6]
                if steps[s, 17] >= 0 and t > 0:
                    learn(
                        steps[s, 17], t, r0, together, learns, parts, fields, signals, base, at, bench.ctypes.data, indices, marks
                    )
                for w in range(together):
                    r, work, rings, counts = r0 + w, area0 + w * total + steps[s, 11], all_rings[w], all_counts[w]
                    if every > 0 and (t - start) % every == 0:
                        for i in range(S):
                            from_blocks(
                                checks[steps[s, 7] + i, r] + (t - start) // every * n * SIZE,
                                work + i * BLOCK * SIZE,
                                stride,
                                first,
                                last,
                                n,
                            )
                    for i in range(X):
                        operand(
                            steps[s, 8] + i,
                            t,
                            r,
                            part,
                            work + (S + i) * BLOCK * SIZE,
                            acc,
                            n,
                            first,
                            last,
                            stride,
                            operands,
                            refs,
                            signals,
                            base,
                            matrices,
                            edges,
                            rings,
                            counts,
                            dt,
                        )
                    if t == begin + 1 and steps[s, 13] >= 0:
                        for b in range(last - first):
                            fill(work + b * stride + (S + X + steps[s, 13]) * BLOCK * SIZE, BLOCK, F(1))
                    for b in range(first, last):
                        call(steps[s, 0], work + (b - first) * stride, min(BLOCK, n - b * BLOCK))
                    for i in range(Y):
                        q = outs[steps[s, 10] + i]
                        if q >= 0:
                            from_blocks(
                                base[q, r] + (t & signals[q, 1]) * signals[q, 0],
                                work + (S + X + P + i) * BLOCK * SIZE,
                                stride,
                                first,
                                last,
                                n,
                            )
                    q = steps[s, 14]
                    if q >= 0:
                        ring = signals[q, 3]
                        counts[ring, t % depth] = compress(
                            base[q, r] + (t & signals[q, 1]) * signals[q, 0], n, rings[ring, t % depth]
                        )
        for w in range(together):
            for s in range(n_steps):
                n = steps[s, 2]
                blocks = (n + BLOCK - 1) // BLOCK
                first, last = blocks * part // splits, blocks * (part + 1) // splits
                for i in range(steps[s, 3]):
                    from_blocks(
                        leave[steps[s, 7] + i, r0 + w],
                        area0 + w * total + steps[s, 11] + i * BLOCK * SIZE,
                        steps[s, 12],
                        first,
                        last,
                        n,
                    )
    area[0], room[0], bench[0] = F(0), F(0), F(0)  # in use until here: an address alone does not keep an array alive


@njit(nogil=True, error_model="numpy", cache=CACHE)
def backward(
    lo,
    hi,
    splits,
    start,
    stop,
    every,
    steps,
    operands,
    refs,
    signals,
    base,
    constants,
    checks,
    outs,
    matrices,
    widest,
    dt,
    slopes,
    g_base,
    g_entry,
    g_leave,
    g_constants,
    g_operands,
):
    """The gradients of `forward`, slots in reverse, states recomputed from the checkpoints.

    ``slopes``: for each signal, 1 where its gradient is wanted, 2 where it may be written instead of added. ``g_operands``: for
    each operand the signal that keeps its gradient, or -1.
    """
    n_steps = steps.shape[0]
    room = np.empty(max(widest, 1), F)
    acc = room.ctypes.data
    total, kept = 0, 0
    for s in range(n_steps):
        blocks = (steps[s, 2] + BLOCK - 1) // BLOCK
        total += steps[s, 16] * blocks
        kept += steps[s, 3] * blocks * BLOCK * SIZE * every
    area = np.zeros(total // SIZE + 1, F)
    states = np.zeros(kept // SIZE + 1, F)
    work0, states0 = area.ctypes.data, states.ctypes.data
    ONE = BLOCK * SIZE
    for task in range(lo, hi):
        r = task // splits
        part = task % splits
        for s in range(n_steps):
            n = steps[s, 2]
            blocks = (n + BLOCK - 1) // BLOCK
            first, last = blocks * part // splits, blocks * (part + 1) // splits
            stride, work = steps[s, 16], work0 + steps[s, 15]
            S, X, P, Y = steps[s, 3], steps[s, 4], steps[s, 5], steps[s, 6]
            G = S + X + P + Y
            for i in range(P):
                into_blocks(work + (S + X + i) * ONE, stride, constants[steps[s, 9] + i, r], first, last, n)
                for b in range(last - first):
                    fill(work + b * stride + (G + S + Y + X + i) * ONE, BLOCK, F(0))
                if steps[s, 13] == i:
                    for b in range(last - first):
                        fill(work + b * stride + (S + X + i) * ONE, BLOCK, F(1))
            for i in range(S):
                into_blocks(work + (G + i) * ONE, stride, g_leave[steps[s, 7] + i, r], first, last, n)
        chunk = (stop - start + every - 1) // every - 1
        while chunk >= 0:
            t0 = start + chunk * every
            t1 = min(stop, t0 + every)
            # States at the start of each slot of this chunk.
            shift = 0
            for s in range(n_steps):
                n = steps[s, 2]
                blocks = (n + BLOCK - 1) // BLOCK
                first, last = blocks * part // splits, blocks * (part + 1) // splits
                stride, work = steps[s, 16], work0 + steps[s, 15]
                S, X, P, Y = steps[s, 3], steps[s, 4], steps[s, 5], steps[s, 6]
                G = S + X + P + Y
                for i in range(S):
                    into_blocks(work + i * ONE, stride, checks[steps[s, 7] + i, r] + chunk * n * SIZE, first, last, n)
                go = steps[s, 13]
                if go >= 0 and t0 == start:
                    into_blocks(work + (S + X + go) * ONE, stride, constants[steps[s, 9] + go, r], first, last, n)
                for t in range(t0, t1):
                    for b in range(first, last):
                        copy(states0 + shift + ((t - t0) * blocks + b) * S * ONE, work + (b - first) * stride, S * ONE)
                    if t == t1 - 1:
                        break
                    for i in range(X):
                        stored(steps[s, 8] + i, t, r, work + (S + i) * ONE, n, first, last, stride, operands, refs, signals, base)
                    for b in range(first, last):
                        call(steps[s, 0], work + (b - first) * stride, min(BLOCK, n - b * BLOCK))
                    if go >= 0 and t == start:
                        for b in range(last - first):
                            fill(work + b * stride + (S + X + go) * ONE, BLOCK, F(1))
                shift += S * blocks * ONE * every
            for t in range(t1 - 1, t0 - 1, -1):
                shift = kept
                for s in range(n_steps - 1, -1, -1):
                    n = steps[s, 2]
                    blocks = (n + BLOCK - 1) // BLOCK
                    first, last = blocks * part // splits, blocks * (part + 1) // splits
                    stride, work = steps[s, 16], work0 + steps[s, 15]
                    S, X, P, Y = steps[s, 3], steps[s, 4], steps[s, 5], steps[s, 6]
                    G = S + X + P + Y
                    shift -= S * blocks * ONE * every
                    for b in range(first, last):
                        copy(work + (b - first) * stride, states0 + shift + ((t - t0) * blocks + b) * S * ONE, S * ONE)
                    for i in range(X):
                        stored(steps[s, 8] + i, t, r, work + (S + i) * ONE, n, first, last, stride, operands, refs, signals, base)
                    for i in range(Y):
                        q = outs[steps[s, 10] + i]
                        target = work + (G + S + i) * ONE
                        if q >= 0 and g_base[q, r] != 0:
                            into_blocks(target, stride, g_base[q, r] + t * signals[q, 5], first, last, n)
                        else:
                            for b in range(last - first):
                                fill(target + b * stride, BLOCK, F(0))
                    go = steps[s, 13]
                    if go >= 0 and t == start:
                        into_blocks(work + (S + X + go) * ONE, stride, constants[steps[s, 9] + go, r], first, last, n)
                    for b in range(first, last):
                        call(steps[s, 1], work + (b - first) * stride, min(BLOCK, n - b * BLOCK))
                    for i in range(X):
                        hand_on(
                            steps[s, 8] + i,
                            t,
                            r,
                            work + (G + S + Y + i) * ONE,
                            acc,
                            n,
                            first,
                            last,
                            stride,
                            operands,
                            refs,
                            signals,
                            matrices,
                            dt,
                            slopes,
                            g_base,
                            g_operands,
                        )
            chunk -= 1
        for s in range(n_steps):
            n = steps[s, 2]
            blocks = (n + BLOCK - 1) // BLOCK
            first, last = blocks * part // splits, blocks * (part + 1) // splits
            stride, work = steps[s, 16], work0 + steps[s, 15]
            S, X, P, Y = steps[s, 3], steps[s, 4], steps[s, 5], steps[s, 6]
            G = S + X + P + Y
            for i in range(S):
                from_blocks(g_entry[steps[s, 7] + i, r], work + (G + i) * ONE, stride, first, last, n)
            for i in range(P):
                if g_constants[steps[s, 9] + i, r] != 0:
                    from_blocks(g_constants[steps[s, 9] + i, r], work + (G + S + Y + X + i) * ONE, stride, first, last, n)
    area[0], room[0], states[0] = F(0), F(0), F(0)  # in use until here


@njit(error_model="numpy", cache=CACHE)
def stored(x, t, r, target, n, first, last, stride, operands, refs, signals, base):
    """The sum that entered operand ``x`` in slot ``t``, as `forward` kept it."""
    q, k, offset = operands[x, 2], t, 0
    if q < 0:
        e = operands[x, 0]
        if operands[x, 1] == e:
            for b in range(first, last):
                fill(target + (b - first) * stride, BLOCK, F(0))
            return
        q, k, offset = refs[e, 1], t - refs[e, 2], refs[e, 4]
    if k >= 0 and k < signals[q, 2]:
        into_blocks(target, stride, base[q, r] + (k & signals[q, 1]) * signals[q, 0] + offset * SIZE, first, last, n)
    else:
        for b in range(first, last):
            fill(target + (b - first) * stride, BLOCK, F(0))


@njit(error_model="numpy", cache=CACHE)
def hand_on(x, t, r, source, acc, n, first, last, stride, operands, refs, signals, matrices, dt, slopes, g_base, g_operands):
    """The gradient of operand ``x`` in slot ``t`` goes to what it was summed from."""
    e0, e1 = operands[x, 0], operands[x, 1]
    keep = g_operands[x]
    if keep >= 0:
        from_blocks(g_base[keep, r] + t * signals[keep, 5], source, stride, first, last, n)
    if e1 == e0 + 1 and refs[e0, 0] == 0 and refs[e0, 7] == 0 and refs[e0, 6] == n and slopes[refs[e0, 1]] == 2:
        q = refs[e0, 1]
        k = t - refs[e0, 2]
        if k >= 0 and k < signals[q, 2]:
            from_blocks(g_base[q, r] + k * signals[q, 5] + refs[e0, 4] * SIZE, source, stride, first, last, n)
        return
    wanted = False
    for e in range(e0, e1):
        wanted = wanted or slopes[refs[e, 1]] != 0
    if not wanted:
        return
    from_blocks(acc, source, stride, first, last, n)
    for e in range(e0, e1):
        q = refs[e, 1]
        k = t - refs[e, 2]
        if slopes[q] == 0 or k < 0 or k >= signals[q, 2]:
            continue
        target = g_base[q, r] + k * signals[q, 5] + refs[e, 4] * SIZE
        if refs[e, 0] == 1:
            # The matrix transposed: one row for each target.
            matrix, step, width = matrices[refs[e, 3], r], refs[e, 9], refs[e, 6]
            g = vector(acc, n)
            j = 0
            while j + 4 <= n:
                spread4(target, matrix + j * step, step, width, g[j], g[j + 1], g[j + 2], g[j + 3])
                j += 4
            while j < n:
                spread(target, matrix + j * step, width, g[j])
                j += 1
        elif refs[e, 7] == 0:
            accumulate(target, acc + refs[e, 5] * SIZE, refs[e, 6])
        else:
            accumulate_scaled(target, acc + refs[e, 5] * SIZE, refs[e, 6], refs[e, 7], dt)


@njit(error_model="numpy", cache=CACHE)
def total(address, n):
    """The sum of a block, in eight parts."""
    v = vector(address, BLOCK)
    for j in range(n, BLOCK):
        v[j] = F(0)
    a = b = c = d = e = f = g = h = F(0)
    for j in range(0, BLOCK, 8):
        a += v[j]
        b += v[j + 1]
        c += v[j + 2]
        d += v[j + 3]
        e += v[j + 4]
        f += v[j + 5]
        g += v[j + 6]
        h += v[j + 7]
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@njit(nogil=True, error_model="numpy", cache=CACHE)
def connect_forward(lo, hi, tile, slots, n_pre, n, S, P, Y, arrivals, step, out, out_step, entry, leave, constants, strides):
    """A state on every connection: rows ``lo .. hi - 1`` times blocks of targets, each source unit through all slots.

    ``arrivals``, ``out``, ``entry``, ``leave``, ``constants``: addresses for each row; ``strides``: bytes from one source unit to the
    next, for each constant.
    """
    ONE = BLOCK * SIZE
    blocks = (n + BLOCK - 1) // BLOCK
    area = np.zeros((S + 1 + P + Y) * BLOCK, F)
    sums = np.zeros(slots * BLOCK + 1, F)
    work, acc = area.ctypes.data, sums.ctypes.data
    for task in range(lo, hi):
        r, b = task // blocks, task % blocks
        width = min(BLOCK, n - b * BLOCK)
        sums[:] = F(0)
        for i in range(n_pre):
            at = (i * n + b * BLOCK) * SIZE
            for k in range(S):
                copy(work + k * ONE, entry[k, r] + at, width * SIZE)
            for k in range(P):
                copy(work + (S + 1 + k) * ONE, constants[k, r] + i * strides[k] + b * ONE, width * SIZE)
            call_tile(tile, work, width, slots, arrivals[r] + i * SIZE, step, acc)
            for k in range(S):
                copy(leave[k, r] + at, work + k * ONE, width * SIZE)
        for t in range(slots):
            copy(out[r] + t * out_step + b * ONE, acc + t * ONE, width * SIZE)
    area[0], sums[0] = F(0), F(0)  # in use until here


@njit(nogil=True, error_model="numpy", cache=CACHE)
def connect_backward(
    lo,
    hi,
    tile,
    back,
    slots,
    every,
    n_pre,
    n,
    S,
    P,
    Y,
    arrivals,
    step,
    entry,
    constants,
    strides,
    g_out,
    g_step,
    g_arrivals,
    g_entry,
    g_leave,
    g_constants,
):
    """The gradients of `connect_forward`. ``g_arrivals``: for each row and block ``[slot, pre]``, or 0."""
    ONE = BLOCK * SIZE
    G = S + 1 + P + Y
    blocks = (n + BLOCK - 1) // BLOCK
    chunks = (slots + every - 1) // every
    area = np.zeros(2 * G * BLOCK, F)
    checks = np.zeros(chunks * S * BLOCK + 1, F)
    states = np.zeros(every * S * BLOCK + 1, F)
    waste = np.zeros(every * BLOCK, F)
    work, checks0, states0, waste0 = area.ctypes.data, checks.ctypes.data, states.ctypes.data, waste.ctypes.data
    for task in range(lo, hi):
        r, b = task // blocks, task % blocks
        width = min(BLOCK, n - b * BLOCK)
        for i in range(n_pre):
            at = (i * n + b * BLOCK) * SIZE
            x0 = arrivals[r] + i * SIZE
            for k in range(S):
                copy(work + k * ONE, entry[k, r] + at, width * SIZE)
                copy(work + (G + k) * ONE, g_leave[k, r] + at, width * SIZE)
            for k in range(P):
                copy(work + (S + 1 + k) * ONE, constants[k, r] + i * strides[k] + b * ONE, width * SIZE)
                fill(work + (G + S + Y + 1 + k) * ONE, BLOCK, F(0))
            for c in range(chunks):
                copy(checks0 + c * S * ONE, work, S * ONE)
                call_tile(tile, work, width, min(every, slots - c * every), x0 + c * every * step * SIZE, step, waste0)
            for c in range(chunks - 1, -1, -1):
                t0, t1 = c * every, min(slots, (c + 1) * every)
                copy(work, checks0 + c * S * ONE, S * ONE)
                for t in range(t0, t1):
                    copy(states0 + (t - t0) * S * ONE, work, S * ONE)
                    if t < t1 - 1:
                        call_tile(tile, work, width, 1, x0 + t * step * SIZE, step, waste0)
                for t in range(t1 - 1, t0 - 1, -1):
                    copy(work, states0 + (t - t0) * S * ONE, S * ONE)
                    fill(work + S * ONE, width, vector(x0 + t * step * SIZE, 1)[0])
                    copy(work + (G + S) * ONE, g_out[r] + t * g_step + b * ONE, width * SIZE)
                    call(back, work, width)
                    if g_arrivals[task] != 0:
                        vector(g_arrivals[task] + (t * n_pre + i) * SIZE, 1)[0] = total(work + (G + S + Y) * ONE, width)
            for k in range(S):
                copy(g_entry[k, r] + at, work + (G + k) * ONE, width * SIZE)
            for k in range(P):
                if g_constants[k, r] != 0:
                    copy(g_constants[k, r] + at, work + (G + S + Y + 1 + k) * ONE, width * SIZE)
    area[0], checks[0], states[0], waste[0] = F(0), F(0), F(0), F(0)  # in use until here
