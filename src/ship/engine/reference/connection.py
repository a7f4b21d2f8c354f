"""The reference node of a connection."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...base.errors import GraphError
from ...base.parameters.bag import Bag
from ...devices.weights.synapse import SynapseDevices
from ...groups.connectivity import EdgeList
from ...groups.group import Group
from ...models.contract import Connection, Neuron, coefficients
from ..signals.feed import Feed, same_lead
from ..signals.line import Line
from ..signals.products import EDGE_VALUES, project, project_edges, sum_edges
from ..slot import connection_slot, on_connections
from .clock import Clock
from .neuron import NeuronNode
from .node import Node


class ConnectionNode(Node):
    """The reference node of synapses, links and dendrites."""

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.edges = EdgeList(group.edge_pre, group.edge_post) if group.edges else None
        self.feed = Feed(1 if group.side == "unit" else group.n, None if group.side == "pre" else self.edges)
        self.reads: dict[str, list[Line]] = {name: [] for name in getattr(group.model, "reads", ())}  # states of the targets
        self.membranes: list[NeuronNode | None] = []
        self.bias = False  # whether this node adds the bias to its output
        self.variance: Tensor | None = None  # V^2; read noise of one spike through each weight, made at its first use

    def follow(self) -> None:
        """Take the edges from the group again, which may have moved to another device."""
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
        """Add ``p.membrane`` for ``drive="exact"``: the time constant of the targets, if all have a linear membrane."""
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
                read = {name: value[0] for name, value in self._read_targets(k, 1).items()}
                self._step(k, Bag(vars(self.inputs(k, list(model.ports))) | read))
            return
        many = self._together(n)
        for first in range(k0, k0 + n, many):
            here = min(many, k0 + n - first)
            x = self._arriving(first, here)
            if model.states:
                for k, slot in enumerate(zip(*(t.unbind(0) for t in x.values()), strict=True), first):
                    self._step(k, Bag(dict(zip(x, slot, strict=True))))
                continue
            out, _ = model.step((), Bag(x), self.p, self.c)
            self.trace.put(self._leave(out))
            for take in self.takes:
                take(first, here, self.window_lookup(first, here))

    def _together(self, n: int) -> int:
        """Return how many of n slots are processed together: arrivals on single connections take much memory."""
        if self.group.side != "connection":
            return n
        rows = self.lead[0] * self.lead[1]
        return max(1, min(n, EDGE_VALUES // max(1, rows * math.prod(self.group.shape_of("connection")))))

    def _arriving(self, k0: int, n: int) -> dict[str, Tensor]:
        """Return the inputs of the model's step for n slots.

        They are ``value``, what it reads of its targets, its noise, and ``arrival`` if each connection has a state.
        """
        also = self._read_targets(k0, n) | {name: self.noise(name, k0, n) for name in self.group.model.noise}
        if self.group.side != "connection":
            return {"value": self._values(k0, n)} | also
        assert isinstance(self.group.model, Connection)
        return on_connections(self.group.model, self.feed.dense(k0, n, self.like), self.p) | also

    def _read_targets(self, k0: int, n: int) -> dict[str, Tensor]:
        """Return the states of the targets that the model reads, for n slots, as broadcast with its own states."""
        return {name: self.per_target([line.window(k0, n, self.like) for line in lines]) for name, lines in self.reads.items()}

    def per_target(self, parts: list[Tensor]) -> Tensor:
        """Join what comes from each target, ``[..., unit]``, and broadcast it with what each connection has."""
        joined = parts[0] if len(parts) == 1 else torch.cat(same_lead(parts), -1)
        if self.group.side != "connection":
            return joined
        return joined.unsqueeze(-2) if self.edges is None else joined[..., self.edges.post]

    def _values(self, k0: int, n: int) -> Tensor:
        """Return the input ``value`` of the model's step for n slots, where units have the state."""
        side, hardware = self.group.side, self.group.hardware
        if side == "post" and hardware is not None and (hardware.noisy or hardware.converts):
            return self._read(hardware, k0, n)
        if side == "post":
            return self.feed.weighted(k0, n, self.weight, self.like)
        return self.feed.arrivals(k0, n, self.like)

    def _read(self, hardware: SynapseDevices, k0: int, n: int) -> Tensor:
        """Return sums through devices whose reads have fresh noise in each slot, or pass converters tile by tile."""
        if not hardware.converts:
            return self.feed.weighted(k0, n, self.weight, self.like) + self._read_noise(hardware, k0, n)
        arrivals, tall, total = self.feed.arrivals(k0, n, self.like), hardware.tall, self.like
        for lo in range(0, arrivals.shape[-1], tall):
            part = project(arrivals[..., lo : lo + tall], self.weight[..., lo : lo + tall, :])
            total = total + hardware.converted(part + self._read_noise(hardware, k0, n, arrivals, lo))
        return total

    def _read_noise(self, hardware: SynapseDevices, k0: int, n: int, arrivals: Tensor | None = None, lo: int = 0) -> Tensor:
        """Draw the white read noise of sums: one normal number each, since a sum of normal numbers is normal.

        With ``arrivals`` the noise is that of the tile from row ``lo`` on, otherwise that of all rows.
        """
        if not hardware.noisy:
            return self.like
        if self.variance is None:
            self.variance = self.group.on_connections(hardware.read_variance())
        graded = any(bucket.line.kind == "values" for _, _, buckets in self.feed.sources for bucket in buckets)
        # A level scales a read, so that variance goes with its square; each of several spikes is a read of its own.
        if arrivals is None:
            variance = self.feed.weighted(k0, n, self.variance, self.like, square=graded)
        else:
            rows = slice(lo, lo + hardware.tall)
            variance = project((arrivals.square() if graded else arrivals)[..., rows], self.variance[..., rows, :])
        reads = variance > 0  # the gradient of a root is infinite at 0
        spread = torch.where(reads, torch.where(reads, variance, 1.0).sqrt(), 0.0)
        return spread * self.draws("reads" if arrivals is None else f"reads {lo}", "normal", k0, n)

    @property
    def weight(self) -> Tensor:
        return self.p.weight

    def _leave(self, out: Tensor) -> Tensor:
        """Turn the model's output into the group's: sum over pre, depending on the side, and add the bias of a graded sum."""
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
