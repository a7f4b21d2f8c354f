"""The reference node of a synapse with a learning rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ...base.parameters.bag import Bag
from ...groups.group import Group
from ...models.contract import coefficients
from ..signals.line import Line
from .clock import Clock
from .connection import ConnectionNode


class PlasticNode(ConnectionNode):
    """The reference node of a synapse with its learning rule, which run as one unit."""

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.posts: list[tuple[Line, int, int]] = []
        self.rule_state: Any = ()
        self.rule_p, self.rule_c = Bag({}), None
        self.now = group.plastic_weight

    def reset(self, lead: tuple[int, int]) -> None:
        super().reset(lead)
        self.rule_state = self.group.fresh_state(lead, rule=True)
        stored = self.group.plastic_weight
        assert isinstance(stored, Tensor)
        rule = self.group.spec.rule
        self.now = stored.expand(-1, lead[1], *stored.shape[2:]) if rule is not None and rule.per_sample else stored

    def begin(self, dt: float, clock: Clock) -> None:
        super().begin(dt, clock)
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

    def run(self, k0: int, n: int) -> None:
        for k in range(k0, k0 + n):
            if k > 0:
                self._learn(k - 1)
            self._step(k, Bag({"value": self._values(k, 1)[0]}))

    def finish(self, steps: int) -> None:
        super().finish(steps)
        if steps:
            self._learn(steps - 1)
        rule = self.group.spec.rule
        if rule is not None and not rule.per_sample:
            with torch.inference_mode(False):  # persistent tensors must stay writable
                self.group.plastic_weight = self.now = self.weight.clone()

    @torch.no_grad()
    def _learn(self, k: int) -> None:
        self.variance = None
        rule = self.group.spec.rule
        assert rule is not None
        pre = self.feed.dense(k, 1, self.like)[0]
        posts = [line.at(k) for line, _, _ in self.posts]
        post = torch.cat(
            [self.like.expand(1, 1, w) if v is None else v for v, (_, _, w) in zip(posts, self.posts, strict=True)], -1
        )
        post = post.unsqueeze(-2) if self.edges is None else post[..., self.edges.post]
        change, self.rule_state = rule.update(
            self.rule_state, Bag({"pre": pre, "post": post}), self.weight, self.rule_p, self.rule_c
        )
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
