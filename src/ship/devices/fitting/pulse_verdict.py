"""The verdict on a pulse law: whether it follows the data, and in words what it misses, and where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .curve_fit import CurveFit, systematic
from .pulse_noise import Noise
from .pulse_problem import Scaled

ACCEPT = 0.05  # of the window: a systematic deviation up to here is let pass
LOOSE = 0.1  # of the window: a law with a larger residual is not taken, however bad a table is
NOT_SHAPED = "not the shape"  # in a verdict: the law was taken although it misses the data
PLACES = 12  # groups of pulses of a direction in which a miss is looked for
SINGLE = 6  # reads after the first pulse, from which on each of the first three is looked at by itself


def jump(fit: CurveFit, trains: Sequence[Scaled], noise: Noise) -> tuple[float, float]:
    """Return the largest mean step of the residual where the polarity turns, and its size in standard errors."""
    steps: dict[bool, list[tuple[float, float]]] = {}
    for k, scaled in enumerate(trains):
        r, branches = fit.residual[k], scaled.train.branches
        read = noise.read(scaled.scale.back(scaled.y), scaled.scale)
        for i, start in enumerate(scaled.train.starts[1:], 1):
            m = max(3, min(branches[i][1], branches[i - 1][1]) // 50)
            size = float(r[start : start + m].mean() - r[max(start - m, 0) : start].mean())
            steps.setdefault(branches[i][0], []).append((size, m * noise.step**2 + 2 * float(read[start]) / m))
    worst = (0.0, 0.0)
    for found in steps.values():
        size = float(np.mean([s for s, _ in found]))
        error = float(np.sqrt(sum(v for _, v in found))) / len(found)
        if abs(size) > abs(worst[0]):
            worst = size, abs(size) / max(error, 1e-12)
    return worst


def farthest(fit: CurveFit, trains: Sequence[Scaled]) -> tuple[float, str]:
    """Return the largest mean miss over some neighbouring pulses of a direction, with these pulses in words."""
    worst = (0.0, "")
    for up, word in ((True, "up"), (False, "down")):
        masks = [s.train.side(up) for s in trains]
        number = np.concatenate([s.train.pulse_numbers()[m] for s, m in zip(trains, masks, strict=True)])
        rest = np.concatenate([r[m] for r, m in zip(fit.residual, masks, strict=True)])
        if not len(number):
            continue
        first = [1, 2, 3] if int((number == number.min()).sum()) >= SINGLE else [3]
        borders = np.quantile(number, np.linspace(0, 1, PLACES + 1)[1:-1]).astype(int)
        place = np.digitize(number, np.unique([*borders, *first]), right=True)
        for k in np.unique(place).tolist():
            size = float(rest[place == k].mean())
            if abs(size) > abs(worst[0]):
                a, b = int(number[place == k].min()), int(number[place == k].max())
                worst = size, f"pulse {a} {word}" if a == b else f"pulses {a} to {b} {word}"
    return worst


def verdict(fit: CurveFit, trains: Sequence[Scaled], noise: Noise, table: float) -> tuple[bool, str]:
    """Return whether the curve follows the data, and the reason in words.

    Args:
        fit: the fit.
        trains: the data.
        noise: their scatter.
        table: what a free table for all devices misses: a law that is closer, and misses less than `LOOSE`, is not refused for
            what it misses, because the table is no better; the verdict says what it misses, and where.
    """
    beyond = f"; not determined: {', '.join(fit.open)}" if fit.open else ""
    rms = float(np.sqrt(fit.rss / sum(len(r) for r in fit.residual)))
    size, errors = jump(fit, trains, noise)
    off = systematic(fit.residual, trains)
    name = f"{'NeuroSim' if fit.curve.law == 'exponential' else 'Bounded'} ({fit.curve.name})"
    window = "the window of ln G" if trains[0].scale.log else "the window"
    word = "drop" if size < 0 else "rise"
    missed = float(np.median([one.miss for one in fit.fits])) > 1
    if missed and rms < min(table, LOOSE):
        deviation, where = farthest(fit, trains)
        if abs(size) > abs(deviation) and errors > 4:
            deviation, where = size, f"the {word} between branches"
        if max(off, abs(deviation)) > ACCEPT:
            told = f"it misses {abs(deviation):.0%} of {window} at {where}"
            return True, f"closer than one table for all devices, but {NOT_SHAPED}: {told}{beyond}"
    if abs(size) > ACCEPT and errors > 4:
        return (
            False,
            f"{name} cannot follow the {word} between your branches: it misses {abs(size):.0%} of {window} there; "
            + f"residual {rms:.0%} of {window}; use the table device",
        )
    if off > ACCEPT and missed and off > float(np.median([one.usual for one in fit.fits])):
        return (
            False,
            f"{name} has not the shape of your curve: it misses {off:.0%} of {window} on average; use the table device",
        )
    if off > ACCEPT:
        return True, f"fits, if the wander by {off:.0%} of {window} is the device's own; measure more cycles to tell{beyond}"
    return True, f"fits; systematic deviation {off:.1%} of {window}{beyond}"
