"""The operation of one group in one slot, as a pure function: the reference engine calls it, the fused engine traces it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..base.parameters.bag import Bag
from ..models.contract import Connection, Neuron, Spiking, SpikingNeuron


def neuron_slot(
    model: Neuron, first: bool, state: Any, jump: Tensor, flows: Bag, go: bool | Tensor, p: Bag, c: Any
) -> tuple[Tensor, Any, Tensor | None]:
    """Compute output, next state and margin of a neuron in slot k.

    Args:
        model: the neuron model.
        first: whether the neuron emits before it advances; its advance over slot k - 1 is then done here.
        state: the state before.
        jump: the impulses that arrive at t_k.
        flows: the inputs of the other ports, and the noise, over the slot that is advanced.
        go: whether there is a slot to advance over: False in the first slot of a segment. A tensor selects by its values.
        p: the parameters.
        c: the coefficients for this dt.
    """
    if isinstance(model, SpikingNeuron):
        return fired(model, before_firing(model, first, state, jump, flows, go, p, c), p)
    state = _advanced(model, state, flows, go, p, c) if first else model.advance(state, flows, p, c)
    out, state = model.emit(state, jump, p, c)
    return out, state, None


def before_firing(
    model: SpikingNeuron, first: bool, state: Any, jump: Tensor, flows: Bag, go: bool | Tensor, p: Bag, c: Any
) -> Any:
    """Return the state that a spiking neuron compares with its threshold in slot k; arguments are those of `neuron_slot`."""
    if first:
        return model.arrive(_advanced(model, state, flows, go, p, c), jump, p)
    return model.advance(model.arrive(state, jump, p), flows, p, c)


def fired(model: SpikingNeuron, state: Any, p: Bag, place: Tensor | None = None) -> tuple[Tensor, Any, Tensor]:
    """Return output, next state and margin of a spiking neuron; ``place``: see `SpikingNeuron.fire`."""
    margin = model.margin(state.cell if isinstance(state, Spiking) else state, p)
    out, after = model.fire(state, p) if place is None else model.fire(state, p, place)
    return out, after, margin


def _advanced(model: Neuron, state: Any, flows: Bag, go: bool | Tensor, p: Bag, c: Any) -> Any:
    """Return the state after the slot before, where there is one."""
    if go is False:
        return state
    moved = model.advance(state, flows, p, c)
    return moved if go is True else _select(go, moved, state)


def _select(go: Any, moved: Any, state: Any) -> Any:
    """Take ``moved`` where ``go`` is not 0 and ``state`` elsewhere, part by part."""
    if isinstance(state, Tensor):
        return torch.where(go != 0, moved, state)
    return type(state)(*(_select(go, m, s) for m, s in zip(moved, state, strict=True))) if state else state


def on_connections(model: Connection, arrival: Tensor, p: Bag) -> dict[str, Tensor]:
    """Return the inputs of a model with a state on each connection: ``arrival``, and ``value``, the arrival times the weight."""
    return {"value": arrival * p.weight if model.weighted else arrival, "arrival": arrival}


def connection_slot(model: Connection, state: Any, x: Bag, p: Bag, c: Any) -> tuple[Tensor, Any, Any]:
    """Compute the output of a connection, its state at the end of slot k, and the state at t_k that monitors see.

    The state at t_k includes the events of t_k.
    """
    seen = model.receive(state, x, p, c)
    out, after = model.step(seen, x, p, c)
    return out, after, seen
