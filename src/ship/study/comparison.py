"""Several devices with the same network: what is left in each condition, and what limits each device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..base.checks import check_choice
from ..base.errors import RunError
from ..base.statistics import Interval, mean_interval
from ..devices.device import Device
from ..network.network import Network
from ..network.readout import Readout
from . import ways
from .conditions import WAITS, Conditions, Row, Stage, conditions, percent

COLUMNS = (*ways.WAYS, "after waiting", "weight error")


@dataclass(frozen=True)
class Comparison:
    """Devices, each with its conditions and limits, in the order in which they were given."""

    devices: tuple[Conditions, ...]

    def __getitem__(self, name: str) -> Conditions:
        """Return the conditions of a device by its name."""
        check_choice("Comparison: device", name, [c.device.name for c in self.devices])
        return next(c for c in self.devices if c.device.name == name)

    def ranking(self, row: str) -> list[tuple[str, Interval]]:
        """Return the devices that have a number in a condition, the best first: name, mean over chips with its interval.

        Args:
            row: the name of the condition: one shot, by pulses, level by level, verified, or e.g. "after 1 d".
        """
        found = [(c.device.name, summed.mean) for c in self.devices if (summed := _summary(c, row)) is not None]
        return sorted(found, key=lambda each: -each[1].value)

    def difference(self, a: str, b: str, row: str) -> Interval:
        """Return by how much the chips of device ``a`` are better than those of ``b`` in a condition, with the 95 % interval.

        The chips have the same dies and seeds, and are compared one by one.

        Raises:
            RunError: one of them has no number there.
        """
        chips = [next((r.chips for r in self[name].rows if r.name == row), None) for name in (a, b)]
        if chips[0] is None or chips[1] is None:
            raise RunError("Comparison.difference: row", "must be a condition in which both devices have a number", got=row)
        return mean_interval(chips[0] - chips[1])

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The rows of the table: device, a cell for each condition, and what limits the device."""
        return [
            (
                c.device.name,
                *(_cell(c, name) for name in ways.WAYS),
                _late(c),
                _off(c),
                c.limiting() + (f" ({c.limited})" if c.limited else ""),
            )
            for c in self.devices
        ]

    def table(self, title: str = "") -> Any:
        """Return a `rich` table, which prints as text."""
        from ..base.display.tables import PrintedTable

        table = PrintedTable(title=title or f"{len(self.devices)} devices")
        for column in ("device", *COLUMNS, "limits"):
            table.add_column(column, justify="left" if column in ("device", "limits") else "right")
        for row in self.cells:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Return the table as Markdown."""
        heads = ("device", *COLUMNS, "what limits it (in which condition)")
        lines = [heads, ["---", *["--:"] * len(COLUMNS), "---"], *self.cells]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def compare(
    net: Network,
    devices: Sequence[Device],
    batches: Iterable[Sequence[Any]],
    *,
    chips: int = 32,
    waits: Sequence[float] = WAITS,
    readout: Readout | None = None,
    seed: int | None = None,
    limits: int = 16,
    stage: Stage | None = None,
) -> Comparison:
    """Measure a trained network on virtual chips of several devices, in each condition that each of them allows.

    Args:
        net: a trained network.
        devices: the devices, each with a name of its own.
        batches: test data; it is read several times.
        chips, waits, readout, seed, limits, stage: as for `conditions`.

    Raises:
        RunError: no devices, two of one name, or as `conditions`.
    """
    names = [device.name for device in devices]
    if not names or len(set(names)) < len(names):
        rule = "must be at least one, each with a name of its own"
        fix = "Name one anew: dataclasses.replace(device, name=...)."
        raise RunError("study.compare: devices", rule, got=", ".join(names) or "none", fix=fix)
    common: dict[str, Any] = {"chips": chips, "waits": waits, "readout": readout, "seed": seed, "limits": limits, "stage": stage}
    return Comparison(tuple(conditions(net, device, batches, **common) for device in devices))


def _summary(found: Conditions, row: str) -> Any:
    return next((r.summary for r in found.rows if r.name == row), None)


def _cell(found: Conditions, name: str) -> str:
    row = next((r for r in found.rows if r.name == name), None)
    return "-" if row is None else said(row)


def said(row: Row) -> str:
    """Return a row as a cell of a table: its mean with the interval, or the first words of why there is none."""
    if row.summary is None:
        return row.text.split(":")[0]
    value, low, high = row.summary.mean
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _off(found: Conditions) -> str:
    """Return the error of the weights in the condition that tells most of the device."""
    row = next((r for r in found.rows if r.name == found.base), None)
    return "-" if row is None or row.off is None else f"{percent(row.off)} ({row.name})"


def _late(found: Conditions) -> str:
    late = [r for r in found.rows if r.name.startswith("after ")]
    numbers = [r for r in late if r.chips is not None]
    if numbers:
        return f"{said(numbers[-1])} {numbers[-1].name}"
    return said(late[-1]) if late else "-"
