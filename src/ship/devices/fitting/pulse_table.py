"""The free table of pulse branches: a monotone polygon for each direction, and one factor for each device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import scatter
from .pulse_curves import monotone
from .pulse_noise import Noise
from .pulse_problem import Scaled
from .report import Estimate, Fitted
from .trains import PulseTrain

Array = np.ndarray
KNOTS = 16  # of a branch, at most
LEAST = 3  # devices from which on a spread is estimated


class Table(NamedTuple):
    """The table that follows the branches.

    Args:
        knots: by "up" and "down": pulse number and conductance (S).
        model: its conductance (S) at each read, one series for each device.
        rms: what it misses, in the scale of the fit.
        deviance: the sum of the squared whitened residuals.
        free: the number of its free values.
        spread: the spread of the factor over devices; 0: too few.
    """

    knots: dict[str, Any]
    model: list[Array]
    rms: float
    deviance: float
    free: int
    spread: float

    def fitted(self, n: int) -> Fitted:
        """Return the table among the models of a ranking, for so many reads."""
        values = [g for side in self.knots.values() for _, g in side]
        made = {"lowest": Estimate(min(values), unit="S"), "highest": Estimate(max(values), unit="S")}
        made["knots"] = Estimate(float(sum(len(side) for side in self.knots.values())))
        if self.spread > 0:
            made["factor, over devices"] = Estimate(self.spread)
        text = "follows each branch by its own monotone polygon; no law, no interval"
        k = self.free
        penalty = 2 * k + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
        return Fitted("table", made, self.rms, self.deviance + penalty, k, text, True)


def fit_table(trains: Sequence[PulseTrain], scaled: Sequence[Scaled], noise: Noise, contexts: Sequence[scatter.Context]) -> Table:
    """Fit monotone polygons to all branches up and down, and one factor to each device.

    Args:
        trains: the trains.
        scaled: the same in the scale of the fit.
        noise: their scatter.
        contexts: what residuals are whitened with: the memory of the likeliest law, for a table has none of its own.
    """
    scale, factor = scaled[0].scale, np.ones(len(trains))
    several = len(trains) >= LEAST and all(float(t.g.mean()) > 0 for t in trains)
    knots: dict[str, Any] = {}
    model: list[Array] = []
    for _ in range(3 if several else 1):
        knots = {}
        for up in (True, False):
            masks = [t.side(up) for t in trains]
            if any(m.any() for m in masks):
                number = np.concatenate([t.pulse_numbers()[m] for t, m in zip(trains, masks, strict=True)])
                g = np.concatenate([t.g[m] / f for t, m, f in zip(trains, masks, factor, strict=True)])
                at, value = monotone(number, scale.of(g), up, min(KNOTS, int(number.max()) // 2))
                knots["up" if up else "down"] = [(int(a), float(v)) for a, v in zip(at, scale.back(value), strict=True)]
        model = [_follow(knots, train) for train in trains]
        if several:
            factor = np.array([_factor(t.g, m, scale.log) for t, m in zip(trains, model, strict=True)])
            factor /= np.exp(np.mean(np.log(factor)))
            model = [m * f for m, f in zip(model, factor, strict=True)]
    left = [s.y - scale.of(np.maximum(m, 1e-30) if scale.log else m) for s, m in zip(scaled, model, strict=True)]
    deviance = 0.0
    for context, rest, m in zip(contexts, left, model, strict=True):
        by = context._replace(read=noise.read(m, scale))
        white = scatter.whitened(rest, by)
        deviance += float((white**2).sum())
    flat = np.concatenate(left)
    free = sum(len(side) for side in knots.values()) + (len(trains) - 1 if several else 0)
    spread = float(np.std(np.log(factor), ddof=1)) if several else 0.0
    return Table(knots, model, float(np.sqrt(np.mean(flat**2))), deviance, free, spread)


def _follow(knots: dict[str, Any], train: PulseTrain) -> Array:
    out = np.empty(len(train.g))
    for up in (True, False):
        mask = train.side(up)
        if mask.any():
            at, value = np.array(knots["up" if up else "down"]).T
            out[mask] = np.interp(train.pulse_numbers()[mask], at, value)
    return out


def _factor(g: Array, model: Array, log: bool) -> float:
    """Return the factor that brings a model closest to the data of one device."""
    if log:
        return float(np.exp(np.mean(np.log(g / model))))
    return max(float((g * model).sum() / (model * model).sum()), 1e-3)
