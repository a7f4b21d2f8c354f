"""The reference node of a synapse with a learning rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

import torch
from torch import Tensor

from ...base.parameters.bag import Bag
from ...groups.group import Group
from ...models.contract import coefficients
from ..signals.line import Line
from ..signals.products import sum_edges
from .clock import Clock
from .connection import ConnectionNode
from .node import Node


class PlasticNode(ConnectionNode):
    """The reference node of a synapse with its learning rule, which run as one unit."""

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.posts: list[tuple[Line, int, int]] = []
        self.read_by_rule: dict[str, list[Line]] = {}  # states of the targets
        self.modulator: Line | None = None
        self.learns = True  # whether the rule acts in this run
        self.closed = False  # whether it has learned from the last slot of the segment: a kernel may have
        self.rule_state: Any = ()
        self.rule_p, self.rule_c = Bag({}), None
        self.now = group.plastic_weight

    def reset(self, lead: tuple[int, int]) -> None:
        super().reset(lead)
        self.rule_state = self._by_connection(self.group.fresh_state(lead, rule=True))
        stored = self.group.plastic_weight
        assert isinstance(stored, Tensor)
        rule = self.group.spec.rule
        self.now = stored.expand(-1, lead[1], *stored.shape[2:]) if rule is not None and rule.per_sample else stored

    def _by_connection(self, state: Any) -> Any:
        """Return the state of the rule with a trace of arrivals on each connection where a source unit has several delays."""
        rule = self.group.spec.rule
        assert rule is not None
        if not state or self.edges is not None or not self.feed.per_connection:
            return state
        apart = [declared.on == "pre" and not declared.persistent for declared in rule.states]
        wide = [value.expand(*value.shape[:-1], self.group.n) if on else value for on, value in zip(apart, state, strict=True)]
        return type(state)(*wide)

    def begin(self, dt: float, clock: Clock) -> None:
        super().begin(dt, clock)
        self.closed = False
        rule = self.group.spec.rule
        assert rule is not None
        if self.group.hardware is not None and self.group.hardware.mode == "programmed":
            self.now = self.p.weight.detach()
        self.rule_p = self.group.bag(dt, rule=True)
        self.rule_c = coefficients(rule, self.rule_p, dt, self.group.dtype)

    def follow_group(self) -> None:
        """Take the persistent weights of the group again, unless each sample has its own; called between runs."""
        rule = self.group.spec.rule
        if rule is not None and not rule.per_sample:
            self.now = self.group.plastic_weight

    def forget(self) -> None:
        super().forget()
        self.rule_p, self.rule_c = Bag({}), None

    def persistent(self) -> Iterator[tuple[str, Tensor, str]]:
        yield from super().persistent()
        yield from self._kept(self.rule_state, rule=True)

    @property
    def weight(self) -> Tensor:
        assert isinstance(self.now, Tensor)
        return self.now

    @torch.no_grad()
    def normalise(self) -> None:
        """Scale the persistent weights onto each target to the sum that the rule's ``total`` says, within its bounds."""
        total, weight = self.group.value("rule.total"), self.group.plastic_weight
        assert isinstance(weight, Tensor)
        if bool(torch.isinf(total).all()):
            return
        hardware = self.group.hardware
        if hardware is not None and hardware.mode == "programmed":
            weight = self.group.value("weight").detach()
        low, high = self.group.value("rule.w_min"), self.group.value("rule.w_max")
        sums = sum_edges(weight.abs(), self.edges.post, self.group.n) if self.edges else weight.abs().sum(-2)
        sums = sums[..., self.edges.post] if self.edges else sums.unsqueeze(-2)
        factor = torch.where(torch.isinf(total) | (sums == 0), torch.ones_like(sums), total / sums)
        wanted = torch.minimum(torch.maximum(weight * factor, low), high)
        with torch.inference_mode(False):  # persistent tensors must stay writable
            if hardware is not None:
                wanted = hardware.learn(wanted - weight, weight, low, high, 0.0)
            self.group.plastic_weight = self.now = wanted.clone()

    def run(self, k0: int, n: int) -> None:
        if not self.learns:
            super().run(k0, n)
            return
        for k in range(k0, k0 + n):
            if k > 0:
                self._learn(k - 1)
            self._step(k, Bag({name: value[0] for name, value in self._arriving(k, 1).items()}))

    def finish(self, steps: int) -> None:
        super().finish(steps)
        if not self.learns:
            if self.group.hardware is not None:
                self.group.hardware.rest(steps * self.dt)
            return
        if steps and not self.closed:
            self._learn(steps - 1)
        rule = self.group.spec.rule
        if rule is not None and not rule.per_sample:
            with torch.inference_mode(False):  # persistent tensors must stay writable
                self.group.plastic_weight = self.now = self.weight.clone()

    def _seen_by_rule(self, k: int) -> Bag:
        """Return what the rule sees of slot k."""
        seen = {"pre": self.feed.dense(k, 1, self.like)[0], "post": self._at_targets([line for line, _, _ in self.posts], k)}
        seen |= {name: self._at_targets(lines, k) for name, lines in self.read_by_rule.items()}
        if self.modulator is not None:
            seen["modulator"] = self._at_targets([self.modulator], k)
        return Bag(seen)

    def _at_targets(self, lines: list[Line], k: int) -> Tensor:
        """Return what lines bring in slot k, ``[..., 1, post]`` or ``[..., edge]``."""
        found = (line.at(k) for line in lines)
        joined = torch.cat(
            [self.like.expand(1, 1, line.width) if v is None else v for v, line in zip(found, lines, strict=True)], -1
        )
        if self.edges is None:
            return joined.unsqueeze(-2)
        return joined if joined.shape[-1] == 1 else joined[..., self.edges.post]

    @torch.no_grad()
    def _learn(self, k: int) -> None:
        self.variance = None
        rule = self.group.spec.rule
        assert rule is not None
        change, self.rule_state = rule.update(self.rule_state, self._seen_by_rule(k), self.weight, self.rule_p, self.rule_c)
        if not rule.per_sample:
            change = change.expand(*self.lead, *change.shape[2:])
            change = change.sum(1, keepdim=True) if rule.reduce == "sum" else change.mean(1, keepdim=True)
        if self.group.hardware is not None:
            with torch.inference_mode(False):  # persistent tensors must stay writable
                bounds = self.rule_p.w_min, self.rule_p.w_max
                self.now = self.group.hardware.learn(change, self.weight, *bounds, self.dt)
            return
        self.now = torch.minimum(torch.maximum(self.weight + change, self.rule_p.w_min), self.rule_p.w_max)

    def lookup(self, name: str) -> Tensor:
        if name == "weight":
            return self.weight
        if name.startswith("rule.") and name[5:] in getattr(self.rule_state, "_fields", ()):
            return getattr(self.rule_state, name[5:])  # type: ignore[no-any-return]
        return super().lookup(name)


def learns(node: Node) -> TypeGuard[PlasticNode]:
    """Whether a node is that of a synapse whose rule acts in this run."""
    return isinstance(node, PlasticNode) and node.learns
