"""Save and load: one file, structure as JSON in the header of tensors in the safetensors format. Nothing in it can be
executed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import hardware_files, parameters, surrogate
from . import models as _models
from .connect import CONNECTIVITIES, Connectivity, Edges
from .errors import FileError, ShipError, suggest
from .group import Spec
from .models.contract import Model, Rule
from .models.devices.contract import Part
from .network import Network
from .parameters import Distribution, PerChip, PerSample, Varied, declared
from .plan import wire
from .snapshot import Snapshot
from .whole import write_whole

FORMAT = 1
DISTRIBUTIONS = {c.__name__: c for c in (parameters.Uniform, parameters.Normal, parameters.LogNormal, parameters.FanIn)}
TAG_KEYS = ("n", "port", "output")


def library_models() -> dict[str, type[Model]]:
    """All finished models of the library, by name."""
    return {name: getattr(_models, name) for name in _models.__all__}


def save(net: Network, path: str | os.PathLike[str], *, running: bool = False) -> None:
    """Save a network: structure, parameters, frozen deviates with their die ids, persistent state, and the readout that it was
    trained with (of the library; one of your own must be given again).

    The file is written beside its place and then moved there: a crash never loses the previous one.

    Args:
        net: an initialised network.
        path: the file, by custom ``*.ship``.
        running: also save the running state (transients, what is in flight, clocks), to continue bit for bit.

    Raises:
        FileError: the folder is missing or not writable; a value cannot be saved.
    """
    from .train.readout import written

    for tag in net.tags:
        net[tag].project_()
    snapshot = net.snapshot()
    tensors = {name: value for name, value in snapshot.tensors.items() if running or name.startswith("net/")}
    structure: dict[str, Any] = {"format": FORMAT, "settings": _settings(net), "groups": [], "readout": written(net.readout)}
    for tag in net.tags:
        structure["groups"].append(_write_spec(net, tag, tensors))
    if running:
        structure["running"] = snapshot.meta
    write(path, tensors, structure)


def write(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], structure: Mapping[str, Any]) -> None:
    """Write tensors and a JSON structure to one file, atomically.

    Raises:
        FileError: the folder is missing or not writable.
    """
    from safetensors.torch import save as to_bytes

    data = to_bytes({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, metadata={"ship": json.dumps(structure)})
    write_whole(path, data)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and structure of a file.

    Raises:
        FileError: missing, damaged, truncated, or no file of this library.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileError(str(path), "no such file")
    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get("ship")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(str(path), "is damaged, truncated, or not a file of SHIP", got=str(error)) from error
    try:
        structure = json.loads(text or "")
    except ValueError as error:
        raise FileError(str(path), "has no readable structure: it was not written by SHIP") from error
    if not isinstance(structure, dict) or structure.get("format") != FORMAT:
        got = structure.get("format") if isinstance(structure, dict) else None
        raise FileError(str(path), f"must have format {FORMAT}", got=repr(got), fix="Use the version of SHIP that wrote it.")
    return tensors, structure


def load(path: str | os.PathLike[str], *, models: Sequence[type[Model] | type[Part]] = ()) -> Network:
    """Load a network saved by `save`, initialised and ready to run (or to continue, if it was saved running).

    Args:
        path: the file.
        models: the user's own classes that it uses, models and parts of devices, by their class names.

    Raises:
        FileError: damaged, truncated, of another format, or naming a model that is not known.
    """
    from .train.readout import read_back

    tensors, structure = read(path)
    own_models, parts = hardware_files.split(models)
    known = library_models() | {m.__name__: m for m in own_models}
    try:
        net = Network()
        for group in structure["groups"]:
            _read_spec(net, group, known, parts, tensors)
        _check_sizes(net, tensors)
        settings = structure["settings"]
        dtype = {"float32": torch.float32, "float64": torch.float64}[settings["dtype"]]
        net.init(settings["dt"], seed=settings["seed"], chips=settings["chips"], variation=settings["variation"], dtype=dtype)
        own = {name.removeprefix("net/"): value for name, value in tensors.items() if name.startswith("net/")}
        net.load_state_dict(own)
        net.readout = read_back(structure.get("readout"))
        if "running" in structure:
            net.restore(Snapshot(tensors, structure["running"]))
    except FileError:
        raise
    except ShipError as error:
        raise FileError(str(path), f"does not hold a valid network: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise FileError(str(path), "does not hold a valid network", got=f"{type(error).__name__}: {error}") from error
    return net


def _settings(net: Network) -> dict[str, Any]:
    chips = net._settings["chips"]
    return {
        "dt": net.dt,
        "seed": net._settings["seed"],
        "chips": chips if chips is None or isinstance(chips, int) else list(chips),
        "variation": net._settings["variation"],
        "dtype": str(net._settings["dtype"]).removeprefix("torch."),
    }


def _write_spec(net: Network, tag: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    spec: Spec = net._specs[tag]

    def value(name: str, given: Any) -> Any:
        realised = getattr(net[tag], name.replace(".", "/"), None)
        return _encode(given, tensors, f"given/{tag}/{name}", f"{spec.where}.{name}", realised)

    written = {name: value(name, given) for name, given in spec.given.items()}
    entry: dict[str, Any] = {
        "tag": tag,
        "model": type(spec.model).__name__,
        "given": written,
        "n": spec.n,
        "port": spec.port,
        "output": spec.output,
    }
    entry["source"], entry["target"] = list(spec.source), list(spec.target)
    entry["trainable"] = None if spec.trainable is None else list(spec.trainable)
    entry["delay"] = _encode(spec.delay, tensors, f"given/{tag}/delay", f"{spec.where}.delay", _delay(net, tag))
    entry["initial"] = {
        name: _encode(v, tensors, f"given/{tag}/initial/{name}", f"{spec.where}.initial", getattr(net[tag], f"initial/{name}"))
        for name, v in spec.initial.items()
    }
    entry |= hardware_files.encode(spec, tensors)
    if spec.connect is not None:
        entry["connect"] = _encode_connect(spec, tensors)
    if spec.rule is not None:
        rule = {f.name: getattr(spec.rule, f.name) for f in fields(spec.rule)}
        entry["rule"] = {"model": type(spec.rule).__name__, "given": {name: value(f"rule.{name}", v) for name, v in rule.items()}}
    return entry


def _encode_connect(spec: Spec, tensors: dict[str, Tensor]) -> Any:
    given = spec.connect
    if isinstance(given, Connectivity) and not isinstance(given, Edges):
        if type(given).__name__ not in CONNECTIVITIES:
            raise FileError(
                f"{spec.where}.connect", "a rule of one's own cannot be saved", got=type(given).__name__, fix="Give ship.Edges."
            )
        return {"rule": type(given).__name__, "values": {f.name: getattr(given, f.name) for f in fields(given)}}  # type: ignore[arg-type]
    name = f"given/{spec.tag}/connect"
    if isinstance(given, Edges):
        tensors[f"{name}/pre"], tensors[f"{name}/post"] = torch.as_tensor(given.pre), torch.as_tensor(given.post)
        return {"edges": name}
    tensors[name] = torch.as_tensor(given).to(torch.uint8)
    return {"tensor": name}


def _decode_connect(entry: Any, tensors: Mapping[str, Tensor]) -> Any:
    if entry is None:
        return None
    if "rule" in entry:
        return CONNECTIVITIES[entry["rule"]](**entry["values"])
    if "edges" in entry:
        return Edges(tensors[f"{entry['edges']}/pre"], tensors[f"{entry['edges']}/post"])
    return tensors[entry["tensor"]]


def _delay(net: Network, tag: str) -> Tensor | None:
    """The delays of a connection as they were made, ``[pre, post]`` or one number."""
    assert net._wiring is not None
    if tag in net._wiring.edges:
        return None
    rows = [
        w.delay.expand(w.width, -1) if w.delay.ndim else w.delay
        for w in net._wiring.wires
        if w.target == tag and w.role == "signal" and w.delay is not None
    ]
    return None if not rows else (rows[0] if rows[0].ndim == 0 else torch.cat(rows))


def _encode(given: Any, tensors: dict[str, Tensor], name: str, where: str, realised: Tensor | None) -> Any:
    """A value as JSON; tensors go to the file under ``name``; a callable is saved as what it gave."""
    if given is None or isinstance(given, str | bool | int):
        return given
    if isinstance(given, float):
        return given if math.isfinite(given) else {"float": str(given)}
    if isinstance(given, Varied):
        parts = {f.name: getattr(given, f.name) for f in fields(given) if f.name != "nominal"}
        return {"varied": parts, "nominal": _encode(given.nominal, tensors, name, where, realised)}
    if isinstance(given, PerSample | PerChip):
        tensors[name] = given.value.clone()
        return {"per_sample" if isinstance(given, PerSample) else "per_chip": name}
    if isinstance(given, surrogate.Surrogate):
        if type(given).__name__ not in surrogate.SURROGATES:
            raise FileError(
                where, "a surrogate of one's own cannot be saved", got=type(given).__name__, fix="Use one of the library."
            )
        return {"surrogate": type(given).__name__, "values": {f.name: getattr(given, f.name) for f in fields(given)}}
    if isinstance(given, Distribution) and type(given).__name__ in DISTRIBUTIONS:
        return {"distribution": type(given).__name__, "values": dict(vars(given))}
    if callable(given) and not isinstance(given, Tensor):
        if realised is None:
            raise FileError(where, "a callable cannot be saved here", got=repr(given), fix="Give its values as a tensor.")
        given = realised.detach()
    tensors[name] = parameters.to_tensor(where, given).detach().clone()
    return {"tensor": name}


def _decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "float" in value:
        return float(value["float"])
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "per_sample" in value:
        return PerSample(tensors[value["per_sample"]])
    if "per_chip" in value:
        return PerChip(tensors[value["per_chip"]])
    if "varied" in value:
        return Varied(_decode(value["nominal"], tensors), **value["varied"])
    if "distribution" in value:
        return DISTRIBUTIONS[value["distribution"]](**value["values"])
    return surrogate.SURROGATES[value["surrogate"]](**value["values"])


def _read_spec(
    net: Network,
    entry: dict[str, Any],
    known: Mapping[str, type[Model]],
    parts: Sequence[type[Part]],
    tensors: Mapping[str, Tensor],
) -> None:
    def model(name: str, kind: type) -> type[Model]:
        if name not in known or not issubclass(known[name], kind):
            raise FileError(
                f"group {entry['tag']!r}",
                f"uses a model {name!r} that is not known",
                fix=f"Give its class: ship.load(path, models=[{name}]). {suggest(name, known)}",
            )
        return known[name]

    rule = None
    if "rule" in entry:
        cls = model(entry["rule"]["model"], Rule)
        made = cls(**{k: _decode(v, tensors) for k, v in entry["rule"]["given"].items()})
        assert isinstance(made, Rule)
        rule = made
    cls = model(entry["model"], Model)
    names = {*declared(cls)[0], *declared(cls)[1]}
    given = {k: _decode(v, tensors) for k, v in entry["given"].items()}
    if unknown := set(given) - names:
        raise FileError(f"group {entry['tag']!r}", f"{cls.__name__} has no parameter {sorted(unknown)[0]!r}")
    initial = {k: _decode(v, tensors) for k, v in entry["initial"].items()}
    keep = {k: entry[k] for k in TAG_KEYS}
    net.add(
        cls,
        entry["tag"],
        source=entry["source"],
        target=entry["target"],
        trainable=entry["trainable"],
        delay=_decode(entry["delay"], tensors),
        initial=initial,
        rule=rule,
        connect=_decode_connect(entry.get("connect"), tensors),
        **hardware_files.decode(entry, f"group {entry['tag']!r}", tensors, parts),
        **keep,
        **given,
    )


def _check_sizes(net: Network, tensors: Mapping[str, Tensor]) -> None:
    """A file cannot make the reader allocate matrices that it does not itself hold."""
    wiring = wire({tag: replace(spec, connect=None) for tag, spec in net._specs.items()}, 0)
    for tag in net.tags:
        connect = net._specs[tag].connect
        for name, declaration in declared(type(net._specs[tag].model))[0].items():
            if declaration.per == "connection" and isinstance(connect, Connectivity):
                count, expected = (
                    tensors[f"net/groups.{tag}.{name}"].shape[-1],
                    connect.expected(wiring.n_pre[tag], wiring.n[tag]),
                )
                if abs(count - expected) > 10 * math.sqrt(expected) + 10:
                    raise FileError(f"group {tag!r}.{name}", f"must have about {expected:g} edges", got=str(count))
            elif declaration.per == "connection" and connect is None:
                stored = tensors[f"net/groups.{tag}.{name}"]
                if tuple(stored.shape[-2:]) != (wiring.n_pre[tag], wiring.n[tag]):
                    raise FileError(
                        f"group {tag!r}.{name}", f"must be [{wiring.n_pre[tag]}, {wiring.n[tag]}]", got=f"{list(stored.shape)}"
                    )
