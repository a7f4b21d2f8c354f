"""The body of ``ship fit``: one measurement to its models, or several (or a project file) to one device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..base.errors import FitError, ShipError
from ..devices import Device, fitting
from ..devices.files import load_device
from ..devices.fitting.project import is_project, load_project
from ..devices.reading.spelling import argument


def measured(
    files: Sequence[Path],
    given: Mapping[str, Any],
    seed: int,
    *,
    name: str | None = None,
    assume: Mapping[str, str] | None = None,
    take: Mapping[str, str] | None = None,
) -> fitting.Found | fitting.Combined:
    """Fit what the command line names, and print what was found.

    Args:
        files: a measurement, several of them (each of its own kind), or a project file.
        given: how the measurements are read, as arguments of `ship.fit`.
        seed: the seed of the replicates.
        name: the name of the device of several measurements.
        assume, take: as for `ship.fit_device`.

    Raises:
        ShipError: a measurement cannot be read, or no device can be made of several.
    """
    if any(file.suffix == ".toml" for file in files):
        return _of_project(files, given, seed, assume or {}, take or {})
    sources: list[Any] = list(files) if len(files) == 1 or not one_measurement(files, given) else [list(files)]
    founds = [fitting.fit(source, seed=seed, **given) for source in sources]
    for found in founds:
        print(found)
    if len(founds) == 1 and not assume:
        return founds[0]
    if not take and len(founds) > 1:
        _refuse_repeats(founds)
    made = fitting.fit_device(founds, name=name if len(founds) > 1 else None, assume=assume, take=take)
    print(made)
    return made


def one_measurement(files: Sequence[Path], given: Mapping[str, Any]) -> bool:
    """Return whether files are one measurement: a single file, or several that a label says are devices or cycles of one."""
    return len(files) == 1 or bool(given.get("label"))


def _refuse_repeats(founds: Sequence[fitting.Found]) -> None:
    """Ask what several files of one kind are: devices, cycles, or measurements of which one is to be taken.

    Raises:
        FitError: two have the same kind.
    """
    kind, count = Counter(found.kind for found in founds).most_common(1)[0]
    if count == 1:
        return
    same = [found.source for found in founds if found.kind == kind]
    devices, cycles = argument("label", {"device": "file"}), argument("label", {"cycle": "file"})
    fix = f"Say what they are: {devices}, or {cycles}; or fit them one by one, and name each part's file with --take PART=FILE."
    raise FitError("ship fit", f"{count} files are of the kind {kind!r}", got=", ".join(same), fix=fix)


def _of_project(
    files: Sequence[Path], given: Mapping[str, Any], seed: int, assume: Mapping[str, str], take: Mapping[str, str]
) -> fitting.Combined:
    """Fit the measurements of a project file; what the command line assumes and takes is added to what the file says."""
    if len(files) > 1:
        raise ShipError("ship fit", "takes one project file", got=", ".join(file.name for file in files))
    if not is_project(files[0]):
        fix = "A device file is for ship ask; a project file lists [[measurement]]."
        raise ShipError("ship fit", "is neither a measurement nor a project file", got=files[0].name, fix=fix)
    if options := sorted(name for name, value in given.items() if name not in ("replicates", "decimal") and value):
        fix = "Write it to the project file, beside its measurement."
        raise ShipError("ship fit", "how a measurement is read stands in the project file", got=", ".join(options), fix=fix)
    project = load_project(files[0])
    common = {"seed": seed, "replicates": given["replicates"]}
    found = [fitting.fit(m.source, **(common | m.options)) for m in project.measurements]
    for each in found:
        print(each)
    name = project.name or files[0].stem
    made = fitting.fit_device(found, name=name, take={**project.take, **take}, assume={**project.assume, **assume})
    print(made)
    return made


def device_file(file: Path, seed: int, out: Path, given: Mapping[str, Any]) -> Device:
    """Load the device of a device file, or make that of a project file, whose fits are written to ``out``.

    Raises:
        ShipError: the file is damaged, or its measurements make no device.
    """
    if not is_project(file):
        return load_device(file)
    made = measured([file], given, seed)
    made.save(out)
    return made.device
