"""Monitors: which variables a network records, and the records of its last run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..base.boundary import left
from ..base.checks import is_whole
from ..base.clock import Programme, timeline
from ..base.errors import NotReadyError, RunError, suggest
from ..base.indices import Chosen, Units, chosen
from ..base.native import cache
from ..base.parameters import declared
from ..base.threads import spread
from ..groups.group import Group
from ..groups.spec import Spec
from ..groups.wiring import Wiring, emits_first
from ..models.contract import Neuron
from . import frames
from .frames import Label
from .structure import Structure

PIECE = 2**18  # values that one thread looks through at a time


@dataclass(frozen=True)
class Request:
    """One variable of one group that `Network.monitor` was asked to record."""

    tag: str
    name: str
    every: int = 1
    units: Chosen | None = None
    events: bool = False
    detach: bool = True


class Records(dict[str, "Record"]):
    """The records of the last run, by tag. Asking for a group without a record says what there is."""

    def __missing__(self, tag: str) -> Record:
        raise RunError(
            f"Network.records[{tag!r}]",
            "the last run recorded nothing of this group",
            fix=f"Call net.monitor({tag!r}, 'output') before the run. " + (suggest(str(tag), self) if self else ""),
        )


class EventRecord(NamedTuple):
    """Spikes as events, one row each, in order of slots: int64 indices, counts, and times in seconds."""

    chip: Tensor
    sample: Tensor
    slot: Tensor
    unit: Tensor
    counts: Tensor
    time: Tensor  # s, float64

    def __repr__(self) -> str:
        return f"EventRecord({len(self.slot)} events: {', '.join(self._fields)})"


class Tap:
    """A collector of one variable of one group, window by window."""

    def __init__(self, request: Request, lead: tuple[int, int], start: int = 0) -> None:
        """Begin to collect.

        Args:
            request: the variable.
            lead: the number of chips and samples.
            start: slots since the last reset, from which ``every`` counts; slots that are kept count from the run's start.
        """
        self.request, self.lead, self.start = request, lead, start
        self.kept: list[Tensor] = []
        self.found: list[Tensor] = []  # chip, sample, slot and unit of events
        self.slots: list[int] = []
        self.offset = 0

    @property
    def name(self) -> str:
        """The name of the variable."""
        return self.request.name

    def __call__(self, k0: int, n: int, lookup: Callable[[str], Tensor]) -> None:
        """Take slots k0 .. k0 + n - 1; ``lookup`` gives ``[n, ...]``."""
        k0 += self.offset
        first = -(self.start + k0) % self.request.every
        if first >= n and self.kept:
            return
        value = lookup(self.request.name)[first :: self.request.every]  # of no slots, for its shape, where nothing else is kept
        if self.request.units is not None and value.ndim > 1 and value.shape[-1] > 1:  # one value may stand for all units
            value = value[..., self.request.units.numbers.to(value.device)]
        if self.request.detach:
            value = value.detach()
        slots = range(k0 + first, k0 + n, self.request.every)
        if self.request.events:
            shape = (len(value), *self.lead, value.shape[-1])
            value = value.expand(shape).reshape(-1)
            places = _events(value)
            slot, chip, sample, unit = torch.unravel_index(places, shape)
            self.found.append(torch.stack([chip, sample, slots.start + slots.step * slot, unit]))
            value = value[places]
        elif self.request.detach:
            value = value.clone()  # a view would keep the whole window
        self.kept.append(value)
        self.slots += slots

    def tensor(self, chips: bool) -> Tensor:
        """Return the variable as ``[batch, time, ...]``, with a chip axis in front where there is one."""
        if not self.kept:
            return torch.empty(0)
        full = [_with_lead(v, self.lead) for v in self.kept]
        # The trace of one side becomes one of each connection where its time constant varies between them.
        shape = torch.broadcast_shapes(*(v.shape[1:] for v in full))
        stacked = torch.cat([v.expand(len(v), *shape) for v in full]).movedim(0, 2)
        return stacked if chips else stacked[0]

    def events(self, times: Tensor) -> EventRecord:
        """Return all events of the run."""
        table = torch.cat(self.found, 1) if self.found else torch.empty(4, 0, dtype=torch.int64)
        count = torch.cat(self.kept) if self.kept else torch.empty(0)
        if self.request.units is not None:
            table[3] = self.request.units.numbers[table[3]]
        return EventRecord(table[0], table[1], table[2], table[3], count, times[table[2]])


def _events(x: Tensor) -> Tensor:
    """Return the places of the nonzeros of a signal, ``[event]``."""
    if len(x) < PIECE or x.device.type != "cpu" or not cache.available():
        return x.nonzero().squeeze(1)
    cuts = np.append(np.arange(0, len(x), PIECE), len(x))
    room, count = np.empty(len(x), np.int64), np.empty(len(cuts) - 1, np.int64)
    values, look = x.detach().numpy(), cache.load_file(Path(cache.__file__).with_name("signal_scan.py"))["events"]
    bits = values.view(np.dtype(f"i{values.itemsize}"))
    spread(len(count), lambda lo, hi: look(lo, hi, values, bits, cuts, room, count))
    return torch.from_numpy(np.concatenate([room[start : start + n] for start, n in zip(cuts, count, strict=False)]))


def _with_lead(value: Tensor, lead: tuple[int, int]) -> Tensor:
    """Return a value as ``[slot, chip, batch, ...]``.

    One of fewer axes, a parameter, has trailing axes only: ``[slot]``, ``[slot, unit]`` or ``[slot, pre, post]``.
    """
    if value.ndim < 4:
        value = value.reshape(len(value), 1, 1, *(value.shape[1:] or (1,)))
    return value.expand(-1, *lead, *value.shape[3:])


class Record:
    """The variables recorded of one group, by name: ``records["hid"].v``."""

    def __init__(self, values: Mapping[str, Any], labels: Mapping[str, Label], times: Mapping[str, Tensor]) -> None:
        self._values, self._labels, self._times = dict(values), dict(labels), dict(times)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise NotReadyError(f"records: {name!r}", "was not recorded", fix=suggest(name, self._values))
        return self._values[name]

    def time(self, name: str) -> Tensor:
        """Return the times (s) of the recorded slots of a variable."""
        return self._times[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __dir__(self) -> list[str]:
        return [*self._values, "keys", "time", "to_pandas", "to_xarray"]

    def __repr__(self) -> str:
        shapes = ", ".join(
            f"{k}: {list(v.shape) if isinstance(v, Tensor) else f'{len(v.slot)} events'}" for k, v in self._values.items()
        )
        return f"Record({shapes})"

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> KeysView[str]:
        """Return the names of the variables recorded, as of a mapping."""
        return self._values.keys()

    def to_xarray(self) -> Any:
        """Return dense variables as an ``xarray.Dataset``: named axes, times in s, numbers of units, units in ``attrs["units"]``.

        Variables share their axes ``chip``, ``batch``, ``time`` and ``unit`` (``pre``, ``post`` or ``edge`` of connections), so
        that ``to_dataframe()`` has one row for each. A variable that was recorded in other slots (``every=``) or of other units
        has an axis of its own, e.g. ``time_v``.

        Raises:
            RunError: xarray is not installed.
        """
        return frames.to_xarray({k: v for k, v in self._values.items() if isinstance(v, Tensor)}, self._labels)

    def to_pandas(self, *names: str) -> Any:
        """Return variables as a ``pandas.DataFrame``: a row for each chip, sample, slot and unit, columns by variable.

        Args:
            names: the names of the variables; default: all. A variable recorded as events is asked for
                alone, and gives a row for each event, with the columns of `EventRecord`.

        Raises:
            RunError: pandas is not installed, a variable was not recorded, or variables have no rows in common.
        """
        return frames.to_pandas({name: self[name] for name in names or self._values}, self._labels)


def recordable(spec: Spec) -> list[str]:
    """Return the names that a monitor of a group can record."""
    names = ["output", *getattr(spec.model.states, "_fields", ()), *declared(type(spec.model))[0]]
    if "t_ref" in names:
        names += ["margin", "wait", "held"]
    if spec.rule is not None:
        names += [f"rule.{name}" for name in getattr(spec.rule.states, "_fields", ())]
    return names


def check_units(request: Request, spec: Spec, wiring: Wiring | None) -> None:
    """Check that the subset of units exists, as soon as their number is known.

    Raises:
        RunError: the subset names other units.
    """
    n = spec.n if wiring is None else wiring.n[request.tag]
    before_sum = getattr(spec.model, "side", "") == "pre" and request.name in getattr(spec.model.states, "_fields", ())
    if wiring is not None and before_sum:
        n = wiring.n_pre[request.tag]
    if request.units is not None:
        request.units.check(f"monitor of {spec.where}: units", n)


def collect(taps: Sequence[Tap], times: Mapping[str, Tensor], chips: bool, groups: Mapping[str, Group]) -> dict[str, Record]:
    """Return what the taps collected, by group."""
    records = Records()
    for tag in dict.fromkeys(tap.request.tag for tap in taps):
        mine = [tap for tap in taps if tap.request.tag == tag]
        values = {t.request.name: t.events(times[tag]) if t.request.events else t.tensor(chips) for t in mine}
        taken = {t.request.name: times[tag][t.slots] for t in mine}
        labels = {
            t.request.name: frames.label(groups[tag], t.request.name, t.request.units, taken[t.request.name], chips) for t in mine
        }
        records[tag] = Record(values, labels, taken)
    return records


class Monitors(Structure):
    """The monitors of a network and what the last run recorded: `Network` without its time and its devices."""

    def __init__(self) -> None:
        super().__init__()
        self._requests: list[Request] = []
        self._programme: Programme = ()
        self._run_start = 0.0
        self.records: dict[str, Record] = Records()
        self.lengths: Tensor | None = None  # slots of each sample of the last run, where they were ragged

    @left("units")
    def monitor(
        self, tag: str, *names: str, every: int = 1, units: Units | None = None, events: bool = False, detach: bool = True
    ) -> None:
        """Record variables of a group in the runs to come: states, parameters, ``output``, ``margin`` (distance to threshold).

        Args:
            tag: the group.
            names: what to record.
            every: record each n-th slot, counted from the last reset, so that pieces of a run, and `step`, record the same slots
                as one run.
            units: a subset of the last axis: numbers of units, or a mask with a truth value for each.
            events: record spikes as an `EventRecord`, which takes memory in proportion to spikes.
            detach: False keeps the graph of gradients.

        Raises:
            GraphError, RunError: unknown group or variable, illegal subset.
        """
        spec = self._known("Network.monitor", tag)
        where = f"monitor of {spec.where}"
        if not is_whole(every, 1):
            raise RunError(f"{where}: every", "must be a whole number of slots, at least 1", got=repr(every))
        if not names:
            raise RunError(where, "needs the name of a variable", fix=suggest("", recordable(spec)))
        for name in names:
            if name not in recordable(spec):
                raise RunError(
                    where, f"{type(spec.model).__name__} has no variable {name!r}", fix=suggest(name, recordable(spec))
                )
            if events and name != "output":
                raise RunError(
                    f"{where}: events", "records outputs only", got=repr(name), fix="Leave events= out for this variable."
                )
        subset = None if units is None else chosen(f"{where}: units", units, None)
        if subset is not None and not len(subset.numbers):
            raise RunError(f"{where}: units", "must name at least one unit", got="none")
        requests = [Request(tag, name, every, subset, events, detach) for name in names]
        for request in requests:
            check_units(request, spec, self._wiring)
        self._requests = [r for r in self._requests if (r.tag, r.name) not in {(tag, n) for n in names}]
        self._requests += requests

    def unmonitor(self, tag: str | None = None, *names: str) -> None:
        """Stop recording everything, a group, or some of its variables."""
        if tag is not None:
            self._known("Network.unmonitor", tag)
        self._requests = [r for r in self._requests if not (tag in (None, r.tag) and (not names or r.name in names))]

    def timeline(self, tag: str | None = None) -> Tensor:
        """Return the times (s, float64) of the slots of the last run: their starts, or their ends for a group that emits after
        advancing.
        """
        self._ready("Network.timeline")
        times = timeline(self._programme, self._run_start)
        if (
            tag is not None
            and isinstance(self._known("Network.timeline", tag).model, Neuron)
            and not emits_first(self._specs[tag])
        ):
            times = times + torch.cat([torch.full((s.steps,), s.dt, dtype=torch.float64) for s in self._programme])
        return times

    @contextmanager
    def keeping_monitors(self) -> Iterator[None]:
        """Restore the present monitors afterwards, whatever is monitored within."""
        before = list(self._requests)
        try:
            yield
        finally:
            self._requests = before

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Record nothing within; afterwards monitors, records, timeline and lengths are those from before."""
        before = self.records, self.lengths, self._programme, self._run_start
        with self.keeping_monitors():
            self._requests = []
            try:
                yield
            finally:
                self.records, self.lengths, self._programme, self._run_start = before
