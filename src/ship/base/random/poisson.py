"""Poisson counts by inversion of the distribution at a uniform number: summed for small means, solved for large ones."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ParameterError
from ..threads import spread
from .philox import compiled, has_kernels

SOLVED = 1e9  # up to this mean the incomplete gamma function is inverted; beyond, the normal law with its skewness
SMALL_MEAN = 30.0  # up to this mean the distribution is summed term by term; exp(-mean) is far from underflow


def poisson(u: Tensor, mean: Tensor) -> Tensor:
    """Return Poisson counts by inversion of the distribution: the smallest k with CDF(k) >= u.

    Args:
        u: uniform numbers in (0, 1); float64 resolves small means best.
        mean: expected counts, broadcast with ``u``. A count depends on its own u and mean only.

    Returns:
        Counts, in the dtype of ``u``.

    Raises:
        ParameterError: a mean is negative, infinite or not a number.
    """
    largest = largest_mean(mean)
    if u.dtype == torch.float64 and has_kernels(u.device) and largest <= SMALL_MEAN and u.numel():
        counted = _counted(u, mean.to(torch.float64))
        if counted is not None:
            return counted
    rate, x = torch.broadcast_tensors(mean.to(torch.float64), u.to(torch.float64))
    if largest <= SMALL_MEAN:
        return _sum_terms(x, rate).to(u.dtype)
    large = rate > SMALL_MEAN
    count = _sum_terms(x, torch.where(large, 0.0, rate))
    count[large] = _solve(x[large], rate[large])
    return count.to(u.dtype)


def largest_mean(mean: Tensor) -> float:
    """Return the largest of some means, 0 if there are none.

    Raises:
        ParameterError: a mean is negative, infinite or not a number.
    """
    if mean.numel() == 0:
        return 0.0
    low, high = map(float, torch.aminmax(mean))
    if not (low >= 0 and high < math.inf):
        raise ParameterError("Poisson mean", "must be finite and at least 0", got=f"values from {low} to {high}")
    return high


def distribution(mean: Tensor) -> NDArray[np.float64]:
    """Return P(count <= k) for k from 0 on, for one mean."""
    mean = mean.to(torch.float64)
    return cast(NDArray[np.float64], compiled()["cdf"](float(mean), float(torch.exp(-mean))))


def _counted(u: Tensor, mean: Tensor) -> Tensor | None:
    """Do what `_sum_terms` does, compiled, for one mean or one per unit of the last axis; return None for other shapes."""
    if mean.numel() > 1 and mean.shape != u.shape[-1:]:
        return None
    rows = u.contiguous().reshape(-1, u.shape[-1]).numpy()
    out, twin = np.empty_like(rows), compiled()
    if mean.numel() == 1:
        table = distribution(mean)
        spread(len(rows), lambda lo, hi: twin["poisson_table"](lo, hi, rows, table, out))
    else:
        first = torch.exp(-mean)
        spread(len(rows), lambda lo, hi: twin["poisson"](lo, hi, rows, mean.numpy(), first.numpy(), out))
    return torch.from_numpy(out).reshape(u.shape)


def _sum_terms(x: Tensor, rate: Tensor) -> Tensor:
    """Invert by summing probabilities from 0 upward, for all elements at once."""
    term = torch.exp(-rate)
    total, count, k = term, torch.zeros(x.shape, dtype=x.dtype, device=x.device), 0
    short = total < x
    while bool(short.any()):
        k += 1
        count = count + short
        term = term * rate / k
        # A sum that no longer grows has reached 1 but for rounding: an x above it would count on for ever.
        short = short & (total + term > total)
        total = total + term
        short = short & (total < x)
    return count


def _solve(x: Tensor, rate: Tensor) -> Tensor:
    """Invert the incomplete gamma function; its rounding may miss by one, so both neighbours are tested.

    Beyond `SOLVED`, where a count is 30,000 standard deviations or more, it is ``mean + sqrt(mean) z + (z^2 - 1) / 6``, z the
    normal quantile, rounded (Cornish & Fisher, Rev. Inst. Int. Statist. 5:307 (1938)).
    """
    import numpy as np  # scipy is slow to import, and large means are rare
    from scipy import special

    if float(rate.max()) > SOLVED:
        z = torch.special.ndtri(x)
        count = torch.round(rate + rate.sqrt() * z + (z * z - 1) / 6)
        few = rate <= SOLVED
        if bool(few.any()):
            count[few] = _solve(x[few], rate[few])
        return count

    p, m = x.cpu().numpy(), rate.cpu().numpy()
    k = np.maximum(np.ceil(special.pdtrik(p, m)), 0.0)
    below = np.maximum(k - 1, 0.0)
    k = np.where(special.pdtr(below, m) >= p, below, k)
    return torch.as_tensor(np.where(special.pdtr(k, m) < p, k + 1, k)).to(x)
