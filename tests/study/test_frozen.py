"""What cannot change is run once: a network that is cut in two gives what the whole gives, and learns what the whole learns."""

from dataclasses import replace

import pytest
import torch

import ship
from ship.data import LabelledSet
from ship.data.sets import About
from ship.models import ImpulseSynapse
from ship.study import Recipe, Task, cut, linear_start
from ship.study.linear_start import features
from ship.train import Last, Max, Mean

pytestmark = pytest.mark.usefixtures("no_grad")


def network(seed=3, emit_order="before", **reservoir):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(ship.LIF, "res", n=20, emit_order=emit_order)
    net.add(ship.LeakyIntegrator, "out", n=3, output=True)
    net.add(ship.ExpSynapse, "in>res", source="in", target="res", weight=ship.Normal(0.5, 0.3), **reservoir)
    net.add(
        ship.ExpSynapse, "rec", source="res", target="res", delay=1e-3, weight=ship.Normal(0, 0.2), connect=ship.Probability(0.3)
    )
    net.add(ship.ExpSynapse, "res>out", source="res", target="out", weight=ship.Normal(0.0, 0.3))
    net.init(dt=1e-3, seed=seed)
    return net


def spikes(n=9, steps=40, seed=0):
    return (torch.rand(n, steps, 6, generator=torch.Generator().manual_seed(seed)) < 0.2).float()


def task(n=60):
    """Three classes: which third of the channels spikes most."""
    labels = torch.arange(n) % 3
    rate = 0.1 + 0.25 * torch.nn.functional.one_hot(labels, 3).repeat_interleave(2, 1)
    x = (torch.rand(n, 40, 6, generator=torch.Generator().manual_seed(1)) < rate[:, None]).to(torch.uint8)
    data = LabelledSet("thirds", x, labels, ("a", "b", "c"), About("made up", "none", "none", "none"))
    recipe = Recipe(epochs=2, size=20, lr=0.01, trained=("res>out",), once=True)
    return Task(
        "thirds", data.part(range(45)), data.part(range(45, n)), 6, 1e-3, lambda x, _: x.float(), Mean(tail=5), network, recipe
    )


@pytest.mark.parametrize("emit_order", ["before", "after"])
def test_the_parts_give_what_the_whole_gives(emit_order):
    net, x = network(emit_order=emit_order), spikes()
    halves = cut(net, ["res>out"])
    assert halves.border == "res"
    assert set(halves.front.tags) == {"in", "res", "in>res", "rec"}
    said = halves.record([(x[:4], torch.zeros(4)), (x[4:], torch.zeros(5))], tail=10)
    assert said.dtype == torch.uint8
    assert said.shape == (9, 50, 20)
    assert int(said.sum()) > 100
    assert torch.equal(halves.back.run(said.float()), net.run(x, steps=50))


def test_what_depends_on_what_changes_is_run_again():
    """With the input synapses changing, nothing of the column stays: only the input does."""
    halves = cut(network(), ["in>res"])
    assert halves.front.tags == ("in",) or list(halves.front.tags) == ["in"]
    x = spikes()
    assert torch.equal(halves.back.run(x), network().run(x))


def test_samples_of_several_lengths():
    net, x = network(), spikes()
    lengths = torch.tensor([40, 30, 20])
    said = cut(net, ["res>out"]).record([(x[:3], torch.zeros(3), lengths)], tail=4)
    assert [len(s) for s in said] == [44, 34, 24]


@pytest.mark.parametrize(
    ("changing", "change", "error", "match"),
    [
        (["res>in"], {}, ship.GraphError, r"no group named 'res>in'"),
        (["in"], {}, ship.GraphError, r"output of exactly one group.*got nothing"),
        (["rec", "in>res", "in"], {}, ship.GraphError, r"output of exactly one group"),
    ],
)
def test_what_cannot_be_cut(changing, change, error, match):
    with pytest.raises(error, match=match):
        cut(network(**change), changing)


def test_noise_and_chips_are_refused():
    net = ship.Network()
    net.add(ship.PoissonSource, "in", n=3, rate=50.0)
    net.add(ship.LIF, "out", n=2, output=True)
    net.add(ship.ExpSynapse, "syn", source="in", target="out")
    net.init(seed=0)
    with pytest.raises(ship.RunError, match=r"PoissonSource 'in', which draws noise in every run"):
        cut(net, ["syn"])
    net.init(seed=0, chips=2)
    with pytest.raises(ship.RunError, match=r"without a chip axis; got 2 chips"):
        cut(net, ["syn"])


def test_training_is_that_of_the_whole_network():
    """The gradient is the same, so are order and optimiser: weights agree to rounding (sums of another grouping)."""
    made = task()
    short, whole = network(), network()
    with torch.enable_grad():
        one = made.fit(short, seed=4)
        two = replace(made, recipe=replace(made.recipe, once=False)).fit(whole, seed=4)
    assert one.net is short
    assert one.epoch == 2
    assert torch.allclose(torch.tensor(one.history.loss), torch.tensor(two.history.loss), rtol=1e-4)
    assert torch.allclose(short["res>out"].value("weight"), whole["res>out"].value("weight"), atol=1e-5)
    assert not torch.allclose(short["res>out"].value("weight"), network()["res>out"].value("weight"), atol=1e-3)
    assert one.evaluate(made.held_out()).accuracy == two.evaluate(made.held_out()).accuracy


def test_a_recipe_that_trains_all_or_draws_is_refused():
    made = task()
    with pytest.raises(ship.RunError, match=r"must name what learns"):
        replace(made, recipe=Recipe()).shortened(network())
    with pytest.raises(ship.RunError, match=r"alike in every epoch"):
        replace(made, encode_train=made.encode).shortened(network())


@pytest.mark.parametrize("readout", [Mean(tail=5), Last(tail=5)])
def test_scores_are_sums_of_features(readout):
    short = task().shortened(network())
    batches = [(x, y) for x, y in short.task.in_order(short.task.test)]
    x, labels = features(short.net, "res>out", batches, readout=readout)
    scores = torch.cat([readout(short.net.run(s, steps=s.shape[1] + readout.tail)) for s, _ in batches])
    assert torch.allclose(x @ short.net["res>out"].value("weight").reshape(20, 3), scores, atol=1e-5)
    assert torch.equal(labels, task().test.labels)


def test_the_linear_start_is_a_minimum_and_reads_the_task():
    """At the minimum the loss rises in any direction; a bound holds, and costs loss."""
    short = task().shortened(network())
    train = short.task.in_order(short.task.train)
    loss = linear_start(short.net, "res>out", train, readout=short.task.readout, penalty=0.5)
    weight = short.net["res>out"].value("weight").reshape(20, 3)
    x, labels = features(short.net, "res>out", train, readout=short.task.readout)
    size = x.double().std(0, correction=0).square().mean().sqrt()

    def objective(w):
        data = torch.nn.functional.cross_entropy(x.double() @ w, labels)
        return float(data + 0.25 / len(x) * (size * w).square().sum())

    assert objective(weight.double()) == pytest.approx(loss, rel=1e-6)
    dice = torch.Generator().manual_seed(0)
    for _ in range(20):
        other = weight.double() + 0.05 * weight.abs().max() * torch.randn(20, 3, generator=dice, dtype=torch.float64)
        assert objective(other) > loss
    assert float(ship.study.accuracy(short.net, train, readout=short.task.readout)) > 0.8  # a third by chance
    bound = 0.3 * float(weight.abs().max())
    bounded = linear_start(short.net, "res>out", train, readout=short.task.readout, penalty=0.5, bound=bound)
    assert bounded > loss
    assert float(short.net["res>out"].value("weight").abs().max()) == pytest.approx(bound, rel=1e-6)


def test_what_is_not_linear_is_refused():
    short = task().shortened(network())
    train = short.task.in_order(short.task.train)
    with pytest.raises(ship.GraphError, match=r"linear in the output"):
        linear_start(short.net, "res>out", train, readout=Max())
    with pytest.raises(ship.GraphError, match=r"Cut the network before the synapse first"):
        linear_start(network(), "res>out", train, readout=Mean())
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "out", n=2, output=True)
    net.add(ImpulseSynapse, "syn", source="in", target="out")
    net.init(seed=0)
    with pytest.raises(ship.GraphError, match=r"needs an input, a synapse of all pairs and a LeakyIntegrator"):
        linear_start(net, "syn", train, readout=Mean())
    with pytest.raises(ship.ParameterError, match=r"bound: must be above 0 V; got 0"):
        linear_start(short.net, "res>out", train, readout=Mean(), bound=0.0)
