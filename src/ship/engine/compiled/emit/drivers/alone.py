# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of tapes of one step whose operands are signals as they are: each block of units through many slots at a time.

All threads are given the address of the same `SINGLE`, and take tasks from it; a task is one of ``splits`` parts of the blocks of
a row. The tables are in the record itself, behind its fields.
"""

single_at, shape_at = reader(SINGLE), reader(SHAPE)


@inner
def numbers(record, begin):
    """The table of numbers that begins ``begin`` bytes behind the beginning of the record."""
    return integers(record + begin)


@inner
def parts(record, task):
    """The row of a task, its first block, and the block that follows its last one."""
    run = single_at(record, 0)
    n, r, part = step_at(record + run.step, 0).units, task // run.splits, task % run.splits
    blocks = (n + BLOCK - 1) // BLOCK
    return r, blocks * part // run.splits, blocks * (part + 1) // run.splits


@inner
def aim_input(record, places, i, which, r, t, offset, otherwise):
    """Let row ``i`` begin at the input ``which`` in slot ``t``, at a block; where that has no such slot, at ``otherwise``."""
    run = single_at(record, 0)
    shape = shape_at(record + run.shapes, which)
    k = t - shape.lag
    if k >= 0 and k < shape.slots:
        set_row(places, i, numbers(record, run.inputs)[which * run.rows + r] + k * shape.stride + offset, shape.stride)
    else:
        set_row(places, i, otherwise, np.int64(0))


@inner
def aim(record, places, r, t, b, clock, ones, zeros):
    """Let the rows of all inputs begin in slot ``t``, those of constants at block ``b``."""
    run = single_at(record, 0)
    for i in range(step_at(record + run.step, 0).inputs):
        aim_input(record, places, i, i, r, t, b * ONE, zeros)
    constants, moves = record + run.constants, record + run.moves
    place_constants(places, record + run.step, np.int64(0), r, run.rows, b, clock, ones, constants, moves)


@inner
def through(record, r, first, last, work, places, zeros, ones):
    """Run the blocks ``first .. last - 1`` of a row through all slots, from cut to cut and from checkpoint to checkpoint."""
    run, cuts = single_at(record, 0), numbers(record, single_at(record, 0).cuts)
    step, which = step_at(record + run.step, 0), run.place
    n, S, outputs, Y = step.units, step.states, step.inputs + step.constants, step.outputs
    start, stop, every = cuts[0], cuts[run.last_cut], run.every
    t, cut = start, 1
    while t < stop:
        checked = run.checked and (t - start) % every == 0
        end = min(cuts[cut], start + ((t - start) // every + 1) * every)
        for b in range(first, last):
            at, width = work + (b - first) * S * ONE, min(BLOCK, n - b * BLOCK)
            for i in range(S if checked else 0):
                check = numbers(record, run.checks)[i * run.rows + r]
                copy(check + ((t - start) // every * n + b * BLOCK) * SIZE, at + i * ONE, width * SIZE)
            aim(record, places, r, t, b, t > start, ones, zeros)
            for i in range(Y):
                stride = numbers(record, run.out_strides)[i]
                set_row(places, outputs + i, numbers(record, run.outs)[i * run.rows + r] + t * stride + b * ONE, stride)
            if which >= 0:
                otherwise = numbers(record, run.spare)[r] + b * ONE
                aim_input(record, places, outputs + Y, which, r, t, b * ONE, otherwise)
            call(step.forward, at, width, end - t, places)
        cut += end == cuts[cut]
        t = end


@crew
def forward(record):
    """Run all slots of the tasks that a thread takes."""
    run = single_at(record, 0)
    step, stop = step_at(record + run.step, 0), numbers(record, run.cuts)[run.last_cut]
    n, S = step.units, step.states
    blocks, stride = (n + BLOCK - 1) // BLOCK, S * ONE
    area, buffer = np.zeros(blocks * stride // SIZE + 1, F), np.zeros(2 * BLOCK, F)
    table = np.zeros(2 * (step.inputs + step.constants + step.outputs) + 4, np.int64)
    work, zeros, places = np.int64(area.ctypes.data), np.int64(buffer.ctypes.data), np.int64(table.ctypes.data)
    ones, ended = zeros + ONE, run.ending != 0
    fill(ones, BLOCK, F(1))
    task = take(record)
    while task < run.last:
        r, first, last = parts(record, task)
        for i in range(S):
            into_blocks(work + i * ONE, stride, numbers(record, run.entry)[i * run.rows + r], first, last, n)
        through(record, r, first, last, work, places, zeros, ones)
        for b in range(first, last if ended else first):
            aim(record, places, r, stop, b, ended, ones, zeros)
            call(run.ending, work + (b - first) * stride, min(BLOCK, n - b * BLOCK), 1, places)
        for i in range(S):
            from_blocks(numbers(record, run.leave)[i * run.rows + r], work + i * ONE, stride, first, last, n)
        take(record + 16)  # one more is done
        task = take(record)
    area[0], buffer[0], table[0] = F(0), F(0), 0  # in use until here: an address alone does not keep an array alive


@inner
def run_again(record, r, b, at, chunk, low, high, places, states, zeros):
    """Compute the states of a block in a chunk of slots again, from cut ``low`` to ``high``, beginning with its checkpoint."""
    run, cuts = single_at(record, 0), numbers(record, single_at(record, 0).cuts)
    step = step_at(record + run.step, 0)
    n, S, own, start = step.units, step.states, step.inputs + step.constants, cuts[0]
    t0, t1 = start + chunk * run.every, min(cuts[run.last_cut], start + (chunk + 1) * run.every)
    width = min(BLOCK, n - b * BLOCK)
    for i in range(S):
        copy(at + i * ONE, numbers(record, run.checks)[i * run.rows + r] + (chunk * n + b * BLOCK) * SIZE, width * SIZE)
    for c in range(low, high):
        t, end = max(t0, cuts[c]), min(t1, cuts[c + 1])
        aim(record, places, r, t, b, t > start, zeros + ONE, zeros)
        set_row(places, own, states + (t - t0) * S * ONE, S * ONE)
        call(step.again, at, width, end - t, places)


@inner
def aim_back(record, r, b, t, places, zeros, aside):
    """Let the rows of gradients begin in slot ``t`` at a block: those of outputs, then those of inputs, which go to rows
    ``aside`` where they would be where an input is read: rows of a kernel never overlap.
    """
    run, table = single_at(record, 0), integers(places)
    step = step_at(record + run.step, 0)
    first = step.inputs + step.constants + 1  # behind inputs, constants and states
    for i in range(step.outputs):
        gradient, stride = numbers(record, run.gradients)[i * run.rows + r], numbers(record, run.back_strides)[i]
        if gradient != 0:
            set_row(places, first + i, gradient + t * stride + b * ONE, stride)
        else:
            set_row(places, first + i, zeros, np.int64(0))
    for i in range(step.inputs):
        shape, target = shape_at(record + run.shapes, i), numbers(record, run.targets)[i * run.rows + r]
        k, stride = t - shape.lag, numbers(record, run.target_strides)[i]
        if target != 0 and k >= 0 and k < shape.slots:
            target += k * stride + b * ONE
        else:
            target, stride = zeros + 2 * ONE, np.int64(0)  # nobody wants it
        if target == table[2 * i] and (i != run.place or run.replaces == 0):
            target, stride = aside + i * run.every * ONE, np.int64(ONE)
        set_row(places, first + step.outputs + i, target, stride)


@inner
def pull(record, r, b, at, t0, t, end, places, states, zeros):
    """Compute the gradients of a block in slots ``t .. end - 1`` of the chunk that begins with ``t0``."""
    run, table = single_at(record, 0), integers(places)
    step, start = step_at(record + run.step, 0), numbers(record, run.cuts)[0]
    own, stride, aside = step.inputs + step.constants, step.states * ONE, zeros + 3 * ONE
    width = min(BLOCK, step.units - b * BLOCK)
    aim(record, places, r, t, b, t > start, zeros + ONE, zeros)
    if run.place >= 0:
        aim_input(record, places, run.place, run.place, r, t, b * ONE, numbers(record, run.spare)[r] + b * ONE)
    set_row(places, own, states + (t - t0) * stride, stride)
    aim_back(record, r, b, t, places, zeros, aside)
    call(step.back, at, width, end - t, places)
    for i in range(step.inputs):
        source = aside + i * run.every * ONE
        if table[2 * (own + 1 + step.outputs + i)] == source:
            for k in range(end - t):
                copy(table[2 * i] + k * table[2 * i + 1], source + k * ONE, width * SIZE)


@inner
def back_through(record, r, first, last, work, places, states, zeros):
    """Take the blocks ``first .. last - 1`` of a row back through all slots, chunk by chunk."""
    run, cuts = single_at(record, 0), numbers(record, single_at(record, 0).cuts)
    step = step_at(record + run.step, 0)
    stride, start, stop = (2 * step.states + step.constants) * ONE, cuts[0], cuts[run.last_cut]
    chunk = (stop - start + run.every - 1) // run.every - 1
    while chunk >= 0:
        t0, t1 = start + chunk * run.every, min(stop, start + (chunk + 1) * run.every)
        low = 0
        while cuts[low + 1] <= t0:
            low += 1
        high = low + 1
        while cuts[high] < t1:
            high += 1
        for b in range(first, last):
            at = work + (b - first) * stride
            if step.again != 0:
                run_again(record, r, b, at, chunk, low, high, places, states, zeros)
            for c in range(high - 1, low - 1, -1):
                pull(record, r, b, at, t0, max(t0, cuts[c]), min(t1, cuts[c + 1]), places, states, zeros)
        chunk -= 1


@crew
def backward(record):
    """Compute the gradients of `forward`, slots in reverse, states recomputed from the checkpoints where they are needed."""
    run = single_at(record, 0)
    step = step_at(record + run.step, 0)
    n, S, X, P, Y = step.units, step.states, step.inputs, step.constants, step.outputs
    blocks, stride = (n + BLOCK - 1) // BLOCK, (2 * S + P) * ONE
    area, chunk = np.zeros(blocks * stride // SIZE + 1, F), np.zeros(run.every * S * BLOCK + 1, F)
    # Zeros, ones, what nobody wants, gradients that are aside.
    buffer, table = np.zeros((3 + X * run.every) * BLOCK, F), np.zeros(2 * (2 * X + P + Y + 1) + 2, np.int64)
    work, states = np.int64(area.ctypes.data), np.int64(chunk.ctypes.data)
    zeros, places = np.int64(buffer.ctypes.data), np.int64(table.ctypes.data)
    fill(zeros + ONE, BLOCK, F(1))
    task = take(record)
    while task < run.last:
        r, first, last = parts(record, task)
        for i in range(S):
            into_blocks(work + (S + i) * ONE, stride, numbers(record, run.g_leave)[i * run.rows + r], first, last, n)
        for i in range(P):
            for b in range(last - first):
                fill(work + b * stride + (2 * S + i) * ONE, BLOCK, F(0))
        back_through(record, r, first, last, work, places, states, zeros)
        for i in range(S):
            from_blocks(numbers(record, run.g_entry)[i * run.rows + r], work + (S + i) * ONE, stride, first, last, n)
        for i in range(P):
            gradient = numbers(record, run.g_constants)[i * run.rows + r]
            if gradient != 0:
                from_blocks(gradient, work + (2 * S + i) * ONE, stride, first, last, n)
        take(record + 16)  # one more is done
        task = take(record)
    area[0], chunk[0], buffer[0], table[0] = F(0), F(0), F(0), 0  # in use until here
