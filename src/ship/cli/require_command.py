"""The command ``ship require``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import reading_options as reading
from . import subject_options as subject


def require(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="The device that is marked: a device file (.toml), measurements to fit, or a project file; it may be left out.",
            metavar="[FILE]...",
        ),
    ] = None,
    task: subject.TaskName = "digits",
    task_option: subject.TaskOption = None,
    network: subject.NetworkFile = None,
    trained: subject.Trained = False,
    data: subject.Data = None,
    test_samples: subject.TestSamples = None,
    drop: Annotated[float, typer.Option(help="Fall of the accuracy that is allowed: 0.02 for two points.")] = 0.02,
    axis: Annotated[list[str] | None, typer.Option(help="Look at this imperfection only; repeat it for several.")] = None,
    pair: Annotated[bool, typer.Option(help="Look for the two imperfections that together need the tightest values.")] = True,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds after writing at which the drift of the device is marked.")
    ] = 86400.0,
    chips: Annotated[int, typer.Option(min=2, help="Number of virtual chips at each value near the required one.")] = 32,
    out: Annotated[Path, typer.Option(help="Folder that require.html and require.json are written to.")] = Path("require"),
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the split of the samples, the weights, the chips and the bootstrap.")
    ] = 0,
    epochs: subject.RecipeEpochs = None,
    progress: Annotated[bool, typer.Option(help="Say what is being done, and draw progress bars, on a terminal.")] = True,
    kind: reading.Kind = "",
    column: reading.Column = None,
    unit: reading.Unit = None,
    label: reading.Label = None,
    only: reading.Only = None,
    g_min: reading.GMin = None,
    g_max: reading.GMax = None,
    scale: reading.Scale = None,
    shunt: reading.Shunt = None,
    v_read: reading.VRead = None,
    series_resistance: reading.SeriesResistance = None,
    compliance: reading.Compliance = None,
    skip_empty: reading.SkipEmpty = False,
    decimal: reading.Decimal = None,
    sheet: reading.Sheet = None,
    instrument: reading.Instrument = None,
    replicates: reading.Replicates = 200,
    assume: reading.Assume = None,
    take: reading.Take = None,
) -> None:
    """Find how good devices, wires and neurons must be for a network and its task, and where your device stands.

    For each imperfection the value is sought at which the mean accuracy of chips has fallen by --drop, all others ideal, then for
    the two that together need the tightest values. A device is marked on each axis with where its number is from; the sheet says
    on which it fails first, and what would mend that, measured. For the digits it takes two to four minutes on two free cores.
    """
    from ..devices.reading.spelling import for_command
    from .require import run

    given = reading.given("require", locals())
    plain = given == reading.given("require", {})
    asked = subject.of("require", locals())
    assumed, taken = reading.pairs("require", "--assume", assume), reading.pairs("require", "--take", take)
    with for_command():
        run(
            asked,
            files or [],
            {"given": given, "plain": plain, "assumed": assumed, "take": taken},
            out,
            search={"drop": drop, "chips": chips, "pair": pair, "wait": wait} | ({"axes": tuple(axis)} if axis else {}),
            progress=progress,
        )
