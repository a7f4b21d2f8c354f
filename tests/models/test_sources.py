"""Poisson sources and noise: counts, intervals, and statistics that do not depend on dt."""

import math

import pytest
import torch

import ship

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


def poisson_net(dt, rate, n=200, **options):
    net = ship.Network()
    net.add(ship.PoissonSource, "p", n=n, rate=rate, output=True)
    net.init(dt=dt, seed=1, **options)
    return net


@pytest.mark.parametrize(("dt", "rate"), [(1e-3, 20.0), (1e-4, 1000.0), (1e-2, 500.0), (0.1, 2000.0)])
def test_poisson_counts(dt, rate):
    """Mean and variance r dt, P(0) = e^(-r dt); within 5 standard errors (seed 1). Any rate: counts go beyond 1."""
    counts = poisson_net(dt, rate).run(steps=500)[0]
    n, m = counts.numel(), rate * dt
    assert float(counts.mean()) == pytest.approx(m, abs=5 * math.sqrt(m / n))
    assert float(counts.var()) == pytest.approx(m, abs=5 * math.sqrt((m + 2 * m * m) / n))
    p0 = math.exp(-m)
    assert float((counts == 0).double().mean()) == pytest.approx(p0, abs=5 * math.sqrt(p0 * (1 - p0) / n) + 1e-12)


def test_poisson_intervals_have_cv_one():
    """Intervals of a Poisson process: coefficient of variation 1 (science D6); 5 standard errors."""
    spikes = poisson_net(1e-4, 50.0, n=100).run(duration=2.0)[0]
    gaps = torch.cat([torch.diff(spikes[:, j].nonzero().flatten()).double() for j in range(100)])
    assert len(gaps) > 5000
    # A train cut at 2 s loses its long intervals: bias below 1 / (r T) = 1 %.
    assert float(gaps.std() / gaps.mean()) == pytest.approx(1, abs=0.03)


def test_shot_noise_of_an_exponential_synapse():
    """Campbell: a current of jumps j at rate r has mean r j tau, variance r j^2 tau / 2 (science D6: 1 kHz, 0.1, 5 ms: 0.5,
    0.025).
    """
    net = ship.Network()
    net.add(ship.PoissonSource, "p", n=100, rate=1000.0)
    net.add(ship.LIF, "t", n=100, v_th=1e9)
    net.add(ship.ExpSynapse, "s", source="p", target="t", tau=5e-3, weight=0.1 * 5e-3 * torch.eye(100))
    net.init(dt=1e-4, dtype=D, seed=2)
    net.monitor("s", "i", every=50)
    net.run(duration=2.0)
    i = net.records["s"].i[0, 20:]
    # Samples 5 ms apart are correlated by e^-1: about 18,000 independent ones. Slots widen the jump's start: mean r j tau z / (1
    # - e^-z).
    z = 0.02
    assert float(i.mean()) == pytest.approx(0.5 * z / (1 - math.exp(-z)), abs=5 * math.sqrt(0.025 / 18_000))
    assert float(i.var()) == pytest.approx(0.025, rel=5 * math.sqrt(2 / 18_000) + 0.02)


@pytest.mark.parametrize("dt", [1e-3, 1e-4])
def test_noise_has_the_same_statistics_at_any_dt(dt):
    """Without threshold v is an Ornstein-Uhlenbeck process: std sigma, correlation e^(-s/tau) (5 standard errors)."""
    net = ship.Network()
    net.add(ship.NoisyLIF, "n", n=400, sigma=0.2, tau=10e-3, v_th=1e9)
    net.init(dt=dt, dtype=D, seed=0)
    net.monitor("n", "v", every=round(10e-3 / dt))
    net.run(duration=1.05, batch=1)
    v = net.records["n"].v[0, 5:]
    independent = v.numel() / 2
    assert float(v.std()) == pytest.approx(0.2, rel=5 / math.sqrt(2 * independent))
    lag = float((v[1:] * v[:-1]).mean() / v.var())
    assert lag == pytest.approx(math.exp(-1), abs=5 / math.sqrt(independent))


def test_noise_keeps_its_spectrum_across_a_change_of_dt():
    net = ship.Network()
    net.add(ship.NoisyLIF, "n", n=4000, sigma=0.2, tau=10e-3, v_th=1e9)
    net.init(dt=1e-3, dtype=D)
    net.monitor("n", "v", every=10)
    net.run(dt=[(1e-3, 60), (1e-4, 400), (5e-3, 20)], batch=1)
    spread = net.records["n"].v[0].std(-1)
    assert float((spread[4:] / 0.2 - 1).abs().max()) < 5 / math.sqrt(8000)
