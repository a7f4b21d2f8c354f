"""What is known about a device, part by part: what was measured, what was assumed and by whom, and what is missing.

A device that was fitted says of each of its numbers and parts where it comes from (`Device.origins`). What is missing is not
ideal: whoever uses it must say what to take in its place. A device written by hand has no origins: all of it is the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..base.checks import check_choice
from ..base.errors import ParameterError

Status = Literal["measured", "assumed", "missing"]
STATUSES: tuple[Status, ...] = ("measured", "assumed", "missing")
NUMBERS = ("g_min", "g_max", "v_read", "t_read", "v_set", "v_reset", "t_write")
PARTS = ("update", "programming", "retention", "noise", "iv", "faults", "endurance", "thermal")
SPREADS = ("d2d", "c2c")  # whether the scatter from device to device, and from cycle to cycle, was measured
FACTS = (*NUMBERS, *PARTS, *SPREADS)


@dataclass(frozen=True)
class Origin:
    """Where a number or a part of a device comes from.

    Args:
        status: measured, assumed or missing.
        text: what a reader should know, such as who assumed it: ``"default of ship.Device"``, ``"gong_2018, by the user"``.
        kind: the kind of the measurement, such as ``"pulses"``.
        source, sha256: the name and the digest of the file that it was measured in.
        rows: the rows of that file, in words: ``"rows 2 to 2001"``.
    """

    status: Status
    text: str = ""
    kind: str = ""
    source: str = ""
    sha256: str = ""
    rows: str = ""

    def __post_init__(self) -> None:
        check_choice("Origin.status", self.status, STATUSES)

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.source, self.rows) if part)
        told = "; ".join(part for part in (where and f"{self.kind} of {where}" if self.kind else where, self.text) if part)
        return f"{self.status}: {told}" if told else self.status


MISSING = Origin("missing")
DEFAULT = Origin("assumed", "default of ship.Device")


def check_origins(where: str, origins: Mapping[str, Origin]) -> None:
    """Refuse origins of what no device has.

    Raises:
        ParameterError: an unknown name, or a value that is no `Origin`.
    """
    for name, origin in origins.items():
        if name not in FACTS:
            raise ParameterError(f"{where}.origins", f"must name one of {', '.join(FACTS)}", got=repr(name))
        if not isinstance(origin, Origin):
            raise ParameterError(f"{where}.origins[{name!r}]", "must be an Origin", got=repr(origin))
