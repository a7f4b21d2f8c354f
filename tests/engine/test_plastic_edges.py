"""Plastic synapses on edges as kernels equal the reference engine: bit for bit where all sums are exact, else to rounding.

Weights, rates of learning and inputs lie on a dyadic grid, as in `test_plastic_kernels`, whose rules and checks are used.
"""

from __future__ import annotations

import pytest
import torch

import ship
from learning_devices import HARD
from plastic_networks import (
    STEPS,
    D,
    Eligible,
    Forgetting,
    Sampling,
    Tagged,
    agree,
    both,
    build,
    counting,
    dyadic,
    fused,
    same,
    spikes,
)

RULES = {"counting": counting, "tagged": Tagged, "eligible": Eligible, "forgetting": Forgetting, "sampling": Sampling}
PAIRS = [(i, j) for i in range(6) for j in range(5) if (i * 5 + j * 3) % 4]
SHUFFLED = [PAIRS[k] for k in torch.randperm(len(PAIRS), generator=torch.Generator().manual_seed(3))]

pytestmark = pytest.mark.usefixtures("no_grad")


def joined(pairs=SHUFFLED):
    """Edges in an order of their own."""
    return ship.Edges([i for i, _ in pairs], [j for _, j in pairs])


def on_edges(rule, connect=None, **options):
    return both(rule, connect=joined() if connect is None else connect, **options)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("batch", "chips"), [(1, None), (1, 2), (4, None), (3, 2)])
def test_equals_the_reference_bit_for_bit(name, batch, chips):
    nets = on_edges(RULES[name](), chips=chips)
    agree(nets, [(spikes(batch), {}), (spikes(batch, seed=4), {"reset": False}), (spikes(batch, seed=5), {})])


@pytest.mark.parametrize("name", RULES)
def test_weights_for_each_sample(name):
    agree(on_edges(RULES[name](per_sample=True), chips=2), [(spikes(3), {}), (spikes(3, seed=4), {"reset": False})])


def test_equals_a_matrix_with_all_edges():
    """All pairs as edges are what a matrix is: the same spikes and weights."""
    every = [(i, j) for i in range(6) for j in range(5)]
    net = build("fused", Tagged(), connect=joined(every[::-1]))
    dense = build("fused", Tagged())
    same(*(n.run(spikes(2))["a"] for n in (net, dense)))
    same(net["s"].plastic_weight.flip(-1), dense["s"].plastic_weight.flatten(-2))


@pytest.mark.parametrize("batch", [2, 3])
def test_the_mean_over_the_batch(batch):
    agree(on_edges(counting(reduce="mean")), [(spikes(batch), {})], exact=batch != 3, learned=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, D])
@pytest.mark.parametrize("batch", [1, 3])
def test_more_edges_than_a_block(batch, dtype):
    """Events of 3 and of 30 % of the units in a slot; several edges of the same pair."""
    nets = both(
        Tagged(),
        n_pre=200,
        n=150,
        weight=dyadic((200, 150), 3, 4),
        connect=ship.InDegree(40, multapses=True),
        dtype=dtype,
    )
    agree(nets, [(spikes(batch, n=200, rate=0.03), {}), (spikes(batch, n=200, rate=0.3), {})])


@pytest.mark.parametrize("pairs", [[(0, 0)], [(2, 1), (2, 4)], [(0, 3), (5, 3)]])
@pytest.mark.parametrize("batch", [1, 2])
def test_units_without_edges(pairs, batch):
    def drive(net):
        net.add(ship.ImpulseSynapse, "drive", source="in", target="a", weight=dyadic((6, 5), 9))

    agree(on_edges(Tagged(), joined(pairs), more=drive), [(spikes(batch), {}), (spikes(batch, seed=4), {"reset": False})])


@pytest.mark.parametrize(
    "given",
    [
        {"tau_pre": 5e-3, "tau_post": 7e-3, "w_min": -0.01, "w_max": 1.01},
        {"a_plus": dyadic((6, 5), 8) / 64},
        {"a_minus": dyadic((6, 5), 8) / 64, "w_max": 1 + dyadic((6, 5), 8) / 4},
        {"a_plus": ship.Varied(1 / 64, d2d=0.5)},
        {"tau_pre": (1 + dyadic((6, 1), 8)).expand(6, 5) * 1e-2, "tau_post": (1 + dyadic((5,), 8)).expand(6, 5) * 1e-2},
    ],
)
@pytest.mark.parametrize("batch", [1, 2])
def test_parameters_along_any_axis(given, batch):
    nets = on_edges(ship.PairSTDP(**given), chips=2, synapse=ship.ExpSynapse, tau=20e-3)
    agree(nets, [(spikes(batch), {}), (spikes(batch, seed=4), {"reset": False})], exact=False)


def test_traces_that_differ_between_edges_of_a_unit_stay_with_the_reference():
    nets = on_edges(ship.PairSTDP(tau_pre=ship.Varied(20e-3, d2d=0.1)))
    same(*(net.run(spikes(2)) for net in nets))
    assert "state 'x_pre' of its rule lives on the pre side" in fused(nets[1])["s"]


def test_one_delay_for_all_and_several_sources():
    def more(net):
        net.add(ship.ImpulseSynapse, "back", source=["a", "in"], target="a", weight=dyadic((11, 5), 6) / 4, rule=Tagged(),
                delay=1e-3, connect=ship.InDegree(4))  # fmt: skip

    nets = on_edges(counting(), delay=2.5e-3, more=more)
    agree(nets, [(spikes(2), {}), (spikes(2, seed=4), {"reset": False})])


def test_a_delay_on_every_edge_stays_with_the_reference():
    nets = on_edges(counting(), delay=dyadic((6, 5), 8) * 5e-3)
    same(*(net.run(spikes(2)) for net in nets))
    assert fused(nets[1])["s"] == "a plastic synapse with a delay on every connection"


def test_no_edges_at_all():
    def drive(net):
        net.add(ship.ImpulseSynapse, "drive", source="in", target="a", weight=dyadic((6, 5), 9))

    nets = on_edges(counting(), ship.Probability(0.0), more=drive)
    same(*(net.run(spikes(2)) for net in nets))
    assert "no edges" in fused(nets[1])["s"]


def test_rules_that_see_more():
    """A state of the target, and a third factor."""
    nets = on_edges(ship.ClopathSTDP(), synapse=ship.ExpSynapse, tau=20e-3)
    agree(nets, [(spikes(2), {}), (spikes(2, seed=4), {"reset": False})], exact=False)

    def teach(net):
        net.add(ship.LIF, "teacher", n=1, tau=20e-3)
        net.add(ship.ImpulseSynapse, "t", source="in", target="teacher", weight=dyadic((6, 1), 2))

    rule = ship.RewardSTDP()
    nets = on_edges(rule, synapse=ship.ExpSynapse, tau=20e-3, more=teach, modulator="teacher")
    agree(nets, [(spikes(2), {}), (spikes(2, seed=4), {"reset": False})], exact=False)


@pytest.mark.parametrize("batch", [1, 2])
def test_changes_of_dt(batch):
    programme = {"dt": [(1e-3, 13), (0.5e-3, 12), (0.7e-3, 15)]}
    nets = on_edges(ship.PairSTDP(), synapse=ship.ExpSynapse, tau=20e-3, delay=1.5e-3)
    agree(nets, [(spikes(batch), programme), (spikes(batch, seed=4), {"reset": False, "dt": 2e-3})], exact=False)


@pytest.mark.parametrize("chunk", [1, 7])
def test_chunks(monkeypatch, chunk):
    nets = on_edges(Tagged(), delay=3e-3)
    monkeypatch.setattr("ship.network.network.chunk_slots", lambda *_: chunk)
    agree(nets, [(spikes(2), {}), (spikes(2, seed=4), {"reset": False})])


def test_steps_and_snapshots():
    nets = on_edges(Tagged(), delay=2e-3)
    x = spikes(2)
    out = nets[0].run(x)["a"]
    nets[1].reset()
    assert torch.equal(torch.stack([nets[1].step(x[:, k])["a"] for k in range(STEPS)], 1), out)
    same(*(net["s"].plastic_weight for net in nets))
    after = nets[0].run(spikes(2, seed=4), reset=False)
    nets[1].restore(nets[0].snapshot())  # of the other engine
    nets[1].run(spikes(2, seed=9), reset=False)
    nets = on_edges(Tagged(), delay=2e-3)
    nets[0].run(x)
    nets[1].restore(nets[0].snapshot())
    same(nets[1].run(spikes(2, seed=4), reset=False), after)


def test_a_run_that_does_not_learn():
    nets = on_edges(Tagged())
    for net in nets:
        net.run(spikes(2))
    same(*(net.run(spikes(2, seed=4), learn=False) for net in nets))
    same(*(net.run(spikes(2, seed=5)) for net in nets))
    same(*(net["s"].plastic_weight for net in nets))


def test_a_synapse_on_devices_beside_it():
    """Pulses on a matrix and a rule on edges are one kernel."""

    def more(net):
        options = {"device": HARD, "mapping": ship.Differential(w_max=1.0), "rule": counting()}
        net.add(ship.ImpulseSynapse, "d", source="in", target="a", weight=dyadic((6, 5), 9) / 2, **options)

    nets = on_edges(Tagged(), more=more)
    for net in nets:
        net.program("d")
    same(*(net.run(spikes(2)) for net in nets))
    same(*(net["s"].plastic_weight for net in nets))
    same(*(net["d"].plastic_weight for net in nets), exact=False)
    assert not fused(nets[1])


def test_gradients_of_what_comes_after():
    found, nets = [], on_edges(counting(), more=lambda net: after(net))
    with torch.enable_grad():
        for net in nets:
            (net.run(spikes(2))["out"] * torch.linspace(0, 1, STEPS, dtype=D)[:, None]).sum().backward()
            found.append({name: p.grad for name, p in net.named_parameters()})
    assert found[0]
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-9, atol=1e-12)
        assert float(gradient.abs().max()) > 0
    assert not fused(nets[1])


def after(net):
    net.add(ship.LeakyIntegrator, "out", n=2, tau=20e-3, output=True)
    net.add(ship.ExpSynapse, "readout", source="a", target="out", weight=dyadic((5, 2), 9), trainable=["weight"])
