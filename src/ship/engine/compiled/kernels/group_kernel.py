"""The kernel of a kind of group: traced once for all groups of that kind, in this network and in others."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ....base.parameters import declared
from ....base.parameters.bag import Bag
from ....models.contract import Connection, Model, Neuron, Spiking, SpikingNeuron
from ....models.surrogate import Surrogate
from ...slot import before_firing, connection_slot, fired, neuron_slot
from ...trees import flatten, unflatten
from ..trace.program import Untraceable
from .kernel import Kernel, lean, reading

FUNCTIONS = ("receive", "margin", "reset", "evolve", "emit", "advance", "arrive", "compare", "score", "fire", "step")
MOST = 512  # kinds that are remembered


class Contest(NamedTuple):
    """The kernel of a group up to the comparison of its units, with what it must be given: its output is their score."""

    kernel: Kernel
    constants: tuple[int, ...]
    go: int


class GroupKernel(NamedTuple):
    """The kernel of a group, with what it must be given."""

    kernel: Kernel
    constants: tuple[int, ...]  # of all leaves of parameters and coefficients, those that are read
    go: int  # the constant that says whether there is a slot to advance over, or -1
    seen: tuple[str, ...]  # variables beside the output that monitors can have
    ending: Kernel | None = None  # the advance over the last slot, where neurons emit first; with the same rows as the kernel
    contest: Contest | None = None  # what is done first, where the winner takes all; the kernel is then given who won


class JoinedFeed(NamedTuple):
    """A connection that only feeds a neuron, as part of its kernel."""

    kind: KernelKey
    operand: str  # of the neuron
    late: bool  # whether it acts for the slot before, as the neuron's advance does
    convert: str = "none"  # its output times dt ("mul"), or by dt ("div")


class Placeholder:
    """In place of a parameter that is no plain number: a model reads it from ``p``."""


@dataclass(frozen=True)
class KernelKey:
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
    feeds: tuple[JoinedFeed, ...] = ()

    @property
    def parts(self) -> list[KernelKey]:
        """The kinds of the feeds and this one: their states, operands and constants follow each other."""
        return [*(feed.kind for feed in self.feeds), self]

    @property
    def timed(self) -> bool:
        """Whether dt is one of the constants, the last one but the clock."""
        return any(feed.convert != "none" for feed in self.feeds)

    @property
    def key(self) -> tuple[Any, ...]:
        """A value that is equal for equal traces, and can be a key."""
        model = type(self.model)
        values = [(f.name, *_plain(getattr(self.model, f.name))) for f in fields(self.model)]
        functions = [getattr(model, name, None) for name in FUNCTIONS]
        rest = [getattr(self, f.name) for f in fields(self) if f.name not in ("model", "tree", "state_tree", "feeds")]
        feeds = tuple((feed.kind.key, *feed[1:]) for feed in self.feeds)
        return (model, *functions, *values, *rest, str(self.tree), str(self.state_tree), feeds)


def _plain(value: Any) -> tuple[Any, ...]:
    if value is None or isinstance(value, str | bool | int | float | Surrogate):
        return type(value), value
    return "given", id(value) if callable(value) else 0


def _light(model: Model) -> Model:
    """The model without the tensors that it was given, so that a remembered trace keeps none alive."""
    made = copy(model)
    for name in declared(type(model))[0]:
        if _plain(getattr(model, name))[0] == "given":
            object.__setattr__(made, name, Placeholder())
    return made


def _bare(kind: KernelKey) -> KernelKey:
    feeds = tuple(feed._replace(kind=_bare(feed.kind)) for feed in kind.feeds)
    return replace(kind, model=_light(kind.model), feeds=feeds)


_remembered: dict[tuple[Any, ...], GroupKernel | Untraceable] = {}  # a pure function of its keys, like any cache


def built(kind: KernelKey) -> GroupKernel:
    """Return the kernel of a kind of group, traced when it is first asked for.

    Raises:
        Untraceable: there is none.
    """
    key = kind.key
    found = _remembered.get(key)
    if found is None:
        try:
            found = _trace(_bare(kind))
        except Untraceable as error:
            found = Untraceable(str(error))
        if len(_remembered) >= MOST:
            _remembered.clear()
        _remembered[key] = found
    if isinstance(found, Untraceable):
        raise found
    return found


def _trace(kind: KernelKey) -> GroupKernel:
    clocked = bool(kind.first)
    seen = _seen(kind) if kind.watched else ()
    counts = [part.count for part in kind.parts]
    total = sum(counts) + int(kind.timed)

    def function(state: Sequence[Tensor], x: Sequence[Tensor], constants: Sequence[Tensor], ends: bool = False) -> Any:
        go = constants[-1] if clocked else None
        dt = constants[total - 1] if kind.timed else None
        states = split(state, [len(part.states) for part in kind.parts])
        inputs = split(x, [len(part.operands) for part in kind.parts])
        given = split(constants, counts)
        drawn = partial(_drawn, go=None if ends else go)
        values = drawn(kind, inputs[-1])
        after: list[Tensor] = []
        for feed, own, came, leaves in zip(kind.feeds, states, inputs, given, strict=False):
            if ends and not feed.late:
                after += own
                continue
            arrivals = drawn(feed.kind, came) if feed.late else dict(zip(feed.kind.operands, came, strict=True))
            out, moved, _ = _slot(feed.kind, own, arrivals, leaves, None, ())
            if feed.convert != "none" and dt is not None:
                out = out * dt if feed.convert == "mul" else out / dt
            held = feed.late and go is not None and not ends
            after += [torch.where(go != 0, m, o) if held else m for m, o in zip(moved, own, strict=True)]  # type: ignore[arg-type]
            values[feed.operand] = values[feed.operand] + out
        if ends:
            return [], [*after, *_advanced(kind, states[-1], values, given[-1])]
        if competes(kind.model):
            score, moved = _before(kind, states[-1], values, given[-1], go)
            return [score.to(kind.dtype)], [*after, *moved]
        out, moved, extra = _slot(kind, states[-1], values, given[-1], go, seen)
        return [o.to(kind.dtype) for o in (out, *extra)], [*after, *moved]

    def decided(state: Sequence[Tensor], x: Sequence[Tensor], constants: Sequence[Tensor]) -> Any:
        *feeds, own = split(state, [len(part.states) for part in kind.parts])
        out, moved, extra = _decided(kind, own, x[0], split(constants, counts)[-1], seen)
        return [o.to(kind.dtype) for o in (out, *extra)], [*(v for states in feeds for v in states), *moved]

    flags = tuple(flag for part in kind.parts for flag in part.states)
    operands = sum(len(part.operands) for part in kind.parts)
    kernel, kept = lean(function, flags, operands, total + int(clocked), kind.dtype)
    go = kept.index(total) if clocked and total in kept else -1
    if competes(kind.model):
        contest = Contest(kernel, tuple(i for i in kept if i < total), go)
        kernel, kept = lean(decided, flags, 1, total + int(clocked), kind.dtype)
        return GroupKernel(kernel, tuple(i for i in kept if i < total), -1, seen, None, contest)
    ending = None
    if clocked:
        last = reading(partial(function, ends=True), kept, total + 1)
        ending = Kernel(last, flags, operands, len(kept), kind.dtype, checked=False)
    return GroupKernel(kernel, tuple(i for i in kept if i < total), go, seen, ending)


def _drawn(kind: KernelKey, inputs: Sequence[Tensor], go: Tensor | None) -> dict[str, Tensor]:
    """Return the inputs by name. Before the first slot nothing is drawn: there a uniform number is 1/2, not the 0 that stands for
    nothing. It lies outside (0, 1), and though nothing is advanced then, the derivative of its logarithm times 0 would be NaN.
    """
    values = dict(zip(kind.operands, inputs, strict=True))
    uniform = [name for name, noise in kind.model.noise.items() if noise == "uniform"]
    return values if go is None else values | {name: torch.where(go != 0, values[name], 0.5) for name in uniform}


def competes(model: Model) -> bool:
    """Whether of the units of a group the winner takes all."""
    return isinstance(model, SpikingNeuron) and model.winner_take_all


def split(whole: Sequence[Tensor], counts: Sequence[int]) -> list[list[Tensor]]:
    """Cut a sequence into parts of these lengths; what is left over belongs to none."""
    ends = list(accumulate(counts))
    return [list(whole[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _seen(kind: KernelKey) -> tuple[str, ...]:
    own = tuple(getattr(kind.model.states, "_fields", ()))
    if isinstance(kind.model, SpikingNeuron):
        own += ("margin", "wait", "held") if kind.refractory else ("margin",)
    return own


def _advanced(kind: KernelKey, leaves: Sequence[Tensor], values: dict[str, Tensor], constants: Sequence[Tensor]) -> list[Tensor]:
    """The states of a neuron after the slot whose start it has seen."""
    model, (state, p, c) = kind.model, _given(kind, leaves, constants)
    assert isinstance(model, Neuron)
    flows = Bag({name: value for name, value in values.items() if name != "jump"})
    return flatten(model.advance(state, flows, p, c))[0]


def _given(kind: KernelKey, leaves: Sequence[Tensor], constants: Sequence[Tensor]) -> tuple[Any, Bag, Any]:
    """Return state, parameters and coefficients as a model knows them."""
    p = Bag(dict(zip(kind.names, constants, strict=False)))
    c = None if kind.tree is None else unflatten(list(constants[len(kind.names) :]), kind.tree)
    return unflatten(list(leaves), kind.state_tree), p, c


def _before(
    kind: KernelKey, leaves: Sequence[Tensor], values: dict[str, Tensor], constants: Sequence[Tensor], go: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """Return the score of competing units, and the states that they compete with."""
    model, (state, p, c) = kind.model, _given(kind, leaves, constants)
    assert isinstance(model, SpikingNeuron)
    jump = values.pop("jump", torch.zeros((), dtype=kind.dtype))
    state = before_firing(model, bool(kind.first), state, jump, Bag(values), True if go is None else go, p, c)
    return model.score(state, p), flatten(state)[0]


def _decided(
    kind: KernelKey, leaves: Sequence[Tensor], place: Tensor, constants: Sequence[Tensor], seen: Sequence[str]
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return what `_slot` does of competing units, whose states are those of `_before`."""
    model, (state, p, _) = kind.model, _given(kind, leaves, constants)
    assert isinstance(model, SpikingNeuron)
    out, after, margin = fired(model, state, p, place)
    return out, flatten(after)[0], _shown(after, margin, seen)


def _shown(state: Any, margin: Tensor | None, seen: Sequence[str]) -> list[Tensor]:
    """Return what monitors want of a state."""
    found: dict[str, Any] = {"margin": margin}
    if isinstance(state, Spiking):
        found |= {"wait": state.wait, "held": state.held}
        state = state.cell
    if state:
        found |= state._asdict()
    return [found[name] for name in seen]


def _slot(
    kind: KernelKey,
    leaves: Sequence[Tensor],
    values: dict[str, Tensor],
    constants: Sequence[Tensor],
    go: Tensor | None,
    seen: Sequence[str],
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return the output, the states after the slot, and what monitors want."""
    model, margin = kind.model, None
    state, p, c = _given(kind, leaves, constants)
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
    return out, flatten(after)[0], _shown(shown, margin, seen)
