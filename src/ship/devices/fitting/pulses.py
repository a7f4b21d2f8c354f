"""Potentiation and depression by pulses: hard, soft and power bounds, the exponential law, and a free monotone table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..reading.columns import Columns
from . import pulse_report, to_device, wear_of_update
from .curve_fit import CurveFit, around, fit_curve, is_tied
from .pooled import LEAST, Pooled, pooled
from .pulse_curves import CURVES, LOG_CURVES, nonlinearity
from .pulse_device import UNIT, Fits, additive, device_of, in_si, values_of
from .pulse_noise import Noise, Scale
from .pulse_problem import Problem, Scaled, context
from .pulse_table import fit_table
from .pulse_verdict import verdict
from .report import Estimate, Fitted, Found, outcome, rank
from .scatter import noise_of
from .solve import interval
from .trains import PulseTrain, gather, pulsed_only, written

Array = np.ndarray
DECADES = 30.0  # on/off from which on the data may live in ln G
BLURRED = 0.3  # noise at the lower end of the window, of the conductance there, up to which ln G is defined
DRAWS = 600  # of the parameters of each of few devices, at least: they cost little
# Powers, steps and ends of the window make up for one another, so that the likelihood of one device is far from a normal one;
# weighed draws follow it, but rest on the scatter and on a limit (g_min >= 0) that the same few reads give.
NARROW = (
    "intervals of the power law are somewhat narrow: of 136 simulated devices of 100 pulses each way the intervals of 95 % held "
    "the truth in 91 %, those of alpha_d and gamma_d in 87 to 90 %"
)
ROUNDS = 3  # of scatter and laws, one after the other, at most
CHANGED = 0.1  # of the scatter: by less, laws are not fitted again


def fit_pulses(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Fit all curves to all devices and put them in order."""
    columns = pulsed_only(columns)
    trains = gather(columns, source)
    numbers, remarks = written(columns, source, settings)
    made = _fits(trains, settings)
    n, count = sum(len(t.g) for t in trains), _count(trains, settings)
    ranked = [_fitted(fit, made) for fit in made.laws.values()]
    ranked.append(made.table.fitted(n))
    order = rank(ranked)
    notes = [*columns.notes, *_notes(made, count)]
    first = next((f.name for f in order if f.fits and f.name in made.laws), None)
    if first is not None:
        wear = _wear(made, first)
        notes += [NARROW] if first.endswith("power") and len(trains) < LEAST else []
        notes += [text for side, found in wear.items() if (text := wear_of_update.told(side, found)) is not None]
        made = made._replace(wear=wear)
    summary = pulse_report.summary(trains, made.scale, made.noise)
    for side, found in made.wear.items():
        if found.c2c is not None:
            summary[f"{side}, scatter of the size of steps over cycles"] = found.c2c
        if found.trend is not None:
            summary[f"{side}, trend of the size of steps"] = found.trend
    values = {name: values_of(fit, made) for name, fit in made.laws.items()} | {"table": made.table.knots}
    proof = to_device.Measured(to_device.evidence(columns, source, sha256), numbers, remarks)
    device = outcome(lambda: device_of(proof, order, made, notes))
    models = {name: [made.scale.back(one.model) for one in fit.fits] for name, fit in made.laws.items()}
    return Found(
        "pulses",
        source,
        sha256,
        order,
        "rms, of the measured window" + (" of ln G" if made.scale.log else ""),
        summary,
        notes,
        pulse_report.panels(trains, models | {"table": made.table.model}, order, made.scale),
        settings | {"points": n, "devices": len(trains), "replicates": count},
        values,
        device,
    )


def _count(trains: Sequence[PulseTrain], settings: Mapping[str, Any]) -> int:
    return max(DRAWS if len(trains) < LEAST else 20, int(settings["replicates"]) // len(trains))


def scale_of(trains: Sequence[PulseTrain]) -> tuple[Scale, Noise]:
    """Return the scale in which the data live, with their scatter in it.

    The window lies between the 2 % and 98 % points of the smoothed data of all devices. It is that of ln G where it spans a
    factor of `DECADES`, and where ln G is defined at its lower end.
    """
    smooth = []
    for train in trains:
        for (_, n), start in zip(train.branches, train.starts, strict=True):
            width = max(1, n // 40)
            smooth.append(np.convolve(train.g[start : start + n], np.ones(width) / width, mode="valid"))
    low, high = np.percentile(np.concatenate(smooth), [2, 98]).tolist()
    if low > 0 and pulse_report.decades(trains) > DECADES:
        scale = Scale(low, high, True)
        noise = noise_of(trains, scale)
        if math.hypot(noise.additive / low, noise.relative) < BLURRED:
            return scale, noise
    scale = Scale(low, high)
    return scale, noise_of(trains, scale)


def _fits(trains: list[PulseTrain], settings: Mapping[str, Any]) -> Fits:
    """Fit all laws with the scatter of the data; where one of them is accepted, with the scatter around it: the same for all."""
    scale, noise = scale_of(trains)
    p_max = (_longest(trains, True), _longest(trains, False))
    scaled = [Scaled(t, scale.of(t.g), scale, p_max) for t in trains]
    rng = np.random.default_rng(settings["seed"])
    families = (*(c for c in CURVES if c.law != "exponential"), *LOG_CURVES) if scale.log else CURVES
    few, count = len(trains) < LEAST, _count(trains, settings)
    fits = [fit_curve(curve, scaled, noise, 0, rng) for curve in families]
    for k in range(ROUNDS if few else 1):
        likely = min(fits, key=lambda f: f.deviance + 2 * len(f.names) * len(trains))
        new = around(likely, scaled, noise)
        if new is None:
            break
        changed = _differ(new, noise, scale) > (CHANGED if few else 3 * CHANGED)
        noise = new
        if not changed:
            break
        if k < ROUNDS - 1:
            fits = [fit_curve(fit.curve, scaled, noise, 0, rng, fit) for fit in fits]
    if few:
        fits = [fit_curve(fit.curve, scaled, noise, count, rng, fit) for fit in fits]
    laws = {fit.curve.name: fit for fit in fits}
    common = {name: _pooled(fit) for name, fit in laws.items()} if len(trains) >= LEAST else {}
    likely = laws[likely.curve.name]
    problems = [Problem(likely.curve, item, noise.step) for item in scaled]
    found = [context(p, one.theta, p.course(one.theta), noise) for p, one in zip(problems, likely.fits, strict=True)]
    return Fits(trains, scaled, scale, noise, laws, common, fit_table(trains, scaled, noise, found), {})


def _differ(new: Noise, old: Noise, scale: Scale) -> float:
    """Return by how much two scatters differ in what they say of a read and of ten steps."""
    middle = scale.back(np.array(0.5))
    sizes = [
        np.array([math.sqrt(float(noise.read(middle, scale))), math.sqrt(float(noise.read(middle, scale)) + 10 * noise.step**2)])
        for noise in (new, old)
    ]
    return float(np.abs(np.log(sizes[0] / sizes[1])).max())


def _longest(trains: Sequence[PulseTrain], up: bool) -> int:
    """Return the pulses of the longest branch of a direction, of all devices."""
    longest = [int(t.counts[a : a + n].sum()) for t in trains for (u, n), a in zip(t.branches, t.starts, strict=True) if u == up]
    return max(longest, default=1)


def _pooled(fit: CurveFit) -> Pooled:
    return pooled(fit.theta, np.stack([one.covariance for one in fit.fits]))


def _wear(made: Fits, name: str) -> dict[str, wear_of_update.Wear]:
    """Return scatter and trend of the steps over cycles, of pulses up and down."""
    found = {}
    for up, side in ((True, "up"), (False, "down")):
        change = wear_of_update.changes(made.laws[name], made.scaled, made.noise, up)
        if len(change.x):
            found[side] = wear_of_update.wear(change)
    return found


def _estimates(fit: CurveFit, made: Fits) -> dict[str, Estimate]:
    """Return each parameter with its 95 % interval: of one device, or of the middle of several."""
    scale, names = made.scale, fit.names
    if len(fit.fits) == 1:
        centre, ends = fit.theta[0], np.array([interval(column) for column in fit.fits[0].draws.T]).T
    elif fit.curve.name in made.common:
        from scipy import stats

        common = made.common[fit.curve.name]
        centre = common.middle
        reach = float(stats.t.ppf(0.975, len(fit.fits) - 1)) * common.error
        ends = np.stack([centre - reach, centre + reach])
    else:
        centre = fit.theta.mean(0)
        ends = np.array([interval(column) for column in np.mean([one.draws for one in fit.fits], axis=0).T]).T
    limits = Problem(fit.curve, made.scaled[0])
    ends, centre = np.clip(ends, limits.low, limits.high), np.clip(centre, limits.low, limits.high)
    ends = np.stack([np.minimum(ends[0], centre), np.maximum(ends[1], centre)])
    value, low, high = (in_si(scale, v, names) for v in (centre, ends[0], ends[1]))
    out = {}
    for i, name in enumerate(names):
        held = fit.open and name in fit.open and name in UNIT
        out[name] = Estimate(
            float(value[i]), *((math.nan, math.nan) if held else (float(low[i]), float(high[i]))), UNIT.get(name, "")
        )
    bent = scale.log and not fit.curve.log
    if bent:
        out["step noise"] = made.noise.estimate("step", scale.span, "of ln G, each pulse")
    else:
        out["step noise"] = made.noise.estimate("step", *_by_window(centre, ends[0], ends[1], "of the window, each pulse"))
    if made.noise.additive > 0 or made.noise.relative == 0:
        out["read noise"] = made.noise.estimate("additive", *_by_window(value, low, high, "of the window"))
    if made.noise.relative > 0:
        out["relative read noise"] = made.noise.estimate("relative", 1.0, "of the conductance")
    for side in ("k_p", "k_d"):
        if side in out:
            low_nl, high_nl = sorted((nonlinearity(out[side].low), nonlinearity(out[side].high)))
            out["NL" + side[1:]] = Estimate(nonlinearity(out[side].value), low_nl, high_nl)
    if fit.curve.name in made.common:
        out |= _spreads(fit, made.common[fit.curve.name], value, scale)
    return out


def _by_window(value: Array, low: Array, high: Array, unit: str) -> tuple[float, str, float]:
    """Return 1 / window, with a unit, and the relative error of the window: of parameters with their 95 % intervals."""
    window = float(value[1] - value[0])
    return 1 / window, unit, float(np.hypot(*(high - low)[:2])) / (2 * 1.96 * window)


def _spreads(fit: CurveFit, common: Pooled, value: Array, scale: Scale) -> dict[str, Estimate]:
    """Return the spread of each parameter over devices: of alpha as a fraction."""
    out = {}
    for i, name in enumerate(fit.names):
        if (name in fit.open and not is_tied(fit.curve, name, fit.open)) or name == "w_0":
            continue
        factor, unit = 1.0, ""
        if name in UNIT:
            factor, unit = scale.span * (float(value[i]) if scale.log else 1.0), "S"
        elif name.startswith("alpha"):
            unit = f"of {name}"
        mid, low, high = (float(v[i]) * factor for v in (common.spread, common.low, common.high))
        out[f"{name}, over devices"] = Estimate(mid, low, high, unit)
    return out


def _fitted(fit: CurveFit, made: Fits) -> Fitted:
    fits, text = verdict(fit, made.scaled, made.noise, made.table.rms if len(made.trains) > 1 else 0.0)
    n = sum(len(r) for r in fit.residual)
    k = sum(len(one.theta) for one in fit.fits) - sum(len(set(one.held) & set(UNIT)) for one in fit.fits)
    penalty = 2 * k + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    rms = float(np.sqrt(fit.rss / n))
    return Fitted(fit.curve.name, _estimates(fit, made), rms, fit.deviance + penalty, k, text, fits, fit.open)


def _notes(made: Fits, count: int) -> list[str]:
    """Return the notes that a reader needs."""
    trains, scale, noise = made.trains, made.scale, made.noise
    notes = [
        pulse_report.law_words(list(made.laws)),
        "intervals: from the scatter of the data, and how well it is known; where a law misses the data they are as much wider. "
        + (f"{count} draws for each device" if len(trains) < LEAST else "Of several devices they are those of the middle"),
        "AICc weighs residuals by one scatter for all models: steps that stay and reads that do not, found without a law",
    ]
    if scale.log:
        notes.append(f"the data span a factor of {scale.high / scale.low:.3g}: residuals are those of ln G")
    if len(trains) < LEAST:
        notes.append(
            f"{len(trains)} device(s): the spread from device to device cannot be estimated (at least {LEAST}): it is "
            "0 in the device. The scatter from cycle to cycle is that of the device(s) measured"
        )
    if any(float(t.g.min()) < 0 for t in trains):
        notes.append("some conductances are below 0 S (noise, or an offset of the instrument); they were kept")
    if noise.slow > 0:
        share = f"{noise.slow:.1%} of the window{' of ln G' if scale.log else ''}"
        notes.append(f"reads have {share} in common with those before (correlation {noise.rho:g} from one to the next)")
    if noise.additive > 0 or noise.relative > 0:
        parts = [f"{additive(made):.2g} S"] if noise.additive > 0 else []
        parts += [f"{noise.relative:.2g} of the conductance"] if noise.relative > 0 else []
        notes.append(
            f"the read noise, {' and '.join(parts)}, is in the device, for every read; if it is the instrument's, take it out: "
            "dataclasses.replace(device, noise=None), or remove [noise] from the device file"
        )
    if len(trains) >= LEAST:
        notes.append(
            "parameters are the middle of the devices (alpha: of its logarithm); the spread over devices is cleared of the "
            "uncertainty of each device's fit"
        )
    return notes
