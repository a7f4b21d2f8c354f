"""Rules with a third factor: reward, e-prop and the delta rule, against closed forms and against gradients."""

import math

import pytest
import torch

import ship
from rules_by_hand import train, weights

D = torch.float64


def test_reward_after_a_pair(no_grad):
    """A pair at +10 ms leaves ``c = a_plus exp(-0.5)``; a reward T later changes the weight by
    ``rate c exp(-T / tau_c) (1 - exp(-S s)) / s``, ``1 / s = 1 / (1 / tau_c + 1 / tau_d)``, S the time until the end.
    """
    rule = ship.RewardSTDP(w_max=10.0)
    steps, k = 800, 300
    found = weights(rule, train([20], steps), train([30], steps), modulator=train([k], steps))
    s = 1 / 1.0 + 1 / 0.2
    wanted = 0.1 * math.exp(-0.5) * math.exp(-(k - 30) * 1e-3) * (1 - math.exp(-(steps - k) * 1e-3 * s)) / s
    assert float(found[-1] - found[0]) == pytest.approx(wanted, rel=1e-10)
    assert float(found[k] - found[0]) == 0.0


@pytest.mark.parametrize("dt", [0.5e-3, 2e-3])
def test_reward_does_not_depend_on_dt(no_grad, dt):
    at = lambda t: round(t * 1e-3 / dt)  # noqa: E731
    steps = at(600)
    found = weights(
        ship.RewardSTDP(w_max=10.0), train([at(20)], steps), train([at(30)], steps), dt=dt, modulator=train([at(300)], steps)
    )
    s = 6.0
    wanted = 0.1 * math.exp(-0.5) * math.exp(-0.27) * (1 - math.exp(-0.3 * s)) / s
    assert float(found[-1] - found[0]) == pytest.approx(wanted, rel=1e-10)


def test_levels_of_reward_act_by_their_covariance_with_the_eligibility(no_grad):
    """With levels, ``dw = rate sum (m - baseline) c`` over time: a level at the baseline does nothing; a level of 1 above it for
    the whole time after a pair gives ``rate c tau_c (1 - exp(-T / tau_c))``; mean-free levels give the covariance with c.
    """
    rule = ship.RewardSTDP(modulation="values", baseline=2.0, w_max=10.0)
    pre, post = train([20], 500), train([30], 500)
    assert float(weights(rule, pre, post, modulator=torch.full((500,), 2.0, dtype=D))[-1]) == 0.5
    found = weights(rule, pre, post, modulator=torch.full((500,), 3.0, dtype=D))[-1] - 0.5
    assert float(found) == pytest.approx(0.1 * math.exp(-0.5) * (1 - math.exp(-0.47)), rel=1e-10)
    noise = torch.randn(500, dtype=D, generator=torch.Generator().manual_seed(0))
    found = weights(rule, pre, post, modulator=2 + noise)[-1] - 0.5
    c = torch.where(torch.arange(500) >= 30, 0.1 * math.exp(-0.5) * torch.exp(-(torch.arange(500, dtype=D) - 30) * 1e-3), 0.0)
    assert float(found) == pytest.approx(float((noise * c).sum()) * (1 - math.exp(-1e-3)), rel=1e-9)


def test_reward_in_a_network_reaches_the_pair_that_earned_it(no_grad):
    """Two inputs: one fires before the target and is rewarded later, the other after it: one grows, the other falls."""
    net = ship.Network()
    net.add(ship.SpikeInput, "pre", n=2)
    net.add(ship.SpikeInput, "teach", n=1)
    net.add(ship.SpikeInput, "dopamine", n=1)
    net.add(ship.LIF, "post", n=1, v_th=0.9, tau=1e-3)
    net.add(ship.ImpulseSynapse, "force", source="teach", target="post", weight=1.0)
    net.add(ship.ExpSynapse, "s", source="pre", target="post", weight=0.5, tau=1.0, rule=ship.RewardSTDP(), modulator="dopamine")
    net.init(dt=1e-3, dtype=D)
    x = {"pre": torch.zeros(1, 600, 2), "teach": torch.zeros(1, 600, 1), "dopamine": torch.zeros(1, 600, 1)}
    x["pre"][0, 20, 0] = x["teach"][0, 30, 0] = x["pre"][0, 40, 1] = 1
    net.run(x)
    assert net["s"].plastic_weight.flatten().tolist() == [0.5, 0.5]  # no reward, no change
    x["dopamine"][0, 300] = 1
    net.run(x)
    w = net["s"].plastic_weight.flatten()
    s, end = 6.0, 1 - math.exp(-0.3 * 6.0)
    assert float(w[0]) == pytest.approx(0.5 + 0.1 * math.exp(-0.5) * math.exp(-0.27) * end / s, rel=1e-9)
    assert float(w[1]) == pytest.approx(0.5 - 0.15 * math.exp(-0.5) * math.exp(-0.26) * end / s, rel=1e-9)


SYNAPSES = {"impulse": ship.ImpulseSynapse, "exponential": ship.ExpSynapse}
RATE = 1e-9  # so small that the weights, and with them the gradient, stay as they are to about 1e-6


def layer(synapse, target, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=8)
    net.add(*target, "h", n=4, output=True)
    weight = 0.3 * torch.rand(8, 4, dtype=D, generator=torch.Generator().manual_seed(1))
    if "rule" in options:
        net.add(ship.CurrentInput, "m", n=4)
        options["modulator"] = "m"
    net.add(SYNAPSES[synapse], "s", source="in", target="h", weight=weight, **options)
    return net, weight


@pytest.mark.parametrize("synapse", SYNAPSES)
def test_eprop_is_the_gradient_of_a_layer(synapse):
    """``E = sum over slots of (y - y*)^2 / 2``, y a leaky readout of a layer of LIF units: backpropagation through time (with the
    reset held constant) and the forward traces of e-prop give the same gradient.
    """
    g = torch.Generator().manual_seed(0)
    x = (torch.rand(1, 120, 8, generator=g) < 0.15).double()
    wanted = 0.2 * torch.sin(torch.arange(120, dtype=D) / 10).reshape(1, 120, 1)
    back = 0.2 * torch.randn(4, 1, dtype=D, generator=g)
    net, weight = layer(synapse, (ship.LIF,), trainable=True)
    net.add(ship.LeakyIntegrator, "y", n=1, output=True)
    net.add(ship.ImpulseSynapse, "o", source="h", target="y", weight=back)
    net.init(dt=1e-3, dtype=D)
    out = net.run(x)
    assert float(out["h"].detach().sum()) > 40
    (0.5 * (out["y"] - wanted) ** 2).sum().backward()
    gradient = net["s"].weight.grad
    signal = ((out["y"] - wanted) @ back.T).detach()
    rule = ship.EProp(rate=RATE, synapse=synapse)
    net, weight = layer(synapse, (ship.LIF,), rule=rule)
    net.init(dt=1e-3, dtype=D)
    with torch.no_grad():
        net.run({"in": x, "m": signal})
    found = (weight - net["s"].plastic_weight.reshape(8, 4)) / RATE
    assert float(gradient.abs().max()) > 10
    torch.testing.assert_close(found, gradient.reshape(8, 4), rtol=0, atol=1e-5 * float(gradient.abs().max()))


@pytest.mark.parametrize("synapse", SYNAPSES)
def test_delta_rule_is_the_gradient_of_the_squared_error(synapse):
    """``E = dt sum (y* - y)^2 / 2``: the change is ``-rate`` times its gradient by autograd."""
    g = torch.Generator().manual_seed(0)
    x = (torch.rand(1, 120, 8, generator=g) < 0.15).double()
    wanted = torch.rand(1, 120, 4, dtype=D, generator=g)
    net, weight = layer(synapse, (ship.LeakyIntegrator,), trainable=True)
    net.init(dt=1e-3, dtype=D)
    (0.5e-3 * (wanted - net.run(x)) ** 2).sum().backward()
    gradient = net["s"].weight.grad
    net, weight = layer(synapse, (ship.LeakyIntegrator,), rule=ship.DeltaRule(rate=RATE, synapse=synapse))
    net.init(dt=1e-3, dtype=D)
    with torch.no_grad():
        net.run({"in": x, "m": wanted})
    found = (weight - net["s"].plastic_weight.reshape(8, 4)) / RATE
    torch.testing.assert_close(found, gradient.reshape(8, 4), rtol=0, atol=1e-5 * float(gradient.abs().max()))


def test_delta_rule_learns_a_waveform(no_grad):
    """Least mean squares with as many inputs as there are bumps: the squared error falls below a hundredth."""
    x = torch.eye(20, dtype=D).repeat_interleave(10, 0)
    x[torch.arange(200) % 10 != 0] = 0
    wanted = 0.3 * torch.sin(torch.arange(200, dtype=D) / 200 * 2 * math.pi).reshape(1, 200, 1)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=20)
    net.add(ship.CurrentInput, "m", n=1)
    net.add(ship.LeakyIntegrator, "y", n=1, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="y", weight=0.0, rule=ship.DeltaRule(rate=20.0), modulator="m")
    net.init(dt=1e-3, dtype=D)
    errors = [float((net.run({"in": x.unsqueeze(0), "m": wanted}) - wanted).square().mean()) for _ in range(12)]
    assert errors[-1] < 0.01 * errors[0]
    with pytest.raises(ship.GraphError, match="DeltaRule needs a third factor"):
        net.add(ship.ExpSynapse, "t", source="in", target="y", weight=0.0, rule=ship.DeltaRule())


def test_delta_rule_needs_a_target_of_levels():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.CurrentInput, "m", n=1)
    net.add(ship.LIF, "out", n=1)
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=0.5, rule=ship.DeltaRule(), modulator="m")
    with pytest.raises(ship.GraphError, match=r"'s'\.rule: needs targets that give values; got events from .* E\.g\. ship\.LeakyIntegrator"):
        net.init(dt=1e-3)
