"""The devices that hold a group's weights, in a network file: device (as the text of its file), mapping, crossbar, learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...base.codec import Beside
from ...base.errors import FileError
from ...base.tensor_files import DAMAGE
from ...devices.contract import Part
from ...devices.files import device_text, read_device
from ...groups.spec import Spec
from ...models.contract import Model

NAMES = ("mapping", "crossbar", "learning")


def encode(spec: Spec, codec: Beside) -> dict[str, Any]:
    """Return what a group's spec says of its devices as JSON.

    Raises:
        FileError: a user-defined mapping, or a device that cannot be written.
    """
    if spec.device is None:
        return {}
    entry: dict[str, Any] = {"device": device_text(spec.device)}
    for name in NAMES:
        value = getattr(spec, name)
        if value is not None:
            entry[name] = codec.encode(f"{spec.where}.{name}", value, f"given/{spec.tag}/{name}")
    return entry


def decode(entry: Mapping[str, Any], where: str, codec: Beside, models: Sequence[type]) -> dict[str, Any]:
    """Return the arguments of `Network.add` that `encode` wrote.

    Args:
        entry: the entry of the group.
        where: the place that an error names.
        codec: the codec of the file.
        models: the reader's own classes, parts of devices among them.

    Raises:
        FileError: a class is unknown, or does not accept its values.
    """
    if "device" not in entry:
        return {}
    parts = [m for m in models if issubclass(m, Part)]
    given: dict[str, Any] = {
        "device": read_device(entry["device"], f"{where}: device", parts, give="ship.load(path, models=[...])")
    }
    for name in NAMES:
        if name in entry:
            given[name] = _setting(entry[name], f"{where}.{name}", codec)
    return given


def _setting(entry: Any, where: str, codec: Beside) -> Any:
    try:
        return codec.decode(where, entry)
    except FileError:
        raise
    except DAMAGE as error:
        raise FileError(where, "does not hold valid settings", got=str(error)) from error


def split(models: Sequence[type]) -> tuple[list[type[Model]], list[type[Part]]]:
    """Split user-defined classes into models of groups and parts of devices."""
    return [m for m in models if issubclass(m, Model)], [m for m in models if issubclass(m, Part)]
