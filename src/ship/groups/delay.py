"""The delay of a connection as a tensor: one number, one per source unit, or one per connection."""

from __future__ import annotations

from torch import Tensor

from ..base import random
from ..base.errors import ParameterError
from ..base.parameters import Distribution, Parameter, PerChip, PerSample, Varied, numbers
from ..base.parameters.resolve import resolve
from .connectivity import EdgeList
from .spec import Spec

LONGEST = 1e9  # s: some 30 years


def delay_tensor(spec: Spec, n_pre: int, n_post: int, seed: int, edges: EdgeList | None = None) -> Tensor:
    """Return the declared delay in seconds, float64.

    Its shape is ``[]``, ``[pre, 1]`` (per source unit), ``[1, post]`` or ``[pre, post]``; with edges ``[]`` or ``[edge]``.

    Raises:
        ParameterError: negative, NaN, above `LONGEST`, or of a wrong shape.
    """
    where = f"{spec.where}.delay"
    value, declaration = spec.delay, Parameter(0.0, "s", least=0.0, most=LONGEST)
    if isinstance(value, Tensor) and value.requires_grad:
        raise ParameterError(
            where, "has no gradient: a delay acts through whole slots", fix="Give it as a plain number or tensor."
        )
    if isinstance(value, Varied | PerSample | PerChip):
        raise ParameterError(
            where,
            "is the same for all chips and samples",
            got=type(value).__name__,
            fix="Give a number, a tensor or a distribution.",
        )
    if not callable(value) and not isinstance(value, Distribution):
        value = numbers(where, value)
        if value.ndim == 1 and len(value) == n_pre:
            value = value[:, None]  # a vector counts per source unit
        elif value.numel() == 1:
            value = value.reshape(())
    shape = (n_pre, n_post)
    if edges is not None:
        shape = (len(edges.pre),)  # type: ignore[assignment]
        if isinstance(value, Tensor) and value.ndim == 2:
            value = value.expand(n_pre, n_post)[edges.pre, edges.post]
    made = resolve(where, declaration, value, shape, random.key(seed, spec.tag, "delay"), [0], False).nominal.double()
    if made.ndim == 1 and edges is None:
        raise ParameterError(
            where,
            f"a vector must have one delay for each of {n_pre} source units (one of weights counts per target unit)",
            got=f"{len(made)}",
            fix="Per target: shape [1, post].",
        )
    return made.flatten()[0] if made.ndim and made.numel() and bool((made == made.flatten()[0]).all()) else made
