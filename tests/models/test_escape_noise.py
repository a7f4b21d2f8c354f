"""Escape noise: probability of a spike, intervals, dependence on dt, gradients."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

import ship
from neurons import driven
from ship.models.surrogate import Sigmoid

D = torch.float64


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("dt", [2e-3, 2e-4])
def test_the_probability_of_a_spike(dt):
    """At a constant voltage each slot draws with 1 - exp(-r dt), r = exp((v - v_th) / delta) / tau_escape; 4 sigma, seed 1."""
    v = torch.tensor([0.85, 0.9, 1.0, 1.1], dtype=D).repeat_interleave(100)
    steps = round(0.8 / dt)
    options = {"tau": math.inf, "v_rest": v, "v_reset": v, "delta": 0.05, "tau_escape": 10e-3}
    spikes, _ = driven(ship.EscapeLIF, torch.zeros(400), 0.8, dt=dt, seed=1, **options)
    for j, level in enumerate((0.85, 0.9, 1.0, 1.1)):
        p = -math.expm1(-math.exp((level - 1) / 0.05) / 10e-3 * dt)
        draws = 100 * (steps - 1)  # the first slot has none
        found = float(spikes[:, 100 * j : 100 * (j + 1)].sum())
        assert abs(found - draws * p) < 4 * math.sqrt(draws * p * (1 - p)), level


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("dt", [4e-4, 2e-4])
def test_the_distribution_of_intervals(dt):
    """S(t) = exp(-integral of r(v(s))), v(s) = v_inf (1 - e^(-s / tau)) after a reset; Kolmogorov and Smirnov at 1 %, seed 3."""
    v_inf, tau, delta, tau_escape = 0.95, 20e-3, 0.1, 10e-3
    spikes, _ = driven(ship.EscapeLIF, torch.full((2000,), v_inf / tau), 0.4, dt=dt, seed=3)
    assert (spikes.sum(0) > 0).all()
    gaps = spikes.argmax(0).numpy() * dt  # the first interval of each unit: all of them end within the run
    s = np.arange(1, round(0.4 / dt)) * dt
    hazard = np.exp((v_inf * (1 - np.exp(-s / tau)) - 1) / delta) / tau_escape
    survival = np.exp(-np.concatenate(([0.0], np.cumsum(hazard) * dt)))
    u = np.interp(gaps, np.concatenate(([0.0], s)), survival)
    assert stats.kstest(u, "uniform").pvalue > 0.01
    assert stats.kstest(u**1.15, "uniform").pvalue < 0.01  # the test sees a hazard that is 15 % off


@pytest.mark.usefixtures("no_grad")
def test_without_noise_it_is_a_lif_neuron():
    levels = torch.linspace(60, 200, 9)
    assert torch.equal(driven(ship.EscapeLIF, levels, 0.2, delta=0.0)[0], driven(ship.LIF, levels, 0.2)[0])


def test_the_surrogate_gives_the_gradient_of_the_probability():
    """The mean over draws of a surrogate of area 1 is dP/dv smoothed by it: P = 1 - exp(-r dt)."""
    n, dt, delta, tau_escape, slope = 40_000, 2e-3, 0.1, 5e-3, 50.0
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=n)
    net.add(
        ship.EscapeLIF, "e", n=n, output=True, tau=math.inf, delta=delta, tau_escape=tau_escape, surrogate=Sigmoid(slope=slope)
    )
    net.add(ship.Link, "l", source="i", target="e")
    net.init(dt=dt, dtype=D, seed=2, engine="reference")
    x = torch.zeros(1, 2, n, dtype=D)
    x[0, 0] = 0.95 / dt
    x.requires_grad_()
    net.run(x)[0, 1].sum().backward()
    found = float(x.grad[0, 0].mean()) / dt
    s = np.linspace(-1.0, 1.0, 20_001)
    p = -np.expm1(-np.exp((0.95 - 1.0 - s) / delta) * dt / tau_escape)
    kernel = slope / (4 * np.cosh(slope * s / 2) ** 2)
    smoothed = np.trapezoid(-np.gradient(p, s) * kernel, s)
    assert found == pytest.approx(smoothed, rel=0.03)
