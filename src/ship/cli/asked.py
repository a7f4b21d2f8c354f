"""The devices that ``ship ask`` is asked about: device files, a project file, or measurements of one device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..base.errors import ShipError
from ..devices import Device, assume
from .fit import device_file, measured


def devices_of(
    files: Sequence[Path],
    given: Mapping[str, Any],
    *,
    plain: bool,
    seed: int,
    out: Path,
    assumed: Mapping[str, str],
    take: Mapping[str, str],
) -> list[Device]:
    """Load or fit the devices, with what the user assumes of each; what was fitted is printed, and written to ``out``.

    Args:
        files: device or project files, one for each device; or measurements of one device.
        given: how the measurements are read, as arguments of `ship.fit`.
        plain: whether that is as by default.
        seed: the seed of the replicates.
        out: folder for what was fitted.
        assumed: by part what is assumed where it was not measured.
        take: by part the file that it is taken from, where several measure it.

    Raises:
        ShipError: files of both kinds, options that do not fit them, or what a file is refused for.
    """
    made = [file for file in files if file.suffix == ".toml"]
    if not made:
        found = measured(files, given, seed, name=out.name, assume=assumed, take=take)
        found.save(out)
        return [found.device]
    if len(made) < len(files):
        other = next(file.name for file in files if file not in made)
        fix = "Make one device of the measurements first, with ship fit."
        raise ShipError(
            "ship ask", "takes device files, or measurements of one device", got=f"{made[0].name} and {other}", fix=fix
        )
    if not plain or take:
        raise ShipError("ship ask", "how a measurement is read is only for measurements", got=f"the device file {made[0].name}")
    devices = [device_file(file, seed, out, given) for file in made]
    names = [device.name for device in devices]
    if len(set(names)) < len(names):  # copies of one file that were changed: their files tell them apart
        devices = [replace(device, name=file.stem) for device, file in zip(devices, made, strict=True)]
    return [assume(device, **assumed) if assumed else device for device in devices]
