# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of tapes of one step whose operands are signals as they are: each block of units through many slots at a time.

A task is one of ``splits`` parts of the blocks of a row. ``step``: see `memory`. For each input the address of its signal in
each row, ``inputs``, and in ``shapes`` bytes from a slot to the next, slots that it is late, slots that it has; likewise for
``outs`` the address and the bytes. ``cuts``: the slots in which an input begins or ends, or the clock changes; the first and
the last one included.
"""


@njit(error_model="numpy", cache=CACHE)
def aim(table, inputs, shapes, r, t, offset, zeros):
    """Let the rows of the inputs begin in slot ``t``, at a block."""
    for i in range(shapes.shape[0]):
        k = t - shapes[i, 1]
        if k >= 0 and k < shapes[i, 2]:
            table[2 * i], table[2 * i + 1] = inputs[i, r] + k * shapes[i, 0] + offset, shapes[i, 0]
        else:
            table[2 * i], table[2 * i + 1] = zeros, 0


@njit(nogil=True, error_model="numpy", cache=CACHE)
def forward(lo, hi, splits, every, recorded, step, cuts, inputs, shapes, outs, out_steps, entry, leave, constants, checks):
    """Tasks ``lo .. hi - 1``. ``every``: slots of a pass, between checkpoints of the states where they are ``recorded``."""
    n, S, X, P, Y = step[3], step[4], step[5], step[6], step[7]
    blocks, stride, start, stop = (n + BLOCK - 1) // BLOCK, (S + P) * ONE, cuts[0], cuts[-1]
    area, room, table = np.zeros(blocks * stride // SIZE + 1, F), np.zeros(BLOCK, F), np.zeros(2 * (X + Y) + 2, np.int64)
    work, zeros, rows = area.ctypes.data, room.ctypes.data, table.ctypes.data
    for task in range(lo, hi):
        r, part = task // splits, task % splits
        first, last = blocks * part // splits, blocks * (part + 1) // splits
        for i in range(S):
            into_blocks(work + i * ONE, stride, entry[i, r], first, last, n)
        load_constants(step, r, work, stride, first, last, constants, 0)
        t, cut = start, 1
        while t < stop:
            if t == start + 1:
                set_clock(step, work, stride, last - first, F(1))
            checked = recorded and (t - start) % every == 0
            end = min(cuts[cut], start + ((t - start) // every + 1) * every)
            for b in range(first, last):
                at = work + (b - first) * stride
                width = min(BLOCK, n - b * BLOCK)
                for i in range(S if checked else 0):
                    copy(checks[i, r] + ((t - start) // every * n + b * BLOCK) * SIZE, at + i * ONE, width * SIZE)
                aim(table, inputs, shapes, r, t, b * ONE, zeros)
                for i in range(Y):
                    table[2 * (X + i)] = outs[i, r] + t * out_steps[i] + b * ONE
                    table[2 * (X + i) + 1] = out_steps[i]
                call(step[0], at, width, end - t, rows)
            cut += end == cuts[cut]
            t = end
        for i in range(S):
            from_blocks(leave[i, r], work + i * ONE, stride, first, last, n)
    area[0], room[0], table[0] = F(0), F(0), 0  # in use until here: an address alone does not keep an array alive


@njit(nogil=True, error_model="numpy", cache=CACHE)
def backward(
    lo,
    hi,
    splits,
    every,
    step,
    cuts,
    inputs,
    shapes,
    slopes,
    slope_steps,
    constants,
    checks,
    g_inputs,
    g_steps,
    g_entry,
    g_leave,
    g_constants,
):
    """The gradients of `forward`, slots in reverse, states recomputed from the checkpoints. ``slopes``: gradients of the outputs;
    addresses of 0 stand for zeros. ``g_inputs``: where those of the inputs go, or 0.
    """
    n, S, X, P, Y = step[3], step[4], step[5], step[6], step[7]
    G = S + P
    blocks, stride, start, stop = (n + BLOCK - 1) // BLOCK, 2 * G * ONE, cuts[0], cuts[-1]
    area, states = np.zeros(blocks * stride // SIZE + 1, F), np.zeros(every * S * BLOCK + 1, F)
    room, table = np.zeros((2 + X * every, BLOCK), F), np.zeros(2 * (2 * X + Y + 1) + 2, np.int64)
    work, kept, zeros, rows = area.ctypes.data, states.ctypes.data, room.ctypes.data, table.ctypes.data
    for task in range(lo, hi):
        r, part = task // splits, task % splits
        first, last = blocks * part // splits, blocks * (part + 1) // splits
        load_constants(step, r, work, stride, first, last, constants, 0)
        for i in range(S):
            into_blocks(work + (G + i) * ONE, stride, g_leave[i, r], first, last, n)
        for i in range(P):
            for b in range(last - first):
                fill(work + b * stride + (G + S + i) * ONE, BLOCK, F(0))
        chunk = (stop - start + every - 1) // every - 1
        while chunk >= 0:
            t0, t1 = start + chunk * every, min(stop, start + (chunk + 1) * every)
            low = 0
            while cuts[low + 1] <= t0:
                low += 1
            high = low + 1
            while cuts[high] < t1:
                high += 1
            for b in range(first, last):
                at, width = work + (b - first) * stride, min(BLOCK, n - b * BLOCK)
                for i in range(S):
                    copy(at + i * ONE, checks[i, r] + (chunk * n + b * BLOCK) * SIZE, width * SIZE)
                for c in range(low, high if S > 0 else low):
                    t, end = max(t0, cuts[c]), min(t1, cuts[c + 1])
                    clock(step, at, r, t > start, constants, b, width)
                    aim(table, inputs, shapes, r, t, b * ONE, zeros)
                    table[2 * X], table[2 * X + 1] = kept + (t - t0) * S * ONE, S * ONE
                    call(step[1], at, width, end - t, rows)
                for c in range(high - 1, low - 1, -1):
                    t, end = max(t0, cuts[c]), min(t1, cuts[c + 1])
                    clock(step, at, r, t > start, constants, b, width)
                    aim(table, inputs, shapes, r, t, b * ONE, zeros)
                    table[2 * X], table[2 * X + 1] = kept + (t - t0) * S * ONE, S * ONE
                    for i in range(Y):
                        known = slopes[i, r] != 0
                        table[2 * (X + 1 + i)] = slopes[i, r] + t * slope_steps[i] + b * ONE if known else zeros
                        table[2 * (X + 1 + i) + 1] = slope_steps[i] if known else 0
                    for i in range(X):
                        k, target, apart = t - shapes[i, 1], zeros + ONE, 0
                        if g_inputs[i, r] != 0 and k >= 0 and k < shapes[i, 2]:
                            target, apart = g_inputs[i, r] + k * g_steps[i] + b * ONE, g_steps[i]
                        if target == table[2 * i]:  # rows of a kernel never overlap
                            target, apart = zeros + (2 + i * every) * ONE, ONE
                        table[2 * (X + 1 + Y + i)], table[2 * (X + 1 + Y + i) + 1] = target, apart
                    call(step[2], at, width, end - t, rows)
                    for i in range(X):
                        if table[2 * (X + 1 + Y + i)] == zeros + (2 + i * every) * ONE:
                            for k in range(end - t):
                                copy(table[2 * i] + k * table[2 * i + 1], zeros + (2 + i * every + k) * ONE, width * SIZE)
            chunk -= 1
        for i in range(S):
            from_blocks(g_entry[i, r], work + (G + i) * ONE, stride, first, last, n)
        for i in range(P):
            if g_constants[i, r] != 0:
                from_blocks(g_constants[i, r], work + (G + S + i) * ONE, stride, first, last, n)
    area[0], states[0], room[0, 0], table[0] = F(0), F(0), F(0), 0  # in use until here


@njit(error_model="numpy", cache=CACHE)
def clock(step, work, r, advancing, constants, b, width):
    """Set the clock of a block for a slot."""
    if step[8] >= 0:
        at = work + (step[4] + step[8]) * ONE
        if advancing:
            fill(at, BLOCK, F(1))
        else:
            copy(at, constants[step[8], r] + b * ONE, width * SIZE)
