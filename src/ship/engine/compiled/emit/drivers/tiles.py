# ruff: noqa: F821
# mypy: ignore-errors
"""What the drivers of connections with a state each share: calls of their kernels, and tables of rows."""


@intrinsic
def call_tile(typing, function, work, n, slots, signal, step, out):
    """Call the kernel at an address for a row of connections."""

    def build(context, builder, signature, args):
        number, floats = ir.IntType(64), context.get_value_type(types.CPointer(types.float32))
        kind = ir.FunctionType(ir.VoidType(), [floats, number, number, floats, number, floats])
        kernel = builder.inttoptr(args[0], kind.as_pointer())
        work, signal, out = (builder.inttoptr(args[i], floats) for i in (1, 4, 6))
        builder.call(kernel, [work, args[2], args[3], signal, args[5], out])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), build


@inner
def row_of(table, i, r, rows):
    """The address of row ``r`` of the i-th tensor of a table of rows."""
    return integers(table)[i * rows + r]


@inner
def total(address, n):
    """The sum of the first n elements of a block, in eight parts; the others are set to 0."""
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
