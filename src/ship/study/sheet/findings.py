"""What a requirement sheet holds, as plain values: axes, what is required, where a device stands, the worst pair, remedies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ...base.checks import check_choice
from ...base.statistics import Interval
from .axes import KINDS, Kind
from .plain import to_plain

SCHEMA = 1
NOWHERE = Interval(math.nan)


@dataclass(frozen=True)
class Point:
    """The accuracy of chips at one value of an axis."""

    value: float
    accuracy: Interval  # the mean over chips, with its 95 % interval over chips; none where one chip stands for all
    chips: int


@dataclass(frozen=True)
class Mark:
    """Where a device stands on an axis.

    Args:
        value: the value on the axis; NaN: there is none, and ``text`` says why.
        status: measured, assumed, missing (not measured), or none (the sheet is of no device, or the axis is not the device's).
        text: where that is from, or why there is no value.
        ratio: how many times worse than required it is, with the interval of the requirement: above 1 it fails. NaN where there
            is no value, or no requirement to compare it with.
    """

    value: float = math.nan
    status: str = "none"
    text: str = ""
    ratio: Interval = NOWHERE

    @property
    def fails(self) -> bool:
        """Whether the device is worse than required."""
        return self.ratio.value > 1

    @property
    def sure(self) -> bool:
        """Whether the interval of the requirement leaves no doubt of that, either way."""
        return not self.ratio.low <= 1 <= self.ratio.high


@dataclass(frozen=True)
class Axis:
    """One imperfection, all others ideal: the accuracy against its value, and the value at which it has fallen by the drop.

    Args:
        name: the field of `Imperfections`.
        title, unit, means: what it is called, its unit ("%" for fractions, which are kept as fractions of 1), and a sentence.
        better: whether "less" or "more" of it is better.
        required: the value at which the accuracy has fallen by the drop, with its 95 % interval over chips and test samples; an
            end beyond the range is infinite.
        found: "bracketed": the value lies in the range; "never": the accuracy stays above the target in all of the range;
            "always": it is nowhere above it; "refused": the network cannot have it, and ``text`` says why.
        low, high: the range that was searched.
        text: what a reader should know.
        curve: all values that were measured, ascending.
        mark: where the device stands.
    """

    name: str
    title: str
    unit: str
    better: str
    means: str
    required: Interval
    found: str
    low: float
    high: float
    text: str
    curve: tuple[Point, ...]
    mark: Mark

    @property
    def bracketed(self) -> bool:
        """Whether the required value lies in the range."""
        return self.found == "bracketed"

    @property
    def kind(self) -> Kind:
        """The axis as it is searched."""
        return KINDS[self.name]

    @property
    def demand(self) -> str:
        """The requirement in words."""
        less = self.better == "less"
        sign, worst = ("at most", self.high) if less else ("at least", self.low)
        if self.found == "bracketed":
            return f"{sign} {self.kind.said(self.required.value)}"
        if self.found == "never":
            return f"none: fine {'up' if less else 'down'} to {self.kind.said(worst)}"
        if self.found == "always":
            return f"{'below' if less else 'above'} {self.kind.said(self.low if less else self.high)}"
        return "refused"


@dataclass(frozen=True)
class Close:
    """A pair that was looked at, and the fall of the accuracy at a share of both requirements."""

    a: str
    b: str
    drop: float


@dataclass(frozen=True)
class Pair:
    """The two axes that together need the tightest values: the share of both requirements that a chip can have at once.

    Args:
        a, b: the names of the axes.
        share: the share of each requirement at which the accuracy has fallen by the drop, with its 95 % interval. Errors that
            add as squares give 0.71 where each alone gives 1, errors that add 0.5.
        found: as of an `Axis`.
        values: the two values at this share.
        curve: the accuracy against the share.
        at: the share at which all pairs were compared.
        close: the pairs that came out worst there, the worst first, on all chips.
        text: what a reader should know.
    """

    a: str
    b: str
    share: Interval
    found: str
    values: tuple[float, ...]
    curve: tuple[Point, ...]
    at: float
    close: tuple[Close, ...]
    text: str = ""


@dataclass(frozen=True)
class Remedy:
    """What a remedy does for the axis that fails, measured on the same chips.

    Args:
        name, how: the remedy, and how it was applied.
        before, after: the accuracy with the device's value on the axis, without and with it, with 95 % intervals over chips and
            test samples; NaN where it cannot be applied, and ``how`` says why.
        met: whether the accuracy is then above the target: "yes", "no", or "undecided" where the interval holds both.
        chips: the number of chips.
    """

    name: str
    how: str
    before: Interval
    after: Interval
    met: str
    chips: int


@dataclass(frozen=True, repr=False)
class Findings:
    """What a requirement sheet holds; `ship.study.Sheet`, which shows and saves it, says what the fields are."""

    device: str
    drop: float
    chips: int
    samples: int
    seed: int
    g_max: float
    baseline: Interval
    axes: tuple[Axis, ...]
    pair: Pair | None = None
    fails: str = ""
    remedies: tuple[Remedy, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()
    task: str = ""
    network: str = ""
    schema: int = SCHEMA

    def __getitem__(self, name: str) -> Axis:
        """Return an axis by its name."""
        check_choice("Sheet: axis", name, [axis.name for axis in self.axes])
        return next(axis for axis in self.axes if axis.name == name)

    @property
    def target(self) -> float:
        """The least accuracy that is allowed."""
        return self.baseline.value - self.drop

    @property
    def marked(self) -> tuple[Axis, ...]:
        """The axes on which the device can be compared with a requirement, the worst first."""
        known = [axis for axis in self.axes if not math.isnan(axis.mark.ratio.value)]
        return tuple(sorted(known, key=lambda axis: -axis.mark.ratio.value))

    def verdict(self) -> str:
        """Say in one sentence on which axis the device fails first."""
        if not self.device:
            return "No device was given, so none is marked."
        if not self.marked:
            return f"{self.device} cannot be compared: on no axis are both its value and the requirement known."
        worst = self.marked[0]
        mark = worst.mark
        times = f"{mark.ratio.value:.2g} times ({mark.ratio.low:.2g} to {mark.ratio.high:.2g})"
        if not mark.fails:
            return f"{self.device} fails on no axis that is known of it; it is nearest on {worst.title}: {times} what is allowed."
        also = [axis.title for axis in self.marked[1:] if axis.mark.fails]
        more = f" It fails on {' and on '.join(also)}, too." if also else ""
        doubt = "" if mark.sure else " The interval holds 1, so it may just pass."
        return f"{self.device} fails first on {worst.title}: {times} what is allowed.{doubt}{more}"

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON has it, see `ship.study.Sheet`."""
        made: dict[str, Any] = to_plain(self)
        return made
