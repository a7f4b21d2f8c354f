# ruff: noqa: F821
# mypy: ignore-errors
"""How weights change in a tape: kernels of rules on rows and columns of connections."""


@intrinsic
def call_block(typing, function, address, n):
    """Call a kernel of a block of connections."""

    def build(context, builder, signature, args):
        floats = context.get_value_type(types.CPointer(types.float32))
        kind = ir.FunctionType(ir.VoidType(), [floats, ir.IntType(64)])
        kernel = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(kernel, [builder.inttoptr(args[1], floats), args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@inner
def load(target, source, stride, n):
    """Elements ``stride`` bytes apart to a block; one for all where the stride is 0."""
    if stride == SIZE:
        copy(target, source, n * SIZE)
    elif stride == 0:
        fill(target, n, vector(source, 1)[0])
    else:
        step = stride // SIZE
        a, v = vector(target, n), vector(source, (n - 1) * step + 1)
        for j in range(n):
            a[j] = v[j * step]


@inner
def unload(target, stride, source, n, marks, first):
    """From a block to elements ``stride`` bytes apart, those left out that are marked."""
    step = stride // SIZE
    a, v = vector(target, (n - 1) * step + 1), vector(source, n)
    for j in range(n):
        if marks[first + j] == 0:
            a[j * step] = v[j]


@inner
def sweep(kernel, parts, first, count, at, work, lines, n_lines, length, across, marks):
    """Run a kernel on whole lines of connections: rows, or columns without the rows that are marked. ``across``: where ``parts``
    has the strides from line to line, 2 for rows or 3 for columns; the other one is that along a line.
    """
    along = 5 - across
    for j in range(0, length if n_lines else 0, BLOCK):
        width = min(BLOCK, length - j)
        for i in range(count):
            step = parts[first + i, along]
            if parts[first + i, across] == 0:
                load(work + i * ONE, at[i] + j * step, step, width)
        for k in range(n_lines):
            for i in range(count):
                apart, step = parts[first + i, across], parts[first + i, along]
                if apart != 0:
                    load(work + i * ONE, at[i] + lines[k] * apart + j * step, step, width)
            call_block(kernel, work, width)
            for i in range(count):
                apart, step = parts[first + i, across], parts[first + i, along]
                if parts[first + i, 4] and across == 3:
                    unload(at[i] + lines[k] * apart + j * step, step, work + i * ONE, width, marks, j)
                elif parts[first + i, 4]:
                    copy(at[i] + lines[k] * apart + j * SIZE, work + i * ONE, width * SIZE)


@inner
def visit(kernel, parts, first, last, r, t, at, work, rows, n_rows, columns, n_columns, marks, n_pre, n, fields, signals, base):
    """Run a kernel on whole rows of connections, then on whole columns without the rows that are marked."""
    count = last - first
    for i in range(count):
        q = parts[first + i, 0]
        at[i] = base[q, r] + (t & signals[q, 1]) * signals[q, 0] if q >= 0 else fields[parts[first + i, 1], r]
    sweep(kernel, parts, first, count, at, work, rows, n_rows, n, np.int64(2), marks)
    sweep(kernel, parts, first, count, at, work, columns, n_columns, n_pre, np.int64(3), marks)


@inner
def mark(marks, seen, n_seen):
    for k in range(n_seen):
        marks[seen[k]] = 1


@inner
def collect(marks, n, indices):
    """The positions of what is marked; returns how many."""
    count = 0
    for j in range(n):
        indices[count] = j
        count += marks[j]
    return count


@inner
def learn(x, t, r0, together, learns, parts, fields, signals, base, at, work, indices, marks):
    """The weights for slot ``t``, from what happened in the slot before.

    Where only events change weights, rows with an arrival and columns with a spike are visited; else all rows. Of rows of a batch
    that share their weights (``together``) the first kernel adds up the changes, the second applies them.
    """
    n_pre, n, events = learns[x, 6], learns[x, 7], learns[x, 10]
    rows, columns, every = indices[0], indices[1], indices[2]
    here, row_marks, column_marks = marks[0], marks[1], marks[2]
    for k in range(n_pre):
        every[k] = k
    row_marks[:] = 0
    column_marks[:] = 0
    for w in range(together):
        r = r0 + w
        n_rows, n_columns = n_pre, 0
        if events:
            q, p = learns[x, 8], learns[x, 9]
            n_rows = compress(base[q, r] + (t & signals[q, 1]) * signals[q, 0], n_pre, rows, np.int64(0))
            n_columns = compress(base[p, r] + (t & signals[p, 1]) * signals[p, 0], n, columns, np.int64(0))
        seen = rows if events else every
        if n_rows * n + 4 * n_columns * n_pre >= n_pre * n:  # a column takes about four times as long as a row of its size
            seen, n_rows, n_columns = every, n_pre, 0
        here[:] = 0
        mark(here, seen, n_rows)
        visit(
            learns[x, 0],
            parts,
            learns[x, 1],
            learns[x, 2],
            r,
            t,
            at,
            work,
            seen,
            n_rows,
            columns,
            n_columns,
            here,
            n_pre,
            n,
            fields,
            signals,
            base,
        )
        if learns[x, 3]:
            mark(row_marks, seen, n_rows)
            mark(column_marks, columns, n_columns)
    if learns[x, 3]:
        n_rows, n_columns = collect(row_marks, n_pre, rows), collect(column_marks, n, columns)
        seen = rows
        if n_rows * n + 4 * n_columns * n_pre >= n_pre * n:
            seen, n_rows, n_columns = every, n_pre, 0
        visit(
            learns[x, 3],
            parts,
            learns[x, 4],
            learns[x, 5],
            r0,
            t,
            at,
            work,
            seen,
            n_rows,
            columns,
            n_columns,
            row_marks,
            n_pre,
            n,
            fields,
            signals,
            base,
        )
