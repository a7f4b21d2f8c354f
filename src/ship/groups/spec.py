"""What the user asked for with one `Network.add`, and the model instance made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.errors import GraphError, ParameterError, suggest
from ..base.parameters import check_option, declared
from ..crossbar import Crossbar
from ..devices.device import Device
from ..devices.weights.mapping import Mapping as Mapping_
from ..devices.weights.pulsing import Pulsing
from ..models.contract import Model, Rule
from .declarations import check_declarations


@dataclass
class Spec:
    """What the user asked for with one `Network.add`; checked for names and types, not yet for sizes."""

    tag: str
    model: Model
    given: dict[str, Any]  # as written by the user
    n: int | None = None
    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    port: str | None = None
    delay: Any = 0.0
    output: bool = False
    trainable: tuple[str, ...] | None = None
    initial: dict[str, Any] = field(default_factory=dict)
    rule: Rule | None = None
    connect: Any = None  # a `Connectivity`, or a matrix [pre, post] of 0 and 1
    device: Device | None = None  # what holds the weights
    mapping: Mapping_ | None = None
    crossbar: Crossbar | None = None  # the lines that the devices sit on
    learning: Pulsing | None = None  # how changes of weight become pulses

    @property
    def where(self) -> str:
        """The group's name in errors: ``LIF 'hid'``."""
        return f"{type(self.model).__name__} '{self.tag}'"


def build_model(cls: type[Model], where: str, given: Mapping[str, Any]) -> Model:
    """An instance of the model with the values given.

    Raises:
        GraphError: the class is no finished model.
        ParameterError: an unknown name, or an option outside its choices.
    """
    if "__dataclass_params__" not in vars(cls):
        raise GraphError(
            where, f"{cls.__name__} must be a frozen dataclass", fix=f"Write @dataclass(frozen=True) above class {cls.__name__}."
        )
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise GraphError(
            where,
            f"{cls.__name__} is not a finished model",
            got=f"without {', '.join(missing)}",
            fix="Use a model that defines them.",
        )
    check_declarations(cls, where)
    parameters, options = declared(cls)
    for name, value in given.items():
        if name not in parameters and name not in options:
            raise ParameterError(where, f"{cls.__name__} has no parameter {name!r}", fix=suggest(name, [*parameters, *options]))
        if name in options:
            check_option(f"{where}.{name}", options[name], value)
    return cls(**given)
