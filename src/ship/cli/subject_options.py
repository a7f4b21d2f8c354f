"""How the command line says which task and which network are asked about: the options that `ask` and `require` share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .reading_options import pairs

if TYPE_CHECKING:
    from .asked_network import Subject

TaskName = Annotated[
    str, typer.Option("--task", help="Task: the name of one (digits, ...), or a file with one of your own (.py, .npz, .csv).")
]
TaskOption = Annotated[
    list[str] | None,
    typer.Option("--task-option", help="What the task itself takes, e.g. split=speaker; repeat it.", metavar="KEY=VALUE"),
]
NetworkFile = Annotated[
    Path | None, typer.Option("--network", help="Network of your own, saved by ship.save; default: the task's own.")
]
Trained = Annotated[
    bool, typer.Option("--trained", help="Take the --network as it is; without it, it is trained by the task's recipe.")
]
Data = Annotated[Path | None, typer.Option("--data", help="Folder with data sets; default: SHIP_DATA, then the cache.")]
TestSamples = Annotated[
    int | None,
    typer.Option(min=2, help="Number of test samples that are used, of each class in proportion, where a task has many."),
]
RecipeEpochs = Annotated[int | None, typer.Option(min=1, help="Number of epochs of training; default: the task's.")]


def of(command: str, options: Mapping[str, Any]) -> Subject:
    """Turn the options of a command into what is asked about.

    Raises:
        ShipError: an option that must be two words with = between them is not.
    """
    from .asked_network import Subject

    return Subject(
        command=command,
        name=options["task"],
        options=tuple(pairs(command, "--task-option", options["task_option"]).items()),
        network=options["network"],
        trained=options["trained"],
        data=options["data"],
        samples=options["test_samples"],
        epochs=options["epochs"],
        seed=options["seed"],
    )
