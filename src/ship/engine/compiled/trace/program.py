"""Programs: pointwise operations on numbers, of a small set (the table of `emit.numba`), and what can be known without a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

from torch import Tensor

Ref = int | float | bool  # a value by number, or a literal


class Value(int):
    """Number of a value in a program; plain ints, floats and bools are literals."""


class Untraceable(Exception):  # noqa: N818 (no mistake, a reason)
    """The function is no pointwise program; the text says why."""


class NotNow(Exception):  # noqa: N818
    """This run is for the reference engine; the next one may not be."""


class Op(NamedTuple):
    """One primitive: ``out = name(*args)``."""

    name: str
    args: tuple[Ref, ...]
    out: Value


@dataclass(frozen=True)
class Program:
    """Operations in order. ``inputs``: how many; they are the values 0 .. inputs - 1. ``kinds``: "f" or "b" for each value."""

    inputs: int
    ops: tuple[Op, ...]
    outputs: tuple[Ref, ...]
    kinds: tuple[str, ...]


def as_constants(coefficients: Sequence[Any], like: Tensor) -> list[Tensor]:
    """Coefficients, numbers or tensors, as tensors: they change with dt. Anything else may decide what the model does.

    Raises:
        Untraceable: there is something else.
    """
    for value in coefficients:
        if isinstance(value, bool) or not isinstance(value, Tensor | Real):
            raise Untraceable(f"a coefficient is {'None' if value is None else 'a ' + type(value).__name__}, not a number")
    return [v.to(like) if isinstance(v, Tensor) else like.new_tensor(float(v)) for v in coefficients]


def pruned(program: Program) -> Program:
    """Return the program without operations that no output needs."""
    needed = {ref for ref in program.outputs if isinstance(ref, Value)}
    kept = []
    for op in reversed(program.ops):
        if op.out in needed:
            kept.append(op)
            needed.update(a for a in op.args if isinstance(a, Value))
    return Program(program.inputs, tuple(reversed(kept)), program.outputs, program.kinds)


def used(program: Program) -> set[int]:
    """Return the inputs that the program reads."""
    refs = [a for op in program.ops for a in op.args] + list(program.outputs)
    return {int(r) for r in refs if isinstance(r, Value) and r < program.inputs}


def only(program: Program, outputs: Sequence[int]) -> Program:
    """Return the part of a program that gives some of its outputs."""
    return pruned(Program(program.inputs, program.ops, tuple(program.outputs[i] for i in outputs), program.kinds))
