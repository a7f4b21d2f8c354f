"""How a table is to be read: what the user said of its columns, units, labels and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .conditions import Condition


@dataclass(frozen=True)
class Request:
    """How the columns of a table are to be read.

    Args:
        kind: the kind of measurement.
        columns: what the user said of each role: header, number, range, pattern, or several of these.
        unit: the unit of the main quantity, or of each role or quantity.
        label: labels of rows that no column has, by role (see `labels`).
        only: the conditions that rows must meet.
        skip_empty: whether rows with a cell without a value are left out; else they are an error.
        decimal: the decimal sign; None: what the file shows, else a point.
        v_read: the voltage (V) at which currents were read.
        series_resistance: the resistance (ohm) in series that is taken off.
        shunt: the resistance (ohm) of a shunt, where voltages of shunt and source were measured.
    """

    kind: str
    columns: Mapping[str, str | int | Sequence[str | int]] = field(default_factory=dict)
    unit: str | Mapping[str, str] | None = None
    label: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[Condition, ...] = ()
    skip_empty: bool = False
    decimal: str | None = None
    v_read: float | None = None
    series_resistance: float | None = None
    shunt: float | None = None
