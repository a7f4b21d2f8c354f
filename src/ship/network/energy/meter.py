"""The counts behind the energy of a network: events, spikes, reads, writes, time. `pricing` turns them into J.

An event that arrives at a synapse group (after its delay) reads the devices of its row with ``v_read`` for ``t_read``:
``E = count * sum v_read i(v_read) t_read`` over the devices of the row, with the conductances that the run computes with. Counts
come from the lines of the engine at the end of each chunk of slots, summed over time, so that no record is needed. Events still
in flight at the end of a run have read nothing yet; the run that continues it, if there is one, counts them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ...devices import device as physics
from ...devices.array.array import DeviceArray
from ...devices.device import DeviceEvent
from ...devices.provenance import stated
from ...devices.weights.synapse import SynapseDevices
from ...engine.reference.connection import ConnectionNode
from ...engine.reference.node import Node
from ...engine.simulation import Simulation
from ...groups.group import Group
from .costs import Costs, role_of
from .row_reads import Way, along_rows, arrived, to_columns, unit_cells, ways

Sums = dict[str, Tensor]  # by quantity, float64
PULSES = ("v_read", "t_read", "v_set", "v_reset", "t_write")  # of a device, which its energies depend on


@dataclass(frozen=True)
class MeteredGroup:
    """The properties of one group that its energy depends on."""

    tag: str
    role: str  # "neurons", "sources", "synapses", or "graded": synapses that no events enter
    costs: Costs
    spikes: bool  # whether it emits events
    leaking: int  # the number of neurons, devices or cells that leak
    devices: int  # the number of devices of one weight; 0 without devices
    v_read: float  # V, of the nominal device
    learns: bool  # whether a rule changes its weights in a run
    digits: float  # the relative rounding error of its device energies
    origins: tuple[str, ...] = ()  # where the voltages and widths of its device come from, in words, as far as it says


class Episode(NamedTuple):
    """Samples, each from a reset on: those of one run and the runs that continue it, or of several such episodes."""

    lead: tuple[int, int]
    seconds: Tensor  # [sample], float64
    sums: dict[str, Sums]  # by group, [chip, sample]

    def of(self, tag: str, name: str) -> Tensor:
        """Return the sums of one group and quantity, zeros where nothing was counted."""
        value = self.sums.get(tag, {}).get(name)
        return torch.zeros(self.lead, dtype=torch.float64) if value is None else value.cpu().expand(self.lead)


class Meter:
    """The counts of one network; see `Network.meter`."""

    def __init__(self, costs: Mapping[str, Costs], sim: Simulation, axis: bool) -> None:
        self.axis, self.chips = axis, sim.chips
        self.groups = {tag: _metered(tag, c, sim) for tag, c in costs.items()}
        self.episodes: list[Episode] = []
        self.written: dict[str, Sums] = {}  # by group, [chip]
        self.waited = 0.0  # s
        self.unread: set[str] = set()  # groups that ran without their devices
        self.watch(sim)

    def watch(self, sim: Simulation) -> None:
        """Count the events of devices from now on."""
        for tag, m in self.groups.items():
            hardware = sim.groups[tag].hardware
            if m.devices and hardware is not None:
                hardware.array.watch = partial(self.happened, tag, hardware.array)

    def close(self, sim: Simulation) -> None:
        """Stop counting the events of devices."""
        for group in sim.groups.values():
            if group.hardware is not None:
                group.hardware.array.watch = None

    def start(self, sim: Simulation, lead: tuple[int, int]) -> RunCount:
        """Begin to count a run."""
        return RunCount(self, sim, lead)

    def add(self, run: RunCount) -> None:
        """Take the counts of a run that has ended: new samples, or additions to the samples that it continued."""
        if run.fresh or not self.episodes or self.episodes[-1].lead != run.lead:
            self._join()
            self.episodes.append(Episode(run.lead, torch.full(run.lead[1:], run.seconds, dtype=torch.float64), run.sums))
            return
        last = self.episodes.pop()
        self.episodes.append(Episode(last.lead, last.seconds + run.seconds, _merged(last.sums, run.sums)))

    def _join(self) -> None:
        """Join finished episodes side by side, so that they take no more memory than their numbers.

        An episode is joined to one that is at most as long, so that each number is copied a few times only.
        """
        while len(self.episodes) > 1 and self.episodes[-2].lead[1] <= self.episodes[-1].lead[1]:
            last, before = self.episodes.pop(), self.episodes.pop()
            lead = last.lead[0], before.lead[1] + last.lead[1]
            names = {tag: {**before.sums.get(tag, {}), **last.sums.get(tag, {})} for tag in self.groups}
            sums = {tag: {name: torch.cat([before.of(tag, name), last.of(tag, name)], 1) for name in names[tag]} for tag in names}
            self.episodes.append(Episode(lead, torch.cat([before.seconds, last.seconds]), sums))

    @torch.no_grad()
    def happened(self, tag: str, array: DeviceArray, event: DeviceEvent) -> None:
        """Count an event of devices that were written, pulsed or read, other than the reads by spikes.

        The dissipated energy is the one that the array states. The energy from the supplies is counted here, from the charge
        through each device and the voltage of the supply that drives it up or down.
        """
        shape, index = array.full_shape, event.places

        def chips(x: Tensor) -> Tensor:
            if index is None:
                return x.double().expand(shape).flatten(1).sum(1)
            of_each = math.prod(shape[1:])
            return x.new_zeros(shape[0], dtype=torch.float64).index_add(0, index // of_each, x.double().expand(len(index)))

        device, p, pulse = array.device, event.p, event.pulse
        i = physics.current(device, p, event.after, pulse.v, event.seen)
        if event.kind == "write":
            i = (physics.current(device, p, event.before, pulse.v) + i) / 2
        charge = (pulse.n * pulse.width).double() * i.double().abs()
        sums = self.written.setdefault(tag, {})
        if event.kind == "read":
            rails = {"v_read": torch.ones_like(pulse.v, dtype=torch.bool)}
        else:
            rails = {"v_set": pulse.v >= 0, "v_reset": pulse.v < 0}
        for rail, on in rails.items():
            _add(sums, f"{event.kind}.charge.{rail}", chips(charge * on))
            _add(sums, f"{event.kind}.supply.{rail}", chips(charge * on * pulse.v.double().abs()))
        _add(sums, f"{event.kind}.energy", chips(event.energy))
        _add(sums, f"{event.kind}.pulses", chips(pulse.n))


class RunCount:
    """The counts of one run, which reach the meter with `commit`."""

    def __init__(self, meter: Meter, sim: Simulation, lead: tuple[int, int]) -> None:
        self.meter, self.sim, self.lead = meter, sim, lead
        self.fresh = sim.clock.slot == 0
        self.seconds, self.dt = 0.0, 0.0
        self.sums: dict[str, Sums] = {tag: {} for tag in meter.groups}
        self._connections: dict[str, SynapseCount] = {}
        for tag, m in meter.groups.items():
            node = sim.nodes[tag]
            if m.role == "synapses":
                assert isinstance(node, ConnectionNode)
                self._connections[tag] = SynapseCount(node, m)

    @property
    def outputs(self) -> set[str]:
        """The groups whose outputs of all slots must exist at the end of a chunk."""
        sources = {source.tag for tag in self._connections for source in self.sim.groups[tag].spec.sources}
        return sources | {tag for tag, m in self.meter.groups.items() if m.spikes}

    @torch.no_grad()
    def take(self, k0: int, n: int) -> None:
        """Count slots k0 .. k0 + n - 1 of the segment."""
        self.seconds += n * self.dt
        for tag, m in self.meter.groups.items():
            if tag in self._connections:
                self._connections[tag].take(self.sums[tag], k0, n, self.lead)
            elif m.spikes:
                _add(self.sums[tag], "spikes", _spikes(self.sim.nodes[tag], k0, n, self.lead))

    def commit(self) -> None:
        """Hand the counts to the meter, after a run that was not interrupted."""
        for tag, counted in self._connections.items():
            if counted.unread:
                self.meter.unread.add(tag)
        self.meter.add(self)


@dataclass
class SynapseCount:
    """The counts of a synapse group in one run."""

    node: ConnectionNode
    metered: MeteredGroup
    unread: bool = False  # whether the group ran without its devices
    _cells: list[Tensor] = field(default_factory=list)  # the number of cells of each row, [pre] for each way
    _now: object = None
    _read: Reads | None = None

    def __post_init__(self) -> None:
        ones = unit_cells(self.node)
        self._ways = ways(self.node)
        self._cells = [along_rows(self.node, way, ones)[0] for way in self._ways]

    def take(self, sums: Sums, k0: int, n: int, lead: tuple[int, int]) -> None:
        """Count the events that arrive in slots k0 .. k0 + n - 1."""
        reads = self._reads()
        for way, cells in zip(self._ways, self._cells, strict=True):
            counts = arrived(way.line, k0, n, self.node.like).expand(*lead, way.width)
            _add(sums, "events", (counts * (cells > 0)).sum(-1))
            _add(sums, "synaptic", counts @ cells)
            if reads is not None:
                for name, value in reads.of(self.node, way, counts).items():
                    _add(sums, name, value)

    def _reads(self) -> Reads | None:
        """Return the reads by spikes at the present conductances; None where the devices do not hold the weights."""
        hardware = self.node.group.hardware
        if hardware is None:
            return None
        if hardware.mode != "programmed":
            self.unread = True
            return None
        if self._read is None or self._now != hardware.fresh:
            self._now, self._read = hardware.fresh, Reads.by_spike(self.node.group, hardware)
        return self._read


class Reads(NamedTuple):
    """One read of each cell, summed over the devices of a weight: ``[chip, pre, post]`` or ``[chip, edge]``, float64."""

    energy: Tensor  # J
    charge: Tensor  # C
    volts: Tensor | None  # V; None if it is not the same everywhere

    @staticmethod
    def by_spike(group: Group, hardware: SynapseDevices) -> Reads:
        """Compute what one spike reads through the devices of a group."""
        i, v, t = (x.double() for x in hardware.reads())
        array, axis = hardware.array, 2
        shape = (len(array.die_ids), 1, *array.shape)
        energy, charge = ((x.expand(shape).sum(axis).squeeze(1)) for x in (v * i * t, (i * t).abs()))
        energy, charge = group.on_connections(energy), group.on_connections(charge)
        return Reads(energy, charge, v.abs().flatten()[0] if v.numel() == 1 else None)

    def of(self, node: ConnectionNode, way: Way, counts: Tensor) -> Sums:
        """Return the energies of ``counts [chip, batch, pre]`` events: dissipated in the devices, and drawn from the supply."""
        charge = to_columns(node, way, counts, self.charge).sum(-1)
        drawn = charge * self.volts if self.volts is not None else to_columns(node, way, counts, self.energy).sum(-1)
        dissipated = (counts * along_rows(node, way, self.energy).unsqueeze(1)).sum(-1)
        return {"energy": dissipated, "charge": charge, "supply": drawn}


def _metered(tag: str, costs: Costs, sim: Simulation) -> MeteredGroup:
    group = sim.groups[tag]
    hardware, role = group.hardware, role_of(group.spec, sim.wiring)
    leaking = group.n
    if role in ("synapses", "graded"):
        leaking = int(torch.tensor(group.shape_of_weights).prod()) * (hardware.mapping.devices if hardware is not None else 1)
    return MeteredGroup(
        tag,
        role,
        costs,
        role in ("neurons", "sources") and sim.wiring.kinds[tag] == "events",
        leaking,
        hardware.mapping.devices if hardware is not None else 0,
        abs(hardware.view.v_read) if hardware is not None else 0.0,
        group.spec.rule is not None,
        1e-9 if group.dtype == torch.float64 else 1e-5,
        tuple(stated(hardware.array.device, PULSES)) if hardware is not None else (),
    )


def _spikes(node: Node, k0: int, n: int, lead: tuple[int, int]) -> Tensor:
    """Return the number of spikes that a group emitted, ``[chip, batch]``."""
    window = node.trace.window(k0, n)
    return window.sum(0).double().sum(-1).expand(lead)


def _add(sums: Sums, name: str, value: Tensor) -> None:
    sums[name] = sums[name] + value if name in sums else value


def _merged(a: Mapping[str, Sums], b: Mapping[str, Sums]) -> dict[str, Sums]:
    merged = {tag: dict(sums) for tag, sums in a.items()}
    for tag, sums in b.items():
        for name, value in sums.items():
            _add(merged.setdefault(tag, {}), name, value)
    return merged
