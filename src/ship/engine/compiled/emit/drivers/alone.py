# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of tapes of one step whose operands are signals as they are: each block of units through many slots at a time.

A task is one of ``splits`` parts of the blocks of a row. All threads get the same record of numbers: the next task, the last one
and one more, tasks done; splits, rows, slots of a pass, whether states are kept for the gradient, cuts, the kernel that follows
the last slot, or 0, the input whose place the bottleneck takes (see `Kernel.bottleneck`), or -1, whether the gradient of that input is
made of the bottleneck; then where its tables begin, and these.
Tables of rows have the addresses of a tensor's rows one after the other. ``step``: see `memory`. For each input there are in
``shapes`` bytes from a slot to the next, slots that it is late, slots that it has; for outputs and gradients there are the bytes.
``cuts``: the slots in which an input begins or ends, or the clock changes; the first and the last one included.
"""


@inner
def tables(record, i):
    """The i-th table of the record."""
    return integers(record + 8 * integers(record)[11 + i])


@inner
def aim_input(table, i, place, inputs, shapes, r, rows, t, offset, otherwise):
    """Let row ``i`` begin at the input ``place`` in slot ``t``, at a block; where that has no such slot, ``otherwise``."""
    k = t - shapes[3 * place + 1]
    if k >= 0 and k < shapes[3 * place + 2]:
        table[2 * i], table[2 * i + 1] = inputs[place * rows + r] + k * shapes[3 * place] + offset, shapes[3 * place]
    else:
        table[2 * i], table[2 * i + 1] = otherwise, 0


@inner
def aim(table, inputs, shapes, X, r, rows, t, offset, zeros):
    """Let the rows of all inputs begin in slot ``t``."""
    for i in range(X):
        aim_input(table, i, i, inputs, shapes, r, rows, t, offset, zeros)


@crew
def forward(record):
    """Tables: step, cuts, shapes, bytes of outputs, moves of constants; rows of entry, leave, constants, checks, the bottleneck in the
    first slot, inputs, outputs.
    """
    head = integers(record)
    splits, rows, every, recorded, last_cut, place = head[3], head[4], head[5], head[6], head[7], head[9]
    step, cuts, shapes = tables(record, 0), tables(record, 1), tables(record, 2)
    out_steps, moves = tables(record, 3), tables(record, 4)
    entry, leave, constants = tables(record, 5), tables(record, 6), tables(record, 7)
    checks, spare, inputs, outs = tables(record, 8), tables(record, 9), tables(record, 10), tables(record, 11)
    n, S, X, P, Y = step[3], step[4], step[5], step[6], step[7]
    blocks, stride, start, stop = (n + BLOCK - 1) // BLOCK, S * ONE, cuts[0], cuts[last_cut]
    area, buffer, table = (
        np.zeros(blocks * stride // SIZE + 1, F),
        np.zeros(2 * BLOCK, F),
        np.zeros(2 * (X + P + Y) + 4, np.int64),
    )
    work, zeros, ones, places = area.ctypes.data, buffer.ctypes.data, buffer.ctypes.data + ONE, table.ctypes.data
    fill(np.int64(ones), BLOCK, F(1))
    task = take(record)
    while task < head[1]:
        r, part = task // splits, task % splits
        first, last = blocks * part // splits, blocks * (part + 1) // splits
        for i in range(S):
            into_blocks(work + i * ONE, stride, entry[i * rows + r], first, last, n)
        t, cut = start, 1
        while t < stop:
            checked = recorded and (t - start) % every == 0
            end = min(cuts[cut], start + ((t - start) // every + 1) * every)
            for b in range(first, last):
                at = work + (b - first) * stride
                width = min(BLOCK, n - b * BLOCK)
                for i in range(S if checked else 0):
                    copy(checks[i * rows + r] + ((t - start) // every * n + b * BLOCK) * SIZE, at + i * ONE, width * SIZE)
                aim(table, inputs, shapes, X, r, rows, t, b * ONE, zeros)
                aim_constants(table, step, r, rows, b, t > start, ones, constants, moves)
                for i in range(Y):
                    table[2 * (X + P + i)] = outs[i * rows + r] + t * out_steps[i] + b * ONE
                    table[2 * (X + P + i) + 1] = out_steps[i]
                if place >= 0:
                    aim_input(table, X + P + Y, place, inputs, shapes, r, rows, t, b * ONE, spare[r] + b * ONE)
                call(step[0], at, width, end - t, places)
            cut += end == cuts[cut]
            t = end
        for b in range(first, last if head[8] != 0 else first):
            aim(table, inputs, shapes, X, r, rows, stop, b * ONE, zeros)
            aim_constants(table, step, r, rows, b, True, ones, constants, moves)
            call(head[8], work + (b - first) * stride, min(BLOCK, n - b * BLOCK), 1, places)
        for i in range(S):
            from_blocks(leave[i * rows + r], work + i * ONE, stride, first, last, n)
        take(record + 16)  # one more is done
        task = take(record)
    area[0], buffer[0], table[0] = F(0), F(0), 0  # in use until here: an address alone does not keep an array alive


@crew
def backward(record):
    """The gradients of `forward`, slots in reverse, states recomputed from the checkpoints where they are needed. Tables: step,
    cuts, shapes, bytes of the gradients of outputs, of inputs, moves of constants; rows of constants, checks, the bottleneck in the
    first slot, the gradients of entry, leave, constants, of inputs, of the gradients of outputs, of those of the inputs.
    Addresses of 0 stand for zeros, or for what nobody wants.
    """
    head = integers(record)
    splits, rows, every, last_cut, place = head[3], head[4], head[5], head[7], head[9]
    step, cuts, shapes = tables(record, 0), tables(record, 1), tables(record, 2)
    slope_steps, g_steps, moves = tables(record, 3), tables(record, 4), tables(record, 5)
    constants, checks, spare = tables(record, 6), tables(record, 7), tables(record, 8)
    g_entry, g_leave, g_constants = tables(record, 9), tables(record, 10), tables(record, 11)
    inputs, gradients, g_inputs = tables(record, 12), tables(record, 13), tables(record, 14)
    n, S, X, P, Y = step[3], step[4], step[5], step[6], step[7]
    first_row = X + P  # behind inputs and constants: states, gradients of outputs, of inputs
    blocks, stride, start, stop = (n + BLOCK - 1) // BLOCK, (2 * S + P) * ONE, cuts[0], cuts[last_cut]
    area, states = np.zeros(blocks * stride // SIZE + 1, F), np.zeros(every * S * BLOCK + 1, F)
    buffer, table = np.zeros((3 + X * every) * BLOCK, F), np.zeros(2 * (2 * X + P + Y + 1) + 2, np.int64)
    work, kept, zeros, places = area.ctypes.data, states.ctypes.data, buffer.ctypes.data, table.ctypes.data
    ones, waste, aside = zeros + ONE, zeros + 2 * ONE, zeros + 3 * ONE
    fill(np.int64(ones), BLOCK, F(1))
    task = take(record)
    while task < head[1]:
        r, part = task // splits, task % splits
        first, last = blocks * part // splits, blocks * (part + 1) // splits
        for i in range(S):
            into_blocks(work + (S + i) * ONE, stride, g_leave[i * rows + r], first, last, n)
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
                for i in range(S if step[1] != 0 else 0):
                    copy(at + i * ONE, checks[i * rows + r] + (chunk * n + b * BLOCK) * SIZE, width * SIZE)
                for c in range(low, high if step[1] != 0 else low):
                    t, end = max(t0, cuts[c]), min(t1, cuts[c + 1])
                    aim(table, inputs, shapes, X, r, rows, t, b * ONE, zeros)
                    aim_constants(table, step, r, rows, b, t > start, ones, constants, moves)
                    table[2 * first_row], table[2 * first_row + 1] = kept + (t - t0) * S * ONE, S * ONE
                    call(step[1], at, width, end - t, places)
                for c in range(high - 1, low - 1, -1):
                    t, end = max(t0, cuts[c]), min(t1, cuts[c + 1])
                    aim(table, inputs, shapes, X, r, rows, t, b * ONE, zeros)
                    aim_constants(table, step, r, rows, b, t > start, ones, constants, moves)
                    if place >= 0:
                        aim_input(table, place, place, inputs, shapes, r, rows, t, b * ONE, spare[r] + b * ONE)
                    row = 2 * first_row
                    table[row], table[row + 1] = kept + (t - t0) * S * ONE, S * ONE
                    for i in range(Y):
                        row += 2
                        gradient = gradients[i * rows + r]
                        table[row] = gradient + t * slope_steps[i] + b * ONE if gradient != 0 else zeros
                        table[row + 1] = slope_steps[i] if gradient != 0 else 0
                    for i in range(X):
                        row += 2
                        k, target, apart = t - shapes[3 * i + 1], waste, 0
                        if g_inputs[i * rows + r] != 0 and k >= 0 and k < shapes[3 * i + 2]:
                            target, apart = g_inputs[i * rows + r] + k * g_steps[i] + b * ONE, g_steps[i]
                        if target == table[2 * i] and (i != place or head[10] == 0):  # rows of a kernel never overlap
                            target, apart = aside + i * every * ONE, ONE
                        table[row], table[row + 1] = target, apart
                    call(step[2], at, width, end - t, places)
                    for i in range(X):
                        source = aside + i * every * ONE
                        if table[row + 2 * (i + 1 - X)] == source:
                            for k in range(end - t):
                                copy(table[2 * i] + k * table[2 * i + 1], source + k * ONE, width * SIZE)
            chunk -= 1
        for i in range(S):
            from_blocks(g_entry[i * rows + r], work + (S + i) * ONE, stride, first, last, n)
        for i in range(P):
            if g_constants[i * rows + r] != 0:
                from_blocks(g_constants[i * rows + r], work + (2 * S + i) * ONE, stride, first, last, n)
        take(record + 16)  # one more is done
        task = take(record)
    area[0], states[0], buffer[0], table[0] = F(0), F(0), F(0), 0  # in use until here
