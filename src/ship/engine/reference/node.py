"""The nodes of the reference engine, which runs any model in plain PyTorch, slot by slot, and defines the correct result.

A node executes the operations of one group for slots k0 .. k0 + n - 1. In slot k a neuron that emits first advances over slot
k - 1 and then emits at t_k, so that its operation needs only the inputs before t_k; the advance over the last slot ends the
segment. Likewise a plastic synapse learns from slot k - 1 before it acts in slot k.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ...base import random
from ...base.parameters import Kind
from ...base.parameters.bag import Bag
from ...groups.group import Group
from ...groups.states import stored_as
from ...models.contract import Source, Spiking
from ..signals.history import History, part_of
from ..signals.line import Line
from ..trees import flatten
from .clock import Clock

NOISE_WINDOW = 64  # slots of noise that are drawn at a time
DRAWS: dict[str, Callable[..., Tensor]] = {"normal": random.normal, "uniform": random.uniform, "poisson": random.counts}


Take = Callable[[int, int, Callable[[str], Tensor]], None]  # called with first slot, number of slots, and a lookup by name


class Node(ABC):
    """The base class of nodes: one group in a running simulation."""

    def __init__(self, group: Group) -> None:
        self.group, self.tag = group, group.tag
        self.trace = History()
        self.tapped: dict[str, History] = {}  # the states that others take as signals, as monitors see them
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
        """Go back to the initial state, for ``lead`` = (chips, batch)."""
        self.lead = lead
        self.state = self.group.fresh_state(lead)

    def begin(self, dt: float, clock: Clock) -> None:
        """Start a segment: get parameters and coefficients for this dt; clocks that count slots keep their seconds."""
        if self.dt and dt != self.dt and isinstance(self.state, Spiking):
            self.state = self.state._replace(wait=self.state.wait * (self.dt / dt))
        self.dt, self.clock = dt, clock
        self._clear()
        self._noise = {}
        if self.group.trial != clock.trial:  # setting an attribute of a module is slow
            self.group.trial = clock.trial
        if self.group.kelvin != clock.kelvin:
            self.group.kelvin = clock.kelvin
        if self.group.hardware is not None:
            self.group.hardware.trial = clock.trial
            self.group.hardware.array.feel(clock.kelvin)
        self.p, self.c = self._discretised(dt)

    def _discretised(self, dt: float) -> tuple[Bag, Any]:
        """Return parameters and coefficients for a dt."""
        return self.group.discretised(dt)

    def forget(self) -> None:
        """Drop everything that the next segment makes anew, with the graphs of gradients that it holds; called between runs."""
        self.p, self.c, self._noise = Bag({}), None, {}
        self._clear()
        if self.group.hardware is not None:
            self.group.hardware.forget()

    def history(self, state: str) -> History:
        """Return the history of the output, or of the state of that name, which is stored from now on."""
        return self.tapped.setdefault(state, History()) if state else self.trace

    @property
    def histories(self) -> list[History]:
        """The histories of the output and of all states that others take."""
        return [self.trace, *self.tapped.values()]

    def _clear(self) -> None:
        for history in self.histories:
            history.clear()

    @abstractmethod
    def run(self, k0: int, n: int) -> None:
        """Execute the operations of slots k0 .. k0 + n - 1."""

    def finish(self, steps: int) -> None:
        """Execute the operations that follow the last slot of a segment."""
        if self.group.hardware is not None:
            self.group.hardware.passed(steps * self.dt)

    def persistent(self) -> Iterator[tuple[str, Tensor, str]]:
        """Yield the states that outlive the run: name of the buffer, present value, and how the batch is combined."""
        yield from self._kept(self.state, rule=False)

    def _kept(self, state: Any, *, rule: bool) -> Iterator[tuple[str, Tensor, str]]:
        for name, declared in self.group.persistent(rule).items():
            yield stored_as(name, rule), getattr(state.cell if isinstance(state, Spiking) else state, name), declared.batch

    @property
    def like(self) -> Tensor:
        """A zero of the float type and on the device of the group."""
        return self.group.zero

    def port(self, name: str, k: int) -> Tensor:
        """Return the sum of the signals that arrive on a port in slot k, converted to the port's kind."""
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
        """Yield the biases that connections apply to a port, converted to the port's kind."""
        for node, offset, width in self.levels.get(name, ()):
            bias = node.p.bias
            if bias.ndim and bias.shape[-1] > 1:
                bias = bias[..., offset : offset + width]
            yield convert(bias, "values", self.group.model.ports[name].kind, self.dt)

    def port_window(self, name: str, k0: int, n: int, skip: Container[Line] = ()) -> Tensor | None:
        """Do what `port` does for n slots, ``[n, chip, batch, unit]``; return None for nothing.

        Lines in ``skip`` contribute only what was in flight before the segment.
        """
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
        """Return the inputs of the named ports and the noise of the model in slot k."""
        return Bag({name: self.port(name, k) for name in names} | {name: self._draw(name, k) for name in self.group.model.noise})

    def _draw(self, name: str, k: int) -> Tensor:
        first, values = self._noise.get(name, (0, None))
        if values is None or not first <= k < first + values.shape[0]:
            first, values = k, self.noise(name, k, NOISE_WINDOW)
            self._noise[name] = (k, values)
        return values[k - first]

    def noise(self, name: str, k0: int, n: int) -> Tensor:
        """Draw the noise of slots k0 .. k0 + n - 1, ``[n, chip, batch, unit]``, or ``[..., pre, post]`` on connections."""
        device = self.group.die_ids.device
        model = self.group.model
        source = isinstance(model, Source)
        shared = isinstance(model, Source) and model.same_for_chips  # inputs are the same for all chips
        sample = torch.arange(self.lead[1], device=device) + self.clock.first_sample
        if isinstance(model, Source) and model.same_for_all:
            sample = torch.zeros(1, dtype=torch.int64, device=device)
        slot = torch.arange(k0, k0 + n, device=device) + self.clock.slot
        chip = torch.zeros(1, dtype=torch.int64, device=device) if shared else self.group.die_ids
        kind = model.noise[name]
        # A source without states rounds its output at the end, to the network's type. What states take is of that type, but
        # counts may be too large for it.
        wide = source and (kind == "poisson") == bool(model.states)
        dtype = torch.float64 if wide else self.group.dtype
        shape = self.group.shape_of("unit")
        drawn = self._drawn(name, kind, sample, chip, slot, dtype, math.prod(shape))
        return drawn if len(shape) == 1 else drawn.unflatten(-1, shape)

    def draws(self, name: str, kind: str, k0: int, n: int) -> Tensor:
        """Draw numbers that no model declares, for each chip, sample and unit, ``[n, chip, batch, unit]``."""
        device = self.group.die_ids.device
        sample = torch.arange(self.lead[1], device=device) + self.clock.first_sample
        slot = torch.arange(k0, k0 + n, device=device) + self.clock.slot
        return self._drawn(name, kind, sample, self.group.die_ids, slot, self.group.dtype, self.group.n)

    def _drawn(self, name: str, kind: str, sample: Tensor, chip: Tensor, slot: Tensor, dtype: torch.dtype, n: int) -> Tensor:
        mean = {"mean": self.c.mean} if kind == "poisson" else {}
        return DRAWS[kind](
            random.key(self.group.seed, self.tag, "noise", name),
            chip=chip,
            sample=sample,
            slot=slot,
            trial=self.clock.trial,
            n=n,
            dtype=dtype,
            device=self.group.die_ids.device,
            **mean,
        )

    def lookup(self, name: str) -> Tensor:
        """Return the present value of a state, parameter or output."""
        if name == "output":
            return self.trace.at(self.trace.end - 1)
        state = self.state
        if isinstance(state, Spiking):
            if name in ("wait", "held"):
                return getattr(state, name)  # type: ignore[no-any-return]
            state = state.cell
        elif name in ("wait", "held"):  # without a dead time there is no clock
            return self.group.zero.expand(*self.lead, self.group.n)
        if state and name in state._fields:
            return getattr(state, name)  # type: ignore[no-any-return]
        return self.group.value(name)

    def window_lookup(self, k0: int, n: int, seen: Mapping[str, Tensor] = MappingProxyType({})) -> Callable[[str], Tensor]:
        """Return the function with which monitors look up windows of n slots.

        It knows outputs, the windows in ``seen``, and values that do not change.
        """

        def lookup(name: str) -> Tensor:
            if name == "output":
                return self.trace.window(k0, n)
            return seen[name] if name in seen else repeated(self.lookup(name), n)

        return lookup

    def record(self, k: int) -> None:
        """Store the states of slot k that others take, and hand the slot to the monitors."""
        for name, history in self.tapped.items():
            history.put(self.lookup(name).unsqueeze(0))
        for take in self.takes:
            take(k, 1, lambda name: self.lookup(name).unsqueeze(0))


def coefficients_of(node: Node) -> tuple[list[Any], Any]:
    """Return the coefficients of a model for the current dt as a list, and their tree (None if there are none)."""
    return ([], None) if node.c is None else flatten(node.c)


def repeated(value: Tensor, n: int) -> Tensor:
    """Return a constant value as a window of n slots."""
    return value.unsqueeze(0).expand(n, *value.shape)


def convert(value: Tensor, kind: Kind, wanted: Kind, dt: float) -> Tensor:
    """Convert a signal to the kind of a port.

    A level becomes a charge when multiplied by dt; a charge becomes a level as its mean over the slot.
    """
    if kind == wanted:
        return value
    return value * dt if wanted == "charge" else value / dt
