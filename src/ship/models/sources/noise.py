"""What noise sources share: they emit levels, and each chip has its own noise, because it comes from its circuits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...base.parameters import Kind, option
from ..contract import Source


@dataclass(frozen=True)
class NoiseSource(Source):
    """The base class of noise sources. Out: levels, in V/s into a membrane and in A into a port for currents.

    ``per_chip=False`` gives all chips the same noise, as an input that reaches all of them; ``shared=True`` gives all samples of
    a batch the same.
    """

    per_chip: bool = option(True, choices=(True, False))
    shared: bool = option(False, choices=(True, False))

    emits: ClassVar[Kind] = "values"

    @property
    def same_for_all(self) -> bool:
        return self.shared

    @property
    def same_for_chips(self) -> bool:
        return not self.per_chip
