"""Studies over virtual chips: accuracy of each die, yield, curves against a device property, and how good a device must be."""

from ..base.boundary import guard as _guard
from .chips import Spread, virtual_chips
from .curves import Curve, drift_curve, level_curve, spread_curve, sweep
from .measure import Summary, accuracy, summary, yield_at
from .requirement import Requirement, requirement

__all__ = [
    "Curve",
    "Requirement",
    "Spread",
    "Summary",
    "accuracy",
    "drift_curve",
    "level_curve",
    "requirement",
    "spread_curve",
    "summary",
    "sweep",
    "virtual_chips",
    "yield_at",
]

_guard(__name__)
