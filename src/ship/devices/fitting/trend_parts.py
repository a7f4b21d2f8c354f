"""From trends over time and over cycles to parts of a device: the one place that knows which part stands for which law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...base.errors import FitError
from ...base.parameters import Varied
from .. import AdditiveNoise, HfO2Drift, LogDrift, PowerDrift, PowerTrend, RelativeNoise, VolatileRetention, Wear
from .report import Estimate, Fitted
from .to_device import NoPartError
from .trend import TrendFit
from .trend_noise import TrendNoise
from .trend_result import Labels, over_curves

SIGNED = 0.5  # spread of an exponent, of its mean, from which on its sign is left free


def varied(nominal: float, d2d: float = 0.0, c2c: float = 0.0) -> Any:
    """Return a value with its spreads (in its unit) from device to device and from cycle to cycle."""
    return float(nominal) if d2d <= 0 and c2c <= 0 else Varied(float(nominal), d2d_abs=float(d2d), c2c_abs=float(c2c))


def retention(fit: TrendFit, chosen: Fitted, labels: Labels, t0: float, window: tuple[float, float] | None) -> Any:
    """Return the retention part of a fitted law; None: it was measured that there is no drift.

    Args:
        fit: the fit of the law.
        chosen: the law in the ranking; what it leaves open goes into no part.
        labels: the labels of the curves.
        t0: the first time, s.
        window: the lowest and the highest level, S; None: one level.

    Raises:
        NoPartError: the library has no such part, or the data do not determine it.
    """
    law = fit.law.name
    if law == "constant":
        return None
    if law == "hfo2":
        return HfO2Drift()
    if chosen.open:
        raise NoPartError(f"the law {law!r}", f"leaves {', '.join(chosen.open)} open", fix="Measure longer.")
    if law in ("power", "logarithmic"):
        mean, d2d, c2c = spreads(fit, labels)
        if law == "logarithmic":
            return LogDrift(b=varied(mean, d2d, c2c), t0=t0)
        signed = mean < 0 or math.hypot(d2d, c2c) > SIGNED * mean
        part = PowerTrend if signed else PowerDrift
        return part(nu=varied(mean, d2d, c2c), t0=t0)
    if window is None:
        raise NoPartError("the law 'exponential'", "relaxes to a part of the window, which one level does not tell")
    low, high = window
    rest = (float(np.median(fit.theta[:, 1])) - low) / (high - low)
    if not 0 <= rest <= 1:
        raise NoPartError("the law 'exponential'", "relaxes to outside the window of the levels", got=f"{rest:.2f} of it")
    return VolatileRetention(tau=float(np.median(fit.theta[:, 2])), rest=rest)


def spreads(fit: TrendFit, labels: Labels) -> tuple[float, float, float]:
    """Return the mean of a law's second parameter over the curves, and its spread from device to device, and otherwise."""
    if len(fit.raw) == 1:
        return float(fit.theta[0, 1]), 0.0, 0.0
    over = over_curves(fit, 1, labels)
    zero = Estimate(0.0)
    return over["mean"].value, over.get("d2d", zero).value, over.get("c2c", over.get("spread", zero)).value


def read_noise(noise: TrendNoise, levels: int) -> tuple[Any, str]:
    """Return the part of the read noise that was seen at so many levels, and what a reader should know of it."""
    model = noise.model
    if model is None:
        raise FitError("fit: read noise", "too few reads tell it")
    text = "scatter of neighbouring reads"
    if noise.allan > 0:
        text += f"; slow scatter (1/f, Allan deviation {noise.allan:.2%}) is not in this part"
    if not noise.log:
        return AdditiveNoise(sigma=model.additive), text
    told = model.sure and levels >= 1
    kind = "" if told else "; the data do not tell relative from additive noise: relative is assumed"
    return RelativeNoise(sigma=noise.pooled), text + kind


def wear(law: str, on: tuple[float, float], off: tuple[float, float], first: float) -> dict[str, Any]:
    """Return the settings of `Wear` for states that follow one law; none: the window stays.

    Args:
        law: the law of both states: "constant", "logarithmic" or "power".
        on, off: of each state the value (S) at the first cycle, and the second parameter: S lost, or the exponent, for each
            decade or factor of cycles.
        first: the number of the first cycle.

    Raises:
        NoPartError: the library has no such part, or the window grows.
    """
    if law == "constant":
        return {}
    if law not in ("logarithmic", "power"):
        raise NoPartError(f"the law {law!r}", "has no endurance part: Wear closes a window with the logarithm of the cycles")
    falls, rises = on[1], -off[1]
    if falls + rises <= 0:
        raise NoPartError(f"the law {law!r}", "opens the window, and no endurance part does")
    width = on[0] - off[0] if law == "logarithmic" else math.log10(on[0] / off[0])
    total = max(falls, 0.0) + max(rises, 0.0)
    made: dict[str, Any] = {"onset": max(first, 1.0), "rate": (falls + rises) / width, "towards": max(rises, 0.0) / total}
    return made | ({"log": True} if law == "power" else {})


def endurance(settings: dict[str, Any]) -> Any:
    """Return the part of settings of `Wear`; None: nothing wears."""
    return Wear(**({"rate": 0.0} | settings)) if settings else None
