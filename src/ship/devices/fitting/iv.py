"""Current-voltage sweeps: two states and their scatter, switching voltages, simple laws of the current, and what is missing.

Sweeps are cut into excursions (`loops`); each that goes out and back shows two states, which are compared at one voltage
(`read_states`), and a switching voltage (`switching_voltages`). Laws (`iv_laws`) are fitted to what lies below the switching
voltage and below the compliance. Sweeps that go one way only show one state (`one_way`): no device follows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.errors import FitError
from .. import Device
from ..reading.columns import Columns
from ..reading.spelling import argument
from . import iv_figures, to_device
from .iv_laws import LAWS, MOST, RELEVANT, Branch, LawFit, branch_of, fit_law, fitted, nearly_ohmic, noise_of
from .iv_laws import LEAST as ENOUGH
from .loops import Cut, Excursion, compliance_of, cut, offset_at_zero
from .one_way import fit_one_way
from .read_states import SAME, ReadStates, Switches, read_states, switches
from .report import Estimate, Fitted, Found, outcome, rank
from .switching_voltages import clustered, median

Array = np.ndarray
MANY = 20  # sweeps from which on ends are quantiles, and the first and last tenth are compared
MOST_NEGATIVE = 0.2  # of the sweeps: with more off currents not above 0 A the off state is not known
MARGIN = 0.97  # of the switching voltage, and of the compliance: laws hold below
OPEN = 0.25  # of the on current at v_read: with as much against the voltage a loop is no resistance


def fit_iv(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Cut the sweeps into excursions, compare the two states, find the switching voltages, and fit laws to each state."""
    voltage, current = _measured(columns, settings)
    found = cut(columns, voltage)
    for (device, cycle, sweep), rows in found.records.items():
        if len(rows) < 10:
            label = ", ".join(part for part in (device, cycle, sweep) if part)
            raise FitError(f"{source}: sweep {label}".rstrip(), "needs at least 10 points", got=str(len(rows)))
    whole = [e for e in found.excursions if e.whole]
    if not whole:
        return fit_one_way(columns, (voltage, current), found, source, sha256, settings)
    compliance = settings.get("compliance")
    flat = None if compliance is not None else compliance_of(voltage, current, whole)
    limit = compliance if compliance is not None else flat
    states = read_states(whole, voltage, current, settings, limit)
    switched = switches(whole, voltage, current, states)
    fits, branches, owners = _laws(states, switched, voltage, current, limit)
    noise = noise_of([b for state in branches.values() for b in state])
    order = rank([fitted(fit, noise, owners) for fit in fits.values()], relevant=RELEVANT) if fits else ()
    zero = np.array([e.side * offset_at_zero(*states.off_way(k, voltage, current)) for k, e in enumerate(states.excursions)])
    summary = _summary(found, states, switched, voltage, current, settings)
    if limit is not None:
        summary["compliance"] = Estimate(float(limit), unit="A")
    notes = [*columns.notes, *_notes(settings, found, states, switched, flat), *_offset_notes(zero, states)]
    against = _against(states, voltage, current)
    if against >= OPEN:
        notes.append(
            f"the loop is open at 0 V: in the median sweep a current of {against:.0%} of the on current at v_read flows against "
            "the voltage, as no resistance does: it is a charging current (a capacitance) or the meter's noise, and so is on/off"
        )
    notes += nearly_ohmic(order)
    if not fits:
        notes.append("no law was fitted: too few points lie below the switching voltage")
    settings = settings | {
        "points": len(voltage),
        "records": len(found.records),
        "sweeps": len(states.on),
        "v_read": states.v_read,
    }
    panels = iv_figures.panels(states, switched, voltage, current, fits, branches, order)
    values = _values(states, switched, fits)
    proof = to_device.evidence(columns, source, sha256)
    made = outcome(lambda: _device(proof, order, states, switched, settings, against))
    return Found("iv", source, sha256, order, "rms, of the local current", summary, notes, panels, settings, values, made)


def _measured(columns: Columns, settings: dict[str, Any]) -> tuple[Array, Array]:
    """Return voltage (V) and current (A) of the device."""
    if "voltage" in columns and "current" in columns:
        if "shunt" in settings:
            raise FitError("fit: shunt", "is for columns shunt and source, the file has voltage and current", fix="Leave it out.")
        return columns["voltage"], columns["current"]
    if "shunt" not in settings:
        raise FitError(
            "fit: shunt",
            "is needed to turn the shunt's voltage into a current",
            fix=f"Give its resistance (ohm), e.g. {argument('shunt', 1000)}.",
        )
    columns.notes.append(f"device voltage: source - shunt; current: shunt / {settings['shunt']:g} ohm")
    return columns["source"] - columns["shunt"], columns["shunt"] / settings["shunt"]


def _laws(
    states: ReadStates, switched: Switches, voltage: Array, current: Array, limit: float | None
) -> tuple[dict[str, dict[str, LawFit]], dict[str, list[Branch]], list[str] | None]:
    """Fit each law to each state of the excursions that were read; some of them where there are many.

    Returns:
        The fits of each law, the branches, and their devices where labels say them.
    """
    count = len(states.excursions)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(int))
    branches: dict[str, list[Branch]] = {"on": [], "off": []}
    owners: list[str] = []
    for k in chosen:
        e, rising = states.excursions[k], bool(states.rising[k])
        end = MARGIN * switched.at(e) if not switched.censored_at(e) else np.inf
        pair = {}
        for state, way in (("off", e.out if rising else e.back), ("on", e.back if rising else e.out)):
            u, j = e.side * voltage[way], e.side * current[way]
            below = (u <= end) if way is e.out else np.ones(len(u), dtype=bool)
            if limit is not None:
                below &= j <= MARGIN * limit
            if int(below.sum()) >= ENOUGH:
                pair[state] = branch_of(u[below], j[below])
        if len(pair) == 2 and min(len(b.v) for b in pair.values()) >= ENOUGH:
            owners.append(e.device)
            for state, branch in pair.items():
                branches[state].append(branch)
    if not branches["on"]:
        return {}, branches, None
    fits = {law.name: {state: fit_law(law, some) for state, some in branches.items()} for law in LAWS}
    return fits, branches, None if states.devices is None else owners


def _area(e: Excursion, voltage: Array, current: Array) -> float:
    """Return the area (W) between the ways out and back: that which the excursion goes around."""
    return float(abs(np.trapezoid(current[e.rows], voltage[e.rows])))


def _summary(
    found: Cut, states: ReadStates, switched: Switches, voltage: Array, current: Array, settings: dict[str, Any]
) -> dict[str, Estimate]:
    """Return the facts about the data: states, ratio, switching voltages, their scatter, the area of the loop."""
    made = {"sweeps": Estimate(float(len(states.on)))}
    if states.devices is not None:
        made["devices"] = Estimate(float(len(set(states.devices))))
    v = f"{states.v_read:g} V"
    ratio = states.ratio
    for name, values, unit in (("on", states.on, "S"), ("off", states.off, "S"), ("on/off", ratio, "")):
        title = f"{name}, median" if name == "on/off" else f"{name} at {v}, median"
        made[title] = clustered(values, states.devices, unit)
    if 1 < len(ratio) < MANY:
        made |= {"on/off, smallest": Estimate(float(ratio.min())), "on/off, largest": Estimate(float(ratio.max()))}
    elif len(ratio) >= MANY:
        ends = np.percentile(ratio, [5, 95])
        made |= {"on/off, 5 %": Estimate(float(ends[0])), "on/off, 95 %": Estimate(float(ends[1]))}
        size = max(len(ratio) // 10, 5)
        made[f"on/off, median of the first {size}"] = median(ratio[:size])
        made[f"on/off, median of the last {size}"] = median(ratio[-size:])
    for name, part in states.parts(settings).items():
        for kind, spread in (("d2d", part.d2d), ("c2c", part.c2c)):
            if spread is not None:
                made[f"ln {name}, {kind}"] = spread
    made |= switched.summary(settings)
    areas = {side: [_area(e, voltage, current) for e in found.excursions if e.whole and e.side == side] for side in (1, -1)}
    made["area of the loop, median"] = Estimate(float(sum(np.median(a) for a in areas.values() if a)), unit="W")
    return made


def _values(states: ReadStates, switched: Switches, fits: dict[str, dict[str, LawFit]]) -> dict[str, Any]:
    made: dict[str, Any] = {"sweeps": [e.label for e in states.excursions], "on": states.on, "off": states.off}
    made["on/off"] = states.ratio
    if states.devices is not None:
        made["devices"] = states.devices
    made |= switched.values()
    for name, fit in fits.items():
        made[name] = {"names": list(fit["on"].law.parameters), "on, off": np.stack([fit["on"].theta, fit["off"].theta], axis=1)}
    return made


def _notes(settings: dict[str, Any], found: Cut, states: ReadStates, switched: Switches, flat: float | None) -> list[str]:
    word = "positive" if states.side > 0 else "negative"
    notes = [f"the two states are compared at {states.v_read:g} V, at the {word} side; {len(states.on)} sweeps reach it"]
    if "v_read" not in settings:
        notes.append(
            "v_read was not given: it is a tenth of the median sweep (or more, where the current there is not above 0 A in 95 % "
            "of the sweeps), at the side where the states differ more"
        )
    halves = [e for e in found.excursions if not e.whole]
    if halves:
        notes.append(f"{len(halves)} excursions were left out: they do not go out and back at one polarity")
    if found.turned:
        notes.append(f"{found.turned} closed loops start in the middle of a sweep: they were turned to start at 0 V")
    if flat is not None:
        notes.append(
            f"the current has a flat top at {flat:.3g} A: taken as the compliance (found in the data, not given), and left out "
            "of the laws"
        )
    if states.limited:
        notes.append(
            f"at {states.v_read:g} V the on state of {states.limited} sweeps is at the compliance: its conductance is at least "
            "that, and so is on/off"
        )
    if states.negative:
        notes.append(
            f"the off current of {states.negative} sweeps at {states.v_read:g} V is not above 0 A: they are left out of on/off "
            "and of the scatter"
        )
    below = [s for e, s in zip(switched.excursions, switched.found, strict=True) if e.side == states.side and not s.censored]
    if early := sum(s.voltage <= abs(states.v_read) for s in below):
        notes.append(f"{early} sweeps switch below v_read: give a smaller {argument('v_read')}")
    notes += switched.notes()
    if states.devices is None:
        notes.append(
            "no label says which sweeps are of one device: their scatter counts as that from cycle to cycle; where they are of "
            f"several, say {argument('columns', {'device': 'HEADER'})}"
            if len(states.on) > 1
            else "one sweep: nothing is known of the scatter"
        )
    elif len(set(states.devices)) == len(states.devices) > 1:
        notes.append("one sweep of each device: the scatter from device to device includes that from cycle to cycle")
    return notes


def _offset_notes(zero: Array, states: ReadStates) -> list[str]:
    """Say what the current at 0 V would be of the off current at v_read."""
    known = zero[np.isfinite(zero)]
    if not len(known):
        return []
    size, off = float(np.median(known)), float(np.median(states.off)) * abs(states.v_read)
    if off <= 0 or abs(size) < 0.02 * off:
        return []
    return [
        f"at 0 V the current is {size:.3g} A (an offset of the meter, or a charging current), {abs(size) / off:.0%} of the off "
        f"current at {states.v_read:g} V; it was not subtracted"
    ]


def _against(states: ReadStates, voltage: Array, current: Array) -> float:
    """Return the current that flows against the voltage, at two points at least, over the on current at v_read, in the median."""
    shares = []
    for e, on in zip(states.excursions, states.on, strict=True):
        along = np.sort(e.side * current[e.rows])
        shares.append(max(0.0, -float(along[1])) / (float(on) * abs(states.v_read)))
    return float(np.median(shares)) if shares else 0.0


def _device(
    proof: to_device.Evidence,
    order: tuple[Fitted, ...],
    states: ReadStates,
    switched: Switches,
    settings: dict[str, Any],
    against: float,
) -> Device:
    """Return the device with both states and their scatter, its switching voltages, and a law of the current where one fits."""
    if against >= OPEN:
        raise FitError(
            "fit: device",
            "needs currents that flow with the voltage",
            got=f"{against:.0%} of the on current at {states.v_read:g} V against it",
            fix="It is a charging current or noise: sweep more slowly or further, or take the meter's offset off the current.",
        )
    if states.negative > MOST_NEGATIVE * (states.negative + len(states.on)):
        raise FitError(
            "fit: device",
            "needs an off current above the meter's offset and noise at v_read",
            got=f"{states.negative} of {states.negative + len(states.on)} sweeps with none above 0 A at {states.v_read:g} V",
            fix=f"Choose a larger {argument('v_read')}, or take the meter's offset off the current.",
        )
    ratio = clustered(states.ratio, states.devices)
    if not (ratio.value > SAME and (np.isnan(ratio.low) or ratio.low > SAME)):
        raise FitError(
            "fit: device",
            "needs two states that differ at v_read",
            got=f"on/off {ratio}",
            fix=f"Choose another {argument('v_read')}, or sweep so far that the device switches.",
        )
    parts = states.parts(settings)
    more: dict[str, Any] = {}
    remarks: dict[str, str] = {}
    scale = 1.0
    first = order[0] if order and order[0].fits and not order[0].open else None
    if first is not None:
        law = to_device.iv_part(first.name, {k: v.value for k, v in first.parameters.items()})
        if law is not None or first.name == "ohmic":  # of other laws the library has no part: it stays missing
            more["iv"] = law
            remarks["iv"] = f"the law {first.name!r} of the on state"
        if law is not None:
            scale = _small_signal(first, abs(states.v_read))
            remarks |= dict.fromkeys(
                ("g_min", "g_max"), "at small voltages, by the law of the current, so that the read current is the measured one"
            )
    for kind, (value, text) in switched.numbers(settings).items():
        more[kind], remarks[kind] = value, text
    scaled = {
        name: part._replace(centre=_times(clustered(x, states.devices, "S"), scale))
        for (name, part), x in zip(parts.items(), (states.on, states.off), strict=True)
    }
    scatter = "sweeps of one device" if states.devices is not None else "sweeps, which no label says the device of"
    pair = to_device.States(scaled["off"], scaled["on"], states.v_read)
    return to_device.two_states(proof, pair, more, remarks, scatter)


def _times(x: Estimate, factor: float) -> Estimate:
    return Estimate(x.value * factor, x.low * factor, x.high * factor, x.unit)


def _small_signal(first: Fitted, v: float) -> float:
    """Return the conductance at small voltages over that at ``v`` by the law that the device has, that of the on state."""
    b = first.parameters["b, on"].value
    return float(b * v / np.sinh(b * v)) if first.name == "sinh" else float(np.exp(-b * np.sqrt(v)))
