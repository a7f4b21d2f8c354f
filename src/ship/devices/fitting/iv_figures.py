"""The figure of sweeps: both ways (bands where there are many), the best laws, residuals, switching voltages, states by sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .figures import Panel, Series
from .iv_laws import Branch, LawFit, weight_of
from .loops import Excursion
from .read_states import NAMES, ReadStates, Switches
from .report import Fitted

Array = np.ndarray
LIMIT = 6  # sweeps up to which each is drawn; beyond, their band
POINTS = 60  # voltages of a band
SIZES = ((1.0, ""), (1e3, "m"), (1e6, "u"), (1e9, "n"), (1e12, "p"))


def scaled(x: Array, unit: str) -> tuple[float, str]:
    """Return a factor and a unit in which the larger of the values are 1 to 1000."""
    top = float(np.percentile(np.abs(x), 98)) if len(x) else 1.0
    factor, prefix = next(((f, p) for f, p in SIZES if top * f >= 1), SIZES[-1])
    return factor, f"{prefix}{unit}"


def panels(
    states: ReadStates,
    switched: Switches,
    voltage: Array,
    current: Array,
    fits: Mapping[str, Mapping[str, LawFit]],
    branches: Mapping[str, Sequence[Branch]],
    order: Sequence[Fitted],
) -> list[Panel]:
    """Return the panels of a fit of sweeps."""
    size, unit = scaled(current, "A")
    series = _loops(states, switched.excursions, voltage, np.abs(current) * size)
    left = []
    if order and branches["on"]:
        k = _typical(branches)
        for i, f in enumerate(order[:3]):
            for state, style in (("on", "solid"), ("off", "dashed")):
                branch = branches[state][k]
                model = fits[f.name][state].model(k, branch.v)
                name = f.name if state == "on" else ""
                if i == 0:  # down to the smallest current that was measured
                    seen = model >= float(np.abs(branch.i).min())
                    series.append(Series(states.side * branch.v[seen], model[seen] * size, name, style, 2))
                left.append(Series(states.side * branch.v, 100 * (branch.i - model) / weight_of(branch), name, style, i + 2))
    title = (
        f"{len(states.on)} sweeps; the best-ranked law, solid: on state, dashed: off state"
        if order
        else f"{len(states.on)} sweeps"
    )
    made = [Panel("voltage (V)", f"|current| ({unit})", tuple(series), title, log_y=True, height=1.2)]
    if left:
        made.append(Panel("voltage (V)", "residual\n(% of |I| + 1 %\nof its largest)", tuple(left), height=0.6))
    made += [panel for panel in (_voltages(switched), _states(states)) if panel is not None]
    return made


def _typical(branches: Mapping[str, Sequence[Branch]]) -> int:
    """Return the sweep whose ratio of both mean conductances is the median."""
    size = [
        float(np.log(max(np.median(on.i / on.v), 1e-300)) - np.log(max(np.median(off.i / off.v), 1e-300)))
        for on, off in zip(branches["on"], branches["off"], strict=True)
    ]
    return int(np.argsort(size)[len(size) // 2])


def _loops(states: ReadStates, whole: Sequence[Excursion], voltage: Array, size: Array) -> list[Series]:
    """Plot each way of few sweeps, or medians and bands of many; zero has no place on a logarithmic axis."""
    series = []
    for side in (1, -1):
        here = [e for e in whole if e.side == side]
        for name, colour in (("out", 1), ("back", 3)):
            label = f"way {name}" if side == states.side else ""
            ways = [e.out if name == "out" else e.back for e in here]
            if len(here) <= LIMIT:
                for n, way in enumerate(ways):
                    good = way[size[way] > 0]
                    series.append(Series(voltage[good], size[good], label if n == 0 else "", "points", colour))
                continue
            top = float(np.median([np.abs(voltage[way]).max() for way in ways]))
            at = np.linspace(0.02, 1.0, POINTS) * top
            curves = np.full((len(ways), POINTS), np.nan)
            for n, way in enumerate(ways):
                u = side * voltage[way]
                order = np.argsort(u, kind="stable")
                curves[n] = np.interp(at, u[order], size[way][order], left=np.nan, right=np.nan)
            curves[~(curves > 0)] = np.nan
            some = np.flatnonzero(np.isfinite(curves).sum(0) >= 0.5 * len(ways))
            low, middle, high = np.nanpercentile(curves[:, some], [5, 50, 95], axis=0)
            series.append(Series(side * at[some], low, f"{label}, 5 to 95 %" if label else "", "band", colour, high))
            series.append(Series(side * at[some], middle, f"{label}, median" if label else "", "solid", colour))
    return series


def _voltages(switched: Switches) -> Panel | None:
    """Plot the cumulative distribution of both switching voltages; values beyond the sweep keep the line below 1."""
    series = []
    for colour, (kind, name) in enumerate(NAMES.items(), 1):
        voltages, cut, side, _ = switched.of(kind)
        if int((~cut).sum()) < 5:
            continue
        x = np.sort(voltages[~cut])
        series.append(Series((side or 1) * x, 100 * (np.arange(len(x)) + 0.5) / len(voltages), name, "points", 2 * colour))
    return Panel("switching voltage (V)", "share of sweeps\nat most this size (%)", tuple(series), height=0.7) if series else None


def _states(states: ReadStates) -> Panel | None:
    """Plot both states over the sweeps in order."""
    if len(states.on) < 3:
        return None
    size, unit = scaled(states.on, "S")
    k = np.arange(1, len(states.on) + 1)
    series = (Series(k, states.on * size, "on", "points", 3), Series(k, states.off * size, "off", "points", 1))
    return Panel("sweep, in order", f"conductance ({unit})\nat {states.v_read:g} V", series, log_y=True, height=0.8)
