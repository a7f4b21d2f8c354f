# mypy: ignore-errors
"""How kernels read and write memory. Part of the text of every kernel that runs along rows.

Memory is reached through four kinds of pointers: what is read only, the work area, the states that are kept, and each output.
They never overlap, and the compiler is told so (LLVM's scoped aliasing), which lets it make vector instructions of any program
without asking at run time.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

READ, WORK = 0, 1
SCOPES = 16  # from 2 on outputs; beyond the last they share it


def scopes(module, numbers):
    """The metadata that names some of the kinds of pointers."""
    domain = module.add_metadata([ir.MetaDataString(module, "ship")])
    each = [module.add_metadata([ir.MetaDataString(module, f"ship {k}"), domain]) for k in numbers]
    return module.add_metadata(each)


def mark(instruction, module, scope):
    instruction.set_metadata("alias.scope", scopes(module, [scope]))
    instruction.set_metadata("noalias", scopes(module, [k for k in range(SCOPES) if k != scope]))


@intrinsic
def floats32(typing, address):
    """The address as a pointer to floats."""
    return _pointer(types.float32)


@intrinsic
def floats64(typing, address):
    return _pointer(types.float64)


@intrinsic
def numbers(typing, address):
    """The address as a pointer to 64-bit integers."""
    return _pointer(types.int64)


def _pointer(kind):
    def build(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

    return types.CPointer(kind)(types.int64), build


@intrinsic
def get(typing, pointer, index, scope):
    """Read an element; ``scope`` is READ or WORK."""
    if not isinstance(scope, types.IntegerLiteral):
        return None  # asked again with the number itself
    number = scope.literal_value

    def build(context, builder, signature, args):
        loaded = builder.load(builder.gep(args[0], [args[1]]))
        mark(loaded, builder.module, number)
        return loaded

    return pointer.dtype(pointer, types.int64, scope), build


@intrinsic
def put(typing, pointer, index, value, scope):
    """Set an element; ``scope`` is WORK, or 2 and more for outputs."""
    if not isinstance(scope, types.IntegerLiteral):
        return None
    number = min(scope.literal_value, SCOPES - 1)

    def build(context, builder, signature, args):
        stored = builder.store(args[2], builder.gep(args[0], [args[1]]))
        mark(stored, builder.module, number)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, pointer.dtype, scope), build
