"""A second `init`: which values are drawn anew, which are kept, and which are named because they cannot be kept."""

from __future__ import annotations

import copy

import pytest
import torch

import ship
from kept_networks import one
from synapses import device

F64 = torch.float64
pytestmark = pytest.mark.filterwarnings("ignore:.*the target would")


def trained():
    net = one(given=device())
    with torch.no_grad():
        net["s"].weight.mul_(0.5)
    return net


def test_init_says_what_it_draws_anew():
    net = trained()
    with pytest.warns(UserWarning, match=r"draws anew what had changed .*: 's': weight\. Give keep=True to go on"):
        net.init(seed=3, dtype=F64)
    net.set("out", tau=5e-3)
    net.init(seed=3, dtype=F64)  # nothing had changed
    trained().init(seed=4)  # another seed is another network
    trained().init(seed=3, keep=False)


@pytest.mark.parametrize("change", [None, "tau", "n"])
def test_init_keeps_what_was_trained(change):
    net = trained()
    weight = net["s"].weight.detach().clone()
    if change == "tau":
        net.set("s", tau=7e-3)
    if change == "n":
        net.add(ship.LIF, "more", n=2)
    net.init(seed=3, dtype=F64, keep=True)
    assert torch.equal(net["s"].weight, weight)
    assert float(net["s"].tau) == (7e-3 if change == "tau" else 5e-3)


def test_what_is_given_anew_is_not_kept():
    net = trained()
    net.set("s", weight=0.25)
    net.init(seed=3, dtype=F64, keep=True)
    assert bool((net["s"].weight == 0.25).all())


def test_what_cannot_be_kept_is_named():
    net = trained()
    net.program()
    net.set("in", n=5)
    net.set("s", weight=0.5)
    net.init(seed=3, dtype=F64, keep=False)
    with torch.no_grad():
        net["s"].weight.mul_(0.5)
    net.program()
    net.set("in", n=4)
    with pytest.warns(
        UserWarning, match="cannot be kept, because shapes, edges or dies are others, .*: 's': weight; 's': devices"
    ):
        net.init(seed=3, dtype=F64, keep=True)


def test_trained_values_go_to_new_dies():
    """Nominal values are kept; the deviates are those that the new dies have anyway."""
    net, other = (one(ship.Varied(ship.Normal(0.4, 0.2), d2d=0.1), given=device()) for _ in range(2))
    with torch.no_grad():
        net["s"].weight.mul_(0.5)
    for each, keep in ((net, True), (other, False)):
        each.init(seed=3, dtype=F64, chips=[4, 2], keep=keep)
    assert torch.equal(net["s"].weight, 0.5 * other["s"].weight)
    assert torch.equal(getattr(net["s"], "weight/deviate"), getattr(other["s"], "weight/deviate"))


def test_weights_of_other_edges_are_not_kept():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LIF, "a", n=4, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="a", connect=torch.eye(4), weight=ship.Uniform(0.0, 1.0))
    net.init()
    with torch.no_grad():
        net["s"].weight.fill_(0.5)
    net.set("s", connect=torch.eye(4).flip(0))
    with pytest.warns(UserWarning, match="edges or dies are others, and starts as drawn: 's': weight"):
        net.init(keep=True)
    assert not bool((net["s"].weight == 0.5).any())


def test_devices_are_kept_by_the_same_dies_alone():
    net = one(chips=2)
    net.program()
    net.wait(1e3)
    acts = net["s"].value("weight").clone()
    with pytest.warns(UserWarning, match="'s': devices"):
        net.init(seed=3, dtype=F64, chips=2)
    net.program()
    net.wait(1e3)
    net.set("out", tau=5e-3)
    net.init(seed=3, dtype=F64, chips=2, keep=True)
    assert torch.equal(net["s"].value("weight"), acts)
    with pytest.warns(UserWarning, match="'s': devices"):
        net.init(seed=3, dtype=F64, chips=[0, 5], keep=True)


def test_a_weight_that_a_rule_has_changed_is_kept():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "a", n=2, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="a", weight=0.9, rule=ship.PairSTDP(a_plus=0.1))
    net.init()
    net.run(torch.ones(1, 20, 2))
    learnt = net["s"].plastic_weight.clone()
    assert not torch.equal(learnt, torch.full_like(learnt, 0.9))
    with pytest.warns(UserWarning, match="'s': plastic_weight"):
        copy.deepcopy(net).init()
    net.set("a", tau=5e-3)
    net.init(dt=0.5e-3, keep=True)
    assert torch.equal(net["s"].plastic_weight, learnt)
