"""The command ``ship``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from ..base.errors import ShipError
from . import reading_options as reading
from . import subject_options as subject
from .bench.cases import listing
from .require_command import require

app = typer.Typer(
    help="Emulate spiking networks built from devices and circuits: would one work, and how good must the devices be?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


# What several commands share.
Chips = Annotated[int, typer.Option(min=2, help="Number of virtual chips.")]
Epochs = Annotated[int, typer.Option(min=1, help="Number of epochs of training.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder that the figures are written to.")] = Path("demo-output"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split of the digits, the weights and the devices.")] = 0,
    chips: Chips = 32,
    epochs: Epochs = 60,
    progress: Annotated[bool, typer.Option(help="Draw progress bars, on a terminal.")] = True,
) -> None:
    """Train a network to read digits, write it to HfO2 memory on virtual chips, and find how good that must be."""
    from .demo import run

    run(out, seed=seed, chips=chips, epochs=epochs, progress=progress)


def _named(where: str, what: str, name: str, known: Mapping[str, Any], *, width: int) -> bool:
    """Tell whether one of those known is named; without a name print them all, each with the first line of its docstring.

    Raises:
        ShipError: none of them has this name.
    """
    from ..base.errors import suggest

    if not name:
        print("\n".join(f"{key:{width}} {(each.__doc__ or '').strip().splitlines()[0]}" for key, each in known.items()))
    elif name not in known:
        raise ShipError(where, f"no {what} named {name!r}", fix=suggest(name, known))
    return bool(name)


@app.command()
def describe(
    model: Annotated[str, typer.Argument(help="Name of a model, e.g. LIF; without it the models are listed.")] = "",
) -> None:
    """List the models, or show parameters, states and ports of one, with units, limits and defaults."""
    from ..groups.describe import describe as table
    from ..network.files.files import library_models

    known = library_models()
    if _named("ship describe", "model", model, known, width=18):
        print(table(known[model]))


@app.command()
def devices(
    name: Annotated[str, typer.Argument(help="Name of a device, e.g. pcm; without it the devices are listed.")] = "",
) -> None:
    """List the devices of the library, or print the device file of one, to keep and to edit."""
    from ..devices import library
    from ..devices.files import device_text

    known = library()
    if _named("ship devices", "device", name, known, width=20):
        print(device_text(known[name]()), end="")


@app.command()
def cache(clear: Annotated[bool, typer.Option("--clear", help="Remove the kernels.")] = False) -> None:
    """Show how many compiled kernels are kept on disk, and where, or remove them."""
    from ..base.native import cache as compiled

    found = compiled.contents()
    print(f"{compiled.folder()}: {len(found)} files, {sum(size for _, size in found) / 2**20:.1f} MiB")
    if clear:
        print(f"removed {compiled.clear()} files")


@app.command(epilog=f"The cases:\n\n{listing()}")
def bench(
    cases: Annotated[list[str] | None, typer.Argument(help="Cases; without any, all of them.", metavar="[CASE]...")] = None,
    engine: Annotated[str, typer.Option(help="Engine to measure: reference, fused or both.")] = "both",
    peers: Annotated[str, typer.Option(help="Python interpreter of an environment with other simulators, to compare with.")] = "",
    out: Annotated[Path | None, typer.Option(help="File that the results are written to as well.")] = None,
    repeat: Annotated[int | None, typer.Option(min=1, help="Number of rounds; by default each case has its own.")] = None,
    quick: Annotated[bool, typer.Option(help="Measure small sizes, to see that all works.")] = False,
) -> None:
    """Measure time and memory beside other simulators and matrix products; print a JSON line per case and engine."""
    from .bench import harness
    from .bench.cases import choose

    chosen = choose(cases or [])
    sides = harness.ship_sides(engine)
    if peers:
        sides += harness.peer_sides(peers, Path("benchmarks/peers"))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("")
    for row in harness.run(chosen, sides, repeat=repeat, quick=quick):
        line = json.dumps(row)
        print(line, flush=True)
        if out is not None:
            with out.open("a") as file:
                print(line, file=file)


@app.command()
def fit(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Measurement to fit: .csv, .tsv, .txt, .xlsx or .npz; several with a --label are one; several, each of its own "
            "kind, or a project file (.toml), make one device.",
            metavar="FILE...",
        ),
    ],
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
    out: Annotated[Path, typer.Option(help="Folder that report.json, figure.png and device.toml are written to.")] = Path(
        "fit-output"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    replicates: reading.Replicates = 200,
    assume: reading.Assume = None,
    take: reading.Take = None,
) -> None:
    """Fit compact models to a measurement; write a report, a figure and, where a model fits, a device file.

    Several measurements of one device make one device file, each part from its own measurement.
    """
    from ..devices.reading.spelling import for_command
    from .fit import measured

    given = reading.given("fit", locals())
    assumed, taken = reading.pairs("fit", "--assume", assume), reading.pairs("fit", "--take", take)
    with for_command():
        found = measured(files, given, seed, name=out.name, assume=assumed, take=taken)
        print("Written: " + ", ".join(str(path) for path in found.save(out)))


@app.command()
def ask(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Device file (.toml); measurements to fit, or a project file (.toml), of one device; several device files are "
            "compared.",
            metavar="FILE...",
        ),
    ],
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
    task: subject.TaskName = "digits",
    task_option: subject.TaskOption = None,
    network: subject.NetworkFile = None,
    trained: subject.Trained = False,
    data: subject.Data = None,
    test_samples: subject.TestSamples = None,
    chips: Chips = 32,
    limits: Annotated[
        int,
        typer.Option(min=0, help="Number of chips on which one property at a time is made ideal; 0: what limits is left out."),
    ] = 16,
    learn: Annotated[bool, typer.Option(help="Let a layer of weights learn on the chips as well, by pulses.")] = False,
    out: Annotated[
        Path, typer.Option(help="Folder that the page (answer.html), figures, report and device file are written to.")
    ] = Path("answer"),
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the split of the samples, the weights, the devices and the bootstrap.")
    ] = 0,
    epochs: subject.RecipeEpochs = None,
    progress: Annotated[bool, typer.Option(help="Say what is being done, and draw progress bars, on a terminal.")] = True,
) -> None:
    """Find how well a network does whose weights sit in a device, from a measurement or a device file.

    The network is one that reads digits, that of another --task, or one of your own (--network). The answer is the accuracy over
    virtual chips in each way in which the device can be written, and which of its properties limits, for the digits in about a
    minute or two on two free cores. Where a part was not measured, the answer says which, and what --assume would answer it. More
    epochs, more chips, several devices and --learn take longer. On a terminal each stage is announced.
    """
    from ..base.display.stages import Stages
    from ..devices.reading.spelling import for_command
    from . import ask as question
    from .asked import devices_of

    given = reading.given("ask", locals())
    plain = given == reading.given("ask", {})
    assumed, taken = reading.pairs("ask", "--assume", assume), reading.pairs("ask", "--take", take)
    stages = Stages(progress)
    with for_command():
        with stages.stage("read the devices"):
            devices = devices_of(files, given, plain=plain, seed=seed, out=out, assumed=assumed, take=taken)
        question.ask(devices, out, subject.of("ask", locals()), chips=chips, limits=limits, learn=learn, progress=progress)


@app.command()
def look(
    files: Annotated[list[Path], typer.Argument(help="Files of a measurement; several are looked at as one.")],
    decimal: reading.Decimal = None,
    sheet: reading.Sheet = None,
    instrument: reading.Instrument = None,
) -> None:
    """Show what is in a file: format, columns with units and ranges, first rows, and the command that could fit it."""
    from ..devices.reading.spelling import for_command
    from .look import show

    given = reading.given("look", locals())
    with for_command():
        show(files, decimal=given["decimal"], sheet=given["sheet"], instrument=given["instrument"])


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Python file with models, learning rules or parts of devices; it is imported.")],
    names: Annotated[list[str] | None, typer.Argument(help="Classes to check; without any, all that the file defines.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Name of a check to leave out, e.g. engines; repeat it.")] = None,
) -> None:
    """Check your own models, rules and device parts against what the engines rely on; exit with 1 where a check fails."""
    from .check import run

    if not run(file, names or (), skip or ()):
        raise typer.Exit(1)


@app.command()
def study(
    name: Annotated[
        str, typer.Argument(help="Name of a study, or a Python file with one of your own; without it the studies are listed.")
    ] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Start from the small settings, to see that all works.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all draws; 0 where it is left out.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with data sets; default: SHIP_DATA, then the cache.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder that results are written to; default: study-NAME.")] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Record of an earlier run (run.json): run it again, and compare number by number.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting of the study; repeat it.", metavar="KEY=VALUE")
    ] = None,
    progress: Annotated[bool, typer.Option(help="Say what is being done, and draw progress bars, on a terminal.")] = True,
) -> None:
    """Run a study: figures, tables, and run.json, from which it can be run again; exit with 1 where a replay differs."""
    from . import study as studies

    if replay is not None:
        if name or quick or set_ or seed is not None:
            raise ShipError("ship study --replay", "takes study, settings and seed from the record", fix="Leave them out.")
        if not studies.replay(replay, out, data=data, progress=progress):
            raise typer.Exit(1)
    elif name:
        studies.run(name, out, quick=quick, seed=seed or 0, data=data, changes=set_ or (), progress=progress)
    else:
        print(studies.listing())


app.command()(require)


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="Python file with AXES and a function point, or with SPACE, TRIALS and point.")],
    workers: Annotated[int | None, typer.Option(min=0, help="Processes on this machine; default: one for each core.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each; default: its share of the cores.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, e.g. tcp://head:8786.")] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(help="Hand in jobs of SLURM: cores=8, memory=16GB, jobs=4, queue=...; repeat it.", metavar="KEY=VALUE"),
    ] = None,
    show_job: Annotated[bool, typer.Option("--show-job", help="Print the job that SLURM would be given, and end.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder that results are kept in; default: sweep-FILE.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two values of each axis and one seed, or four trials.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Do again what failed before.")] = False,
    keep_changed: Annotated[bool, typer.Option("--keep-changed", help="Keep results of an earlier version of FILE.")] = False,
    progress: Annotated[bool, typer.Option(help="Draw a progress bar, on a terminal.")] = True,
) -> None:
    """Run a function of FILE over a grid of parameters and seeds, or in search of the best; go on where an earlier call ended.

    AXES = {"tau": [0.01, 0.02]} names parameters and their values, SEEDS = 10 the number of seeds, and point(tau, seed) returns a
    number or a table of numbers. SPACE = {"lr": Between(1e-4, 1e-1, log=True)} and TRIALS = 100 make it a search.
    """
    from . import sweep as sweeps

    if show_job:
        print(sweeps.job_script(slurm or ()), end="")
        return
    sweeps.run(
        file,
        out,
        workers=workers,
        threads=threads,
        scheduler=scheduler,
        slurm=slurm or (),
        quick=quick,
        retry=retry,
        keep_changed=keep_changed,
        progress=progress,
    )


@app.command()
def version() -> None:
    """Print the version number of SHIP."""
    print(__version__)


def main() -> None:
    """Run the command line; a mistake of the user is one line on standard error, not a traceback."""
    try:
        app()
    except ShipError as error:
        print(f"ship: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
