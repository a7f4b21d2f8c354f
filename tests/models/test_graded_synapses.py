"""Synapses of levels: the low-pass filter and graded release, against the response of a first-order filter."""

import math

import numpy as np
import pytest
import torch

import ship

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


def outputs(model, levels, dt=1e-3, n=1, **options):
    """The output of the synapse under given levels ``[time, unit]``, ``[time, post]``."""
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=levels.shape[-1])
    net.add(ship.LeakyIntegrator, "t", n=n)
    net.add(model, "s", source="in", target="t", output=True, **options)
    net.init(dt=dt, dtype=D)
    return net.run(levels[None])[0]


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 0.5])
def test_step_response_of_the_low_pass(dt):
    """Means over slots of ``w (1 - e^(-t/tau))``: exact at any dt."""
    got = outputs(ship.LowPass, torch.ones(50, 1), dt, weight=0.7, tau=20e-3)[:, 0]
    edge = torch.arange(51, dtype=D) * dt
    integral = edge + 20e-3 * torch.exp(-edge / 20e-3)
    assert torch.allclose(got, 0.7 * torch.diff(integral) / dt, rtol=1e-12, atol=1e-14)


def test_sides_of_the_low_pass_agree():
    """It is linear: the sum of the filtered is the filtered sum."""
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(40, 3, generator=generator, dtype=D), torch.randn(3, 4, generator=generator, dtype=D)
    got = [outputs(ship.LowPass, x, n=4, weight=weight, side=side) for side in ("post", "pre", "connection")]
    for other in got[1:]:
        assert torch.allclose(other, got[0], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("v", [-1.0, 0.0, 0.2, 0.6, 50.0])
def test_graded_release_of_a_steady_level(v):
    """``w tanh((v - v_th) / v_slope)`` above threshold, nothing below, reached with ``1 - e^(-t/tau)``."""
    got = outputs(ship.GradedSynapse, torch.full((400, 1), v, dtype=D), weight=3.0, tau=5e-3, v_th=0.1, v_slope=0.5)[:, 0]
    aim = 3.0 * math.tanh(max(0.0, (v - 0.1) / 0.5))
    edge = torch.arange(401, dtype=D) * 1e-3
    mean = torch.diff(edge + 5e-3 * torch.exp(-edge / 5e-3)) / 1e-3
    assert torch.allclose(got, aim * mean, rtol=1e-12, atol=1e-15)


def test_from_cell_to_cell_without_a_spike_converges_with_order_one():
    """``ds/dt = (tanh(v/k) - s) / tau`` after an integrator that decays from 1 V: v is taken at the start of each slot."""
    errors, tau, tau_m = [], 5e-3, 20e-3
    fine = np.linspace(0, 40e-3, 400_001)
    drive = np.tanh(np.exp(-fine / tau_m) / 0.5)
    grown = np.exp(fine / tau) * drive
    area = np.concatenate([[0.0], np.cumsum((grown[1:] + grown[:-1]) / 2 * np.diff(fine))])
    exact = np.exp(-fine / tau) * area / tau
    for dt in (1e-3, 5e-4, 2.5e-4):
        net = ship.Network()
        net.add(ship.LeakyIntegrator, "a", n=1, tau=tau_m, initial={"v": 1.0})
        net.add(ship.LeakyIntegrator, "b", n=1, output=True)
        net.add(ship.GradedSynapse, "s", source="a", target="b", weight=1.0, tau=tau, v_slope=0.5)
        net.init(dt=dt, dtype=D)
        net.monitor("s", "s")
        net.run(steps=round(40e-3 / dt))
        s = net.records["s"].s[0, :, 0].numpy()
        errors.append(np.abs(s - exact[:: round(dt / 1e-7)][: len(s)]).max())
    orders = np.diff(-np.log2(errors))
    assert np.all(np.abs(orders - 1) < 0.2), (errors, orders)
    assert errors[-1] < 0.02


def test_errors():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LeakyIntegrator, "t", n=1)
    net.add(ship.GradedSynapse, "s", source="in", target="t")
    with pytest.raises(ship.GraphError, match=r"GradedSynapse 's': takes values; got events from 'in'"):
        net.init(dt=1e-3)
