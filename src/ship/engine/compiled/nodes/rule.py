"""Plastic synapses for tapes: a learning rule as kernels.

Traces on the pre and on the post side are steps of the tape. They hold what happened in the slot before, and their values before
it; from these the weights change, and the states on connections, before the synapse's own step. A rule whose change is zero
without events is evaluated only on the connections of units with an event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ....base.parameters.bag import Bag
from ....models.contract import Rule
from ...reference.plastic import PlasticNode
from ...trees import flatten, unflatten
from ..emit.numba import Store, print_numba
from ..kernels.kernel import Kernel
from ..tape.edges import Structure
from ..tape.tape import ConnectionOperand, Learn, OperandSource, Pass, TapeStep
from ..trace.program import Program, Untraceable, Value, only, used
from ..trace.recorder import trace
from ..trace.simplify import fold
from .work import LINES, Key, Work


class Traces(NamedTuple):
    """The kernel of the traces on one side: the numbers of its states, and of its constants; the last constant is ``go``."""

    kernel: Kernel
    states: tuple[int, ...]
    constants: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Learner:
    """The kernels of one rule. ``sides`` says where each state lives: before, behind or on the connection."""

    sides: tuple[str, ...]
    flags: tuple[bool, ...]
    pre: Traces
    post: Traces
    alone: tuple[Work, ...]  # each row of the tape has its weights
    shared: tuple[Work, ...]  # the rows of a chip share them
    events: int  # 0: weights change without events; 1: at events alone; 2: at postsynaptic ones alone


def rule_of(node: PlasticNode) -> Rule:
    rule = node.group.spec.rule
    assert rule is not None
    return rule


def others(rule: Rule) -> tuple[str, ...]:
    """Return what a rule sees beside the events of both sides: states of its target, and the third factor."""
    return (*rule.reads, *(["modulator"] if rule.modulated else []))


def leaves(node: PlasticNode) -> tuple[list[str], list[Tensor], Any]:
    """Names of the rule's parameters; their tensors followed by its coefficients, ``[chip, batch, pre, post]`` or 1 of each; the
    tree of these.
    """
    names = [k for k, v in vars(node.rule_p).items() if isinstance(v, Tensor)]
    coefficients, tree = flatten(() if node.rule_c is None else node.rule_c)
    every = [*(vars(node.rule_p)[k] for k in names), *(torch.as_tensor(v) for v in coefficients)]
    return names, [four(node, v.detach().to(node.like)) for v in every], tree


def four(node: PlasticNode, t: Tensor) -> Tensor:
    """Return what belongs to connections as ``[chip, batch, pre, post]``; edges as ``[chip, batch, 1, edge]``."""
    t = t.unsqueeze(-2) if node.edges is not None and t.ndim else t
    return t.reshape((1,) * (4 - t.ndim) + tuple(t.shape))


def axes_of(node: PlasticNode, t: Tensor) -> frozenset[str]:
    """Return the axes along which what `four` returns differs. Edges have no axes: their numbers are compared."""
    if node.edges is None or t.shape[3] == 1:
        return frozenset(side for side, size in (("pre", t.shape[2]), ("post", t.shape[3])) if size > 1)
    for side in ("pre", "post"):
        if torch.equal(by_unit(node, t, side)[..., getattr(node.edges, side).long()], t):
            return frozenset([side])
    return frozenset(["pre", "post"])


def by_unit(node: PlasticNode, t: Tensor, side: str) -> Tensor:
    """Return for each unit of a side the number of one of its edges; those without edges have that of another one."""
    assert node.edges is not None
    found = t[..., :1].expand(*t.shape[:-1], node.group.n_pre if side == "pre" else node.group.n).clone()
    found[..., getattr(node.edges, side).long()] = t
    return found


class _Builder:
    """Traces a rule. Inputs of its program: states, pre, post, what else it sees of its target and the third factor, weight,
    constants; outputs: the weight, its change, states.
    """

    def __init__(self, node: PlasticNode) -> None:
        self.node, self.rule, self.dtype = node, rule_of(node), node.group.dtype
        self.names, self.constants, self.tree = leaves(node)
        states, self.state_tree = flatten(node.group.state_form(rule=True))
        self.flags = tuple(s.dtype == torch.bool for s in states)
        self.sides = tuple(s.on if s.on in ("pre", "post") else "connection" for s in self.rule.states or ())
        self.count = len(states)
        self.others = others(self.rule)
        self.pre, self.post = self.count, self.count + 1
        self.weight = self.count + 2 + len(self.others)
        try:
            self.program = trace(self._whole, self.weight + 1 + len(self.constants), self.dtype)
        except Untraceable as error:
            raise Untraceable(f"its rule: {error}") from error

    def _whole(self, *given: Tensor) -> list[Tensor]:
        states = [v != 0 if flag else v for v, flag in zip(given[: self.count], self.flags, strict=True)]
        pre, post, *seen = given[self.count : self.weight]
        w, *constants = given[self.weight :]
        p = Bag(dict(zip(self.names, constants, strict=False)))
        c = unflatten(constants[len(self.names) :], self.tree) if len(constants) > len(self.names) else None
        state = unflatten(states, self.state_tree)
        x = Bag({"pre": pre, "post": post, **dict(zip(self.others, seen, strict=True))})
        change, after = self.rule.update(state, x, w, p, c)
        new = torch.minimum(torch.maximum(w + change, p.w_min), p.w_max)
        return [new, change, *(v.to(self.dtype) for v in flatten(after)[0])]

    def build(self) -> Learner:
        connections = [i for i, side in enumerate(self.sides) if side == "connection"]
        changing = [i for i in connections if self.program.outputs[2 + i] != Value(i)]
        events = int(self._still(changing, self.pre, self.post)) * (2 if self._still(changing, self.post) else 1)
        direct = self._work({0: self.weight} | {2 + i: i for i in changing})
        change = self._work({1: "sum"} | {2 + i: i for i in changing})
        return Learner(
            self.sides, self.flags, self._traces("pre"), self._traces("post"), (direct,), (change, self._apply()), events
        )

    def _still(self, changing: Sequence[int], *silent: int) -> bool:
        """Whether weights and states of connections stand still where these inputs are 0."""
        still = fold(self.program, dict.fromkeys(silent, 0.0)).outputs
        return _zero(still[1]) and all(isinstance(still[2 + i], Value) and still[2 + i] == i for i in changing)

    def axes(self, i: int) -> set[str]:
        """Return the axes along which an input of the program differs."""
        if i < self.count:
            return {"pre", "post"} if self.sides[i] == "connection" else {self.sides[i]}
        if i <= self.weight:
            return {self.pre: {"pre"}, self.weight: {"pre", "post"}}.get(i, {"post"})
        return set(axes_of(self.node, self.constants[i - self.weight - 1]))

    def _traces(self, side: str) -> Traces:
        states = tuple(i for i, s in enumerate(self.sides) if s == side)
        needed = used(only(self.program, [2 + i for i in states]))
        fields = getattr(self.rule.states, "_fields", ())
        for i in states:
            if any(self.axes(j) - {side} for j in used(only(self.program, [2 + i]))):
                raise Untraceable(f"state {fields[i]!r} of its rule lives on the {side} side but depends on more than that side")
        constants = tuple(sorted(i - self.weight - 1 for i in needed if i > self.weight))
        flags = tuple(self.flags[i] for i in states)
        if side == "pre":
            flags = (False, *flags)
        operands = 1 if side == "pre" else 1 + len(self.others)
        kernel = Kernel(self._trace(side, states, constants), flags, operands, len(constants) + 1, self.dtype)
        return Traces(kernel, states, constants)

    def _trace(self, side: str, states: tuple[int, ...], constants: tuple[int, ...]) -> Callable[..., Any]:
        """What arrives, for the pre side also what did in the slot before, for the post side also what else the rule sees there,
        and the traces before that.
        """

        def function(own: Sequence[Tensor], x: Sequence[Tensor], given: Sequence[Tensor]) -> Any:
            arrival, *seen_there = (v.detach() for v in x)  # rules have no gradient
            own = [v.detach() for v in own]
            happened = arrival
            if side == "pre":
                happened, *own = own
            known = dict(zip((self.weight + 1 + i for i in constants), given, strict=False)) | dict(zip(states, own, strict=True))
            known[self.pre if side == "pre" else self.post] = happened
            known |= dict(enumerate(seen_there, self.post + 1))
            every = [known.get(i, torch.zeros_like(arrival)) for i in range(self.program.inputs)]
            after = self._whole(*(v.to(self.dtype) for v in every))
            seen = [v.to(self.dtype) for v in own]
            go = given[-1].detach() != 0
            moved = [torch.where(go, after[2 + i], v) for i, v in zip(states, seen, strict=True)]
            return ([arrival, happened, *seen], [arrival, *moved]) if side == "pre" else ([happened, *seen_there, *seen], moved)

        return function

    def _work(self, outputs: Mapping[int, Key]) -> Work:
        """The kernel for some outputs of the program, each with the operand that it is written to; "sum" is added to."""
        part = only(self.program, list(outputs))
        keys: list[Key] = sorted(used(part) | {k for k in outputs.values() if isinstance(k, int)})
        keys += ["sum"] if "sum" in outputs.values() else []
        stores = [Store(keys.index(k), k == "sum") for k in outputs.values()]
        loads = [keys.index(i) if i in keys else 0 for i in range(part.inputs)]
        return self._printed(part, keys, stores, frozenset(outputs.values()), loads)

    def _apply(self) -> Work:
        """Return the kernel for the weight after the changes of all samples."""
        mean = self.rule.reduce == "mean"

        def function(w: Tensor, total: Tensor, low: Tensor, high: Tensor, *batch: Tensor) -> list[Tensor]:
            changed = w + (total / batch[0] if mean else total)
            return [torch.minimum(torch.maximum(changed, low), high), torch.zeros_like(total)]

        low, high = (self.weight + 1 + self.names.index(name) for name in ("w_min", "w_max"))
        keys: list[Key] = [self.weight, "sum", low, high, *(["batch"] if mean else [])]
        program = trace(function, len(keys), self.dtype)
        return self._printed(program, keys, [Store(0, False), Store(1, False)], frozenset(keys[:2]))

    def _printed(
        self, program: Program, keys: list[Key], stores: list[Store], written: frozenset[Key], loads: list[int] | None = None
    ) -> Work:
        loads = list(range(program.inputs)) if loads is None else loads
        axes = {i: self._axes_of_key(keys[loads[i]]) for i in used(program)}

        def text(line: str) -> str:
            fixed = {i for i, differs in axes.items() if differs <= LINES[line]}
            return print_numba(program, stores, len(keys), self.dtype, loads, fixed)

        return Work(tuple(keys), written, text)

    def _axes_of_key(self, key: Key) -> set[str]:
        """Return the axes along which an operand of a kernel differs."""
        if isinstance(key, int):
            return self.axes(key)
        return set() if key in ("batch", "step") else {"pre", "post"}


def _zero(ref: Any) -> bool:
    return not isinstance(ref, Value) and ref == 0


def build(node: PlasticNode) -> Learner:
    """Trace the rule of a node.

    Raises:
        Untraceable: it is no pointwise program, or its traces do not keep to their sides.
    """
    return _Builder(node).build()


def key(node: PlasticNode) -> Any:
    """Return what the kernels of a rule depend on."""
    names, tensors, tree = leaves(node)
    return tuple(names), str(tree), tuple(axes_of(node, t) for t in tensors), node.group.dtype


class Unit:
    """A plastic synapse in one run of a tape: the steps before its own, its weights, and what is kept afterwards."""

    edges: Structure | None = None

    def __init__(
        self,
        node: PlasticNode,
        learner: Learner,
        k0: int,
        arrivals: tuple[OperandSource, ...],
        posts: Sequence[tuple[OperandSource, ...]],
        signal: Callable[[int], int],
    ) -> None:
        self.node, self.learner = node, learner
        self.group, self.lead = node.group, node.lead
        self.together = self._together()
        self.weight = self._own(node.weight, self.lead[0], self.lead[1] if self.together == 1 else 1)
        _, self.leaves, _ = leaves(node)
        self.states = [s.to(node.like) for s in flatten(node.rule_state)[0]]
        self.grids = {i: self._own(self.states[i], *self.lead) for i, s in enumerate(learner.sides) if s == "connection"}
        self.arrived, before, *pre = (signal(self.group.n_pre) for _ in range(2 + len(learner.pre.states)))
        there = [signal(self.group.n) for _ in posts]  # the target's spikes, and what else the rule sees
        post = [signal(self.group.n) for _ in learner.post.states]
        self.happened = {"pre": before, "post": there[0]}
        self.seen = dict(enumerate((before, *there), len(learner.sides)))  # by the number of the rule's input
        self.traces = dict(zip((*learner.pre.states, *learner.post.states), (*pre, *post), strict=True))
        self.fields: list[Tensor] = []
        self.entry = [self._before(k0), *self._side("pre"), *self._side("post")]
        self.constants = [*self._constants("pre", k0 > 0), *self._constants("post", k0 > 0)]
        go = len(learner.pre.constants), len(learner.post.constants)
        self.steps = [
            TapeStep(learner.pre.kernel, self.group.n_pre, (arrivals,), (self.arrived, before, *pre), go[0], traces=True),
            TapeStep(learner.post.kernel, self.group.n, tuple(posts), (*there, *post), go[1], traces=True),
        ]

    @property
    def works(self) -> tuple[Work, ...]:
        """The kernels that change the weights, in their order."""
        return self.learner.alone if self.together == 1 else self.learner.shared

    def _together(self) -> int:
        """Return how many samples share their weights.

        Raises:
            Untraceable: they do, but not the limits, or not the weights themselves.
        """
        rule = rule_of(self.node)
        if rule.per_sample or self.lead[1] == 1:
            return 1
        parts = {"weights": self.node.weight, "w_min": self.node.rule_p.w_min, "w_max": self.node.rule_p.w_max}
        for name, t in parts.items():
            if four(self.node, t).shape[1] > 1:
                raise Untraceable(f"{name} for each sample, with changes that are shared by the batch")
        return self.lead[1]

    def _own(self, t: Tensor, chips: int, batch: int) -> Tensor:
        """Return a copy of all rows, to be changed in place."""
        return (
            t.detach()
            .to(self.node.like)
            .expand(chips, batch, self.group.n_pre, self.group.n)
            .clone(memory_format=torch.contiguous_format)
        )

    def _before(self, k0: int) -> Tensor:
        """What arrived in the slot before the run."""
        if k0 == 0:
            return self.node.like.new_zeros((1, 1, self.group.n_pre))
        return self.node.feed.arrivals(k0 - 1, 1, self.node.like)[0].detach()

    def _side(self, side: str) -> list[Tensor]:
        """The traces of a side, ``[chip, batch, unit]``."""
        traces = self.learner.pre if side == "pre" else self.learner.post
        return [self._on_units(self.states[i], side) for i in traces.states]

    def _constants(self, side: str, advancing: bool) -> list[Tensor]:
        traces = self.learner.pre if side == "pre" else self.learner.post
        chosen = [self._on_units(self.leaves[i], side) for i in traces.constants]
        return [*chosen, self.node.like + float(advancing)]

    def _on_units(self, t: Tensor, side: str) -> Tensor:
        """What differs along one side only, ``[chip, batch, unit]``."""
        return t.squeeze(-1 if side == "pre" else -2)

    def _on_connections(self, t: Tensor, side: str) -> Tensor:
        """A trace of a side as the node has it."""
        return t.unsqueeze(-1 if side == "pre" else -2)

    def _stored(self, t: Tensor) -> Tensor:
        """A field of all connections as the node has it."""
        return t

    def learn(self, fields: list[Tensor]) -> Learn:
        """Return what changes the weights; its fields are added to those of the tape."""
        events = self.learner.events if self._inside() else 0
        at: dict[Key, int] = {}
        passes = tuple(
            Pass(*self._kernels(work, events), tuple(self._part(k, k in work.written, fields, at) for k in work.keys))
            for work in self.works
        )
        return Learn(passes, self.group.n_pre, self.group.n, self.happened["pre"], self.happened["post"], events)

    def _kernels(self, work: Work, events: int) -> tuple[int, int]:
        """Return the kernel on rows, and that on columns where these are visited: at events."""
        return work.kernel("row"), work.kernel("column") if events else 0

    def _inside(self) -> bool:
        """Whether the limits change no weight, so that those without events can be left alone."""
        p, weight = self.node.rule_p, self.node.weight
        if p.w_min.numel() == p.w_max.numel() == 1:
            low, high = torch.aminmax(weight)
            return bool(low >= p.w_min) and bool(high <= p.w_max)
        return bool(((weight >= p.w_min) & (weight <= p.w_max)).all())

    def _part(self, key: Key, written: bool, fields: list[Tensor], at: dict[Key, int]) -> ConnectionOperand:
        if key in self.traces:
            return ConnectionOperand(self.traces[int(key)], on=self.learner.sides[int(key)])
        if key in self.seen:
            return ConnectionOperand(self.seen[int(key)], on="pre" if key == len(self.learner.sides) else "post")
        if key not in at:
            at[key] = len(fields)
            fields.append(self._field(key))
        return ConnectionOperand(-1, at[key], written=written)

    def _field(self, key: Key) -> Tensor:
        weight = len(self.learner.sides) + len(self.seen)
        if key == "sum":
            return torch.zeros_like(self.weight)
        if key == "batch":
            return self.node.like.new_full((1, 1, 1, 1), float(self.together))
        assert isinstance(key, int)
        return self.weight if key == weight else self.grids[key] if key < weight else self.leaves[key - weight - 1]

    def finish(self, leave: Sequence[Tensor]) -> None:
        """Hand weights and traces to the node."""
        learner = self.learner
        after = {i: self._stored(t) for i, t in self.grids.items()}
        for i, t in zip((*learner.pre.states, *learner.post.states), leave[1:], strict=True):
            after[i] = self._on_connections(t, learner.sides[i])
        states = [after[i] != 0 if flag else after[i] for i, flag in enumerate(learner.flags)]
        self.node.rule_state = unflatten(states, flatten(self.node.rule_state)[1])
        self.node.now = self._stored(self.weight)
