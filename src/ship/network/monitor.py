"""Recording: what is kept of a run, and what a run returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..base.errors import NotReadyError, RunError, suggest
from ..base.indices import Chosen
from ..base.native import cache
from ..base.parameters import declared
from ..base.threads import spread
from ..groups.group import Group
from ..groups.spec import Spec
from ..groups.wiring import Wiring
from . import frames
from .frames import Label

PIECE = 2**18  # values that one thread looks through at a time


@dataclass(frozen=True)
class Request:
    """What `Network.monitor` was asked for."""

    tag: str
    name: str
    every: int = 1
    units: Chosen | None = None
    events: bool = False
    detach: bool = True


class Records(dict[str, "Record"]):
    """What the last run recorded, by tag. Asking for a group without a record says what there is."""

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
    """Collects one variable of one group, window by window."""

    def __init__(self, request: Request, lead: tuple[int, int], start: int = 0) -> None:
        """``start``: slots since the last reset, which ``every`` counts from; those that are kept count from the run's own."""
        self.request, self.lead, self.start = request, lead, start
        self.kept: list[Tensor] = []
        self.found: list[Tensor] = []  # of events: chip, sample, slot and unit
        self.slots: list[int] = []
        self.offset = 0

    @property
    def name(self) -> str:
        """Of the variable."""
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
        """``[batch, time, ...]``, with a chip axis in front where there is one."""
        if not self.kept:
            return torch.empty(0)
        full = [_with_lead(v, self.lead) for v in self.kept]
        stacked = torch.cat(full).movedim(0, 2)
        return stacked if chips else stacked[0]

    def events(self, times: Tensor) -> EventRecord:
        """All events of the run."""
        table = torch.cat(self.found, 1) if self.found else torch.empty(4, 0, dtype=torch.int64)
        count = torch.cat(self.kept) if self.kept else torch.empty(0)
        if self.request.units is not None:
            table[3] = self.request.units.numbers[table[3]]
        return EventRecord(table[0], table[1], table[2], table[3], count, times[table[2]])


def _events(x: Tensor) -> Tensor:
    """Where a signal is not zero, ``[event]``."""
    if len(x) < PIECE or x.device.type != "cpu" or not cache.available():
        return x.nonzero().squeeze(1)
    cuts = np.append(np.arange(0, len(x), PIECE), len(x))
    room, count = np.empty(len(x), np.int64), np.empty(len(cuts) - 1, np.int64)
    values, look = x.detach().numpy(), cache.load_file(Path(cache.__file__).with_name("signal_scan.py"))["events"]
    bits = values.view(np.dtype(f"i{values.itemsize}"))
    spread(len(count), lambda lo, hi: look(lo, hi, values, bits, cuts, room, count))
    return torch.from_numpy(np.concatenate([room[start : start + n] for start, n in zip(cuts, count, strict=False)]))


def _with_lead(value: Tensor, lead: tuple[int, int]) -> Tensor:
    """``[slot, chip, batch, ...]``. A value of fewer axes, a parameter, has trailing axes only: ``[slot]``, ``[slot, unit]`` or
    ``[slot, pre, post]``.
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
        """Times (s) of the recorded slots of a variable."""
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
        """The names of the variables recorded, as of a mapping."""
        return self._values.keys()

    def to_xarray(self) -> Any:
        """All dense variables as an ``xarray.Dataset``: named axes, times in s, numbers of units, units in ``attrs["units"]``.

        Variables share their axes ``chip``, ``batch``, ``time`` and ``unit`` (``pre``, ``post`` or ``edge`` of connections), so
        that ``to_dataframe()`` has one row for each. A variable that was recorded in other slots (``every=``) or of other units
        has an axis of its own, e.g. ``time_v``.

        Raises:
            RunError: xarray is not installed.
        """
        return frames.to_xarray({k: v for k, v in self._values.items() if isinstance(v, Tensor)}, self._labels)

    def to_pandas(self, *names: str) -> Any:
        """Variables as a ``pandas.DataFrame``: a row for each chip, sample, slot and unit, a column for each variable.

        Args:
            names: of the variables; default: all. A variable recorded as events is asked for alone, and gives a row for each
                event, with the columns of `EventRecord`.

        Raises:
            RunError: pandas is not installed, a variable was not recorded, or variables have no rows in common.
        """
        return frames.to_pandas({name: self[name] for name in names or self._values}, self._labels)


def recordable(spec: Spec) -> list[str]:
    """The names that a monitor of a group can record."""
    names = ["output", *getattr(spec.model.states, "_fields", ()), *declared(type(spec.model))[0]]
    if "t_ref" in names:
        names += ["margin", "wait", "held"]
    if spec.rule is not None:
        names += [f"rule.{name}" for name in getattr(spec.rule.states, "_fields", ())]
    return names


def check_units(request: Request, spec: Spec, wiring: Wiring | None) -> None:
    """The subset of units must exist, as soon as their number is known.

    Raises:
        RunError: it names others.
    """
    n = spec.n if wiring is None else wiring.n[request.tag]
    before_sum = getattr(spec.model, "side", "") == "pre" and request.name in getattr(spec.model.states, "_fields", ())
    if wiring is not None and before_sum:
        n = wiring.n_pre[request.tag]
    if request.units is not None:
        request.units.check(f"monitor of {spec.where}: units", n)


def collect(taps: Sequence[Tap], times: Mapping[str, Tensor], chips: bool, groups: Mapping[str, Group]) -> dict[str, Record]:
    """What the taps took, by group."""
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
