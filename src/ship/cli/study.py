"""The command ``ship study``: run a study, of SHIP or of one's own file, or run one again and compare.

A study of one's own is a Python file; it is imported, as Python would import it, because the user asks for it.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import studies
from ..base.errors import FileError, ShipError, suggest
from ..study.record.conduct import conduct
from ..study.record.files import read_run
from ..study.record.page import run_page
from ..study.record.replay import compare_runs
from .check import imported


def known() -> dict[str, Path]:
    """Return the files of the studies that come with SHIP, by name."""
    return {path.stem: path for path in sorted(Path(studies.__file__).parent.glob("[!_]*.py"))}


def listing() -> str:
    """Return the names of the studies, each with the first sentence of its file."""
    lines = []
    for name, path in known().items():
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines.append(f"{name:10} {' '.join(said.partition(chr(10) * 2)[0].split())}")
    return "\n".join(lines)


def study_of(name: str) -> ModuleType:
    """Return the module of a study: one of SHIP by its name, another one by its file.

    Raises:
        ShipError: there is none of this name, or its file cannot be imported.
    """
    if name in known():
        return importlib.import_module(f"{studies.__name__}.{name}")
    if name.endswith(".py"):
        return imported(Path(name))
    raise ShipError("ship study", f"no study named {name!r}", fix=f"{suggest(name, known())} One of your own is a file (.py).")


def run(
    name: str,
    out: Path | None,
    *,
    quick: bool = False,
    seed: int = 0,
    data: Path | None = None,
    changes: Sequence[str] = (),
    progress: bool = True,
) -> None:
    """Run a study and print its headline numbers."""
    folder = out or Path(f"study-{Path(name).stem}")
    record = conduct(
        study_of(name), folder, name=_full(name), quick=quick, changes=changes, seed=seed, data=data, progress=progress
    )
    run_page(record, folder).write(folder / "page.html")
    show(record, folder)


def replay(path: Path, out: Path | None, *, data: Path | None = None, progress: bool = True) -> bool:
    """Run a study again as ``run.json`` says, print what is equal and what is not, and return whether all is.

    Raises:
        FileError: no record of a run, or the folder for the results is that of the record.
    """
    then = read_run(path)
    home = path if path.is_dir() else path.parent
    folder = out or home / "replay"
    if folder.resolve() == home.resolve():
        raise FileError(str(folder), "holds the run that is repeated", fix="Give another folder by --out.")
    record = conduct(study_of(then["study"]), folder, name=then["study"], data=data, progress=progress, then=then)
    found = compare_runs(then, record)
    print(found)
    print(f"Written: {folder}")
    return found.equal


def show(record: Mapping[str, Any], folder: Path) -> None:
    """Print the headline numbers of a run, and what a reader must know beside them."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    rows = []
    for name, made in record["numbers"].items():
        ends = "" if made["low"] is None else f"{_short(made['low'])} to {_short(made['high'])}"
        rows.append((name, f"{_short(made['value'])} {made['unit']}".rstrip(), ends, str(made["n"] or ""), made["how"]))
    if rows:
        table = Table(title=f"{Path(record['study']).stem}, seed {record['seed']}", title_justify="left")
        heads = ("", "value", "95 % interval", "n", "how")
        kept = [c for c in range(len(heads)) if any(row[c] for row in rows)]
        for c in kept:
            table.add_column(heads[c], overflow="fold")
        for row in rows:
            table.add_row(*(row[c] for c in kept))
        console.print(table)
    for data in record["data"]:
        console.print(f"Data: {data['name']}, {data['samples']} samples of {data['title']}. Licence: {data['licence']}.")
    for citation in dict.fromkeys(data["citation"] for data in record["data"]):
        console.print(f"Cite: {citation}")
    for note in record["notes"]:
        console.print(f"Note: {note}")
    spent = record["seconds"]
    console.print(f"Written: {folder} ({spent['wall']:.0f} s, {spent['cpu']:.0f} s of CPU)")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _full(name: str) -> str:
    """Return the name of a study as it stands in its record: that of a file is a whole path."""
    return str(Path(name).resolve()) if name.endswith(".py") else name
