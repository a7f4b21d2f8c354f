"""The structure of a network: groups that come and go, init, copies, interrupted runs, variation, and a user's model."""

import copy

import pytest
import torch

import ship
from example_network import build, spikes
from ship.base.parameters import Parameter
from ship.base.parameters.resolve import resolve

D = torch.float64


def test_structure_can_change():
    net = build()
    net.set("hid", n=5)  # pitfall 10: sizes follow
    net.init(dt=1e-3)
    assert net["in>hid"].weight.shape == (6, 5)
    net.remove("mem")
    net.init()
    assert "mem" not in net.tags
    net.set("hid", tau=5e-3)
    net.init()
    assert net["hid"].tau.shape == ()


def test_init_draws_the_same_again_and_keeps_shapes():
    net = build()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.init(dt=1e-3, seed=0, dtype=D)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_deepcopy_and_dtype(no_grad):
    net, x = build(), spikes()
    twin = copy.deepcopy(net)
    assert torch.equal(net.run(x), twin.run(x))
    net.float()
    assert net.run(x).dtype == torch.float32


def test_interrupted_run_leaves_a_usable_network(no_grad):
    net, x = build(), spikes()
    net.init(dt=1e-3, seed=0, dtype=D, engine="reference")
    want = net.run(x)
    model = type(net["hid"].model)
    real, calls = model.evolve, []

    def interrupt(self, *args):
        calls.append(1)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return real(self, *args)

    model.evolve = interrupt
    try:
        with pytest.raises(KeyboardInterrupt):
            net.run(x)
    finally:
        model.evolve = real
    assert torch.equal(net.run(x), want)


def test_state_dict_holds_nominals_deviates_and_dies():
    names = build(chips=[7, 3]).state_dict()
    assert names["groups.hid.die_ids"].tolist() == [7, 3]
    assert names["groups.hid.tau/deviate"].shape == (2, 1, 8)
    assert names["groups.hid.tau"].shape == ()
    assert names["groups.in>hid.weight"].shape == (6, 8)


def test_variation_statistics():
    """A spread of 10 %: mean and standard deviation of 20,000 devices within 5 standard errors; draws outside limits are drawn
    again.
    """
    made = resolve("x", Parameter(1.0, above=0.0), ship.Varied(2.0, d2d=0.1), (20_000,), 1, [0, 1], True)
    value = made.nominal * (1 + 0.1 * made.deviate)
    assert float(value.mean()) == pytest.approx(2.0, abs=5 * 0.2 / 40_000**0.5)
    assert float(value.std()) == pytest.approx(0.2, rel=5 / 80_000**0.5)
    wide = resolve("x", Parameter(1.0, above=0.0), ship.Varied(1.0, d2d=0.7), (5000,), 1, [0], True)
    assert wide.redrawn > 100
    assert float((1 + 0.7 * wide.deviate).min()) > 0


def test_user_model_in_fifteen_lines(no_grad):
    """A quadratic neuron, written as a user would."""
    from dataclasses import dataclass
    from typing import NamedTuple

    class QIFState(NamedTuple):
        v: torch.Tensor

    @dataclass(frozen=True)
    class QIF(ship.SpikingNeuron):
        """A quadratic integrate-and-fire neuron, as a user would write it."""

        tau: float = ship.param(10e-3, unit="s", above=0.0)
        v_peak: float = ship.param(10.0, unit="V")
        ports = {"charge": ship.Port("charge", "V")}
        states = QIFState(v=ship.State(0.0, unit="V", held=True))

        def discretise(self, p, dt):
            return (dt / p.tau,)

        def receive(self, state, jump, p):
            return state

        def margin(self, state, p):
            return state.v - p.v_peak

        def reset(self, state, fired, p):
            return QIFState(torch.where(fired, -p.v_peak, state.v))

        def evolve(self, state, x, p, c):
            return QIFState(state.v + c[0] * state.v**2 + x.charge)

    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=1)
    net.add(QIF, "q", n=1, t_ref=1e-3, output=True)
    net.add(ship.Link, "l", source="i", target="q")
    net.init(dt=1e-5, dtype=D)
    k = net.run(torch.full((1, 20_000, 1), 400.0, dtype=D))[0, :, 0].nonzero().flatten().double() * 1e-5
    # From -10 to 10 under I = 400 V/s: T = 2 atan(10 / a) / (a / tau), a = sqrt(tau I) = 2; and the dead time.
    want = 2 * torch.atan(torch.tensor(5.0)) / (2 / 10e-3) + 1e-3
    assert float(torch.diff(k)[1:].mean()) == pytest.approx(float(want), rel=5e-3)
    assert "QIF" in ship.describe(QIF)
    assert repr(net).count("\n") == 3
