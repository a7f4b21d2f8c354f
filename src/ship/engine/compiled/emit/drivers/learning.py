# ruff: noqa: F821
# mypy: ignore-errors
"""How weights change in a tape: kernels of rules on rows and columns of connections."""


@intrinsic
def call_block(typing, function, address, n):
    """Call a kernel for n connections of a block."""

    def build(context, builder, signature, args):
        floats = context.get_value_type(types.CPointer(types.float32))
        kind = ir.FunctionType(ir.VoidType(), [floats, ir.IntType(64)])
        kernel = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(kernel, [builder.inttoptr(args[1], floats), args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


learn_at, part_at = reader(LEARN), reader(PART)
EDGES_LEARN = "list_edges" in globals()  # the text of `edge_learning` comes before this one only where edges learn
PULSES = "deliver_pulses" in globals()  # the text of `pulses` comes before this one only where devices learn


@intrinsic
def marked(typing, address):
    """The address as a pointer to marks, 0 or 1."""
    return pointer(types.int8)


@inner
def load(target, source, stride, n):
    """Copy n elements ``stride`` bytes apart to a block; where the stride is 0 the first one stands for all."""
    if stride == SIZE:
        copy(target, source, n * SIZE)
    elif stride == 0:
        vector(target, 1)[0] = vector(source, 1)[0]
    else:
        step = stride // SIZE
        a, v = vector(target, n), vector(source, (n - 1) * step + 1)
        for j in range(n):
            a[j] = v[j * step]


@inner
def unload(target, stride, source, n, done, n_done, first):
    """Copy a block to elements ``stride`` bytes apart, without the positions that are done, counted from ``first``."""
    step = stride // SIZE
    a, v, position = vector(target, (n - 1) * step + 1), vector(source, n), listed(done)
    for q in range(n_done):
        v[position[q] - first] = a[(position[q] - first) * step]
    for j in range(n):
        a[j * step] = v[j]


@inner
def count_below(positions, n, start, limit):
    """How many of n sorted positions are below a limit, of which ``start`` are known to be."""
    position = listed(positions)
    while start < n and position[start] < limit:
        start += 1
    return start


@inner
def sweep(record, x, applies, r, t, lines, n_lines, down, done, n_done):
    """Run a kernel on whole lines of connections: rows, or (``down``) columns without the rows that are done. Where it counts
    pulses, these are delivered.
    """
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    first, last = (rule.apply_first, rule.apply_last) if applies else (rule.first, rule.last)
    kernel, column = (rule.apply, rule.apply_column) if applies else (rule.kernel, rule.column)
    kernel = column if down else kernel
    counts = rule.pulse >= 0 and (applies != 0 or rule.apply == 0)
    at, moving, work, line = integers(run.learn_at), integers(run.learn_moving), run.learn_blocks, listed(lines)
    length, n_moving = rule.n_pre if down else rule.n_post, 0
    for i in range(last - first):
        part = part_at(run.parts, first + i)
        moving[n_moving] = i
        n_moving += (part.along if down else part.down) != 0 or part.written
    passed, reached = np.int64(0), np.int64(0)  # the rows that are done lie in a block from the one to the other
    for j in range(0, length if n_lines else 0, BLOCK):
        width = min(BLOCK, length - j)
        passed, reached = reached, count_below(done, n_done, reached, j + width)
        here, n_here = done + 4 * passed, reached - passed
        for i in range(last - first):
            part = part_at(run.parts, first + i)
            apart, step = (part.along, part.down) if down else (part.down, part.along)
            if apart == 0 and not part.scratch:
                load(work + i * ONE, at[i] + j * step, step, width)
        for k in range(n_lines):
            for m in range(n_moving):
                i = moving[m]
                part = part_at(run.parts, first + i)
                apart, step = (part.along, part.down) if down else (part.down, part.along)
                load(work + i * ONE, at[i] + line[k] * apart + j * step, step, width)
            if PULSES and counts:
                draw(record, x, r, t, line[k], j, width, down)
            call_block(kernel, work, width)
            if PULSES and counts:
                collect_counts(record, x, r, t, line[k], j, width, down, here, n_here)
            for m in range(n_moving):
                i = moving[m]
                part = part_at(run.parts, first + i)
                if part.written and down:
                    unload(at[i] + line[k] * part.along + j * part.down, part.down, work + i * ONE, width, here, n_here, j)
                elif part.written:
                    copy(at[i] + line[k] * part.down + j * SIZE, work + i * ONE, width * SIZE)


@inner
def place_parts(record, first, last, r, t):
    """Note where the operands ``first .. last - 1`` of a kernel of a rule lie, of a row in slot ``t``."""
    run = loop_at(record, 0)
    at = integers(run.learn_at)
    for i in range(last - first):
        part = part_at(run.parts, first + i)
        if part.signal >= 0:
            at[i] = slot_at(record, part.signal, r, t)
        elif not part.scratch:
            at[i] = integers(run.fields)[part.field * run.rows + r]


@inner
def visit(record, x, applies, r, t, rows, n_rows, n_columns):
    """Run the kernels of a rule, those that change or those that apply, on whole rows of connections, then on whole columns
    without these rows.
    """
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    first, last = (rule.apply_first, rule.apply_last) if applies else (rule.first, rule.last)
    place_parts(record, first, last, r, t)
    sweep(record, x, applies, r, t, rows, n_rows, np.int64(0), rows, np.int64(0))
    sweep(record, x, applies, r, t, run.learn_columns, n_columns, np.int64(1), rows, n_rows)
    if PULSES and rule.pulse >= 0 and (applies != 0 or rule.apply == 0):
        deliver_pulses(record, x, r, t)


@inner
def clear(marks, n):
    """Take n marks away."""
    mark_of = marked(marks)
    for j in range(n):
        mark_of[j] = 0


@inner
def mark(marks, seen, n_seen):
    """Mark the positions of a list."""
    mark_of, position = marked(marks), listed(seen)
    for k in range(n_seen):
        mark_of[position[k]] = 1


@inner
def collect(marks, n, indices):
    """List the positions that are marked; return how many."""
    mark_of, position, count = marked(marks), listed(indices), 0
    for j in range(n):
        position[count] = j
        count += mark_of[j]
    return count


@inner
def learn(record, x, t, r0):
    """Change the weights for slot ``t``, from what happened in the slot before.

    Where only events change weights, rows with an arrival and columns with a spike are visited, columns alone where arrivals
    change none; else all rows. Of rows of a batch that share their weights (``together``) the first kernel adds up the changes,
    the second applies them.
    """
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    if EDGES_LEARN and rule.edges >= 0:
        learn_on_edges(record, x, t, r0)
        return
    n_pre, n = rule.n_pre, rule.n_post
    if rule.apply:
        clear(run.row_marks, n_pre)
        clear(run.column_marks, n)
    for r in range(r0, r0 + run.together):
        seen, n_rows, n_columns = run.learn_all, n_pre, np.int64(0)
        if rule.events:
            seen = run.learn_rows
            n_rows = np.int64(0)
            if rule.events == 1:
                n_rows = compress(slot_at(record, rule.pre, r, t), n_pre, run.learn_rows, np.int64(0))
            n_columns = compress(slot_at(record, rule.post, r, t), n, run.learn_columns, np.int64(0))
        if n_rows * n + 4 * n_columns * n_pre >= n_pre * n:  # a column takes about four times as long as a row of its size
            seen, n_rows, n_columns = run.learn_all, n_pre, np.int64(0)
        visit(record, x, np.int64(0), r, t, seen, n_rows, n_columns)
        if rule.apply:
            mark(run.row_marks, seen, n_rows)
            mark(run.column_marks, run.learn_columns, n_columns)
    if rule.apply:
        seen, n_rows = run.learn_rows, collect(run.row_marks, n_pre, run.learn_rows)
        n_columns = collect(run.column_marks, n, run.learn_columns)
        if n_rows * n + 4 * n_columns * n_pre >= n_pre * n:
            seen, n_rows, n_columns = run.learn_all, n_pre, np.int64(0)
        visit(record, x, np.int64(1), r0, t, seen, n_rows, n_columns)
