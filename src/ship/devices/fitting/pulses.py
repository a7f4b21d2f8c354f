"""Potentiation and depression by pulses: hard, soft and power bounds, the exponential law, and a free monotone table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...base.errors import FitError
from .. import Device
from ..reading.columns import Columns
from . import scatter as scatter
from . import to_device
from .curve_fit import CurveFit, Scaled, fit_curve, verdict
from .figures import Panel, Series
from .pulse_curves import CURVES, monotone, nonlinearity
from .report import Estimate, Fitted, Found, best, outcome, rank
from .solve import aicc, interval
from .trains import PulseTrain, gather

Array = np.ndarray
KNOTS = 16  # of the table, at most
PIECE = 2000  # points that are whitened together
UNIT = {"g_min": "S", "g_max": "S"}


def fit_pulses(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Fit all curves to all devices and put them in order."""
    trains = gather(columns, source)
    scaled, low, high = _scaled(trains)
    n = sum(len(t.g) for t in trains)
    count = max(20, settings["replicates"] // len(trains))
    rng = np.random.default_rng(settings["seed"])
    fits = [fit_curve(curve, scaled, count, rng) for curve in CURVES]
    table, table_model, knots = _table(trains, low, high)
    calmest = min(fits, key=lambda fit: fit.rss)
    ranked = [_fitted(fit, scaled, low, high, n, _whitened(fit.residual, calmest)) for fit in fits]
    left = [(t.g - m) / (high - low) for t, m in zip(trains, table_model, strict=True)]
    ranked.append(_table_fitted(table, np.concatenate(left), knots, aicc(_whitened(left, calmest), n, knots + 1)))
    order = rank(ranked)
    by_name = {fit.curve.name: fit for fit in fits}
    read = float(np.mean(by_name.get(order[0].name, calmest).read)) * (high - low)
    notes = [*columns.notes, *_notes(trains, fits, count, read)]
    values = {name: _values(fit, trains, low, high) for name, fit in by_name.items()} | {"table": table}
    made = outcome(lambda: _device(to_device.evidence(columns, source, sha256), order, values, by_name, scaled, notes))
    return Found(
        "pulses",
        source,
        sha256,
        order,
        "rms, of the measured window",
        _summary(trains, low, high),
        notes,
        _panels(trains, by_name, table_model, order, low, high),
        settings | {"points": n, "devices": len(trains), "replicates": count},
        values,
        made,
    )


def _whitened(residual: Sequence[Array], fit: CurveFit) -> float:
    """Return the sum of squares of residuals, weighed by the scatter around the closest curve: slow wander counts less."""
    total = 0.0
    for r, made, phi in zip(residual, fit.scatters, fit.phi, strict=True):
        pieces = range(0, len(r), PIECE)
        total += sum(float((scatter.whitened(r[a : a + PIECE], made, phi[a : a + PIECE]) ** 2).sum()) for a in pieces)
    return total


def _scaled(trains: Sequence[PulseTrain]) -> tuple[list[Scaled], float, float]:
    """Scale trains to the window, which lies between the 2 % and 98 % points of the smoothed data of all devices."""
    smooth = []
    for train in trains:
        for (_, n), start in zip(train.branches, train.starts, strict=True):
            width = max(1, n // 40)
            smooth.append(np.convolve(train.g[start : start + n], np.ones(width) / width, mode="valid"))
    low, high = np.percentile(np.concatenate(smooth), [2, 98]).tolist()
    return [Scaled(t, (t.g - low) / (high - low), -low / (high - low)) for t in trains], low, high


def _si(fit: CurveFit, theta: Array, low: float, high: float) -> Array:
    """Return parameters with g_min and g_max in S."""
    out = np.array(theta)
    out[..., :2] = low + out[..., :2] * (high - low)
    out[..., 0] = np.where(np.abs(out[..., 0]) < 1e-9 * high, 0.0, out[..., 0])  # at the limit of 0 S
    return out


def _noise(fit: CurveFit) -> tuple[Array, Array]:
    """Return step and read noise as fractions of the window: values ``[device, 2]``, replicates ``[device, replicate, 2]``."""
    window = fit.theta[:, 1] - fit.theta[:, 0]
    again = fit.replicates[..., 1] - fit.replicates[..., 0]
    return np.stack([fit.step, fit.read], 1) / window[:, None], fit.again / again[..., None]


def _estimates(fit: CurveFit, low: float, high: float) -> dict[str, Estimate]:
    """Return the mean over devices of each parameter; for several devices its interval is that of devices drawn again."""
    theta, again = _si(fit, fit.theta, low, high), _si(fit, fit.replicates, low, high)
    noise, noise_again = _noise(fit)
    theta, again = np.concatenate([theta, noise], 1), np.concatenate([again, noise_again], 2)
    n_devices, count = again.shape[:2]
    if n_devices == 1:
        draws = again[0]
    else:
        rng = np.random.default_rng(0)
        picks = rng.integers(0, n_devices, (400, n_devices))
        draws = again[picks, rng.integers(0, count, picks.shape)].mean(1)
    names = (*fit.names, "step noise", "read noise")
    units = {**UNIT, "step noise": "of the window, each pulse", "read noise": "of the window"}
    made = {n: Estimate(float(theta[:, i].mean()), *interval(draws[:, i]), units.get(n, "")) for i, n in enumerate(names)}
    for side in ("k_p", "k_d"):
        if side in made:
            low_nl, high_nl = sorted((nonlinearity(made[side].low), nonlinearity(made[side].high)))
            made["NL" + side[1:]] = Estimate(nonlinearity(made[side].value), low_nl, high_nl)
    return made


def _fitted(fit: CurveFit, scaled: Sequence[Scaled], low: float, high: float, n: int, whitened: float) -> Fitted:
    fits, text = verdict(fit, scaled)
    k = len(scaled) * len(fit.names) + 1
    return Fitted(
        fit.curve.name,
        _estimates(fit, low, high),
        float(np.sqrt(fit.rss / n)),
        aicc(whitened, n, k),
        k,
        text,
        fits,
    )


def _table(trains: Sequence[PulseTrain], low: float, high: float) -> tuple[dict[str, Any], list[Array], int]:
    """Fit monotone polygons to all branches up and down; return them, their values at the trains, and their free values."""
    table: dict[str, Any] = {}
    knots = 0
    for side in (True, False):
        masks = [t.side(side) for t in trains]
        if not any(m.any() for m in masks):
            continue
        number = np.concatenate([t.pulse_numbers()[m] for t, m in zip(trains, masks, strict=True)])
        g = np.concatenate([t.g[m] for t, m in zip(trains, masks, strict=True)])
        at, value = monotone(number, (g - low) / (high - low), side, min(KNOTS, int(number.max()) // 2))
        table["up" if side else "down"] = [(int(a), float(low + v * (high - low))) for a, v in zip(at, value, strict=True)]
        knots += len(at)
    model = []
    for train in trains:
        y = np.empty(len(train.g))
        for side in (True, False):
            mask = train.side(side)
            if mask.any():
                knot = np.array(table["up" if side else "down"])
                y[mask] = np.interp(train.pulse_numbers()[mask], knot[:, 0], knot[:, 1])
        model.append(y)
    return table, model, knots


def _table_fitted(table: dict[str, Any], residual: Array, knots: int, criterion: float) -> Fitted:
    values = [g for side in table.values() for _, g in side]
    made = {
        "lowest": Estimate(min(values), unit="S"),
        "highest": Estimate(max(values), unit="S"),
        "knots": Estimate(float(knots)),
    }
    text = "follows each branch by its own monotone polygon; no law, no interval"
    return Fitted("table", made, float(np.sqrt(np.mean(residual**2))), criterion, knots + 1, text, True)


def _summary(trains: Sequence[PulseTrain], low: float, high: float) -> dict[str, Estimate]:
    made = {"window, lower": Estimate(low, unit="S"), "window, upper": Estimate(high, unit="S")}
    if low > 0:
        made["on/off"] = Estimate(high / low)
    made |= {"devices": Estimate(float(len(trains))), "branches": Estimate(float(sum(len(t.branches) for t in trains)))}
    return made


def _notes(trains: Sequence[PulseTrain], fits: Sequence[CurveFit], count: int, read: float) -> list[str]:
    """Return the notes that a reader needs; ``read`` is the noise of a read, S."""
    notes = [
        "w_0 is the state before the first pulse; parameters with _p belong to pulses up, with _d to pulses down",
        f"intervals: {count} replicates of each device: the fitted curve with its fitted scatter, simulated and fitted again; "
        "where a model misses the data they do not cover that",
        "AICc weighs residuals by the scatter around the closest curve, correlations included: what wanders counts less",
    ]
    if len(trains) < to_device.LEAST:
        notes.append(
            f"{len(trains)} device(s): the spread from device to device cannot be estimated (at least {to_device.LEAST}): it is "
            "0 in the device. The scatter from cycle to cycle is that of the device(s) measured"
        )
    if any(float(t.g.min()) < 0 for t in trains):
        notes.append("some conductances are below 0 S (noise, or an offset of the instrument); they were kept")
    if read > 0:
        notes.append(
            f"the read noise, {read:.2g} S, is in the device, for every read; if it is the instrument's, take it out: "
            "dataclasses.replace(device, noise=None), or remove [noise] from the device file"
        )
    if max(len(f.theta) for f in fits) > 1:
        notes.append(
            "parameters are means over devices; the spread over devices is cleared of the uncertainty of each device's fit"
        )
    return notes


def _values(fit: CurveFit, trains: Sequence[PulseTrain], low: float, high: float) -> dict[str, Any]:
    """Return the parameters of each device and, for several, their covariance and correlation."""
    theta = _si(fit, fit.theta, low, high)
    made: dict[str, Any] = {"names": list(fit.names), "devices": [t.device for t in trains], "parameters": theta}
    if len(theta) >= to_device.LEAST:
        covariance, correlation = to_device.spread_of(theta, _error(fit, low, high))
        made |= {"spread": np.sqrt(np.diag(covariance)), "covariance": covariance, "correlation": correlation}
    else:
        made["covariance of the fit"] = _error(fit, low, high)
    return made


def _error(fit: CurveFit, low: float, high: float) -> Array:
    return np.asarray(np.mean([np.cov(r, rowvar=False) for r in _si(fit, fit.replicates, low, high)], axis=0))


def _device(
    proof: to_device.Evidence,
    order: Sequence[Fitted],
    values: dict[str, Any],
    fits: dict[str, CurveFit],
    scaled: Sequence[Scaled],
    notes: list[str],
) -> Device:
    """Return the device of the best model of which the library has a part; where that is not the best of all, note it."""
    first, refused = best(proof.source, order).name, None
    for fitted in order:
        if not fitted.fits:
            continue
        try:
            device = _of_model(proof, fitted, values, fits, scaled)
        except to_device.NoPartError as error:
            refused = refused or error
            continue
        if fitted.name != first:
            notes.append(f"the device follows {fitted.name!r}: the library has no part for {first!r}, the best model")
        return device
    raise refused or FitError(f"fit of {proof.source}", "no model follows the data")


def _of_model(
    proof: to_device.Evidence, fitted: Fitted, tables: dict[str, Any], fits: dict[str, CurveFit], scaled: Sequence[Scaled]
) -> Device:
    """Return the device that follows one model, with the spread over devices where they were enough."""
    model = fitted.name
    if model == "table":
        table = tables["table"]
        nearest = min(fits.values(), key=lambda f: f.rss)
        step, read = (float(v) for v in _noise(nearest)[0].mean(0))
        return to_device.tabled(table.get("up", ()), table.get("down", ()), step, read, proof)
    fit, values = fits[model], tables[model]
    spread = dict(zip(fit.names, values.get("spread", ()), strict=False))
    nominal = {n: fitted.parameters[n].value for n in fit.names if n != "w_0"}
    kept = [n for n in nominal if spread.get(n, 0.0) > 0]
    pairs = []
    if len(scaled) >= 8:  # from here on |r| above twice its standard error is worth keeping
        r = values["correlation"]
        index = {n: i for i, n in enumerate(fit.names)}
        pairs = [
            (a, b, float(r[index[a], index[b]]))
            for i, a in enumerate(kept)
            for b in kept[i + 1 :]
            if 2 / np.sqrt(len(scaled)) < abs(r[index[a], index[b]]) < 1
        ]
        pairs = _possible(pairs, kept)
    longest = (max(s.p_max[0] for s in scaled), max(s.p_max[1] for s in scaled))
    step, read = (float(v) for v in _noise(fit)[0].mean(0))
    return to_device.pulsed(model, nominal, spread, step, read, longest, proof, pairs)


def _possible(pairs: list[tuple[str, str, float]], names: list[str]) -> list[tuple[str, str, float]]:
    """Shrink coefficients of correlation by one factor until they are possible together."""
    for _ in range(60):
        matrix = np.eye(len(names))
        for a, b, r in pairs:
            matrix[names.index(a), names.index(b)] = matrix[names.index(b), names.index(a)] = r
        if not pairs or np.linalg.eigvalsh(matrix).min() > 1e-3:
            return pairs
        pairs = [(a, b, 0.97 * r) for a, b, r in pairs]
    return []


def _panels(
    trains: Sequence[PulseTrain], fits: dict[str, CurveFit], table: list[Array], order: Sequence[Fitted], low: float, high: float
) -> list[Panel]:
    """Plot data and models over pulses, then the smoothed residuals, for the device with most pulses."""
    k = max(range(len(trains)), key=lambda i: len(trains[i].g))
    g, x = trains[k].g, np.arange(1, len(trains[k].g) + 1)
    unit, factor = (("uS", 1e6) if high >= 1e-7 else ("nS", 1e9)) if high < 1e-3 else ("mS", 1e3)
    width = max(1, len(g) // 60)
    box = np.ones(width) / width
    data = [Series(x, g * factor, "measured", "points")]
    errors = []
    for i, fitted in enumerate(order):
        model = table[k] if fitted.name == "table" else low + fits[fitted.name].model[k] * (high - low)
        label = f"{fitted.name}{'' if fitted.fits else ' (refused)'}: {fitted.residual:.1%}"
        data.append(Series(x, model * factor, label, "line", i + 1))
        left = 100 * (g - model) / (high - low)
        errors.append(Series(np.convolve(x, box, "valid"), np.convolve(left, box, "valid"), fitted.name, "line", i + 1))
    title = f"device {trains[k].device} of {len(trains)}" if len(trains) > 1 else ""
    smooth = f"residual (% of the window)\nmean of {width} pulses" if width > 1 else "residual\n(% of the window)"
    return [
        Panel("pulse number", f"conductance ({unit})", tuple(data), title),
        Panel("pulse number", smooth, (*errors, Series(x[[0, -1]], np.zeros(2), "", "dashed", 0)), height=0.8),
    ]
