"""The reference engine: plain PyTorch, slot by slot. The definition of truth; it runs any model.

A node executes the operations of one group for slots k0 .. k0 + n - 1. A neuron that emits first does, for slot k, the advance
over slot k - 1 and then the emission at t_k, so that its operation needs only what flowed before t_k; the advance over the last
slot ends the segment. A plastic synapse likewise learns from slot k - 1 before it acts in slot k.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import random
from ..connect import EdgeList
from ..errors import GraphError
from ..group import Group
from ..hardware import Hardware
from ..models.contract import Bag, Connection, Neuron, Source, Spiking, coefficients
from ..parameters import Kind
from ..plan import emits_first
from .lines import EDGE_VALUES, Feed, Line, Trace, part_of, project, project_edges, sum_edges
from .operation import connection_slot, neuron_slot, on_connections
from .trees import flatten

NOISE_WINDOW = 64  # slots drawn at a time
DRAWS: dict[str, Callable[..., Tensor]] = {"normal": random.normal, "uniform": random.uniform, "poisson": random.counts}
NOISE_VALUES = 2**17  # drawn at a time by a source: they then stay in the cache


@dataclass
class Clock:
    """Where a simulation stands: it counts from the last reset, and says which noise is next."""

    time: float = 0.0  # s
    slot: int = 0
    trial: int = 0
    first_sample: int = 0


Take = Callable[[int, int, Callable[[str], Tensor]], None]  # first slot, slots, and how to look a window up by name


class Node(ABC):
    """What all nodes share: one group in a running simulation."""

    def __init__(self, group: Group) -> None:
        self.group, self.tag = group, group.tag
        self.trace = Trace()
        self.ports: dict[str, list[tuple[Line, int, int]]] = {}
        self.levels: dict[str, list[tuple[Node, int, int]]] = {}  # biases of connections, by port
        self.takes: list[Take] = []
        self.state: Any = ()
        self.p = Bag({})
        self.c: Any = None
        self.lead = (1, 1)
        self.dt = 0.0
        self.clock = Clock()
        self._noise: dict[str, tuple[int, Tensor]] = {}

    def reset(self, lead: tuple[int, int]) -> None:
        self.lead = lead
        self.state = self.group.fresh_state(lead)

    def begin(self, dt: float, clock: Clock) -> None:
        """Start a segment: parameters and coefficients for this dt; clocks in slots keep their seconds."""
        if self.dt and dt != self.dt and isinstance(self.state, Spiking):
            self.state = self.state._replace(wait=self.state.wait * (self.dt / dt))
        self.dt, self.clock = dt, clock
        self.trace.clear()
        self._noise = {}
        if self.group.trial != clock.trial:  # a module takes long to set an attribute
            self.group.trial = clock.trial
        if self.group.hardware is not None:
            self.group.hardware.trial = clock.trial
        self.p, self.c = self._discretised(dt)

    def _discretised(self, dt: float) -> tuple[Bag, Any]:
        """Parameters and coefficients."""
        return self.group.discretised(dt)

    def forget(self) -> None:
        """Between runs: drop all that the next segment makes anew, and the graphs of gradients that it holds."""
        self.p, self.c, self._noise = Bag({}), None, {}
        self.trace.clear()
        if self.group.hardware is not None:
            self.group.hardware.forget()

    @abstractmethod
    def run(self, k0: int, n: int) -> None:
        """The operations of slots k0 .. k0 + n - 1."""

    def finish(self, steps: int) -> None:
        """What is left to do after the last slot of a segment."""
        if self.group.hardware is not None:
            self.group.hardware.passed(steps * self.dt)

    @property
    def like(self) -> Tensor:
        return self.group.zero

    def port(self, name: str, k: int) -> Tensor:
        """The sum of what arrives on a port in slot k, in the port's own kind."""
        wanted = self.group.model.ports[name].kind
        total: Tensor | None = None
        for line, offset, width in self.ports.get(name, ()):
            value = line.at(k)
            if value is None:
                continue
            if value.shape[-1] != width:
                value = value[..., offset : offset + width]
            value = convert(value, line.kind, wanted, self.dt)
            total = value if total is None else total + value
        for value in self._biases(name):
            total = value if total is None else total + value
        return self.like if total is None else total

    def _biases(self, name: str) -> Iterator[Tensor]:
        """The levels that connections hold against a port, in its own kind."""
        for node, offset, width in self.levels.get(name, ()):
            bias = node.p.bias
            if bias.ndim and bias.shape[-1] > 1:
                bias = bias[..., offset : offset + width]
            yield convert(bias, "values", self.group.model.ports[name].kind, self.dt)

    def port_window(self, name: str, k0: int, n: int, skip: Container[Line] = ()) -> Tensor | None:
        """As `port`, for n slots: ``[n, chip, batch, unit]``; None for nothing. Of lines to ``skip`` only what was in flight."""
        wanted = self.group.model.ports[name].kind
        total: Tensor | None = None
        for line, offset, width in self.ports.get(name, ()):
            value = line.early(k0, n, self.like) if line in skip else line.window(k0, n, self.like)
            if value is None:
                continue
            value = convert(part_of(value, -1, offset, offset + width), line.kind, wanted, self.dt)
            total = value if total is None else total + value
        for level in self._biases(name):
            bias = repeated(level.reshape((1,) * (3 - level.ndim) + tuple(level.shape)), n)
            total = bias if total is None else total + bias
        return total

    def inputs(self, k: int, names: list[str]) -> Bag:
        return Bag({name: self.port(name, k) for name in names} | {name: self._draw(name, k) for name in self.group.model.noise})

    def _draw(self, name: str, k: int) -> Tensor:
        first, values = self._noise.get(name, (0, None))
        if values is None or not first <= k < first + values.shape[0]:
            first, values = k, self.noise(name, k, NOISE_WINDOW)
            self._noise[name] = (k, values)
        return values[k - first]

    def noise(self, name: str, k0: int, n: int) -> Tensor:
        """The draws of slots k0 .. k0 + n - 1, ``[n, chip, batch, unit]``."""
        device = self.group.die_ids.device
        model = self.group.model
        shared = isinstance(model, Source)  # sources are inputs: the same for all chips
        sample = torch.arange(self.lead[1], device=device) + self.clock.first_sample
        if isinstance(model, Source) and model.same_for_all:
            sample = torch.zeros(1, dtype=torch.int64, device=device)
        slot = torch.arange(k0, k0 + n, device=device) + self.clock.slot
        chip = torch.zeros(1, dtype=torch.int64, device=device) if shared else self.group.die_ids
        kind = model.noise[name]
        dtype = torch.float64 if shared and kind != "poisson" else self.group.dtype
        return self._drawn(name, kind, sample, chip, slot, dtype)

    def draws(self, name: str, kind: str, k0: int, n: int) -> Tensor:
        """Numbers for each sample, chip and unit that no model declares, ``[n, chip, batch, unit]``."""
        device = self.group.die_ids.device
        sample = torch.arange(self.lead[1], device=device) + self.clock.first_sample
        slot = torch.arange(k0, k0 + n, device=device) + self.clock.slot
        return self._drawn(name, kind, sample, self.group.die_ids, slot, self.group.dtype)

    def _drawn(self, name: str, kind: str, sample: Tensor, chip: Tensor, slot: Tensor, dtype: torch.dtype) -> Tensor:
        mean = {"mean": self.c.mean} if kind == "poisson" else {}
        return DRAWS[kind](
            random.key(self.group.seed, self.tag, "noise", name),
            chip=chip,
            sample=sample,
            slot=slot,
            trial=self.clock.trial,
            n=self.group.n,
            dtype=dtype,
            device=self.group.die_ids.device,
            **mean,
        )

    def lookup(self, name: str) -> Tensor:
        """A state, parameter or output by name, as it stands now."""
        if name == "output":
            return self.trace.at(self.trace.end - 1)
        state = self.state
        if isinstance(state, Spiking):
            if name in ("wait", "held"):
                return getattr(state, name)  # type: ignore[no-any-return]
            state = state.cell
        elif name in ("wait", "held"):  # no dead time, no clock
            return self.group.zero.expand(*self.lead, self.group.n)
        if state and name in state._fields:
            return getattr(state, name)  # type: ignore[no-any-return]
        return self.group.value(name)

    def window_lookup(self, k0: int, n: int, seen: Mapping[str, Tensor] = MappingProxyType({})) -> Callable[[str], Tensor]:
        """How monitors find a window of n slots: outputs, what is in ``seen``, and what does not change."""

        def lookup(name: str) -> Tensor:
            if name == "output":
                return self.trace.window(k0, n)
            return seen[name] if name in seen else repeated(self.lookup(name), n)

        return lookup

    def record(self, k: int) -> None:
        for take in self.takes:
            take(k, 1, lambda name: self.lookup(name).unsqueeze(0))


def coefficients_of(node: Node) -> tuple[list[Any], Any]:
    """The coefficients of a model for the current dt as a list, and their tree; None where there are none."""
    return ([], None) if node.c is None else flatten(node.c)


def repeated(value: Tensor, n: int) -> Tensor:
    """A value that does not change, as a window of n slots."""
    return value.unsqueeze(0).expand(n, *value.shape)


def convert(value: Tensor, kind: Kind, wanted: Kind, dt: float) -> Tensor:
    """A level into a charge port is multiplied by dt; a charge into a level port becomes its mean over the slot."""
    if kind == wanted:
        return value
    return value * dt if wanted == "charge" else value / dt


class SourceNode(Node):
    """An input or an autonomous source."""

    signal: Tensor | None = None  # [time, chip or 1, batch, unit] of this segment

    def run(self, k0: int, n: int) -> None:
        model = self.group.model
        assert isinstance(model, Source)
        if not model.states:  # many slots at once: models see trailing axes only
            pieces = any(kind != "poisson" for kind in model.noise.values())  # counts need no room beside themselves
            slots = max(1, NOISE_VALUES // (self.lead[1] * self.group.n)) if pieces else n
            whole = self._slots(k0, min(slots, n))
            if slots < n:
                first, whole = whole, whole.new_empty((n, *whole.shape[1:]))
                whole[:slots] = first
                for k in range(slots, n, slots):
                    whole[k : k + slots] = self._slots(k0 + k, min(slots, n - k))
            self.trace.put(whole)
            for take in self.takes:
                take(k0, n, self.window_lookup(k0, n))
            return
        for k in range(k0, k0 + n):
            x = self.inputs(k, [])
            if model.external:
                assert self.signal is not None
                x.__dict__["value"] = self.signal[k]
            out, self.state = model.emit(self.state, x, self.p, self.c)
            self.trace.put(out.to(self.group.dtype).unsqueeze(0))
            self.record(k)

    def _slots(self, k0: int, n: int) -> Tensor:
        """The output of n slots of a source without a state."""
        model = self.group.model
        assert isinstance(model, Source)
        x = Bag({name: self.noise(name, k0, n) for name in model.noise})
        if model.external:
            assert self.signal is not None
            x.__dict__["value"] = self.signal[k0 : k0 + n]
        out = model.emit((), x, self.p, self.c)[0].to(self.group.dtype)
        return out if out.ndim == 4 else out.expand(n, 1, 1, self.group.n)  # what no noise or signal enters has no slots


class NeuronNode(Node):
    """Neurons: emit, then advance; or the other way round where the model says so."""

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        ports = group.model.ports
        self.jumps = [name for name, port in ports.items() if port.kind == "events"]
        self.flows = [name for name, port in ports.items() if port.kind != "events"]
        self.first = emits_first(group.spec)
        self.margin: Tensor | None = None

    def run(self, k0: int, n: int) -> None:
        model = self.group.model
        assert isinstance(model, Neuron)
        for k in range(k0, k0 + n):
            late = int(self.first)
            flows = self.inputs(k - late, self.flows) if k >= late else Bag({})
            out, self.state, self.margin = neuron_slot(model, self.first, self.state, self._jump(k), flows, k > 0, self.p, self.c)
            if out.ndim < 3:  # it depends on parameters alone
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


class ConnectionNode(Node):
    """Synapses, links, dendrites."""

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.edges = EdgeList(group.edge_pre, group.edge_post) if group.edges else None
        self.feed = Feed(1 if group.side == "unit" else group.n, None if group.side == "pre" else self.edges)
        self.membranes: list[NeuronNode | None] = []
        self.bias = False  # whether the model itself must add the bias
        self.variance: Tensor | None = None  # V^2, of one spike through each weight, where devices are read with noise

    def follow(self) -> None:
        """Edges lie where their group lies now."""
        if self.group.edges:
            self.edges = EdgeList(self.group.edge_pre, self.group.edge_post)
            self.feed.edges = None if self.group.side == "pre" else self.edges

    def begin(self, dt: float, clock: Clock) -> None:
        super().begin(dt, clock)
        self.variance = None

    def forget(self) -> None:
        super().forget()
        self.variance = None

    def _discretised(self, dt: float) -> tuple[Bag, Any]:
        p = self.group.bag(dt)
        self._extend(p)
        return p, coefficients(self.group.model, p, dt, self.group.dtype)

    def _extend(self, p: Bag) -> None:
        """``p.membrane``: the time constant of the targets, for ``drive="exact"``, where all have a linear membrane."""
        if getattr(self.group.model, "drive", "") != "exact":
            return
        taus = []
        for node in self.membranes:
            model = None if node is None else node.group.model
            tau = model.membrane(node.group.discretised(self.dt)[0]) if node is not None and isinstance(model, Neuron) else None
            if node is None or tau is None:
                return
            taus.append((tau, node.group.n))
        if not taus:
            return
        lead = np.broadcast_shapes(*(tau.shape[:-1] for tau, _ in taus))
        membrane = taus[0][0] if len(taus) == 1 else torch.cat([tau.expand(*lead, n) for tau, n in taus], -1)
        side = self.group.side
        if side == "pre" and membrane.numel() > 1:
            raise GraphError(
                f"{self.group.spec.where}.side",
                "'pre' with drive='exact' needs one time constant for all targets",
                got=f"shape {list(membrane.shape)}",
                fix="Use side='post'.",
            )
        if side == "connection" and self.edges is not None:
            membrane = membrane[..., self.edges.post] if membrane.shape[-1:].numel() > 1 else membrane
        elif side == "connection" and membrane.ndim > 1:
            membrane = membrane.unsqueeze(-2)
        p.__dict__["membrane"] = membrane

    def run(self, k0: int, n: int) -> None:
        model = self.group.model
        assert isinstance(model, Connection)
        if not model.accepts:
            for k in range(k0, k0 + n):
                self._step(k, self.inputs(k, list(model.ports)))
            return
        if self.group.model.states:
            many = self._together(n)
            for first in range(k0, k0 + n, many):
                x = self._arriving(first, min(many, k0 + n - first))
                for k, slot in enumerate(zip(*(t.unbind(0) for t in x.values()), strict=True), first):
                    self._step(k, Bag(dict(zip(x, slot, strict=True))))
            return
        out, _ = model.step((), Bag(self._arriving(k0, n)), self.p, self.c)
        self.trace.put(self._leave(out))
        for take in self.takes:
            take(k0, n, self.window_lookup(k0, n))

    def _together(self, n: int) -> int:
        """Slots whose arrivals are held at a time, of n: those on single connections are many numbers."""
        if self.group.side != "connection":
            return n
        rows = self.lead[0] * self.lead[1]
        return max(1, min(n, EDGE_VALUES // max(1, rows * math.prod(self.group.shape_of("connection")))))

    def _arriving(self, k0: int, n: int) -> dict[str, Tensor]:
        """What the model's step sees, for each slot: ``value``, and with a state on each connection ``arrival`` as well."""
        if self.group.side != "connection":
            return {"value": self._values(k0, n)}
        assert isinstance(self.group.model, Connection)
        return on_connections(self.group.model, self.feed.dense(k0, n, self.like), self.p)

    def _values(self, k0: int, n: int) -> Tensor:
        """What the model's step sees as its value, for each slot, where its state is that of units."""
        side, hardware = self.group.side, self.group.hardware
        if side == "post" and hardware is not None and (hardware.noisy or hardware.converts):
            return self._read(hardware, k0, n)
        if side == "post":
            return self.feed.weighted(k0, n, self.weight, self.like)
        return self.feed.arrivals(k0, n, self.like)

    def _read(self, hardware: Hardware, k0: int, n: int) -> Tensor:
        """Weighted sums of devices that are read with noise anew in each slot, or by converters, tile by tile."""
        if not hardware.converts:
            return self.feed.weighted(k0, n, self.weight, self.like) + self._read_noise(hardware, k0, n)
        arrivals, tall, total = self.feed.arrivals(k0, n, self.like), hardware.tall, self.like
        for lo in range(0, arrivals.shape[-1], tall):
            part = project(arrivals[..., lo : lo + tall], self.weight[..., lo : lo + tall, :])
            total = total + hardware.converted(part + self._read_noise(hardware, k0, n, arrivals, lo))
        return total

    def _read_noise(self, hardware: Hardware, k0: int, n: int, arrivals: Tensor | None = None, lo: int = 0) -> Tensor:
        """What white read noise adds to sums: a sum of normal numbers is one normal number. ``arrivals``: for the tile from row
        ``lo`` on; None: for all rows.
        """
        if not hardware.noisy:
            return self.like
        if self.variance is None:
            self.variance = hardware.read_variance()
        graded = any(bucket.line.kind == "values" for _, _, buckets in self.feed.sources for bucket in buckets)
        # A level scales what is read; each of several spikes is a read.
        if arrivals is None:
            variance = self.feed.weighted(k0, n, self.variance, self.like, square=graded)
        else:
            rows = slice(lo, lo + hardware.tall)
            variance = project((arrivals.square() if graded else arrivals)[..., rows], self.variance[..., rows, :])
        reads = variance > 0  # the slope of a root is infinite at 0
        spread = torch.where(reads, torch.where(reads, variance, 1.0).sqrt(), 0.0)
        return spread * self.draws("reads" if arrivals is None else f"reads {lo}", "normal", k0, n)

    @property
    def weight(self) -> Tensor:
        return self.p.weight

    def _leave(self, out: Tensor) -> Tensor:
        """From the model's output to the group's: sums over pre, by side; the bias of a graded sum."""
        side = self.group.side
        if side == "connection":
            out = out.sum(-2) if self.edges is None else sum_edges(out, self.edges.post, self.group.n)
        elif side == "pre" and self.edges is not None:
            whole = out if out.ndim == 4 else out.unsqueeze(0)
            whole = project_edges(whole, self.weight, *self.edges, self.group.n)
            out = whole if out.ndim == 4 else whole.squeeze(0)
        elif side == "pre":
            out = project(out, self.weight) if out.ndim == 4 else project(out.unsqueeze(0), self.weight).squeeze(0)
        return out + self.p.bias if self.bias else out

    def _step(self, k: int, x: Bag) -> None:
        model = self.group.model
        assert isinstance(model, Connection)
        out, after, self.state = connection_slot(model, self.state, x, self.p, self.c)
        self.trace.put(self._leave(out).unsqueeze(0))
        self.record(k)  # monitors see the state at t_k, events included
        self.state = after


class PlasticNode(ConnectionNode):
    """A synapse with its learning rule: they run as one unit."""

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

    def forget(self) -> None:
        super().forget()
        self.rule_p, self.rule_c = Bag({}), None

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
            with torch.inference_mode(False):  # what persists must stay writable
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
            with torch.inference_mode(False):  # what persists must stay writable
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


def make_node(group: Group) -> Node:
    """The node for a group's model."""
    if isinstance(group.model, Source):
        return SourceNode(group)
    if isinstance(group.model, Neuron):
        return NeuronNode(group)
    return PlasticNode(group) if group.spec.rule is not None else ConnectionNode(group)
