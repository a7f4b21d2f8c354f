"""What one run of a network does: the checks before it, the segments of constant dt, and the outputs that it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..base.checks import is_whole
from ..base.clock import Segment
from ..base.errors import RunError
from ..engine.reference.source import SourceNode
from ..engine.simulation import Simulation
from ..groups.schedule import Schedule
from .energy.meter import Meter, RunCount
from .inputs import Inputs
from .monitor import Request, Tap


class Start(NamedTuple):
    """How a run begins, in the words of `Network.run`."""

    reset: bool
    reset_persistent: bool
    trial: int | None
    first_sample: int
    learn: bool

    def check(self, sim: Simulation) -> None:
        """Check the numbers, and refuse what belongs to the start of a run where one is continued.

        Raises:
            RunError: a value that is not allowed.
        """
        where = "Network.run"
        for name, value in (("trial", self.trial), ("first_sample", self.first_sample)):
            if value is not None and not (is_whole(value) and value < 2**32):
                raise RunError(f"{where}: {name}", "must be a whole number, at least 0", got=repr(value))
        if self.afresh(sim):
            return
        given = {
            "reset_persistent": self.reset_persistent,
            "trial": self.trial not in (None, sim.clock.trial),
            "first_sample": self.first_sample not in (0, sim.clock.first_sample),
        }
        for name, is_given in given.items():
            if is_given:
                raise RunError(
                    f"{where}: {name}", "belongs to the start of a run", got="reset=False", fix="Leave it out when continuing."
                )

    def afresh(self, sim: Simulation) -> bool:
        """Return whether the run starts from the initial states."""
        return self.reset or sim.lead is None

    def apply(self, sim: Simulation, lead: tuple[int, int]) -> None:
        """Put the states where the run starts from."""
        afresh = self.afresh(sim)
        if afresh and self.reset_persistent:
            for group in sim.groups.values():
                group.reset_persistent()
        sim.start(learn=self.learn, afresh=afresh)
        if afresh:
            sim.reset(lead, sim.clock.trial if self.trial is None else self.trial, self.first_sample)


def check_groups(sim: Simulation, *, numbers: bool) -> None:
    """Bring trained values back inside their limits, and check that all tensors are those that kernels may read.

    Raises:
        ParameterError: a tensor that does not fit; with ``numbers`` also a value that is out of its limits or NaN.
    """
    for group in sim.groups.values():
        group.project_()
        group.check_sound(numbers=numbers)


def check_floats(sim: Simulation, dtype: torch.dtype) -> None:
    """Refuse groups that were moved alone: states and what is in flight have the network's float type."""
    for group in sim.groups.values():
        if group.dtype != dtype:
            raise RunError(
                "Network.run",
                f"all groups must have the network's float type, {dtype}",
                got=f"{group.dtype} of {group.tag!r}",
                fix="Move the network, not a group: net.double() or net.float().",
            )


@dataclass(frozen=True)
class Run:
    """One run of a network: its input, and what is wanted of it."""

    sim: Simulation
    given: Inputs
    plan: Callable[[float], Schedule]  # the schedule for a dt (s)
    outputs: Sequence[str]  # tags
    requests: Sequence[Request]
    meter: Meter | None
    chunk: int  # slots whose outputs are held at a time
    detach: bool  # whether the graph of gradients is cut at the end
    stretches: Sequence[tuple[Segment, float | None]]  # the programme, cut where the temperature (K) changes

    def execute(self) -> tuple[list[Tap], dict[str, list[Tensor]]]:
        """Run all segments of constant dt, one after the other.

        Returns:
            The taps with what they recorded, and the windows ``[slot, ...]`` of each output by tag. After an error the next run
            must start afresh.
        """
        sim = self.sim
        taps = [Tap(request, self.given.lead, sim.clock.slot) for request in self.requests]
        for tag, node in sim.nodes.items():
            node.takes = [tap for tap in taps if tap.request.tag == tag]
        counting = None if self.meter is None else self.meter.start(sim, self.given.lead)
        windows: dict[str, list[Tensor]] = {tag: [] for tag in self.outputs}
        try:
            self._segments(taps, counting, windows)
        except BaseException:
            # Ctrl-C or an error half-way: states and delay lines are of different slots, so the next run must start afresh.
            sim.lead = None
            sim.detach()
            raise
        finally:
            for node in sim.nodes.values():
                node.takes = []
                if isinstance(node, SourceNode):
                    node.signal = None
        if counting is not None:
            counting.commit()
        return taps, windows

    def _segments(self, taps: Sequence[Tap], counting: RunCount | None, windows: Mapping[str, list[Tensor]]) -> None:
        sim, given = self.sim, self.given
        wanted = windows.keys() | (set() if counting is None else counting.outputs)

        def keep(k0: int, n: int) -> None:
            for tag, kept in windows.items():
                kept.append(sim.nodes[tag].trace.window(k0, n))
            if counting is not None:
                counting.take(k0, n)

        offset = 0
        for segment, kelvin in self.stretches:
            if counting is not None:
                counting.dt = segment.dt
            for tap in taps:
                tap.offset = offset
            _feed(sim, given.signals, offset, segment.steps)
            last = self.detach and offset + segment.steps == given.steps
            sim.segment(segment, self.plan(segment.dt), self.chunk, wanted, keep, last=last, kelvin=kelvin)
            offset += segment.steps


def _feed(sim: Simulation, signals: Mapping[str, Tensor], offset: int, steps: int) -> None:
    """Give each input group its part of the signal."""
    for tag, signal in signals.items():
        node = sim.nodes[tag]
        assert isinstance(node, SourceNode)
        node.signal = signal[offset : offset + steps]


def returned(windows: Mapping[str, list[Tensor]], lead: tuple[int, int], *, chips: bool) -> Tensor | dict[str, Tensor] | None:
    """Return what `Network.run` does: one signal, several by tag, or None where there is no output."""
    made = {tag: _joined(kept, lead, chips) for tag, kept in windows.items()}
    return None if not made else (next(iter(made.values())) if len(made) == 1 else made)


def _joined(kept: Sequence[Tensor], lead: tuple[int, int], chips: bool) -> Tensor:
    """Join windows to ``[batch, time, unit]``, with a chip axis in front where there is one."""
    if not kept:
        raise RunError("Network.run", "nothing to return: the run has no slots")
    windows = [k.expand(len(k), *lead, k.shape[-1]) for k in kept]
    signal = (windows[0] if len(windows) == 1 else torch.cat(windows)).permute(1, 2, 0, 3)
    return signal if chips else signal.squeeze(0)
