"""The hardware of a group as JSON: its device (the text of a device file), mapping, crossbar and learning settings.

Settings are frozen dataclasses. Their classes are looked up in a table and never imported by name.
"""

from __future__ import annotations

from collections.abc import Mapping as Mapping_
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from torch import Tensor

from ...base.errors import FileError
from ...base.tensor_files import DAMAGE
from ...crossbar import ADC, Crossbar, Selector
from ...devices.contract import Part
from ...devices.files import device_text, read_device
from ...devices.weights.mapping import BitSliced, Differential, Offset
from ...devices.weights.pulsing import Pulsing
from ...groups.spec import Spec
from ...models.contract import Model

SETTINGS = {c.__name__: c for c in (Differential, Offset, BitSliced, Crossbar, Selector, ADC, Pulsing)}
NAMES = ("mapping", "crossbar", "learning")


def encode(spec: Spec, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Encode the devices of a group's spec as JSON; tensors are added to ``tensors``.

    Raises:
        FileError: the mapping is user-defined, or the device cannot be written.
    """
    if spec.device is None:
        return {}
    entry: dict[str, Any] = {"device": device_text(spec.device)}
    for name in NAMES:
        value = getattr(spec, name)
        if value is not None:
            entry[name] = _encode(value, f"{spec.where}.{name}", f"given/{spec.tag}/{name}", tensors)
    return entry


def decode(entry: Mapping_[str, Any], where: str, tensors: Mapping_[str, Tensor], models: Sequence[type]) -> dict[str, Any]:
    """Decode the arguments of `Network.add` that `encode` wrote.

    Args:
        entry: the JSON of the group.
        where: the name that errors begin with.
        tensors: the tensors of the file.
        models: the user-defined classes, including parts of devices.

    Raises:
        FileError: a class is unknown, or does not accept its values.
    """
    if "device" not in entry:
        return {}
    parts = [m for m in models if issubclass(m, Part)]
    given: dict[str, Any] = {
        "device": read_device(entry["device"], f"{where}: device", parts, give="ship.load(path, models=[...])")
    }
    return given | {name: _decode(entry[name], f"{where}.{name}", tensors) for name in NAMES if name in entry}


def split(models: Sequence[type]) -> tuple[list[type[Model]], list[type[Part]]]:
    """Split user-defined classes into models of groups and parts of devices."""
    return [m for m in models if issubclass(m, Model)], [m for m in models if issubclass(m, Part)]


def _encode(value: Any, where: str, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[name] = value.detach().clone()
        return {"tensor": name}
    if isinstance(value, tuple):
        return {"tuple": [_encode(v, where, f"{name}/{i}", tensors) for i, v in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if type(value).__name__ not in SETTINGS or type(value) is not SETTINGS[type(value).__name__]:
        raise FileError(where, "a class of one's own cannot be saved", got=type(value).__name__, fix="Use one of the library.")
    made = {f.name: _encode(getattr(value, f.name), where, f"{name}/{f.name}", tensors) for f in fields(value)}
    return {"class": type(value).__name__, "values": made}


def _decode(value: Any, where: str, tensors: Mapping_[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "tuple" in value:
        return tuple(_decode(v, where, tensors) for v in value["tuple"])
    if value.get("class") not in SETTINGS:
        raise FileError(where, f"no class {value.get('class')!r}")
    try:
        return SETTINGS[value["class"]](**{k: _decode(v, where, tensors) for k, v in value["values"].items()})
    except DAMAGE as error:
        raise FileError(where, "does not hold valid settings", got=str(error)) from error
