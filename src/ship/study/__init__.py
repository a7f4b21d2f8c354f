"""Studies over virtual chips: accuracy of each die, yield, curves against a device property, how good a device must be, and what
limits one.
"""

from ..base.boundary import guard as _guard
from .chips import Spread, virtual_chips
from .comparison import Comparison, compare
from .conditions import Conditions, Limit, Row, conditions
from .curves import Curve, drift_curve, level_curve, spread_curve, sweep
from .measure import Summary, accuracy, summary, weight_error, yield_at
from .requirement import Requirement, requirement
from .siegert import siegert
from .tasks import Recipe, Task, task, tasks
from .ways import closed_loop

__all__ = [
    "Comparison",
    "Conditions",
    "Curve",
    "Limit",
    "Recipe",
    "Requirement",
    "Row",
    "Spread",
    "Summary",
    "Task",
    "accuracy",
    "closed_loop",
    "compare",
    "conditions",
    "drift_curve",
    "level_curve",
    "requirement",
    "siegert",
    "spread_curve",
    "summary",
    "sweep",
    "task",
    "tasks",
    "virtual_chips",
    "weight_error",
    "yield_at",
]

_guard(__name__)
