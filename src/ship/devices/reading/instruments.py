"""Instruments and their files, as descriptions that anyone can add: one TOML file each.

SHIP's own are in the folder ``instruments`` beside this module. Those in the folder ``instruments`` of the user's configuration
(``platformdirs.user_config_dir("ship")``) come first, and ``instrument=`` names one of either, or a file. A description adds
what the maker of the instrument says about its files, and nothing else. Its entries, all but ``name`` optional:

``name``            what the report says, e.g. ``"Keysight EasyEXPERT export"``
``source``          where the maker, or the authors of the program, say so
``[recognise]``     how a file is known; without it the description is used only where it is asked for by name
    ``first``       first cells of rows, all of which must be in the file
    ``columns``     names of columns, all of which must be in the header (the part behind the group's name is enough)
    ``any``         names of columns, one of which must be in the header
    ``operations``  words of a log's column of operations, all of which must be in it
``[rows]``          where each row says in its first cell what it is
    ``names``       the first cell of the row of names
    ``data``        the first cell of the rows of data
    ``meta``        the first cells of rows whose second cell is a key and whose others are its value
``header``          the names of the columns of a file without a header, in order, with units: ``["V (V)", "I (uA)"]``
``[[columns]]``     what a column is
    ``name``        its name; ``*`` stands for anything
    ``quantity``    voltage, current, conductance, resistance, time, rate, number, label, cycle, state, or device
    ``unit``        its unit, where it has one
``[[listed]]``      columns whose names stand in the preamble
    ``key``         the key of the preamble whose values are the names
    ``quantity``, ``unit``   as above
``[log]``           a log whose rows differ by the operation
    ``kind``        the number of the column with the operation, from 1
    ``common``      the names of the columns before it
    ``cell``        those of them that say which cell it is: each has a state and a count of cycles of its own
    ``read``        the operation that measures; its rows become the table
    ``names``       the names of its columns after the operation, with units
    ``states``      the state that each operation sets: ``{SET = "on", RESET = "off"}``
    ``cycles``      the operations that count cycles, each with the number of the column that says how many

A description is data, of strangers perhaps: what it may hold is checked, and nothing in it is run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...base.errors import FileError, suggest
from . import units
from .spelling import argument
from .text import Raw

FOLDER = Path(__file__).with_name("instruments")
LARGEST = 100_000  # bytes of a description
QUANTITIES = (*units.BASES, "number", "label", "cycle", "state", "device")
TEXTS = list[str]
ENTRIES: dict[str, dict[str, Any]] = {
    "": {
        "name": str,
        "source": str,
        "recognise": dict,
        "rows": dict,
        "header": TEXTS,
        "columns": list,
        "listed": list,
        "log": dict,
    },
    "recognise": {"first": TEXTS, "columns": TEXTS, "any": TEXTS, "operations": TEXTS},
    "rows": {"names": str, "data": str, "meta": TEXTS},
    "columns": {"name": str, "quantity": str, "unit": str},
    "listed": {"key": str, "quantity": str, "unit": str},
    "log": {"kind": int, "common": TEXTS, "cell": TEXTS, "read": str, "names": TEXTS, "states": dict, "cycles": dict},
}
NEEDED = {
    "": ("name",),
    "rows": ("names", "data"),
    "columns": ("name", "quantity"),
    "listed": ("key", "quantity"),
    "log": ("kind", "read", "names"),
}
SAID = {str: "text", int: "a whole number", dict: "a table", list: "a list of tables", TEXTS: "a list of texts"}


@dataclass(frozen=True)
class Instrument:
    """A description of the files of an instrument; the entries are those of the module's docstring."""

    name: str
    recognise: Mapping[str, Sequence[str]]
    rows: Mapping[str, Any]
    header: Sequence[str]
    columns: Sequence[Mapping[str, str]]
    listed: Sequence[Mapping[str, str]]
    log: Mapping[str, Any]

    def writes(self, raw: Raw) -> bool:
        """Return whether a file is recognised by its rows, before its table is found: first cells and operations."""
        first = self.recognise.get("first", ())
        if first and not set(first) <= {row[0].strip() for row in raw.cells if row}:
            return False
        words = self.recognise.get("operations", ())
        return not words or set(words) <= {row[self.log["kind"] - 1].strip() for row in raw.cells if len(row) >= self.log["kind"]}

    def knows(self, names: Sequence[str]) -> bool:
        """Return whether a file is recognised by the names of its columns."""
        last = {name for full in names for name in (full, own_name(full))}
        any_of = self.recognise.get("any", ())
        return set(self.recognise.get("columns", ())) <= last and (not any_of or bool(set(any_of) & last))

    def about(self, names: Sequence[str], meta: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return what is known of columns by name: their units, and their quantities."""
        found: dict[str, Mapping[str, str]] = {}
        for entry in self.listed:
            for name in meta.get(entry["key"], "").split(","):
                found |= {name.strip(): entry}
        for full in names:
            name = own_name(full)
            entry_of = next((e for e in self.columns if fnmatchcase(full, e["name"]) or fnmatchcase(name, e["name"])), None)
            if entry_of is not None:
                found[full] = entry_of
            elif name in found:
                found[full] = found[name]
        here = {name: entry for name, entry in found.items() if name in set(names)}
        known = {name: units.spelled(entry["unit"]) for name, entry in here.items() if "unit" in entry}
        return known, {name: entry["quantity"] for name, entry in here.items()}


def own_name(column: str) -> str:
    """Return the name of a column without its group and without the number of its repetition."""
    return column.rpartition(".")[2].partition("#")[0] if ". " not in column else column


def available(asked: str | None = None) -> list[Instrument]:
    """Return the descriptions to try: the one asked for, else the user's and SHIP's own that say how a file is recognised.

    Raises:
        FileError: there is none of that name, or a description is not as it must be.
    """
    if asked is not None and asked.lower().endswith(".toml"):
        return [read_description(Path(asked))]
    files = [*sorted(_users().glob("*.toml")), *sorted(FOLDER.glob("*.toml"))]
    if asked is None:
        return [made for made in map(_cached, files) if made.recognise]
    names = {path.stem: path for path in reversed(files)}
    if asked not in names:
        raise FileError(argument("instrument", asked), "no instrument of that name", fix=suggest(asked, sorted(names)))
    return [_cached(names[asked])]


def read_description(path: Path) -> Instrument:
    """Read and check a description.

    Raises:
        FileError: it is missing, no TOML, or has entries that no description has.
    """
    where = f"instrument {path.name}"
    try:
        data = path.read_bytes()[: LARGEST + 1]
    except OSError as error:
        raise FileError(where, "cannot be read", got=str(error.strerror)) from error
    if len(data) > LARGEST:
        raise FileError(where, f"must have at most {LARGEST} bytes", got="more")
    try:
        entries = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise FileError(where, "is no TOML", got=str(error)[:200]) from error
    return _checked(where, entries)


@lru_cache(100)
def _cached(path: Path) -> Instrument:
    return read_description(path)


def _users() -> Path:
    import platformdirs

    return Path(platformdirs.user_config_dir("ship")) / "instruments"


def _checked(where: str, entries: Mapping[str, Any]) -> Instrument:
    _check(where, "", entries)
    for part in ("recognise", "rows", "log"):
        if part in entries:
            _check(f"{where}: [{part}]", part, entries[part])
    for part in ("columns", "listed"):
        for k, entry in enumerate(entries.get(part, []), 1):
            _check(f"{where}: [[{part}]] {k}", part, entry)
            _check_quantity(f"{where}: [[{part}]] {k}", entry)
    log: Mapping[str, Any] = entries.get("log", {})
    if log and (log["kind"] != len(log.get("common", ())) + 1):
        raise FileError(f"{where}: [log] common", f"must name the {log['kind'] - 1} columns before the operation")
    if unknown := [head for head in log.get("cell", ()) if head not in log.get("common", ())]:
        raise FileError(
            f"{where}: [log] cell", f"no column {unknown[0][:60]!r}", fix=suggest(unknown[0][:60], log.get("common", ()))
        )
    for key, kind, said in (("states", str, "texts"), ("cycles", int, "numbers of columns")):
        if not all(type(value) is kind and value not in (0, "") and str(value)[0] != "-" for value in log.get(key, {}).values()):
            raise FileError(f"{where}: [log] {key}", f"must be a table of {said}", got=repr(log[key])[:100])
    recognise = entries.get("recognise", {})
    if "operations" in recognise and not log:
        raise FileError(f"{where}: [recognise] operations", "needs a part [log]")
    return Instrument(
        entries["name"],
        recognise,
        entries.get("rows", {}),
        tuple(entries.get("header", ())),
        tuple(entries.get("columns", ())),
        tuple(entries.get("listed", ())),
        log,
    )


def _check(where: str, part: str, entries: Any) -> None:
    if not isinstance(entries, dict):
        raise FileError(where, "must be a table", got=repr(entries)[:100])
    for key, value in entries.items():
        if key not in ENTRIES[part]:
            raise FileError(where, f"no entry {key[:60]!r}", fix=suggest(key[:60], ENTRIES[part]))
        kind = ENTRIES[part][key]
        right = type(value) is kind if kind is not TEXTS else isinstance(value, list) and all(isinstance(v, str) for v in value)
        if not right:
            raise FileError(f"{where}: {key}", f"must be {SAID[kind]}", got=repr(value)[:100])
    if missing := [key for key in NEEDED.get(part, ()) if key not in entries]:
        raise FileError(where, f"needs an entry {missing[0]!r}")


def _check_quantity(where: str, entry: Mapping[str, str]) -> None:
    quantity = entry["quantity"]
    if quantity not in QUANTITIES:
        raise FileError(f"{where}: quantity", f"no quantity {quantity[:60]!r}", fix=suggest(quantity[:60], QUANTITIES))
    if "unit" in entry and (quantity not in units.UNITS or units.spelled(entry["unit"]) not in units.UNITS[quantity]):
        usual = f"Units are {units.USUAL[quantity]}." if quantity in units.USUAL else "Leave it out."
        raise FileError(f"{where}: unit", f"must be a unit of {quantity}", got=repr(entry["unit"])[:60], fix=usual)
