"""A project file: the measurements that make one device, with how each is read, and what is assumed; a small TOML text.

::

    name = "mine"

    [[measurement]]                 # one for each; the options are those of `ship.fit`
    file = "pulses.csv"             # relative to the project file; several: ["a.csv", "b.csv"]
    kind = "pulses"
    unit = "uS"
    columns = {up = "G_up", down = "G_down"}

    [[measurement]]
    file = "bake.xlsx"

    [take]                          # which file, where two measure the same
    retention = "bake.xlsx"

    [assume]                        # in the place of what was not measured
    noise = "gong_2018"

Nothing in a file is executed, and every option is checked where `ship.fit` takes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...base.errors import FileError, suggest
from ..files import FORMAT, read_toml
from .api import DEFAULTS, fit
from .combine import Combined, fit_device

KEYS = ("name", "measurement", "take", "assume")
OPTIONS = ("file", "kind", *DEFAULTS)
MOST = 100  # measurements


@dataclass(frozen=True)
class Measurement:
    """One measurement of a project: what is read, and the options of `ship.fit`."""

    source: Any
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Project:
    """What a project file says.

    Args:
        name: the name of the device; "" where the file has none.
        measurements: the measurements, in order.
        take, assume: as for `ship.fit_device`.
    """

    name: str
    measurements: tuple[Measurement, ...]
    take: Mapping[str, str]
    assume: Mapping[str, Any]

    def fit(self, **options: Any) -> Combined:
        """Fit each measurement, and make one device of them.

        Args:
            options: options of `ship.fit` for all measurements that do not say them (seed, replicates).

        Raises:
            FitError, ParameterError: as for `ship.fit` and `ship.fit_device`.
        """
        found = [fit(m.source, **(options | m.options)) for m in self.measurements]
        return fit_device(found, name=self.name or None, take=self.take, assume=self.assume)


def is_project(path: str | os.PathLike[str]) -> bool:
    """Return whether a file in TOML is a project, not a device.

    Raises:
        FileError: it is no readable TOML.
    """
    content = read_toml(path)
    return content.get("format") != FORMAT and "measurement" in content


def load_project(path: str | os.PathLike[str]) -> Project:
    """Read a project file.

    Raises:
        FileError: no such file, no TOML, an unknown entry, or a value of a wrong kind.
    """
    path = Path(path)
    content, where = read_toml(path), path.name
    for key in content:
        if key not in KEYS:
            raise FileError(where, f"a project has no entry {key!r}", fix=suggest(key, KEYS))
    name = content.get("name", "")
    if not isinstance(name, str):
        raise FileError(f"{where}: name", "must be text", got=repr(name)[:80])
    entries = content.get("measurement")
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST or not all(isinstance(e, dict) for e in entries):
        rule = f"must list 1 to {MOST} measurements, each as [[measurement]]"
        raise FileError(f"{where}: measurement", rule, got=repr(entries)[:80])
    made = tuple(_measurement(entry, f"{where}: measurement {k}", path.parent) for k, entry in enumerate(entries, 1))
    take = _table(content.get("take", {}), f"{where}: [take]", (str,), "text")
    assume = _table(content.get("assume", {}), f"{where}: [assume]", (str, int, float), "a name or a number")
    return Project(name, made, take, assume)


def _measurement(entry: Mapping[str, Any], where: str, folder: Path) -> Measurement:
    for key in entry:
        if key not in OPTIONS:
            raise FileError(where, f"a measurement has no {key!r}", fix=suggest(key, OPTIONS))
    given = entry.get("file")
    files = given if isinstance(given, list) else [given]
    if not files or not all(isinstance(f, str) and f for f in files):
        raise FileError(f"{where}: file", "must be the name of a file, or a list of them", got=repr(given)[:80])
    paths = [str(folder / f) for f in files]
    options = {key: _plain(value, f"{where}: {key}") for key, value in entry.items() if key != "file"}
    return Measurement(paths if isinstance(given, list) else paths[0], options)


def _plain(value: Any, where: str) -> Any:
    """Return an option as `ship.fit` takes it: a pair of numbers is a tuple."""
    if isinstance(value, list):
        return tuple(_plain(v, where) for v in value)
    if isinstance(value, dict):
        return {key: _plain(v, where) for key, v in value.items()}
    if not isinstance(value, str | int | float):
        raise FileError(where, "must not be a date or a time", got=str(value))
    return value


def _table(entry: Any, where: str, kinds: Sequence[type], words: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise FileError(where, "must be a table", got=repr(entry)[:80])
    for key, value in entry.items():
        if not isinstance(value, tuple(kinds)) or isinstance(value, bool):
            raise FileError(f"{where}: {key}", f"must be {words}", got=repr(value)[:80])
    return entry
