"""The identity of a training in a checkpoint: the network, optimiser and schedule that it was written for.

A checkpoint holds everything that training changes. Everything else must be the same when the checkpoint is read: the structure
of the network with its delays and edges, the kind of optimiser and the shapes of the parameters that it optimises. The identity
states this, and `differences` names the entries that differ.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..base.checks import check_real, check_whole
from ..base.codec import Beside, Digest
from ..base.errors import FileError
from ..base.parameters import declared
from ..base.tensor_files import DAMAGE
from ..devices.files import device_text
from ..groups.group import Group
from ..groups.spec import Spec
from ..network.network import Network

HISTORY = ("loss", "accuracy", "validation_accuracy", "rate")


def network_identity(net: Network, theirs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return, as JSON, everything of an initialised network that its ``state_dict`` does not hold.

    These are its settings, and for each group the model, sizes, options, spreads, delays, edges, rule and devices.

    Args:
        net: the network.
        theirs: the identity that this one will be compared with; options that it does not know, for they came later, are left out
            where they are at their defaults.
    """
    known = theirs or {}
    own = net.settings
    settings: dict[str, Any] = {"dt": own["dt"], "seed": own["seed"], "variation": own["variation"], "dtype": str(own["dtype"])}
    settings["chips"] = net[net.tags[0]].die_ids.tolist()
    tags = {f"group {tag!r}": tag for tag in net.tags}
    groups = {name: _group(net, tag, known.get(name, {})) for name, tag in tags.items()}
    made: dict[str, Any] = Digest().encode("network", settings | groups)
    return made


def _group(net: Network, tag: str, theirs: Mapping[str, Any]) -> dict[str, Any]:
    spec, group = net.specs[tag], net[tag]
    made = {"model": type(spec.model).__name__, "n": group.n, "source": spec.source, "target": spec.target, "port": spec.port}
    made |= {"output": spec.output, "options": _options(spec.model, theirs.get("options"))}
    made |= {"spreads": dict(group.spreads), "initial": sorted(spec.initial), "trainable": sorted(group._parameters)}
    made["delay"] = [w.delay for w in net.wiring.wires if w.target == tag and w.role == "signal"]
    if group.edges:
        made["edges"] = [group.pre, group.post]
    if spec.rule is not None:
        known = theirs.get("rule")
        made["rule"] = [type(spec.rule).__name__, _options(spec.rule, known[1] if isinstance(known, list) else None)]
    if spec.device is not None:
        made["device"] = _device(spec, group)
    return made


def _device(spec: Spec, group: Group) -> Any:
    """Return the description of a group's devices, by class names if they have user-defined parts that no file can hold.

    Where its numbers come from makes no other device.
    """
    assert spec.device is not None
    try:
        text: Any = device_text(replace(spec.device, origins={}))
    except FileError:
        text = {name: type(part).__name__ for name, part in spec.device.parts.items()}
    return [text, spec.mapping, spec.crossbar, spec.learning]


def _options(model: Any, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options of a model; those that are not ``known`` (a table of another identity) only where they are set."""
    options = declared(type(model))[1]
    new = set() if known is None else {name for name in options if name not in known}
    kept = (name for name in options if name not in new or getattr(model, name) != options[name].default)
    return {name: getattr(model, name) for name in kept}


def trainer_identity(optimizer: torch.optim.Optimizer, schedule: Any) -> dict[str, Any]:
    """Return the kinds of optimiser and schedule, and the shapes of the parameters that are optimised."""
    shapes = [[list(p.shape) for p in group.get("params", ()) if isinstance(p, Tensor)] for group in optimizer.param_groups]
    names = {
        name: None if part is None else type(part).__name__ for name, part in (("optimizer", optimizer), ("schedule", schedule))
    }
    return names | {"parameters": shapes}


def state_codec(tensors: dict[str, Tensor]) -> Beside:
    """Make the codec of the states of optimiser and schedule, which are nested tables and lists.

    Args:
        tensors: the tensors of the checkpoint, by name: `encode` adds to them, `decode` takes from them.
    """
    return Beside(tensors, stored=(), refusal="a state cannot be saved")


def differences(theirs: Any, own: Any, name: str = "") -> list[str]:
    """Return the differences of two identities in words, such as ``group 'a>b'.delay: 0.001, not 0.002``."""
    if isinstance(theirs, dict) and isinstance(own, dict):
        found = [d for k in own if k in theirs for d in differences(theirs[k], own[k], f"{name}.{k}".lstrip("."))]
        found += [f"{name}.{k}: only there".lstrip(".") for k in theirs if k not in own]
        return found + [f"{name}.{k}: only here".lstrip(".") for k in own if k not in theirs]
    if json.dumps(theirs, sort_keys=True) == json.dumps(own, sort_keys=True):
        return []
    return [f"{name}: {_short(theirs)}, not {_short(own)}"]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({hashlib.sha256(text.encode()).hexdigest()[:8]})"


def check_progress(state: Mapping[str, Any]) -> None:
    """Check that epochs, trials and history are such as a trainer writes.

    Raises:
        FileError: an entry is not; the error names it.
    """
    for name in ("epoch", "trial", "since_best"):
        check_whole(name, state[name], error=FileError)
    if state["best"] is not None:
        check_real("best", state["best"], "must be a number", error=FileError)
    history = state["history"]
    if set(history) != set(HISTORY):
        raise FileError("history", f"must have {', '.join(HISTORY)}", got=repr(sorted(history)))
    for name, values in history.items():
        if not isinstance(values, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            raise FileError(f"history.{name}", "must be a list of numbers", got=repr(values)[:60])


def check_schedule(given: Any, present: Mapping[str, Any]) -> None:
    """Check that the state of a schedule has the entries of the present one, and that their kinds agree.

    Raises:
        FileError: an entry differs; the error names it.
    """
    if not isinstance(given, dict) or set(given) != set(present):
        raise FileError("schedule", f"must have {', '.join(map(str, present))}", got=repr(given)[:80])
    for name, value in present.items():
        if value is not None and given[name] is not None and _kind(given[name]) != _kind(value):
            raise FileError(f"schedule.{name}", f"must be a {_kind(value)}", got=repr(given[name])[:80])


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list | tuple) else type(value).__name__


def check_optimizer(optimizer: torch.optim.Optimizer) -> None:
    """Check that an optimiser can go on from its state: a step of a copy with zero gradients must give finite numbers.

    Only optimisers of PyTorch are tried; a user-defined one checks what it loads itself.

    Raises:
        FileError: the step fails, or its numbers are not finite.
    """
    if not type(optimizer).__module__.startswith("torch.optim") or isinstance(optimizer, torch.optim.SparseAdam):
        return
    twin = copy.deepcopy(optimizer)
    parameters = [p for group in twin.param_groups for p in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    try:
        twin.step(lambda: 0.0)
    except DAMAGE as error:
        raise FileError(
            "optimizer", "must have a state that it can go on from", got=f"{type(error).__name__}: {error}"
        ) from error
    if not all(bool(torch.isfinite(p).all()) for p in parameters):
        raise FileError("optimizer", "must have a state of finite numbers")
