"""The space in which a search looks for the best parameters, and what it finds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...base.checks import check_real
from ...base.errors import ParameterError


@dataclass(frozen=True)
class Between:
    """A range of numbers for one parameter of a search; whole numbers where both ends are whole.

    Args:
        low, high: the ends, both included.
        log: whether the search looks evenly at the logarithm, as for rates and time constants.
        step: the distance of allowed values, from ``low`` on; None for any value, or 1 for whole numbers.

    Raises:
        ParameterError: ends in the wrong order, a logarithm of what is not above 0, or a step beside ``log``.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high)):
            if not math.isfinite(value):
                raise ParameterError(f"Between.{name}", "must be a finite number", got=str(value))
        if not self.low < self.high:
            raise ParameterError("Between", "needs low below high", got=f"{self.low} and {self.high}")
        if self.log and not self.low > 0:
            raise ParameterError("Between.low", "must be above 0 where log=True", got=str(self.low))
        if self.step is not None:
            check_real("Between.step", self.step, "must be above 0", above=0.0)
            if self.log:
                raise ParameterError("Between.step", "cannot stand beside log=True", got=str(self.step))
        if self.whole and self.step is not None and not isinstance(self.step, int):
            raise ParameterError("Between.step", "must be whole where low and high are", got=str(self.step))

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are looked at."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Space = Mapping[str, Between | Sequence[Any]]


@dataclass(frozen=True, repr=False)
class Best:
    """What a search has found.

    Args:
        best: the best parameters by name; those of several seeds have one value each.
        value: the value of the function there: the mean over seeds.
        trials: a row for each trial: its number, its parameters, its ``value`` (None where it failed), and its ``error``.
        maximise: whether the best is the largest value.
    """

    best: dict[str, Any]
    value: float
    trials: list[dict[str, Any]] = field(default_factory=list)
    maximise: bool = True

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.best.items())
        failed = sum(bool(row["error"]) for row in self.trials)
        return f"Best({said}: {self.value:g}; {len(self.trials)} trials" + (f", {failed} failed)" if failed else ")")

    def table(self, most: int = 10) -> Any:
        """Return the best trials as a `rich` table, which prints as text.

        Args:
            most: how many.
        """
        from ...base.display.tables import PrintedTable

        table = PrintedTable(title=f"The best of {len(self.trials)} trials")
        for name in ("trial", *self.best, "value"):
            table.add_column(name, justify="right")
        good = [row for row in self.trials if not row["error"]]
        for row in sorted(good, key=lambda row: row["value"], reverse=self.maximise)[:most]:
            shown = (row[name] for name in ("trial", *self.best, "value"))
            table.add_row(*(f"{v:.6g}" if isinstance(v, float) else str(v) for v in shown))
        return table


def check_space(where: str, space: Space) -> None:
    """Refuse a space without parameters, and a list of choices that is none.

    Raises:
        ParameterError: the error names the parameter.
    """
    if not isinstance(space, Mapping) or not space:
        raise ParameterError(f"{where}: space", "must be a table with at least one parameter", got=repr(space)[:80])
    for name, what in space.items():
        if name in ("seed", "trial", "value", "error") or not name.isidentifier():
            raise ParameterError(f"{where}: space", "must be named as an argument of the function, not 'seed'", got=repr(name))
        if isinstance(what, Between):
            continue
        if isinstance(what, str | bytes) or not isinstance(what, Sequence) or not len(what):
            rule = "must be Between(low, high) or a list of choices"
            raise ParameterError(f"{where}: space[{name!r}]", rule, got=repr(what)[:80])
        if not all(isinstance(each, bool | int | float | str) for each in what) or len(set(map(repr, what))) < len(what):
            rule = "must be choices that are numbers, text or truth values, each once"
            raise ParameterError(f"{where}: space[{name!r}]", rule, got=repr(what)[:80])
