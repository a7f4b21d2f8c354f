"""Sparse connectivity: rules give the edges they promise, and edges compute what the matrix does."""

import numpy as np
import pytest
import torch

import ship
from ship.engine.compiled.tape import edges as structure
from ship.groups.connectivity import EdgeList

D = torch.float64


def edges(rule, n_pre=40, n_post=30, key=7):
    return rule.edges("w", n_pre, n_post, key)


def pairs(e: EdgeList):
    return set(zip(e.pre.tolist(), e.post.tolist(), strict=True))


@pytest.mark.parametrize("k", [1, 5, 39])
def test_in_degree(k):
    e = edges(ship.InDegree(k))
    assert torch.bincount(e.post, minlength=30).tolist() == [k] * 30
    assert len(pairs(e)) == 30 * k
    many = edges(ship.InDegree(k, multapses=True))
    assert torch.bincount(many.post, minlength=30).tolist() == [k] * 30


def test_out_degree():
    e = edges(ship.OutDegree(7))
    assert torch.bincount(e.pre, minlength=40).tolist() == [7] * 40
    assert len(pairs(e)) == 280


def test_probability_is_that_of_each_pair():
    """Counts of 400 x 300 pairs: binomial, within four standard deviations; rows and columns alike."""
    e = edges(ship.Probability(0.1), 400, 300)
    assert abs(len(e.pre) - 12000) < 4 * np.sqrt(12000 * 0.9)
    assert len(pairs(e)) == len(e.pre)
    for counts, n in ((torch.bincount(e.pre, minlength=400), 300), (torch.bincount(e.post, minlength=300), 400)):
        spread = counts.double().var().item()
        assert 0.75 < spread / (n * 0.09) < 1.3
    assert len(edges(ship.Probability(0.0)).pre) == 0
    assert len(edges(ship.Probability(1.0)).pre) == 1200


def test_partners_are_uniform():
    """Each source is drawn about equally often: chi-square with 39 degrees of freedom, below its 99.9 % point."""
    counts = torch.bincount(edges(ship.InDegree(10), 40, 2000).pre, minlength=40).double()
    assert float(((counts - 500) ** 2 / 500).sum()) < 72.1


def test_draws_depend_on_the_key_alone():
    a, b, c = (edges(ship.InDegree(5), key=key) for key in (1, 1, 2))
    assert torch.equal(a.pre, b.pre)
    assert not torch.equal(a.pre, c.pre)
    assert torch.equal(torch.argsort(a.pre * 30 + a.post, stable=True), torch.arange(150))


def build(engine, sparse, model=ship.ExpSynapse, *, delay=2e-3, chips=None, rule=None, n=60, dtype=D, **options):
    """Inputs and a recurrent group; the same weights as edges or as a matrix with zeros."""
    generator = torch.Generator().manual_seed(1)
    mask = {tag: torch.rand(shape, generator=generator) < 0.2 for tag, shape in (("in>h", (8, n)), ("h>h", (n, n)))}
    weight = {tag: torch.randint(-8, 24, m.shape, generator=generator).double() / 64 * m for tag, m in mask.items()}
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=8)
    net.add(ship.LIF, "h", n=n, t_ref=2e-3, output=True)
    for tag, source in (("in>h", "in"), ("h>h", "h")):
        more = {"connect": mask[tag]} if sparse else {}
        d = delay if tag == "h>h" else 0.0
        if rule and tag == "h>h" and sparse:
            more = {"connect": torch.ones(n, n)}  # a rule would change what is no edge, too
        w = weight[tag].abs() if rule else weight[tag]
        given = {} if model is ship.VolatileMemristor else {"weight": w}
        net.add(model, tag, source=source, target="h", delay=d, rule=rule if tag == "h>h" else None, **given, **more, **options)
    net.init(dt=1e-3, chips=chips, dtype=dtype, engine=engine)
    return net


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_more_pairs_than_an_int32_counts(engine):
    """Unit numbers are int32, and numbers of pairs are not: 70,000 units have 4.9e9 pairs."""
    pre, post = [69_999, 5, 60_000, 0], [69_998, 7, 3, 69_999]
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=70_000)
    net.add(ship.LeakyIntegrator, "out", n=70_000, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="out", connect=ship.Edges(pre, post), weight=torch.tensor([1.0, 2, 3, 4]))
    net.init(dt=1e-3, engine=engine)
    assert net["s"].pre.dtype == torch.int32
    x = torch.zeros(1, 3, 70_000)
    x[0, 0, pre] = 1.0
    with torch.no_grad():
        last = net.run(x)[0, -1]
    assert sorted(last.nonzero().flatten().tolist()) == sorted(post)
    assert torch.allclose(last[post] / last[69_998], torch.tensor([1.0, 2, 3, 4]))


X = (torch.rand(3, 40, 8, generator=torch.Generator().manual_seed(2)) < 0.3).double()
DELAYS = (torch.arange(60) % 3 + 1) * 1e-3
PER_EDGE = ((torch.arange(60)[:, None] + torch.arange(60)) % 4 + 1) * 1e-3


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize("delay", [0.0, 2e-3, DELAYS, PER_EDGE], ids=["none", "one", "unit", "edge"])
@pytest.mark.parametrize(
    ("model", "options"),
    [
        (ship.ImpulseSynapse, {}),
        (ship.ExpSynapse, {}),
        (ship.ExpSynapse, {"side": "pre"}),
        (ship.ExpSynapse, {"side": "connection"}),
    ],
    ids=["impulse", "post", "pre", "connection"],
)
def test_edges_equal_the_matrix(engine, delay, model, options):
    if options.get("side") == "pre" and isinstance(delay, torch.Tensor) and delay.ndim > 1:
        pytest.skip("a filter on the pre side has no delay for each connection")
    with torch.no_grad():
        want = build("reference", False, model, delay=delay, **options).run(X)
        got = build(engine, True, model, delay=delay, **options).run(X)
    assert want.sum() > 100
    assert torch.allclose(got, want, atol=0 if not options else 1e-12)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_gradients_equal_those_of_the_matrix(engine):
    nets = [build("reference", False), build(engine, True)]
    for net in nets:
        (net.run(X) * torch.linspace(0, 1, 60)).sum().backward()
    for tag in ("in>h", "h>h"):
        group = nets[1][tag]
        want = nets[0][tag].weight.grad[group.pre, group.post]
        assert torch.allclose(group.weight.grad, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_rule_on_edges(engine):
    rule = ship.PairSTDP(a_plus=2**-6, a_minus=2**-6)
    nets = [build("reference", False, rule=rule), build(engine, True, rule=rule)]
    with torch.no_grad():
        outs = [net.run(X[:1]) for net in nets]
    group = nets[1]["h>h"]
    assert torch.equal(*outs)
    assert torch.allclose(group.plastic_weight[0, 0], nets[0]["h>h"].plastic_weight[0, 0][group.pre, group.post], atol=1e-12)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_variation_and_monitors_on_edges(engine):
    with torch.no_grad():
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=8)
        net.add(ship.LIF, "h", n=20, output=True)
        net.add(
            ship.ExpSynapse, "s", source="in", target="h", connect=ship.InDegree(3), weight=ship.Varied(ship.FanIn(), d2d=0.2)
        )
        net.monitor("s", "weight", "i")
        net.init(dt=1e-3, chips=2, engine=engine)
        out = net.run(X.float())
    assert out.shape == (2, 3, 40, 20)
    assert net.records["s"].weight.shape == (2, 3, 40, 60)
    assert net.records["s"].i.shape == (2, 3, 40, 20)
    assert not torch.equal(net.records["s"].weight[0], net.records["s"].weight[1])


def test_files_keep_the_edges(tmp_path):
    for connect in (ship.InDegree(3), ship.Probability(0.2), ship.Edges([0, 1, 7], [3, 3, 0]), torch.eye(8, 20)):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=8)
        net.add(ship.LIF, "h", n=20, output=True)
        net.add(ship.ExpSynapse, "s", source="in", target="h", connect=connect)
        net.init(dt=1e-3, seed=5)
        ship.save(net, tmp_path / "n.ship")
        again = ship.load(tmp_path / "n.ship")
        assert torch.equal(again["s"].pre, net["s"].pre)
        assert torch.equal(again["s"].weight, net["s"].weight)
        assert torch.equal(again.run(X.float()), net.run(X.float()))


def test_no_matrix_is_made():
    """20,000 x 20,000 units with 10 edges each: a matrix would take 1.6 GB."""
    with torch.no_grad():
        net = ship.Network()
        net.add(ship.LIF, "h", n=20_000, v_th=0.5, output=True, initial={"v": ship.Uniform(0.0, 0.6)})
        net.add(ship.ImpulseSynapse, "s", source="h", target="h", connect=ship.InDegree(10), weight=0.05, delay=1e-3)
        net.init(dt=1e-3)
        assert net["s"].weight.shape == (200_000,)
        assert net.run(steps=3, batch=1).sum() > 0


@pytest.mark.parametrize(
    ("connect", "text"),
    [
        (ship.InDegree(9), r"connect\.k: must be at most the 8 units there are; got 9"),
        (torch.ones(3, 3), r"connect: must be a rule, or a matrix \[pre, post\] = \[8, 20\] of 0 and 1"),
        (ship.Edges([0, 9], [0, 1]), r"connect\.pre: must be from 0 to 7"),
        ("all", "connect: must be a rule or a matrix"),
    ],
)
def test_errors(connect, text):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=8)
    net.add(ship.LIF, "h", n=20)

    def build():
        net.add(ship.ExpSynapse, "s", source="in", target="h", connect=connect)
        net.init(dt=1e-3)

    with pytest.raises(ship.ShipError, match=text):
        build()


def test_errors_of_rules():
    with pytest.raises(ship.ParameterError, match=r"InDegree\.k: must be a whole number"):
        ship.InDegree(0)
    with pytest.raises(ship.ParameterError, match=r"Probability\.p: must be from 0 to 1"):
        ship.Probability(1.5)
    with pytest.raises(ship.GraphError, match="belongs to a connection"):
        ship.Network().add(ship.LIF, "h", n=3, connect=ship.InDegree(1))


@pytest.mark.parametrize("small", [2, 2**16], ids=["numbers of 4 bytes", "of 2"])
@pytest.mark.parametrize("chips", [None, 2])
@pytest.mark.parametrize("shared", [True, False])
def test_edges_are_followed_in_few_bytes(monkeypatch, small, chips, shared):
    """One weight for each source where all its edges have it; short numbers of targets where they are enough."""
    monkeypatch.setattr(structure, "SMALL", small)
    rng = np.random.default_rng(5)
    pre, post = (rng.integers(0, 40, 300) for _ in range(2))
    weight = torch.as_tensor((pre % 3 - 0.75) / 4 if shared else rng.integers(-4, 9, 300) / 16)
    x = torch.as_tensor((rng.random((2, 30, 40)) < 0.3) * 1.0)
    results = []
    for engine in ("reference", "fused"):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=40)
        net.add(ship.LIF, "out", n=40, output=True)
        net.add(ship.ImpulseSynapse, "first", source="in", target="out", weight=weight, connect=ship.Edges(pre, post))
        net.add(
            ship.ImpulseSynapse, "back", source="out", target="out", weight=weight / 2, connect=ship.Edges(post, pre), delay=1e-3
        )
        net.init(dt=1e-3, dtype=torch.float64, chips=chips, engine=engine)
        with torch.no_grad():
            results.append(net.run(x))
    assert results[0].sum() > 20
    assert torch.equal(*results)
    found = {s.posts.itemsize for fused in net._sim.fusion.fused.values() for s in fused.structures.values()}
    assert found == {4 if small == 2 else 2}
    made = net._sim.fusion.fused["first"].structures.values()
    weights = net["first"].value("weight")
    assert [s.weights(weights.detach()).shared for s in made] == [shared]
    assert [s.weights(weights).shared for s in made] == [False]  # gradients belong to edges


@pytest.mark.parametrize("slots", [20, 100])
@pytest.mark.parametrize("side", ["post", "pre"])
def test_weights_of_edges_are_those_of_now(side, slots):
    """The weights of edges are those of now, however they were changed."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=5)
    net.add(ship.LeakyIntegrator, "a", n=4, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="a", side=side, connect=ship.InDegree(3), weight=1.0)
    net.init(dt=1e-3, seed=0)
    x = (torch.rand(2, slots, 5, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    with torch.no_grad():
        before = net.run(x)
        assert before.abs().max() > 0
        net["s"].weight.data.mul_(2.0)  # which its version does not count
        assert torch.equal(net.run(x), 2 * before)
        net["s"].weight.mul_(2.0)
        assert torch.equal(net.run(x), 4 * before)


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize("side", ["post", "pre"])
def test_edges_go_where_their_group_goes(engine, side):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=5)
    net.add(ship.LIF, "a", n=4, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="a", side=side, connect=ship.InDegree(3), weight=ship.Uniform(0.5, 1.5))
    net.init(dt=1e-3, seed=0, engine=engine)
    x = (torch.rand(2, 30, 5, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    before = net.run(x)
    net._apply(torch.clone)  # as a move to another device does
    node = net._sim.nodes["s"]
    assert node.edges.pre is net["s"].edge_pre
    assert node.edges.post is net["s"].edge_post
    assert torch.equal(net.run(x), before)


def test_a_parameter_of_connections_is_given_by_target_by_source_or_by_edge():
    """[1, post] and [pre, 1] are spread over edges as over all pairs; a vector counts edges."""

    def made(total):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=20)
        net.add(ship.LIF, "out", n=4, output=True)
        rule = ship.PairSTDP(w_min=-1.0, total=total)
        net.add(
            ship.ExpSynapse,
            "s",
            source="in",
            target="out",
            connect=ship.Probability(0.5),
            weight=ship.Uniform(-0.5, 0.5),
            rule=rule,
        )
        net.init(dt=1e-3)
        return net

    total = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    net = made(total)
    net.run(torch.zeros(1, 2, 20))
    w, post = net["s"].plastic_weight.flatten(), net["s"].post
    assert torch.allclose(torch.zeros(4).index_add(0, post, w.abs()), total[0])
    with pytest.raises(
        ship.ParameterError, match=r"rule.total: must be one number, or one for each edge, \[edge\] = \[\d+\].*\[1, post\]"
    ):
        made(total[0])
