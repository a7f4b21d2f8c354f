"""Requirement sheets: how good devices, arrays and neurons must be for a network and its task, and where a device stands."""

from .axes import KINDS, Kind
from .findings import Axis, Close, Mark, Pair, Point, Remedy
from .imperfections import Imperfections, imperfect
from .require import require
from .sheet import Sheet

__all__ = ["KINDS", "Axis", "Close", "Imperfections", "Kind", "Mark", "Pair", "Point", "Remedy", "Sheet", "imperfect", "require"]
