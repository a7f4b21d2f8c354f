"""Studies over virtual chips: accuracy of each die, yield, curves against a device property, how good a device must be, and what
limits one.
"""

from ..base.boundary import guard as _guard
from .behaviour import Behaviour, behaviour
from .chips import Spread, virtual_chips
from .comparison import Comparison, compare
from .conditions import Conditions, Limit, Row, conditions
from .curves import Curve, drift_curve, level_curve, spread_curve, sweep
from .frozen import Cut, cut
from .linear_start import linear_start
from .measure import Summary, accuracy, summary, weight_error, yield_at
from .record.conduct import conduct
from .record.files import read_run
from .record.replay import Replay, compare_runs
from .record.run import Run
from .requirement import Requirement, requirement
from .sheet import Imperfections, Sheet, imperfect, require
from .siegert import siegert
from .sweeps.grid import grid
from .sweeps.search import search
from .sweeps.space import Best, Between
from .tasks import Recipe, Short, Task, task, tasks
from .ways import closed_loop

__all__ = [
    "Behaviour",
    "Best",
    "Between",
    "Comparison",
    "Conditions",
    "Curve",
    "Cut",
    "Imperfections",
    "Limit",
    "Recipe",
    "Replay",
    "Requirement",
    "Row",
    "Run",
    "Sheet",
    "Short",
    "Spread",
    "Summary",
    "Task",
    "accuracy",
    "behaviour",
    "closed_loop",
    "compare",
    "compare_runs",
    "conditions",
    "conduct",
    "cut",
    "drift_curve",
    "grid",
    "imperfect",
    "level_curve",
    "linear_start",
    "read_run",
    "require",
    "requirement",
    "search",
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

_guard(__name__, leave=("Behaviour", "Best", "Replay"))
