"""Device files: one device as a small TOML text, to read, to keep beside a measurement, and to load.

::

    format = "ship-device"
    version = 1
    class = "Device"
    name = "gong"
    g_max = 0.0001  # S                               # a number: in SI, its unit beside it
    g_min = {nominal = 1e-6, d2d = 0.1}               # a `Varied`; a `LogNormal` is {distribution = "LogNormal", median = .., ..}
    correlated = [["update.alpha_p", "update.alpha_d", 0.8]]

    [update]                                          # a part: its class, one of those that `ship.devices` exports
    class = "Bounded"
    alpha_p = 0.01

    [origins]                                         # by name: measured, assumed or missing, see `ship.devices.provenance`
    update = {status = "measured", kind = "pulses", source = "gong.csv", sha256 = "..", rows = "rows 2 to 2001"}
    retention = {status = "missing"}

    [origin]                                          # the settings of the fit, for the record
    source = "gong.csv"

A file without ``[origins]`` holds a device that is all of it the user's, as one made by hand is. Whoever edits a number edits its
origin, too; a part that is added in the place of a missing one is the user's without a word.

Floats are written so that they come back to the bit. A class is looked up among the parts of `ship.devices` (and those that the
reader gives), never imported; nothing in a file can be executed. Where a device is saved over a device file, the comments and the
layout of that file stay. Values are written and read by `ship.base.codec`, the text by tomllib and tomlkit.
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import devices
from ..base import parameters
from ..base.atomic_write import regular_file, write_whole
from ..base.checks import check_choice
from ..base.codec import DISTRIBUTIONS, Inline
from ..base.errors import FileError, ShipError, suggest
from ..base.parameters import Distribution, Varied, declared
from ..base.tensor_files import DAMAGE
from . import Device, Part
from .provenance import FACTS, STATUSES, WORDS, Origin

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Table

FORMAT, VERSION = "ship-device", 1
MOST = 20 * 2**20  # bytes of a file
MOST_KEPT = 2**18  # bytes of a file whose comments are kept: longer ones hold tensors, for which tomlkit takes seconds
MOST_DEEP = 32
NAME = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
DEEP = re.compile(rf"(?<![\w-])(?:{NAME}\.[ \t]*+){{{MOST_DEEP - 1}}}{NAME}")
GIVE = "load_device(path, parts=[...])"
CODEC = Inline((DISTRIBUTIONS,))


def device_parts() -> dict[str, type[Part]]:
    """Return the parts that a file may name: the finished ones of `ship.devices`."""
    found = {name: getattr(devices, name) for name in dir(devices)}
    return {
        n: c
        for n, c in found.items()
        if inspect.isclass(c) and issubclass(c, Part) and not inspect.isabstract(c) and c not in (Part, Device)
    }


def save_device(device: Device, path: str | os.PathLike[str], *, origin: Mapping[str, str | int | float] | None = None) -> None:
    """Write a device to a TOML file, each number with its unit beside it.

    The file that was there stays until the new one is whole; comments and layout of a device file are taken over.

    Args:
        device: the device. Its values are numbers, `Varied`, distributions, tensors; its options text, numbers, tuples.
        path: the file, by custom ``*.toml``.
        origin: where the numbers come from: text and numbers, written as ``[origin]``.

    Raises:
        FileError: the folder is not writable, or a value cannot be written.
    """
    if not isinstance(device, Device):
        raise FileError("save_device", "needs a ship.Device", got=type(device).__name__)
    write_whole(path, file_text(device, origin, path).encode())


def device_text(device: Device, origin: Mapping[str, str | int | float] | None = None, *, units: bool = False) -> str:
    """Return a device as the TOML of its file.

    Args:
        device: the device, as for `save_device`.
        origin: where its numbers come from, as for `save_device`.
        units: whether each number is followed by its unit, as a comment. Without it, devices with equal numbers, parts and
            origins have equal texts in every version of the library.
    """
    lines = [f"format = {json.dumps(FORMAT)}", f"version = {VERSION}", *_part_lines(device, device.name, units)]
    for name, part in device.parts.items():
        if name:
            lines += ["", f"[{name}]", *_part_lines(part, f"{device.name}.{name}", units)]
    if device.origins:
        lines += ["", "[origins]", *(f"{name} = {_toml(origin.as_dict())}" for name, origin in device.origins.items())]
    if origin:
        lines += ["", "[origin]", *(f"{_key(k)} = {_toml(CODEC.encode(f'origin.{k}', v))}" for k, v in origin.items())]
    return "\n".join(lines) + "\n"


def _part_lines(part: Part, where: str, units: bool) -> list[str]:
    numbers, options = declared(type(part))
    lines = [f"class = {json.dumps(type(part).__name__)}"]
    for name in (f.name for f in fields(part) if f.name in numbers or f.name in options):
        unit = numbers[name].unit if units and name in numbers else ""
        text = _toml(CODEC.encode(f"{where}.{name}", getattr(part, name)))
        lines.append(f"{name} = {text}" + (f"  # {unit}" if unit else ""))
    return lines


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else json.dumps(name)


def _toml(value: Any) -> str:
    """Write plain data as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)  # inf and nan, too, are words of TOML
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"


def file_text(device: Device, origin: Mapping[str, str | int | float] | None, path: str | os.PathLike[str]) -> str:
    """Return what `save_device` writes: the device with its units, in the layout and with the comments of the file that is there.

    Raises:
        FileError: a value cannot be written.
    """
    text = device_text(device, origin, units=True)
    try:
        before = Path(path).read_text(encoding="utf-8") if Path(path).is_file() and Path(path).stat().st_size <= MOST_KEPT else ""
        return _merged(before, text) if before and len(text) <= MOST_KEPT else text
    except (OSError, UnicodeDecodeError):
        return text


def _merged(before: str, text: str) -> str:
    """Return a new text in the layout and with the comments of the one before; as it is, where that was no device file."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        if _parsed(before, "before").get("format") != FORMAT:
            return text
        document = tomlkit.parse(before)
        _take_over(document, tomlkit.parse(text))
        made = document.as_string()
        # As text, because nan does not equal nan; whatever the layout has done to the content, the content decides.
        same = json.dumps(_parsed(made, "made"), sort_keys=True) == json.dumps(_parsed(text, "text"), sort_keys=True)
    except (TOMLKitError, *DAMAGE):
        return text
    return made if same else text


def _take_over(kept: TOMLDocument | Table, new: TOMLDocument | Table) -> None:
    """Bring a new document's values into one that keeps its layout and comments.

    A number without a comment gets its unit; the comments of a part that is no longer there go with it.
    """
    from tomlkit.items import Item, Table

    for key in [key for key in kept if key not in new]:
        del kept[key]
    for key in list(new):
        item, before = new.item(key), kept.item(key) if key in kept else None
        assert isinstance(item, Item)
        if isinstance(item, Table) and isinstance(before, Table):
            _take_over(before, item)
        elif not isinstance(before, Item):  # a table in several places cannot be appended: the new text then stays as it is
            kept.append(key, item)
        else:
            if repr(before.unwrap()) != repr(item.unwrap()):
                item.trivia.indent, item.trivia.trail = before.trivia.indent, before.trivia.trail
                if before.trivia.comment:
                    item.trivia.comment_ws, item.trivia.comment = before.trivia.comment_ws, before.trivia.comment
                kept[key] = item
            elif not before.trivia.comment and item.trivia.comment:
                before.trivia.comment_ws, before.trivia.comment = item.trivia.comment_ws, item.trivia.comment


def load_device(path: str | os.PathLike[str], *, parts: Sequence[type[Part]] = ()) -> Device:
    """Read a device from a file that `save_device` (or a hand) wrote.

    Args:
        path: the file.
        parts: the reader's own part classes that it uses, by their class names.

    Raises:
        FileError: no such file, no TOML, another version, an unknown class or parameter, a value out of its limits.
    """
    return _device(read_toml(path), Path(path).name, parts)


def read_device(text: str, where: str, parts: Sequence[type[Part]] = (), *, give: str = GIVE) -> Device:
    """Read a device from the TOML of a file, as `load_device` does.

    Args:
        text: the text of the file.
        where: the place that an error names.
        parts: the reader's own part classes that it uses.
        give: how the reader gives user-defined parts, for errors.

    Raises:
        FileError: as for `load_device`.
    """
    return _device(_parsed(text, where), where, parts, give)


def _device(content: dict[str, Any], where: str, parts: Sequence[type[Part]], give: str = GIVE) -> Device:
    known = device_parts() | {p.__name__: p for p in parts}
    if content.get("format") != FORMAT:
        raise FileError(where, f"must say format = {FORMAT!r}", got=repr(content.get("format")), fix="Is it a device file?")
    if content.get("version") != VERSION or isinstance(content["version"], bool):
        got = repr(content.get("version"))
        raise FileError(where, f"must have version {VERSION}", got=got, fix="Use the version of SHIP that wrote it.")
    own = {k: v for k, v in content.items() if k not in ("format", "version", "origin", "origins", *devices_kinds())}
    made: dict[str, Any] = {
        name: _made(content[name], f"{where}: [{name}]", known, Part, give) for name in devices_kinds() if name in content
    }
    made["origins"] = _origins(content.get("origins", {}), f"{where}: [origins]")
    device = _made(own, where, {"Device": Device}, Device, give, made)
    assert isinstance(device, Device)
    return device


def _origins(entry: Any, where: str) -> dict[str, Origin]:
    """Make the origins of their table: of each name its status, and words."""
    if not isinstance(entry, dict):
        raise FileError(where, "must be a table", got=repr(entry)[:80])
    made = {}
    for name, said in entry.items():
        if name not in FACTS:
            raise FileError(where, f"no device has a {name!r}", fix=suggest(name, FACTS))
        if not isinstance(said, dict) or "status" not in said:
            raise FileError(f"{where}: {name}", f"must be a table with a status: {', '.join(STATUSES)}", got=repr(said)[:80])
        if unknown := [key for key in said if key not in ("status", *WORDS)]:
            raise FileError(f"{where}: {name}", f"an origin has no {unknown[0]!r}", fix=suggest(unknown[0], ["status", *WORDS]))
        try:
            made[name] = Origin(**said)
        except ShipError as error:
            raise FileError(f"{where}: {name}", f"does not hold a valid origin: {error}") from error
    return made


def load_origin(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a device file says about where its numbers come from."""
    origin = read_toml(path).get("origin", {})
    if not isinstance(origin, dict):
        raise FileError(Path(path).name, "[origin] must be a table", got=repr(origin))
    return origin


def devices_kinds() -> tuple[str, ...]:
    """Return the names of a device's parts."""
    from .device import KINDS

    return tuple(KINDS)


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of a file in TOML that may come from a stranger.

    Raises:
        FileError: no such file, no TOML, or one too large or too deep.
    """
    path = regular_file(path, MOST)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(path.name, "is no readable TOML", got=str(error)) from error
    return _parsed(text, path.name)


def _parsed(text: Any, where: str) -> dict[str, Any]:
    """Return the content of a text in TOML."""
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
    parts: Mapping[str, Any] | None = None,
) -> Part:
    """Make a part of its table."""
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
        read = {k: CODEC.decode(f"{where}.{k}", v) for k, v in values.items()}
        for key, value in read.items():
            _check(value, f"{where}.{key}", numbers.get(key), options.get(key))
        return cls(**read, **(parts or {}))
    except FileError:
        raise
    except ShipError as error:
        raise FileError(where, f"does not hold a valid device: {error}") from error
    except DAMAGE as error:
        raise FileError(where, "does not hold a valid device", got=f"{type(error).__name__}: {error}") from error


def _check(value: Any, where: str, number: parameters.Parameter | None, option: parameters.Option | None) -> None:
    """Check plain numbers against their limits and options against their choices and types, before an array is made of them."""
    if option is not None and option.choices is not None:
        check_choice(where, value, option.choices, error=FileError)
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
