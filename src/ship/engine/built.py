"""The kernel of a kind of group: traced once for all groups of that kind, in this network and in others."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..models.contract import Bag, Connection, Model, Neuron, Spiking, SpikingNeuron
from ..parameters import declared
from ..surrogate import Surrogate
from .kernel import Kernel, lean
from .operation import connection_slot, neuron_slot
from .program import Untraceable

FUNCTIONS = ("receive", "margin", "reset", "evolve", "emit", "advance", "arrive", "fire", "step")
MOST = 512  # kinds that are remembered


class Built(NamedTuple):
    """The kernel of a group, with what it must be given."""

    kernel: Kernel
    constants: tuple[int, ...]  # of all leaves of parameters and coefficients, those that are read
    go: int  # the constant that says whether there is a slot to advance over, or -1
    seen: tuple[str, ...]  # variables beside the output that monitors can have


class Given:
    """In place of a parameter that is no plain number: a model reads it from ``p``."""


@dataclass(frozen=True)
class Kind:
    """What a trace depends on."""

    model: Model
    operands: tuple[str, ...]
    first: bool | None  # for a neuron whether it emits before it advances
    bias: bool
    refractory: bool
    watched: bool
    names: tuple[str, ...]  # of the parameters that are read
    count: int  # of parameters and coefficients
    tree: Any  # of the coefficients
    states: tuple[bool, ...]  # which of them are truth values
    state_tree: Any
    dtype: torch.dtype

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal traces."""
        model = type(self.model)
        values = [(f.name, *_plain(getattr(self.model, f.name))) for f in fields(self.model)]
        functions = [getattr(model, name, None) for name in FUNCTIONS]
        rest = [getattr(self, f.name) for f in fields(self) if f.name not in ("model", "tree", "state_tree")]
        return (model, *functions, *values, *rest, str(self.tree), str(self.state_tree))


def _plain(value: Any) -> tuple[Any, ...]:
    if value is None or isinstance(value, str | bool | int | float | Surrogate):
        return type(value), value
    return "given", id(value) if callable(value) else 0


def _light(model: Model) -> Model:
    """The model without the tensors that it was given, so that a remembered trace keeps none alive."""
    made = copy(model)
    for name in declared(type(model))[0]:
        if _plain(getattr(model, name))[0] == "given":
            object.__setattr__(made, name, Given())
    return made


_remembered: dict[tuple[Any, ...], Built | Untraceable] = {}  # a pure function of its keys, like any cache


def built(kind: Kind) -> Built:
    """The kernel of a kind.

    Raises:
        Untraceable: there is none.
    """
    key = kind.key
    found = _remembered.get(key)
    if found is None:
        try:
            found = _trace(kind, _light(kind.model))
        except Untraceable as error:
            found = Untraceable(str(error))
        if len(_remembered) >= MOST:
            _remembered.clear()
        _remembered[key] = found
    if isinstance(found, Untraceable):
        raise found
    return found


def _trace(kind: Kind, model: Model) -> Built:
    clocked = bool(kind.first)
    seen = _seen(kind, model) if kind.watched else ()
    total = kind.count + int(clocked)

    def function(state: Sequence[Tensor], x: Sequence[Tensor], constants: Sequence[Tensor]) -> Any:
        values = dict(zip(kind.operands, x, strict=True))
        p = Bag(dict(zip(kind.names, constants, strict=False)))
        c = None if kind.tree is None else tree_unflatten(list(constants[len(kind.names) : kind.count]), kind.tree)
        go = constants[-1] if clocked else None
        out, after, extra = _slot(kind, model, tree_unflatten(list(state), kind.state_tree), values, p, c, go, seen)
        return [o.to(kind.dtype) for o in (out, *extra)], tree_flatten(after)[0]

    kernel, kept = lean(function, kind.states, len(kind.operands), total, kind.dtype)
    go = kept.index(kind.count) if clocked and kind.count in kept else -1
    return Built(kernel, tuple(i for i in kept if i < kind.count), go, seen)


def _seen(kind: Kind, model: Model) -> tuple[str, ...]:
    own = tuple(getattr(model.states, "_fields", ()))
    if isinstance(model, SpikingNeuron):
        own += ("margin", "wait", "held") if kind.refractory else ("margin",)
    return own


def _slot(
    kind: Kind, model: Model, state: Any, values: dict[str, Tensor], p: Bag, c: Any, go: Tensor | None, seen: Sequence[str]
) -> tuple[Tensor, Any, list[Tensor]]:
    margin = None
    if isinstance(model, Neuron):
        jump = values.pop("jump", None)
        if jump is None:
            jump = torch.zeros((), dtype=kind.dtype)
        out, after, margin = neuron_slot(model, bool(kind.first), state, jump, Bag(values), True if go is None else go, p, c)
        shown = after
    else:
        assert isinstance(model, Connection)
        out, after, shown = connection_slot(model, state, Bag(values), p, c)
        if kind.bias:
            out = out + p.bias
    found = {"margin": margin}
    if isinstance(shown, Spiking):
        found |= {"wait": shown.wait, "held": shown.held}
        shown = shown.cell
    if shown:
        found |= shown._asdict()
    return out, after, [found[name] for name in seen]  # type: ignore[misc]
