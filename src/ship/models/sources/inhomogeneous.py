"""Inhomogeneous Poisson source: a rate that changes with time, ``rate * profile(t)``.

In each slot the number of events is a Poisson number whose mean is ``rate`` times the integral of the profile over the slot,
which is exact for tables (see `profile`). So counts in any interval, at any dt and across a change of it, have the mean and the
variance ``rate * integral of profile``. With a profile of 1 the trains are those of a `PoissonSource` of the same tag and seed.

Source: Daley & Vere-Jones, *An Introduction to the Theory of Point Processes* I (2003).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor

from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ...base.random.poisson import poisson
from ..contract import Units
from .profile import Table, function_mean, table, table_integral
from .trains import SpikeTrains

CONSTANT = ((0.0, 1.0),)
WHERE = "InhomogeneousPoisson.profile"


@dataclass(frozen=True)
class InhomogeneousPoisson(SpikeTrains):
    """A source of Poisson spike trains with the rate ``rate * profile(t)``, t in s since the last reset. Out: events (counts).

    ``profile`` is a table ``[(seconds, value), ...]``, linear ``between="linear"`` its points or held from point to point
    (``"steps"``), with ``repeat=True`` over and over; or a function of a float64 tensor of times. A network with a function
    cannot be saved.
    """

    rate: Value = param(20.0, unit="Hz", least=0.0, role="rate", gradient=False)
    profile: Any = option(CONSTANT)
    between: str = option("linear", choices=("linear", "steps"))
    repeat: bool = option(False, choices=(True, False))

    timed: ClassVar[bool] = True
    noise = {"u": "uniform"}

    def check(self, where: str, p: Bag) -> None:
        if not self._function:
            table(f"{where}.profile", self.profile, self.between == "steps", self.repeat)

    @property
    def _function(self) -> Callable[[Tensor], Tensor] | None:
        return self.profile if callable(self.profile) and not isinstance(self.profile, Tensor) else None

    @cached_property
    def _table(self) -> Table:
        return table(WHERE, self.profile, self.between == "steps", self.repeat)

    def integral(self, start: Tensor, stop: Tensor) -> Tensor:
        """Return the integral of the profile (s) from ``start`` to ``stop`` (s since the last reset)."""
        if self._function is not None:
            return function_mean(WHERE, self._function, start, stop) * (stop - start)
        points = Table(*(part.to(start.device) for part in self._table))
        return table_integral(points, stop, self.repeat) - table_integral(points, start, self.repeat)

    def emit(self, state: Any, x: Bag, p: Bag, c: Any) -> tuple[Units, Any]:
        mean = p.rate.detach() * self.integral(x.start, x.stop)
        return poisson(x.u, mean.clamp(min=0.0)), state
