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
    if first and go is not False:
        moved = model.advance(state, flows, p, c)
        state = moved if go is True else _select(go, moved, state)
    margin = None
    if isinstance(model, SpikingNeuron):
        state = model.arrive(state, jump, p)
        if not first:
            state = model.advance(state, flows, p, c)
        margin = model.margin(state.cell if isinstance(state, Spiking) else state, p)
        out, state = model.fire(state, p)
    else:
        if not first:
            state = model.advance(state, flows, p, c)
        out, state = model.emit(state, jump, p, c)
    return out, state, margin


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
