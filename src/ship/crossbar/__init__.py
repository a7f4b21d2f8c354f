"""Crossbars with resistive wires: effective matrices (exact and approximate), sneak paths, selectors, converters and power."""

from __future__ import annotations

from ..base.boundary import guard as _guard
from .adc import ADC, Converted, calibrated, convert
from .approximate import Approximation, approximate
from .exact import Nodes, currents, effective, nodes
from .power import Power, power
from .selector import Selector, conducting, selected
from .settings import Crossbar
from .tiles import Matrix, matrix, read

__all__ = [
    "ADC",
    "Approximation",
    "Converted",
    "Crossbar",
    "Matrix",
    "Nodes",
    "Power",
    "Selector",
    "approximate",
    "calibrated",
    "conducting",
    "convert",
    "currents",
    "effective",
    "matrix",
    "nodes",
    "power",
    "read",
    "selected",
]

_guard(__name__)
