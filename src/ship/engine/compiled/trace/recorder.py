"""A model's functions as a program, traced from plain PyTorch.

The functions run once on vectors of `WIDTH` elements, under a `Recorder` of what they call. Every operation must be pointwise;
`lowering` makes primitives of it. Anything else is `Untraceable`, with the reason, and stays with the reference engine.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .lowering import Lowering, Operation
from .program import Program, Untraceable

WIDTH = 3  # elements of the vectors that are traced


def trace(function: Callable[..., Sequence[Tensor]], inputs: int, dtype: torch.dtype, *, twice: bool = True) -> Program:
    """The program of a function of ``inputs`` float vectors that returns a sequence of vectors. Traced ``twice``, so that what
    depends on the number of units, or differs from call to call, is found.

    Raises:
        Untraceable: it does something that is not pointwise, or not in the table.
    """
    return _traced(function, inputs, dtype, twice=twice)


def trace_gradient(
    function: Callable[..., Sequence[Tensor]], inputs: int, wanted: Sequence[int], outputs: Sequence[int], dtype: torch.dtype
) -> Program:
    """Trace the gradient of a function as a program.

    Raises:
        Untraceable: as `trace`.
    """
    return _traced(gradient(function, wanted, outputs), inputs + len(outputs), dtype, in_place=True)


def gradient(function: Callable[..., Sequence[Tensor]], wanted: Sequence[int], outputs: Sequence[int]) -> Callable[..., Any]:
    """The vector-Jacobian product of ``function``: of its arguments followed by one cotangent for each of ``outputs``.

    It gives the gradients of the arguments ``wanted``, None for those that nothing depends on.
    """

    def backward(*given: Tensor) -> Sequence[Tensor | None]:
        primals, cotangents = list(given[: len(given) - len(outputs)]), given[len(given) - len(outputs) :]
        with torch.enable_grad():
            for i in wanted:
                primals[i] = primals[i].detach().requires_grad_()
            every = function(*primals)
            pairs = [(every[i], g) for i, g in zip(outputs, cotangents, strict=True) if every[i].requires_grad]
            if not pairs:
                return [None] * len(wanted)
            total = Weighted.apply(*(tensor for pair in pairs for tensor in pair))  # type: ignore[no-untyped-call]
            # With create_graph derivatives change less in place.
            return torch.autograd.grad(total, [primals[i] for i in wanted], create_graph=True, allow_unused=True)

    return backward


class Weighted(torch.autograd.Function):
    """A scalar for its gradients, which are the cotangents. `torch.autograd.grad` takes them, too, but then imports SymPy."""

    @staticmethod
    def forward(ctx: Any, *pairs: Tensor) -> Tensor:
        """``pairs``: outputs, each followed by its cotangent."""
        ctx.save_for_backward(*pairs[1::2])
        return pairs[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Any) -> tuple[Tensor | None, ...]:
        return tuple(grad for cotangent in ctx.saved_tensors for grad in (cotangent, None))


class Recorder(TorchDispatchMode):
    """Notes every call of ATen. It keeps all tensors that it sees, so that each is known by its identity."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Operation] = []
        self.known = {id(tensor) for tensor in inputs}  # inputs, and what was computed

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """PyTorch asks; after a yes it would import its compiler, which takes a second and 150 MB."""
        return False

    def __torch_dispatch__(self, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        call = Operation(op, args, kwargs or {}, op(*args, **(kwargs or {})))
        if torch.Tag.data_dependent_output in op.tags:
            if any(id(tensor) in self.known for tensor in call.tensors):
                raise Untraceable("its control flow depends on the values of tensors")
            return call.out
        self.calls.append(call)
        if op is not torch.ops.aten.lift_fresh.default:  # of a constant
            self.known.update(id(out) for out in tree_leaves(call.out))
        return call.out


def _traced(
    function: Callable[..., Sequence[Any]], inputs: int, dtype: torch.dtype, *, twice: bool = True, in_place: bool = False
) -> Program:
    program = _once(function, inputs, torch.linspace(0.25, 0.75, WIDTH, dtype=dtype), in_place)
    if twice and _once(function, inputs, torch.linspace(-0.75, 0.5, WIDTH + 2, dtype=dtype), in_place) != program:
        raise Untraceable("it depends on the number of units, or differs from call to call")
    return program


def _once(function: Callable[..., Sequence[Any]], inputs: int, example: Tensor, in_place: bool) -> Program:
    examples = [example + 0.01 * i for i in range(inputs)]
    recorder = Recorder(examples)
    try:
        with warnings.catch_warnings(), recorder:
            warnings.simplefilter("ignore")
            outputs = list(function(*examples))
    except Untraceable:
        raise
    except Exception as error:
        text = str(error).strip().splitlines()
        raise Untraceable(f"{type(error).__name__}: {text[0]}" if text else type(error).__name__) from error
    return Lowering(example.dtype, len(example), in_place).program(examples, recorder.calls, outputs)
