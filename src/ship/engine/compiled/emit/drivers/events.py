# ruff: noqa: F821
# mypy: ignore-errors
"""The drivers of event-driven sums: lists of nonzeros, and products of such lists with dense rows.

A list is sorted by group of inner elements, then by outer element: entries ``first[group, outer] .. last[group, outer] - 1`` of
``indices`` (inner elements) and ``values``. Groups are as large as their dense rows, one block of columns wide, fit into the L2
cache. Each output element is summed by one thread, entry after entry, so that results do not depend on the number of threads.
"""

LANES = 64 // SIZE  # elements of a vector
VECTORS = 4  # that hold the sums of a block: they stay in registers
UNROLL = 4
BLOCK = VECTORS * LANES

NUMBER, INDEX = ir.IntType(64), ir.IntType(32)
FLOAT = ir.FloatType() if F is np.float32 else ir.DoubleType()
VECTOR = ir.VectorType(FLOAT, LANES)


def number(value):
    return ir.Constant(NUMBER, value)


def element(builder, kind, address, position, size):
    """The element at a position of an array."""
    at = builder.add(address, builder.mul(position, number(size)))
    return builder.load(builder.inttoptr(at, kind.as_pointer()))


def slice_of(builder, address, k):
    """A pointer to the k-th vector of a block."""
    return builder.inttoptr(builder.add(address, number(k * LANES * SIZE)), VECTOR.as_pointer())


def load(builder, address, k):
    found = builder.load(slice_of(builder, address, k))
    found.align = SIZE
    return found


def repeat(builder, value):
    """A vector of one value."""
    none = ir.Constant(VECTOR, ir.Undefined)
    one = builder.insert_element(none, value, ir.Constant(INDEX, 0))
    return builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(INDEX, LANES), None))


def add_entries(builder, sums, q, unroll, table, offset, indices, values):
    """The sums with entries q .. q + unroll - 1 added, one after the other."""
    for u in range(unroll):
        at = builder.add(q, number(u))
        i = builder.sext(element(builder, INDEX, indices, at, 4), NUMBER)
        row = builder.add(element(builder, NUMBER, table, i, 8), offset)
        value = repeat(builder, element(builder, FLOAT, values, at, SIZE))
        sums = [builder.fadd(s, builder.fmul(load(builder, row, k), value)) for k, s in enumerate(sums)]
    return sums


def loop(builder, sums, start, last, unroll, *lists):
    """Add entries as long as ``unroll`` of them are left; return the sums and the next entry."""
    before = builder.block
    head, body, done = (builder.append_basic_block() for _ in range(3))
    builder.branch(head)
    builder.position_at_end(head)
    q, held = builder.phi(NUMBER), [builder.phi(VECTOR) for _ in sums]
    following = builder.add(q, number(unroll))
    builder.cbranch(builder.icmp_signed("<=", following, last), body, done)
    builder.position_at_end(body)
    added = add_entries(builder, held, q, unroll, *lists)
    q.add_incoming(start, before)
    q.add_incoming(following, body)
    for phi, s, a in zip(held, sums, added, strict=True):
        phi.add_incoming(s, before)
        phi.add_incoming(a, body)
    builder.branch(head)
    builder.position_at_end(done)
    return held, q


@intrinsic
def gather(typing, target, table, offset, indices, values, first, last):
    """``target[0 .. BLOCK - 1] += value * row`` for the entries, rows at ``table[index] + offset``. All but ``offset``, ``first``
    and ``last`` are addresses.
    """

    def build(context, builder, signature, args):
        target, table, offset, indices, values, first, last = args
        sums, q = [load(builder, target, k) for k in range(VECTORS)], first
        for unroll in (UNROLL, 1):
            sums, q = loop(builder, sums, q, last, unroll, table, offset, indices, values)
        for k, s in enumerate(sums):
            builder.store(s, slice_of(builder, target, k)).align = SIZE
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), build


@inner
def gather_few(target, n, table, offset, indices, values, first, last):
    """Do what `gather` does, for a part of a block."""
    t = vector(target, n)
    for e in range(first, last):
        row, value = vector(table[indices[e]] + offset, n), values[e]
        for j in range(n):
            t[j] += row[j] * value


@inner
def move(target, source, n, total):
    """Copy n elements, and set those from there to ``total`` to 0."""
    t, s = vector(target, total), vector(source, n)
    for j in range(n):
        t[j] = s[j]
    for j in range(n, total):
        t[j] = F(0)


@driver
def count(lo, hi, rows, n, counts):
    """Count the nonzeros of each of the rows ``lo .. hi - 1``."""
    for r in range(lo, hi):
        v = vector(rows[r], n)
        found = np.int32(0)
        for j in range(n):
            found += np.int32(v[j] != F(0))
        counts[r] = found


@driver
def collect(lo, hi, rows, cuts, offsets, first, last, indices, values):
    """Make the list of rows ``lo .. hi - 1``: inner elements are columns, outer ones rows. ``cuts`` says where groups of
    columns begin.
    """
    buffer = np.empty(cuts[-1] + 1, np.int32)
    for r in range(lo, hi):
        at = offsets[r]
        v = vector(rows[r], cuts[-1])
        for q in range(len(cuts) - 1):
            found = 0
            for j in range(cuts[q], cuts[q + 1]):
                buffer[found] = j
                found += v[j] != F(0)
            first[q, r] = at
            for e in range(found):
                indices[at + e] = buffer[e]
                values[at + e] = v[buffer[e]]
            at += found
            last[q, r] = at


@driver
def turn(lo, hi, cuts, offsets, indices, values, first, last, turned, turned_values):
    """Make the list of the transpose, for groups ``lo .. hi - 1`` of rows: inner elements are rows, outer ones columns."""
    for g in range(lo, hi):
        for i in range(last.shape[1]):
            last[g, i] = 0
        for e in range(offsets[cuts[g]], offsets[cuts[g + 1]]):
            last[g, indices[e]] += 1
        at = offsets[cuts[g]]
        for i in range(last.shape[1]):
            first[g, i] = at
            at += last[g, i]
            last[g, i] = first[g, i]
        for r in range(cuts[g], cuts[g + 1]):
            for e in range(offsets[r], offsets[r + 1]):
                i = indices[e]
                turned[last[g, i]] = r
                turned_values[last[g, i]] = values[e]
                last[g, i] += 1


@driver
def multiply(lo, hi, splits, packed, cuts, first, last, indices, values, source, target, width):
    """``target[outer] = sum of value * source[inner]`` over the list. A task is a block of columns and one of ``splits`` parts of
    the outer elements. ``source``, ``target``: addresses of rows. ``packed``: whether rows are first copied side by side.
    """
    largest = 0
    for q in range(len(cuts) - 1):
        largest = max(largest, cuts[q + 1] - cuts[q])
    buffer, edge = np.empty((largest if packed else 1, BLOCK), F), np.empty(BLOCK, F)
    base, rest = buffer.ctypes.data, edge.ctypes.data
    copies = np.empty(cuts[-1] if packed else 1, np.int64)
    if packed:
        for q in range(len(cuts) - 1):
            for k in range(cuts[q], cuts[q + 1]):
                copies[k] = base + (k - cuts[q]) * BLOCK * SIZE
    table = copies if packed else source
    lists = table.ctypes.data, indices.ctypes.data, values.ctypes.data
    for task in range(lo, hi):
        left, part = task // splits * BLOCK, task % splits
        n = min(BLOCK, width - left)
        offset = 0 if packed else left * SIZE
        for q in range(len(cuts) - 1):
            if packed:
                for k in range(cuts[q], cuts[q + 1]):
                    move(table[k], source[k] + left * SIZE, n, BLOCK)
            for o in range(first.shape[1] * part // splits, first.shape[1] * (part + 1) // splits):
                at, f, e = target[o] + left * SIZE, first[q, o], last[q, o]
                if q == 0:
                    move(at, at, 0, n)
                if n == BLOCK:
                    gather(at, lists[0], offset, lists[1], lists[2], f, e)
                elif packed:
                    move(rest, at, n, BLOCK)
                    gather(rest, lists[0], offset, lists[1], lists[2], f, e)
                    move(at, rest, n, n)
                else:
                    gather_few(at, n, table, offset, indices, values, f, e)
    buffer[0, 0], edge[0], copies[0] = F(0), F(0), 0  # in use until here: an address alone does not keep an array alive
