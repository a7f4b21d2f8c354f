"""Programs whose inputs are partly the same for all elements: what depends on these alone is worked out once for a block."""

from __future__ import annotations

from collections.abc import Container

from .program import Op, Program, Ref, Value, pruned


def uniform_values(program: Program, inputs: Container[int]) -> frozenset[int]:
    """Return the values that depend on some inputs alone, these among them."""
    known = {i for i in range(program.inputs) if i in inputs}
    for op in program.ops:
        if all(_is_uniform(a, known) for a in op.args):
            known.add(int(op.out))
    return frozenset(known)


def _is_uniform(ref: Ref, known: Container[int]) -> bool:
    return not isinstance(ref, Value) or int(ref) in known


def lifted(program: Program, inputs: Container[int]) -> Program:
    """Return an equal program that chooses late: ``f(a if c else b)`` becomes ``f(a) if c else f(b)`` where a and b are uniform.

    So a law with one parameter for pulses up and one for pulses down computes with both before it looks at single devices. No
    operation is another one than before.

    Args:
        program: the program.
        inputs: its inputs that are the same for all elements.
    """
    known = {i for i in range(program.inputs) if i in inputs}
    kinds, ops = list(program.kinds), []
    choices: dict[int, tuple[Ref, Ref, Ref]] = {}  # by value: condition, and what it chooses from

    def emit(op: Op, side: int) -> Value:
        args = tuple(choices[a][side] if isinstance(a, Value) and int(a) in choices else a for a in op.args)
        kinds.append(program.kinds[op.out])
        out = Value(len(kinds) - 1)
        ops.append(Op(op.name, args, out))
        known.add(int(out))
        return out

    for op in program.ops:
        if all(_is_uniform(a, known) for a in op.args):
            known.add(int(op.out))
        elif op.name == "where" and isinstance(op.args[0], Value) and all(_is_uniform(a, known) for a in op.args[1:]):
            choices[int(op.out)] = (op.args[0], op.args[1], op.args[2])
        else:
            varying = [int(a) for a in op.args if not _is_uniform(a, known)]
            if all(a in choices for a in varying) and len({choices[a][0] for a in varying}) == 1:
                condition, left, right = choices[varying[0]][0], emit(op, 1), emit(op, 2)
                choices[int(op.out)] = (condition, left, right)
                ops.append(Op("where", (condition, left, right), op.out))
                continue
        ops.append(op)
    return pruned(Program(program.inputs, tuple(ops), program.outputs, tuple(kinds)))
