"""Plastic synapses as kernels equal the reference engine: bit for bit where all sums are exact, else to rounding.

Weights, rates of learning and inputs lie on a dyadic grid; where time constants have no end traces are counts, and no sum is
rounded.
"""

from __future__ import annotations

import math

import pytest
import torch

import ship
from plastic_networks import Eligible, Forgetting, Sampling, Tagged, agree, both, build, counting, dyadic, same, spikes

D = torch.float64
STEPS = 40


RULES = {"counting": counting, "tagged": Tagged, "eligible": Eligible, "forgetting": Forgetting, "sampling": Sampling}
EVENTS = {"counting": 1, "tagged": 1, "eligible": 0, "forgetting": 0, "sampling": 2}


pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("batch", "chips"), [(1, None), (1, 2), (4, None), (3, 2)])
def test_equals_the_reference_bit_for_bit(name, batch, chips):
    nets = both(RULES[name](), chips=chips)
    agree(nets, [(spikes(batch), {}), (spikes(batch, seed=4), {"reset": False}), (spikes(batch, seed=5), {})])
    (learner,) = nets[1]._sim.fusion.fused["s"].learners.values()
    assert learner.events == EVENTS[name]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("chips", [None, 2])
def test_a_matrix_for_each_sample(name, chips):
    nets = both(RULES[name](per_sample=True), chips=chips)
    agree(nets, [(spikes(3), {}), (spikes(3, seed=4), {"reset": False})])
    assert torch.equal(nets[1]["s"].plastic_weight, nets[1]["s"].initial_weight())  # none is stored


@pytest.mark.parametrize("batch", [2, 3, 8])
def test_the_mean_over_the_batch(batch):
    agree(both(counting(reduce="mean")), [(spikes(batch), {})], exact=batch != 3, learned=0.1)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, D])
@pytest.mark.parametrize("name", ["counting", "tagged"])
def test_more_units_than_a_block(batch, dtype, name):
    w = dyadic((200, 150), 3, 4)
    nets = both(RULES[name](), n_pre=200, n=150, weight=w, dtype=dtype)
    agree(nets, [(spikes(batch, n=200, rate=0.03), {}), (spikes(batch, n=200, rate=0.3), {})])


@pytest.mark.parametrize(("n_pre", "n"), [(1, 1), (1, 3), (3, 1)])
@pytest.mark.parametrize("batch", [1, 2])
def test_single_units(n_pre, n, batch):
    agree(both(counting(), n_pre=n_pre, n=n), [(spikes(batch, n=n_pre, rate=0.5), {})])


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "options", [{}, {"tau_pre": 5e-3, "tau_post": 7e-3}, {"a_plus": 0.05, "tau_pre": 9e-3, "w_min": 0.01, "w_max": 0.9}]
)
def test_fading_traces_to_rounding(batch, options):
    nets = both(ship.PairSTDP(**options), synapse=ship.ExpSynapse, tau=20e-3, weight=dyadic((6, 5), 3) * 0.8 + 0.05)
    agree(nets, [(spikes(batch), {}), (spikes(batch, seed=4), {"reset": False})], exact=False)


@pytest.mark.parametrize(
    "given",
    [
        {"a_plus": dyadic((6, 5), 8) / 64},
        {"a_minus": dyadic((5,), 8) / 64},
        {"w_max": 0.75 + dyadic((6, 5), 8) / 4},
        {"a_plus": ship.Varied(1 / 64, d2d=0.5)},
        {"tau_pre": (1 + dyadic((6, 1), 8)) * 1e-2},
        {"tau_post": (1 + dyadic((5,), 8)) * 1e-2},
    ],
)
@pytest.mark.parametrize("batch", [1, 2])
def test_parameters_of_the_rule_along_any_axis(given, batch):
    nets = both(ship.PairSTDP(**given), chips=2, weight=dyadic((6, 5), 3) * 0.75)
    agree(nets, [(spikes(batch), {}), (spikes(batch, seed=4), {"reset": False})], exact=False)


@pytest.mark.parametrize("batch", [1, 2])
def test_hard_bounds_are_met(batch):
    nets = both(ship.PairSTDP(a_plus=0.25, a_minus=0.5, tau_pre=1e30, tau_post=1e30, w_min=0.125, w_max=0.875),
                weight=dyadic((6, 5), 3) * 0.75 + 0.125)  # fmt: skip
    agree(nets, [(spikes(batch), {})])
    w = nets[1]["s"].plastic_weight
    assert float(w.min()) == 0.125
    assert float(w.max()) == 0.875


def test_weights_that_start_outside_their_limits_are_clipped_at_once():
    nets = both(counting())
    for net in nets:
        net["s"].plastic_weight += 0.5
    agree(nets, [(spikes(), {})])


@pytest.mark.parametrize("delay", [2.5e-3, [0.0, 1e-3, 1e-3, 4e-3, 0.0, 7e-3]])
@pytest.mark.parametrize("batch", [1, 2])
def test_delays(delay, batch):
    nets = both(counting(), delay=delay)
    agree(nets, [(spikes(batch), {}), (spikes(batch, seed=4), {"reset": False})])


@pytest.mark.parametrize("emit", ["before", "after"])
@pytest.mark.parametrize("batch", [1, 2])
def test_several_targets_and_plastic_synapses(emit, batch):
    def more(net):
        net.add(ship.LIF, "b", n=3, tau=math.inf, emit_order=emit, output=True)
        net.set("s", target=["a", "b"], weight=dyadic((6, 8), 3))
        net.add(
            ship.ImpulseSynapse, "back", source=["b", "in"], target="a", weight=dyadic((9, 5), 6) / 4, rule=Tagged(), delay=1e-3
        )
        net.add(ship.ImpulseSynapse, "loop", source="a", target=["b"], weight=dyadic((5, 3), 7) / 4, rule=Eligible())

    nets = both(counting(), more=more)
    agree(nets, [(spikes(batch), {}), (spikes(batch, seed=4), {"reset": False})])


@pytest.mark.parametrize("batch", [1, 2])
def test_beside_synapses_that_do_not_learn(batch):
    def more(net):
        net.add(ship.ImpulseSynapse, "fixed", source="in", target="a", weight=dyadic((6, 5), 9) / 2)
        net.add(ship.LIF, "next", n=4, output=True)
        net.add(ship.ExpSynapse, "on", source="a", target="next", weight=dyadic((5, 4), 9))
        net.add(ship.ExpSynapse, "inhibit", source="a", target="a", weight=-dyadic((5, 5), 9) / 4, delay=2e-3)

    agree(both(counting(), more=more), [(spikes(batch), {})], exact=False)


@pytest.mark.parametrize("batch", [1, 2])
def test_graded_inputs_and_a_bias(batch):
    nets = []
    for engine in ("reference", "fused"):
        net = ship.Network()
        net.add(ship.CurrentInput, "in", n=6)
        net.add(ship.LIF, "a", n=5, output=True)
        bias = dyadic((5,), 4) * 64
        net.add(ship.WeightedSum, "s", source="in", target="a", weight=dyadic((6, 5), 3), bias=bias, rule=counting(), output=True)
        net.init(dt=1e-3, dtype=D, engine=engine)
        nets.append(net)
    agree(nets, [(spikes(batch) * 100, {}), (spikes(batch, seed=4) * 100, {"reset": False})], exact=False)


@pytest.mark.parametrize("batch", [1, 2])
def test_changes_of_dt(batch):
    nets = both(ship.PairSTDP(), synapse=ship.ExpSynapse, tau=20e-3, delay=[0.0, 1e-3, 1.5e-3, 4e-3, 0.0, 7e-3])
    programme = {"dt": [(1e-3, 13), (0.5e-3, 12), (0.7e-3, 15)]}
    agree(nets, [(spikes(batch), programme), (spikes(batch, seed=4), {"reset": False, "dt": 2e-3})], exact=False)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("chunk", [1, 7])
def test_chunks(monkeypatch, batch, chunk):
    nets = both(Tagged(), delay=3e-3)
    monkeypatch.setattr("ship.network.network.chunk_slots", lambda *_: chunk)
    agree(nets, [(spikes(batch), {}), (spikes(batch, seed=4), {"reset": False})])


def test_steps_equal_a_run():
    nets = both(Tagged())
    x = spikes()
    out = nets[0].run(x)["a"]
    nets[1].reset()
    assert torch.equal(torch.stack([nets[1].step(x[:, k])["a"] for k in range(STEPS)], 1), out)
    assert torch.equal(nets[0]["s"].plastic_weight, nets[1]["s"].plastic_weight)


@pytest.mark.parametrize("options", [{}, {"per_sample": True}])
def test_snapshots_continue_bit_for_bit(options):
    nets = both(Tagged(**options), delay=2e-3)
    for net in nets:
        net.run(spikes(2))
    kept = [net.snapshot() for net in nets]
    after = [net.run(spikes(2, seed=4), reset=False) for net in nets]
    for net, snapshot, out in zip(nets, kept, after, strict=True):
        net.run(spikes(2, seed=9))
        net.restore(snapshot)
        same(net.run(spikes(2, seed=4), reset=False), out)
    same(*after)
    nets[1].restore(kept[0])  # of the other engine
    same(nets[1].run(spikes(2, seed=4), reset=False), after[0])


def test_weights_persist_and_are_set_back():
    net, x = build("fused", counting()), spikes()
    net.run(x)
    learned = net["s"].plastic_weight.clone()
    net.run(torch.zeros_like(x))
    assert torch.equal(net["s"].plastic_weight, learned)
    assert torch.equal(net.state_dict()["groups.s.plastic_weight"], learned)
    net.run(torch.zeros_like(x), reset_persistent=True)
    assert torch.equal(net["s"].plastic_weight, net["s"].initial_weight())
