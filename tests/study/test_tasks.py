"""Tasks: data, encoding, readout and split in one object; the network that a task comes with learns it."""

from dataclasses import replace

import pytest
import torch

import ship
from ship.study import Recipe, task, tasks


@pytest.fixture(scope="module")
def digits():
    return task("digits")


def ragged(digits, n=12):
    """The digits as a list of samples of several lengths, one row of spikes after the other."""

    def rows(part):
        return replace(part.part(range(n)), x=[torch.eye(64)[: 2 + i % 3] for i in range(n)])

    return replace(digits, train=rows(digits.train), test=rows(digits.test), encode=lambda x, _: x, encode_train=None)


def test_the_parts_are_disjoint_and_all(digits):
    whole = ship.data.digits()
    assert len(digits.train) + len(digits.test) == 1797
    assert torch.equal(digits.test.x, whole.x_test)
    assert torch.equal(digits.train.labels, whole.labels)


def test_a_task_has_a_name_and_a_purpose():
    assert "digits" in tasks()
    assert all(len(line.split()) > 4 for line in tasks().values())
    with pytest.raises(ship.RunError, match=r"no task named 'digit'.*Did you mean 'digits'"):
        task("digit")


def fitted(small, seed, epochs):
    net = small.network(seed)
    return small.fit(net, seed=seed, epochs=epochs)


def test_one_seed_gives_one_training(digits):
    small = replace(digits, recipe=Recipe(size=16)).reduced(64, 100)
    losses = [fitted(small, seed, 2).history.loss for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_the_network_of_the_task_learns_it(digits):
    """Chance is 10 %."""
    small = replace(digits, recipe=Recipe(size=16)).reduced(400, 100)
    assert fitted(small, 0, 12).evaluate(small.held_out()).accuracy > 0.5


def test_only_what_the_recipe_trains_learns(digits):
    few = replace(digits.reduced(64, 20), recipe=Recipe(epochs=1, trained=("hid>out",)))
    net = few.network()
    before = {tag: net[tag].value("weight").clone() for tag in ("in>hid", "hid>out")}
    few.fit(net)
    assert torch.equal(net["in>hid"].value("weight"), before["in>hid"])
    assert not torch.equal(net["hid>out"].value("weight"), before["hid>out"])
    with pytest.raises(ship.GraphError, match=r"trains \['res>out'\]; got a network without 'res>out'"):
        replace(few, recipe=Recipe(trained=("res>out",))).fit(net)


def test_a_recipe_may_give_the_first_weights_and_need_no_epochs(digits):
    """The start is told task, network and seed; where noise is learnt against, the network goes on from where it is."""
    told = []

    def start(task, net, seed):
        told.append((task.name, seed))
        with torch.no_grad():
            net["hid>out"].weight.fill_(2.0)

    few = replace(digits.reduced(64, 20), recipe=Recipe(epochs=0, trained=("hid>out",), start=start))
    net = few.network()
    trainer = few.fit(net, seed=7)
    assert told == [("digits", 7)]
    assert bool((net["hid>out"].value("weight") == 2.0).all())
    assert trainer.history.loss == []
    few.fit(net, epochs=1, perturb=[ship.train.Perturb(tags=["hid>out"])])
    assert len(told) == 1
    assert not bool((net["hid>out"].value("weight") == 2.0).all())


def test_a_recipe_suits_a_network_that_has_what_it_trains(digits):
    net = digits.network()
    mine = Recipe(size=20, trained=("hid>out",), once=True)
    assert mine.suited(net) == mine
    assert replace(mine, trained=("res>out",)).suited(net) == Recipe(size=20)
    assert Recipe(epochs=3).suited(net) == Recipe(epochs=3)
    assert Recipe(epochs=0, start=lambda *_: None).suited(net) == Recipe()


def test_samples_of_several_lengths(digits):
    some = ragged(digits)
    x, labels, lengths = next(iter(some.held_out(5)))
    assert list(x.shape) == [5, 4, 64]
    assert lengths.tolist() == [2, 3, 4, 2, 3]
    assert torch.equal(labels, some.test.labels[:5])
    batches = some.training(seed=3, size=4)
    orders = []
    for epoch in (0, 1, 0):
        batches.batch_sampler.set_epoch(epoch)
        orders.append([labels.tolist() for _, labels, _ in batches])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(label for batch in orders[0] for label in batch) == sorted(some.train.labels.tolist())


def test_a_reduced_task_says_so_and_keeps_the_classes(digits):
    few = digits.reduced(100, 50)
    assert few.notes[-1] == f"{len(few.train)} of 1438 training samples, {len(few.test)} of 359 test samples"
    assert abs(len(few.train) - 100) <= 5
    assert set(few.train.labels.tolist()) == set(range(10))
    assert digits.reduced(10_000, 10_000).train is digits.train


@pytest.mark.parametrize(
    ("change", "text"), [({"epochs": 0}, "epochs"), ({"size": 0}, "size"), ({"lr": 0.0}, "lr"), ({"decay": "step"}, "decay")]
)
def test_a_recipe_refuses_nonsense(change, text):
    with pytest.raises(ship.ParameterError, match=f"Recipe.{text}"):
        Recipe(**change)
