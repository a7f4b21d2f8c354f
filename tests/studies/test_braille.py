"""The task of Braille characters and its study."""

import os
from pathlib import Path

import pytest
import torch

import ship
from ship.studies import braille
from ship.study import Run, task
from ship.study.tasks.braille import FOLDS, Scan, sixth
from ship.study.tasks.column import column

DATA = Path(os.environ.get("SHIP_DATA", "nowhere"))
real = pytest.mark.skipif(not (DATA / "braille.npz").exists(), reason="SHIP_DATA does not hold braille.npz")


def test_an_edge_is_as_many_events_as_levels():
    """A white image with a black column: in each row the signal falls and rises by the whole contrast, 1 / delta levels each."""
    images = torch.ones(2, 28, 28)
    images[:, :, 10:16] = 0.2
    events = Scan(dt=5e-4, delta=0.1)(images, torch.Generator())
    assert list(events.shape) == [2, 300, 56]
    assert torch.equal(events[0].sum(0), torch.full((56,), 10.0))
    down, up = events[0, :, 1].nonzero().flatten(), events[0, :, 0].nonzero().flatten()
    assert 8.5 * 10 < float(down.double().mean()) < 10 * 10  # slots of the falling edge, between columns 9 and 10
    assert float(up.double().mean()) > 15 * 10


def test_contrast_does_not_count():
    images = torch.rand(3, 28, 28, generator=torch.Generator().manual_seed(0))
    encode = Scan(dt=1e-3, delta=0.1)
    assert torch.equal(encode(images, torch.Generator()), encode(0.25 * images + 0.5, torch.Generator()))


def test_augmented_images_differ_and_repeat():
    encode = Scan(dt=1e-3, delta=0.1, augment=True)
    image = torch.ones(1, 28, 28)
    image[:, 8:14, 6:12] = 0.0
    made = [encode.changed(image, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert float(made[0].min()) < 0.2  # the dot is still there
    assert abs(float((1 - made[0]).sum()) / 36 - 1) < 0.35  # and has its area, within a stretch of 10 % on each side


def test_folds_are_a_partition():
    labels = torch.arange(10).repeat_interleave(60)
    folds = torch.stack([sixth(labels, fold, seed=3) for fold in range(FOLDS)])
    assert torch.equal(folds.sum(0), torch.ones(600, dtype=torch.int64))
    assert all(torch.bincount(labels[fold]).tolist() == [10] * 10 for fold in folds)
    assert not torch.equal(folds[0], sixth(labels, 0, seed=4))


def test_a_column_is_connected_by_distance():
    """Mean number of edges of 40 columns: the sum of the probabilities, within 4 standard errors; kinds and signs fit."""
    generator = torch.Generator().manual_seed(0)
    drawn = [column((3, 3, 3), generator, inhibitory=0.0) for _ in range(40)]
    places = ship.grid(3, 3, 3)
    p = 0.45 * torch.exp(-(torch.cdist(places, places) ** 2) / 4)
    found = sum(len(c.pre) for c in drawn) / 40
    assert abs(found - float(p.sum())) < 4 * float((p * (1 - p)).sum() / 40) ** 0.5
    mixed = column((5, 5, 5), generator)
    assert torch.equal(mixed.weight < 0, mixed.inhibitory[mixed.pre])
    pre, post = mixed.inputs(56, 4, generator)
    assert torch.bincount(pre).tolist() == [4] * 56
    assert not mixed.inhibitory[post].any()


@real
def test_the_splits():
    part = task("braille")
    assert (len(part.train), len(part.test), len(part.classes)) == (500, 100, 10)
    held = task("braille", split="augmentation", held="rot", classes=26)
    assert set(held.test.by["augmentation"]) == {"rot"}
    assert "rot" not in held.train.by["augmentation"]
    assert "one photograph" in part.notes[0]
    for wrong in ({"classes": 27}, {"fold": 6}, {"split": "patient"}, {"held": "x"}, {"neurons": "x"}):
        with pytest.raises(ship.ShipError, match="task braille"):
            task("braille", **wrong)


@real
def test_all_groups_run_as_kernels():
    for neurons in ("milliseconds", "as published"):
        part = task("braille", neurons=neurons)
        text = str(part.network().explain())
        assert text.count("kernel") >= 4
        assert "reference" not in text.partition("Engine")[2].lower()


@real
def test_as_published_a_neuron_hardly_leaks():
    """The published program, equation per millisecond stepped by 0.001 (s): 150 slots move a neuron from -65 mV by 0.4 mV at most."""
    part = task("braille", neurons="as published")
    net = part.network()
    net.monitor("res", "v")
    net.run(torch.zeros(1, 150, 56))
    v = net.records["res"].v[0, -1].double()
    step, w, u = 1e-3, -65.0, -13.0
    for _ in range(149):
        w = w + step * (0.04 * w * w + 5 * w + 140 - u)
        u = u + step * 0.02 * (0.2 * w - u)
    assert -0.5 < w + 65 < -0.3
    torch.testing.assert_close(1e3 * v, torch.full_like(v, w), rtol=0, atol=2e-3)


@real
def test_the_quick_study(tmp_path):
    config = braille.Config.quick()
    with Run(tmp_path / "out", study="braille", seed=0, data=DATA) as run:
        braille.run(config, run)
    numbers = run.record["numbers"]
    reached = numbers["10 letters, 1 of 6 folds: accuracy"]
    assert reached["low"] > 0.1  # chance
    assert numbers["10 letters, 1 of 6 folds: support vector machine on pixels"]["value"] > 0.5
    assert {"sample", "drift"} == set(run.record["figures"])
    assert any("one photograph" in note for note in run.record["notes"])
