"""What is known about a device, part by part: what was measured, what was assumed and by whom, and what is missing.

A device that was fitted says of each of its numbers and parts where it comes from (`Device.origins`). What is missing is not
ideal: whoever uses it must say what to take in its place (`ship.devices.assume`). A device written by hand has no origins: all of
it is the user's.

**The rule.** An origin belongs to the value that it was said of. A device keeps with its origins what tells these values apart,
so a copy with another value (``dataclasses.replace(device, update=law)``) says of it "assumed: by the user", and goes on saying
of all others what the device said. A part that is there although its origin says "missing" is the user's, too; one that is not
there cannot have been measured to be a law, and where it is the update, it is missing. What a device with origins says nothing of
is the user's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from html import escape
from typing import Any, Literal

from ..base.checks import check_choice
from ..base.codec import Digest
from ..base.display.notebook import html_table
from ..base.errors import ParameterError, suggest
from ..base.parameters import Distribution, Varied, declared

Status = Literal["measured", "assumed", "missing"]
STATUSES: tuple[Status, ...] = ("measured", "assumed", "missing")
NUMBERS = ("g_min", "g_max", "v_read", "t_read", "v_set", "v_reset", "t_write")
PARTS = ("update", "programming", "retention", "noise", "iv", "faults", "endurance", "thermal")
SPREADS = ("d2d", "c2c")  # whether the scatter from device to device, and from cycle to cycle, was measured
FACTS = (*NUMBERS, *PARTS, *SPREADS)
LONGEST = 1000  # characters of a word of an origin: device files come from strangers


@dataclass(frozen=True)
class Origin:
    """Where a number or a part of a device comes from.

    Args:
        status: measured, assumed or missing.
        text: what a reader should know, such as who assumed it: ``"default of ship.Device"``, ``"gong_2018, by the user"``.
        kind: the kind of the measurement, such as ``"pulses"``.
        source, sha256: the name and the digest of the file that it was measured in.
        rows: the rows of that file, in words: ``"rows 2 to 2001"``.

    Raises:
        ParameterError: an unknown status, or a word that is no text, or too long.
    """

    status: Status
    text: str = ""
    kind: str = ""
    source: str = ""
    sha256: str = ""
    rows: str = ""

    def __post_init__(self) -> None:
        check_choice("Origin.status", self.status, STATUSES)
        for name in WORDS:
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > LONGEST:
                raise ParameterError(f"Origin.{name}", f"must be text of at most {LONGEST} characters", got=repr(value)[:80])

    @property
    def where(self) -> str:
        """What it comes from, in words, without the status."""
        place = ", ".join(part for part in (self.source, self.rows) if part)
        said = "; ".join(part for part in (place and f"{self.kind} of {place}" if self.kind else place, self.text) if part)
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in said)

    def __str__(self) -> str:
        return f"{self.status}: {self.where}" if self.where else self.status

    def as_dict(self) -> dict[str, str]:
        """Return its words by name, those that are empty left out."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name)}


WORDS = tuple(f.name for f in fields(Origin) if f.name != "status")
MISSING = Origin("missing")
DEFAULT = Origin("assumed", "default of ship.Device")
USER = Origin("assumed", "by the user")
GIVEN = Origin("assumed", "as the device was made")  # of all of a device that says nothing of origins
HEADS = ("part", "value", "status", "from")
TOGETHER = {
    GIVEN: "As the device was made",
    DEFAULT: "Assumed, defaults of ship.Device",
    MISSING: "Missing",
}  # in one sentence each


class Origins(Mapping[str, Origin]):
    """The origins of a device, with what tells the values apart of which they were said.

    Args:
        said: the origins by name.
        of: for each of them the digest of its value.
    """

    def __init__(self, said: Mapping[str, Origin], of: Mapping[str, str | None]) -> None:
        self._said, self.of = dict(said), dict(of)

    def __getitem__(self, name: str) -> Origin:
        return self._said[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)

    def __repr__(self) -> str:
        return repr(self._said)


def settled(where: str, origins: Mapping[str, Origin], device: Any) -> Origins:
    """Return the origins of a device as its values are now, by the rule of this module.

    Args:
        where: the name of the device in errors.
        origins: the origins given: those of another device, from which this one was copied, or new ones.
        device: the device, with all of its numbers and parts.

    Raises:
        ParameterError: an unknown name, or a value that is no `Origin`.
    """
    check_origins(where, origins)
    if not origins:
        return Origins({}, {})
    of = {name: _digest(device, name) for name in FACTS}
    before = origins.of if isinstance(origins, Origins) else {}
    said = {}
    for name in (name for name in FACTS if name in origins):
        there = of[name] is not None
        if name in before and before[name] != of[name]:
            said[name] = USER if there or name not in ("update", *SPREADS) else MISSING
        elif name == "update" and not there:
            said[name] = MISSING
        else:
            said[name] = USER if there and name in PARTS and origins[name].status == "missing" else origins[name]
    return Origins(said, of)


def check_origins(where: str, origins: Mapping[str, Origin]) -> None:
    """Refuse origins of what no device has.

    Raises:
        ParameterError: an unknown name, or a value that is no `Origin`.
    """
    for name, origin in origins.items():
        if name not in FACTS:
            raise ParameterError(f"{where}.origins", f"no device has a {name!r}", fix=suggest(str(name), FACTS))
        if not isinstance(origin, Origin):
            raise ParameterError(f"{where}.origins[{name!r}]", "must be an Origin", got=repr(origin))


def origin_of(device: Any, name: str) -> Origin:
    """Return where a number or a part of a device comes from; what it says nothing of is the user's.

    Args:
        device: the device.
        name: a name of `FACTS`: one of `Device`, or ``"d2d"``, ``"c2c"``.

    Raises:
        ParameterError: an unknown name.
    """
    if name not in FACTS:
        raise ParameterError(f"{device.name}: origin", f"no device has a {name!r}", fix=suggest(str(name), FACTS))
    stated: Origin = device.origins.get(name, USER if device.origins else GIVEN)
    return stated


def stated(device: Any, names: tuple[str, ...]) -> list[str]:
    """Return in words where some numbers and parts of a device come from, those with one origin together.

    Args:
        device: the device.
        names: names of `FACTS`.

    Returns:
        Such as ``["v_read: measured: iv of iv.csv", "v_set, t_write: assumed: default of ship.Device"]``; nothing for a device
        that says nothing of origins.
    """
    by: dict[Origin, list[str]] = {}
    for name in names if device.origins else ():
        by.setdefault(origin_of(device, name), []).append(name)
    return [f"{', '.join(own)}: {origin}" for origin, own in by.items()]


@dataclass(frozen=True)
class Fact:
    """A number or a part of a device, in words, with its origin."""

    name: str
    value: str
    origin: Origin


@dataclass(frozen=True)
class Known:
    """What is known about a device: ``print`` shows a table, of each part its value, its status and what it comes from.

    Args:
        name: the name of the device.
        facts: its numbers, parts and spreads, in the order of `FACTS`.
    """

    name: str
    facts: tuple[Fact, ...]

    def names(self, status: Status) -> tuple[str, ...]:
        """Return the names with a status: measured, assumed or missing."""
        check_choice("Known.names: status", status, STATUSES)
        return tuple(fact.name for fact in self.facts if fact.origin.status == status)

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """The rows of the table, of what was measured or assumed by name: name, value, status and source."""
        return [(f.name, f.value or "-", f.origin.status, f.origin.where or "-") for f in self.facts if f.origin not in TOGETHER]

    @property
    def rest(self) -> list[str]:
        """What is said in one sentence each: what is as it was made, the defaults, and what is missing."""
        lines = []
        for origin, text in TOGETHER.items():
            own = [f for f in self.facts if f.origin == origin and (f.value or origin == MISSING)]
            listed = ", ".join(f.name if origin == MISSING else f"{f.name} {f.value}" for f in own)
            lines += [f"{text}: {listed}."] if own else []
        return lines

    def __str__(self) -> str:
        rows = [HEADS, *self.rows] if self.rows else []
        widths = [max(len(row[k]) for row in rows) for k in range(3)] if rows else []
        lines = ["  ".join([*(f"{cell:{w}}" for cell, w in zip(row[:3], widths, strict=True)), row[3]]) for row in rows]
        return "\n".join([f"What is known about {self.name!r}", *lines, *self.rest])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rest = "".join(f"<p>{escape(line)}</p>" for line in self.rest)
        return html_table(f"What is known about {self.name!r}", HEADS, self.rows) + rest

    def as_dict(self) -> dict[str, dict[str, str]]:
        """Return the origins as plain text by name (JSON)."""
        return {fact.name: fact.origin.as_dict() for fact in self.facts}


def known(device: Any) -> Known:
    """Return what is known about a device, part by part; see `Device.known`."""
    return Known(device.name, tuple(Fact(name, _said(device, name), origin_of(device, name)) for name in FACTS))


def _said(device: Any, name: str) -> str:
    """Return a number or a part of a device in words."""
    if name in SPREADS:
        return ", ".join(_spreads(device, name))
    value = getattr(device, name)
    if name in PARTS:
        if value is None:
            return "" if origin_of(device, name).status == "missing" else "none"
        return "" if _digest(device, name) is None else type(value).__name__
    unit = declared(type(device))[0][name].unit
    if not isinstance(value, Varied):
        return f"{_number(value)} {unit}"
    parts = [f"{value.d2d:.3g} d2d"] if value.d2d else []
    parts += [f"{value.d2d_abs:.3g} {unit} d2d"] if value.d2d_abs else []
    parts += [f"{value.c2c:.3g} c2c"] if value.c2c else []
    parts += [f"{value.c2c_abs:.3g} {unit} c2c"] if value.c2c_abs else []
    return f"{_number(value.nominal)} {unit}" + (f" ({', '.join(parts)})" if parts else "")


def _number(value: Any) -> str:
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError, RuntimeError):  # a distribution, or a tensor of several numbers
        return type(value).__name__


def _spreads(device: Any, name: str) -> dict[str, Any]:
    """Return the spreads of a device's numbers and parameters, from device to device or from cycle to cycle."""
    found: dict[str, Any] = {}
    for part, made in device.parts.items():
        for parameter in declared(type(made))[0]:
            value = getattr(made, parameter)
            where = f"{part}.{parameter}".lstrip(".")
            if isinstance(value, Varied):
                spread = [getattr(value, name), getattr(value, f"{name}_abs")]
                if any(spread):
                    found[where] = spread
            elif isinstance(value, Distribution) and name == "d2d":
                found[where] = value
    return found


def _digest(device: Any, name: str) -> str | None:
    """Return what tells a number or a part of a device from others; None: the part is not there.

    The spread from cycle to cycle is that of parameters, and of parts that act by chance (the noise of an update, of a read).
    """
    from .update.unmeasured import Unmeasured

    value = getattr(device, name) if name not in SPREADS else _spreads(device, name)
    if name == "c2c":
        value |= {part: getattr(device, part) for part, made in device.parts.items() if part and made.normals}
    if value is None or isinstance(value, Unmeasured) or (name in SPREADS and not value):
        return None
    return json.dumps(Digest().encode(f"{device.name}.{name}", value), sort_keys=True)
