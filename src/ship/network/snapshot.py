"""Snapshots: the whole state of a network in time, as tensors and plain values, from which it continues bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..base.errors import RunError
from ..engine.reference.clock import Clock
from ..engine.reference.plastic import PlasticNode
from ..engine.signals.line import Pending
from ..engine.simulation import Simulation
from ..models.contract import Spiking

CLOCK = (("wait", None), ("held", torch.bool))  # the clock of a refractory unit: slots in the state's float type, a truth value


@dataclass(frozen=True)
class Snapshot:
    """The state of a network: tensors by name, and all else (clocks, arrival times, sizes). ``net.snapshot()`` makes it."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]


def capture(sim: Simulation, state_dict: dict[str, Tensor], made: dict[str, Any]) -> Snapshot:
    """Take everything that the next slot depends on.

    Args:
        sim: the network in time.
        state_dict: its parameters and what outlives a run.
        made: the settings of `init` that decide results.
    """
    tensors = {f"net/{name}": value.detach().clone() for name, value in state_dict.items()}
    meta: dict[str, Any] = {"made": made, "lead": None if sim.lead is None else list(sim.lead)}
    meta["clock"] = [sim.clock.time, sim.clock.slot, sim.clock.trial, sim.clock.first_sample]
    if sim.lead is None:
        return Snapshot(tensors, meta)
    meta["dt"] = {tag: node.dt for tag, node in sim.nodes.items()}
    for tag, node in sim.nodes.items():
        _put(tensors, f"run/{tag}/state", node.state)
        if isinstance(node, PlasticNode):
            _put(tensors, f"run/{tag}/rule", node.rule_state)
            tensors[f"run/{tag}/weight"] = node.weight.detach().clone()
    meta["pending"], meta["pending_from"] = [], "now"
    for i, (_, line) in enumerate(sim.lines):
        for item in line.pending:
            name = f"flight/{len(meta['pending'])}"
            meta["pending"].append([i, item.arrival, item.width])
            tensors[name] = item.value.detach().clone()
    return Snapshot(tensors, meta)


def restore(sim: Simulation, net: nn.Module, snapshot: Snapshot, made: dict[str, Any]) -> None:
    """Put tensors and the running state back; ``made`` as in `capture`. After an error the tensors are as they were.

    Raises:
        RunError: it belongs to another network, or one with other settings, or is incomplete.
    """
    tensors, meta = snapshot.tensors, snapshot.meta
    other = meta.get("made", made)
    if other != made:
        unlike = [name for name in made if other.get(name) != made[name]]
        theirs, ours = (", ".join(f"{name}={of.get(name)}" for name in unlike) for of in (other, made))
        raise RunError("snapshot", f"needs net.init with {theirs}", got=ours)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    try:
        net.load_state_dict({name.removeprefix("net/"): value for name, value in tensors.items() if name.startswith("net/")})
        _restore_run(sim, tensors, meta)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        net.load_state_dict(before)
        sim.lead = None
        got = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise RunError("snapshot", "does not belong to this network", got=got) from error


def _restore_run(sim: Simulation, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    time, slot, trial, first = meta["clock"]
    clock = Clock(float(time), int(slot), int(trial), int(first), sim.clock.kelvin)
    running = meta["lead"] is not None
    sim.lead = None
    if running:
        chips, batch = (int(v) for v in meta["lead"])
        if chips != sim.chips:
            raise ValueError(f"it has {chips} chips")
        sim.reset((chips, batch))
    sim.clock = clock
    for group in sim.groups.values():
        group.trial = clock.trial
        if group.hardware is not None:
            group.hardware.trial = clock.trial
    if not running:
        return
    for tag, node in sim.nodes.items():
        node.dt = float(meta["dt"][tag])
        node.state = _get(tensors, f"run/{tag}/state", node.state)
        if isinstance(node, PlasticNode):
            node.rule_state = _get(tensors, f"run/{tag}/rule", node.rule_state)
            node.now = _like(node.weight, tensors[f"run/{tag}/weight"], f"run/{tag}/weight")
    now = 0.0 if meta.get("pending_from") == "now" else sim.clock.time  # older files count from the reset
    for j, (i, arrival, width) in enumerate(meta["pending"]):
        value = tensors[f"flight/{j}"].to(sim.device)
        sim.lines[int(i)][1].pending.append(Pending(float(arrival) - now, float(width), value))


def _put(tensors: dict[str, Tensor], name: str, state: Any) -> None:
    for key, value in _flat(state).items():
        tensors[f"{name}/{key}"] = value.detach().clone().contiguous()


def _flat(state: Any) -> dict[str, Tensor]:
    if isinstance(state, Spiking):
        return _flat(state.cell) | {"wait": state.wait, "held": state.held}
    return dict(zip(state._fields, state, strict=True)) if state else {}


def _get(tensors: dict[str, Tensor], name: str, like: Any) -> Any:
    """Return the state of a name, with the refractory clock that it had, also where dead times have come or gone since."""
    like = like.cell if isinstance(like, Spiking) else like
    if not like:
        return like
    cell = _cell(tensors, name, like)
    if f"{name}/wait" not in tensors:
        return cell
    wait, held = (_like(like[0].to(kind or like[0].dtype), tensors[f"{name}/{key}"], f"{name}/{key}") for key, kind in CLOCK)
    return Spiking(cell, wait, held)


def _cell(tensors: dict[str, Tensor], name: str, like: Any) -> Any:
    return type(like)(
        *(_like(value, tensors[f"{name}/{key}"], f"{name}/{key}") for key, value in zip(like._fields, like, strict=True))
    )


def _like(like: Tensor, value: Tensor, name: str) -> Tensor:
    torch.broadcast_shapes(like.shape, value.shape)
    if like.dtype != value.dtype or like.shape[-1] != value.shape[-1]:
        raise ValueError(f"{name} is {list(value.shape)} {value.dtype}, not {list(like.shape)} {like.dtype}")
    return value.to(like.device)
