"""The command ``ship``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import __version__
from .errors import ShipError

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
    from .errors import suggest
    from .files import library_models
    from .group import describe as table

    known = library_models()
    if not model:
        print("\n".join(f"{name:18} {(cls.__doc__ or '').strip().splitlines()[0]}" for name, cls in known.items()))
    elif model not in known:
        raise ShipError("ship describe", f"no model named {model!r}", fix=suggest(model, known))
    else:
        print(table(known[model]))


@app.command()
def cache(clear: Annotated[bool, typer.Option("--clear", help="Remove them.")] = False) -> None:
    """Show the compiled kernels that are kept, or remove them."""
    from . import compiled

    found = compiled.contents()
    print(f"{compiled.folder()}: {len(found)} files, {sum(size for _, size in found) / 2**20:.1f} MiB")
    if clear:
        print(f"removed {compiled.clear()} files")


@app.command()
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
