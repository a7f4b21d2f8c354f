# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of all other tapes: slot by slot, the steps in order. Each is given the address of a `LOOP`."""

LEARNS = "learn" in globals()  # the text of `learning` comes before this one only where a tape changes weights
ALONG = "back_along_edges" in globals()  # and that of `gradients` where gradients go along edges


@driver
def forward(lo, hi, fresh, start, stop, record):
    """Run tasks ``lo .. hi - 1`` over slots ``start .. stop - 1``; where the tape closes, weights then learn from its last slot.

    A task is ``together`` rows in lockstep, or one of ``splits`` parts of the blocks of a row. ``fresh`` says whether states are
    to be loaded. What a part lists as nonzeros it has just written: another thread would have to fetch it.
    """
    run = loop_at(record, 0)
    for task in range(lo, hi):
        part, r0 = task % run.splits, task // run.splits * run.together
        for r in range(r0, r0 + run.together if fresh else r0):
            enter(record, r, part, start)
        for t in range(start, stop + run.closes if stop == run.end else stop):
            for s in range(run.n_steps):
                step = step_at(run.steps, s)
                if LEARNS and step.learn >= 0 and t > 0:
                    learn(record, step.learn, t, r0)
                for r in range(r0, r0 + run.together if t < stop or step.traces else r0):
                    run_step(record, s, r, part, t)
        for r in range(r0, r0 + run.together if stop == run.end else r0):
            leave_run(record, r, part)


@inner
def enter(record, r, part, start):
    """Load the states of a row, and list the nonzeros of the slots before ``start``."""
    run = loop_at(record, 0)
    for s in range(run.n_steps):
        step = step_at(run.steps, s)
        n, S = step.units, step.states
        blocks, work = (n + BLOCK - 1) // BLOCK, run.areas + r % run.together * run.area_bytes + step.area
        first, last = blocks * part // run.splits, blocks * (part + 1) // run.splits
        for i in range(S):
            into_blocks(work + i * ONE, S * ONE, integers(run.entry)[(step.first_state + i) * run.rows + r], first, last, n)
        for t in range(start if step.listing >= 0 else 0):
            list_nonzeros(record, s, r, part, t)


@inner
def leave_run(record, r, part):
    """Store the states of a row."""
    run = loop_at(record, 0)
    for s in range(run.n_steps):
        step = step_at(run.steps, s)
        n, S = step.units, step.states
        blocks, work = (n + BLOCK - 1) // BLOCK, run.areas + r % run.together * run.area_bytes + step.area
        first, last = blocks * part // run.splits, blocks * (part + 1) // run.splits
        for i in range(S):
            from_blocks(integers(run.leave)[(step.first_state + i) * run.rows + r], work + i * ONE, S * ONE, first, last, n)


@inner
def run_step(record, s, r, part, t):
    """Run a step of a row in slot ``t``, for the units of a part: checkpoint, operands, kernel, nonzeros."""
    run = loop_at(record, 0)
    step, table = step_at(run.steps, s), integers(run.places)
    n, S, X, Y, outputs = step.units, step.states, step.inputs, step.outputs, step.inputs + step.constants
    blocks, stride = (n + BLOCK - 1) // BLOCK, S * ONE
    first, last = blocks * part // run.splits, blocks * (part + 1) // run.splits
    low, high = first * BLOCK, min(n, last * BLOCK)
    work = run.areas + r % run.together * run.area_bytes + step.area
    if run.every > 0 and t < run.end and (t - run.begin) % run.every == 0:
        for i in range(S):
            target = integers(run.checks)[(step.first_state + i) * run.rows + r] + (t - run.begin) // run.every * n * SIZE
            from_blocks(target, work + i * ONE, stride, first, last, n)
    for i in range(X):
        table[2 * i] = first * ONE + operand(record, step.first_operand + i, r, part, t, run.sums + i * run.wide, low, high, n)
    for i in range(Y):
        q = integers(run.outs)[step.first_output + i]
        table[2 * (outputs + i)] = first * ONE + (run.waste if q < 0 else slot_at(record, q, r, t))
    for b in range(first, last):
        if b == first or step.moving:
            place_constants(run.places, run.steps, s, r, run.rows, b, t > run.begin, run.ones, run.constants, run.moves)
        call(step.forward, work + (b - first) * stride, min(BLOCK, n - b * BLOCK), 1, run.places)
        for i in range(X):
            table[2 * i] += ONE
        for i in range(outputs, outputs + Y):
            table[2 * i] += ONE
    if step.contest:
        decide(slot_at(record, integers(run.outs)[step.first_output], r, t), n)
    if step.listing >= 0:
        list_nonzeros(record, s, r, part, t)


@inner
def decide(address, n):
    """Put in the place of scores who has won: 2 for the largest, the first of equals, 1 for the others; 0 where all are minus
    infinity.
    """
    v, best, winner = vector(address, n), F(-np.inf), np.int64(-1)
    for j in range(n):
        if v[j] > best:
            best, winner = v[j], j
    fill(address, n, F(winner >= 0))
    if winner >= 0:
        v[winner] = F(2)


@driver
def backward(lo, hi, record):
    """Compute the gradients of `forward` for rows ``lo .. hi - 1``, slots in reverse, states recomputed from the checkpoints."""
    run = loop_at(record, 0)
    for r in range(lo, hi):
        for s in range(run.n_steps):
            enter_back(record, s, r)
        chunk = (run.end - run.begin + run.every - 1) // run.every - 1
        while chunk >= 0:
            t0, t1 = run.begin + chunk * run.every, min(run.end, run.begin + (chunk + 1) * run.every)
            for s in range(run.n_steps):
                run_again(record, s, r, chunk, t0, t1)
            for t in range(t1 - 1, t0 - 1, -1):
                for s in range(run.n_steps - 1, -1, -1):
                    step_back(record, s, r, t, t - t0)
            chunk -= 1
        for s in range(run.n_steps):
            leave_back(record, s, r)


@inner
def enter_back(record, s, r):
    """Load the gradients of the final states of a step, and begin those of its constants with 0."""
    run = loop_at(record, 0)
    step, first = step_at(run.steps, s), np.int64(0)
    n, S, P = step.units, step.states, step.constants
    blocks, stride, work = (n + BLOCK - 1) // BLOCK, (2 * S + P) * ONE, run.areas + step.back_area
    for i in range(S):
        gradient = integers(run.g_leave)[(step.first_state + i) * run.rows + r]
        into_blocks(work + (S + i) * ONE, stride, gradient, first, blocks, n)
    for i in range(P):
        for b in range(blocks):
            fill(work + b * stride + (2 * S + i) * ONE, np.int64(BLOCK), F(0))


@inner
def leave_back(record, s, r):
    """Store the gradients of the first states of a step, and of its constants."""
    run = loop_at(record, 0)
    step, first = step_at(run.steps, s), np.int64(0)
    n, S, P = step.units, step.states, step.constants
    blocks, stride, work = (n + BLOCK - 1) // BLOCK, (2 * S + P) * ONE, run.areas + step.back_area
    for i in range(S):
        gradient = integers(run.g_entry)[(step.first_state + i) * run.rows + r]
        from_blocks(gradient, work + (S + i) * ONE, stride, first, blocks, n)
    for i in range(P):
        gradient = integers(run.g_constants)[(step.first_constant + i) * run.rows + r]
        if gradient != 0:
            from_blocks(gradient, work + (2 * S + i) * ONE, stride, first, blocks, n)


@inner
def run_again(record, s, r, chunk, t0, t1):
    """Compute the states of a step in slots ``t0 .. t1 - 1`` again, from the checkpoint that the chunk begins with."""
    run = loop_at(record, 0)
    step, table, cuts, first = step_at(run.steps, s), integers(run.places), integers(run.cuts), np.int64(0)
    n, S, X, own = step.units, step.states, step.inputs, step.inputs + step.constants
    blocks, stride, work = (n + BLOCK - 1) // BLOCK, (2 * S + step.constants) * ONE, run.areas + step.back_area
    for i in range(S):
        check = integers(run.checks)[(step.first_state + i) * run.rows + r] + chunk * n * SIZE
        into_blocks(work + i * ONE, stride, check, first, blocks, n)
    t, cut = t0, 1
    while t < t1 and S > 0:
        while cuts[cut] <= t:
            cut += 1
        end = min(t1, cuts[cut])
        for i in range(X):
            table[2 * i], table[2 * i + 1] = stored(record, step.first_operand + i, r, t)
        table[2 * own], table[2 * own + 1] = run.states + step.chunk + (t - t0) * S * ONE, S * ONE
        for b in range(blocks):
            place_constants(run.places, run.steps, s, r, run.rows, b, t > run.begin, run.ones, run.constants, run.moves)
            call(step.again, work + b * stride, min(BLOCK, n - b * BLOCK), end - t, run.places)
            for i in range(X):
                table[2 * i] += ONE
            table[2 * own] += run.every * S * ONE
        t = end


@inner
def step_back(record, s, r, t, k):
    """Compute the gradients of a step in slot ``t``, the k-th of its chunk, and hand those of its operands on."""
    run = loop_at(record, 0)
    step, table = step_at(run.steps, s), integers(run.places)
    n, S, X, Y = step.units, step.states, step.inputs, step.outputs
    own = X + step.constants  # the row of states; gradients of outputs and of inputs follow
    blocks, stride, work = (n + BLOCK - 1) // BLOCK, (2 * S + step.constants) * ONE, run.areas + step.back_area
    for i in range(X):
        table[2 * i], table[2 * i + 1] = stored(record, step.first_operand + i, r, t)
        table[2 * (own + 1 + Y + i)] = run.sums + i * run.wide
    table[2 * own] = run.states + step.chunk + k * S * ONE
    for i in range(Y):
        q, gradient = integers(run.outs)[step.first_output + i], np.int64(0)
        if q >= 0:
            gradient = integers(run.g_base)[q * run.rows + r]
        table[2 * (own + 1 + i)] = run.zeros if gradient == 0 else gradient + t * signal_at(run.signals, q).back_stride
    for b in range(blocks):
        place_constants(run.places, run.steps, s, r, run.rows, b, t > run.begin, run.ones, run.constants, run.moves)
        call(step.back, work + b * stride, min(BLOCK, n - b * BLOCK), 1, run.places)
        for i in range(X):
            table[2 * i] += ONE
        table[2 * own] += run.every * S * ONE
        for i in range(own + 1, own + 1 + Y + X):
            table[2 * i] += ONE
    for i in range(X):
        hand_on(record, step.first_operand + i, r, t, run.sums + i * run.wide, n)


@inner
def stored(record, x, r, t):
    """Where what entered operand ``x`` in slot ``t`` lies, as `forward` kept it, and the bytes to the next slot."""
    run, x_at = loop_at(record, 0), operand_at(loop_at(record, 0).operands, x)
    q, k, offset = x_at.store, t, np.int64(0)
    if q < 0:
        if x_at.first == x_at.last:
            return run.zeros, 0
        source = source_at(run.sources, x_at.first)
        q, k, offset = source.signal, t - source.lag, source.offset
    signal = signal_at(run.signals, q)
    if k >= 0 and k < signal.slots:
        return slot_at(record, q, r, k) + offset * SIZE, signal.stride
    return run.zeros, 0


@inner
def hand_on(record, x, r, t, gradient, n):
    """Hand the gradient of operand ``x`` in slot ``t``, n units, on to what it was summed from."""
    run, x_at = loop_at(record, 0), operand_at(loop_at(record, 0).operands, x)
    keep = integers(run.g_operands)[x]
    if keep >= 0:
        target = integers(run.g_base)[keep * run.rows + r] + t * signal_at(run.signals, keep).back_stride
        copy(target, gradient, n * SIZE)
    for e in range(x_at.first, x_at.last):
        source = source_at(run.sources, e)
        q, k, want = source.signal, t - source.lag, integers(run.wants)[source.signal]
        if want == 0 or k < 0 or k >= signal_at(run.signals, q).slots:
            continue
        target = integers(run.g_base)[q * run.rows + r] + k * signal_at(run.signals, q).back_stride + source.offset * SIZE
        if want == 2:
            copy(target, gradient, n * SIZE)
        elif source.kind == 1:
            back_through(
                target, integers(run.matrices)[source.matrix * run.rows + r], source.turned_apart, source.width, gradient, n
            )
        elif ALONG and source.kind > 1:
            edges, shared = edges_at(run.edges, source.matrix), source.kind == 3
            weights = integers(run.matrices)[source.matrix * run.rows + r]
            if edges.size == 2:
                targets = short_index(edges.targets)
                back_along_edges(target, source.width, gradient, n, targets, edges.begins, weights, shared)
            else:
                targets = wide_index(edges.targets)
                back_along_edges(target, source.width, gradient, n, targets, edges.begins, weights, shared)
        elif source.convert == 0:
            accumulate(target, gradient + source.into * SIZE, source.width)
        else:
            accumulate_scaled(target, gradient + source.into * SIZE, source.width, source.convert, run.dt)


@inner
def back_through(target, matrix, apart, width, gradient, n):
    """target += gradient @ matrix, for a matrix that was transposed: one row for each of the n targets of the connection."""
    g = vector(gradient, n)
    j = 0
    while j + 4 <= n:
        spread4(target, matrix + j * apart, apart, width, g[j], g[j + 1], g[j + 2], g[j + 3])
        j += 4
    while j < n:
        spread(target, matrix + j * apart, width, g[j])
        j += 1
