# ruff: noqa: F821
# mypy: ignore-errors
"""What the drivers of tapes share: memory by address, and calls of kernels.

A kernel is given a work area and a table of places. The work area has a block of ``BLOCK`` elements for each state; for the
gradient it has one for each state, one for each gradient of a state, and one for each constant. The table has, for each row that
the kernel reads or writes, an address and the bytes from a slot to the next (`numba.print_rows`): inputs first, then constants,
then the others. A constant that is one number has one block for all units.
"""

step_at = reader(STEP)
BLOCK = 512 // SIZE
ONE = BLOCK * SIZE


@intrinsic
def call(typing, function, work, n, slots, table):
    """Call the kernel at an address for n units and some slots."""

    def build(context, builder, signature, args):
        number, floats = ir.IntType(64), context.get_value_type(types.CPointer(types.float32))
        kind = ir.FunctionType(ir.VoidType(), [floats, number, number, number])
        kernel = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(kernel, [builder.inttoptr(args[1], floats), *args[2:]])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), build


@intrinsic
def copy(typing, target, source, count):
    """Copy ``count`` bytes (memcpy)."""

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
    """Set n elements to a value."""
    v = vector(address, n)
    for j in range(n):
        v[j] = value


@inner
def into_blocks(work, stride, source, first, last, n):
    """Copy the units of a row to the blocks ``first .. last - 1`` of an operand, ``stride`` bytes apart."""
    for b in range(first, last):
        copy(work + (b - first) * stride, source + b * ONE, min(BLOCK, n - b * BLOCK) * SIZE)


@inner
def from_blocks(target, work, stride, first, last, n):
    """Copy the blocks ``first .. last - 1`` of an operand to the units of a row."""
    for b in range(first, last):
        copy(target + b * ONE, work + (b - first) * stride, min(BLOCK, n - b * BLOCK) * SIZE)


@inner
def set_row(places, i, address, stride):
    """Let row ``i`` of a kernel begin at an address."""
    table = integers(places)
    table[2 * i], table[2 * i + 1] = address, stride


@inner
def place_constants(places, steps, s, r, rows, b, clock, ones, constants, moves):
    """Let the rows of the constants of step ``s`` begin at block ``b``.

    ``constants`` and ``moves`` are the addresses of the table of rows and of the distances between blocks. ``clock`` says
    whether there is a slot to advance over; in the first slot the constant itself says so.
    """
    step, table, row, move = step_at(steps, s), integers(places), integers(constants), integers(moves)
    X, first = step.inputs, step.first_constant
    for i in range(step.constants):
        table[2 * (X + i)] = ones if clock and i == step.clock else row[(first + i) * rows + r] + b * move[first + i]
