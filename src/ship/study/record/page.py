"""The run of a study as a page, from its record: numbers with their intervals, figures, tables, and what makes it repeatable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...base.atomic_write import regular_file
from ...plot import Page

LARGEST = 400 << 10  # bytes of a figure that is put into the page


def run_page(record: Mapping[str, Any], folder: Path | str) -> Page:
    """Return the page of a run: ``run_page(read_run(folder), folder).write("page.html")`` writes one file that a browser shows.

    Args:
        record: the record of the run, as `ship.study.read_run` returns it.
        folder: the folder of the run, where its figures lie.

    Raises:
        FileError: a figure is missing.
    """
    folder = Path(folder)
    data = ", ".join(dict.fromkeys(str(each["title"]) for each in record["data"]))
    made = Page(f"Study {Path(record['study']).stem}", f"On {data}." if data else "", above="A run of a study")
    made.section("Numbers")
    rows = [[name, _number(each), _interval(each), _count(each), each["how"]] for name, each in record["numbers"].items()]
    heads = ("number", "value", "95 % interval", "n", "how")
    kept = [c for c in range(len(heads)) if any(row[c] for row in rows)]
    if rows:
        right = [i for i, c in enumerate(kept) if heads[c] in ("value", "n")]
        cells = [[row[c] for c in kept] for row in rows]
        made.table([heads[c] for c in kept], cells, "The headline numbers of the run.", right=right)
    _figures(made, record, folder)
    made.section("What a reader must know")
    made.points([*record["notes"], *dict.fromkeys(each["note"] for each in record["data"] if each["note"])])
    _data(made, record)
    _repeat(made, record)
    made.data(record, "run.json")
    return made


def _number(each: Mapping[str, Any]) -> str:
    return f"{_short(each['value'])} {each['unit']}".rstrip()


def _interval(each: Mapping[str, Any]) -> str:
    return "" if each["low"] is None else f"{_short(each['low'])} to {_short(each['high'])}"


def _count(each: Mapping[str, Any]) -> str:
    return "" if each["n"] is None else str(each["n"])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _figures(made: Page, record: Mapping[str, Any], folder: Path) -> None:
    """Put the figures into the page; of one that is too large only its name is said."""
    if record["figures"]:
        made.section("Figures")
    for name, each in record["figures"].items():
        file = next((f for f in each["files"] if f.endswith(".svg") and Path(f).name == f), "")
        path = regular_file(folder / file) if file else None
        if path is None or path.stat().st_size > LARGEST:
            made.text(f"{name}: {each['alt']} It is in the file {', '.join(each['files'])}.")
        else:
            made.figure(path.read_bytes(), each["alt"] or name, each["alt"] or name)


def _data(made: Page, record: Mapping[str, Any]) -> None:
    if not record["data"]:
        return
    made.section("Data")
    rows = [[each["name"], each["samples"], each["title"], each["licence"], each["sha256"][:16]] for each in record["data"]]
    made.table(["data", "samples", "title", "licence", "SHA-256 begins"], rows, "The data that the run used.", right=[1])
    made.points([f"Cite: {each}" for each in dict.fromkeys(each["citation"] for each in record["data"]) if each])


def _repeat(made: Page, record: Mapping[str, Any]) -> None:
    made.section("How to repeat it")
    made.text("ship study --replay run.json runs it again, and says number by number whether it is equal.")
    spent = record.get("seconds", {})
    facts = {"Study": record["study"], "Seed": str(record["seed"])}
    facts |= {f"Setting {key}": json.dumps(value) for key, value in record["config"].items()}
    facts |= {"Versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items())}
    facts |= {"Computer": ", ".join(str(record[key]) for key in ("platform", "cpu") if key in record)}
    facts |= {"Time": f"{spent['wall']:.0f} s, {spent['cpu']:.0f} s of CPU"} if {"wall", "cpu"} <= set(spent) else {}
    facts |= {f"Table {name}": ", ".join(each["files"]) for name, each in record["tables"].items()}
    made.facts(facts)
