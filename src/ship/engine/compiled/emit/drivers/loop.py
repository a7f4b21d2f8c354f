# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of all other tapes: slot by slot, the steps in order. `tape` builds the tables and names their columns."""

LEARNS = "learn" in globals()  # the text of `learning` comes before this one only where a tape changes weights
ALONG = "back_along_edges" in globals()  # and that of `gradients` where gradients go along edges


@driver
def forward(
    lo,
    hi,
    splits,
    fresh,
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
    moves,
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
    end,
    areas,
    buffer,
    all_lists,
    all_counts,
    own,
):
    """Run tasks ``lo .. hi - 1`` over slots ``start .. stop - 1`` of a run from slot ``begin`` to ``end``. A task is ``together``
    rows in lockstep, or one of ``splits`` parts of the blocks of a row. ``fresh``: whether states are to be loaded.

    ``areas``: for each of those rows the work area, which keeps states between calls; ``buffer``: rows of zeros, of outputs that
    nobody wants, of sums; ``own``: buffer for a list. ``all_lists``, ``all_counts``: for each of those rows, or for each row and
    part, lists of what is not zero in the last slots of signals. What a part lists it has just written: another thread would have
    to fetch it.
    """
    n_steps = steps.shape[0]
    wide, total = buffer.shape[1] * SIZE, areas.shape[1] * SIZE
    zeros, waste, sums, area0 = buffer.ctypes.data, buffer.ctypes.data + wide, buffer.ctypes.data + 2 * wide, areas.ctypes.data
    one = np.zeros(BLOCK, F)
    ones = np.int64(one.ctypes.data)
    fill(ones, np.int64(BLOCK), F(1))
    moving = np.zeros(n_steps, np.int64)  # whether any constant of a step differs from block to block
    for s in range(n_steps):
        for i in range(steps[s, 6]):
            if moves[steps[s, 11] + i] != 0:
                moving[s] = 1
    table = np.zeros(2 * (operands.shape[0] + moves.shape[0] + outs.shape[0]) + 2, np.int64)
    rows = table.ctypes.data
    if LEARNS:
        at, workspace = np.zeros(parts.shape[0] + 1, np.int64), np.zeros(parts.shape[0] * BLOCK, F)
        indices, marks = np.zeros((3, widest + 1), np.int32), np.zeros((3, widest + 1), np.int8)
    for task in range(lo, hi):
        r0 = task // splits * together
        part = task % splits
        for w in range(together if fresh else 0):
            r, work0, group = r0 + w, area0 + w * total, r0 if splits > 1 else w
            lists, counts = all_lists[group, part], all_counts[group, part]
            for s in range(n_steps):
                n, S = steps[s, 3], steps[s, 4]
                blocks, stride, work = (n + BLOCK - 1) // BLOCK, S * ONE, work0 + steps[s, 13]
                first, last = blocks * part // splits, blocks * (part + 1) // splits
                for i in range(S):
                    into_blocks(work + i * ONE, stride, entry[steps[s, 9] + i, r], first, last, n)
                q = steps[s, 14]
                if q >= 0:
                    ring, low, high = signals[q, 3], first * BLOCK, min(n, last * BLOCK)
                    for t in range(start):
                        source = base[q, r] + (t & signals[q, 1]) * signals[q, 0] + low * SIZE
                        counts[ring, t % depth] = compress(source, high - low, lists[ring, t % depth], low)
        for t in range(start, stop):
            for s in range(n_steps):
                n, S, X, P, Y = steps[s, 3], steps[s, 4], steps[s, 5], steps[s, 6], steps[s, 7]
                blocks, stride = (n + BLOCK - 1) // BLOCK, S * ONE
                first, last = blocks * part // splits, blocks * (part + 1) // splits
                low, high = first * BLOCK, min(n, last * BLOCK)
                if LEARNS and steps[s, 15] >= 0 and t > 0:
                    work = workspace.ctypes.data
                    learn(steps[s, 15], t, r0, together, learns, parts, fields, signals, base, at, work, indices, marks)
                for w in range(together):
                    r, work, group = r0 + w, area0 + w * total + steps[s, 13], r0 if splits > 1 else w
                    lists, counts = all_lists[group], all_counts[group]
                    if every > 0 and (t - start) % every == 0:
                        for i in range(S):
                            target = checks[steps[s, 9] + i, r] + (t - start) // every * n * SIZE
                            from_blocks(target, work + i * ONE, stride, first, last, n)
                    for i in range(X):
                        table[2 * i] = first * ONE + operand(
                            steps[s, 10] + i,
                            t,
                            r,
                            part,
                            sums + i * wide,
                            zeros,
                            low,
                            high,
                            n,
                            operands,
                            refs,
                            signals,
                            base,
                            matrices,
                            edges,
                            lists,
                            counts,
                            own,
                            dt,
                        )
                    for i in range(Y):
                        q = outs[steps[s, 12] + i]
                        row = waste if q < 0 else base[q, r] + (t & signals[q, 1]) * signals[q, 0]
                        table[2 * (X + P + i)] = row + first * ONE
                    for b in range(first, last):
                        if b == first or moving[s]:
                            aim_constants(table, steps[s], r, base.shape[1], b, t > begin, ones, constants, moves)
                        call(steps[s, 0], work + (b - first) * stride, min(BLOCK, n - b * BLOCK), 1, rows)
                        for i in range(X):
                            table[2 * i] += ONE
                        for i in range(X + P, X + P + Y):
                            table[2 * i] += ONE
                    q = steps[s, 14]
                    if q >= 0:
                        ring, source = signals[q, 3], base[q, r] + (t & signals[q, 1]) * signals[q, 0] + low * SIZE
                        counts[part, ring, t % depth] = compress(source, high - low, lists[part, ring, t % depth], low)
        for w in range(together if stop == end else 0):
            for s in range(n_steps):
                n, S = steps[s, 3], steps[s, 4]
                blocks, stride = (n + BLOCK - 1) // BLOCK, S * ONE
                first, last = blocks * part // splits, blocks * (part + 1) // splits
                for i in range(S):
                    source = area0 + w * total + steps[s, 13] + i * ONE
                    from_blocks(leave[steps[s, 9] + i, r0 + w], source, stride, first, last, n)
    table[0], one[0] = 0, F(0)  # in use until here: an address alone does not keep an array alive
    if LEARNS:
        workspace[0] = F(0)


@driver
def backward(
    lo,
    hi,
    start,
    stop,
    every,
    steps,
    operands,
    refs,
    signals,
    base,
    constants,
    moves,
    checks,
    outs,
    matrices,
    edges,
    widest,
    dt,
    cuts,
    gradients,
    g_base,
    g_entry,
    g_leave,
    g_constants,
    g_operands,
):
    """The gradients of `forward` for rows ``lo .. hi - 1``, slots in reverse, states recomputed from the checkpoints.

    ``gradients``: for each signal, 1 where its gradient is wanted, 2 where it may be written instead of added. ``g_operands``: for
    each operand the signal that keeps its gradient, or -1. ``cuts``: the slots in which a signal begins or ends, or the clock
    changes.
    """
    n_steps, first = steps.shape[0], np.int64(0)
    wide = (widest + BLOCK) * SIZE
    total, kept, most = 0, 0, 0
    for s in range(n_steps):
        blocks = (steps[s, 3] + BLOCK - 1) // BLOCK
        total += (2 * steps[s, 4] + steps[s, 6]) * ONE * blocks
        kept += steps[s, 4] * blocks * ONE * every
        most = max(most, steps[s, 5])
    buffer = np.zeros((most + 1) * wide // SIZE, F)  # zeros, gradients of operands
    zeros, sums = buffer.ctypes.data, buffer.ctypes.data + wide
    area, states = np.zeros(total // SIZE + 1, F), np.zeros(kept // SIZE + 1, F)
    table = np.zeros(2 * (2 * operands.shape[0] + moves.shape[0] + outs.shape[0] + 1) + 2, np.int64)
    one = np.zeros(BLOCK, F)
    ones = np.int64(one.ctypes.data)
    fill(ones, np.int64(BLOCK), F(1))
    work0, states0, rows = area.ctypes.data, states.ctypes.data, table.ctypes.data
    for r in range(lo, hi):
        for s in range(n_steps):
            n, S, P = steps[s, 3], steps[s, 4], steps[s, 6]
            blocks, stride, work = (n + BLOCK - 1) // BLOCK, (2 * S + P) * ONE, work0 + steps[s, 16]
            for i in range(S):
                into_blocks(work + (S + i) * ONE, stride, g_leave[steps[s, 9] + i, r], first, blocks, n)
            for i in range(P):
                for b in range(blocks):
                    fill(work + b * stride + (2 * S + i) * ONE, np.int64(BLOCK), F(0))
        chunk = (stop - start + every - 1) // every - 1
        while chunk >= 0:
            t0, t1 = start + chunk * every, min(stop, start + (chunk + 1) * every)
            shift = states0
            for s in range(n_steps):
                n, S, X, P = steps[s, 3], steps[s, 4], steps[s, 5], steps[s, 6]
                blocks, stride, work = (n + BLOCK - 1) // BLOCK, (2 * S + P) * ONE, work0 + steps[s, 16]
                for i in range(S):
                    into_blocks(work + i * ONE, stride, checks[steps[s, 9] + i, r] + chunk * n * SIZE, first, blocks, n)
                t, cut = t0, 1
                while t < t1 and S > 0:
                    while cuts[cut] <= t:
                        cut += 1
                    end = min(t1, cuts[cut])
                    for i in range(X):
                        table[2 * i], table[2 * i + 1] = stored(steps[s, 10] + i, t, r, zeros, operands, refs, signals, base)
                    table[2 * (X + P)], table[2 * (X + P) + 1] = shift + (t - t0) * S * ONE, S * ONE
                    for b in range(blocks):
                        aim_constants(table, steps[s], r, base.shape[1], b, t > start, ones, constants, moves)
                        call(steps[s, 1], work + b * stride, min(BLOCK, n - b * BLOCK), end - t, rows)
                        for i in range(X):
                            table[2 * i] += ONE
                        table[2 * (X + P)] += every * S * ONE
                    t = end
                shift += S * blocks * ONE * every
            for t in range(t1 - 1, t0 - 1, -1):
                shift = states0 + kept
                for s in range(n_steps - 1, -1, -1):
                    n, S, X, P, Y = steps[s, 3], steps[s, 4], steps[s, 5], steps[s, 6], steps[s, 7]
                    blocks, stride, work = (n + BLOCK - 1) // BLOCK, (2 * S + P) * ONE, work0 + steps[s, 16]
                    shift -= S * blocks * ONE * every
                    own = X + P  # the row of states; gradients of outputs and of inputs follow
                    for i in range(X):
                        table[2 * i], table[2 * i + 1] = stored(steps[s, 10] + i, t, r, zeros, operands, refs, signals, base)
                        table[2 * (own + 1 + Y + i)] = sums + i * wide
                    table[2 * own] = shift + (t - t0) * S * ONE
                    for i in range(Y):
                        q = outs[steps[s, 12] + i]
                        known = q >= 0 and g_base[q, r] != 0
                        table[2 * (own + 1 + i)] = g_base[q, r] + t * signals[q, 5] if known else zeros
                    for b in range(blocks):
                        aim_constants(table, steps[s], r, base.shape[1], b, t > start, ones, constants, moves)
                        call(steps[s, 2], work + b * stride, min(BLOCK, n - b * BLOCK), 1, rows)
                        for i in range(X):
                            table[2 * i] += ONE
                        table[2 * own] += every * S * ONE
                        for i in range(own + 1, own + 1 + Y + X):
                            table[2 * i] += ONE
                    for i in range(X):
                        hand_on(
                            steps[s, 10] + i,
                            t,
                            r,
                            sums + i * wide,
                            n,
                            operands,
                            refs,
                            signals,
                            matrices,
                            edges,
                            dt,
                            gradients,
                            g_base,
                            g_operands,
                        )
            chunk -= 1
        for s in range(n_steps):
            n, S, P = steps[s, 3], steps[s, 4], steps[s, 6]
            blocks, stride, work = (n + BLOCK - 1) // BLOCK, (2 * S + P) * ONE, work0 + steps[s, 16]
            for i in range(S):
                from_blocks(g_entry[steps[s, 9] + i, r], work + (S + i) * ONE, stride, first, blocks, n)
            for i in range(P):
                if g_constants[steps[s, 11] + i, r] != 0:
                    from_blocks(g_constants[steps[s, 11] + i, r], work + (2 * S + i) * ONE, stride, first, blocks, n)
    area[0], buffer[0], states[0], table[0], one[0] = F(0), F(0), F(0), 0, F(0)  # in use until here


@inner
def stored(x, t, r, zeros, operands, refs, signals, base):
    """Where what entered operand ``x`` in slot ``t`` lies, as `forward` kept it, and the bytes to the next slot."""
    q, k, offset = operands[x, 2], t, 0
    if q < 0:
        e = operands[x, 0]
        if operands[x, 1] == e:
            return zeros, 0
        q, k, offset = refs[e, 1], t - refs[e, 2], refs[e, 4]
    if k >= 0 and k < signals[q, 2]:
        return base[q, r] + (k & signals[q, 1]) * signals[q, 0] + offset * SIZE, signals[q, 0]
    return zeros, 0


@inner
def hand_on(x, t, r, source, n, operands, refs, signals, matrices, edges, dt, gradients, g_base, g_operands):
    """The gradient of operand ``x`` in slot ``t`` goes to what it was summed from."""
    keep = g_operands[x]
    if keep >= 0:
        copy(g_base[keep, r] + t * signals[keep, 5], source, n * SIZE)
    for e in range(operands[x, 0], operands[x, 1]):
        q = refs[e, 1]
        k = t - refs[e, 2]
        if gradients[q] == 0 or k < 0 or k >= signals[q, 2]:
            continue
        target = g_base[q, r] + k * signals[q, 5] + refs[e, 4] * SIZE
        if gradients[q] == 2:
            copy(target, source, n * SIZE)
        elif refs[e, 0] == 1:
            # The matrix transposed: one row for each target.
            matrix, step, width = matrices[refs[e, 3], r], refs[e, 9], refs[e, 6]
            g = vector(source, n)
            j = 0
            while j + 4 <= n:
                spread4(target, matrix + j * step, step, width, g[j], g[j + 1], g[j + 2], g[j + 3])
                j += 4
            while j < n:
                spread(target, matrix + j * step, width, g[j])
                j += 1
        elif ALONG and refs[e, 0] > 1:
            m, width, shared = refs[e, 3], refs[e, 6], refs[e, 0] == 3
            begins, count, weights = edges[m, 0], edges[m, 2], matrices[m, r]
            if edges[m, 3] == 2:
                back_along_edges(target, width, source, n, short_index(edges[m, 1]), count, begins, weights, shared)
            else:
                back_along_edges(target, width, source, n, wide_index(edges[m, 1]), count, begins, weights, shared)
        elif refs[e, 7] == 0:
            accumulate(target, source + refs[e, 5] * SIZE, refs[e, 6])
        else:
            accumulate_scaled(target, source + refs[e, 5] * SIZE, refs[e, 6], refs[e, 7], dt)
