"""Save and load networks: one file with the structure as JSON and the tensors, see `tensor_files`; nothing can be executed."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from ... import models as _models
from ...base import parameters
from ...base.errors import FileError, ShipError, suggest
from ...base.parameters import Distribution, PerChip, PerSample, Varied, declared
from ...base.tensor_files import DAMAGE, read, write
from ...devices.contract import Part
from ...groups.connectivity import CONNECTIVITIES, Connectivity, Edges
from ...groups.spec import Spec
from ...models import surrogate
from ...models.contract import Model, Rule
from ..network import Network
from ..snapshot import Snapshot
from . import checks, hardware

DISTRIBUTIONS = {c.__name__: c for c in (parameters.Uniform, parameters.Normal, parameters.LogNormal, parameters.FanIn)}
TAG_KEYS = ("n", "port", "output")


def library_models() -> dict[str, type[Model]]:
    """Return all concrete models of the library, by name."""
    return {name: getattr(_models, name) for name in _models.__all__}


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
    from ..readout import written

    checks.check_count(str(path), net.tags)
    for tag in net.tags:
        net[tag].project_()
    checks.check_values(net, net.state_dict())
    snapshot = net.snapshot()
    tensors = {name: value for name, value in snapshot.tensors.items() if running or name.startswith("net/")}
    structure: dict[str, Any] = {"settings": _settings(net), "groups": [], "readout": written(net.readout)}
    for tag in net.tags:
        structure["groups"].append(_write_spec(net, tag, tensors))
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
    from ..readout import read_back

    tensors, structure = read(path)
    own_models, parts = hardware.split(models)
    known = library_models() | {m.__name__: m for m in own_models}
    try:
        net = Network()
        settings, groups, running = structure["settings"], structure["groups"], structure.get("running")
        checks.check_count("groups", groups)
        for group in groups:
            _read_spec(net, group, known, parts, tensors)
        checks.check_sizes(net, tensors, settings, running)
        dtype = {"float32": torch.float32, "float64": torch.float64}[settings["dtype"]]
        net.init(
            settings["dt"],
            seed=settings["seed"],
            chips=settings["chips"],
            variation=settings["variation"],
            dtype=dtype,
            engine=settings.get("engine", "auto") if engine is None else engine,
        )
        own = {name.removeprefix("net/"): value for name, value in tensors.items() if name.startswith("net/")}
        checks.check_values(net, own)
        _put(net, own)
        net.readout = read_back(structure.get("readout"))
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
    entry |= hardware.encode(spec, tensors)
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
    """Return the delays of a connection as they were drawn or made, ``[pre, post]`` or one number."""
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
    """Turn a value into JSON; tensors go to the file under ``name``, and a callable is saved as the tensor that it made."""
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
        **hardware.decode(entry, f"group {entry['tag']!r}", tensors, parts),
        **keep,
        **given,
    )
