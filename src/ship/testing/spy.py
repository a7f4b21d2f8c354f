"""Watching the functions of a model while a network calls them: arguments that change, and state that is kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.parameters.bag import Bag
from ..models.contract import SpikingNeuron

FUNCTIONS = ("receive", "margin", "reset", "evolve", "emit", "advance", "step", "update")
OF_PARTS = ("pulse", "quiet", "conductance", "place", "current", "rest", "write", "drift", "read", "broken", "window", "speed")
COMPOSED = ("emit", "advance")  # of a spiking neuron: made of the others by the library


class Call(NamedTuple):
    """One call of a function of a model: its name, its arguments and what it returned."""

    name: str
    arguments: tuple[Any, ...]
    result: Any


@dataclass
class Spy:
    """What was seen of the functions of one instance of a model, a rule or a part."""

    calls: list[Call] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)  # by function: what it changed

    def watch(self, model: object) -> None:
        """Look at every call of the functions of a model; they go on doing what they do."""
        for name in (*FUNCTIONS, *OF_PARTS):
            if hasattr(model, name) and not (isinstance(model, SpikingNeuron) and name in COMPOSED):
                object.__setattr__(model, name, self._watched(name, getattr(model, name)))

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            before = [(label, t, t.detach().clone()) for label, t in leaves(arguments)]
            result = function(*arguments)
            for label, tensor, copy in before:
                if not torch.equal(tensor.detach().nan_to_num(), copy.nan_to_num()):
                    self.changed.setdefault(name, label)
            self.calls.append(Call(name, arguments, result))
            return result

        return called


def leaves(value: Any, label: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor in the arguments of a model's function, with a name for it."""
    if isinstance(value, Tensor):
        yield label or "an argument", value
    elif isinstance(value, Bag):
        for name, each in vars(value).items():
            yield from leaves(each, name)
    elif isinstance(value, tuple):
        names = getattr(value, "_fields", None) or ("",) * len(value)
        for name, each in zip(names, value, strict=True):
            yield from leaves(each, name or label)


def kept_on(model: object) -> dict[str, Any]:
    """Return what is kept on an instance and on its classes beside declarations and functions, as comparable values."""
    found: dict[str, Any] = {}
    for cls in type(model).__mro__:
        if cls is not object and cls.__module__ != "abc":
            found |= {f"{cls.__name__}.{k}": frozen(v) for k, v in vars(cls).items() if not k.startswith("_") and not callable(v)}
    names = {f.name for f in fields(model)} if is_dataclass(model) else set()
    cached = {k for cls in type(model).__mro__ for k, v in vars(cls).items() if isinstance(v, cached_property)}
    own = {k: v for k, v in vars(model).items() if k not in names | cached and k not in (*FUNCTIONS, *OF_PARTS)}
    return found | {f"self.{k}": frozen(v) for k, v in own.items()}


def frozen(value: Any) -> Any:
    """Return something that is equal if and only if the value has not changed."""
    if isinstance(value, Tensor):
        return ("tensor", tuple(value.shape), tuple(value.detach().flatten().tolist()))
    if isinstance(value, Mapping):
        return tuple((k, frozen(v)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    if isinstance(value, set | frozenset):
        return ("set", frozenset(map(repr, value)))
    return value if isinstance(value, int | float | str | bool | type(None)) else id(value)
