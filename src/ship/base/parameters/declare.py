"""What a model declares (`param`, `option`, `State`, `Port`) and the values a user may give.

A declaration is a dataclass field: its metadata carries unit, limits and role, by which mismatch, training, saving and fitting
select. A value is a number, a tensor, an array, a distribution (an initial draw, shared by all chips), a `Varied` (a nominal
with a frozen deviate per chip), or a callable given a shape and a generator.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..errors import ParameterError
from .values import Value

Kind = Literal["events", "charge", "values"]
Where = Literal["unit", "pre", "post", "connection"]
KINDS: tuple[Kind, ...] = ("events", "charge", "values")
PLACES: tuple[Where, ...] = ("unit", "pre", "post", "connection")


@dataclass(frozen=True)
class Parameter:
    """Declaration of a parameter: default, unit, limits, role, and where it exists."""

    default: Value
    unit: str = ""
    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    role: str = ""
    per: Literal["unit", "connection"] = "unit"
    gradient: bool = True
    infinite: bool = False  # whether +inf is a legal value (a time constant of inf is a perfect integrator)

    def __post_init__(self) -> None:
        one_of("param: per", self.per, ("unit", "connection"))

    def inside(self, value: Tensor) -> Tensor:
        """Where ``value`` keeps the limits; NaN never does."""
        ok = ~torch.isnan(value) if self.infinite else torch.isfinite(value)
        for limit, keeps in ((self.above, torch.gt), (self.least, torch.ge), (self.below, torch.lt), (self.most, torch.le)):
            if limit is not None:
                ok = ok & keeps(value, torch.tensor(limit, dtype=value.dtype))
        return ok

    def all_inside(self, value: Tensor) -> bool:
        """Whether every value keeps the limits: the least and the largest say so, without tensors as large as the value."""
        return value.numel() == 0 or bool(self.inside(_ends(value)).all())

    def clear(self, number: float) -> bool:
        """Whether one number keeps the limits, without a tensor; one at a limit may not, where the limit is rounded."""
        return (
            (math.isfinite(number) or (self.infinite and number == math.inf))
            and (self.above is None or number > self.above)
            and (self.least is None or number >= self.least)
            and (self.below is None or number < self.below)
            and (self.most is None or number <= self.most)
        )

    @property
    def rule(self) -> str:
        """The limits in words: ``"must be above 0 s"``."""
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
                if not torch.equal(ends.clamp(low, high), ends):  # else a graph that still needs the value would see a change
                    value.clamp_(low, high)


def _ends(value: Tensor) -> Tensor:
    """The least and the largest of some values; NaN, both, where one is."""
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
    """Declare a parameter of a model, as a dataclass field. See `Parameter`."""
    declared = Parameter(default, unit, above, least, below, most, role, per, gradient, infinite)
    return dataclasses.field(default=default, metadata={"ship": declared}, kw_only=True)


@dataclass(frozen=True)
class Option:
    """Declaration of a setting that is no tensor: its legal choices, where they can be listed."""

    default: Any
    choices: tuple[Any, ...] | None = None


def option(default: Any, *, choices: tuple[Any, ...] | None = None) -> Any:
    """Declare a setting of a model (a word, a flag, a surrogate), as a dataclass field."""
    return dataclasses.field(default=default, metadata={"ship": Option(default, choices)}, kw_only=True)


def check_option(where: str, declaration: Option, value: Any) -> None:
    """A setting must be one of its choices (1 is not True); one that is called must be callable.

    Raises:
        ParameterError: it is not.
    """
    choices, default = declaration.choices, declaration.default
    if choices is not None and not any(type(value) is type(c) and value == c for c in choices):
        raise ParameterError(where, f"must be one of {', '.join(repr(c) for c in choices)}", got=repr(value))
    if choices is None and callable(default) and not callable(value):
        raise ParameterError(
            where, f"must be a {type(default).__mro__[1].__name__.lower()}", got=repr(value), fix="E.g. ship.ATan()."
        )


def declared(model: type) -> tuple[dict[str, Parameter], dict[str, Option]]:
    """The parameters and the options that a model class declares, in order."""
    fields = dataclasses.fields(model)
    parameters = {f.name: f.metadata["ship"] for f in fields if isinstance(f.metadata.get("ship"), Parameter)}
    options = {f.name: f.metadata["ship"] for f in fields if isinstance(f.metadata.get("ship"), Option)}
    return parameters, options


@dataclass(frozen=True)
class State:
    """The declaration of a state of a model: its initial value, unit, place and lifetime.

    Args:
        initial: a number, a truth value, or the name of a parameter.
        unit: SI unit.
        on: the place where it lives; rules and per-connection models name ``pre``, ``post`` or ``connection``.
        held: kept at its value while the neuron is refractory.
        inner: number of such states in one device (update parts only), an axis in front of all others; 0: one, without the axis.
        persistent: kept from run to run, as plastic weights are: a threshold that adapts for good, wear, a consolidated trace.
            Each chip has its own; the samples of a batch start from the same value and go their own ways within a run.
        batch: what a run leaves of a persistent state: "sum", the value that it began with and the changes of all samples, as if
            they had happened one after the other; "mean": the mean over samples.
    """

    initial: float | bool | str = 0.0
    unit: str = ""
    on: Where = "unit"
    held: bool = False
    inner: int = 0
    persistent: bool = False
    batch: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        one_of("State.on", self.on, PLACES)
        if self.batch not in ("sum", "mean"):
            raise ParameterError("State.batch", "must be 'sum' or 'mean'", got=repr(self.batch))
        if self.persistent and (isinstance(self.initial, bool) or self.inner):
            got = "a truth value" if isinstance(self.initial, bool) else f"inner={self.inner}"
            raise ParameterError("State.persistent", "is for a number of a model or a rule", got=got)


@dataclass(frozen=True)
class Port:
    """An input of a model.

    Args:
        kind: kind of signal that it takes: ``"events"`` (counts at t_k, added to the state), ``"charge"`` (the integral of a
            current over the slot) or ``"values"`` (a level held over the slot, e.g. a conductance).
        unit: SI unit of what it takes.
        about: what it is, in words.

    Raises:
        ParameterError: another kind.
    """

    kind: Kind
    unit: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        one_of("Port.kind", self.kind, KINDS)


def one_of(where: str, value: object, choices: tuple[str, ...]) -> None:
    """Check a word of a declaration.

    Raises:
        ParameterError: it is none of the choices.
    """
    if value not in choices:
        raise ParameterError(where, f"must be one of {', '.join(map(repr, choices))}", got=repr(value))
