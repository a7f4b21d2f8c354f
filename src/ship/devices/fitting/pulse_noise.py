"""The scatter of a pulse train as numbers, and the scale in which they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .report import Estimate

Array = np.ndarray
FLOOR = 1e-5  # of the window, of reads that repeat exactly
STEPS = 12  # equally likely values of the noise of steps


class Scale(NamedTuple):
    """The scale of a fit: 0 at the lower end of the measured window, 1 at its upper end, of g or of its logarithm."""

    low: float  # S
    high: float  # S
    log: bool = False

    @property
    def span(self) -> float:
        """The unit: S, or a difference of ln g."""
        return math.log(self.high / self.low) if self.log else self.high - self.low

    def of(self, g: Array) -> Array:
        """Return conductances (S) in this scale."""
        return np.asarray(np.log(g / self.low) / self.span if self.log else (g - self.low) / self.span)

    def back(self, y: Array) -> Array:
        """Return the conductances (S) of values in this scale."""
        return np.asarray(self.low * np.exp(np.asarray(y) * self.span) if self.log else self.low + np.asarray(y) * self.span)


@dataclass(frozen=True)
class Noise:
    """The scatter: in the scale of the fit, but for the parts of the read noise.

    Args:
        step: of each pulse's step, in the scale of the fit.
        additive: of a read, S.
        relative: of a read, as a fraction of g.
        slow, rho: of what reads have in common with those before, in the scale of the fit, and its correlation.
        errors: the standard errors of the first three.
        terms: the number of terms of the polynomials that it was estimated with.
        free: the degrees of freedom that were left.
        steps: values of ``step`` that are equally likely.
        reach: the middle 95 % of ``step``.
    """

    step: float
    additive: float
    relative: float
    slow: float = 0.0
    rho: float = 0.0
    errors: tuple[float, float, float] = (0.0, 0.0, 0.0)
    terms: int = 0
    free: float = math.inf
    steps: tuple[float, ...] = ()
    reach: tuple[float, float] | None = None

    def read(self, g: Array, scale: Scale) -> Array:
        """Return the variance of reads of conductances (S), in the scale of the fit."""
        g = np.maximum(g, 0.0)
        variance = self.additive**2 + (self.relative * g) ** 2
        return np.asarray(variance / (scale.span * (np.maximum(g, 1e-300) if scale.log else 1.0)) ** 2 + FLOOR**2)

    def drawn(self, count: int, rng: np.random.Generator) -> list[Noise]:
        """Return scatters as likely as this one: by the likelihood of steps, and the standard errors of the others."""
        z = np.abs(np.array([self.step, self.additive, self.relative]) + rng.standard_normal((count, 3)) * np.array(self.errors))
        if self.steps:
            z[:, 0] = rng.permutation(np.resize(self.steps, count))
        return [replace(self, step=row[0], additive=row[1], relative=row[2]) for row in z.tolist()]

    def estimate(self, name: str, factor: float = 1.0, unit: str = "", vague: float = 0.0) -> Estimate:
        """Return one of the three with its 95 % interval, multiplied by a factor with a relative error."""
        value, error = getattr(self, name), self.errors[("step", "additive", "relative").index(name)]
        if name == "step" and self.reach is not None:
            low, high = (abs(end - value) for end in self.reach)
            low, high = math.hypot(low, 1.96 * value * vague), math.hypot(high, 1.96 * value * vague)
            return Estimate(value * factor, max(value - low, 0.0) * factor, (value + high) * factor, unit)
        error = math.hypot(error, value * vague)
        if value > 2.5 * error:
            wide = math.exp(1.96 * error / value)
            return Estimate(value * factor, value / wide * factor, value * wide * factor, unit)
        return Estimate(value * factor, max(value - 1.96 * error, 0.0) * factor, (value + 1.96 * error) * factor, unit)
