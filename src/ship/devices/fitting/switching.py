"""Switching statistics: distributions of switching voltages, currents and states, their trends, scatter and correlations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...base.errors import FitError
from .. import Device
from ..reading.columns import Columns
from ..reading.spelling import argument
from . import sentences, to_device
from .components import Components, components
from .distributions import FAMILIES, WITHIN, Law, Sample, fit_family, limit_of
from .figures import Panel, Series
from .report import DECISIVE, Estimate, Fitted, Found, outcome
from .switching_voltages import censored_median, median

Array = np.ndarray
LEAST = 8  # values, for a distribution
NAMES = ("v_set", "v_reset", "v_forming", "i_on", "i_off", "on", "off")
UNITS = {"v": "V", "i": "A", "o": "S"}
PILE = 3  # equal largest values from which on they may be cut off
BLOCKS = 50  # medians of successive values, for a trend
STEADY = 10.0  # % of the median: a change that matters
FAR = 3.5  # robust standard deviations: what lies beyond is an outlier
APART = 2.0  # sums of the widths of two populations: from there on they are two
MINOR = 0.1  # share from which on a second population is no set of outliers


class Quantity(NamedTuple):
    """The values of a quantity: magnitudes with their sign apart, and which were cut off."""

    name: str
    sign: int
    sample: Sample

    @property
    def unit(self) -> str:
        """Its unit."""
        return UNITS[self.name[0]]

    @property
    def wide(self) -> bool:
        """Whether the values are above 0 and span more than a factor of 10, or are currents or conductances above 0."""
        x = self.sample.x
        return self.sample.positive and (self.name[0] != "v" or float(x.max()) > 10 * float(x.min()))


def fit_statistics(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Fit distributions to each quantity, and report medians, trends, scatter and correlations."""
    names = [name for name in NAMES if name in columns]
    notes = list(columns.notes)
    data = {name: _quantity(source, name, np.asarray(columns[name], dtype=float), notes) for name in names}
    devices = list(columns["device"]) if "device" in columns else None
    summary = {"sweeps": Estimate(float(len(columns.rows)))}
    if devices is not None:
        summary["devices"] = Estimate(float(len(set(devices))))
    ranking: list[Fitted] = []
    laws: dict[str, list[Law]] = {}
    scatter: dict[str, Components] = {}
    for name, quantity in data.items():
        laws[name] = [law for family in FAMILIES if (law := fit_family(family, quantity.sample, quantity.unit)) is not None]
        ranking += _ranked(quantity, laws[name])
        summary |= _facts(quantity, devices)
        scatter[name] = _scatter(quantity, devices, settings)
        log = "ln " if scatter[name].log else ""
        for kind, part in (("d2d", scatter[name].d2d), ("c2c", scatter[name].c2c)):
            if part is not None:
                summary[f"{log}{name}, {kind}"] = part
        notes += _remarks(quantity, devices)
    summary |= _ratio(data)
    if _one_sign(data):
        notes.append(
            "v_set and v_reset have one sign: magnitudes, or a unipolar device, which the file does not tell; a device counts "
            "voltages of the direction down as below 0 V"
        )
    values: dict[str, Any] = {"names": names}
    if len(names) > 1:
        values["rank correlation"], rows = _correlations(data)
        summary |= rows
    notes += _general(devices, columns)
    settings = settings | {"points": len(columns.rows), "devices": len(set(devices)) if devices is not None else 0}
    panels = [_panel(q, laws[n], ranking) for n, q in data.items()]
    proof = to_device.evidence(columns, source, sha256)
    made = outcome(lambda: _device(proof, data, laws, scatter, summary, settings))
    distance = "Kolmogorov-Smirnov distance"
    return Found("statistics", source, sha256, tuple(ranking), distance, summary, notes, panels, settings, values, made)


def _quantity(source: str, name: str, x: Array, notes: list[str]) -> Quantity:
    """Return a quantity as magnitudes, with the values that pile up at its largest one as cut off."""
    if len(x) < LEAST:
        raise FitError(
            f"{source}: {name}",
            f"needs at least {LEAST} values for a distribution",
            got=str(len(x)),
            fix=f"Measure more sweeps, or leave this column out of {argument('columns')}.",
        )
    if float(np.ptp(x)) == 0:
        raise FitError(f"{source}: {name}", "must vary", got=f"a constant {x[0]:g}")
    sign = 1 if float(np.median(x)) > 0 else -1
    cut = piled(sign * x)
    if cut.any():
        notes.append(
            f"{name}: {int(cut.sum())} values at its largest, {sign * float((sign * x).max()):.4g} {UNITS[name[0]]}, count as "
            "cut off there (the end of a sweep, or a compliance): they are at least that"
        )
    notes += _low(name, sign, x)
    return Quantity(name, sign, Sample(sign * x, cut))


def _low(name: str, sign: int, x: Array) -> list[str]:
    """Say that values pile up at the smallest one: they may be less, and are taken as they are."""
    low = piled(-sign * x)
    if not low.any():
        return []
    text = f"{name}: {int(low.sum())} of {len(x)} values are at its smallest, {sign * float((sign * x).min()):.4g} "
    text += f"{UNITS[name[0]]}: they may be cut off there (the start of a sweep, or the floor of a meter), and be less; "
    if low.mean() >= 0.5:
        return [text + "the median is at most that"]
    return [text + "the median does not change by that, distributions and scatter do"]


def piled(x: Array) -> Array:
    """Return which values pile up at the largest one: three or more, and more than twice as many as share a value below it."""
    top = float(x.max())
    at_top = x >= top - 1e-4 * abs(top)
    if int(at_top.sum()) < PILE or at_top.all():
        return np.zeros(len(x), dtype=bool)
    below = np.sort(x[~at_top])[::-1]
    _, counts = np.unique(below[: max(int(0.2 * len(x)), 10)], return_counts=True)
    return at_top if int(at_top.sum()) > 2 * float(np.median(counts)) else np.zeros(len(x), dtype=bool)


def _ranked(quantity: Quantity, laws: Sequence[Law]) -> list[Fitted]:
    """Return the distributions of a quantity in order, with verdicts by how far they are from the data.

    A distribution within 0.05 of the data fits, whatever others are likelier. Of fewer values, one that fits only because so few
    tell little does not where another is likelier by more than 10 in AICc. The likeliest is the first among those with the fewest
    parameters that no other beats by more than 10.
    """
    n = len(quantity.sample.x)
    criteria = {law.family.name: _criterion(law, n) for law in laws}
    close = [law for law in laws if criteria[law.family.name] <= min(criteria.values()) + DECISIVE]
    best = min(close, key=lambda law: (law.family.n_parameters, criteria[law.family.name])).family.name
    made = []
    for law in laws:
        gap = criteria[law.family.name] - criteria[best]
        limit = limit_of(n)
        fits = law.distance <= limit and (law.distance <= WITHIN or gap <= DECISIVE)
        if law.distance <= WITHIN:
            text = f"fits within {law.distance:.1%}"
        elif fits:
            text = f"possible: {n} values do not tell a distance of {law.distance:.1%} from chance"
        else:
            text = f"{quantity.name} is no {law.family.name} sample: it misses by {law.distance:.0%}"
            if law.distance > limit and law.family.n_parameters == 2:
                text += " (several populations, or a drift, or another shape)"
        if gap > DECISIVE:
            text += f"; {best!r} is likelier ({sentences.gap(gap)})"
        parameters = {k: _with_sign(v, quantity, k) for k, v in law.parameters.items()}
        open_names = tuple(k for k, v in parameters.items() if not (math.isfinite(v.low) and math.isfinite(v.high)))
        name = f"{quantity.name}: {law.family.name}"
        made.append(Fitted(name, parameters, law.distance, gap, law.family.n_parameters, text, fits, open_names))
    return sorted(made, key=lambda f: (not f.fits, f.name != f"{quantity.name}: {best}", f.criterion))


def _criterion(law: Law, n: int) -> float:
    k = law.family.n_parameters
    return 2 * k - 2 * law.likelihood + 2 * k * (k + 1) / max(n - k - 1, 1)


def _with_sign(x: Estimate, quantity: Quantity, name: str) -> Estimate:
    if quantity.sign > 0 or not name.startswith(("mean", "median", "scale")):
        return x
    return Estimate(-x.value, -x.high, -x.low, x.unit)


def _facts(quantity: Quantity, devices: list[str] | None) -> dict[str, Estimate]:
    """Return the median, the range, what was cut off, and the change over the sweeps."""
    name, (x, cut) = quantity.name, quantity.sample
    middle = censored_median(x, cut, quantity.unit)
    made: dict[str, Estimate] = {}
    if math.isinf(middle.value):
        made[f"{name}, median beyond"] = Estimate(quantity.sign * float(x[cut].min()), unit=quantity.unit)
    else:
        made[f"{name}, median"] = _with_sign(middle, quantity, "median")
    low, high = np.percentile(x, [5, 95])
    made[f"{name}, 5 %"] = Estimate(quantity.sign * float(low), unit=quantity.unit)
    made[f"{name}, 95 %"] = Estimate(quantity.sign * float(high), unit=quantity.unit)
    if cut.any():
        made[f"{name}, cut off"] = Estimate(float(cut.sum()))
    if devices is None or len(set(devices)) == 1:
        made[f"{name}, change over the sweeps"] = change(x, quantity.wide)
    return made


def change(x: Array, log: bool) -> Estimate:
    """Return the change (%) from the first to the last value, of the median, or of the first where ``log``; with its interval.

    It is the median of the slopes between all pairs of up to 50 medians of successive values: medians of blocks, so that values
    that follow their neighbours for a while do not make the interval too narrow.

    Source: Sen, J. Am. Stat. Assoc. 63, 1379 (1968).
    """
    from scipy.stats import theilslopes

    blocks = np.array([np.median(part) for part in np.array_split(np.log(x) if log else x, min(len(x), BLOCKS))])
    found = theilslopes(blocks, np.linspace(0, 1, len(blocks)))
    if log:
        value, low, high = (100 * math.expm1(float(s)) for s in (found.slope, found.low_slope, found.high_slope))
        return Estimate(value, low, high, "%")
    size = 100 / float(np.median(np.abs(x)))
    return Estimate(float(found.slope) * size, float(found.low_slope) * size, float(found.high_slope) * size, "%")


def _scatter(quantity: Quantity, devices: list[str] | None, settings: dict[str, Any]) -> Components:
    """Return d2d and c2c of the values that were not cut off, in ln x for currents and states; outliers do not count."""
    free = ~quantity.sample.cut
    labels = None if devices is None else [d for d, f in zip(devices, free, strict=True) if f]
    more = {"unit": quantity.unit, "seed": settings["seed"], "replicates": settings["replicates"]}
    return components(quantity.sample.x[free], labels, log=quantity.wide, robust=True, **more)


def _remarks(quantity: Quantity, devices: list[str] | None) -> list[str]:
    """Return what to know of a quantity: outliers, and whether it has a trend."""
    x = quantity.sample.x
    y = np.log(x) if quantity.wide else x
    spread = 1.4826 * float(np.median(np.abs(y - np.median(y))))
    far = np.abs(y - np.median(y)) > FAR * spread
    notes = []
    if far.any():
        notes.append(
            f"{quantity.name}: {int(far.sum())} of {len(x)} values lie more than {FAR:g} robust standard deviations from the "
            f"median{' of ln' if quantity.wide else ''}; they are kept in medians and distributions, and left "
            "out of the scatter where they are beyond 5"
        )
    if devices is None or len(set(devices)) == 1:
        found = change(x, quantity.wide)
        if max(abs(found.low), abs(found.high)) <= STEADY:
            notes.append(f"{quantity.name}: no trend over the sweeps within {STEADY:g} %")
        elif found.low > 0 or found.high < 0:
            notes.append(f"{quantity.name}: it changes by {found.value:.0f} % over the sweeps: the scatter has this trend in it")
    return notes


def _ratio(data: Mapping[str, Quantity]) -> dict[str, Estimate]:
    for on, off in (("on", "off"), ("i_on", "i_off")):
        if on in data and off in data:
            a, b = data[on].sample.x, data[off].sample.x
            good = (b > 0) & (a > 0)
            if good.sum() >= LEAST:
                ratio = a[good] / b[good]
                ends = np.percentile(ratio, [5, 95])
                return {
                    "on/off, median": median(ratio),
                    "on/off, 5 %": Estimate(float(ends[0])),
                    "on/off, 95 %": Estimate(float(ends[1])),
                }
    return {}


def _correlations(data: Mapping[str, Quantity]) -> tuple[Array, dict[str, Estimate]]:
    """Return the rank correlations of magnitudes with signs, and rows with their intervals.

    The interval is that of Fisher's z with the variance ``(1 + r^2 / 2) / (n - 3)``.

    Source: Bonett & Wright, Psychometrika 65, 23 (2000).
    """
    from scipy.stats import spearmanr

    names = list(data)
    values = np.stack([q.sign * q.sample.x for q in data.values()], axis=1)
    found = np.asarray(spearmanr(values).statistic)
    matrix = found if found.ndim else np.array([[1.0, found], [found, 1.0]])  # of two columns it is one number
    rows = {}
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            r = float(np.clip(matrix[i, j], -1 + 1e-12, 1 - 1e-12))
            half = 1.959964 * math.sqrt((1 + r * r / 2) / (len(values) - 3))
            low, high = math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
            rows[f"rank correlation {a}, {names[j]}"] = Estimate(float(matrix[i, j]), low, high)
    return matrix, rows


def _general(devices: list[str] | None, columns: Columns) -> list[str]:
    notes = [
        f"a distribution fits where its Kolmogorov-Smirnov distance from the data is at most {WITHIN:.0%}, or with fewer values "
        f"at most what chance makes in 95 of 100 samples ({limit_of(len(columns.rows)):.1%} here)"
    ]
    if devices is None:
        notes.append(
            "no label says which rows are of one device: the scatter counts as that from cycle to cycle; where they are of "
            f"several, say {argument('columns', {'device': 'HEADER'})}"
        )
    elif len(set(devices)) < to_device.LEAST:
        notes.append(f"{len(set(devices))} device(s): the spread from device to device cannot be estimated")
    return notes


def _panel(quantity: Quantity, laws: Sequence[Law], ranking: Sequence[Fitted]) -> Panel:
    """Plot the cumulative distribution with the two distributions that rank first."""
    x, cut = quantity.sample
    free = np.sort(x[~cut])
    share = 100 * (np.arange(len(free)) + 0.5) / len(x)
    series = [Series(quantity.sign * free, share, f"{quantity.name}, measured", "points", 1)]
    first = [f.name.split(": ")[1] for f in ranking if f.name.startswith(f"{quantity.name}:")][:2]
    at = np.geomspace(free[0], free[-1], 200) if quantity.wide else np.linspace(free[0], free[-1], 200)
    for k, name in enumerate(first):
        law = next(law for law in laws if law.family.name == name)
        series.append(Series(quantity.sign * at, 100 * law.share_below(at), name, "solid" if k == 0 else "dashed", 2 + k))
    wide = quantity.wide and quantity.sign > 0
    return Panel(f"{quantity.name} ({quantity.unit})", "share of sweeps (%)", tuple(series), log_x=wide, height=0.8)


def _device(
    proof: to_device.Evidence,
    data: Mapping[str, Quantity],
    laws: Mapping[str, Sequence[Law]],
    scatter: Mapping[str, Components],
    summary: Mapping[str, Estimate],
    settings: dict[str, Any],
) -> Device:
    """Return the device with both states and their scatter, and the medians of the switching voltages."""
    pair = next(((on, off) for on, off in (("on", "off"), ("i_on", "i_off")) if on in data and off in data), None)
    if pair is None:
        raise FitError("fit: device", "needs the conductances (or resistances, or currents) on and off", got=", ".join(data))
    v_read = settings.get("v_read")
    if pair[0] == "i_on" and v_read is None:
        raise FitError(
            "fit: device",
            "needs the voltage at which i_on and i_off were read",
            fix=f"Say {argument('v_read')} (V); or give conductances on and off.",
        )
    for name in pair:
        _one_population(name, laws[name], len(data[name].sample.x))
    on, off = (censored_median(*data[name].sample, data[name].unit) for name in pair)
    if any(data[name].sign < 0 and name in ("on", "off") for name in pair):
        raise FitError("fit: device", "conductances must be above 0 S", got="negative medians")
    if not 0 < off.value < on.value < math.inf:
        raise FitError("fit: device", "the on state must conduct more than the off state", got=f"medians {on} and {off}")
    scale = 1.0 if pair[0] == "on" else 1 / abs(float(v_read or 1.0))
    parts = {}
    for state, name, middle in (("on", pair[0], on), ("off", pair[1], off)):
        parts[state] = scatter[name]._replace(centre=Estimate(middle.value * scale, middle.low * scale, middle.high * scale, "S"))
    more, remarks = _voltages(data, scatter, summary)
    for state, number in (("on", "g_max"), ("off", "g_min")):
        log = next(law for law in laws[pair[state == "off"]] if law.family.name == "log-normal")
        remarks[number] = f"median of the {state} state; a log-normal distribution misses it by {log.distance:.1%}"
    states = to_device.States(parts["off"], parts["on"], None if v_read is None else float(v_read))
    return to_device.two_states(proof, states, more, remarks, "sweeps")


def _one_population(name: str, laws: Sequence[Law], n: int) -> None:
    """Refuse a state that is two populations of which neither is a set of outliers.

    Raises:
        FitError: it is.
    """
    found = {law.family.name: law for law in laws}
    if "log-normal" not in found:
        raise FitError("fit: device", f"{name} must be above 0 in all sweeps", fix=f"Leave others out with {argument('only')}.")
    two, one = found.get("two log-normal"), found["log-normal"]
    if two is None or _criterion(one, n) - _criterion(two, n) <= DECISIVE:
        return
    a, wa, b, wb, w = two.theta
    share = 1 / (1 + math.exp(-w))
    if abs(b - a) > APART * (math.exp(wa) + math.exp(wb)) and MINOR <= share <= 1 - MINOR:
        raise FitError(
            "fit: device",
            f"{name} is several populations",
            got=f"{100 * share:.0f} % around {math.exp(a):.3g} and {100 - 100 * share:.0f} % around {math.exp(b):.3g}",
            fix=f"Select one population with {argument('only')}, or one state of the device.",
        )


def _voltages(
    data: Mapping[str, Quantity], scatter: Mapping[str, Components], summary: Mapping[str, Estimate]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the switching voltages of the device: medians, with their spread over devices."""
    made: dict[str, Any] = {}
    told: dict[str, str] = {}
    for name in ("v_set", "v_reset"):
        if name not in data or f"{name}, median" not in summary:
            continue
        spread = scatter[name].d2d
        size = spread.value if spread is not None and not scatter[name].log else 0.0
        made[name], sign = to_device.switching_voltage(name, summary[f"{name}, median"].value, size)
        told[name] = "; ".join(filter(None, ("median of sweeps at their rate, not of pulses", sign)))
    if _one_sign(data):
        told["v_reset"] += "; v_set and v_reset have one sign in the file: magnitudes, or a unipolar device"
    return made, told


def _one_sign(data: Mapping[str, Quantity]) -> bool:
    return "v_set" in data and "v_reset" in data and data["v_set"].sign == data["v_reset"].sign
