"""What is ideal about devices although nobody said so: a write that leaves no error."""

from __future__ import annotations

from ..device import Device
from ..provenance import GIVEN
from ..reading.spelling import assumption
from ..update.unmeasured import Unmeasured


def written_exactly(device: Device) -> str:
    """Say that one-shot writes of a device are exact for want of a law, and what to do; empty: they are not, or that was said.

    A device made by hand that has no part at all is meant to be ideal. One that has origins says what is missing; who replaces or
    assumes its law of writing by none has said so.
    """
    parts = {name for name in device.parts if name not in ("", "update")}
    origin = device.origin_of("programming")
    unsaid = device.programming is None and (origin.status == "missing" or origin == GIVEN)
    if not unsaid or not (parts or device.update is not Device.update):
        return ""
    fix = "give it programming=, or write it by pulses, net.program(verify=ship.WriteVerify(by='train'))"
    if isinstance(device.update, Unmeasured):
        fix = f"nor has it a law of pulses; assume one of them, e.g. {assumption('update', 'gong_2018')}"
    return f"was written exactly, for {device.name!r} has no law of writing: {fix}"
