"""Binomial counts by inversion of the distribution at a uniform number: summed for small means, solved for large ones."""

from __future__ import annotations

import torch
from torch import Tensor

from .poisson import SMALL_MEAN

SOLVED = 1e9  # trials up to which the incomplete beta function is inverted; beyond, the normal law with its skewness


def binomial(u: Tensor, trials: Tensor, p: Tensor) -> Tensor:
    """Return binomial counts by inversion of the distribution: the smallest k with CDF(k) >= u.

    For more than a billion trials with a variance above 15 the count is ``mean + sd (z + skewness (z^2 - 1) / 6)``, z the normal
    quantile of u, rounded (Cornish & Fisher, Rev. Inst. Int. Statist. 5:307 (1938)); everywhere else it is exact.

    Args:
        u: uniform numbers in (0, 1), float64.
        trials: whole numbers of trials, at least 0, broadcast with ``u``.
        p: the probability of each, from 0 to 1, broadcast with ``u``.
    """
    u, trials, p = torch.broadcast_tensors(u.double(), trials.double(), p.double())
    # More successes than failures: count the failures, so that the smaller mean is summed.
    most = p > 0.5
    rare, v = torch.where(most, 1 - p, p), torch.where(most, 1 - u, u)
    large = trials * rare > SMALL_MEAN
    count = _sum_terms(v, torch.where(large, 0.0, trials), rare)
    if bool(large.any()):
        count[large] = _solve(v[large], trials[large], rare[large])
    return torch.where(most, trials - count, count)


def _sum_terms(u: Tensor, trials: Tensor, p: Tensor) -> Tensor:
    """Invert by summing probabilities from 0 upward, for all elements at once; p is at most 1/2."""
    odds = p / (1 - p)
    term = torch.exp(trials * torch.log1p(-p))
    total, count, k = term, torch.zeros_like(u), 0
    short = (total < u) & (trials > 0)
    while bool(short.any()):
        k += 1
        count = count + short
        term = term * odds * (trials - (k - 1)).clamp(min=0) / k
        short = short & (total + term > total)  # a sum that no longer grows has reached 1 but for rounding
        total = total + term
        short = short & (total < u)
    return torch.minimum(count, trials)


def _solve(u: Tensor, trials: Tensor, p: Tensor) -> Tensor:
    """Invert the incomplete beta function, or beyond `SOLVED` trials the expansion about the normal law."""
    from scipy import stats  # slow to import, and large means are rare

    mean, spread = trials * p, (trials * p * (1 - p)).sqrt()
    z = torch.special.ndtri(u)
    count = torch.round(mean + spread * z + (1 - 2 * p) * (z * z - 1) / 6)
    few = trials <= SOLVED
    if bool(few.any()):
        solved = stats.binom.ppf(u[few].cpu().numpy(), trials[few].cpu().numpy(), p[few].cpu().numpy())
        count[few] = torch.as_tensor(solved).to(u)
    return torch.minimum(count.clamp(min=0), trials)
