"""The task of spoken digits: the column, the splits, and what the readout learns of recordings that are not there to be heard."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ship
from ship.data import LabelledSet
from ship.data.sets.spoken_digits import ABOUT
from ship.study.tasks import spoken_digits as digits

DATA = Path(os.environ.get("SHIP_DATA", "nowhere"))


@pytest.fixture(scope="module")
def sounds():
    """Ten classes of tones, three speakers who whistle them half a tone apart, six takes of several lengths."""
    x, labels, speaker, take = [], [], [], []
    dice = torch.Generator().manual_seed(0)
    for label in range(10):
        for k, who in enumerate(("a", "b", "c")):
            for t in range(6):
                seconds = 0.15 + 0.02 * t
                f = 300.0 * 1.25**label * 1.03**k * (1 + 0.01 * float(torch.rand((), generator=dice)))
                x.append((8000 * torch.sin(2 * torch.pi * f * torch.arange(round(8000 * seconds)) / 8000)).to(torch.int16))
                labels.append(label)
                speaker.append(who)
                take.append(t)
    takes = torch.tensor(take)
    classes = tuple(map(str, range(10)))
    made = LabelledSet("tones", x, torch.tensor(labels), classes, ABOUT, by={"speaker": speaker, "take": takes}, test=takes < 2)
    return digits.heard(made)


def test_the_column_is_the_stated_one():
    net = digits.build(0)
    net.init(dt=1e-3)
    assert (net["in"].n, net["res"].n, net["out"].n) == (50, 125, 10)
    group = net["in>res"]
    assert torch.bincount(group.pre).tolist() == [10] * 50
    weight = group.value("weight").detach().flatten()
    assert bool((weight > 0).any())
    assert bool((weight < 0).any())
    # what enters a neuron sums to 1 - BALANCE of what was drawn: below 0 where that was above
    total = torch.zeros(125).index_add_(0, group.post, weight)
    assert float(total.abs().mean()) < 0.3 * float(torch.zeros(125).index_add_(0, group.post, weight.abs()).mean())
    ex, inh = net["E>res"].value("weight").detach(), net["I>res"].value("weight").detach()
    assert sorted(set((ex / digits.SCALE).flatten().mul(1e6).round().tolist())) == [12000.0, 24000.0]  # uV: EE, EI
    assert set((inh / digits.SCALE).flatten().mul(1e6).round().tolist()) == {-2000.0}
    same, other = digits.build(0), digits.build(1)
    for made in (same, other):
        made.init(dt=1e-3)
    assert torch.equal(same["in>res"].value("weight"), group.value("weight"))
    assert not torch.equal(other["in>res"].post, group.post)


def test_spikes_are_those_of_the_levels(sounds):
    """After k slots a channel has ``floor(sum of levels * rate * dt)`` spikes, and none after its recording."""
    assert sounds.x.dtype == torch.uint8
    assert sounds.x.shape == (180, 800, 50)
    assert int(sounds.x.max()) == 1
    assert not sounds.x[:, 260:].any()  # the longest tone has 250 ms
    assert 100 < float(sounds.x.sum((1, 2)).float().mean()) < 800 * 50


def test_the_splits_are_disjoint_and_honest(sounds):
    official = digits.held(sounds, "official")
    assert int(official.sum()) == 60
    by_speaker = digits.held(sounds, "speaker", speaker="b")
    assert [who for who, out in zip(sounds.by["speaker"], by_speaker.tolist(), strict=True) if out] == ["b"] * 60
    two = digits.held(sounds, "speaker", speaker="a, c")
    assert torch.equal(two, ~by_speaker)
    random = digits.held(sounds, "random", seed=1)
    assert torch.bincount(sounds.labels[random]).tolist() == [2] * 10
    assert not torch.equal(random, digits.held(sounds, "random", seed=2))
    with pytest.raises(ship.RunError, match=r"no speaker named 'd'"):
        digits.held(sounds, "speaker", speaker="d")
    with pytest.raises(ship.ParameterError, match=r"split: must be"):
        digits.spoken_digits(split="none")


def test_the_readout_learns_and_the_rest_stays(sounds):
    task = digits.divided(sounds, split="speaker", speaker="c")
    assert "by speaker: c held out" in task.split
    net = task.network(0)
    before = {tag: net[tag].value("weight").detach().clone() for tag in ("in>res", "E>res", "I>res")}
    trainer = task.fit(net)
    matrix = trainer.evaluate(task.held_out())
    assert matrix.total == 60
    assert matrix.accuracy > 0.8  # a tenth by chance; tones of the third speaker lie 3 % from those of the second
    assert all(torch.equal(net[tag].value("weight"), value) for tag, value in before.items())
    assert float(net["res>out"].value("weight").detach().abs().max()) < 1.01 * digits.BOUND


@pytest.mark.skipif(not (DATA / "fsdd.npz").exists(), reason="SHIP_DATA does not hold fsdd.npz")
def test_the_task_of_real_recordings():
    """Sixty recordings: enough to see that channels, column and readout answer; what is reached is the study's to say."""
    recordings = ship.data.load("spoken-digits")
    takes = torch.as_tensor(recordings.by["take"])
    some = digits.heard(recordings.part((takes < 7) & (takes > 3)))
    task = digits.divided(replace(some, test=torch.as_tensor(some.by["take"]) == 4))
    assert (len(task.train), len(task.test)) == (120, 60)
    net = task.network(0)
    task.fit(net)
    net.monitor("res", "output")
    right = float(ship.study.accuracy(net, task.held_out(60)).detach())
    assert right > 0.5  # a tenth by chance
