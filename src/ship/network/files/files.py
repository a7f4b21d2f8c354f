"""Saving and loading a network: one file with the structure as JSON beside the tensors, see `ship.base.tensor_files`.

Nothing in a file can be executed. Values are written and read by `ship.base.codec`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from ... import models as _models
from ...base.codec import Beside
from ...base.errors import FileError, ShipError, suggest
from ...base.parameters import declared
from ...base.tensor_files import DAMAGE, read, write
from ...devices.contract import Part
from ...groups.spec import ARGUMENTS, Spec
from ...groups.wiring import made_delays
from ...models.contract import Model, Rule
from ..network import Network
from ..snapshot import Snapshot
from . import checks, hardware
from .values import loaded_readout, network_codec, saved_readout, settled, settled_connectivity

TAG_KEYS = ("n", "port", "output")  # arguments of `Network.add` that stand in a file as they are
SHAPED = ("source", "target", "trainable", "delay", "initial", "rule", "connect", "device", "mapping", "crossbar", "learning")


def _others() -> list[str]:
    """Return the arguments of `Network.add` that are written as values of their own, where they were given."""
    return [name for name in ARGUMENTS if name not in (*TAG_KEYS, *SHAPED)]


def library_models() -> dict[str, type[Model]]:
    """Return all concrete models of the library, by name."""
    rooms = (_models, _models.gemo2024)
    return {name: getattr(room, name) for room in rooms for name in room.__all__}


def save(net: Network, path: str | os.PathLike[str], *, running: bool = False) -> None:
    """Save a network: its structure, parameters, frozen deviates with their die ids, persistent state and readout.

    The readout that it was trained with is saved if it is one of the library; a user-defined one must be given again. The file
    is written next to its place and then moved there, so that a crash never loses the previous one.

    Args:
        net: an initialised network.
        path: the file, by custom ``*.ship``.
        running: whether to save the running state as well (transients, signals in flight, clocks, the trial of the noise), so
            that a run continues bit for bit. Without it the loaded network starts afresh, at trial 0.

    Raises:
        FileError: the folder is missing or not writable, or a value cannot be saved, or `load` would refuse it (NaN).
    """
    checks.check_count(str(path), net.tags)
    for tag in net.tags:
        net[tag].project_()
    checks.check_values(net, net.state_dict())
    snapshot = net.snapshot()
    tensors = {name: value for name, value in snapshot.tensors.items() if running or name.startswith("net/")}
    codec = network_codec(tensors)
    readout = codec.encode("readout", saved_readout(net.readout))
    structure: dict[str, Any] = {"settings": _settings(net), "groups": [], "readout": readout}
    for tag in net.tags:
        structure["groups"].append(_write_spec(net, tag, codec))
    if running:
        structure["running"] = snapshot.meta
    write(path, tensors, structure)


def load(path: str | os.PathLike[str], *, models: Sequence[type[Model] | type[Part]] = (), engine: str | None = None) -> Network:
    """Load a network saved by `save`, initialised on the CPU and ready to run (or to continue, if it was saved running).

    Args:
        path: the file.
        models: the user-defined classes (models and parts of devices) that the network uses.
        engine: the engine, as for `Network.init`; None for the one that the network was made with.

    Raises:
        FileError: the file is damaged, truncated or of another format, names an unknown model, asks for much more than it holds,
            or has values out of their limits.
    """
    tensors, structure = read(path)
    own_models, parts = hardware.split(models)
    codec = network_codec(tensors)
    known = library_models() | {m.__name__: m for m in own_models}
    try:
        net = Network()
        settings, groups, running = structure["settings"], structure["groups"], structure.get("running")
        checks.check_count("groups", groups)
        for group in groups:
            _read_spec(net, group, known, parts, codec)
        checks.check_sizes(net, tensors, settings, running)
        dtype = {"float32": torch.float32, "float64": torch.float64}[settings["dtype"]]
        net.init(
            settings["dt"],
            seed=settings["seed"],
            chips=settings["chips"],
            variation=settings["variation"],
            dtype=dtype,
            engine=settings.get("engine", "auto") if engine is None else engine,
            temperature=settings.get("temperature"),
        )
        own = {name.removeprefix("net/"): value for name, value in tensors.items() if name.startswith("net/")}
        checks.check_values(net, own)
        _put(net, own)
        net.readout = loaded_readout(codec, structure.get("readout"))
        if running is not None:
            assert net._sim is not None
            checks.check_running(running, len(net._sim.lines))
            net.restore(Snapshot(tensors, running))
    except ShipError as error:
        raise FileError(str(path), f"does not hold a valid network: {str(error).rstrip('.')}") from error
    except DAMAGE as error:
        raise FileError(str(path), "does not hold a valid network", got=f"{type(error).__name__}: {error}") from error
    return net


def _put(net: Network, own: Mapping[str, Tensor]) -> None:
    """Load tensors group by group: PyTorch's ``load_state_dict`` of the whole network looks at every name once per group."""
    parts: dict[str, dict[str, Tensor]] = {tag: {} for tag in net.tags}
    for name, value in own.items():
        parts[name.split(".")[1]][name.split(".", 2)[2]] = value
    for tag, part in parts.items():
        net[tag].load_state_dict(part)


def _settings(net: Network) -> dict[str, Any]:
    chips = net._settings["chips"]
    return {
        "dt": net.dt,
        "seed": net._settings["seed"],
        "chips": chips if chips is None or isinstance(chips, int) else list(chips),
        "variation": net._settings["variation"],
        "dtype": str(net._settings["dtype"]).removeprefix("torch."),
        "engine": net._settings["engine"],
        "temperature": net._settings["temperature"],
    }


def _write_spec(net: Network, tag: str, codec: Beside) -> dict[str, Any]:
    spec: Spec = net._specs[tag]

    def encode(name: str, place: str, given: Any, realised: Tensor | None) -> Any:
        where = f"{spec.where}.{name}"
        return codec.encode(where, settled(where, given, realised), f"given/{tag}/{place}")

    def value(name: str, given: Any) -> Any:
        realised = getattr(net[tag], name.replace(".", "/"), None)
        return encode(name, name, given, realised)

    written = {name: value(name, given) for name, given in spec.given.items()}
    entry: dict[str, Any] = {
        "tag": tag,
        "model": type(spec.model).__name__,
        "given": written,
    }
    entry |= {name: getattr(spec, name) for name in TAG_KEYS}
    entry |= {name: value(name, given) for name in _others() if (given := getattr(spec, name)) is not None}
    entry["source"], entry["target"] = list(spec.source), list(spec.target)
    entry["trainable"] = None if spec.trainable is None else list(spec.trainable)
    entry["delay"] = encode("delay", "delay", spec.delay, made_delays(net.wiring, tag))
    entry["initial"] = {
        name: encode("initial", f"initial/{name}", v, getattr(net[tag], f"initial/{name}")) for name, v in spec.initial.items()
    }
    entry |= hardware.encode(spec, codec)
    if spec.connect is not None:
        where, name = f"{spec.where}.connect", f"given/{tag}/connect"
        entry["connect"] = codec.encode(where, settled_connectivity(spec.connect), name)
    if spec.rule is not None:
        rule = {f.name: getattr(spec.rule, f.name) for f in fields(spec.rule)}
        entry["rule"] = {"model": type(spec.rule).__name__, "given": {name: value(f"rule.{name}", v) for name, v in rule.items()}}
    return entry


def _read_spec(
    net: Network,
    entry: dict[str, Any],
    known: Mapping[str, type[Model]],
    parts: Sequence[type[Part]],
    codec: Beside,
) -> None:
    def model(name: str, kind: type) -> type[Model]:
        if name not in known or not issubclass(known[name], kind):
            raise FileError(
                where,
                f"uses a model {name!r} that is not known",
                fix=f"Give its class: ship.load(path, models=[{name}]). {suggest(name, known)}",
            )
        return known[name]

    where = f"group {entry['tag']!r}"

    def values(entries: Mapping[str, Any]) -> dict[str, Any]:
        return {k: codec.decode(f"{where}.{k}", v) for k, v in entries.items()}

    rule = None
    if "rule" in entry:
        cls = model(entry["rule"]["model"], Rule)
        made = cls(**values(entry["rule"]["given"]))
        assert isinstance(made, Rule)
        rule = made
    cls = model(entry["model"], Model)
    names = {*declared(cls)[0], *declared(cls)[1]}
    given = values(entry["given"])
    if unknown := set(given) - names:
        raise FileError(where, f"{cls.__name__} has no parameter {sorted(unknown)[0]!r}")
    keep = {k: entry[k] for k in TAG_KEYS} | {k: codec.decode(f"{where}.{k}", entry[k]) for k in _others() if k in entry}
    net.add(
        cls,
        entry["tag"],
        source=entry["source"],
        target=entry["target"],
        trainable=entry["trainable"],
        delay=codec.decode(f"{where}.delay", entry["delay"]),
        initial=values(entry["initial"]),
        rule=rule,
        connect=codec.decode(f"{where}.connect", entry.get("connect")),
        **hardware.decode(entry, where, codec, parts),
        **keep,
        **given,
    )
