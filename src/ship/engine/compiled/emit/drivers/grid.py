# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of connections with a state each. Each is given the address of a `GRID`."""

grid_at = reader(GRID)


@inner
def value_at(record, k, r, i, b):
    """The address of constant ``k`` for source unit ``i`` and a block of targets."""
    run = grid_at(record, 0)
    return row_of(run.values, k, r, run.rows) + i * integers(run.strides)[k] + b * ONE


@driver
def forward(lo, hi, record):
    """Run tasks ``lo .. hi - 1``, each a row and a block of targets: one source unit after the other through all slots."""
    run = grid_at(record, 0)
    n, S, P, slots = run.n_post, run.states, run.constants, run.slots
    blocks = (n + BLOCK - 1) // BLOCK
    area = np.zeros((S + 1 + P) * BLOCK, F)
    sums = np.zeros(slots * BLOCK + 1, F)
    work, acc = np.int64(area.ctypes.data), np.int64(sums.ctypes.data)
    for task in range(lo, hi):
        r, b = task // blocks, task % blocks
        width = min(BLOCK, n - b * BLOCK)
        sums[:] = F(0)
        for i in range(run.n_pre):
            at = (i * n + b * BLOCK) * SIZE
            for k in range(S):
                copy(work + k * ONE, row_of(run.entry, k, r, run.rows) + at, width * SIZE)
            for k in range(P):
                copy(work + (S + 1 + k) * ONE, value_at(record, k, r, i, b), width * SIZE)
            call_tile(run.tile, work, width, slots, integers(run.arrivals)[r] + i * SIZE, run.arrival_step, acc)
            for k in range(S):
                copy(row_of(run.leave, k, r, run.rows) + at, work + k * ONE, width * SIZE)
        for t in range(slots):
            copy(integers(run.outs)[r] + t * run.out_stride + b * ONE, acc + t * ONE, width * SIZE)
    area[0], sums[0] = F(0), F(0)  # in use until here


@inner
def run_again(record, r, i, b, tiled, checks, waste):
    """Run one source unit through all slots again, and keep its states every now and then."""
    run = grid_at(record, 0)
    n, S, slots, every = run.n_post, run.states, run.slots, run.every
    at, width = (i * n + b * BLOCK) * SIZE, min(BLOCK, n - b * BLOCK)
    arrivals = integers(run.arrivals)[r] + i * SIZE
    for k in range(S):
        copy(tiled + k * ONE, row_of(run.entry, k, r, run.rows) + at, width * SIZE)
    for k in range(run.constants):
        copy(tiled + (S + 1 + k) * ONE, value_at(record, k, r, i, b), width * SIZE)
    for c in range((slots + every - 1) // every):
        copy(checks + c * S * ONE, tiled, S * ONE)
        x = arrivals + c * every * run.arrival_step * SIZE
        call_tile(run.tile, tiled, width, min(every, slots - c * every), x, run.arrival_step, waste)


@inner
def pull(record, task, i, c, work, checks, places):
    """Compute the gradients of one source unit in chunk ``c``, from its checkpoint.

    The table of places has a row for the arrival, rows for constants, then rows for states and for the gradients of the output
    and of the arrival.
    """
    run, table = grid_at(record, 0), integers(places)
    n, S, own = run.n_post, run.states, 1 + run.constants
    blocks = (n + BLOCK - 1) // BLOCK
    r, b = task // blocks, task % blocks
    width, t0, t1 = min(BLOCK, n - b * BLOCK), c * run.every, min(run.slots, (c + 1) * run.every)
    x, g_x = table[0], table[2 * (own + 2)]
    copy(work, checks + c * S * ONE, S * ONE)
    for t in range(t0, t1):
        arrival = vector(integers(run.arrivals)[r] + (t * run.arrival_step + i) * SIZE, 1)[0]
        fill(x + (t - t0) * ONE, width, arrival)
    call(run.again, work, width, t1 - t0, places)
    set_row(places, own + 1, integers(run.outs)[r] + t0 * run.out_stride + b * ONE, run.out_stride)
    call(run.back, work, width, t1 - t0, places)
    gradient = integers(run.g_arrivals)[task]
    for t in range(t0, t1 if gradient != 0 else t0):
        vector(gradient + (t * run.n_pre + i) * SIZE, 1)[0] = total(g_x + (t - t0) * ONE, width)


@driver
def backward(lo, hi, record):
    """Compute the gradients of `forward`; ``outs`` are then the addresses of the gradients of outputs."""
    run = grid_at(record, 0)
    n, S, P, every = run.n_post, run.states, run.constants, run.every
    blocks, chunks = (n + BLOCK - 1) // BLOCK, (run.slots + every - 1) // every
    area = np.zeros((S + 1 + P) * BLOCK, F)  # of the tile, whose arrivals lie between states and constants
    own = np.zeros((2 * S + P) * BLOCK + 1, F)
    checks = np.zeros(chunks * S * BLOCK + 1, F)
    states = np.zeros(every * S * BLOCK + 1, F)
    buffer = np.zeros((3, every, BLOCK), F)  # unwanted sums, arrivals of all connections, their gradients
    table = np.zeros(2 * (4 + P), np.int64)
    tiled, work, kept = np.int64(area.ctypes.data), np.int64(own.ctypes.data), np.int64(checks.ctypes.data)
    waste, places = np.int64(buffer.ctypes.data), np.int64(table.ctypes.data)
    set_row(places, np.int64(0), waste + every * ONE, np.int64(ONE))
    set_row(places, 1 + P, np.int64(states.ctypes.data), S * ONE)
    set_row(places, 3 + P, waste + 2 * every * ONE, np.int64(ONE))
    for task in range(lo, hi):
        r, b = task // blocks, task % blocks
        width = min(BLOCK, n - b * BLOCK)
        for i in range(run.n_pre):
            at = (i * n + b * BLOCK) * SIZE
            run_again(record, r, i, b, tiled, kept, waste)
            for k in range(S):
                copy(work + (S + k) * ONE, row_of(run.g_leave, k, r, run.rows) + at, width * SIZE)
            for k in range(P):
                table[2 * (1 + k)] = value_at(record, k, r, i, b)
                fill(work + (2 * S + k) * ONE, np.int64(BLOCK), F(0))
            for c in range(chunks - 1, -1, -1):
                pull(record, task, i, c, work, kept, places)
            for k in range(S):
                copy(row_of(run.g_entry, k, r, run.rows) + at, work + (S + k) * ONE, width * SIZE)
            for k in range(P):
                gradient = row_of(run.g_values, k, r, run.rows)
                if gradient != 0:
                    copy(gradient + at, work + (2 * S + k) * ONE, width * SIZE)
    area[0], own[0], checks[0], states[0], buffer[0, 0, 0], table[0] = F(0), F(0), F(0), F(0), F(0), 0  # in use until here
