"""The simulation of a network in time: nodes with their states, lines with signals in flight, and a clock."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..base.clock import Segment, slots
from ..groups.group import Group
from ..groups.model_errors import models_named
from ..groups.schedule import Block, Schedule
from ..groups.wiring import LATE, Wire, Wiring, level_port
from .compiled.nodes.spike_products import Choice
from .compiled.schedule.partition import Partition
from .persistence import keep, mark
from .reference.block import GroupByGroup, RunsBlock
from .reference.clock import Clock
from .reference.connection import ConnectionNode
from .reference.make import make_node
from .reference.neuron import NeuronNode
from .reference.node import Node
from .reference.plastic import PlasticNode
from .signals.line import Line, Pending
from .trees import flatten


@dataclass
class Simulation:
    """A network in time: nodes with their states, lines with signals in flight, and a clock."""

    groups: Mapping[str, Group]
    wiring: Wiring
    engine: str = "reference"  # or "fused"
    nodes: dict[str, Node] = field(init=False)
    keeping: list[Node] = field(init=False)  # nodes with states that outlive a run
    lines: list[tuple[int, Line]] = field(init=False, default_factory=list)  # (wire, line)
    clock: Clock = field(default_factory=Clock)
    lead: tuple[int, int] | None = None
    learn: bool = True  # whether rules change weights, and persistent states are kept
    choices: dict[str, Choice] = field(init=False, default_factory=dict)  # by connection: the chosen way to sum spikes

    def __post_init__(self) -> None:
        self.nodes = {tag: make_node(group) for tag, group in self.groups.items()}
        self.keeping = [node for node in self.nodes.values() if node.group.persistent(False) or node.group.persistent(True)]
        self.fusions: dict[bool, Partition] = {}  # by whether rules learn
        for i, wire in enumerate(self.wiring.wires):
            source, target = self.nodes[wire.source], self.nodes[wire.target]
            if wire.role == "signal":
                assert isinstance(target, ConnectionNode)
                assert wire.delay is not None
                self.lines += [
                    (i, line)
                    for line in target.feed.add(source.history(wire.state), wire.kind, wire.offset, wire.width, wire.delay)
                ]
                continue
            line = Line(source.history(wire.state), wire.kind, 0.0, source.group.n)
            self.lines.append((i, line))
            if wire.role != "port":
                _let_read(target, line, wire)
            else:
                target.ports.setdefault(wire.port, []).append((line, wire.offset, wire.width))
                assert isinstance(source, ConnectionNode)
                source.membranes.append(target if isinstance(target, NeuronNode) else None)
        self._wire_biases()

    def feel(self, kelvin: float | None) -> None:
        """Take over a temperature (K; None: none), for groups, devices and what comes next."""
        self.clock = replace(self.clock, kelvin=kelvin)
        for group in self.groups.values():
            group.kelvin = kelvin
            if group.hardware is not None:
                group.hardware.array.feel(kelvin)

    @property
    def fusion(self) -> Partition | None:
        """What decides which groups run as kernels, where any can: another one where rules do not learn."""
        if self.engine != "fused":
            return None
        if self.learn not in self.fusions:
            self.fusions[self.learn] = Partition(self.nodes, self.wiring.wires)
        return self.fusions[self.learn]

    @property
    def chips(self) -> int:
        """The number of dies that the simulation runs."""
        return len(next(iter(self.groups.values())).die_ids)

    @property
    def device(self) -> torch.device:
        """The device on which the tensors are."""
        return next(iter(self.groups.values())).die_ids.device

    def _wire_biases(self) -> None:
        """Route biases, which are levels: a graded sum adds its bias itself; otherwise the target's port for levels takes it."""
        for node in self.nodes.values():
            if isinstance(node, ConnectionNode) and "bias" in node.group.declarations:
                node.bias = self.wiring.kinds[node.tag] == "values"
        for wire in self.wiring.wires:
            node, target = self.nodes[wire.source], self.nodes[wire.target]
            if wire.role == "port" and "bias" in node.group.spec.given and isinstance(node, ConnectionNode) and not node.bias:
                target.levels.setdefault(level_port(node.group.spec, target.group.spec), []).append(
                    (node, wire.offset, wire.width)
                )

    def reset(self, lead: tuple[int, int], trial: int = 0, first_sample: int = 0) -> None:
        """Go back to the initial states and time zero, with nothing in flight."""
        self.lead, self.clock = lead, Clock(0.0, 0, trial, first_sample, self.clock.kelvin)
        for node in self.nodes.values():
            node.reset(lead)
            node.dt = 0.0
        for i, line in self.lines:
            wire = self.wiring.wires[i]
            line.pending = []
            if wire.state and wire.role not in LATE:  # a state is there before it has changed
                line.pending.append(Pending(0.0, 0.0, self.nodes[wire.source].lookup(wire.state)))

    def start(self, *, learn: bool, afresh: bool) -> None:
        """Say whether rules learn in the run that starts; one that starts afresh begins with weights that are normalised."""
        self.learn = learn
        for node in self.nodes.values():
            if isinstance(node, PlasticNode):
                node.learns = learn
                if learn and afresh:
                    node.normalise()

    def segment(
        self,
        segment: Segment,
        plan: Schedule,
        chunk: int,
        wanted: Container[str],
        on_chunk: Callable[[int, int], None],
        *,
        last: bool = False,
        kelvin: float | None = None,
    ) -> None:
        """Run one segment of constant dt, in chunks of slots.

        Args:
            segment: dt and the number of slots.
            plan: the schedule of the groups for this dt.
            chunk: the largest number of slots between two calls of ``on_chunk``.
            wanted: the groups whose outputs ``on_chunk`` reads.
            on_chunk: a function of the first slot and the number of slots of each chunk that has run.
            last: whether gradients end with this segment.
            kelvin: the temperature of the network (K); None where it has none.
        """
        self.clock = replace(self.clock, kelvin=kelvin)
        with models_named():
            self._segment(segment, plan, chunk, wanted, on_chunk, last)

    def _segment(
        self,
        segment: Segment,
        plan: Schedule,
        chunk: int,
        wanted: Container[str],
        on_chunk: Callable[[int, int], None],
        last: bool,
    ) -> None:
        dt, steps = segment
        for node in self.nodes.values():
            node.begin(dt, self.clock)
        for i, line in self.lines:
            line.begin(dt, steps, int(i in plan.inserted))
        reach, marks = self._reach(), mark(self.keeping)
        blocks = self._blocks(plan, wanted, reach)
        gradients = torch.is_grad_enabled() and not last
        for k0 in range(0, steps, chunk):
            n = min(chunk, steps - k0)
            for planned in plan.blocks:
                blocks[planned].run(k0, n, last=k0 + n == steps and not gradients)
            on_chunk(k0, n)
            for tag, node in self.nodes.items():
                for history in node.histories:
                    history.trim(k0 + n - reach[tag] - 1)
        with torch.set_grad_enabled(gradients):
            if self.fusion is not None:
                self.fusion.finish(steps)
            else:
                for node in self.nodes.values():
                    node.finish(steps)
        if self.learn:
            keep(self.keeping, marks)
        for _, line in self.lines:
            line.end(dt, steps)
        self.clock = replace(self.clock, time=self.clock.time + dt * steps, slot=self.clock.slot + steps)

    def _blocks(self, plan: Schedule, wanted: Container[str], reach: Mapping[str, int]) -> Mapping[Block, RunsBlock]:
        """What runs each block of a schedule."""
        if self.fusion is not None:
            return self.fusion.begin(plan, wanted, reach)
        return {planned: GroupByGroup(planned, lambda tag, k0, n: self.nodes[tag].run(k0, n)) for planned in plan.blocks}

    def moved(self) -> None:
        """Adapt to tensors whose float type or device has changed."""
        for node in self.nodes.values():
            if isinstance(node, ConnectionNode):
                node.follow()
        self.refresh()

    def refresh(self) -> None:
        """Adapt to a change of the weights that groups run with, or of their shapes; kernels are chosen afresh."""
        for node in self.nodes.values():
            if isinstance(node, PlasticNode):
                node.follow_group()
        for fusion in self.fusions.values():
            fusion.forget()

    def engines(self, plan: Schedule) -> dict[str, str]:
        """Describe in words how each group runs."""
        if self.fusion is None:
            return dict.fromkeys(self.nodes, "PyTorch, slot by slot")
        with torch.no_grad():
            for node in self.nodes.values():
                node.begin(node.dt or plan.dt, self.clock)
            for i, line in self.lines:
                line.lag = slots(line.delay, plan.dt) + int(i in plan.inserted)
            said = self.fusion.describe(plan.blocks)
        self.map(lambda t: t)
        if self.lead is None:
            for node in self.nodes.values():
                node.dt = 0.0
        return said

    def _reach(self) -> dict[str, int]:
        """Return for each group how many of its past slots are still read by a line."""
        by_trace = {id(history): tag for tag, node in self.nodes.items() for history in node.histories}
        reach = dict.fromkeys(self.nodes, 0)
        for _, line in self.lines:
            tag = by_trace[id(line.trace)]
            reach[tag] = max(reach[tag], line.lag)
        return reach

    def tensors(self) -> Iterator[Tensor]:
        """Yield the tensors of the running state: states of the nodes, and signals in flight."""
        for node in self.nodes.values():
            yield from flatten(node.state)[0]
        for _, line in self.lines:
            yield from (item.value for item in line.pending)

    def detach(self) -> None:
        """Cut the graph of gradients; states and signals in flight keep their numbers."""
        self.map(_cut)

    def map(self, change: Callable[[Tensor], Tensor]) -> None:
        """Apply a function to every tensor of the running state."""
        for node in self.nodes.values():
            node.state = map_state(node.state, change)
            node.forget()
            if isinstance(node, PlasticNode):
                node.rule_state = map_state(node.rule_state, change)
                node.now = change(node.weight)
                node.follow_group()
        for _, line in self.lines:
            line.pending = [item._replace(value=change(item.value)) for item in line.pending]


def _let_read(node: Node, line: Line, wire: Wire) -> None:
    """Give a line to the connection, or the rule, that reads what it brings."""
    if wire.role == "reads":
        assert isinstance(node, ConnectionNode)
        node.reads[wire.state].append(line)
        return
    assert isinstance(node, PlasticNode)
    if wire.role == "modulator":
        node.modulator = line
    elif wire.state:
        node.read_by_rule.setdefault(wire.state, []).append(line)
    else:
        node.posts.append((line, wire.offset, wire.width))


def in_own_precision(device: str) -> AbstractContextManager[Any]:
    """Disable `torch.autocast` inside a run, which computes in the float type of its network."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def _cut(tensor: Tensor) -> Tensor:
    """Return a tensor without its graph, from which a run with gradients can go on."""
    if not tensor.is_inference():
        return tensor.detach()
    with torch.inference_mode(False):
        return tensor.clone()


def map_state(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to each tensor of a state."""
    if isinstance(state, Tensor):
        return change(state)
    if not state:
        return state
    return type(state)(*(map_state(part, change) for part in state))
