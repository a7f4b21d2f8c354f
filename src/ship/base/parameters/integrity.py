"""Checks of a group's tensors, made once per run because kernels read them by address.

A user may have replaced tensors since `init`, so that their shapes and float types are checked, and at the start of a run also
their numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import ParameterError
from .declare import Parameter
from .resolve import check_limits


class Integrity:
    """Shapes and types of a group's tensors as of their last successful check, so that most checks are comparisons."""

    def __init__(self, module: nn.Module) -> None:
        own = module._parameters | module._buffers
        self.shapes = {name: t.shape for name, t in own.items() if t is not None}
        self.whole = {name: t.dtype for name, t in own.items() if t is not None and not t.is_floating_point()}

    def changed(self, module: nn.Module) -> list[tuple[str, Tensor | None]]:
        """Return the tensors whose shape or type changed; floats must have the type of the buffer ``zero``."""
        found: list[tuple[str, Tensor | None]] = []
        parameters, buffers = module._parameters, module._buffers
        dtype = module.get_buffer("zero").dtype
        for name, shape in self.shapes.items():
            tensor: Tensor | None = parameters.get(name)
            if tensor is None:
                tensor = buffers.get(name)
            if tensor is None or tensor.shape != shape or tensor.dtype is not (self.whole.get(name) or dtype):
                found.append((name, tensor))
        return found

    def check(
        self, where: str, name: str, value: Tensor | None, full: tuple[int, ...], chips: int, dtype: torch.dtype, exact: bool
    ) -> None:
        """Check a tensor that replaced another one, and remember its shape.

        It must have the float type of its group, and axes that fit ``[chip, batch, *full]``. With ``exact`` its trailing axes
        must be ``full``: one value does not stand for all.

        Raises:
            ParameterError: the tensor does not fit.
        """
        if value is None or value.dtype is not dtype:
            got = "none" if value is None else str(value.dtype)
            raise ParameterError(where, f"must be a tensor of {dtype}, as the network", got=got)
        shape = value.shape
        trailing = shape[max(len(shape) - len(full), 0) :]
        lead = shape[: len(shape) - len(trailing)]
        fits = not lead or (len(lead) == 2 and lead[0] in (1, chips) and lead[1] > 0)
        same = all(given in (1, own) for given, own in zip(reversed(trailing), reversed(full), strict=False))
        if not fits or not same or (exact and tuple(trailing) != full):
            rule = f"must fit the shape {list(full)}, with [chip, batch] in front at most"
            raise ParameterError(where, rule, got=f"shape {list(shape)}")
        self.shapes[name] = shape


def check_numbers(where: str, declaration: Parameter, value: Tensor) -> None:
    """Check that values are within their limits and not NaN.

    Raises:
        ParameterError: a value is not.
    """
    try:
        ends = torch.aminmax(value.detach()) if value.numel() > 1 else (value,) * value.numel()
        clear = all(declaration.clear(end.item()) for end in ends)
    except RuntimeError:  # under the transforms of `torch.func` numbers cannot be read
        return
    if not clear:
        check_limits(where, declaration, value)
