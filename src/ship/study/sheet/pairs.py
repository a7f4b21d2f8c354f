"""The worst pair: two imperfections that together need the tightest values, in shares of what each may be alone.

All pairs are measured at one share of both requirements on a few chips; those that lose most are measured there on all chips, and
the worst one is followed along its diagonal, for the share at which the accuracy has fallen by the drop. The chips are those of
the axes. Errors that are independent and small add as squares: two of them then share as 0.71 and 0.71.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...base.errors import ShipError
from ..requirement import Search
from .axes import KINDS
from .findings import Axis, Close, Pair
from .imperfections import Imperfections
from .search import Truth, locate

AT = 0.7  # of both requirements, where pairs are compared
KEPT = 5  # pairs that are measured on all chips
SEEK = Search(0.05, 1.5, name="share of both requirements")
See = Callable[[Imperfections, int], Tensor]  # (imperfections, chips) -> hits


def worst_pair(axes: Sequence[Axis], see: See, truth: Truth) -> tuple[Pair | None, list[str]]:
    """Find the worst pair of the axes with a requirement, and what a reader should know; None: there are not two of them.

    Args:
        axes: the axes, measured one at a time.
        see: what tells the hits of chips with imperfections.
        truth: what is compared with.
    """
    usable = [axis for axis in axes if axis.bracketed]
    left = [axis.title for axis in axes if not axis.bracketed]
    notes = [f"Pairs are of the axes with a requirement in their range, without {', '.join(left)}."] if left else []
    if len(usable) < 2:
        return None, notes

    def together(a: Axis, b: Axis, share: float) -> Imperfections:
        return Imperfections().with_(**{axis.name: _at(axis, share) for axis in (a, b)})

    few: list[tuple[float, Axis, Axis]] = []
    for a, b in itertools.combinations(usable, 2):
        try:
            few.append((_drop(see(together(a, b, AT), truth.few), truth), a, b))
        except ShipError as error:
            notes.append(f"{a.title} with {b.title}: refused: {error}")
    few.sort(key=lambda each: -each[0])
    all_chips = [(_drop(see(together(a, b, AT), truth.chips), truth), a, b) for _, a, b in few[:KEPT]]
    all_chips.sort(key=lambda each: -each[0])
    _, a, b = all_chips[0]
    found = locate(lambda share, chips: see(together(a, b, share), chips), SEEK, truth, less=True)
    share = found.required
    values = tuple(_at(axis, share.value) for axis in (a, b)) if found.found == "bracketed" else ()
    close = tuple(Close(x.name, y.name, drop) for drop, x, y in all_chips)
    return Pair(a.name, b.name, share, found.found, values, found.curve, AT, close), notes


def _at(axis: Axis, share: float) -> float:
    """Return a share of a requirement; of whole numbers the next better one."""
    kind = KINDS[axis.name]
    value = kind.scaled(axis.required.value, share)
    return float(max(2, -int(-value // 1))) if kind.whole else value


def _drop(hits: Tensor, truth: Truth) -> float:
    return float(truth.hits.double().mean() - hits.to(torch.float64).mean())
