"""One-to-one link: unit j of the source acts on unit j of the target, scaled by ``gain``. Keeps the kind of its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...base.parameters import Kind, Value, param
from ...base.parameters.bag import Bag
from ..contract import Connection, Units


@dataclass(frozen=True)
class Link(Connection):
    """A link from each unit to the unit of the same number. In: any kind.

    The source has as many units as the target. Out: the same kind, times ``gain``.
    """

    gain: Value = param(1.0, role="weight")

    accepts: ClassVar[tuple[Kind, ...]] = ("events", "charge", "values")
    one_to_one: ClassVar[bool] = True

    def emits_for(self, kind: Kind) -> Kind:
        return kind

    def step(self, state: Any, x: Bag, p: Bag, c: Any) -> tuple[Units, Any]:
        return x.value * p.gain, state
