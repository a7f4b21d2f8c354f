"""Parameters of several devices together: the middle, the spread from device to device, and how well both are known.

Each device's own fit gives ``theta_k = mu + d_k + e_k``, with d of covariance T (the spread) and e of the known covariance of
that fit, C_k. mu and T are those of highest likelihood (expectation and maximisation), so that devices of few pulses, whose
fits say little, count little. A spread of one parameter is known to about ``1 / sqrt(2 (devices - 1))`` of itself and of C_k.

Source: DerSimonian & Laird, Control. Clin. Trials 7:177 (1986); Dempster, Laird & Rubin, J. R. Stat. Soc. B 39:1 (1977).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
STEPS = 200
LEAST = 3  # devices from which on a spread is estimated


class Pooled(NamedTuple):
    """Middle and spread of the parameters over devices.

    Args:
        middle: the mean over devices, ``[parameter]``.
        error: its standard error.
        covariance: the spread over devices, without the uncertainty of each device's fit, ``[parameter, parameter]``.
        spread: its standard deviations.
        low, high: their 95 % intervals.
        correlation: the correlation of the parameters over devices.
        shrunk: the parameters of each device, ``[device, parameter]``, drawn towards the middle by what its fit leaves open.
    """

    middle: Array
    error: Array
    covariance: Array
    spread: Array
    low: Array
    high: Array
    correlation: Array
    shrunk: Array


def pooled(theta: Array, errors: Array) -> Pooled:
    """Pool the parameters of devices.

    Args:
        theta: the parameters of each device's own fit, ``[device, parameter]``.
        errors: their covariances, ``[device, parameter, parameter]``.
    """
    size = np.maximum(np.sqrt(np.diag(np.atleast_2d(np.cov(theta, rowvar=False)))), 1e-12)
    x, c = theta / size, errors / np.outer(size, size)
    n = len(x)
    tiny = 1e-10 * np.eye(x.shape[1])
    covariance = np.diag(np.maximum(x.var(0, ddof=1) - np.mean(np.diagonal(c, axis1=1, axis2=2), axis=0), 0.05))
    middle, shrunk = x.mean(0), x
    for _ in range(STEPS):
        weight = np.linalg.inv(covariance + c + tiny)
        whole = np.linalg.inv(weight.sum(0))
        middle = whole @ np.einsum("kij,kj->i", weight, x)
        gain = covariance @ weight
        off = np.einsum("kij,kj->ki", gain, x - middle)
        left = covariance - gain @ covariance
        new = (np.einsum("ki,kj->ij", off, off) + left.sum(0)) / max(n - 1, 1)
        new = (new + new.T) / 2
        moved = float(np.abs(new - covariance).max())
        covariance, shrunk = new, middle + off
        if moved < 1e-5:
            break
    weight = np.linalg.inv(covariance + c + tiny)
    error = np.sqrt(np.diag(np.linalg.inv(weight.sum(0))))
    variance = np.diag(covariance)
    own = np.diagonal(c, axis1=1, axis2=2)
    known = np.sqrt(2 / (1 / (variance + own + 1e-12) ** 2).sum(0) * n / max(n - 1, 1))  # standard error of the variance
    spread = np.sqrt(variance)
    wide = 1.96 * known / np.maximum(2 * variance, 1e-12)  # of ln(spread)
    sure = wide < 1.2
    low = np.where(sure, spread * np.exp(-np.minimum(wide, 1.2)), 0.0)
    high = np.where(sure, spread * np.exp(np.minimum(wide, 1.2)), np.sqrt(variance + 1.96 * known))
    safe = np.where(spread > 1e-4, spread, 1.0)
    correlation = np.where(np.eye(len(size), dtype=bool), 1.0, np.clip(covariance / np.outer(safe, safe), -1, 1))
    return Pooled(
        middle * size,
        error * size,
        covariance * np.outer(size, size),
        spread * size,
        low * size,
        high * size,
        correlation,
        shrunk * size,
    )
