"""The table of published measurement files: what the tool suggests for each, what it finds, and what is right.

``make lab`` prints it, the tests check it. The files are in the folder that the environment variable ``SHIP_DATA`` names; their
right values were derived without SHIP.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import commands
import ship


@dataclass(frozen=True)
class Right:
    """A right value: which number of the fit it is, the value, and by how much of it the found one may differ."""

    what: str
    value: float
    within: float = 0.01
    magnitude: bool = False  # whether the sign is left open


@dataclass(frozen=True)
class Case:
    """Files of one measurement, what a user adds to the suggested call (a read voltage), and the right values."""

    files: tuple[str, ...]
    right: tuple[Right, ...]
    options: dict[str, Any] = field(default_factory=dict)
    kind: str = ""  # of the suggestion that is taken: the first, or that of this kind
    refusal: str = ""  # words of the reason why there is no device


CASES = (
    Case(
        ("keithley_cycle_summary.csv",),
        (
            Right("v_set, median", 1.06),
            Right("v_reset, median", 0.90),
            Right("v_reset, cut off", 8, 0),
            Right("on/off, median", 67.5),
            Right("rank correlation v_set, v_reset", 0.52, 0.02),
            Right("rank correlation v_reset, i_on", -0.66, 0.02),
            Right("rank correlation v_set, i_off", -0.53, 0.02),
        ),
    ),
    Case(
        ("keithley_cycle_summary.txt",),
        (Right("v_set, median", 1.06), Right("v_reset, median", 0.90), Right("on/off, median", 67.5)),
    ),
    Case(
        ("keithley_set_run.txt",),
        (Right("on/off, median", 338.5), Right("v_set, median", 1.43, magnitude=True), Right("compliance", 0.5e-3)),
        {"v_read": -0.2},
    ),
    Case(
        ("keithley_set_runs.xlsx",),
        (
            Right("sweeps", 10, 0),
            Right("v_set, median", 1.275, magnitude=True),
            Right("v_set, smallest", 0.66, magnitude=True),
            Right("v_set, largest", 2.42, magnitude=True),
            Right("on/off, median", 439),
            Right("on/off, smallest", 111, 0.02),
            Right("on/off, largest", 75_153, 0.02),
        ),
        {"v_read": -0.2},
    ),
    Case(
        ("rram_endurance_1us.tsv",),
        (
            Right("cycles", 1_005_000, 0),
            Right("on, median resistance", 11.99e3),
            Right("off, median resistance", 99.3e3),
            Right("on/off, median", 8.17),
            Right("on/off, first 100 rows", 12.4),
            Right("on/off, last 100 rows", 8.35),
            Right("rows with on/off below 2", 0.016, 0.03),
        ),
    ),
    Case(
        ("rram_endurance_log_3000.csv",),
        (
            Right("cycles", 3.0e7, 0),
            Right("on, median resistance", 8.42e3),
            Right("off, median resistance", 92.1e3),
            Right("on/off of the medians", 10.9),
        ),
    ),
    Case(
        ("rram_retention_1cell_3000.csv",),
        (
            Right("median", 94.1e-6),
            Right("first, median of 100 reads", 94.94e-6),
            Right("last, median of 100 reads", 93.35e-6),
            Right("scatter of a read (white)", 0.012, 0.05),
        ),
        refusal="one level",
    ),
    Case(
        ("rram_iv_100_cells.tsv",),
        (
            Right("devices", 100, 0),
            Right("slope, median", 69.3e-6),
            Right("slope, 5 %", 15e-6, 0.03),
            Right("slope, 95 %", 120e-6, 0.03),
        ),
        refusal="one way",
    ),
    Case(
        ("rram_prebake85_4096.tsv", "rram_postbake85_4096.tsv"),
        (
            Right("cells", 4096, 0),
            Right("median resistance, rram_prebake85_4096", 15.4e3),
            Right("median resistance, rram_postbake85_4096", 185e3),
            Right("ratio, median", 0.432),
            Right("ratio, 5 % of cells below", 0.0046, 0.02),
            Right("ratio, 95 % of cells below", 1.21),
        ),
        refusal="two stages",
    ),
    Case(("rram_prebake85_4096.tsv",), (Right("cells", 4096, 0), Right("median", 1 / 15.4e3))),
    Case(("rram_postbake85_4096.tsv",), (Right("cells", 4096, 0), Right("median", 1 / 185e3))),
    Case(
        ("retention_rising.xlsx",),
        (Right("first", 21.36e-6), Right("last", 24.06e-6), Right("change, first to last", 0.126)),
        refusal="one level",
    ),
    Case(
        tuple(f"knowm_sdc_5k_100Hz_M{k}.csv" for k in (1, 2, 3)),
        (Right("devices", 3, 0), Right("on/off, median", 26.5), Right("on/off, smallest", 8.3), Right("on/off, largest", 63)),
        {"v_read": 0.1},
    ),
    *(
        Case((f"knowm_sdc_5k_100Hz_M{k}.csv",), (Right("on/off, median", ratio),), {"v_read": 0.1})
        for k, ratio in ((1, 63), (2, 26.5), (3, 8.3))
    ),
    Case(
        ("pulses_current_53_devices.xlsx",),
        (
            Right("devices", 53, 0),
            Right("up, first read", 0.17e-9, 0.03),
            Right("up, last read", 1.81e-9),
            Right("down, last read", 0.18e-9, 0.03),
            Right("up, ratio of its ends", 10.7),
            Right("up, spread of the last read over devices", 0.033, 0.03),
            Right("down, spread of the last read over devices", 0.16, 0.03),
            Right("up, share of steps that rise", 0.77),
        ),
    ),
    Case(
        ("pulses_current_40_states.xlsx",),
        (
            Right("up, first read", 2.2e-3, 0.03),
            Right("up, last read", 54.9e-3),
            Right("up, ratio of its ends", 24.6),
            Right("scatter around neighbours", 0.005, 0.3),
        ),
    ),
    Case(
        ("yflash_96_devices.txt",),
        (
            Right("devices", 96, 0),
            Right("down, first read", 1.056e-6),
            Right("down, last read", 0.92e-9),
            Right("down, pulses", 37),
            Right("up, pulses", 24),
            Right("down, ratio of its ends", 1151),
            Right("down, slope of ln G", -0.199, 0.03),
            Right("down, spread of that slope over devices", 0.216, 0.03),
        ),
    ),
    Case(("easyexpert_graphene_iv.csv",), (Right("resistance, median", 0.761e6),), refusal="one way"),
)


def folder() -> Path | None:
    """The folder of the files, where it is there."""
    data = os.environ.get("SHIP_DATA")
    found = Path(data) / "lab" if data else None
    return found if found is not None and found.is_dir() else None


def found(case: Case, where: Path, **options: Any) -> tuple[str, ship.Found]:
    """The command that the tool suggests for the files, and what it finds when it is run as printed."""
    paths = [str(where / name) for name in case.files]
    command = commands.suggestion(paths[0] if len(paths) == 1 else paths, case.kind)
    return command, commands.run(command, **(case.options | options))


def compared(case: Case, made: ship.Found) -> Iterator[tuple[Right, float, bool]]:
    """Each right value with the one that was found, and whether it is within."""
    for right in case.right:
        value = made.summary[right.what].value
        seen = abs(value) if right.magnitude else value
        yield right, value, abs(seen - right.value) <= right.within * abs(right.value) + 1e-12


def honest(case: Case, refused: str | None) -> bool:
    """Whether no device was made for the reason that is right, where one is."""
    return not case.refusal or (refused is not None and case.refusal in refused)


def main(say: Callable[[str], None] = print) -> int:
    """Print the table; 1 where a value is not right, or the files are missing."""
    where = folder()
    if where is None:
        say("SHIP_DATA names no folder with measurement files in lab/")
        return 1
    wrong = 0
    for case in CASES:
        command, made = found(case, where)
        more = "".join(f" --{key.replace('_', '-')} {value}" for key, value in case.options.items())
        say(f"\n{', '.join(case.files)}: {made.kind}\n  {command.replace(f'{where}/', '')}{more}")
        for right, value, good in compared(case, made):
            wrong += not good
            verdict = "right" if good else "WRONG"
            say(f"  {verdict}  {right.what:45} {value:<12.5g} right: {right.value:g} within {right.within:.0%}")
        refused = made.refusal()
        if not honest(case, refused):
            wrong += 1
            say(f"  WRONG  a device, or another reason: {refused}")
        say(f"  {'device' if refused is None else 'no device: ' + refused}")
    say(f"\n{wrong} wrong" if wrong else "\nall right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
