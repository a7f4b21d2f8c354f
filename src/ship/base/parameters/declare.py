"""Declarations of a model: `param`, `option`, `State` and `Port`.

A declaration is a dataclass field: its metadata carries unit, limits and role, by which mismatch, training, saving and fitting
select. The values that a user may give are in `values`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from ..checks import check_choice
from ..errors import ParameterError
from .values import Value

Kind = Literal["events", "charge", "values"]
Where = Literal["unit", "pre", "post", "connection"]
States = TypeVar("States")
KINDS: tuple[Kind, ...] = ("events", "charge", "values")
PLACES: tuple[Where, ...] = ("unit", "pre", "post", "connection")


@dataclass(frozen=True)
class Parameter:
    """The declaration of a parameter: default, unit, limits, role, and whether units or connections have it."""

    default: Value
    unit: str = ""
    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    role: str = ""
    per: Literal["unit", "connection"] = "unit"
    gradient: bool = True
    infinite: bool = False  # whether +inf is allowed (a time constant of inf makes a perfect integrator)

    def __post_init__(self) -> None:
        check_choice("param: per", self.per, ("unit", "connection"))

    def inside(self, value: Tensor) -> Tensor:
        """Return a mask that is True where ``value`` is within the limits; NaN never is."""
        ok = ~torch.isnan(value) if self.infinite else torch.isfinite(value)
        for limit, keeps in ((self.above, torch.gt), (self.least, torch.ge), (self.below, torch.lt), (self.most, torch.le)):
            if limit is not None:
                ok = ok & keeps(value, torch.tensor(limit, dtype=value.dtype))
        return ok

    def all_inside(self, value: Tensor) -> bool:
        """Return whether every value is within the limits.

        Only the smallest and the largest value are compared, so that no tensor as large as ``value`` is made.
        """
        return value.numel() == 0 or bool(self.inside(_ends(value)).all())

    def clear(self, number: float) -> bool:
        """Return whether one number is within the limits, without making a tensor.

        A number at a limit may be rejected where the tensor's type would round the limit.
        """
        return (
            (math.isfinite(number) or (self.infinite and number == math.inf))
            and (self.above is None or number > self.above)
            and (self.least is None or number >= self.least)
            and (self.below is None or number < self.below)
            and (self.most is None or number <= self.most)
        )

    @property
    def rule(self) -> str:
        """The limits in words, such as ``"must be above 0 s"``."""
        unit = f" {self.unit}" if self.unit else ""
        limits = {"above": self.above, "at least": self.least, "below": self.below, "at most": self.most}
        words = [f"{word} {limit:g}{unit}" for word, limit in limits.items() if limit is not None]
        return "must be " + (" and ".join(words) if words else "finite")

    def project_(self, value: Tensor) -> None:
        """Bring a trained value back inside its limits, in place."""
        tiny = 1e-6 * (abs(self.default) if isinstance(self.default, int | float) and self.default else 1.0)
        low = self.above + tiny if self.above is not None else self.least
        high = self.below - tiny if self.below is not None else self.most
        if low is not None or high is not None:
            with torch.no_grad():
                ends = _ends(value) if value.numel() else value
                # Without this test a graph that still needs the value would see a change in place.
                if not torch.equal(ends.clamp(low, high), ends):
                    value.clamp_(low, high)


def _ends(value: Tensor) -> Tensor:
    """Return the smallest and the largest value; both are NaN if any value is."""
    return torch.stack(torch.aminmax(value))


def param(
    default: Value,
    *,
    unit: str = "",
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    role: str = "",
    per: Literal["unit", "connection"] = "unit",
    gradient: bool = True,
    infinite: bool = False,
) -> Any:
    """Declare a parameter of a model as a dataclass field. `Parameter` describes the arguments."""
    declared = Parameter(default, unit, above, least, below, most, role, per, gradient, infinite)
    return dataclasses.field(default=default, metadata={"ship": declared}, kw_only=True)


@dataclass(frozen=True)
class Option:
    """The declaration of a setting that is not a tensor: its default, and its choices where they can be listed."""

    default: Any
    choices: tuple[Any, ...] | None = None


def option(default: Any, *, choices: tuple[Any, ...] | None = None) -> Any:
    """Declare a setting of a model (a word, a flag, a surrogate) as a dataclass field."""
    return dataclasses.field(default=default, metadata={"ship": Option(default, choices)}, kw_only=True)


def check_option(where: str, declaration: Option, value: Any) -> None:
    """Check that a setting is one of its choices (1 is not True), or callable where its default is.

    Raises:
        ParameterError: the value is not allowed.
    """
    default = declaration.default
    if declaration.choices is not None:
        check_choice(where, value, declaration.choices)
    elif callable(default) and not callable(value):
        raise ParameterError(
            where, f"must be a {type(default).__mro__[1].__name__.lower()}", got=repr(value), fix="E.g. ship.ATan()."
        )


def declared(model: type) -> tuple[dict[str, Parameter], dict[str, Option]]:
    """Return the parameters and the options that a model class declares, in order."""
    fields = dataclasses.fields(model)
    parameters = {f.name: f.metadata["ship"] for f in fields if isinstance(f.metadata.get("ship"), Parameter)}
    options = {f.name: f.metadata["ship"] for f in fields if isinstance(f.metadata.get("ship"), Option)}
    return parameters, options


@dataclass(frozen=True)
class State:
    """The declaration of a state.

    Args:
        initial: the initial value: a number, a truth value, or the name of a parameter.
        unit: the SI unit.
        on: what has this state; rules and per-connection models name ``pre``, ``post`` or ``connection``.
        held: whether the state keeps its value while the neuron is refractory.
        inner: the number of such states in one device (for update parts of devices), as an axis in front of all others; 0 means
            one state and no such axis.
        persistent: whether the state is kept from run to run, as plastic weights are: a threshold that adapts for good, wear, a
            consolidated trace. Each chip has its own; the samples of a batch start from the same value and evolve independently
            within a run.
        batch: how a run combines the samples of a persistent state: "sum" adds the changes of all samples to the value at the
            start, as if they had happened one after the other; "mean" takes the mean over samples.
        least, most: what the state never leaves: a number or the name of a parameter. It is a statement about the equation,
            which `ship.testing.check_model` checks; nothing is clipped.
    """

    initial: float | bool | str = 0.0
    unit: str = ""
    on: Where = "unit"
    held: bool = False
    inner: int = 0
    persistent: bool = False
    batch: Literal["sum", "mean"] = "sum"
    least: float | str | None = None
    most: float | str | None = None

    def __post_init__(self) -> None:
        check_choice("State.on", self.on, PLACES)
        check_choice("State.batch", self.batch, ("sum", "mean"), either=True)
        if self.persistent and (isinstance(self.initial, bool) or self.inner):
            got = "a truth value" if isinstance(self.initial, bool) else f"inner={self.inner}"
            raise ParameterError("State.persistent", "is for a number of a model or a rule", got=got)


def declare_states(kind: Callable[..., States], /, **states: State) -> States:
    """Declare the states of a model: a NamedTuple of its kind that holds a `State` in the place of each tensor.

    Args:
        kind: the NamedTuple class that the model's functions take and return.
        states: the declaration of each of its fields, by name.
    """
    return kind(**states)


@dataclass(frozen=True)
class Port:
    """An input of a model.

    Args:
        kind: the kind of signal that it takes: ``"events"`` (counts at t_k, added to the state), ``"charge"`` (the integral of a
            current over the slot) or ``"values"`` (a level held over the slot, e.g. a conductance).
        unit: the SI unit of the signal.
        about: a description in words.

    Raises:
        ParameterError: the kind is none of these.
    """

    kind: Kind
    unit: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        check_choice("Port.kind", self.kind, KINDS)
