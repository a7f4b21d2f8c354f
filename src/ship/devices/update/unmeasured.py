"""No law of pulses: the update of a device of which it was not measured how pulses move it."""

from __future__ import annotations

from dataclasses import dataclass

from ...base.errors import ParameterError
from ...base.parameters.bag import Bag
from ..contract import Pulse, StateTuple, Update, Xi
from ..reading.spelling import assumption


@dataclass(frozen=True)
class Unmeasured(Update):
    """How pulses move the device is not known: it can be written to a target and read, and refuses pulses."""

    def pulse(self, x: StateTuple, pulse: Pulse, p: Bag, xi: Xi) -> StateTuple:
        if not bool((pulse.n > 0).any()):
            return x
        raise ParameterError("device: update", "how pulses move this device was not measured", fix=unmeasured_fix())


def unmeasured_fix() -> str:
    """Say what to do where a device has no law of pulses, in the spelling of the caller."""
    return f"Measure pulses up and down, or assume a law by name: {assumption('update', 'gong_2018')}."
