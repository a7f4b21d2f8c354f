"""Device files: one device as a small TOML text, to read, to keep beside a measurement, and to load.

::

    format = "ship-device"
    version = 1
    class = "Device"
    name = "gong"
    g_max = 0.0001                                    # a number: in SI
    g_min = {nominal = 1e-6, d2d = 0.1}               # a `Varied`; a `LogNormal` is {distribution = "LogNormal", median = .., ..}
    correlated = [["update.alpha_p", "update.alpha_d", 0.8]]

    [update]                                          # a part: its class, one of those that `ship.devices` exports
    class = "Bounded"
    alpha_p = 0.01

    [origin]                                          # where the numbers come from
    source = "gong.csv"

Floats are written so that they come back to the bit. A class is looked up among the parts of `ship.devices` (and those that the
reader gives), never imported; nothing in a file can be executed.
"""

from __future__ import annotations

import inspect
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import devices
from ..base import parameters
from ..base.atomic_write import regular_file, write_whole
from ..base.errors import FileError, ShipError, suggest
from ..base.parameters import Distribution, Varied, declared
from ..base.tensor_files import DAMAGE
from . import Device, Part

FORMAT, VERSION = "ship-device", 1
MOST = 20 * 2**20  # bytes of a file
MOST_DEEP = 32
NAME = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
DEEP = re.compile(rf"(?<![\w-])(?:{NAME}\.[ \t]*+){{{MOST_DEEP - 1}}}{NAME}")
GIVE = "load_device(path, parts=[...])"
DISTRIBUTIONS = {c.__name__: c for c in (parameters.Uniform, parameters.Normal, parameters.LogNormal)}
DTYPES = {"float32": torch.float32, "float64": torch.float64, "int64": torch.int64}


def device_parts() -> dict[str, type[Part]]:
    """The parts that a file may name: the finished ones of `ship.devices`."""
    found = {name: getattr(devices, name) for name in devices.__all__}
    return {
        n: c
        for n, c in found.items()
        if inspect.isclass(c) and issubclass(c, Part) and not inspect.isabstract(c) and c not in (Part, Device)
    }


def save_device(device: Device, path: str | os.PathLike[str], *, origin: Mapping[str, str | int | float] | None = None) -> None:
    """Write a device to a TOML file; the file before it stays until the new one is whole.

    Args:
        device: the device. Its values are numbers, `Varied`, distributions, tensors; its options text, numbers, tuples.
        path: the file, by custom ``*.toml``.
        origin: where the numbers come from: text and numbers, written as ``[origin]``.

    Raises:
        FileError: the folder is not writable, or a value cannot be written.
    """
    if not isinstance(device, Device):
        raise FileError("save_device", "needs a ship.Device", got=type(device).__name__)
    write_whole(path, device_text(device, origin).encode())


def device_text(device: Device, origin: Mapping[str, str | int | float] | None = None) -> str:
    """A device as the TOML of its file; see `save_device`."""
    lines = [f"format = {json.dumps(FORMAT)}", f"version = {VERSION}", *_part_lines(device, device.name)]
    for name, part in device.parts.items():
        if name:
            lines += ["", f"[{name}]", *_part_lines(part, f"{device.name}.{name}")]
    if origin:
        lines += ["", "[origin]", *(f"{_key(k)} = {_text(v, f'origin.{k}')}" for k, v in origin.items())]
    return "\n".join(lines) + "\n"


def _part_lines(part: Part, where: str) -> list[str]:
    numbers, options = declared(type(part))
    lines = [f"class = {json.dumps(type(part).__name__)}"]
    return lines + [
        f"{n} = {_text(getattr(part, n), f'{where}.{n}')}" for f in fields(part) if (n := f.name) in numbers or n in options
    ]


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else json.dumps(name)


def _text(value: Any, where: str) -> str:
    """A value as TOML."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        number = float(value)
        return repr(number) if math.isfinite(number) else ("nan" if math.isnan(number) else "inf" if number > 0 else "-inf")
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(v, where) for v in value) + "]"
    if value is None:
        return "{none = true}"
    if isinstance(value, Varied):
        given = {f.name: getattr(value, f.name) for f in fields(value)}
        return _table({k: v for k, v in given.items() if k == "nominal" or v}, where)
    if isinstance(value, Distribution) and type(value).__name__ in DISTRIBUTIONS:
        return _table({"distribution": type(value).__name__} | {f.name: getattr(value, f.name) for f in fields(value)}, where)  # type: ignore[arg-type]
    if isinstance(value, np.ndarray):
        return _text(torch.as_tensor(value), where)
    if isinstance(value, Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        if kind not in DTYPES:
            raise FileError(where, "must be float32, float64 or int64 to be saved", got=kind)
        return _table({"tensor": value.detach().cpu().tolist(), "dtype": kind}, where)
    raise FileError(
        where, "cannot be written to a device file", got=repr(value), fix="Give a number, a Varied or a distribution."
    )


def _table(values: Mapping[str, Any], where: str) -> str:
    return "{" + ", ".join(f"{k} = {_text(v, where)}" for k, v in values.items()) + "}"


def load_device(path: str | os.PathLike[str], *, parts: Sequence[type[Part]] = ()) -> Device:
    """Read a device from a file that `save_device` (or a hand) wrote.

    Args:
        path: the file.
        parts: the reader's own part classes that it uses, by their class names.

    Raises:
        FileError: no such file, no TOML, another version, an unknown class or parameter, a value out of its limits.
    """
    return _device(_read(path), Path(path).name, parts)


def read_device(text: str, where: str, parts: Sequence[type[Part]] = (), *, give: str = GIVE) -> Device:
    """A device from the TOML of a file; see `load_device`. ``give``: how a reader gives parts of their own, for errors."""
    return _device(_parsed(text, where), where, parts, give)


def _device(content: dict[str, Any], where: str, parts: Sequence[type[Part]], give: str = GIVE) -> Device:
    known = device_parts() | {p.__name__: p for p in parts}
    if content.get("format") != FORMAT:
        raise FileError(where, f"must say format = {FORMAT!r}", got=repr(content.get("format")), fix="Is it a device file?")
    if content.get("version") != VERSION or isinstance(content["version"], bool):
        got = repr(content.get("version"))
        raise FileError(where, f"must have version {VERSION}", got=got, fix="Use the version of SHIP that wrote it.")
    own = {k: v for k, v in content.items() if k not in ("format", "version", "origin", *devices_kinds())}
    made = {name: _made(content[name], f"{where}: [{name}]", known, Part, give) for name in devices_kinds() if name in content}
    device = _made(own, where, {"Device": Device}, Device, give, made)
    assert isinstance(device, Device)
    return device


def load_origin(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a device file says about where its numbers come from."""
    origin = _read(path).get("origin", {})
    if not isinstance(origin, dict):
        raise FileError(Path(path).name, "[origin] must be a table", got=repr(origin))
    return origin


def devices_kinds() -> tuple[str, ...]:
    """The names of a device's parts."""
    from .device import KINDS

    return tuple(KINDS)


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    path = regular_file(path, MOST)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(path.name, "is no readable TOML", got=str(error)) from error
    return _parsed(text, path.name)


def _parsed(text: Any, where: str) -> dict[str, Any]:
    """The content of a text in TOML."""
    import tomllib

    if not isinstance(text, str):
        raise FileError(where, "must be text", got=repr(text))
    if found := DEEP.search(text):  # time and memory of the parser grow with the square of this
        got = f"line {text.count(chr(10), 0, found.start()) + 1}"
        raise FileError(where, f"must not have {MOST_DEEP} names or more joined by dots", got=got)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number with too many digits
        raise FileError(where, "is no readable TOML", got=str(error)) from error


def _made(
    entry: Any,
    where: str,
    known: Mapping[str, type[Part]],
    kind: type[Part],
    give: str,
    parts: Mapping[str, Part] | None = None,
) -> Part:
    """A part from its table."""
    if not isinstance(entry, dict):
        raise FileError(where, "must be a table with a class", got=repr(entry))
    name = entry.get("class")
    if not isinstance(name, str) or name not in known:
        raise FileError(
            where,
            f"no device part named {name!r}",
            fix=f"{suggest(str(name), known)} For one of your own: {give}.",
        )
    cls = known[name]
    if not issubclass(cls, kind):
        raise FileError(where, f"needs a {kind.__name__}", got=name)
    numbers, options = declared(cls)
    values = {k: v for k, v in entry.items() if k != "class"}
    for key in values:
        if key not in numbers and key not in options:
            raise FileError(where, f"{name} has no parameter {key!r}", fix=suggest(key, [*numbers, *options]))
    try:
        read = {k: _value(v, f"{where}.{k}") for k, v in values.items()}
        for key, value in read.items():
            _check(value, f"{where}.{key}", numbers.get(key), options.get(key))
        return cls(**read, **(parts or {}))
    except FileError:
        raise
    except ShipError as error:
        raise FileError(where, f"does not hold a valid device: {error}") from error
    except DAMAGE as error:
        raise FileError(where, "does not hold a valid device", got=f"{type(error).__name__}: {error}") from error


def _value(given: Any, where: str) -> Any:
    if isinstance(given, list):
        return tuple(_value(v, where) for v in given)
    if not isinstance(given, dict):
        if not isinstance(given, bool | int | float | str):
            raise FileError(where, "must not be a date or a time", got=str(given))
        return given
    if given == {"none": True}:
        return None
    if set(given) == {"tensor", "dtype"} and given["dtype"] in DTYPES:
        return torch.tensor(given["tensor"], dtype=DTYPES[given["dtype"]])
    if "distribution" in given:
        if given["distribution"] not in DISTRIBUTIONS:
            raise FileError(
                where, f"no distribution {given['distribution']!r}", fix=suggest(str(given["distribution"]), DISTRIBUTIONS)
            )
        return DISTRIBUTIONS[given["distribution"]](**{k: v for k, v in given.items() if k != "distribution"})
    names = [f.name for f in fields(Varied)]
    if "nominal" in given:
        for key in given:
            if key not in names:
                raise FileError(where, f"a varied value has no {key!r}", fix=suggest(key, names))
        return Varied(_value(given["nominal"], where), **{k: v for k, v in given.items() if k != "nominal"})
    raise FileError(where, "must be a number, text, a list, or a table with nominal, distribution or tensor", got=repr(given))


def _check(value: Any, where: str, number: parameters.Parameter | None, option: parameters.Option | None) -> None:
    """Limits of plain numbers, choices and kinds of options, at once: not only when an array is made."""
    if option is not None and option.choices is not None and value not in option.choices:
        raise FileError(where, f"must be one of {', '.join(map(repr, option.choices))}", got=repr(value))
    if option is not None and isinstance(option.default, str | bool) and type(value) is not type(option.default):
        raise FileError(where, "must be text" if isinstance(option.default, str) else "must be true or false", got=repr(value))
    if number is None:
        return
    nominal = value.nominal if isinstance(value, Varied) else value
    if isinstance(nominal, int | float) and not isinstance(nominal, bool):
        nominal = torch.tensor(float(nominal), dtype=torch.float64)
    elif not isinstance(nominal, Tensor | Distribution):
        raise FileError(where, "must be a number", got=repr(nominal))
    if isinstance(nominal, Tensor) and not number.all_inside(nominal):
        raise FileError(where, number.rule, got=f"{float(nominal[~number.inside(nominal)].flatten()[0]):g}")
