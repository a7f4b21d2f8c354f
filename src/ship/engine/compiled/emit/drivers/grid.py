# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of connections with a state each."""


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


@inner
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


@driver
def forward(lo, hi, tile, slots, n_pre, n, S, P, arrivals, step, out, out_step, entry, leave, constants, strides):
    """A state on every connection: rows ``lo .. hi - 1`` times blocks of targets, each source unit through all slots.

    ``arrivals``, ``out``, ``entry``, ``leave``, ``constants``: addresses for each row; ``strides``: bytes from one source unit
    to the next, for each constant.
    """
    blocks = (n + BLOCK - 1) // BLOCK
    area = np.zeros((S + 1 + P) * BLOCK, F)
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


@driver
def backward(
    lo,
    hi,
    tile,
    again,
    back,
    slots,
    every,
    n_pre,
    n,
    S,
    P,
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
    """The gradients of `forward`. ``g_arrivals``: for each row and block ``[slot, pre]``, or 0."""
    blocks = (n + BLOCK - 1) // BLOCK
    chunks = (slots + every - 1) // every
    area = np.zeros((S + 1 + P) * BLOCK, F)  # of the tile, whose arrivals lie between states and constants
    own = np.zeros((2 * S + P) * BLOCK + 1, F)
    checks = np.zeros(chunks * S * BLOCK + 1, F)
    states = np.zeros(every * S * BLOCK + 1, F)
    buffer = np.zeros((3, every, BLOCK), F)  # unwanted sums, arrivals of all connections, their gradients
    table = np.zeros(2 * (4 + P), np.int64)
    tiled, work, checks0, states0 = area.ctypes.data, own.ctypes.data, checks.ctypes.data, states.ctypes.data
    waste, rows = buffer.ctypes.data, table.ctypes.data
    x, g_x = waste + every * ONE, waste + 2 * every * ONE
    kept = 2 * (1 + P)  # the row of states; the gradients of the output and of the arrivals follow
    table[0], table[1], table[kept], table[kept + 1], table[kept + 4], table[kept + 5] = x, ONE, states0, S * ONE, g_x, ONE
    for task in range(lo, hi):
        r, b = task // blocks, task % blocks
        width = min(BLOCK, n - b * BLOCK)
        for i in range(n_pre):
            at = (i * n + b * BLOCK) * SIZE
            x0 = arrivals[r] + i * SIZE
            for k in range(S):
                copy(tiled + k * ONE, entry[k, r] + at, width * SIZE)
                copy(work + (S + k) * ONE, g_leave[k, r] + at, width * SIZE)
            for k in range(P):
                copy(tiled + (S + 1 + k) * ONE, constants[k, r] + i * strides[k] + b * ONE, width * SIZE)
                table[2 * (1 + k)] = constants[k, r] + i * strides[k] + b * ONE
                fill(work + (2 * S + k) * ONE, BLOCK, F(0))
            for c in range(chunks):
                copy(checks0 + c * S * ONE, tiled, S * ONE)
                call_tile(tile, tiled, width, min(every, slots - c * every), x0 + c * every * step * SIZE, step, waste)
            for c in range(chunks - 1, -1, -1):
                t0, t1 = c * every, min(slots, (c + 1) * every)
                copy(work, checks0 + c * S * ONE, S * ONE)
                for t in range(t0, t1):
                    fill(x + (t - t0) * ONE, width, vector(x0 + t * step * SIZE, 1)[0])
                call(again, work, width, t1 - t0, rows)
                table[kept + 2], table[kept + 3] = g_out[r] + t0 * g_step + b * ONE, g_step
                call(back, work, width, t1 - t0, rows)
                if g_arrivals[task] != 0:
                    for t in range(t0, t1):
                        vector(g_arrivals[task] + (t * n_pre + i) * SIZE, 1)[0] = total(g_x + (t - t0) * ONE, width)
            for k in range(S):
                copy(g_entry[k, r] + at, work + (S + k) * ONE, width * SIZE)
            for k in range(P):
                if g_constants[k, r] != 0:
                    copy(g_constants[k, r] + at, work + (2 * S + k) * ONE, width * SIZE)
    area[0], own[0], checks[0], states[0], buffer[0, 0, 0], table[0] = F(0), F(0), F(0), F(0), F(0), 0  # in use until here
