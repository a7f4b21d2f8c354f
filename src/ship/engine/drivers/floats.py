# ruff: noqa: F821
# mypy: ignore-errors
"""What drivers begin with: the float type, decorators, floats at an address. Numba compiles drivers from texts that are put
together (`kernels`). One text serves both float types: the loader sets ``F``, ``njit`` and ``CACHE``. Addresses are in bytes.
"""

import numpy as np
from llvmlite import ir  # noqa: F401 (for the texts that follow)
from numba import types
from numba.extending import intrinsic

F = np.float32  # the loader writes float64 here for the other float type, and says whether compiled code is kept (CACHE)
SIZE = np.dtype(F).itemsize

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
