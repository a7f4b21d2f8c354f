"""A trained network on the chips of a device, in one condition after the other: as it is written, unchecked, checked, and later.

What is left of the accuracy is measured in each way in which the device can be written (`ship.study.ways`), and after waiting.
Then, on the same chips, one property of the device at a time is made ideal (`ship.study.idealise`): the accuracy that this gives
back is what the property costs. A condition for which a part of the device is not known has no number, and says which.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import Tensor

from ..base.checks import check_whole
from ..base.errors import ShipError
from ..base.statistics import Interval, mean_interval
from ..devices.array.write_verify import WriteVerify, Written
from ..devices.device import Device
from ..devices.provenance import FACTS, GIVEN, stated
from ..network.network import Network
from ..network.readout import Readout
from ..train.batches import check_again
from . import idealise, ways
from .chips import virtual_chips
from .measure import Summary, accuracy, summary, weight_error

WAITS = (3600.0, 86400.0, 30 * 86400.0)  # s
SMALL = 0.002  # of the accuracy: a property that costs less limits nothing
Stage = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Row:
    """The chips in one condition."""

    name: str
    chips: Tensor | None  # the accuracy of each, [chip]; None: there is no number, and ``text`` says why
    text: str = ""  # what a reader should know
    error: Tensor | None = None  # the error of the weights of each chip, a fraction of full scale (`weight_error`)

    @property
    def off(self) -> float | None:
        """The error of the weights, root mean square over weights and chips; None where it was not measured."""
        return None if self.error is None else _rms(self.error)

    @property
    def summary(self) -> Summary | None:
        """Mean, worst, best and spread of the chips; None where there is no number."""
        return None if self.chips is None else summary(self.chips)


@dataclass(frozen=True)
class Limit:
    """What a property of the device costs: accuracy of the same chips without it, minus that with it."""

    name: str
    row: str  # the condition in which it was made ideal
    gain: Interval  # the mean over chips of the difference, with its 95 % interval
    chips: int
    errors: tuple[float, float] | None = None  # of the weights, with the property and without it, fractions of full scale

    @property
    def counts(self) -> bool:
        """Whether it limits: the interval is above 0, and the gain above 0.2 points."""
        return self.gain.low > 0 and self.gain.value >= SMALL

    def __str__(self) -> str:
        value, low, high = (100 * x for x in self.gain)
        return f"{self.name}: {value:+.1f} points ({low:.1f} to {high:.1f}) without it"


@dataclass(frozen=True)
class Conditions:
    """What is left of a network on the chips of a device.

    Args:
        device: the device.
        chips: number of chips in each row.
        rows: the conditions.
        base: the name of the row in which properties were made ideal; empty: no row has a number.
        limits: what each property costs, the largest first.
        notes: what a reader of the numbers should know.
        wrote: the way in which the devices were written last.
        written: what that cost, by group.
        verify: how it was verified; None: it was not.
    """

    device: Device
    chips: int
    rows: tuple[Row, ...]
    base: str
    limits: tuple[Limit, ...]
    notes: tuple[str, ...]
    wrote: str
    written: Mapping[str, Written]
    verify: WriteVerify | None

    def row(self, name: str) -> Row:
        """Return a row by its name.

        Raises:
            KeyError: there is none.
        """
        return {row.name: row for row in self.rows}[name]

    @property
    def limited(self) -> str:
        """The condition that `limiting` speaks of, for texts; empty where it names it itself, as drift does."""
        named = [limit.row for limit in self.limits if limit.counts] or [self.base]
        return self.base if self.base in named else ""

    def limiting(self) -> str:
        """Say what limits, in one line."""
        if not self.base:
            return "nothing can be said: no condition has a number"
        found = [str(limit) for limit in self.limits if limit.counts]
        if found:
            return "; ".join(found)
        wide = [limit for limit in self.limits if limit.gain.high >= SMALL]
        if wide:
            return f"nothing that shows on {wide[0].chips} chips; the largest is {wide[0]}{self._behind()}"
        return f"nothing that is known of it costs more than {100 * SMALL:g} points{self._behind()}"

    def _behind(self) -> str:
        """Say which property the error of the weights comes from, where it makes a quarter of its square or more."""
        with_it = [(limit.errors[1], limit.errors[0], limit.name) for limit in self.limits if limit.errors is not None]
        if not with_it or min(with_it)[0] ** 2 > 0.75 * min(with_it)[1] ** 2:
            return ""
        less, now, name = min(with_it)
        return f"; behind that, {name} sets the error of the weights: {percent(now)}, {percent(less)} without it"


def conditions(
    net: Network,
    device: Device,
    batches: Iterable[Sequence[Any]],
    *,
    chips: int = 32,
    waits: Sequence[float] = WAITS,
    readout: Readout | None = None,
    seed: int | None = None,
    limits: int = 16,
    stage: Stage | None = None,
) -> Conditions:
    """Measure a trained network on virtual chips of a device in each condition that the device allows, and what limits it.

    Args:
        net: a trained network; its synapses become differential pairs.
        device: the device.
        batches: test data; it is read several times.
        chips: number of chips in each condition, at least 2.
        waits: seconds after writing, increasing, at which a device with a law of retention is measured again.
        readout: function from the output to scores; default: the one that the network was trained with.
        seed: seed of the devices; default: the network's own.
        limits: number of chips on which a property at a time is made ideal, at most ``chips``; 0: that is left out.
        stage: a context manager that is entered around each piece of work with its name.

    Raises:
        RunError: fewer than two chips, or test data that can be read only once.
    """
    check_whole("study.conditions: chips", chips, 2, of="chips")
    check_again("study.conditions: batches", batches)
    bench = _Bench(net, batches, readout, seed, stage or _silent)
    rows: list[Row] = []
    notes: list[str] = []
    last: tuple[Network | None, str] = (None, "")
    cost: Mapping[str, Written] = {}
    verify = None
    for way in ways.WAYS:
        lacking = ways.lacks(device, way)
        if lacking:
            if way != ways.LEVELS:
                rows.append(Row(way, None, lacking))
            continue
        verify = ways.closed_loop(device) if way == ways.VERIFIED else None
        row, made, written, said = bench.measured(device, chips, way, verify)
        rows.append(row)
        notes += said
        if made is not None:
            last, cost = (made, way), written
    rows += bench.waited(device, last, waits)
    base = next((row.name for row in _by_use(rows) if row.chips is not None), "")
    found = bench.limits(device, base, min(limits, chips)) if base and limits > 1 else []
    found += _drift(rows, last[1])
    found.sort(key=lambda limit: -limit.gain.value)
    notes += _remarks(device, rows, base, verify)
    return Conditions(device, chips, tuple(rows), base, tuple(found), tuple(dict.fromkeys(notes)), last[1], cost, verify)


class _Bench(NamedTuple):
    """What stays the same in all conditions."""

    net: Network
    batches: Iterable[Sequence[Any]]
    readout: Readout | None
    seed: int | None
    stage: Stage

    def accuracy(self, made: Network) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what is ideal in a row is said beside it
            return accuracy(made, self.batches, readout=self.readout)

    def written(
        self, device: Device, chips: int, way: str, verify: WriteVerify | None, whole: bool = True
    ) -> tuple[Network, dict[str, Written]]:
        made = virtual_chips(self.net, chips, device=device, mapping=ways.mapping_for(self.net, way), seed=self.seed)
        return made, ways.write(made, way, verify=verify, whole=whole)

    def both(self, device: Device, chips: int, way: str, verify: WriteVerify | None, whole: bool = True) -> tuple[Tensor, float]:
        """Return the accuracy of each chip, and the error of the weights of all."""
        made = self.written(device, chips, way, verify, whole)[0]
        return self.accuracy(made), _rms(weight_error(made))

    def measured(
        self, device: Device, chips: int, way: str, verify: WriteVerify | None
    ) -> tuple[Row, Network | None, Mapping[str, Written], list[str]]:
        """Measure the chips in one way of writing; return the row, the written network, its cost, and notes."""
        with warnings.catch_warnings(record=True) as caught, self.stage(f"{chips} chips, {way}"):
            warnings.simplefilter("always", UserWarning)
            try:
                made, written = self.written(device, chips, way, verify)
            except ShipError as error:
                return Row(way, None, ways.refused(error)), None, {}, []
            values = self.accuracy(made)
        return (
            Row(way, values, _how(way, verify), weight_error(made)),
            made,
            written,
            [f"{way}: {w.message}" for w in caught if "missed" not in str(w.message)],
        )

    def waited(self, device: Device, last: tuple[Network | None, str], waits: Sequence[float]) -> list[Row]:
        """Let the chips that were written last wait, and measure them again."""
        made, way = last
        if device.retention is None:
            origin = device.origin_of("retention")
            if origin.status != "missing" and origin != GIVEN:
                return [Row("after waiting", None, f"as before: no drift ({origin})")]
            return [Row("after waiting", None, ways.unknown(device, "retention"))]
        if made is None:
            return [Row("after waiting", None, "nothing was written that could wait")]
        rows, passed = [], 0.0
        for wait in waits:
            name = f"after {span(wait)}"
            if wait > device.retention.oldest:
                rows.append(Row(name, None, f"the law of retention is valid up to {span(device.retention.oldest)}"))
                break
            with self.stage(f"chips {name}"):
                try:
                    made.wait(wait - passed)
                    rows.append(Row(name, self.accuracy(made), f"as written before ({way})", weight_error(made)))
                except ShipError as error:
                    rows.append(Row(name, None, ways.refused(error)))
                    break
            passed = wait
        return rows

    def limits(self, device: Device, base: str, chips: int) -> list[Limit]:
        """Make one property of the same chips ideal at a time, in the condition ``base``."""
        verify = ways.closed_loop(device) if base == ways.VERIFIED else None
        with self.stage(f"{chips} chips, what limits"), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            before, was = self.both(device, chips, base, verify)
            found = []
            for name in idealise.concerned(device, counts=base == ways.PULSES):
                whole = name != "resolution"
                changed = idealise.without(device, name) if whole else device
                if changed is None:
                    continue
                try:
                    after, now = self.both(changed, chips, base, verify, whole)
                except ShipError:
                    continue  # the other laws of the device do not allow it
                found.append(Limit(idealise.NAMES[name], base, mean_interval(after - before), chips, (was, now)))
            if base == ways.LEVELS:
                found.append(self.two_states(device, chips))
        return found

    def two_states(self, device: Device, chips: int) -> Limit:
        """Compare two states a device with any conductance of its window, on chips that have no scatter from write to write."""
        quiet = idealise.without(device, "scatter") or device
        with_two, was = self.both(quiet, chips, ways.LEVELS, None)
        with_any, now = self.both(replace(quiet, programming=None), chips, ways.ONE_SHOT, None)
        return Limit("two states only", ways.LEVELS, mean_interval(with_any - with_two), chips, (was, now))


def _rms(error: Tensor) -> float:
    return float(error.square().mean().sqrt())


def percent(share: float) -> str:
    """Spell a fraction in percent, with two digits."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{share:.0%}".replace("%", " %")


def _silent(what: str) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


def _by_use(rows: Sequence[Row]) -> list[Row]:
    """Return the rows in the order in which they tell most of a device: what is not checked hides nothing."""
    order = (ways.PULSES, ways.ONE_SHOT, ways.LEVELS, ways.VERIFIED)
    return sorted((row for row in rows if row.name in order), key=lambda row: order.index(row.name))


def _how(way: str, verify: WriteVerify | None) -> str:
    if verify is not None:
        what = {"rewrite": "writes", "train": "trains of pulses"}[verify.by]
        reads = f", each read {verify.reads} times" if verify.reads > 1 else ""
        return f"{what}{reads}, to {verify.tolerance:.0%} of the window"
    return {
        ways.ONE_SHOT: "one write, unchecked",
        ways.PULSES: "counts of the nominal device from the reset state, no reads",
        ways.LEVELS: "weights of -1, 0, 1 and one scale a layer; not trained for it",
    }[way]


def _drift(rows: Sequence[Row], way: str) -> list[Limit]:
    """Return what waiting cost: the accuracy as written, minus that after the longest wait, chip by chip."""
    late = [row for row in rows if row.name.startswith("after ") and row.chips is not None]
    first = next((row.chips for row in rows if row.name == way), None)
    if not late or first is None or late[-1].chips is None:
        return []
    name = f"{idealise.NAMES['drift']} {late[-1].name}"
    return [Limit(name, late[-1].name, mean_interval(first - late[-1].chips), len(first))]


def _remarks(device: Device, rows: Sequence[Row], base: str, verify: WriteVerify | None) -> list[str]:
    """Say what the numbers stand on: what was assumed, what is missing, and that chips are alike where they are."""
    said = []
    said += [f"Assumed: {text.replace(': assumed', '', 1)}." for text in stated(device, assumed(device)) if text]
    absent = [n for n, o in device.origins.items() if o.status == "missing" and n in MISSED]
    if absent:
        said.append(f"Not measured, so what it costs is in no number: {', '.join(MISSED[n] for n in MISSED if n in absent)}.")
    for row in rows:
        if row.chips is not None and len(row.chips) > 1 and float(row.chips.std()) == 0:
            said.append(f"{row.name}: all chips are alike, so its interval says nothing about real chips.")
    if ways.has_pulses(device) and ways.writes_two(device):
        said.append(
            "By pulses, and verified: the scatter of its high state is known for whole switching only, and is in neither; "
            f"{ways.LEVELS!r} has it."
        )
    if verify is not None and verify.reads > 1:
        said.append(f"A verification averages {verify.reads} reads: one read is too noisy to tell 2 % of the window.")
    if base and idealise.ratio(device) < idealise.WIDE:
        said.append(
            f"On/off ratio {idealise.ratio(device):.3g}: a pair takes the difference of two devices, so that the ratio alone "
            "costs nothing; scatter and noise that grow with the conductance then cost more."
        )
    return said


def assumed(device: Device) -> tuple[str, ...]:
    """Return what someone assumed of a device: its window, parts and spreads, without what a device made by hand is made of."""
    names = [name for name in FACTS if name not in VOLTAGES and name in device.origins]
    return tuple(name for name in names if device.origins[name].status == "assumed" and device.origins[name] != GIVEN)


VOLTAGES = ("v_set", "v_reset", "t_write", "v_read", "t_read")  # they set energies, and no accuracy
MISSED = {
    "d2d": "spread from device to device",
    "c2c": "scatter from cycle to cycle",
    "noise": "read noise",
    "retention": "retention",
    "faults": "faults",
}


def span(seconds: float) -> str:
    """Spell a time."""
    for unit, size in (("d", 86400.0), ("h", 3600.0)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
