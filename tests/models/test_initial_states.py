"""Initial states with a leading axis: for each sample, for each chip, drawn with the chips. One run of all rows equals a run of
each row alone with plain numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch

import ship
from ship.base.parameters import State, param
from ship.models.contract import Neuron, Rule

DT, TAU = 1e-3, 10e-3
STEPS = 12
ENGINES = ["reference", "fused"]
pytestmark = pytest.mark.usefixtures("no_grad")


class DecayState(NamedTuple):
    u: object


@dataclass(frozen=True)
class Decay(Neuron):
    """Written as a user would: ``tau du/dt = -u``, emits u."""

    emits = "values"
    states = DecayState(State(0.0, "V"))
    tau: object = param(TAU, unit="s", above=0.0)

    def discretise(self, p, dt):
        return (torch.exp(-dt / p.tau),)

    def emit(self, state, jump, p, c):
        return state.u, state

    def advance(self, state, x, p, c):
        return DecayState(state.u * c[0])


def decay(engine, chips=None, **keywords):
    net = ship.Network()
    net.add(Decay, "a", n=2, output=True, **keywords)
    net.init(dt=DT, dtype=torch.float64, engine=engine, chips=chips)
    return net


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("chips", [None, 3])
def test_own_model_with_initial_values_and_parameters_for_each_sample(engine, chips):
    """``u(t) = u0 exp(-t / tau)`` with another u0 and tau for each sample; exact to rounding."""
    u0, tau = np.linspace(0.5, 2.0, 5), np.linspace(2e-3, 30e-3, 5)
    net = decay(engine, chips, tau=ship.per_sample(tau), initial={"u": ship.per_sample(u0)})
    out = net.run(steps=STEPS)
    assert list(out.shape) == [*([3] if chips else []), 5, STEPS, 2]
    want = u0[:, None] * np.exp(-np.arange(STEPS) * DT / tau[:, None])
    np.testing.assert_allclose(out.numpy(), np.broadcast_to(want[..., None], out.shape), rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_initial_values_for_each_chip(engine):
    u0 = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    out = decay(engine, 3, initial={"u": ship.per_chip(u0)}).run(steps=STEPS, batch=2)
    want = u0[:, None, None, :] * np.exp(-np.arange(STEPS) * DT / TAU)[:, None]
    np.testing.assert_allclose(out.numpy(), np.broadcast_to(want, out.shape), rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("t_ref", [0.0, 2e-3])
def test_a_resting_voltage_that_varies_over_chips(engine, t_ref):
    """The state starts at the parameter: each chip at its own, as a chip alone does; and it stays there without input."""
    net = ship.Network()
    net.add(ship.LIF, "b", n=4, v_rest=ship.Varied(0.0, d2d_abs=0.01), t_ref=t_ref, output=True)
    net.monitor("b", "v")
    net.init(dt=DT, chips=3, seed=1, engine=engine, dtype=torch.float64)
    net.run(steps=STEPS, batch=2)
    v, rest = net.records["b"].v, net["b"].value("v_rest")
    assert float(rest.std()) > 1e-3
    torch.testing.assert_close(v, rest.unsqueeze(2).expand_as(v), rtol=1e-12, atol=1e-15)


def driven(engine, batch, initial, side="post", rule=None, t_ref=0.0, **init):
    """A synapse with a state onto neurons with one."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "cell", n=2, v_th=0.6, t_ref=t_ref, initial=initial.get("cell"), output=True)
    net.add(
        ship.ExpSynapse,
        "syn",
        source="in",
        target="cell",
        weight=torch.tensor([[0.5, 0.25], [0.125, 0.75], [0.5, 0.5]]),
        side=side,
        rule=rule,
        initial=initial.get("syn"),
        **init.pop("syn", {}),
    )
    net.monitor("cell", "v")
    net.init(dt=DT, dtype=torch.float64, engine=engine, **init)
    x = (torch.arange(STEPS * 3).reshape(1, STEPS, 3) % 4 == 0).double().expand(batch, -1, -1)
    net.run(x)
    return net.records["cell"].v


SHAPES = {"post": (2,), "pre": (3,), "connection": (3, 2)}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("side", "plastic"), [("post", False), ("post", True), ("pre", False), ("connection", False)])
@pytest.mark.parametrize("chips", [None, 2])
def test_states_of_synapses_and_neurons_for_each_sample(engine, side, chips, plastic):
    """Four samples side by side are four runs, with a dead time and with a rule."""
    rng = np.random.default_rng(0)
    v0, i0 = rng.random((4, 2)), 50 * rng.random((4, *SHAPES[side]))
    rule = ship.PairSTDP(per_sample=True) if plastic else None
    given = {"cell": {"v": ship.per_sample(v0)}, "syn": {"i": ship.per_sample(i0)}}
    found = driven(engine, 4, given, side, rule, 2e-3, chips=chips)
    for b in range(4):
        alone = driven("reference", 1, {"cell": {"v": v0[b]}, "syn": {"i": i0[b]}}, side, rule, 2e-3, chips=chips)
        torch.testing.assert_close(found[..., b : b + 1, :, :], alone, rtol=1e-12, atol=1e-12)
    assert not torch.equal(found[..., 0, :, :], found[..., 1, :, :])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("side", ["post", "connection"])
def test_states_on_edges_for_each_sample(engine, side):
    """Also with a rule that keeps the weights of the samples apart."""
    edges = {"connect": ship.Edges([0, 1, 2, 2], [0, 1, 0, 1])}
    i0 = 50 * np.random.default_rng(1).random((4, 4 if side == "connection" else 2))
    rule = ship.PairSTDP(per_sample=True, a_plus=0.1) if side == "post" else None
    found = driven(engine, 4, {"syn": {"i": ship.per_sample(i0)}}, side, rule, syn=edges)
    for b in range(4):
        alone = driven("reference", 1, {"syn": {"i": i0[b]}}, side, rule, syn=edges)
        torch.testing.assert_close(found[b : b + 1], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_on_edges_that_each_sample_learns_for_itself(engine):
    """All edges that there can be, as edges: equal to the matrix, whose samples were tested one by one."""

    def learned(connect):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=3)
        net.add(ship.LIF, "cell", n=2, v_th=0.6, output=True)
        weight = torch.linspace(0.2, 0.9, 6).reshape(3, 2)
        rule = ship.PairSTDP(per_sample=True, a_plus=0.2, a_minus=0.1)
        net.add(ship.ImpulseSynapse, "syn", source="in", target="cell", weight=weight, rule=rule, connect=connect)
        net.monitor("syn", "weight")
        net.init(dt=DT, dtype=torch.float64, engine=engine)
        x = (torch.rand(3, STEPS, 3, generator=torch.Generator().manual_seed(2)) < 0.4).double()
        return net.run(x), net.records["syn"].weight

    (spikes, weight), (same, edges) = learned(None), learned(torch.ones(3, 2))
    assert float(spikes.sum()) > 5
    assert torch.equal(spikes, same)
    assert not torch.equal(weight[0, -1], weight[1, -1])
    torch.testing.assert_close(edges, weight.flatten(2), rtol=1e-12, atol=1e-12)


class CountState(NamedTuple):
    level: object


@dataclass(frozen=True)
class Fading(Rule):
    """A rule whose state starts at a parameter: the weight grows by a level that fades."""

    states = CountState(State("start", "V", on="connection"))
    start: object = param(0.1, unit="V", gradient=False)

    def update(self, state, x, w, p, c):
        return state.level * x.pre, CountState(state.level * 0.5)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_state_of_a_rule_that_varies(engine):
    """Over chips and over samples: equal to the rows alone."""
    start = np.array([0.05, 0.1, 0.2])
    found = driven(engine, 3, {}, rule=Fading(per_sample=True, start=ship.per_sample(start)))
    chips = driven(engine, 1, {}, rule=Fading(start=ship.per_chip(start)), chips=3)
    for b in range(3):
        alone = driven("reference", 1, {}, rule=Fading(start=float(start[b])))
        torch.testing.assert_close(found[b : b + 1], alone, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(chips[b], alone, rtol=1e-12, atol=1e-12)
    assert not torch.equal(found[0], found[1])


def test_initial_values_must_be_as_many_as_samples():
    net = decay("reference", initial={"u": ship.per_sample([1.0, 2.0])})
    with pytest.raises(ship.ShipError, match=r"the batch sizes differ; got Decay 'a'.initial/u 2, batch= 3"):
        net.run(steps=2, batch=3)
