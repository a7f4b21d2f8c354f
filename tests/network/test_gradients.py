"""Gradients through a network: finite differences, surrogates by their formula, limits of trained parameters."""

import pytest
import torch

import ship
from example_network import spikes

D = torch.float64


def test_gradients_equal_finite_differences():
    """Where no unit spikes the whole run is smooth: weights, time constants, leak, delays on the way (pitfall D22)."""
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=2)
    net.add(ship.SpikeInput, "s", n=2)
    net.add(ship.LIF, "hid", n=2, v_th=1e9, trainable=["tau", "v_rest"])
    net.add(ship.LeakyIntegrator, "out", n=1, output=True, trainable=True)
    net.add(ship.WeightedSum, "w", source="in", target="hid", weight=ship.Normal(0, 1), bias=0.3)
    net.add(
        ship.ExpSynapse, "e", source="s", target="out", trainable=["tau", "weight"], delay=2e-3, drive="exact", side="connection"
    )
    net.add(ship.AlphaSynapse, "a", source="s", target="out", trainable=True)
    net.add(ship.DoubleExpSynapse, "d", source="s", target="out", trainable=True)
    net.init(dt=1e-3, dtype=D)
    net.monitor("hid", "v", detach=False)
    x = {
        "in": torch.rand(2, 12, 2, dtype=D, generator=torch.Generator().manual_seed(0)),
        "s": (torch.arange(48).reshape(2, 12, 2) % 5 == 0).double(),
    }
    projection = torch.randn(2, 12, 1, dtype=D, generator=torch.Generator().manual_seed(1))

    def loss():
        return (net.run(x) * projection).sum() + net.records["hid"].v.square().sum()

    loss().backward()
    checked = 0
    for name, p in net.named_parameters():
        gradient = p.grad.flatten()
        for i in range(min(p.numel(), 2)):
            step = 1e-5 * max(1e-3, abs(float(p.detach().flatten()[i])))
            with torch.no_grad():
                p.flatten()[i] += step if p.ndim else 0
                p += step if not p.ndim else 0
                up = float(loss())
                p.flatten()[i] -= 2 * step if p.ndim else 0
                p -= 2 * step if not p.ndim else 0
                down = float(loss())
                p.flatten()[i] += step if p.ndim else 0
                p += step if not p.ndim else 0
            assert float(gradient[i]) == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-9), name
            checked += 1
    assert checked >= 12


def test_surrogate_gradient_reaches_every_layer():
    """Through two hidden layers, recurrence, refractoriness and delay (pitfalls 30, 43)."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=10)
    for tag in ("a", "b"):
        net.add(ship.LIF, tag, n=10, t_ref=2e-3)
    net.add(ship.LeakyIntegrator, "out", n=2, output=True)
    for pre, post in (("in", "a"), ("a", "a"), ("a", "b"), ("b", "out")):
        net.add(ship.ExpSynapse, f"{pre}>{post}", source=pre, target=post, weight=ship.Normal(0.3, 0.3), delay=1e-3)
    net.init()
    net.run(spikes(n=10, p=0.4)).square().sum().backward()
    for tag in ("in>a", "a>a", "a>b", "b>out"):
        assert float(net[tag].weight.grad.norm()) > 0


def test_surrogate_gradient_against_its_formula():
    """One impulse of weight w: d spike / dw = surrogate'(w - v_th)."""
    for surrogate in (ship.FastSigmoid(5.0), ship.ATan(2.0)):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.LIF, "a", n=1, output=True, surrogate=surrogate)
        net.add(ship.ImpulseSynapse, "s", source="in", target="a", weight=0.8)
        net.init(dtype=D)
        net.run(torch.ones(1, 1, 1)).sum().backward()
        want = surrogate.derivative(torch.tensor(-0.2, dtype=D))
        assert float(net["s"].weight.grad) == pytest.approx(float(want), rel=1e-12)


def test_trained_parameters_keep_their_limits():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "a", n=1, trainable=["tau"], output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="a")
    net.init()
    with torch.no_grad():
        net["a"].tau.fill_(-1.0)
    net.run(torch.ones(1, 3, 1))
    assert float(net["a"].tau.detach()) > 0


def test_limits_in_float32_are_kept_without_a_change_that_autograd_sees():
    """A limit is rounded to the parameter's type before it is compared: what stands on it stays as it is."""
    least = ship.base.parameters.Parameter(1.0, least=0.1, most=0.7)
    value = torch.tensor([0.1, 0.4, 0.7], dtype=torch.float32, requires_grad=True)
    least.project_(value)
    assert value._version == 0
    with torch.no_grad():
        value[1] = 0.8
    least.project_(value)
    assert torch.equal(value.detach(), torch.tensor([0.1, 0.7, 0.7]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("trainable", [True, False])
def test_parameters_share_no_memory_with_what_was_given(dtype, trainable):
    """Later changes of the user's tensor act in the next `init` alone, and training leaves the tensor as it is."""
    weight = torch.full((2, 3), 0.5, dtype=D)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "a", n=3, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="a", weight=weight, trainable=trainable)
    net.init(dtype=dtype)
    with torch.no_grad():
        net["s"].weight.fill_(2.0)
        assert float(weight.max()) == 0.5
        weight.fill_(3.0)
        assert float(net["s"].weight.max()) == 2.0
    net.init(dtype=dtype, keep=False)
    assert float(net["s"].weight.detach().min()) == 3.0
