"""Programs made simpler by what is known of their values, and what can be known without a run."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence

from .program import Op, Program, Ref, Value, pruned


def knowing(program: Program, known: Mapping[int, Ref]) -> Program:
    """Return the program where other values stand for some of its own."""
    ops = [op._replace(args=tuple(_known(known, a) for a in op.args)) for op in program.ops if op.out not in known]
    return pruned(Program(program.inputs, tuple(ops), tuple(_known(known, ref) for ref in program.outputs), program.kinds))


def bottleneck(program: Program, before: Sequence[int], after: Sequence[int]) -> tuple[Value, ...] | None:
    """The values, known without the inputs ``after``, through which alone outputs depend on those ``before``: none, or one; None
    where it takes more.
    """

    def reached(inputs: Sequence[int], without: int = -1) -> set[int]:
        found = set(inputs) - {without}
        for op in program.ops:
            if op.out != without and any(isinstance(a, Value) and a in found for a in op.args):
                found.add(op.out)
        return found

    later = reached(after)
    read = [a for op in program.ops if op.out in later for a in op.args] + list(program.outputs)
    ends = {int(a) for a in read if isinstance(a, Value)} & (reached(before) - later)
    if not ends:
        return ()
    for value in [*(op.out for op in reversed(program.ops)), *map(Value, before)]:
        if value not in later and program.kinds[value] == "f" and not (ends - {value}) & reached(before, value):
            return (value,)
    return None


def fold(program: Program, known: Mapping[int, float]) -> Program:
    """The program where some inputs are known numbers, with what follows from them worked out.

    It assumes that all values are finite: then ``x * 0`` and ``0 / x`` are 0 and ``x - x`` is 0.
    """
    values: dict[int, Ref] = dict(known)
    ops = []
    for op in program.ops:
        args = tuple(_known(values, a) for a in op.args)
        found = _simple(op.name, args)
        if found is None:
            ops.append(Op(op.name, args, op.out))
        else:
            values[int(op.out)] = found
    outputs = tuple(_known(values, ref) for ref in program.outputs)
    return pruned(Program(program.inputs, tuple(ops), outputs, program.kinds))


def _known(values: Mapping[int, Ref], ref: Ref) -> Ref:
    return values.get(int(ref), ref) if isinstance(ref, Value) else ref


NUMBERS: Mapping[str, Callable[..., float | bool]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "abs": abs,
    "maximum": max,
    "minimum": min,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "and": operator.and_,
    "or": operator.or_,
    "not": operator.not_,
    "exp": math.exp,
    "expm1": math.expm1,
    "log1p": math.log1p,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "atan": math.atan,
    "erf": math.erf,
    "erfc": math.erfc,
    "log10": math.log10,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "rint": round,
    "floor": math.floor,
    "ceil": math.ceil,
}


def _simple(name: str, args: tuple[Ref, ...]) -> Ref | None:
    """What an operation gives, where that is a number or one of its arguments; None where it must be computed."""
    if not any(isinstance(a, Value) for a in args) and name in NUMBERS:
        try:
            result = NUMBERS[name](*args)
        except (ArithmeticError, ValueError):
            return None
        return result if isinstance(result, bool) else float(result)
    if name == "where":
        return args[2 - bool(args[0])] if not isinstance(args[0], Value) else (args[1] if _same(args[1], args[2]) else None)
    if name in ("and", "or", "maximum", "minimum") and _same(*args):
        return args[0]
    if name in ("and", "or"):
        return _truth(name, args)
    return _arithmetic(name, args)


def _truth(name: str, args: tuple[Ref, ...]) -> Ref | None:
    a, b = args if isinstance(args[0], Value) else args[::-1]
    if isinstance(b, Value):
        return None
    decided = bool(b) == (name == "or")  # True in an or, False in an and
    return bool(b) if decided else a


def _arithmetic(name: str, args: tuple[Ref, ...]) -> Ref | None:
    if name == "mul" and any(_is(a, 0.0) for a in args):
        return 0.0
    if (name in ("div", "sqrt", "neg") and _is(args[0], 0.0)) or (name == "sub" and _same(*args)):
        return 0.0
    if (name == "add" and _is(args[0], 0.0)) or (name == "mul" and _is(args[0], 1.0)):
        return args[1]
    if (name in ("add", "sub") and _is(args[1], 0.0)) or (name in ("mul", "div") and _is(args[1], 1.0)):
        return args[0]
    return None


def _is(ref: Ref, number: float) -> bool:
    return not isinstance(ref, Value) and ref == number


def _same(a: Ref, b: Ref) -> bool:
    return isinstance(a, Value) == isinstance(b, Value) and a == b
