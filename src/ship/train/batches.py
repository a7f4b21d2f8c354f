"""Helpers of loops over batches: whether batches can be repeated, their epoch, and their number of slots."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ..base.errors import RunError
from ..network.inputs import Events


def check_again(where: str, batches: Any) -> None:
    """Refuse batches that one pass uses up.

    Raises:
        RunError: the batches are a generator or another iterator.
    """
    if hasattr(batches, "__next__"):
        raise RunError(
            where,
            "must be batches that can be gone through again and again",
            got=type(batches).__name__,
            fix="Give a list, ship.data.Batches or a DataLoader.",
        )


def parts_of(where: str, batch: Any) -> tuple[Any, Any, Any]:
    """Return input, labels and lengths of a batch; lengths are None where it has none.

    Raises:
        RunError: it is neither ``(x, labels)`` nor ``(x, labels, lengths)``.
    """
    if not isinstance(batch, list | tuple) or len(batch) not in (2, 3):
        raise RunError(where, "batches must be (x, labels) or (x, labels, lengths)", got=type(batch).__name__)
    return batch[0], batch[1], batch[2] if len(batch) == 3 else None


def set_epoch(batches: Any, epoch: int) -> None:
    """Tell batches, or the data set or sampler of a DataLoader, which epoch it is."""
    if hasattr(batches, "set_epoch"):
        batches.set_epoch(epoch)
    for part in ("dataset", "sampler", "batch_sampler"):
        if getattr(batches, part, None) is not None:
            set_epoch(getattr(batches, part), epoch)


def steps_of(x: Any) -> int | None:
    """Return the number of slots of an input; None where it has none."""
    if isinstance(x, dict):
        return next((steps_of(v) for v in x.values()), None)
    if isinstance(x, Tensor | np.ndarray):
        return int(x.shape[-2]) if x.ndim > 1 else None
    if isinstance(x, list | tuple) and x and not isinstance(x, Events):
        return max(len(s) for s in x)
    return None
