# ruff: noqa: F821
# mypy: ignore-errors
"""What drivers begin with: the float type, decorators, memory as floats, integers or records.

Numba compiles drivers from texts that are put together (`texts.drivers`). One text serves both float types: the loader sets
``F``, ``njit`` and ``CACHE``. Addresses are in bytes.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import from_dtype

F = np.float32  # the loader writes float64 here for the other float type, and says whether compiled code is kept (CACHE)
SIZE = np.dtype(F).itemsize

# `crew` and `driver` mark what Python calls, with arrays and numbers or with the address of a record; `inner` marks what only
# these call: wrappers for other callers would take as long to compile again.
crew = cfunc(types.void(types.int64), error_model="numpy", cache=CACHE, late=True)
driver = njit(nogil=True, error_model="numpy", cache=CACHE, no_cfunc_wrapper=True)
inner = njit(error_model="numpy", cache=CACHE, no_cpython_wrapper=True, no_cfunc_wrapper=True)
# A literal is a type of its own to Numba: where other calls pass a variable, `np.int64(0)` saves another version of the function.


def pointer(kind, *arguments):
    """Type and builder of an intrinsic that makes its first argument, an address, a pointer."""

    def build(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

    return types.CPointer(kind)(types.int64, *arguments), build


@intrinsic
def vector(typing, address, n):
    """The n floats at the address, as a pointer: the type of an array would take Numba several times as long to compile."""
    return pointer(types.float32 if F is np.float32 else types.float64, types.int64)


@intrinsic
def integers(typing, address):
    """The address as a pointer to 64-bit integers."""
    return pointer(types.int64)


def reader(layout):
    """An intrinsic that reads record i of a table: its fields are then read by name, as fast as from an address."""
    kind = from_dtype(layout)

    @intrinsic
    def read(typing, table, i):
        def build(context, builder, signature, args):
            address = builder.add(args[0], builder.mul(args[1], ir.Constant(ir.IntType(64), layout.itemsize)))
            return builder.inttoptr(address, context.get_value_type(kind))

        return kind(types.int64, types.int64), build

    return read


@intrinsic
def take(typing, record):
    """Return the next of the tasks that the threads of a crew share: the first number of its record counts them."""

    def build(context, builder, signature, args):
        number = ir.IntType(64)
        return builder.atomic_rmw("add", builder.inttoptr(args[0], number.as_pointer()), ir.Constant(number, 1), "monotonic")

    return types.int64(types.int64), build
