"""The choice between dense and event-driven sums of spikes through weights, by measurement on real arrivals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor, nn

from ..base.errors import RunError, suggest
from ..groups.group import Group
from .compiled.nodes.spike_products import PRODUCTS, Choice
from .reference.connection import ConnectionNode
from .reference.plastic import PlasticNode
from .signals.products import project
from .simulation import Simulation

REPEAT = 3  # measurements of each sum, of which the median counts
CALLS = 16  # sums that are measured; a loop that runs in slices makes many small ones


@dataclass
class Probe:
    """A product that also measures times; it replaces the product of a connection during one run."""

    trained: bool
    calls: int = 0
    nonzero: int = 0
    elements: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PRODUCTS, 0.0))

    def __call__(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.calls < CALLS:
            self.calls += 1
            self.nonzero += int(torch.count_nonzero(x))
            self.elements += x.numel()
            for how, product in PRODUCTS.items():
                self.seconds[how] += _duration(product, x.detach(), weight.detach(), self.trained)
        return project(x, weight)

    def choice(self) -> Choice:
        """Return the faster kind of product, with the measurements."""
        dense, events = self.seconds["dense"], self.seconds["events"]
        how = "events" if events < dense else "dense"
        return Choice(how, self.nonzero / max(1, self.elements), dense, events)


def _duration(product: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor, trained: bool) -> float:
    """Return the median time of the sum in s; it includes the gradient of the weights where these are trained."""
    times = []
    for _ in range(REPEAT + 1):
        start = time.perf_counter()
        with torch.set_grad_enabled(trained):
            w = weight.detach().requires_grad_(trained)
            out = product(x, w)
            if trained:
                torch.autograd.grad(out, w, out.detach())
        times.append(time.perf_counter() - start)
    return median(times[1:])  # the first measurement may include compilation


def adjustable(sim: Simulation) -> dict[str, ConnectionNode]:
    """Return the connections with a choice: those that sum spikes through fixed or trained weights in front of their state."""
    spiked = {wire.target for wire in sim.wiring.wires if wire.role == "signal" and wire.kind == "events"}
    return {
        tag: node
        for tag, node in sim.nodes.items()
        if tag in spiked
        and isinstance(node, ConnectionNode)
        and not isinstance(node, PlasticNode)
        and node.group.side == "post"
        and node.edges is None  # sums along edges always start from the nonzeros
    }


def check_engine(where: str, sim: Simulation) -> None:
    """Check that a simulation has kernels, which event-driven sums need.

    Raises:
        RunError: the network runs without kernels.
    """
    if sim.fusion is None:
        raise RunError(
            where, "needs compiled kernels", got="engine='reference'", fix="Install numba, and use net.init(engine='fused')."
        )
    if sim.device.type != "cpu":
        raise RunError(where, "has kernels for the CPU only", got=str(sim.device))


def fix(where: str, sim: Simulation, wanted: Mapping[str, str]) -> dict[str, Choice]:
    """Set the choices that a user asks for.

    Raises:
        RunError: a connection has no choice, or a choice is unknown; nothing is changed then.
    """
    nodes = adjustable(sim)
    for tag, how in wanted.items():
        if tag not in nodes:
            raise RunError(where, f"{tag!r} is no connection that sums spikes", fix=suggest(str(tag), nodes))
        if how not in PRODUCTS:
            raise RunError(f"{where}: {tag!r}", "must be 'dense' or 'events'", got=repr(how))
    choices = {tag: Choice(how) for tag, how in wanted.items()}
    adopt(sim, choices)
    return choices


def adopt(sim: Simulation, choices: Mapping[str, Choice]) -> None:
    """Apply choices to a simulation."""
    nodes = adjustable(sim)
    for tag, choice in choices.items():
        nodes[tag].feed.product = PRODUCTS[choice.how]
    sim.choices.update(choices)


@contextmanager
def devices_untouched(groups: Iterable[Group]) -> Iterator[None]:
    """Restore devices and the number of the last trial at the end, after a run that ages and pulses the devices."""
    found = {group: group.hardware for group in groups}
    trials = {group: group.trial for group in found}
    held = [hardware for hardware in found.values() if hardware is not None]
    kept = [{name: value.clone() for name, value in hardware.state_dict().items()} for hardware in held]
    lists = [(hardware.pulser.time, hardware.pulser.log) for hardware in held]
    for hardware in held:
        hardware.pulser.log = None
    try:
        yield
    finally:
        for hardware, before, (hardware.pulser.time, hardware.pulser.log) in zip(held, kept, lists, strict=True):
            hardware.load_state_dict(before)
        for group, trial in trials.items():
            group.trial = trial
            if group.hardware is not None:
                group.hardware.trial = trial


def measure(sim: Simulation, run: Callable[[], object]) -> dict[str, Choice]:
    """Measure which kind of sum is faster in a run of ``sim``, for each connection that sums in it.

    Groups keep their tensors.
    """
    probes = {}
    for tag, node in adjustable(sim).items():
        weight = getattr(node.group, "weight", None)
        probes[tag] = node.feed.product = Probe(isinstance(weight, nn.Parameter) and weight.requires_grad)
    parameters = {p: p.detach().clone() for group in sim.groups.values() for p in group.parameters()}
    stored = {tag: group.stored() for tag, group in sim.groups.items()}
    with devices_untouched(sim.groups.values()):
        try:
            with torch.no_grad():
                run()
        finally:
            with torch.no_grad():
                for p, before in parameters.items():
                    if not torch.equal(p, before):  # the run moved a parameter inside its limits
                        p.copy_(before)
            for tag, kept in stored.items():
                for name, value in kept.items():
                    setattr(sim.groups[tag], name, value)
    return {tag: probe.choice() for tag, probe in probes.items() if probe.calls}
