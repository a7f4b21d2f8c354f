"""The contract of a model: the declarations it makes and the pure functions it consists of.

Models see trailing axes only: ``[..., unit]``, or ``[..., pre, post]`` where each connection has state. Leading axes (chip,
batch) broadcast. Functions touch only their arguments, have no data-dependent Python control flow and change nothing in place:
the reference engine runs them as they stand, and a tracer can turn them into kernels.

A slot k covers [t_k, t_k + dt). In it a neuron `receive`s the impulses that arrive at t_k, emits, then `advance`s over the slot.
A synapse `receive`s the events that arrive at t_k, then `step`s over the slot. Monitors read between the two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from ..base.errors import GraphError, ParameterError
from ..base.parameters import FanIn, Kind, Port, Value, check_option, declared, option, param
from ..base.parameters.bag import Bag
from .surrogate import FastSigmoid, Surrogate

Units = Tensor  # [..., unit]
Connections = Tensor  # [..., pre, post], or [..., unit] where the state lives on one side
StateTuple = Any  # a NamedTuple of tensors
Coeffs = Any  # a NamedTuple of tensors, or None


class Fine(Bag):
    """The parameters of another bag in float64, each of which is converted when it is first asked for."""

    def __init__(self, source: Bag) -> None:
        super().__init__({})
        self._source = source

    def __getattr__(self, name: str) -> Tensor:
        value: Tensor = getattr(self.__dict__["_source"], name)
        if isinstance(value, Tensor) and value.is_floating_point():
            value = value.double()
        self.__dict__[name] = value
        return value


NOISE = ("normal", "uniform", "poisson")  # standard normal; in (0, 1); counts with the mean that ``discretise`` calls ``mean``


@dataclass(frozen=True)
class Model(ABC):  # noqa: B024 (its kinds add the functions)
    """The base class of all models. A model class is abstract or final."""

    ports: ClassVar[Mapping[str, Port]] = {}
    states: ClassVar[Any] = ()
    noise: ClassVar[Mapping[str, str]] = {}  # inputs that the engine supplies, fresh in each slot: name -> one of `NOISE`

    def check_options(self, where: str) -> None:
        """Refuse settings that are not among their choices.

        Raises:
            ParameterError: one is not among its choices.
        """
        for name, declaration in declared(type(self))[1].items():
            check_option(f"{where}.{name}", declaration, getattr(self, name))

    def check(self, where: str, p: Bag) -> None:  # noqa: B027 (most models have nothing to check)
        """Raise a `ParameterError` where parameters contradict each other; the limits of single ones are declared.

        ``p.n_units`` is the number of units of the group.
        """

    def discretise(self, p: Bag, dt: float) -> Coeffs:
        """Return everything that depends on ``dt`` (s); computed once per dt, from parameters in float64 (see `coefficients`)."""
        return None


def coefficients(model: Model, p: Bag, dt: float, dtype: torch.dtype) -> Coeffs:
    """Compute what ``discretise`` returns in float64, and round it to ``dtype`` once.

    So its differences of near numbers keep their digits in float32, too.
    """
    if dtype == torch.float64:
        return model.discretise(p, dt)
    return _rounded(model.discretise(Fine(p), dt), dtype)


def check_coefficients(where: str, model: Model, p: Bag, dt: float, dtype: torch.dtype) -> None:
    """Refuse parameters with a coefficient that is not a number, or too large for ``dtype``.

    Raises:
        ParameterError: there is one; the text begins with ``where``.
    """
    for value in tree_leaves(model.discretise(Fine(p), dt)):
        if isinstance(value, Tensor) and value.is_floating_point():
            lost = torch.isnan(value) | (torch.isfinite(value) & ~torch.isfinite(value.to(dtype)))
            if bool(lost.any()):
                raise ParameterError(
                    where,
                    f"every coefficient must be a number of {str(dtype).removeprefix('torch.')} for dt = {dt:g} s",
                    got=f"{float(value[lost].flatten()[0]):g}",
                    fix="Use parameters nearer to dt, or init(dtype=torch.float64).",
                )


def _rounded(tree: Coeffs, dtype: torch.dtype) -> Coeffs:
    if isinstance(tree, Tensor):
        return tree.to(dtype) if tree.is_floating_point() else tree
    if isinstance(tree, tuple):
        parts = [_rounded(part, dtype) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return tree


@dataclass(frozen=True)
class Source(Model):
    """The base class of groups without presynaptic partners; input groups get their signal from the run, in ``x.value``.

    A source that is ``timed`` and has no states also gets ``x.start``, ``x.stop`` and ``x.before`` (s, float64,
    ``[slot, 1, 1, 1]``): when its slots begin and end, since the last reset, and how long the slot before each was (0 before
    the first one); and ``x.unit``, the numbers of its units.
    """

    emits: ClassVar[Kind] = "events"
    external: ClassVar[bool] = False
    timed: ClassVar[bool] = False
    at_start: ClassVar[tuple[str, ...]] = ()  # noise that the first slot alone uses; it is zero in all others

    @property
    def same_for_all(self) -> bool:
        """Whether all samples of a batch get the same noise."""
        return False

    @property
    def same_for_chips(self) -> bool:
        """Whether all chips get the same noise: an input does, noise of the circuits themselves does not."""
        return True

    @abstractmethod
    def emit(self, state: StateTuple, x: Bag, p: Bag, c: Coeffs) -> tuple[Units, StateTuple]:
        """Return the output of the slot, and the state at its end."""


@dataclass(frozen=True)
class Neuron(Model):
    """The base class of groups of units with inputs on named ports and one output."""

    emits: ClassVar[Kind] = "events"

    @abstractmethod
    def emit(self, state: StateTuple, jump: Units, p: Bag, c: Coeffs) -> tuple[Units, StateTuple]:
        """Return the output at t_k and the state after it; ``jump`` is the sum of the impulses that arrive at t_k."""

    @abstractmethod
    def advance(self, state: StateTuple, x: Bag, p: Bag, c: Coeffs) -> StateTuple:
        """Return the state at t_k + dt, under the inputs of the other ports and the noise (``x.charge``, ...)."""

    def membrane(self, p: Bag) -> Tensor | None:
        """Return the time constant (s) of a linear membrane, for ``drive="exact"``; None where there is none."""
        return None


class Spiking(NamedTuple):
    """The state of a spiking neuron with a dead time: the state of the model, and the refractory clock."""

    cell: StateTuple
    wait: Units  # slots and a fraction, refractory time still to run
    held: Units  # whether the slot just ended was refractory


@dataclass(frozen=True)
class SpikingNeuron(Neuron):
    """The base class of neurons that emit 0 or 1, with comparison, refractoriness and winner-take-all in one place.

    A model gives ``receive``, ``margin``, ``reset`` and ``evolve``. While refractory, the states declared ``held`` keep the value
    that the reset gave them, and arriving impulses are lost, up to and including t_spike + t_ref (as in NEST).
    """

    t_ref: Value = param(0.0, unit="s", least=0.0, role="refractory time", gradient=False)
    emit_order: str = option("before", choices=("before", "after"))
    surrogate: Surrogate = option(FastSigmoid())
    winner_take_all: bool = option(False, choices=(True, False))

    @abstractmethod
    def receive(self, state: StateTuple, jump: Units, p: Bag) -> StateTuple:
        """Return the state with the impulses that arrive at t_k."""

    @abstractmethod
    def margin(self, state: StateTuple, p: Bag) -> Units:
        """Return how far above threshold each unit is; it spikes where this is at least 0."""

    @abstractmethod
    def reset(self, state: StateTuple, fired: Units, p: Bag) -> StateTuple:
        """Return the state after the spikes in ``fired`` (bool, without gradient: learning goes through the spike alone)."""

    @abstractmethod
    def evolve(self, state: StateTuple, x: Bag, p: Bag, c: Coeffs) -> StateTuple:
        """Return the state at t_k + dt, leaving refractoriness aside."""

    def emit(self, state: StateTuple, jump: Units, p: Bag, c: Coeffs) -> tuple[Units, StateTuple]:
        return self.fire(self.arrive(state, jump, p), p)

    def arrive(self, state: StateTuple, jump: Units, p: Bag) -> StateTuple:
        """Return the state with the impulses of t_k, which are lost on refractory units."""
        if not isinstance(state, Spiking):
            return self.receive(state, jump, p)
        dead = state.held | (state.wait > HALF)
        return state._replace(cell=self._hold(dead, state.cell, self.receive(state.cell, jump, p), every=True))

    def compare(self, state: StateTuple, p: Bag) -> tuple[Units, Units]:
        """Return the spikes of all units at or above threshold that are not refractory, and the margin of all units."""
        clocked = isinstance(state, Spiking)
        margin = self.margin(state.cell if clocked else state, p)
        spikes = self.surrogate(margin)
        return torch.where(state.held, torch.zeros_like(spikes), spikes) if clocked else spikes, margin

    def score(self, state: StateTuple, p: Bag) -> Units:
        """Return by what units compete where the winner takes all: the margin of those that would spike, else minus infinity."""
        return scores(*self.compare(state, p))

    def fire(self, state: StateTuple, p: Bag, place: Units | None = None) -> tuple[Units, StateTuple]:
        """Compare, emit, reset and start the dead time; return the spikes and the state after them.

        ``place`` says, where the winner takes all, who won if that is known already (`places`).
        """
        clocked = isinstance(state, Spiking)
        cell = state.cell if clocked else state
        spikes, margin = self.compare(state, p)
        ended = spikes.detach() > 0
        if self.winner_take_all:
            place = places(scores(spikes.detach(), margin.detach())) if place is None else place
            won, ended = place == WINNER, place > 0
            spikes, cell = spikes * won.to(spikes.dtype), self._decided(cell, won, ended, p)
        else:
            cell = self.reset(cell, ended, p)
        if not clocked:
            return spikes, cell
        return spikes, Spiking(cell, torch.where(ended, p.ref_slots, state.wait), state.held)

    def advance(self, state: StateTuple, x: Bag, p: Bag, c: Coeffs) -> StateTuple:
        if not isinstance(state, Spiking):
            return self.evolve(state, x, p, c)
        # The clock counts slots, so that it is exact for any dt. It is over where less than half a slot is left: the dead time
        # is rounded to whole slots, also where another dt goes on with what is left of it.
        held = state.wait > HALF
        cell = self._hold(held, state.cell, self.evolve(state.cell, x, p, c), every=False)
        return Spiking(cell, (state.wait - 1).clamp(min=0.0), held)

    def _decided(self, cell: StateTuple, won: Units, ended: Units, p: Bag) -> StateTuple:
        """Return the state after a winner took all: everyone's states that are ``held`` are reset, what adapts does so in the
        winner alone.
        """
        alone, every = self.reset(cell, won, p), self.reset(cell, ended, p)
        return type(every)(*(b if state.held else a for a, b, state in zip(alone, every, self.states, strict=True)))

    def _hold(self, dead: Units, before: StateTuple, after: StateTuple, *, every: bool) -> StateTuple:
        """Return ``before`` where ``dead`` and ``after`` elsewhere, for the states declared ``held`` or for every one."""
        kept = [
            torch.where(dead, b, a) if (every or state.held) else a
            for b, a, state in zip(before, after, self.states, strict=True)
        ]
        return type(after)(*kept)


HALF = 0.5 - 1e-4  # slots


def scores(spikes: Units, margin: Units) -> Units:
    """Return the margins of units that would spike, minus infinity for the others."""
    return torch.where(spikes > 0, margin, torch.full_like(margin, -torch.inf))


WINNER = 2.0


def places(score: Units) -> Units:
    """Return `WINNER` for the unit with the largest score, the lowest index among equals, 1 for all others; 0 where none has one.

    Args:
        score: minus infinity for units that do not compete.
    """
    tied = (score == score.max(-1, keepdim=True).values) & (score > -torch.inf)
    first = tied & (tied.to(score.dtype).cumsum(-1) == 1)
    return first.to(score.dtype) + first.any(-1, keepdim=True).to(score.dtype)


@dataclass(frozen=True)
class Connection(Model):
    """The base class of everything with ``source`` and ``target``: synapses, one-to-one links, device arrays, dendrites.

    ``step`` is pointwise. The engine gives it, by ``side``: ``post``, the weighted sums ``x.value [..., post]``; ``pre``, the
    arrivals ``x.value [..., pre]`` (and sums its output through the weights); ``connection``, what arrives times the weight,
    ``x.value [..., pre, post]``, and what arrives, ``x.arrival [..., pre, 1]`` (or ``[..., pre, post]`` where delays differ from
    connection to connection), and sums its output over pre. With sparse connectivity ``[..., edge]`` in place of both.

    A connection that ``reads`` states of its target gets each as an input of that name, as monitors see it at t_k: ``x.v [...,
    post]``, ``[..., 1, post]`` where each connection has a state, ``[..., edge]`` on edges.
    """

    accepts: ClassVar[tuple[Kind, ...]] = ("events",)
    reads: ClassVar[tuple[str, ...]] = ()  # states of the target
    one_to_one: ClassVar[bool] = False
    weighted: ClassVar[bool] = True  # whether the engine applies ``weight``; if not, ``x.value`` is ``x.arrival``
    unit: ClassVar[str] = ""  # of what it gives, where only a port of that unit can take it

    def emits_for(self, kind: Kind) -> Kind:
        """Return the kind of the output, given the kind of the input."""
        return "charge"

    def receive(self, state: StateTuple, x: Bag, p: Bag, c: Coeffs) -> StateTuple:
        """Return the state with the arrivals of t_k."""
        return state

    @abstractmethod
    def step(self, state: StateTuple, x: Bag, p: Bag, c: Coeffs) -> tuple[Connections, StateTuple]:
        """Return the output over the slot, and the state at its end."""


@dataclass(frozen=True)
class Synapse(Connection):
    """The base class of connections with a weight for each pair of units, ``[pre, post]``."""

    weight: Value = param(FanIn(), unit="V", role="weight", per="connection")
    side: str = option("post", choices=("post", "pre", "connection"))


@dataclass(frozen=True)
class Rule(Model):
    """The base class of local learning rules, which change the weight of their synapse in each slot.

    ``update`` is pointwise over ``[..., pre, post]``. It sees ``x.pre [..., pre, 1]`` on arrival and ``x.post [..., 1, post]`` at
    emission in slot k, reads its traces before this slot's increments, and returns the change of weight for slot k + 1.

    A rule that ``reads`` states of the target sees each as ``x.<name> [..., 1, post]``, as monitors see it in slot k: after the
    reset; ``margin``, the distance to threshold, is the one before it. A rule that is ``modulated`` has a third factor,
    ``x.modulator``, the signal of the group that ``modulator=`` of `Network.add` names: ``[..., 1, post]``, or ``[..., 1, 1]``
    where that group has one unit.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    modulated: ClassVar[bool] = False
    learns_from: ClassVar[tuple[Kind, ...]] = ("events",)  # the kinds of the target's output that ``x.post`` can be

    reduce: str = option("sum", choices=("sum", "mean"))
    per_sample: bool = option(False, choices=(True, False))
    w_min: Value = param(0.0, unit="V", gradient=False)
    w_max: Value = param(1.0, unit="V", gradient=False)
    total: Value = param(float("inf"), unit="V", above=0.0, gradient=False, infinite=True)  # of each target's weights, at a reset

    def __post_init__(self) -> None:
        self.check_options(type(self).__name__)

    @abstractmethod
    def update(self, state: StateTuple, x: Bag, w: Connections, p: Bag, c: Coeffs) -> tuple[Connections, StateTuple]:
        """Return the change of the weight, and the traces at t_k + dt."""


def exact_membrane(model: Connection, p: Bag, drive: str) -> Tensor | None:
    """Return the time constant (s) of the target's membrane for ``drive="exact"``; None for another drive.

    Raises:
        GraphError: the target has no linear membrane.
    """
    if drive != "exact":
        return None
    membrane: Tensor | None = getattr(p, "membrane", None)
    if membrane is None:
        raise GraphError(
            type(model).__name__,
            "drive='exact' needs one target with a linear membrane",
            got="a target without",
            fix="Use drive='charge', the default.",
        )
    return membrane
