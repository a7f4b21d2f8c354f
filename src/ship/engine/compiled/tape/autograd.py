"""A run with its gradient, for automatic differentiation: of a tape, or of a group connection by connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class Differentiable(Protocol):
    """One run that can be differentiated."""

    spent: bool  # whether there was a backward pass before, which may have used up what was kept

    @property
    def holds(self) -> Sequence[str]:
        """The attributes that are tensors, or lists of tensors and None, and are needed for the gradient."""

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        """Run; return the results that are read again for the gradient, and the others."""

    def backward(self, grads: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradient of each tensor that was given, from those of the results."""


def recorded_run(
    make: Callable[[], Differentiable], given: Sequence[Tensor], needs: Sequence[bool], guarded: Sequence[Tensor]
) -> list[Tensor]:
    """Run; return all results, which know their gradient.

    Args:
        make: makes the run.
        given: the tensors that it is given.
        needs: for each of them whether it gets a gradient.
        guarded: those of them that must not change until the backward pass.
    """
    smooth = [t for t, need in zip(given, needs, strict=True) if need]  # PyTorch looks at each tensor that it is given
    return list(_Run.apply(make, needs, guarded, *smooth))  # type: ignore[no-untyped-call]


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, make: Callable[[], Differentiable], needs: Sequence[bool], guarded: Sequence[Tensor], *smooth: Tensor
    ) -> tuple[Tensor, ...]:
        run = make()
        again, others = run.forward()
        ctx.run, ctx.needs = run, needs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*guarded, *again, *park(run))
        return (*again, *others)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        run = unpark(ctx.run, ctx.saved_tensors)  # raises where one was changed since
        ctx.run.spent = True
        wanted = iter(ctx.needs_input_grad[3:])
        found = run.backward(grads, [need and next(wanted) for need in ctx.needs])
        return (None, None, None, *(g for g, need in zip(found, ctx.needs, strict=True) if need))


class Parked(NamedTuple):
    """The place of a tensor among those that autograd keeps, counted from the end."""

    place: int


def park(holder: Any) -> list[Tensor]:
    """Take the tensors out of what an object ``holds``, for autograd to keep, and to free after the backward pass."""
    tensors: list[Tensor] = []

    def put(value: Any) -> Any:
        if value is None:
            return None
        tensors.append(value)
        return Parked(len(tensors))

    _change(holder, put)
    return tensors[::-1]


def unpark(holder: Any, kept: Sequence[Tensor]) -> Any:
    """Return a copy of the object with its tensors, the last ones of those that autograd kept."""
    full = object.__new__(type(holder))
    vars(full).update(vars(holder))
    _change(full, lambda value: None if value is None else kept[-value.place])
    return full


def _change(holder: Any, change: Callable[[Any], Any]) -> None:
    for name in holder.holds:
        value = getattr(holder, name)
        setattr(holder, name, [change(v) for v in value] if isinstance(value, list) else change(value))
