"""Binomial counts by inversion, against SciPy's and against their moments; Poisson counts of very large means."""

import math

import pytest
import torch
from scipy import stats

from ship.base.random.binomial import binomial
from ship.base.random.poisson import poisson

CASES = [(0, 0.3), (1, 0.5), (5, 0.0), (5, 1.0), (7, 0.9), (400, 0.5), (10**6, 1e-5), (10**8, 0.3)]
U = torch.rand(4000, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(("trials", "p"), CASES)
def test_counts_are_the_quantiles_of_the_distribution(trials, p):
    made = binomial(U, torch.tensor(float(trials)), torch.tensor(p, dtype=torch.float64))
    wanted = torch.as_tensor(stats.binom.ppf(U.numpy(), trials, p)).clamp(min=0)
    assert float((made == wanted).double().mean()) > 0.999  # the last bit of a cumulative sum may decide
    assert float((made - wanted).abs().max()) <= 1


@pytest.mark.parametrize(("trials", "p"), [(10**12, 1e-9), (10**12, 1e-3), (10**17, 0.5)])
def test_more_trials_than_can_be_inverted(trials, p):
    """Mean ``n p`` and variance ``n p (1 - p)``, within 5 standard errors."""
    made = binomial(U, torch.tensor(float(trials), dtype=torch.float64), torch.tensor(p, dtype=torch.float64))
    variance = trials * p * (1 - p)
    assert float(made.mean()) == pytest.approx(trials * p, abs=5 * math.sqrt(variance / len(U)))
    assert float(made.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / len(U)) + 1 / variance)


def test_poisson_counts_of_very_large_means():
    """Beyond a mean of 10^9 counts have mean and variance of the mean, never NaN; just there they are SciPy's quantiles."""
    for mean in (1.1e9, 1e12, 2e17):
        made = poisson(U, torch.tensor(mean, dtype=torch.float64))
        assert float(made.mean()) == pytest.approx(mean, abs=5 * math.sqrt(mean / len(U)))
        assert float(made.var()) == pytest.approx(mean, rel=5 * math.sqrt(2 / len(U)))
        if mean < 2e9:
            assert torch.equal(made[:5], torch.as_tensor(stats.poisson.ppf(U[:5].numpy(), mean)))
