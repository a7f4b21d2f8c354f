"""Endurance: the conductance of the on and of the off state over the number of cycles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.errors import FitError
from .. import Device
from ..reading.columns import Columns
from . import to_device, trend
from .figures import Panel, Series
from .report import Estimate, Found, best, outcome, rank


def fit_endurance(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Fit each law to the on and the off state over cycles."""
    x = columns["cycle"]
    if bool((x <= 0).any()):
        raise FitError(f"{source}: cycle", "must be above 0", got=f"{x.min():g}", fix="Count cycles from 1.")
    order = np.argsort(x, kind="stable")
    curves = {state: (x[order], columns[state][order]) for state in ("on", "off")}
    for state, (_, y) in curves.items():
        if len(np.unique(x)) < 4 or not (y > 0).all():
            raise FitError(
                f"{source}: {state}", "needs conductances above 0 S at 4 or more different cycles", got=f"{len(np.unique(x))}"
            )
    if float(np.median(curves["on"][1])) <= float(np.median(curves["off"][1])):
        raise FitError(source, "the on state must conduct more than the off state", fix="Swap the columns on and off.")
    rng = np.random.default_rng(settings["seed"])
    fits = {law.name: trend.fit_law(law, curves, settings["replicates"], rng) for law in trend.laws("S", "cycles")}
    ranked = rank([trend.fitted(fit, list(curves)) for fit in fits.values()])
    first = fits[ranked[0].name]
    ratio = curves["on"][1] / curves["off"][1]
    summary = {
        "on/off, first": Estimate(float(ratio[0])),
        "on/off, last": Estimate(float(ratio[-1])),
        "cycles": Estimate(float(x.max())),
    }
    series = []
    for k, (state, (cycle, y)) in enumerate(curves.items()):
        series += [Series(cycle, y * 1e6, f"{state}, measured", "points", k + 1)]
        series += [Series(cycle, first.model[k] * 1e6, f"{state}, {ranked[0].name}", "line", k + 1)]
    left = [Series(curves[s][0], 100 * first.residual[k], s, "points", k + 1) for k, s in enumerate(curves)]
    panels = [
        Panel("cycle", "conductance (uS)", tuple(series), log_x=True, log_y=True),
        Panel("cycle", "residual\n(% of the mean)", tuple(left), log_x=True, height=0.7),
    ]
    values = {n: {"names": list(f.law.parameters), "on, off": f.theta} for n, f in fits.items()}
    notes = [*columns.notes, "a window that closes at once (a failure) is no trend: look at the figure"]
    settings = settings | {"points": len(x)}
    made = outcome(lambda: _device(to_device.evidence(columns, source, sha256), best(source, ranked).name, fits, float(x.min())))
    scale = "rms, of each state's mean"
    return Found("endurance", source, sha256, ranked, scale, summary, notes, panels, settings, values, made)


def _device(proof: to_device.Evidence, law: str, fits: dict[str, trend.TrendFit], first: float) -> Device:
    """Return the device with the window of the ``first`` cycle that wears by the best law."""
    fit = fits[law]
    on, off = float(fit.model[0][0]), float(fit.model[1][0])
    wear = to_device.endurance(law, fit.theta, on, off, first)
    return to_device.assembled(proof, {"g_min": off, "g_max": on, "endurance": wear})
