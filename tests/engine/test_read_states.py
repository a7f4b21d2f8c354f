"""States as signals: sources ``"soma.v"``, connections and rules that read their targets, and the third factor of a rule."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch

import ship
from ship.base.errors import GraphError

ENGINES = ("reference", "fused")


class Conductance(NamedTuple):
    g: torch.Tensor


@dataclass(frozen=True)
class Reversal(ship.Synapse):
    """A conductance with a reversal potential: charge ``g (e - v) dt`` of each slot, v of its start."""

    e: float = ship.param(1.0, unit="V")
    tau: float = ship.param(5e-3, unit="s", above=0.0)

    reads = ("v",)
    states = Conductance(ship.State(0.0))

    def discretise(self, p, dt):
        return torch.exp(-dt / p.tau), torch.as_tensor(dt)

    def receive(self, state, x, p, c):
        return Conductance(state.g + x.value / p.tau)

    def step(self, state, x, p, c):
        return state.g * (p.e - x.v) * c[1], Conductance(state.g * c[0])


class Seen(NamedTuple):
    eligible: torch.Tensor
    v: torch.Tensor
    margin: torch.Tensor


@dataclass(frozen=True)
class Gated(ship.Rule):
    """A rule with an eligibility on each connection, gated by a third factor; it keeps what it read."""

    rate: float = ship.param(0.05)

    reads = ("v", "margin")
    modulated = True
    states = Seen(ship.State(0.0, on="connection"), ship.State(0.0, on="post"), ship.State(0.0, on="post"))

    def update(self, state, x, w, p, c):
        seen = Seen(state.eligible + x.pre * x.v, x.v + 0 * state.v, x.margin + 0 * state.margin)
        return p.rate * state.eligible * x.modulator, seen


def network(engine, *, chips=None, modulator="reward", units=1, **synapse):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.CurrentInput, "reward", n=units)
    net.add(ship.LIF, "hid", n=4, output=True, v_th=0.3, t_ref=2e-3)
    rule = Gated(w_max=5.0)
    net.add(Reversal, "syn", source="in", target="hid", weight=0.5, rule=rule, modulator=modulator, **synapse)
    net.init(dt=1e-3, dtype=torch.float64, engine=engine, chips=chips)
    return net


def given(units=1, batch=2, steps=40):
    spikes = (torch.rand(batch, steps, 3, generator=torch.Generator().manual_seed(1)) < 0.25).double()
    return {"in": spikes, "reward": torch.linspace(0.5, 1.5, steps)[None, :, None].expand(batch, steps, units)}


def test_a_rule_sees_states_of_its_target_as_monitors_do_and_the_margin_before_the_reset():
    net = network("reference")
    net.monitor("syn", "rule.v", "rule.margin")
    net.monitor("hid", "v", "margin")
    out = net.run(given())
    assert out.sum() > 5
    seen, made = net.records["syn"], net.records["hid"]
    assert torch.equal(seen["rule.v"][:, 1:, 0], made.v[:, :-1])
    assert torch.equal(seen["rule.margin"][:, 1:, 0], made.margin[:, :-1])
    assert (seen["rule.margin"] >= 0).any()


@pytest.mark.parametrize("units", [1, 4])
@pytest.mark.parametrize("chips", [None, 3])
def test_both_engines_agree(units, chips):
    results = []
    for engine in ENGINES:
        net = network(engine, units=units, chips=chips)
        first = net.run(given(units))
        again = net.run(given(units), reset=False)
        results.append((first, again, net["syn"].plastic_weight))
    assert results[0][0].sum() > 5
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_a_change_is_the_eligibility_times_the_third_factor_of_the_slot():
    """dw = rate sum_k e_k m_k with e_{k+1} = e_k + pre_k v_k, from what monitors recorded."""
    net = network("reference")
    net.monitor("hid", "v")
    before = net["syn"].plastic_weight.clone()
    x = given(batch=1)
    net.run(x)
    pairs = x["in"][0, :, :, None] * net.records["hid"].v[0, :, None, :]
    eligible = torch.cumsum(pairs, 0) - pairs  # before the slot's own
    want = 0.05 * (eligible * x["reward"][0, :, :, None]).sum(0)
    torch.testing.assert_close(net["syn"].plastic_weight[0, 0] - before[0, 0], want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_in_pieces_is_the_whole_run(engine):
    whole, pieces = network(engine), network(engine)
    x = given()
    out = whole.run(x)
    cut = [pieces.run({k: v[:, a:b] for k, v in x.items()}, reset=a == 0) for a, b in ((0, 7), (7, 8), (8, 40))]
    assert torch.equal(out, torch.cat(cut, 1))
    torch.testing.assert_close(whole["syn"].plastic_weight, pieces["syn"].plastic_weight, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_is_a_source_with_a_delay_and_holds_its_initial_value_before(engine):
    """A link of ``v`` into a perfect integrator sums its delayed values; before the first arrives it is the initial state."""
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=2)
    net.add(ship.LIF, "soma", n=2, tau=10e-3, v_rest=-0.07, v_reset=-0.07, v_th=0.1)
    net.add(ship.Link, "into", source="i", target="soma")
    net.add(ship.LeakyIntegrator, "sum", n=2, tau=float("inf"), output=True)
    net.add(ship.Link, "late", source="soma.v", target="sum", delay=3e-3)
    net.init(dt=1e-3, dtype=torch.float64, engine=engine)
    net.monitor("soma", "v")
    x = torch.tensor([40.0, -10.0]).expand(1, 30, 2)
    out = torch.cat([net.run(x[:, :11]), net.run(x[:, 11:], reset=False)], 1)
    net.run(x)
    v = net.records["soma"].v
    late = torch.cat([torch.full((1, 3, 2), -0.07, dtype=torch.float64), v[:, :-3]], 1)
    assert v.max() > 0.05  # it has moved
    torch.testing.assert_close(out[:, 1:], 1e-3 * late[:, :-1].cumsum(1), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
def test_learning_can_be_switched_off(engine):
    """The network then gives what one without the rule gives, and nothing has changed afterwards."""
    net, x = network(engine), given()
    net.run(x)
    weight = net["syn"].plastic_weight.clone()
    still = net.run(x, learn=False)
    assert torch.equal(net["syn"].plastic_weight, weight)
    plain = ship.Network()
    plain.add(ship.SpikeInput, "in", n=3)
    plain.add(ship.LIF, "hid", n=4, output=True, v_th=0.3, t_ref=2e-3)
    plain.add(Reversal, "syn", source="in", target="hid", weight=weight[0, 0])
    plain.init(dt=1e-3, dtype=torch.float64, engine="reference")
    assert torch.equal(still, plain.run(x["in"]))
    net.run(x)
    assert not torch.equal(net["syn"].plastic_weight, weight)


@pytest.mark.parametrize("sparse", [False, True])
def test_weights_onto_each_target_are_normalised_at_a_reset(sparse):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=5)
    net.add(ship.LIF, "hid", n=3)
    connect = {"connect": ship.Probability(0.7)} if sparse else {}
    rule = ship.PairSTDP(total=[1.0, 2.0, float("inf")] if not sparse else 1.5, w_max=5.0)
    net.add(ship.ExpSynapse, "syn", source="in", target="hid", weight=ship.Uniform(0.1, 0.6), rule=rule, **connect)
    net.init(dt=1e-3, dtype=torch.float64)
    before = net["syn"].plastic_weight.clone()
    net.run(torch.zeros(1, 3, 5))
    weight = net["syn"].plastic_weight
    if sparse:
        sums = torch.zeros(3, dtype=torch.float64).index_add(0, net["syn"].post.long(), weight[0, 0])
        torch.testing.assert_close(sums, torch.full((3,), 1.5, dtype=torch.float64))
        return
    torch.testing.assert_close(weight[0, 0].sum(0)[:2], torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert torch.equal(weight[..., 2], before[..., 2])
    ratio = weight[..., :2] / before[..., :2]
    torch.testing.assert_close(ratio, ratio[..., :1, :].expand_as(ratio))
    net.run(torch.zeros(1, 3, 5), learn=False)
    assert torch.equal(net["syn"].plastic_weight, weight)


def test_errors_name_what_is_wrong():
    def made(**options):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=3)
        net.add(ship.LIF, "hid", n=4)
        net.add(ship.CurrentInput, "pair", n=2)
        net.add(options.pop("model", ship.ExpSynapse), "syn", source=options.pop("source", "in"), target="hid", **options)
        net.init()

    with pytest.raises(GraphError, match=r"no state 'u' of its units. Known: 'v', 'margin'"):
        made(model=ship.Link, source="hid.u")
    with pytest.raises(GraphError, match=r"Gated needs a third factor. Give modulator='TAG'"):
        made(rule=Gated())
    with pytest.raises(GraphError, match="belongs to a rule with a third factor; got PairSTDP"):
        made(rule=ship.PairSTDP(), modulator="in")
    with pytest.raises(GraphError, match="one for each of the 4 units of the target; got 2 units of 'pair'"):
        made(rule=Gated(), modulator="pair")
    with pytest.raises(GraphError, match="no group named 'rewrad'"):
        made(rule=Gated(), modulator="rewrad")
    with pytest.raises(GraphError, match="must be 'post' or 'connection', for it reads its target"):
        made(model=Reversal, side="pre")


@pytest.mark.parametrize("side", ["post", "connection"])
def test_gradients_through_states_agree(side):
    """Through a source ``hid.v``, a synapse that reads its target, and a spike's surrogate: both engines give the same."""
    found = []
    for engine in ENGINES:
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=3)
        net.add(ship.LIF, "hid", n=4, v_th=0.3, t_ref=2e-3)
        net.add(ship.LeakyIntegrator, "out", n=2, output=True)
        net.add(Reversal, "syn", source="in", target="hid", weight=ship.Uniform(0.1, 0.6), side=side)
        net.add(ship.WeightedSum, "tap", source="hid.v", target="out", weight=ship.Uniform(0.0, 1.0), delay=2e-3)
        net.add(ship.ExpSynapse, "spikes", source="hid", target="out", weight=ship.Uniform(0.0, 1.0))
        net.init(dt=1e-3, dtype=torch.float64, engine=engine, chips=2)
        net.run(given()["in"]).square().sum().backward()
        found.append([p.grad for p in net.parameters()])
        assert len(found[-1]) == 3
        if engine == "fused" and side == "post":
            assert net.explain().count("kernel") >= 5
    for one, other in zip(*found, strict=True):
        assert float(one.abs().max()) > 0
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("through", [ship.GapJunction, ship.WeightedSum])
def test_spikes_and_a_state_of_one_group_go_through_weights_in_one_loop(through):
    """A kernel lists the nonzeros of one output of a group, its spikes; those of its state are others, and are not left out."""
    found = []
    for engine in ("reference", "fused"):
        net = ship.Network()
        net.add(ship.CurrentInput, "i", n=3)
        for tag in ("a", "b"):
            net.add(ship.LIF, tag, n=3)
            net.add(ship.Link, f"i {tag}", source="i", target=tag)
        net.add(through, "state", source="a.v", target="b", weight=torch.full((3, 3), 20.0))
        net.add(ship.ExpSynapse, "spikes", source="a", target="b", weight=0.5)
        net.add(ship.ExpSynapse, "back", source="b", target="a", weight=-0.5)
        net.init(dt=1e-3, engine=engine, dtype=torch.float64)
        net.monitor("b", "v")
        with torch.no_grad():
            net.run(torch.linspace(40.0, 90.0, 3, dtype=torch.float64).expand(2, 60, 3))
        assert engine == "reference" or "one loop of 5 groups" in str(net.explain())
        found.append(net.records["b"].v)
    assert torch.allclose(*found, rtol=0, atol=1e-12)
