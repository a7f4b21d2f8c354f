"""Programs printed as kernels: one table of primitives, a printer for the CPU (Numba) and one for CUDA (Triton).

A Numba kernel works on a block of up to ``BLOCK`` units, so that its states stay in the cache: through many slots, reading and
writing along rows (`print_rows`); on connections, one call a block (`print_numba`), or many slots for one source unit
(`print_tile`). All become vector instructions. A Triton kernel calls the program as a function of vectors; `cuda` prints the time
loop around it.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import NamedTuple

import torch

from ..trace.program import Program, Ref, Value, used
from ..trace.uniform import uniform_values

BLOCK_BYTES = 512  # of one operand of a block; the drivers count on it


class Store(NamedTuple):
    """Where an output goes: an operand, set or added to."""

    operand: int
    add: bool


# Primitive -> expression. {0}, {1}, {2} are its arguments; {bits} are those of the float type.
TABLE = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "abs": "abs({0})",
    "pow": "{0} ** {1}",
    "exp": "exp{bits}({0})",
    "expm1": "expm1_{bits}({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "sqrt": "sqrt({0})",
    "sin": "sin{bits}({0})",
    "cos": "cos{bits}({0})",
    "tanh": "tanh{bits}({0})",
    "atan": "atan({0})",
    "atan2": "atan2({0}, {1})",
    "erf": "erf({0})",
    "erfc": "erfc({0})",
    "log10": "log10({0})",
    "sinh": "sinh({0})",
    "cosh": "cosh({0})",
    "rint": "rint({0})",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "maximum": "largest({0}, {1})",
    "minimum": "smallest({0}, {1})",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "not": "not {0}",
    "where": "choose({0}, {1}, {2})",
}


def literal(ref: Ref) -> str:
    """A number of the kernel's float type ``F``, or a truth value."""
    if isinstance(ref, bool):
        return str(ref)
    if math.isnan(ref):
        return "F(np.nan)"
    if math.isinf(ref):
        return "F(np.inf)" if ref > 0 else "F(-np.inf)"
    return f"F({float(ref)!r})"


def _argument(ref: Ref) -> str:
    return f"v{int(ref)}" if isinstance(ref, Value) else literal(ref)


def print_numba(
    program: Program,
    stores: Sequence[Store],
    operands: int,
    dtype: torch.dtype,
    loads: Sequence[int],
    fixed: Container[int] = (),
) -> str:
    """The text of a Numba module with one C function ``kernel(work, n)`` for a block of up to ``BLOCK`` units, without the
    functions of `maths_numba` that it calls. Operand i is ``work[i * BLOCK + j]``: that no two overlap is then plain to the
    compiler.

    Args:
        program: what it computes.
        stores: the operand that each output goes to.
        operands: how many there are in the work area.
        dtype: float32 or float64.
        loads: the operand that each input comes from.
        fixed: the inputs that are one number for all units: the first of the block.
    """
    block = BLOCK_BYTES // dtype.itemsize
    name = _name(dtype)
    lines = [
        "from numba import carray, types",
        "",
        f"F = np.{name}",
        "",
        "",
        f'@cfunc(types.void(types.CPointer(types.{name}), types.int64), error_model="numpy", cache=CACHE)',
        "def kernel(pointer, n):",
        f"    work = carray(pointer, ({operands * block},), F)",
    ]
    once = uniform_values(program, fixed) if fixed else frozenset()
    inputs, ops = sorted(used(program)), _operations(program, dtype)
    lines += [f"    v{i} = work[{loads[i] * block}]" for i in inputs if i in once]
    lines += [f"    {text}" for op, text in zip(program.ops, ops, strict=True) if int(op.out) in once]
    lines.append("    for j in range(n):")
    body = [f"v{i} = work[{loads[i] * block} + j]" for i in inputs if i not in once]
    body += [text for op, text in zip(program.ops, ops, strict=True) if int(op.out) not in once]
    for i, (ref, store) in enumerate(zip(program.outputs, stores, strict=True)):
        body.append(f"o{i} = {_argument(ref)}")
        body.append(f"work[{store.operand * block} + j] {'+=' if store.add else '='} o{i}")
    lines += [f"        {line}" for line in body] or ["        pass"]
    return "\n".join(lines) + "\n"


class Place(NamedTuple):
    """Where a value of a kernel that runs along rows lies: in a row, or in the work area; ``at``: which block of it."""

    row: int  # or -1, the work area
    at: int = 0
    add: bool = False  # to what is there


def print_rows(
    program: Program,
    loads: Sequence[Place],
    stores: Sequence[Place],
    dtype: torch.dtype,
    *,
    fixed: Container[int] = (),
    back: bool = False,
) -> str:
    """The text of a Numba module with one C function ``kernel(work, n, slots, table)``, without the functions that
    it calls.

    It runs a block of up to ``BLOCK`` units through many slots. ``table`` has for each row its address in the first slot, and the
    bytes from a slot to the next.

    Args:
        program: what happens in a slot.
        loads: where each input comes from.
        stores: where each output goes. A row is either read or written.
        dtype: float32 or float64.
        fixed: the rows that are the same in all slots.
        back: whether slots are in reverse.
    """
    block = BLOCK_BYTES // dtype.itemsize
    name = _name(dtype)
    written = sorted({store.row for store in stores} - {-1})
    lines = [
        "from numba import types",
        "",
        f"F = np.{name}",
        f"SIGNATURE = types.void(types.CPointer(types.{name}), types.int64, types.int64, types.int64)",
        "",
        "",
        '@cfunc(SIGNATURE, error_model="numpy", cache=CACHE)',
        "def kernel(work, n, slots, table):",
        "    at = numbers(table)",
    ]
    inputs = sorted(used(program))
    reached = sorted({loads[i].row for i in inputs} - {-1} | set(written))
    lines += [f"    r{row} = floats{name[5:]}(get(at, {2 * row}, 0))" for row in reached if row in fixed]
    lines.append(f"    for t in range({'slots - 1, -1, -1' if back else 'slots'}):")
    for row in (row for row in reached if row not in fixed):
        lines.append(f"        r{row} = floats{name[5:]}(get(at, {2 * row}, 0) + t * get(at, {2 * row + 1}, 0))")
    body = [f"v{i} = {_get(loads[i], block)}" for i in inputs]
    body += _operations(program, dtype)
    body += [f"o{i} = {_argument(ref)}" for i, ref in enumerate(program.outputs)]
    for i, place in enumerate(stores):
        pointer, index = _element(place, block)
        scope = 1 if place.row < 0 else 2 + written.index(place.row)
        value = f"{_get(place, block)} + o{i}" if place.add else f"o{i}"
        body.append(f"put({pointer}, {index}, {value}, {scope})")
    lines += ["        for j in range(n):", *(f"            {line}" for line in body or ["pass"])]
    return "\n".join(lines) + "\n"


def _element(place: Place, block: int) -> tuple[str, str]:
    return "work" if place.row < 0 else f"r{place.row}", f"{place.at * block} + j"


def _get(place: Place, block: int) -> str:
    pointer, index = _element(place, block)
    return f"get({pointer}, {index}, {1 if place.row < 0 else 0})"


def _name(dtype: torch.dtype) -> str:
    return "float32" if dtype == torch.float32 else "float64"


def _operations(program: Program, dtype: torch.dtype) -> list[str]:
    bits = _name(dtype).removeprefix("float")
    return [f"v{int(op.out)} = " + TABLE[op.name].format(*(_argument(a) for a in op.args), bits=bits) for op in program.ops]


TILE_SLOTS = 4  # that a pass over a block does at once, so that states and constants stay in registers


def print_tile(program: Program, states: int, operands: int, dtype: torch.dtype) -> str:
    """As `print_numba`, for connections: ``kernel(work, n, slots, x, step, out)`` advances a row of connections of one source
    through many slots. Its only input is the arrival, one number a slot; its only output is added to ``out[slot, BLOCK]``.
    """
    block = BLOCK_BYTES // dtype.itemsize
    name = _name(dtype)
    pointer = f"types.CPointer(types.{name})"
    lines = [
        "from numba import carray, types",
        "",
        f"F = np.{name}",
        f"SIGNATURE = types.void({pointer}, types.int64, types.int64, {pointer}, types.int64, {pointer})",
        "",
        "",
        '@cfunc(SIGNATURE, error_model="numpy", cache=CACHE)',
        "def kernel(pointer, n, slots, signal, step, target):",
        f"    work = carray(pointer, ({operands * block},), F)",
        "    x = carray(signal, (slots * step + 1,), F)",
        f"    out = carray(target, (slots * {block},), F)",
        f"    whole = slots - slots % {TILE_SLOTS}",
    ]
    for loop, slots in ((f"range(0, whole, {TILE_SLOTS})", TILE_SLOTS), ("range(whole, slots)", 1)):
        lines.append(f"    for t in {loop}:")
        lines += [f"        x{q} = x[(t + {q}) * step]" for q in range(slots)]
        lines += [f"        row{q} = out[(t + {q}) * {block} : (t + {q} + 1) * {block}]" for q in range(slots)]
        lines += [
            "        for j in range(n):",
            *(f"            {line}" for line in _tile_body(program, states, block, dtype, slots)),
        ]
    return "\n".join(lines) + "\n"


def _tile_body(program: Program, states: int, block: int, dtype: torch.dtype, slots: int) -> list[str]:
    """The operations of several slots on one connection; its states are read before and written after."""
    bits = _name(dtype).removeprefix("float")
    body = [f"v{i} = work[{i * block} + j]" for i in sorted(used(program) | set(range(states))) if i != states]
    names = {i: f"v{i}" for i in range(program.inputs)}  # the current names of states; those of constants do not change

    def argument(ref: Ref) -> str:
        return names[int(ref)] if isinstance(ref, Value) else literal(ref)

    for q in range(slots):
        names[states] = f"x{q}"
        for op in program.ops:
            expression = TABLE[op.name].format(*(argument(a) for a in op.args), bits=bits)
            names[int(op.out)] = f"v{int(op.out)}_{q}"
            body.append(f"{names[int(op.out)]} = {expression}")
        body.append(f"row{q}[j] += {argument(program.outputs[0])}")
        after = [argument(ref) for ref in program.outputs[1:]]
        names.update(enumerate(after))
    return body + [f"work[{i * block} + j] = {names[i]}" for i in range(states)]
