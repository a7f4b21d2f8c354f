# ruff: noqa: F821
# mypy: ignore-errors
"""What the drivers of tapes share: memory by address, and calls of kernels. All tables are int64. Rows are (chip, sample) pairs.

A kernel has its work area, with ``BLOCK`` elements for each state (for the gradient twice that, and one for each constant), and a
table with the address of each of its rows and the bytes from a slot to the next (`printer.print_rows`): inputs, constants, then
the others. A constant that is one number has one block for all.

A step is a row of numbers: addresses of the kernels forward, again, back; units, states, inputs, constants, outputs; the
constant that is its clock, or -1; its first state, operand, constant and output among all; its work area; the list of what is
not zero that its output keeps, or -1; what changes its weights, or -1; its work area for the gradient.
"""

BLOCK = 512 // SIZE
ONE = BLOCK * SIZE


@intrinsic
def call(typing, function, work, n, slots, table):
    """Call the kernel at an address."""

    def build(context, builder, signature, args):
        number, floats = ir.IntType(64), context.get_value_type(types.CPointer(types.float32))
        kind = ir.FunctionType(ir.VoidType(), [floats, number, number, number])
        kernel = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(kernel, [builder.inttoptr(args[1], floats), *args[2:]])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), build


@intrinsic
def copy(typing, target, source, count):
    """memcpy of ``count`` bytes."""

    def build(context, builder, signature, args):
        byte = ir.IntType(8).as_pointer()
        memcpy = builder.module.declare_intrinsic("llvm.memcpy", [byte, byte, ir.IntType(64)])
        builder.call(
            memcpy,
            [builder.inttoptr(args[0], byte), builder.inttoptr(args[1], byte), args[2], ir.Constant(ir.IntType(1), 0)],
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@inner
def fill(address, n, value):
    v = vector(address, n)
    for j in range(n):
        v[j] = value


@inner
def into_blocks(work, stride, source, first, last, n):
    """From a row of units to the blocks of an operand."""
    for b in range(first, last):
        copy(work + (b - first) * stride, source + b * BLOCK * SIZE, min(BLOCK, n - b * BLOCK) * SIZE)


@inner
def from_blocks(target, work, stride, first, last, n):
    for b in range(first, last):
        copy(target + b * BLOCK * SIZE, work + (b - first) * stride, min(BLOCK, n - b * BLOCK) * SIZE)


@inner
def aim_constants(table, step, r, rows, b, clock, ones, constants, moves):
    """Let the rows of the constants of a step begin at block ``b``. ``constants``: the addresses of their ``rows`` one after the
    other. ``clock``: whether there is a slot to advance over; in the
    first slot the constant itself says so.
    """
    X, first = step[5], step[11]
    for i in range(step[6]):
        table[2 * (X + i)] = ones if clock and i == step[8] else constants[(first + i) * rows + r] + b * moves[first + i]
