# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of edges with a state each. Each is given the address of an `EDGE_GRID`."""

edge_grid_at = reader(EDGE_GRID)


@intrinsic
def targets_of(typing, address):
    """The address as a pointer to numbers of target units."""
    return pointer(types.int32)


@inner
def load_numbers(record, r, work):
    """Load the constants that are one number for all edges."""
    run = edge_grid_at(record, 0)
    for k in range(run.constants):
        if integers(run.single)[k]:
            number = vector(row_of(run.values, k, r, run.rows), 1)[0]
            fill(work + (run.states + 1 + k) * ONE, np.int64(BLOCK), number)


@inner
def load_block(record, r, e, width, work):
    """Load states and the other constants of a block of edges, from the e-th on."""
    run = edge_grid_at(record, 0)
    for k in range(run.states):
        copy(work + k * ONE, row_of(run.entry, k, r, run.rows) + e * SIZE, width * SIZE)
    for k in range(run.constants):
        if integers(run.single)[k] == 0:
            copy(work + (run.states + 1 + k) * ONE, row_of(run.values, k, r, run.rows) + e * SIZE, width * SIZE)


@driver
def forward(lo, hi, record):
    """Run tasks ``lo .. hi - 1``, each a row and a part of the segments: one after the other through all slots."""
    run = edge_grid_at(record, 0)
    n, S, slots = run.n_post, run.states, run.slots
    area = np.zeros((S + 1 + run.constants) * BLOCK, F)
    sums = np.zeros(slots * BLOCK + 1, F)
    work, acc = np.int64(area.ctypes.data), np.int64(sums.ctypes.data)
    begins, buckets, units, targets = integers(run.begins), integers(run.buckets), integers(run.units), targets_of(run.targets)
    for task in range(lo, hi):
        r, part = task // run.parts, task % run.parts
        out = vector(run.outs + (part * run.rows + r) * slots * n * SIZE, slots * n)
        load_numbers(record, r, work)
        for q in range(integers(run.cuts)[part], integers(run.cuts)[part + 1]):
            step = integers(run.steps)[buckets[q]]
            signal = row_of(run.arrivals, buckets[q], r, run.rows) + units[q] * SIZE
            for e in range(begins[q], begins[q + 1], BLOCK):
                width = min(BLOCK, begins[q + 1] - e)
                load_block(record, r, e, width, work)
                call_tile(run.tile, work, width, slots, signal, step, acc)
                for k in range(S):
                    copy(row_of(run.leave, k, r, run.rows) + e * SIZE, work + k * ONE, width * SIZE)
                for t in range(slots):
                    row, base = vector(acc + t * ONE, width), t * n
                    for j in range(width):
                        out[base + targets[e + j]] += row[j]
                        row[j] = F(0)
    area[0], sums[0] = F(0), F(0)  # in use until here


@inner
def pull(record, r, q, e, width, c, work, checks, places, pulled):
    """Compute the gradients of a block of edges in chunk ``c``, from its checkpoint; ``pulled``: where those of outputs are put.

    The table of places has a row for the arrival, rows for constants, then rows for states and for the gradients of the output
    and of the arrival.
    """
    run, table = edge_grid_at(record, 0), integers(places)
    n, S, own, bucket = run.n_post, run.states, 1 + run.constants, integers(run.buckets)[q]
    t0, t1, targets = c * run.every, min(run.slots, (c + 1) * run.every), targets_of(run.targets)
    signal, step = row_of(run.arrivals, bucket, r, run.rows) + integers(run.units)[q] * SIZE, integers(run.steps)[bucket]
    x, g_x = table[0], table[2 * (own + 2)]
    copy(work, checks + c * S * ONE, S * ONE)
    for t in range(t0, t1):
        fill(x + (t - t0) * ONE, width, vector(signal + t * step * SIZE, 1)[0])
        given, g_out = vector(run.outs + (r * run.slots + t) * n * SIZE, n), vector(pulled + (t - t0) * ONE, width)
        for j in range(width):
            g_out[j] = given[targets[e + j]]
    call(run.again, work, width, t1 - t0, places)
    call(run.back, work, width, t1 - t0, places)
    if run.g_arrivals != 0:
        gradient = vector(run.g_arrivals + (r * run.segments + q) * run.slots * SIZE, run.slots)
        for t in range(t0, t1):
            gradient[t] += total(g_x + (t - t0) * ONE, width)


@inner
def back_through_block(record, r, q, e, width, tiled, work, kept, waste, places):
    """Compute the gradients of a block of edges of segment ``q``: forward again, with checkpoints, then back chunk by chunk."""
    run = edge_grid_at(record, 0)
    S, P, slots, every, bucket = run.states, run.constants, run.slots, run.every, integers(run.buckets)[q]
    chunks = (slots + every - 1) // every
    signal, step = row_of(run.arrivals, bucket, r, run.rows) + integers(run.units)[q] * SIZE, integers(run.steps)[bucket]
    load_block(record, r, e, width, tiled)
    for c in range(chunks):
        copy(kept + c * S * ONE, tiled, S * ONE)
        call_tile(run.tile, tiled, width, min(every, slots - c * every), signal + c * every * step * SIZE, step, waste)
    for k in range(S):
        copy(work + (S + k) * ONE, row_of(run.g_leave, k, r, run.rows) + e * SIZE, width * SIZE)
    for k in range(P):
        fill(work + (2 * S + k) * ONE, np.int64(BLOCK), F(0))
    for c in range(chunks - 1, -1, -1):
        pull(record, r, q, e, width, c, work, kept, places, waste)
    for k in range(S):
        copy(row_of(run.g_entry, k, r, run.rows) + e * SIZE, work + (S + k) * ONE, width * SIZE)
    for k in range(P):
        gradient = row_of(run.g_values, k, r, run.rows)
        if gradient != 0:
            copy(gradient + e * SIZE, work + (2 * S + k) * ONE, width * SIZE)


@driver
def backward(lo, hi, record):
    """Compute the gradients of `forward`; ``outs`` has then the gradients of outputs."""
    run = edge_grid_at(record, 0)
    S, P, every, begins = run.states, run.constants, run.every, integers(run.begins)
    chunks = (run.slots + every - 1) // every
    area = np.zeros((S + 1 + P) * BLOCK, F)  # of the tile, whose arrivals lie between states and constants
    own = np.zeros((2 * S + P) * BLOCK + 1, F)
    checks = np.zeros(chunks * S * BLOCK + 1, F)
    states = np.zeros(every * S * BLOCK + 1, F)
    buffer = np.zeros((3, every, BLOCK), F)  # sums, then gradients of outputs; arrivals of all edges, their gradients
    table = np.zeros(2 * (4 + P), np.int64)
    tiled, work, kept = np.int64(area.ctypes.data), np.int64(own.ctypes.data), np.int64(checks.ctypes.data)
    waste, places = np.int64(buffer.ctypes.data), np.int64(table.ctypes.data)
    set_row(places, np.int64(0), waste + every * ONE, np.int64(ONE))
    for k in range(P):
        set_row(places, 1 + k, tiled + (S + 1 + k) * ONE, np.int64(0))
    set_row(places, 1 + P, np.int64(states.ctypes.data), S * ONE)
    set_row(places, 2 + P, waste, np.int64(ONE))
    set_row(places, 3 + P, waste + 2 * every * ONE, np.int64(ONE))
    for task in range(lo, hi):
        r, part = task // run.parts, task % run.parts
        load_numbers(record, r, tiled)
        for q in range(integers(run.cuts)[part], integers(run.cuts)[part + 1]):
            for e in range(begins[q], begins[q + 1], BLOCK):
                width = min(BLOCK, begins[q + 1] - e)
                back_through_block(record, r, q, e, width, tiled, work, kept, waste, places)
    area[0], own[0], checks[0], states[0], buffer[0, 0, 0], table[0] = F(0), F(0), F(0), F(0), F(0), 0  # in use until here
