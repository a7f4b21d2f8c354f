"""Current-voltage sweeps: the two states, simple laws for each, on/off ratio, and the area of the loop.

ohmic            ``I = G V``
sinh             ``I = a sinh(b V)``
Poole-Frenkel    ``I = a V exp(b sqrt|V|)``
Schottky         ``I = a sign(V) (exp(b sqrt|V|) - 1)``
power            ``I = a V |V|^(m - 1)``, space-charge limited where m is 2

Each excursion of the voltage to one side has a way out and a way back; of the two, the one with more current is the on state.
Both are reduced to medians in voltage bins, and residuals count relative to ``|I| + 1 %`` of the branch's largest current.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...base.errors import FitError
from .. import Device
from ..reading.columns import Columns
from ..reading.spelling import argument
from . import to_device
from .figures import Panel, Series
from .report import Estimate, Fitted, Found, outcome, rank
from .solve import aicc, interval, least_squares

Array = np.ndarray
BINS = 40
FLOOR = 0.01  # of the largest current of a branch
ACCEPT = 0.15  # relative to the local current
HYSTERESIS = 1.05  # on over off, below which there are not two states


class Branch(NamedTuple):
    """The medians of one state at one polarity: V and A, both above 0 also on the negative side."""

    v: Array
    i: Array


class VoltageLoop(NamedTuple):
    """The two states of one sweep at one polarity."""

    on: Branch
    off: Branch


class IVLaw(NamedTuple):
    """A law of the current over the voltage, with its parameters and their limits."""

    name: str
    parameters: tuple[str, ...]
    units: tuple[str, ...]
    value: Callable[[Array, Array], Array]  # (ln a, b), V -> A / scale
    most: float  # of the second parameter


LAWS = (
    IVLaw("ohmic", ("G",), ("S",), lambda p, v: np.exp(p[0]) * v, 1.0),
    IVLaw("sinh", ("a", "b"), ("A", "1/V"), lambda p, v: np.exp(p[0]) * np.sinh(p[1] * v), 60.0),
    IVLaw("Poole-Frenkel", ("a", "b"), ("S", "1/V^0.5"), lambda p, v: np.exp(p[0]) * v * np.exp(p[1] * np.sqrt(v)), 60.0),
    IVLaw("Schottky", ("a", "b"), ("A", "1/V^0.5"), lambda p, v: np.exp(p[0]) * np.expm1(p[1] * np.sqrt(v)), 60.0),
    IVLaw("power", ("a", "m"), ("A/V^m", ""), lambda p, v: np.exp(p[0]) * v ** p[1], 20.0),
)


def fit_iv(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Split the sweeps into states, and fit each law to each state of each sweep."""
    voltage, current = _measured(columns, settings)
    sweeps: dict[str, dict[int, VoltageLoop]] = {}
    skipped = 0
    for label, index in columns.groups("sweep").items():
        if len(index) < 10:
            raise FitError(f"{source}: sweep {label}", "needs at least 10 points", got=str(len(index)))
        sides = {side: loop for side in (1, -1) if (loop := _loop(voltage[index], current[index], side)) is not None}
        if sides:
            sweeps[label] = sides
        else:
            skipped += 1
    if not sweeps:
        raise FitError(
            source, "no sweep goes out and back at one polarity", fix="Give the rows in the order in which they were measured."
        )
    side = _side(sweeps, settings)
    chosen = {label: loops[side] for label, loops in sweeps.items() if side in loops}
    v_read = settings.get("v_read") or side * _round(
        0.1 * float(np.median([min(lp.on.v.max(), lp.off.v.max()) for lp in chosen.values()]))
    )
    notes = [*columns.notes, *_notes(settings, v_read, side, skipped, len(chosen), len(sweeps))]
    loops = list(chosen.values())
    on, off = (np.array([_at(getattr(lp, s), abs(v_read)) for lp in loops]) for s in ("on", "off"))
    rng = np.random.default_rng(settings["seed"])
    fits = [(law, *_fit_law(law, loops)) for law in LAWS]
    order = rank([_fitted(law, theta, left, settings["replicates"], rng) for law, theta, left in fits])
    settings = settings | {"points": len(voltage), "sweeps": len(sweeps), "v_read": float(v_read)}
    summary = _summary(sweeps, on, off, v_read, rng, settings["replicates"])
    values = {"sweeps": list(chosen), "on": on, "off": off}
    values |= {law.name: {"names": list(law.parameters), "on, off": theta} for law, theta, _ in fits}
    panels = _panels(loops, {law.name: theta for law, theta, _ in fits}, order, side)
    proof = to_device.evidence(columns, source, sha256)
    made = outcome(lambda: _device(proof, order, summary["on/off, median"], on, off, float(v_read)))
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


def _loop(v: Array, i: Array, side: int) -> VoltageLoop | None:
    """Return the ways out and back of all excursions to one side, the one with more current first; None: one is missing."""
    u, j = side * v, side * i
    top = float(np.percentile(u, 99.5))
    if top <= 0.05 * float(np.abs(v).max()):
        return None
    ways: tuple[list[Array], list[Array]] = ([], [])
    edge = np.flatnonzero(np.diff(np.r_[False, u > 0.02 * top, False].astype(int)))
    for a, b in zip(edge[::2], edge[1::2], strict=True):
        if float(u[a:b].max()) < 0.5 * top or b - a < 3:
            continue
        peak = a + int(np.argmax(u[a:b]))
        ways[0].append(np.arange(a, peak + 1))
        ways[1].append(np.arange(peak, b))
    branches = [_binned(u, j, np.concatenate(way), top) for way in ways if way]
    made = [b for b in branches if len(b.v) >= 8]
    if len(made) < 2:
        return None
    shared = min(float(b.v.max()) for b in made)
    size = [float(np.mean(b.i[b.v <= shared])) for b in made]
    return VoltageLoop(made[int(size[1] > size[0])], made[int(size[1] <= size[0])])


def _binned(u: Array, j: Array, index: Array, top: float) -> Branch:
    """Return the medians in bins of equal width, where there are points."""
    x, y = u[index], j[index]
    which = np.clip((x / top * BINS).astype(int), 0, BINS - 1)
    some = [k for k in range(BINS) if (which == k).any()]
    return Branch(np.array([np.median(x[which == k]) for k in some]), np.array([np.median(y[which == k]) for k in some]))


def _at(branch: Branch, v: float) -> float:
    """Return the conductance (S) at a voltage, interpolated between medians and constant below the first."""
    return float(np.interp(v, branch.v, branch.i / branch.v))


def _side(sweeps: dict[str, dict[int, VoltageLoop]], settings: dict[str, Any]) -> int:
    """Return the polarity that is read: that of v_read, else the one with the larger ratio of the states."""
    if "v_read" in settings:
        side = 1 if settings["v_read"] > 0 else -1
        reach = max((float(lp[side].off.v.max()) for lp in sweeps.values() if side in lp), default=0.0)
        if abs(settings["v_read"]) > reach:
            raise FitError(
                "fit: v_read", f"must lie within the sweeps, up to {side * reach:.3g} V", got=f"{settings['v_read']:g} V"
            )
        return side
    size = {
        s: [float(np.log(lp[s].on.i.sum() / max(lp[s].off.i.sum(), 1e-300))) for lp in sweeps.values() if s in lp]
        for s in (1, -1)
    }
    return max((s for s in size if size[s]), key=lambda s: float(np.median(size[s])))


def _round(v: float) -> float:
    return round(v, 1 - math.floor(math.log10(v)))


def _weight(branch: Branch) -> Array:
    return np.asarray(np.abs(branch.i) + FLOOR * float(np.abs(branch.i).max()))


def _fit_law(law: IVLaw, loops: Sequence[VoltageLoop]) -> tuple[Array, Array]:
    """Fit a law to each state of each sweep; return parameters ``[sweep, on/off, parameter]`` and all relative residuals."""
    theta, left = np.empty((len(loops), 2, len(law.parameters))), []
    for s, loop in enumerate(loops):
        for k, branch in enumerate((loop.on, loop.off)):
            scale = float(np.abs(branch.i).max())
            weight = _weight(branch) / scale
            y = branch.i / scale
            low, high = np.array([-80.0, 1e-3][: theta.shape[2]]), np.array([20.0, law.most][: theta.shape[2]])
            starts = []
            for b in (1.0, 6.0)[: theta.shape[2]]:
                p = np.array([0.0, b][: theta.shape[2]])
                size = law.value(p, branch.v[-1:])[0]
                starts.append(np.r_[-math.log(size), p[1:]])

            def misses(p: Array, v: Array = branch.v, y: Array = y, weight: Array = weight) -> Array:
                return np.asarray((law.value(p, v) - y) / weight)

            p = least_squares(misses, starts, low, high).theta
            left.append((y - law.value(p, branch.v)) / weight)
            theta[s, k] = [math.exp(p[0]) * scale, *p[1:]]
    return theta, np.concatenate(left)


def _fitted(law: IVLaw, theta: Array, left: Array, replicates: int, rng: np.random.Generator) -> Fitted:
    """Return the law with medians over sweeps, and intervals from sweeps drawn again."""
    picks = rng.integers(0, len(theta), (replicates, len(theta)))
    made = {}
    for k, state in enumerate(("on", "off")):
        for i, (name, unit) in enumerate(zip(law.parameters, law.units, strict=True)):
            values = theta[:, k, i]
            span = interval(np.median(values[picks], axis=1)) if len(theta) >= 3 else (math.nan, math.nan)
            made[f"{name}, {state}"] = Estimate(float(np.median(values)), *span, unit)
    rms = float(np.sqrt(np.mean(left**2)))
    k = theta.size + 1
    text = (
        "fits"
        if rms <= ACCEPT
        else f"{law.name} misses the current by {rms:.0%} (rms); use a measured table, or a narrower range"
    )
    return Fitted(law.name, made, rms, aicc(float((left**2).sum()), len(left), k), k, text, rms <= ACCEPT)


def _area(loop: VoltageLoop) -> float:
    """Return the area (W) between the two states."""
    v = np.linspace(max(loop.on.v[0], loop.off.v[0]), min(loop.on.v[-1], loop.off.v[-1]), 200)
    gap = np.interp(v, loop.on.v, loop.on.i) - np.interp(v, loop.off.v, loop.off.i)
    return float(np.trapezoid(np.abs(gap), v))


def _summary(
    sweeps: dict[str, dict[int, VoltageLoop]], on: Array, off: Array, v_read: float, rng: np.random.Generator, replicates: int
) -> dict[str, Estimate]:
    picks = rng.integers(0, len(on), (replicates, len(on)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = on / off
    rows = {f"on at {v_read:g} V": (on, "S"), f"off at {v_read:g} V": (off, "S"), "on/off": (ratio, "")}
    areas = np.array([sum(_area(lp) for lp in loops.values()) for loops in sweeps.values()])
    made = {"sweeps": Estimate(float(len(sweeps)))}
    for name, (values, unit) in rows.items():
        span = interval(np.median(values[picks], axis=1)) if len(values) >= 3 else (math.nan, math.nan)
        made[f"{name}, median"] = Estimate(float(np.median(values)), *span, unit)
    return made | {"area of the loop, median": Estimate(float(np.median(areas)), unit="W")}


def _notes(settings: dict[str, Any], v_read: float, side: int, skipped: int, used: int, total: int) -> list[str]:
    word = "positive" if side > 0 else "negative"
    notes = [
        f"states are compared and laws fitted at the {word} side, as medians in {BINS} voltage bins; "
        f"{used} of {total} sweeps reach it",
    ]
    if "v_read" not in settings:
        notes.append(f"v_read was not given: {v_read:g} V, a tenth of the median sweep, at the side where the states differ more")
    if skipped:
        notes.append(f"{skipped} sweeps were left out: they do not go out and back at one polarity")
    notes.append("where a device switches on its way, the branch is no longer one state: laws hold below the switching voltage")
    notes.append("sweeps are cycles, or devices, or both: the file does not say which, so no spread goes into the device")
    return notes


def _panels(loops: Sequence[VoltageLoop], thetas: dict[str, Array], order: Sequence[Fitted], side: int) -> list[Panel]:
    """Plot data, models and residuals of the sweep with the median loop."""
    areas = np.array([_area(lp) for lp in loops])
    s = int(np.argsort(areas)[len(areas) // 2])
    data, left = [], []
    laws = {law.name: law for law in LAWS}
    for k, (state, branch) in enumerate((("on", loops[s].on), ("off", loops[s].off))):
        data.append(Series(side * branch.v, np.abs(branch.i) * 1e6, f"measured, {state}", "points", 5 * k))
        for i, f in enumerate(order[:3]):
            p = np.array([math.log(thetas[f.name][s, k, 0]), *thetas[f.name][s, k, 1:]])
            model = laws[f.name].value(p, branch.v)
            name = f.name if k == 0 else ""
            data.append(Series(side * branch.v, model * 1e6, name, "solid" if k == 0 else "dashed", i + 1))
            left.append(
                Series(side * branch.v, 100 * (branch.i - model) / _weight(branch), name, "solid" if k == 0 else "dashed", i + 1)
            )
    title = f"sweep with the median loop, of {len(loops)}; solid: on state, dashed: off state"
    return [
        Panel("voltage (V)", "|current| (uA)", tuple(data), title, log_y=True, height=1.2),
        Panel("voltage (V)", "residual\n(% of |I| + 1 % of its largest)", tuple(left), height=0.7),
    ]


def _device(proof: to_device.Evidence, order: Sequence[Fitted], ratio: Estimate, on: Array, off: Array, v_read: float) -> Device:
    """Return the device with the window at v_read, and the law of the on state where one fits that the library has."""
    high, low = float(np.median(on)), float(np.median(off))
    if not (low >= 0 and min(ratio.value, math.inf if math.isnan(ratio.low) else ratio.low) > HYSTERESIS):
        raise FitError(
            "fit: device",
            "needs two states that differ at v_read",
            got=f"on/off {ratio}",
            fix=f"Choose {argument('v_read')}.",
        )
    first = order[0]
    law = to_device.iv_part(first.name, {k: v.value for k, v in first.parameters.items()}) if first.fits else None
    measured = {"g_min": low, "g_max": high, "v_read": v_read} | ({"iv": law} if first.fits else {})
    return to_device.assembled(proof, measured)
