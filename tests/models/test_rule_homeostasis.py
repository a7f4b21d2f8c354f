"""Rules that bring a target to a rate, or the weights onto it to a length, against their fixed points."""

import math

import pytest
import torch

import ship
from rules_by_hand import change, train, weights

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("sign", [-1, 1])
def test_vogels_pairs(sign):
    """``rate (exp(-|T| / tau) - alpha)`` for a pair of either order, ``-rate alpha`` for a presynaptic spike: alpha = 2 rho
    tau.
    """
    limits = {"w_min": -1.0, "w_max": 0.0} if sign < 0 else {"w_min": 0.0, "w_max": 1.0}
    rule = ship.VogelsSTDP(sign=sign, rate=0.01, rho=3.0, **limits)
    alpha = 2 * 3.0 * 20e-3
    for pre, post in (([20], [30]), ([30], [20])):
        found = change(rule, pre, post, w=sign * 0.5)
        assert found == pytest.approx(sign * 0.01 * (math.exp(-0.5) - alpha), rel=1e-12)
    assert change(rule, [20], [], w=sign * 0.5) == pytest.approx(-sign * 0.01 * alpha, rel=1e-12)


def test_vogels_brings_the_target_to_its_rate():
    """A target under a steady current fires at 29 Hz; inhibition grows until its rate is rho = 10 Hz.

    The mean change is 0 where ``2 nu_post tau = alpha`` for independent spikes, that is at ``nu_post = rho``; 20 s are about 200
    spikes of the target, so the rate has a standard error below 7 %, and what its spikes know of those that inhibit it adds to
    it.
    """
    rule = ship.VogelsSTDP(rho=10.0, rate=2e-3, w_min=-2.0)
    net = ship.Network()
    net.add(ship.PoissonSource, "inh", n=50, rate=20.0)
    net.add(ship.CurrentInput, "i", n=4)
    net.add(ship.LIF, "e", n=4, output=True)
    net.add(ship.Link, "l", source="i", target="e")
    net.add(ship.ExpSynapse, "s", source="inh", target="e", weight=-1e-4, rule=rule)
    net.init(dt=1e-3, seed=1)
    drive = torch.full((1, 20000, 4), 80.0)
    first = net.run(drive[:, :1000]).sum(1)
    net.run(drive, reset=False)
    rate = net.run(drive, reset=False).sum(1).mean() / 20
    assert float(first.mean()) > 25
    assert float(rate) == pytest.approx(10.0, rel=0.15)


def test_oja_rests_at_the_ratio_of_the_traces():
    """At each postsynaptic spike w goes towards ``w_norm x_pre / x_post`` by ``1 - exp(-rate x_post)``; regular spikes, 20 ms
    apart on both sides, 5 ms after each other: in the steady state ``x_pre = exp(-1/4) / (1 - exp(-1))``, ``x_post = exp(-1) /
    (1 - exp(-1))``.
    """
    steps = 1600
    pre, post = train(range(0, steps, 20), steps), train(range(5, steps, 20), steps)
    found = weights(ship.OjaRule(rate=0.5, w_norm=0.2), pre, post, w=0.9)
    x_pre, x_post = math.exp(-0.25) / (1 - math.exp(-1)), math.exp(-1) / (1 - math.exp(-1))
    rest, k = 0.2 * x_pre / x_post, 805  # a postsynaptic spike long after the start
    assert float(found[-1]) == pytest.approx(rest, rel=1e-6)
    assert float(found[k + 1] - rest) == pytest.approx(float(found[k] - rest) * math.exp(-0.5 * x_post), rel=1e-9)


def test_oja_turns_to_the_first_principal_component():
    """Six inputs of which three share their bursts: w grows along the eigenvector of the largest eigenvalue (these three), and
    the others fall towards the mean.
    """
    g = torch.Generator().manual_seed(3)
    net = ship.Network()
    net.add(ship.SpikeInput, "pre", n=6)
    net.add(ship.LIF, "post", n=1, tau=20e-3, v_th=0.4)
    net.add(ship.ExpSynapse, "s", source="pre", target="post", weight=0.15, rule=ship.OjaRule(rate=0.01, w_norm=0.2))
    net.init(dt=1e-3, dtype=D)
    bursts = (torch.rand(1, 200, 1, generator=g) < 0.3).double().repeat_interleave(100, 1)
    rate = torch.cat([(0.01 + 0.1 * bursts).expand(1, 20000, 3), torch.full((1, 20000, 3), 0.04)], -1)
    net.run((torch.rand(1, 20000, 6, generator=g) < rate).double())
    w = net["s"].plastic_weight.flatten()
    assert float(w[:3].min()) > 1.5 * float(w[3:].max())
    assert float(w.max()) < 1.0


def test_scaling_of_a_silent_unit():
    """Without spikes ``w = w0 exp(rate rho t)``; each spike counts once, whatever tau: ``w0 exp(rate (rho t - n))`` after
    long.
    """
    rule = ship.SynapticScaling(rate=0.02, rho=5.0, tau=0.5)
    assert float(weights(rule, train([], 1000), train([], 1000), w=0.4)[-1]) == pytest.approx(
        0.4 * math.exp(0.02 * 5 * 1), rel=1e-12
    )
    post = train(range(0, 500, 10), 5000)  # 50 spikes, then ten time constants
    assert float(weights(rule, 0 * post, post, w=0.5)[-1]) == pytest.approx(0.5 * math.exp(0.02 * (5 * 5 - 50)), rel=1e-3)


@pytest.mark.parametrize("dt", [0.5e-3, 1e-3, 10e-3])
def test_scaling_does_not_depend_on_dt(dt):
    steps = round(0.5 / dt)
    found = weights(ship.SynapticScaling(rate=0.02, tau=0.1), train([], steps), train([0], steps), w=0.1, dt=dt)
    spike = 1 - math.exp(-0.5 / 0.1)
    assert float(found[-1]) == pytest.approx(0.1 * math.exp(0.02 * (2.5 - spike)), rel=1e-10)


def test_scaling_keeps_the_ratios_of_the_weights():
    net = ship.Network()
    net.add(ship.SpikeInput, "pre", n=3)
    net.add(ship.LIF, "post", n=1)
    net.add(ship.ExpSynapse, "s", source="pre", target="post", weight=[[0.1], [0.2], [0.4]], rule=ship.SynapticScaling(rate=0.1))
    net.init(dt=1e-3, dtype=D)
    net.run(torch.zeros(1, 1000, 3, dtype=D))
    w = net["s"].plastic_weight.flatten()
    torch.testing.assert_close(w, torch.tensor([0.1, 0.2, 0.4], dtype=D) * math.exp(0.1 * 5), rtol=1e-12, atol=0)


def test_weights_onto_a_target_keep_their_total():
    """``total`` of any rule: at each reset the weights onto a target are scaled to that sum of magnitudes, by one factor."""
    net = ship.Network()
    net.add(ship.SpikeInput, "pre", n=4)
    net.add(ship.LIF, "post", n=2, v_th=0.2)
    rule = ship.OnlineSTDP(total=[1.0, 0.5], rate_post=0.05)
    net.add(ship.ExpSynapse, "s", source="pre", target="post", weight=ship.Uniform(0.1, 0.6), rule=rule)
    net.init(dt=1e-3, dtype=D, seed=2)
    before = net["s"].value("weight").reshape(4, 2)
    x = (torch.rand(1, 300, 4, generator=torch.Generator().manual_seed(0)) < 0.1).double()
    net.run(0 * x)
    torch.testing.assert_close(net["s"].plastic_weight.reshape(4, 2), before / before.sum(0) * torch.tensor([1.0, 0.5], dtype=D))
    net.run(x)
    assert float((net["s"].plastic_weight.sum(-2) - torch.tensor([1.0, 0.5])).abs().min()) > 1e-3
    net.run(0 * x)
    torch.testing.assert_close(net["s"].plastic_weight.sum(-2).flatten(), torch.tensor([1.0, 0.5], dtype=D))
