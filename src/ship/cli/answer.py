"""The answer of ``ship ask`` as a table, a figure, sentences and numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import plot
from ..base.atomic_write import write_figure
from ..base.statistics import Interval
from ..devices.array.array import DeviceArray
from ..devices.device import Device
from ..devices.provenance import GIVEN, Origin, stated
from ..study import Conditions, Row, summary, yield_at
from ..study.conditions import percent

GOOD = 0.95  # a chip is good at this share of the accuracy in floating point
VOLTAGES = ("v_set", "v_reset", "t_write")


def safe(name: str) -> str:
    """Return a device's name as that of a folder."""
    return re.sub(r"[^\w.-]+", "_", name).strip(".") or "device"


def show(console: Any, found: Conditions, rows: Sequence[Row], exact: Interval, out: Path, lines: Mapping[str, float]) -> None:
    """Print table and sentences of a device, and draw its figure.

    Args:
        console: what prints.
        found: the conditions of the device.
        rows: the rows, with those that were measured besides.
        exact: the accuracy in floating point.
        out: folder for the figure.
        lines: accuracies to compare with, by name.
    """
    console.print(_table(found, rows, exact))
    tried = [limit.chips for limit in found.limits if limit.row == found.base]
    how = f" ({found.base}, {tried[0]} chips, one property ideal at a time)" if tried else ""
    console.print(f"Limits{how}: {found.limiting()}.", highlight=False, soft_wrap=True)
    for line in [*found.notes, *effort(found)]:
        console.print(line, highlight=False, soft_wrap=True)
    numbers = [row for row in rows if row.chips is not None]
    if not numbers:
        return
    figure = plot.accuracy(
        [row.name for row in numbers],
        [summary(row.chips).mean for row in numbers if row.chips is not None],
        chips=[row.chips for row in numbers if row.chips is not None],
        lines=lines,
        title=f"{found.device.name}: {found.chips} virtual chips",
    )
    out.mkdir(parents=True, exist_ok=True)
    write_figure(out / "chips.png", figure)


def numbers(found: Conditions, rows: Sequence[Row], exact: Interval, seed: int, seconds: float) -> dict[str, Any]:
    """Return the answer for a machine: accuracies are fractions, limits differences of them."""
    origins = {name: origin.as_dict() for name, origin in found.device.origins.items()}
    return {
        "device": found.device.name,
        "chips": found.chips,
        "seed": seed,
        "floating_point": [round(v, 4) for v in exact],
        "conditions": {row.name: _row(row, exact.value) for row in rows if row.chips is not None},
        "unknown": {row.name: row.text for row in rows if row.chips is None},
        "limits": [
            {"property": x.name, "condition": x.row, "gain": [round(v, 4) for v in x.gain], "chips": x.chips, "limits": x.counts}
            for x in found.limits
        ],
        "assumed": {name: origin.where for name, origin in found.device.origins.items() if _by_someone(origin)},
        "origins": origins,
        "seconds": round(seconds, 1),
    }


def _by_someone(origin: Origin) -> bool:
    return origin.status == "assumed" and origin != GIVEN


def _row(row: Row, exact: float) -> dict[str, Any]:
    assert row.chips is not None
    mean, worst, best, std, _ = summary(row.chips)
    return {
        "mean": [round(v, 4) for v in mean],
        "worst": round(worst, 4),
        "best": round(best, 4),
        "std": round(std, 4),
        "yield": [round(v, 4) for v in yield_at(row.chips, GOOD * exact)],
        "weight_error": None if row.off is None else float(f"{row.off:.3g}"),
        "how": row.text,
    }


def _table(found: Conditions, rows: Sequence[Row], exact: Interval) -> Any:
    from rich.table import Table

    table = Table(title=f"{found.device.name}, {found.chips} virtual chips")
    for column in ("weights", "mean", "95 % interval", "worst", "best", f"yield at {GOOD * exact.value:.1%}", "weight error"):
        table.add_column(column, justify="right")
    table.add_column("how", justify="left")
    table.add_row("floating point", f"{exact.value:.1%}", f"{exact.low:.1%} to {exact.high:.1%}", "", "", "", "", "no device")
    for row in rows:
        if row.chips is None:
            table.add_row(row.name, "-", "", "", "", "", "", row.text)
            continue
        made = _row(row, exact.value)
        value, low, high = made["mean"]
        share, least, most = made["yield"]
        table.add_row(
            row.name,
            f"{value:.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{made['worst']:.1%}",
            f"{made['best']:.1%}",
            f"{share:.0%} ({least:.0%} to {most:.0%})",
            "" if row.off is None else percent(row.off),
            row.text,
        )
    return table


def effort(found: Conditions) -> list[str]:
    """Say how many pulses and how much energy the last writing took, and whose the voltages are."""
    written = found.written
    n = sum(w.pulses.numel() for w in written.values())
    if not n:
        return []
    pulses = sum(float(w.pulses.double().sum()) for w in written.values()) / n
    failed = sum(float(w.failed.double().sum()) for w in written.values()) / n
    energy = sum(float(w.energy.double().sum()) for w in written.values()) / n
    nominal = DeviceArray(found.device, 1, variation=False).values.of("")
    volts = f"{float(nominal.v_set):g} V and {float(nominal.v_reset):g} V for {float(nominal.t_write):g} s"
    missed = ""
    if found.verify is not None:
        missed = f"; {failed:.2%} of them missed their target by more than {found.verify.tolerance:.0%} of the window"
    return [
        f"Writing ({found.wrote}) took {pulses:.1f} pulses or writes for a device{missed}. With pulses of {volts} "
        f"({_whose(found.device)}) that is {energy:.2g} J in a device."
    ]


def _whose(device: Device) -> str:
    """Say where the voltages of the pulses come from."""
    said = stated(device, VOLTAGES)
    return "; ".join(said) if said else "as the device says"
