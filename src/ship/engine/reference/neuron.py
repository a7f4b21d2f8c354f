"""The reference node of a neuron."""

from __future__ import annotations

from torch import Tensor

from ...base.parameters.bag import Bag
from ...groups.group import Group
from ...groups.wiring import emits_first
from ...models.contract import Neuron
from ..slot import neuron_slot
from .clock import Clock
from .node import Node


class NeuronNode(Node):
    """The reference node of neurons: they emit, then advance, or advance first where the model says so."""

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        ports = group.model.ports
        self.jumps = [name for name, port in ports.items() if port.kind == "events"]
        self.flows = [name for name, port in ports.items() if port.kind != "events"]
        self.first = emits_first(group.spec)
        self.margin: Tensor | None = None
        self._clocked: Bag | None = None  # the parameters to which the refractory clocks of the state were last adapted

    def begin(self, dt: float, clock: Clock) -> None:
        super().begin(dt, clock)
        if self.p is not self._clocked and self.state:  # dead times may have been added or removed since the last segment
            self.state, self._clocked = self.group.with_clock(self.state), self.p

    def run(self, k0: int, n: int) -> None:
        model = self.group.model
        assert isinstance(model, Neuron)
        for k in range(k0, k0 + n):
            late = int(self.first)
            flows = self.inputs(k - late, self.flows) if k >= late else Bag({})
            out, self.state, self.margin = neuron_slot(model, self.first, self.state, self._jump(k), flows, k > 0, self.p, self.c)
            if out.ndim < 3:  # the output depends on parameters alone
                out = out.expand(*self.lead, self.group.n)
            self.trace.put(out.unsqueeze(0))
            self.record(k)

    def _jump(self, k: int) -> Tensor:
        total = self.port(self.jumps[0], k) if self.jumps else self.like
        for name in self.jumps[1:]:
            total = total + self.port(name, k)
        return total

    def finish(self, steps: int) -> None:
        model = self.group.model
        assert isinstance(model, Neuron)
        if self.first and steps:
            self.state = model.advance(self.state, self.inputs(steps - 1, self.flows), self.p, self.c)

    def forget(self) -> None:
        super().forget()
        self.margin = None

    def lookup(self, name: str) -> Tensor:
        if name == "margin" and self.margin is not None:
            return self.margin
        return super().lookup(name)
