"""The signals that a tape is given from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ..nodes.cell import Sum


class Given(NamedTuple):
    """The external signals, the weights that they go through first, and for each signal which, or -1."""

    signals: list[Tensor]
    weights: list[Tensor]
    through: list[int]


def given_signals(external: Sequence[Tensor | Sum], *, alone: bool) -> Given:
    """Return what a tape is given; sums through weights are left to the executor of a step that runs ``alone``, or made here."""
    made = Given([], [], [])
    for x in external:
        if isinstance(x, Sum) and alone:
            made.through.append(len(made.weights))
            made.weights.append(x.weight)
            made.signals.append(x.arrivals)
        else:
            made.through.append(-1)
            made.signals.append(x.done() if isinstance(x, Sum) else x)
    return made if made.weights else made._replace(through=[])


def wide(window: Tensor, n: int) -> Tensor:
    """Return a signal as ``[slot, chip, batch, n]``."""
    while window.ndim < 4:
        window = window.unsqueeze(0)
    return window if window.shape[-1] == n else window.expand(*window.shape[:-1], n)


def learned(take: Any) -> bool:
    """Whether a monitor wants what a rule changes."""
    name = getattr(take, "name", "weight")
    return name == "weight" or name.startswith("rule.")
