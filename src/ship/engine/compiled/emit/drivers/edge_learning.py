# ruff: noqa: F821
# mypy: ignore-errors
"""How weights on edges change in a tape: the edges of units with an event are listed, and kernels of rules work on blocks of the
list.
"""


@inner
def list_edges(record, x, n_rows, n_columns, marks):
    """List the edges of the source units in ``learn_rows``, then those of the target units in ``learn_columns`` without the
    source units that are marked; return how many.
    """
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    edges, rows, columns, order = (
        listed(run.learn_edges),
        listed(run.learn_rows),
        listed(run.learn_columns),
        listed(rule.edge_order),
    )
    from_pre, from_post = integers(rule.from_pre), integers(rule.from_post)
    order, pre, mark_of, found = listed(rule.edge_order), listed(rule.edge_pre), marked(marks), 0
    for k in range(n_rows):
        for e in range(from_pre[rows[k]], from_pre[rows[k] + 1]):
            edges[found] = e
            found += 1
    for k in range(n_columns):
        for q in range(from_post[columns[k]], from_post[columns[k] + 1]):
            edges[found] = order[q]
            found += mark_of[pre[order[q]]] == 0
    return found


@inner
def load_edges(target, source, part, pre, post, edges, start, n):
    """Copy an operand of n edges of the list, from ``start`` on, to a block; to all of it where they have one number."""
    a, edge, step = vector(target, n), listed(edges), part.along // SIZE
    v = vector(source, 1)
    if part.signal >= 0:
        units = listed(pre) if part.down else listed(post)
        for j in range(n):
            a[j] = v[units[edge[start + j]]]
    elif step == 0:
        fill(target, np.int64(BLOCK), v[0])
    else:
        for j in range(n):
            a[j] = v[edge[start + j] * step]


@inner
def visit_edges(record, x, applies, r, t, count):
    """Run a kernel of a rule, the one that changes or the one that applies, on the edges that are listed."""
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    kernel = rule.apply if applies else rule.kernel
    first, last = (rule.apply_first, rule.apply_last) if applies else (rule.first, rule.last)
    at, work, edge = integers(run.learn_at), run.learn_blocks, listed(run.learn_edges)
    place_parts(record, first, last, r, t)
    for start in range(0, count, BLOCK):
        width = min(BLOCK, count - start)
        for i in range(last - first):
            part = part_at(run.parts, first + i)
            if start == 0 or part.signal >= 0 or part.along != 0:  # one number for all stays where it is
                load_edges(work + i * ONE, at[i], part, rule.edge_pre, rule.edge_post, run.learn_edges, start, width)
        call_block(kernel, work, width)
        for i in range(last - first):
            part = part_at(run.parts, first + i)
            if part.written:
                v, new = vector(at[i], 1), vector(work + i * ONE, width)
                for j in range(width):
                    v[edge[start + j]] = new[j]


@inner
def learn_on_edges(record, x, t, r0):
    """Change the weights of edges for slot ``t``, as `learn` does those of a matrix."""
    run, rule = loop_at(record, 0), learn_at(loop_at(record, 0).learns, x)
    n_pre, n, count, edge = rule.n_pre, rule.n_post, rule.edges, listed(run.learn_edges)
    if rule.events == 0:
        for e in range(count):
            edge[e] = e
    if rule.apply:
        clear(run.row_marks, n_pre)
        clear(run.column_marks, n)
    for r in range(r0, r0 + run.together):
        if rule.events:
            n_rows = np.int64(0)
            if rule.events == 1:
                n_rows = compress(slot_at(record, rule.pre, r, t), n_pre, run.learn_rows, np.int64(0))
            n_columns = compress(slot_at(record, rule.post, r, t), n, run.learn_columns, np.int64(0))
            if n_columns:
                clear(run.marks, n_pre)
                mark(run.marks, run.learn_rows, n_rows)
            count = list_edges(record, x, n_rows, n_columns, run.marks)
            if rule.apply:
                mark(run.row_marks, run.learn_rows, n_rows)
                mark(run.column_marks, run.learn_columns, n_columns)
        visit_edges(record, x, np.int64(0), r, t, count)
    if rule.apply:
        if rule.events:
            n_rows = collect(run.row_marks, n_pre, run.learn_rows)
            n_columns = collect(run.column_marks, n, run.learn_columns)
            count = list_edges(record, x, n_rows, n_columns, run.row_marks)
        visit_edges(record, x, np.int64(1), r0, t, count)
