"""What a user asks for with one `Network.add`: a `Spec`, which has a field for each argument, and the model made of it.

`Spec` is the one definition of the arguments: `Network.set`, copies of networks and saved files go over its fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from ..base.errors import GraphError, ParameterError, suggest
from ..base.parameters import check_option, declared
from ..crossbar import Crossbar
from ..devices.device import Device
from ..devices.weights.mapping import Mapping as Mapping_
from ..devices.weights.pulsing import Pulsing
from ..models.contract import Model, Rule
from .declarations import check_declarations


class Address(NamedTuple):
    """A signal: the output of a group, or one of its states (``"soma.v"``)."""

    tag: str
    state: str = ""  # empty: the output


def address(name: str) -> Address:
    """Read an address as the user writes it: a tag, or a tag and a state with a dot between them."""
    tag, _, state = name.partition(".")
    return Address(tag, state)


@dataclass(frozen=True)
class Spec:
    """What the user asked for with one `Network.add`, checked for names and types, not yet for sizes.

    The fields from ``n`` on are the arguments of `Network.add`, whose documentation says what each one means.
    """

    tag: str
    model: Model  # an instance, made of the class and of `given`
    given: dict[str, Any]  # the model's own parameters and options, as the user wrote them
    n: int | None = None
    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    port: str | None = None
    delay: Any = 0.0
    output: bool = False
    trainable: tuple[str, ...] | None = None
    initial: dict[str, Any] = field(default_factory=dict)
    rule: Rule | None = None
    modulator: str | None = None  # the group, or its state, that is the third factor of the rule
    connect: Any = None  # a `Connectivity`, or a matrix [pre, post] of 0 and 1
    device: Device | None = None
    mapping: Mapping_ | None = None
    crossbar: Crossbar | None = None
    learning: Pulsing | None = None

    @property
    def sources(self) -> tuple[Address, ...]:
        """The signals that enter, each by its group and, where it is not the output, its state."""
        return tuple(address(name) for name in self.source)

    @property
    def where(self) -> str:
        """The group's name in errors: ``LIF 'hid'``."""
        return f"{type(self.model).__name__} '{self.tag}'"

    @property
    def arguments(self) -> dict[str, Any]:
        """The keywords with which `Network.add` makes this group again, the model's own parameters among them."""
        return {name: getattr(self, name) for name in ARGUMENTS} | self.given


ARGUMENTS = tuple(f.name for f in fields(Spec) if f.name not in ("tag", "model", "given"))


def build_model(cls: type[Model], where: str, given: Mapping[str, Any]) -> Model:
    """Make an instance of a model class with the values given.

    Raises:
        GraphError: the class is not a finished model.
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
