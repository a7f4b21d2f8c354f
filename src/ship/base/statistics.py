"""Values with their ranges: the types, and the intervals that say how sure a number is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from .errors import ParameterError, RunError


class _Ends(NamedTuple):
    value: float
    low: float = math.nan
    high: float = math.nan


class Interval(_Ends):
    """A value with its range: ``(value, low, high)``, and its unit.

    The range is the confidence interval of an estimate, or the middle 95 % of the replicates of a fitted parameter.

    Args:
        value: the estimate.
        low: the lower end; NaN where no range was estimated.
        high: the upper end.
        unit: the SI unit of all three, for texts.
    """

    unit: str = ""

    def __new__(cls, value: float, low: float = math.nan, high: float = math.nan, unit: str = "") -> Self:
        made = super().__new__(cls, value, low, high)
        if unit:
            made.unit = unit
        return made

    def __repr__(self) -> str:
        unit = f", unit={self.unit!r}" if self.unit else ""
        return f"Interval(value={self.value!r}, low={self.low!r}, high={self.high!r}{unit})"

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.4g} {self.unit}".rstrip()
        # At a limit of 0, fits end at 1e-15 of nothing: as text that is 0.
        size = 1e-9 * max((abs(x) for x in self if math.isfinite(x)), default=0.0)
        value, low, high = (0.0 if abs(x) < size else x for x in self)
        return f"{value:.4g} [{low:.4g}, {high:.4g}] {self.unit}".rstrip()

    def as_dict(self) -> dict[str, Any]:
        """Return value, ends and unit by name."""
        return self._asdict() | {"unit": self.unit}


class Band(NamedTuple):
    """A range without a value: from the lowest to the highest one, numbers or tensors; equal where a value is known."""

    low: Any
    high: Any

    def __add__(self, other: Any) -> Band:
        return Band(self.low + other.low, self.high + other.high)

    def __mul__(self, other: Any) -> Band:
        """Multiply with a band or a number, where all of them are at least 0."""
        low, high = other if isinstance(other, Band) else (other, other)
        return Band(self.low * low, self.high * high)


def wilson(correct: int, total: int, level: float = 0.95) -> Interval:
    """Return a proportion with Wilson's confidence interval, e.g. an accuracy over ``total`` independent test samples.

    ``(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)``, where z is the normal quantile of the level.

    Args:
        correct: the number of samples that were right.
        total: the number of all samples.
        level: the confidence level.

    Raises:
        RunError: not ``0 <= correct <= total``, ``total`` above 0.
        ParameterError: a level outside (0, 1).

    Source: Wilson, J. Am. Stat. Assoc. 22:209 (1927).
    """
    from scipy import stats

    _check_level("wilson", level)
    if total < 1 or not 0 <= correct <= total:
        raise RunError("wilson", "needs 0 <= correct <= total, total above 0", got=f"{correct} of {total}")
    ends = stats.binomtest(correct, total).proportion_ci(level, method="wilson")
    return Interval(correct / total, float(ends.low), float(ends.high))


def mean_interval(values: Tensor | Sequence[float], level: float = 0.95) -> Interval:
    """Return the mean of independent values (chips, seeds) with Student's t interval.

    The interval is ``mean +- t std / sqrt(n)``, with n - 1 degrees of freedom.

    Raises:
        RunError: fewer than two values, or one that is not finite.
        ParameterError: a level outside (0, 1).
    """
    from scipy import stats

    _check_level("mean_interval", level)
    sample = _sample("mean_interval", values)
    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / math.sqrt(len(sample))
    half = float(stats.t.ppf(0.5 + level / 2, len(sample) - 1)) * error
    return Interval(mean, mean - half, mean + half)


def bootstrap_interval(
    values: Tensor | Sequence[float],
    statistic: Callable[[Any], float] = np.mean,
    level: float = 0.95,
    seed: int = 0,
    *,
    resamples: int = 9999,
) -> Interval:
    """Return any statistic of independent values with its bootstrap interval (bias-corrected and accelerated).

    Args:
        values: one value for each chip or seed.
        statistic: a function from a 1-D NumPy array to a number, e.g. ``np.median``.
        level: the confidence level.
        seed: the seed of the resampling.
        resamples: the number of resamples.

    Raises:
        RunError: fewer than two values, one that is not finite, or a statistic for which the interval is not defined.
        ParameterError: a level outside (0, 1), or no resamples.

    Source: Efron, J. Am. Stat. Assoc. 82:171 (1987).
    """
    from scipy import stats

    _check_level("bootstrap_interval", level)
    if resamples < 1:
        raise ParameterError("bootstrap_interval: resamples", "must be at least 1", got=str(resamples))
    sample = _sample("bootstrap_interval", values)
    value = float(statistic(sample))
    if np.ptp(sample) == 0:
        return Interval(value, value, value)
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # told below, as an error
        found = stats.bootstrap(
            (sample,), statistic, vectorized=False, confidence_level=level, n_resamples=resamples, method="BCa", random_state=rng
        ).confidence_interval
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise RunError(
            "bootstrap_interval",
            "is not defined for this statistic of these values",
            fix="Give more values or a smoother statistic.",
        )
    return Interval(value, float(found.low), float(found.high))


def _check_level(where: str, level: float) -> None:
    if not 0 < level < 1:
        raise ParameterError(f"{where}: level", "must lie between 0 and 1", got=f"{level:g}", fix="E.g. 0.95.")


def _sample(where: str, values: Tensor | Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    sample = torch.as_tensor(values, dtype=torch.float64).detach().cpu().flatten().numpy()
    if len(sample) < 2:
        raise RunError(where, "needs at least two values", got=str(len(sample)))
    if not np.isfinite(sample).all():
        raise RunError(where, "needs finite values", got="NaN or infinity")
    return sample
