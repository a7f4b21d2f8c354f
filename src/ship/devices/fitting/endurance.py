"""Endurance: the conductance of the on and of the off state over the number of cycles.

States differ by factors, and so do their failures: all is counted in ln G. Of many rows, medians of windows of cycles are fitted,
so that single failures do not bend a trend; of few, residuals count by Huber's function. What fails is counted by itself
(``failures``). The scatter from write to write goes into the device as what a write leaves, the trend as `Wear`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...base.errors import FitError, ShipError
from .. import Device, TwoStateProgramming
from ..reading.columns import Columns
from . import endurance_figure, failures, to_device, trend, trend_noise, trend_parts, trend_result
from .components import components
from .report import Estimate, Fitted, Found, best, outcome, rank

Array = np.ndarray
MANY = 400  # rows of a state from which on medians of windows are fitted
WINDOWS = 100  # the number of such windows
FACTS = 100  # rows whose median stands for the begin and the end
LEAST = 4  # different cycles
RELEVANT = 0.05  # change in a decade of cycles up to which a state does not wear
STATES = ("on", "off")


class Cycled(NamedTuple):
    """One device: the cycles and conductances (S) of its rows in the on and in the off state, and those of rows with both."""

    on: tuple[Array, Array]
    off: tuple[Array, Array]
    cycle: Array
    pairs: tuple[Array, Array]


def fit_endurance(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Fit each law to the on and the off state over cycles, and count what fails."""
    notes = list(columns.notes)
    cycled = _devices(columns, source, notes)
    curves: dict[str, tuple[Array, Array]] = {}
    for name, device in cycled.items():
        for state, rows in zip(STATES, (device.on, device.off), strict=True):
            curves[state if len(cycled) == 1 else f"{state}, {name}"] = windows(*rows)
    noise = trend_noise.noise_of(list(curves.values()), apart=True)
    fits = {law.name: trend.fit_law(law, curves, noise, robust=True) for law in trend.laws("S", "cycles")}
    few = len(cycled) <= 4
    size = _scatter(cycled)
    order = rank([_fitted(fit, list(curves), noise, few, size) for fit in fits.values()])
    summary, by_decade = _summary(cycled)
    found = failures.count({name: (d.cycle, *d.pairs) for name, d in cycled.items()})
    summary |= found.summary
    changes = [trend_result.change_a_decade(fits["power"].part(range(k, len(curves), 2))) for k in (0, 1)]
    for state, change in zip(STATES, changes, strict=True):
        summary[f"{state}, change a decade"] = change
        notes.append(trend_result.trend_in_words(change, f"{state} state", RELEVANT))
    summary |= _slowing(columns, notes)
    if "device" not in columns:
        notes.append("no labels of devices: all rows are taken as cycles of one device")
    notes += found.notes
    notes.append(_method(cycled, noise))
    measured, remarks = _measured(cycled, order, fits, found, changes, notes)
    to_device.add_read_voltage(columns, settings, measured, remarks)
    proof = to_device.evidence(columns, source, sha256)
    made = outcome(lambda: _device(proof, source, order, measured, remarks, len(cycled)))
    values: dict[str, Any] = {n: {"names": list(f.law.parameters), "on, off": f.theta} for n, f in fits.items()}
    values |= {"by decade": by_decade, "failures": found.table}
    settings = settings | {"points": len(columns.rows), "devices": len(cycled), "intervals": trend.INTERVALS}
    panels = endurance_figure.panels([(d.on, d.off, d.cycle, d.pairs) for d in cycled.values()], curves, fits, order[0].name)
    scale = "rms of ln G"
    return Found("endurance", source, sha256, order, scale, summary, notes, panels, settings, values, made, measured, remarks)


def windows(cycle: Array, g: Array) -> tuple[Array, Array]:
    """Return cycles and conductances of a state: of many rows the medians of windows of as many rows each."""
    if len(g) < MANY:
        return cycle, g
    size = len(g) // WINDOWS
    k = len(g) // size
    x, y = (v[: k * size].reshape(k, size) for v in (cycle, np.log(g)))
    return np.median(x, axis=1), np.exp(np.median(y, axis=1))


def _devices(columns: Columns, source: str, notes: list[str]) -> dict[str, Cycled]:
    x = np.asarray(columns["cycle"], dtype=float)
    if bool((x <= 0).any()):
        raise FitError(f"{source}: cycle", "must be above 0", got=f"{x.min():g}", fix="Count cycles from 1.")
    rows = _by_state(columns, source, notes)
    names = columns.groups("device")
    made = {}
    for name, index in names.items():
        mine = np.zeros(len(x), dtype=bool)
        mine[index] = True
        states = []
        for state in STATES:
            where, g = rows[state]
            keep = mine[where] & (g > 0)
            if dropped := int((mine[where] & ~(g > 0)).sum()):
                notes.append(f"{state}: {dropped} rows with a conductance of 0 S or below were left out")
            order = np.argsort(x[where][keep], kind="stable")
            states.append((x[where][keep][order], g[keep][order]))
            if len(np.unique(states[-1][0])) < LEAST:
                what = f"{source}: {state}{f', device {name}' if name else ''}"
                count = len(np.unique(states[-1][0]))
                raise FitError(what, f"needs conductances above 0 S at {LEAST} or more different cycles", got=str(count))
        made[name] = _paired(*states)
        if float(np.median(states[0][1])) <= float(np.median(states[1][1])):
            raise FitError(source, "the on state must conduct more than the off state", fix="Swap the columns on and off.")
    return made


def _by_state(columns: Columns, source: str, notes: list[str]) -> dict[str, tuple[Array, Array]]:
    """Return the rows of each state and their conductances; of two labels, the state that conducts more is on."""
    if "state" not in columns:
        every = np.arange(len(columns.rows))
        return {state: (every, np.asarray(columns[state], dtype=float)) for state in STATES}
    g = np.asarray(columns["conductance"], dtype=float)
    groups = columns.groups("state")
    if len(groups) != 2:
        raise FitError(f"{source}: state", "needs two labels, one for each state", got=", ".join(map(repr, list(groups)[:6])))
    on, off = sorted(groups, key=lambda label: -float(np.median(g[groups[label]])))
    notes.append(f"of both states, {on!r} conducts more: it is the on state")
    return {"on": (groups[on], g[groups[on]]), "off": (groups[off], g[groups[off]])}


def _paired(on: tuple[Array, Array], off: tuple[Array, Array]) -> Cycled:
    """Put the reads of both states at one cycle together; of several, the k-th with the k-th."""
    places: dict[float, list[int]] = {}
    for i, x in enumerate(off[0].tolist()):
        places.setdefault(x, []).append(i)
    both = [(i, places[x].pop(0)) for i, x in enumerate(on[0].tolist()) if places.get(x)]
    a, b = (np.array([pair[k] for pair in both], dtype=int) for k in (0, 1))
    return Cycled(on, off, on[0][a], (on[1][a], off[1][b]))


def _scatter(cycled: dict[str, Cycled]) -> float:
    """Return the scatter of ln G from write to write, of both states together, by neighbouring rows."""
    steps = [np.diff(np.log(device[k][1])) for device in cycled.values() for k in (0, 1)]
    return math.sqrt(float(np.mean(np.concatenate(steps) ** 2)) / 2)


def _fitted(fit: trend.TrendFit, names: list[str], noise: trend_noise.TrendNoise, few: bool, size: float) -> Fitted:
    """Return a law for the ranking: parameters of each state, of many devices their mean and spread."""
    whole = trend_result.fitted(fit, names, noise, scatter=size, each=few)
    if few:
        return whole
    parameters: dict[str, Estimate] = {}
    open_: list[str] = []
    for k, state in enumerate(STATES):
        index = list(range(k, len(names), 2))
        labels = trend_result.Labels(*([names[i] for i in index],) * 3)
        own = trend_result.fitted(fit.part(index), [names[i] for i in index], noise, labels, scatter=size)
        parameters |= {f"{state}: {name}": value for name, value in own.parameters.items()}
        open_ += [f"{state}: {name}" for name in own.open]
    return Fitted(
        whole.name, parameters, whole.residual, whole.criterion, whole.n_parameters, whole.verdict, whole.fits, tuple(open_)
    )


def _summary(cycled: dict[str, Cycled]) -> tuple[dict[str, Estimate], list[dict[str, float]]]:
    made = {"cycles": Estimate(max(float(d.cycle.max()) if len(d.cycle) else 0.0 for d in cycled.values()))}
    if len(cycled) > 1:
        made["devices"] = Estimate(float(len(cycled)))
    x = np.concatenate([d.cycle for d in cycled.values()])
    on, off = (np.concatenate([d.pairs[k] for d in cycled.values()]) for k in (0, 1))
    for k, state in enumerate(STATES):
        g = np.concatenate([d[k][1] for d in cycled.values()])
        ends = _ends(g, len(cycled))
        made[f"{state}, median"] = Estimate(float(np.median(g)), *ends, "S")
        made[f"{state}, median resistance"] = Estimate(float(np.median(1 / g)), 1 / ends[1], 1 / ends[0], "ohm")
        size = min(FACTS, min(len(d[k][1]) for d in cycled.values()) // 4)
        if size >= trend_result.LEAST:
            for text, rows in (("first", slice(None, size)), ("last", slice(-size, None))):
                part = np.concatenate([d[k][1][rows] for d in cycled.values()])
                made[f"{state}, {text} {size} rows"] = Estimate(float(np.median(part)), *_ends(part, len(cycled)), "S")
    if len(x):
        ratio = on / off
        made["on/off, median"] = Estimate(float(np.median(ratio)), *_ends(ratio, len(cycled)))
        made["on/off of the medians"] = Estimate(made["on, median"].value / made["off, median"].value)
        size = max(min(FACTS, len(ratio) // 4), 1) if len(cycled) == 1 else 1
        order = np.argsort(x, kind="stable")
        text = f" {size} rows" if size > 1 else ""
        made[f"on/off, first{text}"] = Estimate(float(np.median(ratio[order[:size]])))
        made[f"on/off, last{text}"] = Estimate(float(np.median(ratio[order[-size:]])))
    return made, _by_decade(x, on, off)


def _ends(rows: Array, devices: int) -> tuple[float, float]:
    """Return the interval of the median of rows; those of one device are worth fewer where successive ones are alike."""
    return trend_result.median_ends(rows, trend_noise.alike(np.log(rows)) if devices == 1 else 1.0)


def _by_decade(x: Array, on: Array, off: Array) -> list[dict[str, float]]:
    """Return medians of both states and of their ratio for each decade of cycles, with the interval of the ratio."""
    table = []
    decade = np.floor(np.log10(x) + 1e-9) if len(x) else x
    for d in np.unique(decade):
        here = decade == d
        ratio = on[here] / off[here]
        low, high = trend_result.median_ends(ratio)
        row = {"from": 10.0**d, "to": 10.0 ** (d + 1), "rows": float(here.sum())}
        row |= {"on": float(np.median(on[here])), "off": float(np.median(off[here]))}
        table.append(row | {"on/off": float(np.median(ratio)), "on/off, low": low, "on/off, high": high})
    return table


def _slowing(columns: Columns, notes: list[str]) -> dict[str, Estimate]:
    """Return how the number of pulses that switching takes changes with the cycles, where it was measured."""
    if "pulses" not in columns:
        return {}
    x, y = np.asarray(columns["cycle"], dtype=float), np.asarray(columns["pulses"], dtype=float)
    good = y > 0
    if len(np.unique(x[good])) < LEAST:
        notes.append("pulses to switch: too few cycles for a trend")
        return {}
    order = np.argsort(x[good], kind="stable")
    curves = {"pulses": windows(x[good][order], y[good][order])}
    noise = trend_noise.noise_of(list(curves.values()), apart=True)
    law = next(law for law in trend.laws("", "cycles") if law.name == "power")
    change = trend_result.change_a_decade(trend.fit_law(law, curves, noise, robust=True))
    notes.append(trend_result.trend_in_words(change, "pulses to switch"))
    return {"pulses to switch, median": Estimate(float(np.median(y[good]))), "pulses to switch, change a decade": change}


def _method(cycled: dict[str, Cycled], noise: trend_noise.TrendNoise) -> str:
    longest = max(len(d.on[1]) for d in cycled.values())
    text = (
        f"laws are fitted to medians of windows of {longest // WINDOWS} rows" if longest >= MANY else "laws are fitted robustly"
    )
    return f"{text}, in ln G; intervals: Student's t{', slow scatter (1/f) taken into account' if noise.allan > 0 else ''}"


def _measured(
    cycled: dict[str, Cycled],
    order: tuple[Fitted, ...],
    fits: dict[str, trend.TrendFit],
    found: failures.Failures,
    changes: list[Estimate],
    notes: list[str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return window, scatter and wear of the device, with what a reader should know of them."""
    wears = any(not c.low <= 0 <= c.high and max(abs(c.low), abs(c.high)) > RELEVANT for c in changes)
    chosen = next((f for f in order if f.fits and f.name in ("logarithmic", "power")), None)
    law = "constant" if chosen is None or not wears else chosen.name
    fit = fits[law]
    middle = [np.median(np.log([m[0] for m in fit.model[k::2]])) for k in (0, 1)]
    on, off = (math.exp(v) for v in middle)
    first = fit.x0
    scatter, remarks = {}, {"g_min": "the off state of the first window of cycles", "g_max": "the on state there"}
    for k, state in enumerate(STATES):
        residual = [_residual(d, k, fit, 2 * i + k) for i, d in enumerate(cycled.values())]
        names = np.repeat(list(cycled), [len(r) for r in residual])
        split = components(np.concatenate(residual), list(names) if len(cycled) > 1 else None)
        scatter[f"sigma_{state}"] = 0.0 if split.c2c is None else split.c2c.value
        levels = np.log([m[0] for m in fit.model[k::2]])
        own = float(fit.error[k::2, 0, 0].mean()) if fit.log else 0.0
        if (shift := components(levels, list(cycled), error=own).d2d) is not None and len(cycled) > 1:
            scatter[f"shift_{state}"] = trend_parts.varied(0.0, shift.value)
    measured: dict[str, Any] = {"g_min": off, "g_max": on, "programming": TwoStateProgramming(**scatter)}
    remarks["programming"] = "scatter of both states around their trend, without reads on the other side of the window"
    try:
        settings = trend_parts.wear(law, (on, _second(fit, 0)), (off, _second(fit, 1)), first)
        measured["endurance"] = trend_parts.endurance(settings | found.lifetime)
        remarks["endurance"] = f"the law {law!r} of both states" if settings else "no trend of use: the notes say within what"
    except ShipError as error:
        remarks["endurance"] = str(error)
        notes.append(f"no endurance part: {error}")
    return measured, remarks


def _second(fit: trend.TrendFit, state: int) -> float:
    return float(np.mean(fit.theta[state::2, 1])) if fit.theta.shape[1] > 1 else 0.0


def _residual(device: Cycled, state: int, fit: trend.TrendFit, curve: int) -> Array:
    """Return ln G of a state's rows around its law, without those on the other side of the window."""
    x, g = device[state]
    border = math.sqrt(float(np.median(device.on[1])) * float(np.median(device.off[1])))
    good = g > border if state == 0 else g < border
    return np.asarray(np.log(g[good]) - np.log(fit.at(curve, x[good])))


def _device(
    proof: to_device.Evidence, source: str, order: tuple[Fitted, ...], measured: dict[str, Any], remarks: dict[str, str], n: int
) -> Device:
    """Return the device with the window of the first cycles that wears by the best law."""
    best(source, order)
    spreads = {"c2c": "what a write leaves, of both states"}
    if n >= trend_result.LEAST:
        spreads["d2d"] = "both states"
    known = {name: text for name, text in remarks.items() if name in measured}
    return to_device.assembled(proof, measured, spreads=spreads, remarks=known)
