"""A command as the tool prints it, taken apart as the command line does, and run without a process of its own."""

from __future__ import annotations

import contextlib
import io
import shlex
from pathlib import Path
from typing import Any

import typer

import ship
from ship.cli.fit import measured
from ship.cli.main import app
from ship.cli.reading_options import given
from ship.devices.reading.look import look
from ship.devices.reading.spelling import for_command

# Options by which a command would say what a file holds: an error that asks for one is a question about columns or units.
QUESTIONS = ("--column", "--unit", "--label", "--kind", "--decimal", "--sheet", "--skip-empty", "--instrument")


def suggestion(source: Any, kind: str = "") -> str:
    """The command that ``ship look`` prints first for a source, or the first of that kind."""
    with for_command():
        seen = look(source)
        return next(made for made in seen.suggestions if kind in ("", made.kind)).call(source)


def parsed(command: str) -> tuple[list[Path], dict[str, Any]]:
    """The files and the arguments of a command ``ship fit ...``."""
    program, name, *words = shlex.split(command)
    assert (program, name) == ("ship", "fit")
    made = typer.main.get_command(app).commands["fit"].make_context("fit", words)  # type: ignore[attr-defined]
    return list(made.params["files"]), given("fit", made.params)


def run(command: str, **options: Any) -> ship.Found:
    """What the command finds; options are arguments that are added to it."""
    files, arguments = parsed(command)
    with for_command(), contextlib.redirect_stdout(io.StringIO()):
        found = measured(files, arguments | options, 0)
    assert isinstance(found, ship.Found)
    return found


def called(*words: str) -> tuple[int, str, str]:
    """What a command does in this process: its exit code, and what it prints on standard output and standard error.

    Raises:
        ShipError: as the command does, before it becomes a line of text.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = app(list(words), standalone_mode=False)
    return code or 0, out.getvalue(), err.getvalue()
