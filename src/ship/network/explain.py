"""A network in words: its schedule, how its groups run, and what is worth a note."""

from __future__ import annotations

from collections.abc import Mapping

from ..base.clock import slots
from ..base.display.notebook import Lines
from ..base.temperature import FOLLOWS
from ..engine.simulation import Simulation
from ..groups.remarks import remarks
from ..groups.schedule import Schedule
from ..groups.spec import Spec
from ..groups.wiring import LATE, Wire, Wiring
from ..models.contract import Synapse
from .on_devices import program


def explain(sim: Simulation, specs: Mapping[str, Spec], plan: Schedule) -> str:
    """Put a schedule into words.

    The text has the call order; every delay in seconds; every inserted slot and why; the side of each filter; how each group is
    run and why; how spikes are summed where that was chosen; what holds the weights, and with which gain; which temperature acts
    where; and notes on what is legal, and yet not what most users mean.
    """
    wiring = sim.wiring
    lines = [f"Schedule for dt = {plan.dt:g} s", "", "Call order"]
    for i, block in enumerate(plan.blocks, 1):
        how = f"loop, slices of {block.length} slot{'s' if (block.length or 0) > 1 else ''}"
        lines.append(f"  {i:3}. {', '.join(block.tags)}  ({'all time at once' if block.length is None else how})")
    lines += ["", "Edges (source -> target: declared delay, effective latency)"]
    lines += ["  " + _edge_line(w, i, plan) for i, w in enumerate(wiring.wires)]
    lines += ["", "Inserted slots", *_inserted(wiring, plan)]
    models = [(tag, specs[tag].model) for tag in wiring.tags]
    sides = [f"  {tag}: {model.side}" for tag, model in models if isinstance(model, Synapse) and model.states]
    lines += ["", "State of each filter", *(sides or ["  no filters"])]
    engines = sim.engines(plan)
    lines += ["", "Engine", *(f"  {tag}: {engines[tag]}" for tag in wiring.tags if tag in engines)]
    if sim.choices:
        lines += ["", "Sums over spikes", *(f"  {tag}: {sim.choices[tag]}" for tag in wiring.tags if tag in sim.choices)]
    devices = _devices(sim, specs)
    if devices:
        lines += ["", "Devices", *(f"  {tag}: {line}" for tag in wiring.tags for line in devices.get(tag, ()))]
    warmth = _temperature(sim, specs)
    if warmth:
        lines += ["", "Temperature", *(f"  {line}" for line in warmth)]
    said = [f"  {note}" for note in plan.notes]
    said += [f"  {specs[tag].where}: {note}" for tag in wiring.tags for note in remarks(sim.groups[tag], plan.dt)]
    if said:
        lines += ["", "Notes", *said]
    return Lines("\n".join(lines))


def _inserted(wiring: Wiring, plan: Schedule) -> list[str]:
    ends = [(wiring.wires[i].source, wiring.wires[i].target) for i in sorted(plan.inserted)]
    why = f"one slot ({plan.dt:g} s): all edges of its loop act at once; cut where it changes least"
    return [f"  {source} -> {target}: {why}" for source, target in ends] or ["  none: every latency is the declared delay"]


def _devices(sim: Simulation, specs: Mapping[str, Spec]) -> dict[str, list[str]]:
    """Say for each group with devices what it runs with."""
    return {
        tag: group.hardware.describe(group.model_weight(), program.reach(specs, sim.groups, tag))
        for tag, group in sim.groups.items()
        if group.hardware is not None
    }


def _temperature(sim: Simulation, specs: Mapping[str, Spec]) -> list[str]:
    """Say which temperature acts where; empty where none is given and nothing depends on one."""
    kelvin, follow, own, ageing = sim.clock.kelvin, [], [], []
    for tag, group in sim.groups.items():
        for name, declaration in group.declarations.items():
            if declaration.role not in FOLLOWS:
                continue
            if name in group.following:
                value = "" if kelvin is not None else f" = {float(group.value(name).detach().mean()):.4g} {declaration.unit}"
                follow.append(f"{tag}.{name}{value}")
            else:
                own.append(f"{tag}.{name}")
        if group.hardware is not None and group.hardware.ages:
            ageing.append((tag, group.hardware.array.device.thermal is not None))
    lines = []
    if kelvin is not None:
        found = [*follow, *(f"ageing of the devices of {tag}" for tag, thermal in ageing if thermal)]
        lines.append(f"{kelvin:g} K: " + (", ".join(found) or "nothing in this network depends on it"))
    elif follow or any(thermal for _, thermal in ageing):
        found = [*follow, *(f"devices of {tag} as at the reference of their thermal part" for tag, thermal in ageing if thermal)]
        lines.append("none given, so each has its reference: " + ", ".join(found))
    if own:
        lines.append("with a value of their own: " + ", ".join(own))
    if kelvin is not None and any(not thermal for _, thermal in ageing):
        bare = ", ".join(tag for tag, thermal in ageing if not thermal)
        lines.append(f"devices without a thermal part age alike at any temperature: {bare}")
    return lines


def overview(specs: Mapping[str, Spec], wiring: Wiring | None, dt: float | None, chips: int | None) -> str:
    """Return what a prompt shows of a network: a line for each group; ``dt`` (s) is None before `Network.init`."""
    time = ", not initialised" if dt is None else f", dt={dt:g} s"
    lines = [f"Network({len(specs)} groups{time}" + (f", {chips} chips" if chips else "") + ")"]
    for spec in specs.values():
        size = f"n={wiring.n[spec.tag]}" if wiring else (f"n={spec.n}" if spec.n else "")
        arrow = f"{'+'.join(spec.source)} > {'+'.join(spec.target)}" if spec.source or spec.target else ""
        lines.append(f"  {type(spec.model).__name__:18} {spec.tag!r:16} {size:8} {arrow}" + ("  output" if spec.output else ""))
    return "\n".join(line.rstrip() for line in lines)


def _edge_line(w: Wire, i: int, plan: Schedule) -> str:
    source = f"{w.source}.{w.state}" if w.state else w.source
    arrow = f"{source} -> {w.target}" + (f".{w.port}" if w.port else "")
    if w.role in LATE:
        return f"{arrow}: {w.role}, end of slot"
    if w.role == "reads":
        return f"{arrow}: read at the start of the slot" + (" before (one slot inserted)" if i in plan.inserted else "")
    if w.role == "port":
        return f"{arrow}: {w.kind}, no delay" + (" + 1 inserted slot" if i in plan.inserted else "")
    assert w.delay is not None
    low, high = (float(w.delay.min()), float(w.delay.max())) if w.delay.numel() else (0.0, 0.0)
    declared = f"{low:g} s" if low == high else f"{low:g} to {high:g} s"
    fewest, most = slots(low, plan.dt), slots(high, plan.dt)
    extra = 1 if i in plan.inserted else 0
    effective = (
        f"{(fewest + extra) * plan.dt:g} s"
        if fewest == most
        else f"{(fewest + extra) * plan.dt:g} to {(most + extra) * plan.dt:g} s"
    )
    return f"{arrow}: {w.kind}, {declared}, acts after {effective}" + (" (one slot inserted)" if extra else "")
