"""The conversion of counts to J, done twice: as energy that each part dissipates, and as energy that each supply delivers.

A capacitance C that swings to v and back takes the charge C v and the energy C v^2 from its supply: half is dissipated in the
driver while it charges, half while it discharges. A device that is read into a virtual ground, or written, dissipates v i t.
Energies that a user states (``e_spike``, ...) count as delivered by separate supplies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .costs import Band
from .meter import Meter, MeteredGroup, Sums

IN_RUNS = ("read", "periphery", "spikes", "leak")
BESIDE = ("write", "verify", "idle")
PHASES = (*IN_RUNS, *BESIDE)


class Dissipation(NamedTuple):
    """The energy that one group dissipates in one phase, in J: ``[chip, sample]`` in runs, ``[chip]`` outside runs."""

    group: str
    phase: str
    energy: Band


class Supply(NamedTuple):
    """The charge and the energy that one supply delivers over everything that was counted."""

    name: str  # "syn.v_read", "hid.v_dd", "hid.e_spike", ...
    charge: Band | None  # C; None where only an energy is stated
    energy: Band  # J


def samples(meter: Meter) -> dict[str, Sums]:
    """Return the sums of all samples side by side, ``[chip, sample]``, including ``seconds``."""
    found = {}
    for tag in meter.groups:
        names = dict.fromkeys(name for e in meter.episodes for name in e.sums.get(tag, {}))
        whole = {name: torch.cat([e.of(tag, name) for e in meter.episodes], 1) for name in names}
        if meter.episodes:
            whole["seconds"] = torch.cat([e.seconds.expand(e.lead) for e in meter.episodes], 1)
        found[tag] = whole
    return found


def parts(meter: Meter, sums: Mapping[str, Sums]) -> list[Dissipation]:
    """Return the dissipated energies by group and phase."""
    found = []
    for tag, m in meter.groups.items():
        own = sums[tag]
        in_runs = _dissipated(m, own) if own else {}
        found += [Dissipation(tag, phase, in_runs[phase]) for phase in IN_RUNS if phase in in_runs]
        written = {name: value.cpu() for name, value in meter.written.get(tag, {}).items()}
        if "write.energy" in written:
            drivers = m.costs.band("e_write") * written["write.pulses"]
            found.append(Dissipation(tag, "write", Band(written["write.energy"], written["write.energy"]) + drivers))
        if "read.energy" in written:
            found.append(Dissipation(tag, "verify", Band(written["read.energy"], written["read.energy"])))
        if meter.waited and m.costs.p_idle is not None:
            power = m.costs.band("p_idle") * m.leaking
            found.append(Dissipation(tag, "idle", power * torch.full((meter.chips,), meter.waited, dtype=torch.float64)))
    return found


def _dissipated(m: MeteredGroup, own: Sums) -> dict[str, Band]:
    """Return the energies of a group in runs by phase; a phase without any known cost is left out, rather than 0."""
    costs, found = m.costs, {}
    if costs.p_leak is not None:
        found["leak"] = costs.band("p_leak") * m.leaking * own["seconds"]
    if "spikes" in own and not costs.c_spike is costs.e_spike is None:
        found["spikes"] = _swings(costs.band("c_spike"), costs.band("v_dd"), own["spikes"])
        found["spikes"] += costs.band("e_spike") * own["spikes"]
    if "events" in own and not costs.c_line is costs.c_cell is costs.e_event is None:
        wires = costs.band("c_line") * own["events"] + costs.band("c_cell") * (own["synaptic"] * max(m.devices, 1))
        found["periphery"] = _swings(wires, _line_volts(m), torch.ones_like(own["events"]))
        found["periphery"] += costs.band("e_event") * own["events"]
    if "energy" in own:
        found["read"] = Band(own["energy"], own["energy"])
    return found


def _swings(c: Band, v: Band, count: Tensor) -> Band:
    """Return the energy in the drivers of a capacitance (J) while it charges and discharges ``count`` times."""
    charging = c * v * v * 0.5 * count
    discharging = c * v * v * 0.5 * count
    return charging + discharging


def _line_volts(m: MeteredGroup) -> Band:
    return Band(m.v_read, m.v_read) if m.devices else m.costs.band("v_dd")


def supplies(meter: Meter, sums: Mapping[str, Sums]) -> list[Supply]:
    """Return the energies drawn from supplies, computed independently of `parts` as charges times voltages."""
    return [s for tag, m in meter.groups.items() for s in _drawn(meter, tag, m, sums[tag]) if float(s.energy.high)]


def _drawn(meter: Meter, tag: str, m: MeteredGroup, own: Sums) -> Iterator[Supply]:
    costs, nothing = m.costs, torch.zeros(())
    total = {name: float(value.sum()) for name, value in own.items()}
    written = {name: float(value.sum()) for name, value in meter.written.get(tag, {}).items()}
    for rail in ("v_set", "v_reset"):
        yield _known(f"{tag}.{rail}", written.get(f"write.charge.{rail}", 0.0), written.get(f"write.supply.{rail}", 0.0))
    yield _known(
        f"{tag}.v_read",
        total.get("charge", 0.0) + written.get("read.charge.v_read", 0.0),
        total.get("supply", 0.0) + written.get("read.supply.v_read", 0.0),
    )
    v = _line_volts(m)
    lines = costs.band("c_line") * total.get("events", 0.0)
    lines += costs.band("c_cell") * (total.get("synaptic", 0.0) * max(m.devices, 1))
    yield Supply(f"{tag}.lines", lines * v, lines * v * v)
    v = costs.band("v_dd")
    charge = costs.band("c_spike") * v * total.get("spikes", 0.0)
    yield Supply(f"{tag}.v_dd", charge, charge * v)
    seconds = float(own.get("seconds", nothing).sum())
    yield Supply(f"{tag}.p_leak", None, costs.band("p_leak") * seconds * m.leaking)
    yield Supply(f"{tag}.p_idle", None, costs.band("p_idle") * (meter.waited * meter.chips) * m.leaking)
    stated = {"e_spike": total.get("spikes"), "e_event": total.get("events"), "e_write": written.get("write.pulses")}
    for name, count in stated.items():
        yield Supply(f"{tag}.{name}", None, costs.band(name) * (count or 0.0))


def _known(name: str, charge: float, energy: float) -> Supply:
    return Supply(name, Band(charge, charge), Band(energy, energy))


def scope(meter: Meter) -> tuple[list[str], list[str]]:
    """Describe in words the contributions that are in the estimate, and those that are not."""
    within, missing = [], []
    for tag, m in meter.groups.items():
        if m.devices:
            within.append(f"{tag}: devices read by spikes, written, and read by verification")
        if m.role == "graded":
            missing.append(f"{tag}: what graded signals take")
        if m.devices and m.learns:
            missing.append(f"{tag}: changes of conductance within a chunk of slots (read as they are at its end)")
        if tag in meter.unread:
            missing.append(f"{tag}: reads of a run that used model weights or sampled devices (see Network.program)")
        for name in _asked(m):
            (within if getattr(m.costs, name) is not None else missing).append(f"{tag}: {name}")
    missing += ["wire and driver resistance, sneak paths, half-selected cells, lines charged by writes", "clocks and control"]
    return within, missing


def _asked(m: MeteredGroup) -> list[str]:
    """Return the names of the costs that a group can have."""
    drivers = ["e_write"] if m.devices else []
    if m.role in ("synapses", "graded"):
        return [*(["c_line", "c_cell", "e_event"] if m.role == "synapses" else []), *drivers, "p_leak", "p_idle"]
    return [*(["c_spike", "e_spike"] if m.spikes else []), "p_leak", "p_idle"]
