"""Writing by pulses without a look: as many as would take the nominal device from its reset state to the target, and no read.

All devices get the count of the nominal device, so what is left in a device is its own: the spread of its law and of its window,
the noise of each pulse, and the resolution, for counts are whole numbers. Each begins at the low end of its own window, where a
reset is taken to have left it; the pulses of the reset itself are not emulated, and its scatter is where it is known: a device
with a law that writes two states (`TwoStateProgramming`) begins where a write of the low one leaves it, within its window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ...base.checks import check_choice
from ...base.errors import ParameterError
from .. import device as physics
from ..contract import Pulse
from ..device import DeviceEvent, Trajectory
from ..parts.programming import TwoStateProgramming
from .trajectory import chosen_from
from .write_verify import Curves, WritableDevices, Written


@dataclass(frozen=True)
class OpenLoop:
    """Settings of writing by pulses that nobody checks: counts come from the nominal device, from the reset state up.

    Args:
        whole: True: counts are whole numbers. False: between two counts a device is where the line between them is; no instrument
            can do that, and the difference tells what the number of pulses costs.
        margin: how far below the top of the window the highest target is, as a fraction of the window, for a law that comes near
            its bound and never reaches it.
    """

    whole: bool = True
    margin: float = 0.01

    def __post_init__(self) -> None:
        check_choice("OpenLoop.whole", self.whole, (True, False))
        if not (isinstance(self.margin, int | float) and 0 <= self.margin < 1):
            raise ParameterError("OpenLoop.margin", "must be a fraction of the window, from 0 to below 1", got=self.margin)


class _Stored(WritableDevices, Protocol):
    def store(self, t: Trajectory) -> None: ...


def counted(array: _Stored, goal: Tensor, how: OpenLoop, chosen: Tensor | None) -> Written:
    """Write ``goal`` (S, ``[chip, 1, ...]``) by counts to the devices chosen, to all where None; return cost and result."""
    device, p, before, event = array.device, array.values, array.trajectory, array.next_event()
    bag, own = p.of("update"), p.of("")
    zero = torch.zeros_like(goal)
    start, top = (end + zero for end in physics.window(device, p, before))
    if isinstance(device.programming, TwoStateProgramming):
        xi = array.normals("programming", physics.draws(device, p.cycles, "programming"), event)
        left = physics.conductance(device, p, physics.written(device, p, before, start, xi, before.kept))
        start = torch.minimum(torch.maximum(left, start), top)
    reset = before._replace(x=device.update.place(start, before.x, bag), age=torch.zeros_like(before.age))
    low, high = (end.reshape(-1)[:1].to(goal) for end in physics.window(device, array.nominal))
    curves = Curves(device, array.nominal, goal)
    count = curves.from_bottom(torch.minimum(goal, high - how.margin * (high - low)))
    xi = array.normals("update", physics.draws(device, p.cycles, "update"), event)
    kept = array.normals("retention", physics.draws(device, p.cycles, "retention"), event)
    pulse = Pulse(own.v_set, own.t_write, count.round() if how.whole else count.floor())
    after = physics.pulsed(device, p, reset, pulse, xi, kept)
    if not how.whole:
        more = physics.pulsed(device, p, reset, pulse._replace(n=pulse.n + 1), xi, kept)
        ends = [device.update.conductance(t.x, bag) for t in (after, more)]
        between = ends[0] + (count - pulse.n) * (ends[1] - ends[0])
        after = more._replace(x=device.update.place(between, more.x, bag))
    if chosen is not None:
        after, pulse = chosen_from(chosen, after, before), pulse._replace(n=torch.where(chosen, pulse.n, zero))
    energy = physics.pulse_energy(device, p, reset, after, pulse)
    if array.watch is not None:
        array.watch(DeviceEvent("write", p, pulse, reset, after, energy))
    error = physics.conductance(device, p, after) - goal
    none = torch.zeros_like(error, dtype=torch.bool)
    array.store(after)
    return Written(*(array.out(part) for part in (pulse.n, energy, error, none)))
