"""A Rich table that can be printed. Import this module late: Rich takes a while."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


class PrintedTable(Table):
    """A `rich.table.Table` that appears as a table at a prompt, with ``print``, in a file and in a notebook."""

    def __str__(self) -> str:
        console = Console(width=120, color_system=None)
        with console.capture() as capture:
            console.print(self)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def __repr__(self) -> str:
        return str(self)
