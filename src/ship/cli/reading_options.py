"""How the command line says how a measurement is to be read: the options that `fit`, `ask` and `look` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..base.errors import ShipError

Kind = Annotated[
    str,
    typer.Option(
        help="Kind of measurement: pulses, retention, iv, endurance, statistics, map or f-I; by default the columns tell."
    ),
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        help="What a column holds, by header or number: up=conductance_up, on=2; several columns: conductance=3:55, "
        "current=3:, current='I*'. Repeat it for several quantities.",
        metavar="ROLE=COLUMN",
    ),
]
Unit = Annotated[
    list[str] | None,
    typer.Option(help="Unit of the numbers, e.g. uS; time=s and the like where there are several.", metavar="[QUANTITY=]UNIT"),
]
Label = Annotated[
    list[str] | None,
    typer.Option(
        help="What no column says: device=M1; device=file, cycle=sheet or device=column for their names; "
        "stage=before,after or 'time=0 s,24 h' for files in their order.",
        metavar="ROLE=LABEL",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        help="Use only rows that meet this, in the numbers of the file: state=on, 'V>4', 'cycle<=100'; repeat it for several.",
        metavar="CONDITION",
    ),
]
GMin = Annotated[float | None, typer.Option(help="Conductance (S) that the first number of --scale stands for.")]
GMax = Annotated[float | None, typer.Option(help="Conductance (S) that the second number of --scale stands for.")]
Scale = Annotated[tuple[float, float] | None, typer.Option(help="Two numbers of normalised data: those at --g-min and --g-max.")]
Shunt = Annotated[float | None, typer.Option(help="Resistance (ohm) of the shunt, where iv is measured by its voltage.")]
VRead = Annotated[
    float | None,
    typer.Option(help="Voltage (V) at which states were read: makes conductances of currents; states of iv are compared there."),
]
SeriesResistance = Annotated[
    float | None, typer.Option(help="Resistance (ohm) in series with the device, which is taken off.", metavar="OHM")
]
Compliance = Annotated[float | None, typer.Option(help="Largest current (A) that the instrument let through, for iv.")]
SkipEmpty = Annotated[
    bool, typer.Option("--skip-empty", help="Leave rows out that have no value in a column that is used, and count them.")
]
Decimal = Annotated[str | None, typer.Option(help="Decimal sign of the numbers, '.' or ','; by default what the file shows.")]
Sheet = Annotated[list[str] | None, typer.Option(help="Sheet of an .xlsx file, repeated for several; all for all of one form.")]
Instrument = Annotated[
    str | None, typer.Option(help="Instrument that wrote the file, or a description of it (.toml); by default the file tells.")
]
Replicates = Annotated[int, typer.Option(min=20, help="Number of bootstrap replicates.")]

Assume = Annotated[
    list[str] | None,
    typer.Option(help="What to assume of what was not measured, e.g. update=gong_2018; repeat it.", metavar="PART=DEVICE"),
]
Take = Annotated[
    list[str] | None,
    typer.Option(help="The file that a part is taken from where several measure it, e.g. window=iv.csv.", metavar="PART=FILE"),
]


def given(command: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the options of a command into arguments of `fitting.fit`; those that the command does not have are left out.

    Raises:
        ShipError: an option that must be two words with = between them is not.
    """
    plain = ("g_min", "g_max", "scale", "shunt", "v_read", "series_resistance", "compliance", "decimal", "instrument")
    return {name: options.get(name) for name in plain} | {
        "kind": options.get("kind") or None,
        "columns": pairs(command, "--column", options.get("column")),
        "unit": _units(command, options.get("unit")),
        "label": pairs(command, "--label", options.get("label")),
        "only": options.get("only") or None,
        "sheet": _sheet(options.get("sheet")),
        "skip_empty": options.get("skip_empty", False),
        "replicates": options.get("replicates", 200),
    }


def pairs(command: str, name: str, words: Sequence[str] | None) -> dict[str, str]:
    """Return the pairs that an option was given, each ``LEFT=RIGHT``.

    Raises:
        ShipError: it is no such pair, or one left side was given twice.
    """
    found: dict[str, str] = {}
    for word in words or []:
        left, right = _pair(command, name, word)
        if left in found:
            raise ShipError(f"ship {command}: {name}", f"says {left!r} twice", got=f"{found[left]}, {right}")
        found[left] = right
    return found


def source(files: Sequence[Path]) -> Any:
    """Return the source that files are: one path, or several."""
    return files[0] if len(files) == 1 else list(files)


def one_measurement(files: Sequence[Path], options: Mapping[str, Any]) -> bool:
    """Return whether several files are one measurement: its devices, cycles, stages or times, as a label or a kind says.

    Args:
        files: the files of the command.
        options: what `given` returned.
    """
    return len(files) == 1 or bool(options["label"]) or options["kind"] is not None or bool(options["columns"])


def _sheet(words: Sequence[str] | None) -> Any:
    return None if not words else words[0] if len(words) == 1 else list(words)


def _units(command: str, words: Sequence[str] | None) -> str | dict[str, str] | None:
    units = pairs(command, "--unit", [u for u in words or [] if "=" in u])
    single = [u for u in words or [] if "=" not in u]
    if len(single) > 1 or (single and units):
        raise ShipError(f"ship {command}: --unit", "takes one unit, or QUANTITY=UNIT for each", got=", ".join(words or []))
    return single[0] if single else units or None


def _pair(command: str, name: str, text: str) -> tuple[str, str]:
    left, sign, right = text.partition("=")
    if not (left and sign and right):
        raise ShipError(f"ship {command}: {name}", "must be two words with = between them", got=repr(text))
    return left, right
