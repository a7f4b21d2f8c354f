# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of tapes of one step whose operands are signals as they are: each block of units through many slots at a time.

A task is one of ``splits`` parts of the blocks of a row. ``step``: see `memory`. For each input the address of its signal in
each row, ``inputs``, and in ``shapes`` bytes from a slot to the next, slots that it is late, slots that it has; likewise for
``outs`` the address and the bytes. ``cuts``: the slots in which an input begins or ends, or the clock changes; the first and
the last one included.
"""


@inner
def aim(table, inputs, shapes, r, t, offset, zeros):
    """Let the rows of the inputs begin in slot ``t``, at a block."""
    for i in range(shapes.shape[0]):
        k = t - shapes[i, 1]
        if k >= 0 and k < shapes[i, 2]:
            table[2 * i], table[2 * i + 1] = inputs[i, r] + k * shapes[i, 0] + offset, shapes[i, 0]
        else:
            table[2 * i], table[2 * i + 1] = zeros, 0


@driver
def forward(
    turns, tasks, splits, every, recorded, step, cuts, inputs, shapes, outs, out_steps, entry, leave, constants, moves, checks
):
    """The tasks below ``tasks`` that it can `take`. ``every``: slots of a pass, between checkpoints of the states where they are
    ``recorded``.
    """
    n, S, X, P, Y = step[3], step[4], step[5], step[6], step[7]
    blocks, stride, start, stop = (n + BLOCK - 1) // BLOCK, S * ONE, cuts[0], cuts[-1]
    area, room, table = np.zeros(blocks * stride // SIZE + 1, F), np.zeros(2 * BLOCK, F), np.zeros(2 * (X + P + Y) + 2, np.int64)
    work, zeros, ones, rows = area.ctypes.data, room.ctypes.data, room.ctypes.data + ONE, table.ctypes.data
    fill(np.int64(ones), BLOCK, F(1))
    task = take(turns.ctypes.data)
    while task < tasks:
        r, part = task // splits, task % splits
        first, last = blocks * part // splits, blocks * (part + 1) // splits
        for i in range(S):
            into_blocks(work + i * ONE, stride, entry[i, r], first, last, n)
        t, cut = start, 1
        while t < stop:
            checked = recorded and (t - start) % every == 0
            end = min(cuts[cut], start + ((t - start) // every + 1) * every)
            for b in range(first, last):
                at = work + (b - first) * stride
                width = min(BLOCK, n - b * BLOCK)
                for i in range(S if checked else 0):
                    copy(checks[i, r] + ((t - start) // every * n + b * BLOCK) * SIZE, at + i * ONE, width * SIZE)
                aim(table, inputs, shapes, r, t, b * ONE, zeros)
                aim_constants(table, step, r, b, t > start, ones, constants, moves)
                for i in range(Y):
                    table[2 * (X + P + i)] = outs[i, r] + t * out_steps[i] + b * ONE
                    table[2 * (X + P + i) + 1] = out_steps[i]
                call(step[0], at, width, end - t, rows)
            cut += end == cuts[cut]
            t = end
        for i in range(S):
            from_blocks(leave[i, r], work + i * ONE, stride, first, last, n)
        task = take(turns.ctypes.data)
    area[0], room[0], table[0] = F(0), F(0), 0  # in use until here: an address alone does not keep an array alive


@driver
def backward(
    turns,
    tasks,
    splits,
    every,
    step,
    cuts,
    inputs,
    shapes,
    slopes,
    slope_steps,
    constants,
    moves,
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
    first_row = X + P  # behind inputs and constants: states, gradients of outputs, of inputs
    blocks, stride, start, stop = (n + BLOCK - 1) // BLOCK, (2 * S + P) * ONE, cuts[0], cuts[-1]
    area, states = np.zeros(blocks * stride // SIZE + 1, F), np.zeros(every * S * BLOCK + 1, F)
    room, table = np.zeros((3 + X * every) * BLOCK, F), np.zeros(2 * (2 * X + P + Y + 1) + 2, np.int64)
    work, kept, zeros, rows = area.ctypes.data, states.ctypes.data, room.ctypes.data, table.ctypes.data
    ones, waste, aside = zeros + ONE, zeros + 2 * ONE, zeros + 3 * ONE
    fill(np.int64(ones), BLOCK, F(1))
    task = take(turns.ctypes.data)
    while task < tasks:
        r, part = task // splits, task % splits
        first, last = blocks * part // splits, blocks * (part + 1) // splits
        for i in range(S):
            into_blocks(work + (S + i) * ONE, stride, g_leave[i, r], first, last, n)
        for i in range(P):
            for b in range(last - first):
                fill(work + b * stride + (2 * S + i) * ONE, BLOCK, F(0))
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
                    aim(table, inputs, shapes, r, t, b * ONE, zeros)
                    aim_constants(table, step, r, b, t > start, ones, constants, moves)
                    table[2 * first_row], table[2 * first_row + 1] = kept + (t - t0) * S * ONE, S * ONE
                    call(step[1], at, width, end - t, rows)
                for c in range(high - 1, low - 1, -1):
                    t, end = max(t0, cuts[c]), min(t1, cuts[c + 1])
                    aim(table, inputs, shapes, r, t, b * ONE, zeros)
                    aim_constants(table, step, r, b, t > start, ones, constants, moves)
                    row = 2 * first_row
                    table[row], table[row + 1] = kept + (t - t0) * S * ONE, S * ONE
                    for i in range(Y):
                        row += 2
                        known = slopes[i, r] != 0
                        table[row] = slopes[i, r] + t * slope_steps[i] + b * ONE if known else zeros
                        table[row + 1] = slope_steps[i] if known else 0
                    for i in range(X):
                        row += 2
                        k, target, apart = t - shapes[i, 1], waste, 0
                        if g_inputs[i, r] != 0 and k >= 0 and k < shapes[i, 2]:
                            target, apart = g_inputs[i, r] + k * g_steps[i] + b * ONE, g_steps[i]
                        if target == table[2 * i]:  # rows of a kernel never overlap
                            target, apart = aside + i * every * ONE, ONE
                        table[row], table[row + 1] = target, apart
                    call(step[2], at, width, end - t, rows)
                    for i in range(X):
                        source = aside + i * every * ONE
                        if table[row + 2 * (i + 1 - X)] == source:
                            for k in range(end - t):
                                copy(table[2 * i] + k * table[2 * i + 1], source + k * ONE, width * SIZE)
            chunk -= 1
        for i in range(S):
            from_blocks(g_entry[i, r], work + (S + i) * ONE, stride, first, last, n)
        for i in range(P):
            if g_constants[i, r] != 0:
                from_blocks(g_constants[i, r], work + (2 * S + i) * ONE, stride, first, last, n)
        task = take(turns.ctypes.data)
    area[0], states[0], room[0], table[0] = F(0), F(0), F(0), 0  # in use until here
