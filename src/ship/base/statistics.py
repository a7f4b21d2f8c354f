"""Intervals that say how sure a number is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .errors import ParameterError, RunError


class Interval(NamedTuple):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float


def wilson(correct: int, total: int, level: float = 0.95) -> Interval:
    """Confidence interval of a proportion, e.g. of an accuracy over ``total`` independent test samples.

    ``(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)``, z the normal quantile of the level.

    Raises:
        RunError: not ``0 <= correct <= total``, ``total`` above 0.
        ParameterError: a level outside (0, 1).

    Source: Wilson, J. Am. Stat. Assoc. 22:209 (1927).
    """
    from scipy import stats

    _check_level("wilson", level)
    if total < 1 or not 0 <= correct <= total:
        raise RunError("wilson", "needs 0 <= correct <= total, total above 0", got=f"{correct} of {total}")
    z = float(stats.norm.ppf(0.5 + level / 2))
    p = correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    # At 0 of n and n of n one end is exact; the sum would miss it by a rounding error.
    return Interval(p, 0.0 if correct == 0 else centre - half, 1.0 if correct == total else centre + half)


def mean_interval(values: Tensor | Sequence[float], level: float = 0.95) -> Interval:
    """Mean of independent values (chips, seeds) with Student's t interval: ``mean +- t std / sqrt(n)``, n - 1 degrees of freedom.

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
    """Any statistic of independent values with its bootstrap interval (bias-corrected and accelerated).

    Args:
        values: one for each chip or seed.
        statistic: from a 1-D numpy array to a number, e.g. ``np.median``.
        level: of confidence.
        seed: of the resampling.
        resamples: number of resamples.

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
