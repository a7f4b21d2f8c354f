"""The methods of `Network` that audit it: whether its time step is fine enough, and whether its groups do their part."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .audited import Audited

if TYPE_CHECKING:
    from .activity import ActivityAudit
    from .time_step import DtAudit


class AuditVerbs(Audited):
    """The part of `Network` that audits it, as an abstract base class."""

    def audit_dt(
        self,
        x: Any = None,
        *,
        metric: Callable[[Any], Any] | None = None,
        halvings: int = 2,
        tolerance: float = 0.01,
        duration: float | None = None,
        steps: int | None = None,
        batch: int | None = None,
        units: int = 50,
        isolate: bool = True,
    ) -> DtAudit:
        """Find out what the time step does to the results: run at dt, dt / 2, dt / 4 and compare, group by group.

        All runs have the same parameters and the same events at the same times, those of sources that draw them too. The network
        itself stays as it is. The order is estimated from how the differences shrink, and the error at dt from it (Richardson).

        Args:
            x: the input, as `run` takes it at the dt of `init`; a typical batch.
            metric: a number of the task, as a function of what `run` returns. It is given outputs on the slots of dt, whatever dt
                they were made with: events are counted, levels are taken at the same times.
            halvings: how often dt is halved, at least 2.
            tolerance: the relative error that is allowed, of the mean absolute difference of a state to its standard deviation.
            duration, steps, batch: as in `run`.
            units: the number of units of each group whose states are compared.
            isolate: whether to run each group alone as well, on the spikes that it got at dt, to tell its own error from that of
                its inputs.

        Returns:
            The audit, which ``print`` shows: for each group spikes, how far they move, differences of a state, order and error;
            the group that limits dt; the dt, or the programme of dt, that is proposed; and what is rounded to whole slots.

        Raises:
            RunError: as `run`; fewer than two halvings; a tolerance that is not above 0.
        """
        from .time_step import audit_dt

        self._ready("Network.audit_dt")
        return audit_dt(
            self,
            x,
            metric=metric,
            halvings=halvings,
            tolerance=tolerance,
            extent={"duration": duration, "steps": steps, "batch": batch},
            units=units,
            isolate=isolate,
        )

    def audit_activity(
        self, x: Any = None, *, duration: float | None = None, steps: int | None = None, batch: int | None = None
    ) -> ActivityAudit:
        """Find out whether the groups do their part: rates, silent and saturated units, balance of excitation and inhibition.

        The network itself stays as it is.

        Args:
            x: the input, as `run` takes it; a typical batch.
            duration, steps, batch: as in `run`.

        Returns:
            The audit, which ``print`` shows, with hints that name a parameter and a direction.

        Raises:
            RunError: as `run`.
        """
        from .activity import audit_activity

        self._ready("Network.audit_activity")
        return audit_activity(self, x, {"duration": duration, "steps": steps, "batch": batch})
