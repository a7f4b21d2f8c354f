"""The schedule in words."""

from __future__ import annotations

from collections.abc import Mapping

from ..base.clock import slots
from ..base.display.notebook import Lines
from ..groups.schedule import Schedule
from ..groups.spec import Spec
from ..groups.wiring import Wire, Wiring
from ..models.contract import Synapse


def explain(
    wiring: Wiring,
    specs: Mapping[str, Spec],
    plan: Schedule,
    notes: Mapping[str, list[str]],
    engines: Mapping[str, str],
    choices: Mapping[str, object],
    devices: Mapping[str, list[str]],
) -> str:
    """The schedule in words: call order, every delay in seconds, every inserted slot and why, the side of each filter; how each
    group is run and why; how spikes are summed where that was chosen; what holds the weights, and with which gain.
    """
    lines = [f"Schedule for dt = {plan.dt:g} s", "", "Call order"]
    for i, block in enumerate(plan.blocks, 1):
        how = (
            "all time at once"
            if block.length is None
            else f"loop, slices of {block.length} slot{'s' if block.length > 1 else ''}"
        )
        lines.append(f"  {i:3}. {', '.join(block.tags)}  ({how})")
    lines += ["", "Edges (source -> target: declared delay, effective latency)"]
    for i, w in enumerate(wiring.wires):
        lines.append("  " + _edge_line(w, i, plan))
    lines += ["", "Inserted slots"]
    for i in sorted(plan.inserted):
        w = wiring.wires[i]
        lines.append(
            f"  {w.source} -> {w.target}: one slot ({plan.dt:g} s): all edges of its loop act at once; cut where it changes least"
        )
    if not plan.inserted:
        lines.append("  none: every latency is the declared delay")
    models = [(tag, specs[tag].model) for tag in wiring.tags]
    sides = [f"  {tag}: {model.side}" for tag, model in models if isinstance(model, Synapse) and model.states]
    lines += ["", "State of each filter", *(sides or ["  no filters"])]
    lines += ["", "Engine", *(f"  {tag}: {engines[tag]}" for tag in wiring.tags if tag in engines)]
    if choices:
        lines += ["", "Sums over spikes", *(f"  {tag}: {choices[tag]}" for tag in wiring.tags if tag in choices)]
    if devices:
        lines += ["", "Devices", *(f"  {tag}: {line}" for tag in wiring.tags for line in devices.get(tag, ()))]
    said = [f"  {note}" for note in plan.notes] + [
        f"  {specs[tag].where}: {note}" for tag in wiring.tags for note in notes.get(tag, [])
    ]
    if said:
        lines += ["", "Notes", *said]
    return Lines("\n".join(lines))


def _edge_line(w: Wire, i: int, plan: Schedule) -> str:
    arrow = f"{w.source} -> {w.target}" + (f".{w.port}" if w.port else "")
    if w.role == "learning":
        return f"{arrow}: learning, end of slot"
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
