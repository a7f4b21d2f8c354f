"""The contract of a memory device: a few orthogonal parts, each ideal by default, freely combined.

A `Device` is a frozen dataclass of parts: how pulses change it (`Update`), how it is programmed to a target (`Programming`),
what happens to it when it is left alone (`Retention`), how a read differs from what is there (`ReadNoise`), its current-voltage
curve (`IV`), what is broken (`Faults`), how it wears (`Endurance`) and how temperature speeds ageing up (`Thermal`). Each part
declares its parameters with `param`, as every model does, so that variation is said in one way everywhere: ``Varied(nominal,
d2d=0.1, c2c=0.02)``, from device to device and from cycle to cycle, as fractions. A part's ``event`` draws its parameters anew.

The functions of a part are pure and pointwise: tensors of any one shape go in and come out, and nothing else changes. ``p``
holds the part's own parameters and the device's window, ``p.g_min`` and ``p.g_max`` (S). ``xi`` is a tuple of standard normal
tensors, as many as the part declares; no part draws by itself. All is SI.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ..base.checks import is_real
from ..base.errors import ParameterError
from ..base.parameters import State, check_option, declare_states, declared
from ..base.parameters.bag import Bag

SLACK = 1e-3  # by which an age may exceed what a law is valid for: a run that follows a wait to the very end takes time, too
Xi = tuple[Tensor, ...]  # standard normal numbers, one tensor for each that a part declares
StateTuple = Any  # a NamedTuple of tensors


class Pulse(NamedTuple):
    """Voltage pulses on devices: ``n`` equal ones, back to back; tensors broadcast over the devices."""

    v: Tensor  # V; the sign is the polarity: above 0 raises the conductance, unless the part says otherwise
    width: Tensor  # s, of one pulse
    n: Tensor  # how many, at least 0; 0 leaves the device exactly as it is


@dataclass(frozen=True)
class Part(ABC):  # noqa: B024 (its kinds add the functions)
    """The base class of the parts of a device. A part class is abstract or final, and a frozen dataclass."""

    source: ClassVar[str] = ""  # where equation and constants come from
    event: ClassVar[str | None] = None  # "pulse", "write" or "read": draws normals, and parameters with a c2c, anew
    normals: ClassVar[int] = 0  # standard normal numbers per device that each event takes
    frozen: ClassVar[int] = 0  # standard normal numbers per device that are drawn once, with the die

    def __post_init__(self) -> None:
        """Refuse options outside their choices."""
        for name, declaration in declared(type(self))[1].items():
            check_option(f"{type(self).__name__}.{name}", declaration, getattr(self, name))

    def check(self, where: str, p: Bag) -> None:  # noqa: B027 (most have nothing to check)
        """Raise a `ParameterError` where parameters contradict each other; the limits of single ones are declared."""


def finite_numbers(where: str, given: Iterable[Any], least: int, unit: str) -> tuple[float, ...]:
    """Return a sequence or an array of finite numbers as a tuple.

    Raises:
        ParameterError: something else, or fewer than ``least``.
    """
    try:
        found = tuple(given)
        good = len(found) >= least and all(is_real(x.item() if isinstance(x, Tensor) else x) for x in found)
    except (TypeError, ValueError, RuntimeError):
        good = False
    if not good:
        raise ParameterError(where, f"must be a sequence of at least {least} finite numbers ({unit})", got=repr(given))
    return tuple(map(float, found))


class Conductance(NamedTuple):
    """The default state of a device: its conductance."""

    g: Tensor  # S


@dataclass(frozen=True)
class Update(Part):
    """The base class of update laws: how pulses move a device, and its internal state.

    The default state is the conductance itself. A part with another state (a gap, a doped length, domains) declares it, and gives
    ``conductance`` and ``place``, which lead from the state to the conductance and back.

    A state that a device has many of (domains) is declared with ``State(inner=n)``: it has an axis of n in front of all others.
    The ``frozen`` normals, which are drawn once with the die, are in ``p.frozen [number, ...]``.
    """

    event: ClassVar[str | None] = "pulse"
    states: ClassVar[Any] = declare_states(Conductance, g=State("g_min", unit="S"))

    settles: ClassVar[tuple[str, ...]] = ()  # the parameters that `settled` reads

    def settled(self, p: Bag) -> dict[str, Any]:
        """Return what follows from the parameters `settles` alone, tensors and truth values by name.

        A kernel is given it, and does not work it out anew at every pulse: what is no pointwise formula of float numbers (a
        solver, a choice by the values of a parameter) can then be a part of the law.
        """
        return {}

    def settle(self, p: Bag) -> Bag:
        """Return the parameters with what is `settled`; those that have it already stay as they are."""
        return p if "settled" in vars(p) else Bag(vars(p) | self.settled(p) | {"settled": True})

    @abstractmethod
    def pulse(self, x: StateTuple, pulse: Pulse, p: Bag, xi: Xi) -> StateTuple:
        """Return the state after the pulses: exactly ``x`` where ``pulse.n`` is 0, or the voltage is below threshold."""

    def quiet(self, x: StateTuple, pulse: Pulse, p: Bag) -> StateTuple:
        """Return the state after the pulses without chance, for the course of the nominal device.

        By default this is `pulse` with normals of 0. A part for which that depends on how a waveform is cut into pulses (an event
        that happens or not) gives its own.
        """
        return self.pulse(x, pulse, p, (torch.zeros_like(pulse.v),) * self.normals)

    def window(self, p: Bag) -> tuple[Tensor, Tensor]:
        """Return the lowest and the highest conductance (S) that the device is meant to take."""
        return p.g_min, p.g_max

    def conductance(self, x: StateTuple, p: Bag) -> Tensor:
        """Return the conductance (S) at a small voltage."""
        g: Tensor = x.g
        return g

    def place(self, g: Tensor, x: StateTuple, p: Bag) -> StateTuple:
        """Return the state with conductance ``g`` (S); the part of the state that g does not determine is that of ``x``."""
        return Conductance(g)

    def current(self, x: StateTuple, v: Tensor, p: Bag) -> Tensor:
        """Return the current (A) at ``v`` (V); used where the device has no `IV` of its own."""
        return self.conductance(x, p) * v

    def rest(self, x: StateTuple, seconds: Tensor, p: Bag) -> StateTuple:
        """Return the state after ``seconds`` without voltage, for volatile states; rest(a) then rest(b) is rest(a + b)."""
        return x


@dataclass(frozen=True)
class Programming(Part):
    """The base class of programming laws: the conductance that a one-shot write to a target leaves."""

    event: ClassVar[str | None] = "write"
    normals: ClassVar[int] = 1

    @abstractmethod
    def write(self, target: Tensor, p: Bag, xi: Xi) -> Tensor:
        """Return the conductance (S) that a write to ``target`` (S) leaves."""


@dataclass(frozen=True)
class Retention(Part):
    """The base class of retention laws: closed forms in the age of a write, so that a jump equals any number of steps."""

    event: ClassVar[str | None] = "write"
    oldest: ClassVar[float] = float("inf")  # s, up to where the law is valid
    g_range: ClassVar[tuple[float, float]] = (0.0, float("inf"))  # S, conductances for which it is

    def valid(self, where: str, g: Tensor, age: Tensor) -> None:
        """Refuse ages and conductances (as written) that the law was not made for.

        Raises:
            ParameterError: an age above ``oldest``, or a conductance outside ``g_range``.
        """
        if bool((age > self.oldest * (1 + SLACK)).any()):
            raise ParameterError(
                f"{where}: age", f"must be at most {self.oldest:g} s, where the law is valid", got=f"{float(age.max()):g} s"
            )
        low, high = self.g_range
        bad = (g < low) | (g > high)
        if bool(bad.any()) and bool((age > 0).any()):
            raise ParameterError(
                f"{where}: conductance",
                f"must lie from {low:g} S to {high:g} S when left alone, where the law is valid",
                got=f"{float(g[bad].flatten()[0]):g} S ({int(bad.sum())} of {g.numel()} devices)",
            )

    @abstractmethod
    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        """Return the conductance (S) ``age`` (s) after ``g`` (S) was written, at age 0 ``g``; ``xi`` was drawn at the write."""


@dataclass(frozen=True)
class ReadNoise(Part):
    """The base class of read noise: how one read differs from the conductance that is there.

    With ``white``, every read draws anew, within a run as well, in proportion to one normal number. Otherwise the noise is slow:
    it stays for a trial, and the next one draws anew.
    """

    white: ClassVar[bool] = False
    event: ClassVar[str | None] = "read"
    normals: ClassVar[int] = 1

    @abstractmethod
    def read(self, g: Tensor, written: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        """Return the conductance (S) that a read sees, ``age`` (s) after ``written`` (S) was written."""


@dataclass(frozen=True)
class IV(Part):
    """The base class of current-voltage curves of a device of a given conductance; the current is 0 at 0 V."""

    @abstractmethod
    def current(self, g: Tensor, v: Tensor, p: Bag) -> Tensor:
        """Return the current (A) at ``v`` (V); ``g`` (S) is the conductance at a small voltage."""


SOUND, LOW, HIGH, OPEN = range(4)  # in a map of faults
FAULTS = {SOUND: "sound", LOW: "stuck low", HIGH: "stuck high", OPEN: "open"}


@dataclass(frozen=True)
class Faults(Part):
    """The base class of faults: which devices are broken from birth."""

    frozen: ClassVar[int] = 1

    @abstractmethod
    def broken(self, g: Tensor, p: Bag, xi: Xi) -> Tensor:
        """Return the conductance (S) that is there in the place of ``g``; ``g`` itself where the device is sound."""

    def as_mapped(self, codes: Tensor, p: Bag) -> Xi | None:
        """Return frozen numbers that break devices as a map says (0 sound, 1 stuck low, 2 stuck high, 3 open); None: none do."""
        return None


@dataclass(frozen=True)
class Endurance(Part):
    """The base class of endurance laws: how cycling changes the window."""

    @abstractmethod
    def window(self, low: Tensor, high: Tensor, cycles: Tensor, p: Bag) -> tuple[Tensor, Tensor]:
        """Return what is left of the window (S) after ``cycles`` writes; with equal ends the device is stuck there."""


@dataclass(frozen=True)
class Thermal(Part):
    """The base class of thermal laws: how temperature speeds ageing up."""

    @abstractmethod
    def speed(self, kelvin: Tensor, p: Bag) -> Tensor:
        """Return the seconds of ageing at the reference temperature for each second at ``kelvin`` (K)."""


def as_uniform(xi: Tensor) -> Tensor:
    """Turn a standard normal number into a uniform one in (0, 1) by its distribution function."""
    u: Tensor = torch.special.ndtr(xi)
    return u
