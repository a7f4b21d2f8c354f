"""Which units are meant: whole numbers from 0 on, or a truth value for each unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .checks import is_whole
from .errors import RunError, ShipError

Units = Sequence[int] | Sequence[bool] | Tensor | np.ndarray  # what a user may give: numbers, or a mask


class Chosen(NamedTuple):
    """Units by their numbers, ``[index]`` in int64, and the length of the mask that said so, where one did."""

    numbers: Tensor
    mask: int | None = None

    def check(self, where: str, n: int | None, error: type[ShipError] = RunError) -> None:
        """Every unit must be one of ``n`` (None: not known yet), and a mask as long.

        Raises:
            ShipError: of the kind asked for.
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
    """Read a list of units.

    Args:
        where: the name for errors.
        given: whole numbers, or a mask ``[unit]`` of truth values.
        n: how many units there are; None where that is not known yet.
        masks: whether a mask is legal.
        error: what to raise.

    Raises:
        ShipError: of the kind asked for: anything else than such a list, or units that do not exist.
    """
    rule = "must be a list of unit numbers, from 0 on" + (", or a truth value for each unit" if masks else "")
    index = _tensor(given)
    if index is None or index.ndim != 1 or (index.dtype == torch.bool and not masks):
        raise error(where, rule, got=" ".join(repr(given).split())[:80])
    made = Chosen(index) if index.dtype != torch.bool else Chosen(index.nonzero().flatten(), len(index))
    made.check(where, n, error)
    return made


def _tensor(given: Any) -> Tensor | None:
    """Whole numbers in int64, or truth values; None where they are neither, or both."""
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
