"""From fitted pulse laws to parameters in SI, and to a device with the spread over devices and the scatter over cycles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...base.errors import FitError
from .. import Device
from . import to_device, wear_of_update
from .curve_fit import CurveFit, is_tied
from .pooled import Pooled
from .pulse_noise import Noise, Scale
from .pulse_problem import Scaled
from .pulse_table import Table
from .pulse_verdict import NOT_SHAPED
from .report import Fitted, best
from .trains import PulseTrain

Array = np.ndarray
UNIT = {"g_min": "S", "g_max": "S"}


class Fits(NamedTuple):
    """All that was fitted: trains in their scale, the scatter, laws, what is common to devices, and the table."""

    trains: list[PulseTrain]
    scaled: list[Scaled]
    scale: Scale
    noise: Noise
    laws: dict[str, CurveFit]
    common: dict[str, Pooled]
    table: Table
    wear: dict[str, wear_of_update.Wear]


def in_si(scale: Scale, theta: Array, names: Sequence[str]) -> Array:
    """Return parameters with g_min and g_max in S, and alpha in the place of its logarithm."""
    out = np.array(theta)
    out[..., :2] = scale.back(out[..., :2])
    if not scale.log:
        out[..., :2] = np.where(np.abs(out[..., :2]) < 1e-9 * scale.high, 0.0, out[..., :2])  # at the limit of 0 S
    logs = [i for i, name in enumerate(names) if name.startswith("alpha")]
    out[..., logs] = np.exp(out[..., logs])
    return out


def values_of(fit: CurveFit, made: Fits) -> dict[str, Any]:
    """Return the parameters of each device and, for several, their covariance and correlation."""
    theta = in_si(made.scale, fit.theta, fit.names)
    out: dict[str, Any] = {"names": list(fit.names), "devices": [t.device for t in made.trains], "parameters": theta}
    slope = _slopes(fit, made.scale, theta)
    if fit.curve.name in made.common:
        common = made.common[fit.curve.name]
        covariance = common.covariance * np.outer(slope, slope)
        out |= {"spread": common.spread * slope, "covariance": covariance, "correlation": common.correlation}
    else:
        error = np.mean([one.covariance for one in fit.fits], axis=0)
        out["covariance of the fit"] = error * np.outer(slope, slope)
    return out


def _slopes(fit: CurveFit, scale: Scale, theta: Array) -> Array:
    """Return the derivatives of the parameters in SI by those of the fit, at their middle."""
    middle = np.median(theta, axis=0)
    return np.array(
        [
            scale.span * (middle[i] if scale.log else 1.0) if name in UNIT else middle[i] if name.startswith("alpha") else 1.0
            for i, name in enumerate(fit.names)
        ]
    )


def device_of(proof: to_device.Measured, order: Sequence[Fitted], made: Fits, notes: list[str]) -> Device:
    """Return the device of the best model of which the library has a part; where that is not the best of all, note it."""
    first, refused = best(proof.proof.source, order).name, None
    for fitted in order:
        if not fitted.fits:
            continue
        try:
            device = _of_model(proof, fitted, made)
        except to_device.NoPartError as error:
            refused = refused or error
            continue
        if fitted.name != first:
            notes.append(f"the device follows {fitted.name!r}: the library has no part for {first!r}, the best model")
        return device
    raise refused or FitError(f"fit of {proof.proof.source}", "no model follows the data")


def _scatter(made: Fits, window: float, sides: Mapping[str, float], law: CurveFit | None) -> to_device.Scatter:
    """Return the scatter for a device: steps as a fraction of its window, or of the steps themselves where only ln G is even."""
    noise, scale = made.noise, made.scale
    c2c = {}
    told = "the step noise of the update, the read noise"
    for side, letter in (("up", "p"), ("down", "d")):
        found = made.wear.get(side)
        if found is not None and found.c2c is not None and found.c2c.low > 0 and law is not None and f"alpha_{letter}" in sides:
            c2c[f"alpha_{letter}"] = found.c2c.value
            told = "the step noise of the update, the read noise; alpha from branch to branch, drawn anew at each event of pulses"
    step = noise.step / window
    if law is not None and scale.log and not law.curve.log:
        step = 0.0
        for name in sides:
            typical = _typical(made, name.endswith("_p"))
            c2c[name] = math.hypot(c2c.get(name, 0.0), min(noise.step * scale.span / typical, 1.0))
        told = (
            "steps scatter in proportion to themselves, as ln G does: alpha, drawn anew at each event of pulses; the read noise"
        )
    return to_device.Scatter(step, additive(made), noise.relative, c2c, told)


def additive(made: Fits) -> float:
    """Return the noise of reads that is the same for all conductances, S: with what is forgotten over some pulses, S."""
    slow = made.noise.slow * (0.0 if made.scale.log else made.scale.span)
    return float(math.hypot(made.noise.additive, slow))


def _typical(made: Fits, up: bool) -> float:
    """Return the median change of ln G by a pulse of a direction."""
    steps = [
        abs(math.log(t.g[a + n - 1] / t.g[a])) / max(int(t.counts[a + 1 : a + n].sum()), 1)
        for t in made.trains
        for (u, n), a in zip(t.branches, t.starts, strict=True)
        if u == up and n > 1
    ]
    return max(float(np.median(steps)), 1e-6)


def _of_model(proof: to_device.Measured, fitted: Fitted, made: Fits) -> Device:
    """Return the device that follows one model, with the spread over devices where they were enough."""
    model, scale = fitted.name, made.scale
    if model == "table":
        knots = made.table.knots
        g = [point for side in ("up", "down") for _, point in knots.get(side, ())]
        step = made.noise.step * (scale.span * float(np.median(g)) if scale.log else scale.span)
        scatter = to_device.Scatter(step / max(max(g) - min(g), 1e-30), additive(made), made.noise.relative, {})
        return to_device.tabled(knots.get("up", ()), knots.get("down", ()), made.table.spread, scatter, proof)
    fit, values = made.laws[model], values_of(made.laws[model], made)
    nominal = {n: fitted.parameters[n].value for n in fit.names if n != "w_0"}
    spread = {n: s for n, s in zip(fit.names, values.get("spread", ()), strict=False) if s > 1e-6 * abs(nominal.get(n, 0.0))}
    kept = [n for n in nominal if spread.get(n, 0.0) > 0]
    pairs = _pairs(fit.names, kept, values["correlation"], len(made.trains)) if len(made.trains) >= 8 else []
    window = float(scale.of(np.array(nominal["g_max"])) - scale.of(np.array(max(nominal["g_min"], 1e-30 if scale.log else -1.0))))
    sides = {n: nominal[n] for n in nominal if n.startswith("alpha")}
    beside = _with_remarks(proof, _unsure(fitted, fit))
    return to_device.pulsed(model, nominal, spread, _scatter(made, window, sides, fit), made.scaled[0].p_max, beside, pairs)


def _unsure(fitted: Fitted, fit: CurveFit) -> dict[str, str]:
    """Return what a reader should know of numbers that the data do not determine, and of a law that misses the data."""
    told = {n: "not determined by the law: the edge of the data" for n in fit.open if n in UNIT}
    tied = [n for n in fit.open if is_tied(fit.curve, n, tuple(told))]
    vague = [n for n in fit.open if n not in (*UNIT, "w_0", *tied)]
    words = [f"{', '.join(vague)} not determined: one number of many that the data allow"] if vague else []
    if tied:
        words.append(f"{', '.join(tied)} not determined: for a window that ends where the data do ({', '.join(told)})")
    if NOT_SHAPED in fitted.verdict:
        words.append(fitted.verdict.split("; not determined")[0])
    return told | ({"update": "; ".join(words)} if words else {})


def _with_remarks(proof: to_device.Measured, more: Mapping[str, str]) -> to_device.Measured:
    """Return a measurement with more remarks."""
    return proof._replace(remarks={**proof.remarks, **more})


def _pairs(names: Sequence[str], kept: Sequence[str], r: Array, devices: int) -> list[tuple[str, str, float]]:
    """Return the correlations that are worth keeping: |r| above twice its standard error."""
    index = {n: i for i, n in enumerate(names)}
    pairs = [
        (a, b, float(r[index[a], index[b]]))
        for i, a in enumerate(kept)
        for b in kept[i + 1 :]
        if 2 / np.sqrt(devices) < abs(r[index[a], index[b]])
    ]
    return _possible([(a, b, max(min(x, 0.999), -0.999)) for a, b, x in pairs], list(kept))


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
