"""Selections of units: unit numbers from 0 on, or a mask with one truth value for each unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .errors import RunError, ShipError, is_whole

Units = Sequence[int] | Sequence[bool] | Tensor | np.ndarray  # unit numbers, or a mask, from a user


class Chosen(NamedTuple):
    """The numbers of the chosen units, ``[index]`` in int64, and the length of the mask if they came from one."""

    numbers: Tensor
    mask: int | None = None

    def check(self, where: str, n: int | None, error: type[ShipError] = RunError) -> None:
        """Check that every unit is one of ``n`` (None: not known yet), and that a mask has ``n`` values.

        Raises:
            ShipError: a unit does not exist, or the mask has another length; the class is ``error``.
        """
        if self.mask is not None and n is not None and self.mask != n:
            raise error(where, f"a mask must have a truth value for each of {n} units", got=f"{self.mask} values")
        bad = (self.numbers < 0) | (self.numbers >= (2**63 - 1 if n is None else n))
        if bool(bad.any()):
            wrong = self.numbers[bad].tolist()
            raise error(
                where,
                "must be at least 0" if n is None else f"must be from 0 to {n - 1}",
                got=str(wrong) if len(wrong) <= 5 else f"{str(wrong[:5])[:-1]}, ...]",
            )


def chosen(where: str, given: Any, n: int | None, *, masks: bool = True, error: type[ShipError] = RunError) -> Chosen:
    """Read a list of units or a mask from a user.

    Args:
        where: the name that errors begin with.
        given: whole numbers, or a mask ``[unit]`` of truth values.
        n: the number of units; None where it is not known yet.
        masks: whether a mask is allowed.
        error: the class of the error to raise.

    Raises:
        ShipError: the value is not such a list, or names units that do not exist; the class is ``error``.
    """
    rule = "must be a list of unit numbers, from 0 on" + (", or a truth value for each unit" if masks else "")
    index = _tensor(given)
    if index is None or index.ndim != 1 or (index.dtype == torch.bool and not masks):
        raise error(where, rule, got=" ".join(repr(given).split())[:80])
    made = Chosen(index) if index.dtype != torch.bool else Chosen(index.nonzero().flatten(), len(index))
    made.check(where, n, error)
    return made


def _tensor(given: Any) -> Tensor | None:
    """Return whole numbers as int64, or truth values as bool; None if the values are neither, or a mixture."""
    if isinstance(given, np.ndarray):
        given = torch.from_numpy(np.ascontiguousarray(given)) if given.dtype.kind in "biu" and given.ndim else None
    if isinstance(given, Tensor):
        whole = not (given.is_floating_point() or given.is_complex()) and given.layout == torch.strided
        return (given if given.dtype == torch.bool else given.to("cpu", torch.int64)).cpu() if whole else None
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        return None
    if given and all(isinstance(value, bool | np.bool_) for value in given):
        return torch.tensor([bool(value) for value in given])
    if not all(is_whole(value, -(2**63)) and int(value) < 2**63 for value in given):
        return None
    return torch.tensor([int(value) for value in given], dtype=torch.int64)
