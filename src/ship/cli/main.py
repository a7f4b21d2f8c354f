"""The command ``ship``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from ..base.errors import ShipError
from .bench.cases import listing

app = typer.Typer(
    help="SHIP: would a spiking network built from your device or circuit work?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("demo-output"),
    seed: Annotated[int, typer.Option(min=0, help="Of split, weights and devices.")] = 0,
    chips: Annotated[int, typer.Option(min=2, help="Virtual chips.")] = 32,
    epochs: Annotated[int, typer.Option(min=1, help="Of training.")] = 60,
    progress: Annotated[bool, typer.Option(help="Draw progress bars.")] = True,
) -> None:
    """Train a recurrent network on handwritten digits, write it to HfO2 memory on virtual chips, say how good the memory must
    be.
    """
    from .demo import run

    run(out, seed=seed, chips=chips, epochs=epochs, progress=progress)


@app.command()
def describe(model: Annotated[str, typer.Argument(help="A model's name, e.g. LIF; leave out for a list.")] = "") -> None:
    """Parameters, states and ports of a model, with units, limits and defaults."""
    from ..base.errors import suggest
    from ..groups.describe import describe as table
    from ..network.files.files import library_models

    known = library_models()
    if not model:
        print("\n".join(f"{name:18} {(cls.__doc__ or '').strip().splitlines()[0]}" for name, cls in known.items()))
    elif model not in known:
        raise ShipError("ship describe", f"no model named {model!r}", fix=suggest(model, known))
    else:
        print(table(known[model]))


@app.command()
def devices(name: Annotated[str, typer.Argument(help="A device's name, e.g. pcm; leave out for a list.")] = "") -> None:
    """The devices of the library; with a name, its device file, to keep and to edit."""
    from ..base.errors import suggest
    from ..devices import library
    from ..devices.files import device_text

    known = library()
    if not name:
        print("\n".join(f"{key:20} {(make.__doc__ or '').strip().splitlines()[0]}" for key, make in known.items()))
    elif name not in known:
        raise ShipError("ship devices", f"no device named {name!r}", fix=suggest(name, known))
    else:
        print(device_text(known[name]()), end="")


@app.command()
def cache(clear: Annotated[bool, typer.Option("--clear", help="Remove them.")] = False) -> None:
    """Show the compiled kernels that are kept, or remove them."""
    from ..base.native import cache as compiled

    found = compiled.contents()
    print(f"{compiled.folder()}: {len(found)} files, {sum(size for _, size in found) / 2**20:.1f} MiB")
    if clear:
        print(f"removed {compiled.clear()} files")


@app.command(epilog=f"The cases:\n\n{listing()}")
def bench(
    cases: Annotated[list[str] | None, typer.Argument(help="Cases; leave out for all.", metavar="[CASE]...")] = None,
    engine: Annotated[str, typer.Option(help="reference, fused or both.")] = "both",
    peers: Annotated[str, typer.Option(help="The Python of an environment with other simulators.")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write the results to as well.")] = None,
    repeat: Annotated[int | None, typer.Option(min=1, help="Rounds; each case has its own number.")] = None,
    quick: Annotated[bool, typer.Option(help="Small sizes, to see that it works.")] = False,
) -> None:
    """Measure times and memory beside other simulators and bare matrix products: one JSON line per case and engine."""
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


Kind = Annotated[str, typer.Option(help="pulses, retention, iv, endurance, statistics or f-I; left out: by the columns.")]
Column = Annotated[list[str] | None, typer.Option(help="What a column is, e.g. up=conductance_up.", metavar="ROLE=HEADER")]
Unit = Annotated[list[str] | None, typer.Option(help="uS, or time=s where there are several.", metavar="[QUANTITY=]UNIT")]
Only = Annotated[list[str] | None, typer.Option(help="Use only such rows.", metavar="HEADER=VALUE")]
GMin = Annotated[float | None, typer.Option(help="S, for normalised data.")]
GMax = Annotated[float | None, typer.Option(help="S, for normalised data.")]
Scale = Annotated[tuple[float, float] | None, typer.Option(help="Normalised values of g-min and g-max.")]
Shunt = Annotated[float | None, typer.Option(help="ohm, for iv by the voltages of a shunt and of the source.")]
VRead = Annotated[float | None, typer.Option(help="V, where on and off are compared.")]
SkipEmpty = Annotated[bool, typer.Option("--skip-empty", help="Leave rows with empty cells out; they are counted.")]
Decimal = Annotated[str, typer.Option(help="The decimal sign, '.' or ','.")]
Sheet = Annotated[str | None, typer.Option(help="Of an .xlsx file.")]
Replicates = Annotated[int, typer.Option(min=20, help="Of the bootstrap.")]


@app.command()
def fit(
    file: Annotated[Path, typer.Argument(help="A measurement: .csv, .tsv, .txt, .xlsx or .npz.")],
    kind: Kind = "",
    column: Column = None,
    unit: Unit = None,
    only: Only = None,
    g_min: GMin = None,
    g_max: GMax = None,
    scale: Scale = None,
    shunt: Shunt = None,
    v_read: VRead = None,
    skip_empty: SkipEmpty = False,
    decimal: Decimal = ".",
    sheet: Sheet = None,
    out: Annotated[Path, typer.Option(help="Folder for report.json, figure.png and device.toml.")] = Path("fit-output"),
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    replicates: Replicates = 200,
) -> None:
    """Fit compact models to a measurement; write the report, a figure and, where one fits, a device file."""
    from ..devices.fitting.spelling import for_command

    given = _given("fit", locals())
    with for_command():
        found = _fit(file, given, seed)
        print(found)
        print("Written: " + ", ".join(str(path) for path in found.save(out)))


@app.command()
def ask(
    file: Annotated[Path, typer.Argument(help="A device file (.toml), or a measurement to fit.")],
    kind: Kind = "",
    column: Column = None,
    unit: Unit = None,
    only: Only = None,
    g_min: GMin = None,
    g_max: GMax = None,
    scale: Scale = None,
    shunt: Shunt = None,
    v_read: VRead = None,
    skip_empty: SkipEmpty = False,
    decimal: Decimal = ".",
    sheet: Sheet = None,
    replicates: Replicates = 200,
    chips: Annotated[int, typer.Option(min=2, help="Virtual chips.")] = 64,
    learn: Annotated[bool, typer.Option(help="Also let a layer learn on the chips, by pulses.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for figures, report and device file.")] = Path("answer"),
    seed: Annotated[int, typer.Option(min=0, help="Of split, weights, devices and bootstrap.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Of training.")] = 40,
    progress: Annotated[bool, typer.Option(help="Say what is done, and draw progress bars.")] = True,
) -> None:
    """Would a network whose weights sit in this device read digits? Accuracy over virtual chips, from a measurement.

    About a minute on two free cores, several times as long where other programs use them. It grows with the epochs, the chips
    (each is measured in every condition), the reads that the device's noise asks for, and --learn. On a terminal each stage is
    said.
    """
    from ..devices.files import load_device
    from ..devices.fitting.spelling import for_command
    from . import ask as question

    given = _given("ask", locals())
    stages = question.Stages(progress)
    if file.suffix == ".toml":
        if given != _given("ask", {}):
            raise ShipError("ship ask", "how a measurement is read is only for measurements", got=f"the device file {file.name}")
        device = load_device(file)
    else:
        with for_command():
            with stages.stage("fit models to the measurement"):
                found = _fit(file, given, seed)
            print(found)
            found.save(out)
            device = found.device
    question.ask(device, out, chips=chips, seed=seed, epochs=epochs, learn=learn, progress=progress)


def _given(command: str, options: dict[str, Any]) -> dict[str, Any]:
    """What both commands say about a measurement, as arguments of `fitting.fit`."""
    plain = {name: options.get(name) for name in ("g_min", "g_max", "scale", "shunt", "v_read", "sheet")}
    return plain | {
        "kind": options.get("kind") or None,
        "columns": dict(_pair(command, "--column", c) for c in options.get("column") or []),
        "unit": _units(command, options.get("unit")),
        "only": dict(_pair(command, "--only", o) for o in options.get("only") or []),
        "skip_empty": options.get("skip_empty", False),
        "decimal": options.get("decimal", "."),
        "replicates": options.get("replicates", 200),
    }


def _fit(file: Path, given: dict[str, Any], seed: int) -> Any:
    from ..devices import fitting

    return fitting.fit(file, seed=seed, **given)


def _units(command: str, given: list[str] | None) -> str | dict[str, str] | None:
    units = dict(_pair(command, "--unit", u) for u in given or [] if "=" in u)
    single = [u for u in given or [] if "=" not in u]
    if len(single) > 1 or (single and units):
        raise ShipError(f"ship {command}: --unit", "takes one unit, or QUANTITY=UNIT for each", got=", ".join(given or []))
    return single[0] if single else units or None


def _pair(command: str, name: str, text: str) -> tuple[str, str]:
    left, sign, right = text.partition("=")
    if not (left and sign and right):
        raise ShipError(f"ship {command}: {name}", "must be two words with = between them", got=repr(text))
    return left, right


@app.command()
def version() -> None:
    """The version of SHIP."""
    print(__version__)


def main() -> None:
    """Entry point: an error of the user's is one line, not a traceback."""
    try:
        app()
    except ShipError as error:
        print(f"ship: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
