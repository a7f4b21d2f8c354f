"""Tasks on published data sets: encodings by their formulas, official splits, networks that take the samples."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ship
from event_files import aedat, atis, packet, tarred, zipped
from ship.data.sets import dvs_gesture, n_mnist, shd
from ship.data.sets.labelled import LabelledSet
from ship.study import task, tasks
from ship.study.tasks import shd as shd_task
from ship.study.tasks.event_sets import Camera, Slots

DATA = Path(os.environ["SHIP_DATA"]) if "SHIP_DATA" in os.environ else None  # before a test takes it away
needs_mnist = pytest.mark.skipif(
    DATA is None or not (DATA / "mnist.npz").is_file(), reason="needs mnist.npz in the folder SHIP_DATA"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SHIP_DATA", raising=False)


def bars(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of a bar whose row is ten times its class, with noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.uint8) % 3
    x = random.integers(0, 20, (n, 28, 28), np.uint8)
    for image, label in zip(x, labels, strict=True):
        image[2 + 8 * label : 6 + 8 * label] = random.integers(200, 256, (4, 28))
    return x, labels


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_images_become_times_to_a_first_spike(tmp_path: Path, name: str) -> None:
    """A pixel x spikes at -5 ms ln(x / 255), in slots of 1 ms rounded half up, if x is above a tenth of white."""
    x, labels = bars(40, 0)
    x[0].flat[:4] = [255, 25, 26, 100]
    np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=labels, x_test=x[:8], y_test=labels[:8])
    made = task(name, folder=tmp_path)
    spikes = made.encode(made.train.x[:1], torch.Generator())
    assert list(spikes.shape) == [1, 10, 784]
    slots = [spikes[0, :, i].nonzero().flatten().tolist() for i in range(4)]
    wanted = [[round(-5 * np.log(v / 255))] if v > 25.5 else [] for v in (255, 25, 26, 100)]
    assert slots == [[k for k in w if k < 10] for w in wanted] == [[0], [], [], [5]]
    assert (len(made.train), len(made.test), made.split) == (40, 8, "the official one")
    noisy = made.encode_train(made.train.x[:8], torch.Generator().manual_seed(1))
    assert not torch.equal(noisy, made.encode(made.train.x[:8], torch.Generator()))
    dark = (made.train.x[:8].flatten(1) == 0)[:, None].expand_as(noisy)
    assert not bool(noisy[dark].any())


def test_the_network_for_images_learns(tmp_path: Path) -> None:
    """Chance is one in three."""
    x, labels = bars(60, 0)
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=labels, x_test=x[:30], y_test=labels[:30])
    made = task("mnist", folder=tmp_path)
    made = replace(made, recipe=replace(made.recipe, epochs=4, size=6))
    net = made.network()
    assert {tag: net[tag].n for tag in net.tags if tag in ("in", "hid", "out")} == {"in": 784, "hid": 256, "out": 10}
    assert made.fit(net).evaluate(made.held_out()).accuracy > 0.9


@needs_mnist
def test_a_little_of_mnist_is_learned() -> None:
    """600 images twice: more than half of 300 others are right (chance: a tenth); all of MNIST is a matter of minutes."""
    made = task("mnist", folder=DATA).reduced(600, 300)
    made = replace(made, recipe=replace(made.recipe, epochs=2, size=50))
    net = made.network()
    assert made.fit(net).evaluate(made.held_out()).accuracy > 0.5
    assert any("Writers" in note for note in made.notes)


def test_slots_of_a_camera_are_pooled_counts() -> None:
    sample = torch.tensor([[0, 0], [4_999, 129], [5_001, 16384 + 127], [99_000, 5]])
    encode = Slots(Camera(128, 128, 4).units, 3, 10e-3, Camera(128, 128, 4))
    counts = encode(sample)
    assert list(counts.shape) == [3, 2048]
    assert counts.nonzero().tolist() == [[0, 0], [1, 1024 + 31]]
    assert counts[0, 0] == 2


def events_of(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Write archives of two small samples each, and let the data set expect their hashes."""
    if name == "n-mnist":
        module = n_mnist
        files = {
            "Train.zip": zipped({f"Train/{i}/0000{i}.bin": atis([(1000 * k, k, i, 1) for k in range(30)]) for i in (0, 1)}),
            "Test.zip": zipped({"Test/1/00001.bin": atis([(1000 * k, k, 1, 1) for k in range(30)])}),
        }
    else:
        module = dvs_gesture
        shown = aedat([packet([(1000 * k, k, 5, 1) for k in range(100)])])
        table = b"class,startTime_usec,endTime_usec\n1,0,50000\n2,50000,99000\n"
        parts = {".aedat": shown, "_labels.csv": table}
        trial = {f"{who}{what}": data for who in ("user01_led", "user24_led") for what, data in parts.items()}
        lists = {"trials_to_train.txt": b"user01_led.aedat", "trials_to_test.txt": b"user24_led.aedat"}
        files = {"DvsGesture.tar.gz": tarred({**trial, **lists})}
    for file, data in files.items():
        (folder / file).write_bytes(data)
    made = tuple(replace(r, md5=hashlib.md5(files[r.file]).hexdigest()) for r in module.REMOTES)
    monkeypatch.setattr(module, "REMOTES", made)


@pytest.mark.parametrize(("name", "shape"), [("n-mnist", [155, 2312]), ("dvs-gesture", [150, 2048])])
def test_a_task_on_events_runs_and_says_that_it_was_not_tried(
    name: str, shape: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events_of(name, monkeypatch, tmp_path)
    made = task(name, folder=tmp_path)
    x, labels, lengths = next(iter(made.held_out()))
    assert list(x.shape[1:]) == shape == [int(lengths[0]), made.channels]
    assert x.sum(dim=(1, 2)).tolist() == [float(len(sample)) for sample in made.test.x]
    out = made.network().run(x)
    assert list(out.shape) == [len(labels), shape[0], len(made.classes)]
    assert any("without having it at hand" in note for note in made.notes)
    assert any("are left out" in note for note in made.notes)


def test_the_task_on_shd_counts_cochlear_spikes(monkeypatch: pytest.MonkeyPatch) -> None:
    x = [torch.tensor([[0, 0], [1_000_000, 699], [1_399_000, 5]], dtype=torch.int32)]
    samples = LabelledSet("shd", x * 2, torch.tensor([0, 1]), ("a", "b"), shd.ABOUT, test=torch.tensor([False, True]))
    monkeypatch.setattr(ship.data, "load", lambda name, folder=None: samples)
    made = shd_task.shd()
    counts = made.encode(made.train.x[0], torch.Generator())
    assert list(counts.shape) == [350, 700]
    assert counts.nonzero().tolist() == [[0, 0], [250, 699]]  # the last one rounds to slot 350, behind the end
    assert any("Two of the twelve speakers" in note for note in made.notes)


def test_tasks_say_what_they_are_and_refuse_what_they_do_not_take() -> None:
    assert {"mnist", "fashion-mnist", "n-mnist", "shd", "dvs-gesture"} <= set(tasks())
    with pytest.raises(ship.RunError, match=r"task 'mnist': has no option 'split'"):
        task("mnist", split="speaker")
