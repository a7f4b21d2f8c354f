"""Programs printed as functions of vectors for Triton; `cuda` prints the time loop around them."""

from __future__ import annotations

import math

import torch

from ..trace.program import Program, Ref, Value
from .numba import TABLE, _name

# The same for Triton, which has no conditional expression of vectors and whose negation turns 0 into 0, not -0.
TRITON_TABLE = TABLE | {
    "div": "div({0}, {1})",
    "neg": "{0} * -1.0",
    "abs": "tl.abs({0})",
    "floor": "tl.floor({0})",
    "ceil": "tl.ceil({0})",
    "pow": "pow({0}, {1})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "tanh": "tanh({0})",
    "not": "{0} == False",
    "where": "tl.where({0}, {1}, {2})",
}


def print_triton(name: str, program: Program, dtype: torch.dtype) -> str:
    """The text of a Triton function of vectors of ``BLOCK`` elements of type ``F``: the inputs of a program give its outputs."""
    bits = _name(dtype).removeprefix("float")

    def argument(ref: Ref) -> str:
        if isinstance(ref, Value):
            return f"v{int(ref)}"
        # A plain number would become float32 on its way into a function.
        number = f"{ref!r}" if math.isfinite(ref) else f'float("{ref!r}")'
        return f"tl.full([BLOCK], {number}, {'tl.int1' if isinstance(ref, bool) else 'F'})"

    lines = ["@triton.jit", f"def {name}({', '.join(f'v{i}' for i in range(program.inputs))}):"]
    for op in program.ops:
        lines.append(f"    v{int(op.out)} = " + TRITON_TABLE[op.name].format(*(argument(a) for a in op.args), bits=bits))
    lines.append("    return (" + "".join(f"{argument(ref)}, " for ref in program.outputs) + ")")
    return "\n".join(lines) + "\n"
