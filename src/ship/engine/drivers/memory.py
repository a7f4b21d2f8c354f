# ruff: noqa: F821
# mypy: ignore-errors
"""What the drivers of the fused engine share: memory by address, and calls of kernels. The drivers are compiled by Numba from
texts that begin with this one (`kernels`). One text serves both float types: ``F`` and ``CACHE`` are set by the loader. All
tables are int64; addresses are in bytes. Rows are (chip, sample) pairs.

A kernel has its work area, with ``BLOCK`` elements for each state (for the gradient twice that, and one for each constant), and a
table with the address of each of its rows and the bytes from a slot to the next (`printer.print_rows`): inputs, constants, then
the others. A constant that is one number has one block for all.

A step is a row of numbers: addresses of the kernels forward, again, back; units, states, inputs, constants, outputs; the
constant that is its clock, or -1; its first state, operand, constant and output among all; its work area; the list of what is
not zero that its output keeps, or -1; what changes its weights, or -1; its work area for the gradient.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

F = np.float32  # the loader writes float64 here for the other float type, and says whether compiled code is kept (CACHE)
SIZE = np.dtype(F).itemsize
BLOCK = 512 // SIZE
ONE = BLOCK * SIZE


# What is called from Python, and what only these call: wrappers for other callers would take as long to compile again.
driver = njit(nogil=True, error_model="numpy", cache=CACHE, no_cfunc_wrapper=True)
inner = njit(error_model="numpy", cache=CACHE, no_cpython_wrapper=True, no_cfunc_wrapper=True)
# A literal is a type of its own to Numba: where other calls pass a variable, `np.int64(0)` saves another version of the function.


@intrinsic
def vector(typing, address, n):
    """The n floats at the address, as a pointer: the type of an array would take Numba several times as long to compile."""
    kind = types.float32 if F is np.float32 else types.float64

    def build(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

    return types.CPointer(kind)(types.int64, types.int64), build


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
def aim_constants(table, step, r, b, clock, ones, constants, moves):
    """Let the rows of the constants of a step begin at block ``b``. ``clock``: whether there is a slot to advance over; in the
    first slot the constant itself says so.
    """
    X, first = step[5], step[11]
    for i in range(step[6]):
        table[2 * (X + i)] = ones if clock and i == step[8] else constants[first + i, r] + b * moves[first + i]
