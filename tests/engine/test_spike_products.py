"""Sums over spikes in proportion to spikes: equal to dense ones, whatever the threads; chosen by `Network.tune`."""

import copy

import pytest
import torch

import ship
from ship.engine.compiled.nodes.spike_products import GROUP, find, spike_product
from ship.engine.signals.products import project

pytest.importorskip("numba")
D, S = torch.float64, torch.float32


def sparse(*shape, seed=0, dtype=D, density=0.1, most=1):
    """Return counts up to ``most``, most of which are zero."""
    g = torch.Generator().manual_seed(seed)
    counts = torch.randint(1, most + 1, shape, generator=g).to(dtype)
    return counts * (torch.rand(shape, generator=g) < density)


def dyadic(*shape, seed=1, dtype=D):
    """Sixteenths: sums of products with small counts are exact in any order."""
    return torch.randint(-16, 17, shape, generator=torch.Generator().manual_seed(seed)).to(dtype) / 16


def both(x, weight, g):
    """Outputs and gradients of the event-driven and the dense product."""
    results = []
    for product in (spike_product, project):
        a, w = x.clone().requires_grad_(), weight.clone().requires_grad_()
        out = product(a, w)
        results.append((out.detach(), *torch.autograd.grad(out, (a, w), g)))
    return results


SHAPES = {
    "one block": ((4, 1, 3, 20), (20, 64)),
    "part of a block": ((4, 1, 3, 20), (20, 7)),
    "blocks and a part": ((5, 1, 4, 40), (40, 300)),
    "single": ((1, 1, 1, 1), (1, 1)),
    "several groups": ((3, 1, 2, 2 * GROUP + 5), (2 * GROUP + 5, 70)),
    "several groups of rows": ((GROUP + 100, 1, 2, 6), (6, 5)),
    "chips share weights": ((4, 3, 2, 20), (20, 70)),
    "weights of one chip": ((4, 3, 2, 20), (1, 1, 20, 70)),
    "chips": ((4, 3, 2, 20), (3, 1, 20, 70)),
    "chips of one input": ((4, 1, 2, 20), (3, 1, 20, 70)),
}


@pytest.mark.parametrize("dtype", [S, D], ids=["float32", "float64"])
@pytest.mark.parametrize(("x_shape", "w_shape"), SHAPES.values(), ids=SHAPES)
def test_equal_to_dense_to_the_bit_on_a_dyadic_grid(x_shape, w_shape, dtype):
    x = sparse(*x_shape, dtype=dtype, most=3, density=0.2)
    weight = dyadic(*w_shape, dtype=dtype)
    chips = max(x_shape[1], w_shape[0] if len(w_shape) == 4 else 1)
    g = dyadic(x_shape[0], chips, x_shape[2], w_shape[-1], seed=2, dtype=dtype)
    for a, b in zip(*both(x, weight, g), strict=True):
        assert a.shape == b.shape
        assert torch.equal(a, b)


@pytest.mark.parametrize(("dtype", "tolerance"), [(S, 1e-5), (D, 1e-14)], ids=["float32", "float64"])
def test_graded_values_differ_by_rounding_alone(dtype, tolerance):
    """Sums of about 100 terms of size 1 in two orders: each within some 10 units in the last place of 10."""
    torch.manual_seed(0)
    x = torch.randn(50, 1, 8, 500, dtype=dtype) * sparse(50, 1, 8, 500, dtype=dtype, density=0.2)
    weight, g = torch.randn(500, 130, dtype=dtype), torch.randn(50, 1, 8, 130, dtype=dtype)
    for a, b in zip(*both(x, weight, g), strict=True):
        assert float((a - b).abs().max() / b.abs().max()) < tolerance


def test_gradcheck():
    x = torch.randn(3, 2, 2, 5, dtype=D) * sparse(3, 2, 2, 5, density=0.4)
    for shape in ((5, 4), (1, 1, 5, 4), (2, 1, 5, 4)):
        weight = torch.randn(shape, dtype=D, requires_grad=True)
        assert torch.autograd.gradcheck(spike_product, (x.clone().requires_grad_(), weight))
        assert torch.autograd.gradcheck(lambda w: spike_product(x, w), (weight,))


def test_nothing_arrives():
    """Empty rows beside others, and no event at all."""
    weight = dyadic(30, 70)
    x = sparse(6, 1, 4, 30, density=0.5)
    x[1:3] = 0
    x[:, :, 2] = 0
    for signal in (x, torch.zeros_like(x)):
        for a, b in zip(*both(signal, weight, dyadic(6, 1, 4, 70)), strict=True):
            assert torch.equal(a, b)


def test_what_is_not_a_number_is_kept():
    x = torch.zeros(1, 1, 2, 3, dtype=D)
    x[0, 0, 1, 2] = torch.nan
    out = spike_product(x, torch.ones(3, 2, dtype=D))
    assert torch.equal(out.isnan(), torch.tensor([[[[False, False], [True, True]]]]))


def test_any_strides():
    """Signals that are views, broadcast over samples or with units apart; weights and gradients likewise."""
    base = sparse(7, 2, 3, 40, density=0.3)
    signals = {
        "by sample": base.permute(1, 2, 0, 3).contiguous().permute(2, 0, 1, 3),
        "broadcast": base[:, :, :1].expand(-1, -1, 3, -1),
        "units apart": base.transpose(0, 3).contiguous().transpose(0, 3),
        "part": sparse(7, 2, 3, 50, density=0.3)[1:, :, :, 3:43],
    }
    weights = {"rows": dyadic(60, 33)[8:48], "turned": dyadic(33, 40).T, "columns": dyadic(40, 50)[:, 5:38]}
    for x in signals.values():
        for weight in weights.values():
            g = dyadic(1, 1, 1, 33).expand(len(x), 2, 3, 33)
            for a, b in zip(*both(x, weight, g), strict=True):
                assert torch.equal(a, b)


@pytest.mark.parametrize(("slots", "n"), [(40, 200), (1, 20)], ids=["rows copied", "rows in place"])
def test_threads_change_nothing(slots, n):
    torch.manual_seed(0)
    x, weight = sparse(slots, 1, 3, n, dtype=S), torch.randn(n, 150)
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            w = weight.clone().requires_grad_()
            out = spike_product(x, w)
            found.append((out.detach(), *torch.autograd.grad(out, w, torch.ones_like(out) / 3)))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_only_the_entries_are_kept():
    """Without a gradient to the input neither it nor the weight is held for the backward pass."""
    x = sparse(4, 1, 3, 20, density=0.2)
    out = spike_product(x, dyadic(20, 5).requires_grad_())
    assert out.grad_fn.saved_tensors == (None,)
    (entries,) = out.grad_fn.lists
    assert len(entries.values) == int(torch.count_nonzero(x))
    assert find(x[0, 0]).indices.tolist() == x[0, 0].nonzero()[:, 1].tolist()


def test_a_weight_changed_meanwhile_is_noticed():
    x, weight = sparse(4, 1, 3, 20).requires_grad_(), dyadic(20, 5).requires_grad_()
    out = spike_product(x, weight)
    with torch.no_grad():
        weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


# -- networks ------------------------------------------------------------------------------------------------------------------


def build(chips=None, engine="fused", n=40, plastic=False):
    """Two spiking layers; a sum of levels and, on request, a plastic synapse have no choice."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=n)
    net.add(ship.PoissonSource, "noise", n=5, rate=50.0)
    net.add(ship.LIF, "hid", n=n, tau=20e-3)
    net.add(ship.LeakyIntegrator, "out", n=6, tau=30e-3, output=True)
    net.add(ship.WeightedSum, "in>hid", source="in", target="hid", weight=ship.Varied(ship.Normal(0.1, 0.2), d2d=0.1))
    delay = 1e-3 * (torch.arange(n * 6).reshape(n, 6) % 3)
    net.add(ship.ExpSynapse, "hid>out", source="hid", target="out", weight=ship.Normal(0, 1.0), delay=delay, tau=5e-3)
    net.add(
        ship.ExpSynapse,
        "noise>hid",
        source="noise",
        target="hid",
        weight=ship.Uniform(0.0, 0.3),
        rule=ship.PairSTDP() if plastic else None,
    )
    net.init(dt=1e-3, chips=chips, dtype=D, engine=engine)
    return net


def step(net, x):
    net.zero_grad()
    out = net.run(x)
    (out**2).sum().backward()
    return out.detach(), {name: p.grad.clone() for name, p in net.named_parameters()}


@pytest.mark.parametrize("chips", [None, 2])
def test_events_give_the_same_network(chips):
    net, x = build(chips), sparse(3, 60, 40, density=0.1)
    out, grads = step(net, x)
    net.tune(sums={"in>hid": "events", "hid>out": "events"})
    again, others = step(net, x)
    assert float(out.abs().max()) > 0.1
    torch.testing.assert_close(again, out, rtol=1e-10, atol=1e-12)
    for name, g in grads.items():
        torch.testing.assert_close(others[name], g, rtol=1e-9, atol=1e-11)
    assert torch.equal(net.run(x), again)


def test_tune_chooses_by_measurement():
    """At 1 % of 600 inputs events win by far; where all units speak in every slot the product does."""
    net = ship.Network()
    net.add(ship.SpikeInput, "few", n=600)
    net.add(ship.SpikeInput, "all", n=600)
    net.add(ship.LIF, "hid", n=600, tau=20e-3, output=True)
    net.add(ship.WeightedSum, "few>hid", source="few", target="hid", weight=0.01)
    net.add(ship.WeightedSum, "all>hid", source="all", target="hid", weight=0.001, trainable=False)
    net.init(dt=1e-3, dtype=S)
    x = {"few": sparse(8, 100, 600, density=0.01, dtype=S), "all": torch.ones(8, 100, 600)}
    choices = net.tune(x)
    assert {tag: c.how for tag, c in choices.items()} == {"few>hid": "events", "all>hid": "dense"}
    assert choices["all>hid"].density == 1.0
    assert choices["few>hid"].density == pytest.approx(0.01, rel=0.1)
    assert choices["few>hid"].events < choices["few>hid"].dense
    text = net.explain()
    assert "Sums over spikes" in text
    assert "few>hid: events (0.97% not zero; dense" in text
    assert "all>hid: dense (100.00% not zero; dense" in text


def test_tune_leaves_the_network_as_it_was():
    nets = [build(chips=2, plastic=True) for _ in range(2)]
    x, y = sparse(3, 30, 40), sparse(3, 30, 40, seed=5)
    for net in nets:
        net.monitor("hid", "v")
        with torch.no_grad():
            net["hid>out"].weight[0, 0] = 7.0
        first = net.run(x, trial=3, detach=False)
        if net is nets[0]:
            records, times, weights = net.records, net.timeline(), net.state_dict()
            weights = {name: value.clone() for name, value in weights.items()}
            assert set(net.tune(y, trial=9, duration=0.04)) == {"in>hid", "hid>out"}
            net.tune(sums={"in>hid": "dense", "hid>out": "dense"})  # so that both networks sum alike
            assert net.records is records
            assert torch.equal(net.timeline(), times)
            assert all(torch.equal(value, weights[name]) for name, value in net.state_dict().items())
    later = [net.run(y, reset=False) for net in nets]  # goes on from its state, its graph included
    assert torch.equal(*later)
    for out in later:
        (first.sum() * 0 + out.sum()).backward(retain_graph=True)
    assert torch.equal(nets[0]["in>hid"].weight.grad, nets[1]["in>hid"].weight.grad)
    afresh = [net.run(x) for net in nets]  # the last trial
    assert torch.equal(*afresh)
    assert torch.equal(nets[0].records["hid"].v, nets[1].records["hid"].v)


def test_tune_does_not_bring_weights_back_inside_their_limits():
    net = build()
    with torch.no_grad():
        net["hid"].tau.fill_(20e-3)
    net.set("hid", trainable=["tau"])
    net.init(dt=1e-3, dtype=D, engine="fused")
    with torch.no_grad():
        net["hid"].tau.fill_(-1.0)
    net.tune(sparse(2, 10, 40))
    assert bool((net["hid"].tau == -1.0).all())


def test_choices_stay_until_init():
    net, x = build(), sparse(2, 20, 40)
    net.tune(sums={"in>hid": "events"})
    out = net.run(x)
    assert net._sim.nodes["in>hid"].feed.product is spike_product
    assert "in>hid: events, fixed by hand" in net.explain()
    twin = copy.deepcopy(net)
    assert twin._sim.nodes["in>hid"].feed.product is spike_product
    assert torch.equal(twin.run(x), out)
    assert "in>hid: events" in twin.explain()
    net.init(dt=1e-3, dtype=D, engine="fused")
    assert net._sim.nodes["in>hid"].feed.product is project
    assert "Sums over spikes" not in net.explain()


def test_a_failed_tune_changes_nothing():
    net = build()
    out = net.run(sparse(2, 20, 40))
    with pytest.raises(ship.RunError):
        net.tune(sparse(2, 20, 41))
    assert "Sums over spikes" not in net.explain()
    assert torch.equal(net.run(sparse(2, 20, 40)), out)


def message(act):
    with pytest.raises(ship.ShipError) as caught:
        act()
    return str(caught.value)


def test_errors():
    net = build(plastic=True)
    assert message(lambda: net.tune(sums={"in>hidd": "events"})) == (
        "Network.tune: sums: 'in>hidd' is no connection that sums spikes. Known: 'in>hid', 'hid>out'. Did you mean 'in>hid'?"
    )
    assert message(lambda: net.tune(sums={"noise>hid": "events"})).startswith("Network.tune: sums: 'noise>hid' is no connection")
    assert message(lambda: net.tune(sums={"in>hid": "dense", "hid>out": "sparse"})) == (
        "Network.tune: sums: 'hid>out': must be 'dense' or 'events'; got 'sparse'."
    )
    assert "Sums over spikes" not in net.explain()
    assert message(lambda: net.tune(sparse(2, 20, 40), sums={"in>hid": "dense"})) == (
        "Network.tune: sums: takes the place of a run. Leave the input and its options out."
    )
    assert message(lambda: build(engine="reference").tune(sparse(2, 20, 40))) == (
        "Network.tune: needs compiled kernels; got engine='reference'. Install numba, and use net.init(engine='fused')."
    )
    empty = ship.Network()
    empty.add(ship.SpikeInput, "in", n=1)
    assert message(lambda: empty.tune(torch.zeros(1, 1, 1))).startswith("Network.tune: the network is not initialised")
