# ruff: noqa: F821
# mypy: ignore-errors
"""The driver of edges with a state each. It is given the address of an `EDGE_GRID`."""

edge_grid_at = reader(EDGE_GRID)


@intrinsic
def targets_of(typing, address):
    """The address as a pointer to numbers of target units."""
    return pointer(types.int32)


@driver
def forward(lo, hi, record):
    """Run tasks ``lo .. hi - 1``, each a row and a part of the segments: one after the other through all slots."""
    run = edge_grid_at(record, 0)
    n, S, P, slots = run.n_post, run.states, run.constants, run.slots
    area = np.zeros((S + 1 + P) * BLOCK, F)
    sums = np.zeros(slots * BLOCK + 1, F)
    work, acc = np.int64(area.ctypes.data), np.int64(sums.ctypes.data)
    begins, buckets, units, targets = integers(run.begins), integers(run.buckets), integers(run.units), targets_of(run.targets)
    for task in range(lo, hi):
        r, part = task // run.parts, task % run.parts
        out = vector(run.outs + (part * run.rows + r) * slots * n * SIZE, slots * n)
        for k in range(P):
            if integers(run.single)[k]:
                fill(work + (S + 1 + k) * ONE, np.int64(BLOCK), vector(row_of(run.values, k, r, run.rows), 1)[0])
        for q in range(integers(run.cuts)[part], integers(run.cuts)[part + 1]):
            step = integers(run.steps)[buckets[q]]
            signal = row_of(run.arrivals, buckets[q], r, run.rows) + units[q] * SIZE
            for e in range(begins[q], begins[q + 1], BLOCK):
                width = min(BLOCK, begins[q + 1] - e)
                for k in range(S):
                    copy(work + k * ONE, row_of(run.entry, k, r, run.rows) + e * SIZE, width * SIZE)
                for k in range(P):
                    if integers(run.single)[k] == 0:
                        copy(work + (S + 1 + k) * ONE, row_of(run.values, k, r, run.rows) + e * SIZE, width * SIZE)
                call_tile(run.tile, work, width, slots, signal, step, acc)
                for k in range(S):
                    copy(row_of(run.leave, k, r, run.rows) + e * SIZE, work + k * ONE, width * SIZE)
                for t in range(slots):
                    row, base = vector(acc + t * ONE, width), t * n
                    for j in range(width):
                        out[base + targets[e + j]] += row[j]
                        row[j] = F(0)
    area[0], sums[0] = F(0), F(0)  # in use until here
