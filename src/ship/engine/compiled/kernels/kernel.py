"""The kernels of one group: its operation traced, printed and compiled, forward and, when first asked for, backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..emit import texts
from ..emit.numba import Place, print_rows, print_tile
from ..trace.program import Op, Program, Ref, Untraceable, Value, only, pruned, used
from ..trace.recorder import trace, trace_gradient
from ..trace.simplify import bottleneck, knowing

Flat = Callable[[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]], tuple[Sequence[Tensor], Sequence[Tensor]]]


@dataclass(eq=False)
class Kernel:
    """``function(states, inputs, constants) -> (outputs, states)``, all lists of float vectors; True in ``flags`` marks a state
    that is a truth value.
    """

    function: Flat
    flags: tuple[bool, ...]
    inputs: int
    constants: int
    dtype: torch.dtype
    checked: bool = True  # whether to trace twice, see `trace`; False where the same function was traced before
    program: Program = field(init=False)
    outputs: int = field(init=False)
    _addresses: dict[Any, int] = field(init=False, default_factory=dict)  # of what was compiled for gradients
    _gradients: dict[tuple[int, ...], Program] = field(init=False, default_factory=dict)
    _bottlenecks: dict[tuple[int, ...], tuple[Value, ...] | None] = field(init=False, default_factory=dict)
    _places: dict[tuple[int, ...], set[int]] = field(init=False, default_factory=dict)
    _keep: list[Any] = field(init=False, default_factory=list)
    scans: dict[Any, Any] = field(init=False, default_factory=dict)  # what `cuda` compiled

    def __post_init__(self) -> None:
        self.program = trace(self._flat, self.states + self.inputs + self.constants, self.dtype, twice=self.checked)
        self.outputs = len(self.program.outputs) - self.states

    @property
    def states(self) -> int:
        return len(self.flags)

    @property
    def backward_operands(self) -> int:
        """How many operands the work area for the gradient has: states, gradients of states, gradients of constants."""
        return 2 * self.states + self.constants

    def _flat(self, *given: Tensor) -> tuple[Tensor, ...]:
        s, x = self.states, self.inputs
        states = [v != 0 if flag else v for v, flag in zip(given[:s], self.flags, strict=True)]
        out, after = self.function(states, given[s : s + x], given[s + x :])
        return (*out, *after)

    @cached_property
    def used_constants(self) -> frozenset[int]:
        """The constants that the program reads."""
        start = self.states + self.inputs
        return frozenset(i - start for i in used(self.program) if i >= start)

    @property
    def _loads(self) -> list[Place]:
        """Where the inputs of the program lie: states in the work area, each input and each constant in a row of its own."""
        return [*(Place(-1, i) for i in range(self.states)), *(Place(i) for i in range(self.inputs + self.constants))]

    @property
    def rows(self) -> int:
        """The rows that all kernels begin with: inputs, constants."""
        return self.inputs + self.constants

    @cached_property
    def text(self) -> str:
        """The forward kernel as text. Rows: inputs, constants, outputs."""
        y = self.outputs
        stores = [*(Place(self.rows + i) for i in range(y)), *(Place(-1, i) for i in range(self.states))]
        return print_rows(self.program, self._loads, stores, self.dtype, fixed=self._fixed)

    @property
    def _fixed(self) -> range:
        """The rows that are the same in all slots."""
        return range(self.inputs, self.rows)

    @cached_property
    def forward(self) -> int:
        """Address of the compiled forward kernel."""
        return self._compiled(self.text)

    @cached_property
    def again(self) -> int:
        """Address of the kernel that runs forward for the gradient. Rows: inputs, constants, states at the start of each slot."""
        s, y = self.states, self.outputs
        program = self.program
        after = Program(program.inputs, program.ops, (*(Value(i) for i in range(s)), *program.outputs[y:]), program.kinds)
        stores = [*(Place(self.rows, i) for i in range(s)), *(Place(-1, i) for i in range(s))]
        return self._compiled(print_rows(pruned(after), self._loads, stores, self.dtype, fixed=self._fixed))

    @cached_property
    def tile(self) -> int:
        """Address of the compiled kernel for rows of connections (`print_tile`)."""
        operands = self.states + 1 + self.constants
        return self._compiled(print_tile(self.program, self.states, operands, self.dtype))

    def wanted(self, inputs: Sequence[bool], constants: Sequence[bool]) -> tuple[int, ...]:
        """Return the arguments with gradients: states that are numbers, and those inputs and constants."""
        s, x = self.states, self.inputs
        return (
            *(i for i, flag in enumerate(self.flags) if not flag),
            *(s + i for i, w in enumerate(inputs) if w),
            *(s + x + i for i, w in enumerate(constants) if w),
        )

    def backward_program(self, wanted: tuple[int, ...]) -> Program:
        """Return the program for the gradients ``wanted``; its inputs are all arguments, then the gradients of outputs and of
        states that are numbers.

        Raises:
            Untraceable: the model has no pointwise gradient; better asked before a run than after it.
        """
        if wanted not in self._gradients:
            s, y = self.states, self.outputs
            smooth = [*range(y), *(y + i for i, flag in enumerate(self.flags) if not flag)]
            self._gradients[wanted] = trace_gradient(self._flat, s + self.inputs + self.constants, wanted, smooth, self.dtype)
        return self._gradients[wanted]

    def bottleneck(self, wanted: tuple[int, ...]) -> tuple[Value, ...] | None:
        """Return the value by which alone the program for gradients depends on states and inputs, see `simplify.bottleneck`."""
        if wanted not in self._bottlenecks:
            program, given = self.backward_program(wanted), self.states + self.rows
            self._bottlenecks[wanted] = bottleneck(program, range(self.states + self.inputs), range(given, program.inputs))
        return self._bottlenecks[wanted]

    def places(self, wanted: tuple[int, ...]) -> set[int]:
        """Return the inputs that the bottleneck depends on."""
        if wanted not in self._places:
            made = pruned(replace(self.backward_program(wanted), outputs=self.bottleneck(wanted) or ()))
            self._places[wanted] = {i - self.states for i in used(made)} & set(range(self.inputs))
        return self._places[wanted]

    def replaces(self, wanted: tuple[int, ...], place: int) -> bool:
        """Whether the gradient of this input is made of the bottleneck: it may then be written where that is read."""
        known = Value(self.states + place)
        if place < 0 or known not in wanted:
            return False
        program = knowing(self.backward_program(wanted), dict.fromkeys(self.bottleneck(wanted) or (), known))
        return known in used(only(program, [wanted.index(known)]))

    def keeping(self, wanted: tuple[int, ...]) -> int:
        """Address of the forward kernel that has the bottleneck as one more output, the last one."""
        if ("keeping", wanted) not in self._addresses:
            (value,), back, y, s = self.bottleneck(wanted) or (), self.backward_program(wanted), self.outputs, self.states
            shift = len(self.program.kinds) - back.inputs

            def moved(ref: Ref) -> Ref:
                return Value(ref + shift) if isinstance(ref, Value) and ref >= back.inputs else ref

            ops = [Op(op.name, tuple(moved(a) for a in op.args), Value(op.out + shift)) for op in back.ops]
            outputs = (*self.program.outputs[:y], moved(value), *self.program.outputs[y:])
            kinds = (*self.program.kinds, *back.kinds[back.inputs :])
            program = pruned(Program(self.program.inputs, (*self.program.ops, *ops), outputs, kinds))
            stores = [*(Place(self.rows + i) for i in range(y + 1)), *(Place(-1, i) for i in range(s))]
            text = print_rows(program, self._loads, stores, self.dtype, fixed=self._fixed)
            self._addresses["keeping", wanted] = self._compiled(text)
        return self._addresses["keeping", wanted]

    def backward_text(self, wanted: tuple[int, ...], place: int | None = None) -> str:
        """The backward kernel as text. Rows: inputs, constants, states, gradients of outputs, of inputs. ``place``: the input
        whose row has the bottleneck; -1 where there is none; with None states and inputs are read.
        """
        s, x, y, first = self.states, self.inputs, self.outputs, self.rows
        program = self.backward_program(wanted)
        if place is not None:
            program = knowing(program, {value: Value(s + place) for value in self.bottleneck(wanted) or ()})
        numbers = [i for i, flag in enumerate(self.flags) if not flag]
        loads = [Place(first, i) for i in range(s)] + self._loads[s:]
        loads += [*(Place(first + 1 + i) for i in range(y)), *(Place(-1, s + i) for i in numbers)]
        stores = []
        for i in wanted:
            if i < s:
                stores.append(Place(-1, s + i))
            elif i < s + x:
                stores.append(Place(first + 1 + y + i - s))
            else:
                stores.append(Place(-1, 2 * s + i - s - x, add=True))
        return print_rows(program, loads, stores, self.dtype, fixed=self._fixed, back=True)

    def backward(self, wanted: tuple[int, ...], place: int | None = None) -> int:
        """Address of the compiled backward kernel for these gradients."""
        if (place, wanted) not in self._addresses:
            self._addresses[place, wanted] = self._compiled(self.backward_text(wanted, place))
        return self._addresses[place, wanted]

    def _compiled(self, text: str) -> int:
        self._keep.append(compiled(text))
        return int(self._keep[-1].address)


def lean(
    function: Flat, flags: tuple[bool, ...], inputs: int, constants: int, dtype: torch.dtype
) -> tuple[Kernel, tuple[int, ...]]:
    """The kernel of a function with those of its constants that it reads, and their numbers.

    Raises:
        Untraceable: it is no pointwise program.
    """
    whole = Kernel(function, flags, inputs, constants, dtype)
    kept = tuple(sorted(whole.used_constants))
    if len(kept) == constants:
        return whole, kept
    return Kernel(reading(function, kept, constants), flags, inputs, len(kept), dtype, checked=False), kept


def reading(function: Flat, kept: Sequence[int], constants: int) -> Flat:
    """Return the same function, which is given some of its constants."""

    def fewer(state: Sequence[Tensor], x: Sequence[Tensor], given: Sequence[Tensor]) -> Any:
        full = [torch.zeros_like([*given, *x, *state][0])] * constants
        for i, value in zip(kept, given, strict=True):
            full[i] = value
        return function(state, x, full)

    return fewer


def compiled(text: str) -> Any:
    """The C function ``kernel`` of a printed text; its ``address`` is good as long as it is kept.

    Raises:
        Untraceable: it does not compile.
    """
    try:
        return texts.load("kernel", texts.helpers() + "\n\n" + text)["kernel"]
    except Exception as error:
        raise Untraceable(f"no compiled kernel: {type(error).__name__}: {str(error).splitlines()[0]}") from error
