"""Tasks of a user's own files: what they say, what they refuse and how, and that their networks learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ship
from ship.base.errors import FileError, RunError
from ship.study import task


def patterns(n: int = 60, steps: int = 12, channels: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of the first or the last half of the channels, by class, with 5 % of all flipped."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = np.zeros((n, steps, channels))
    x[y == 0, :, : channels // 2] = 1
    x[y == 1, :, channels // 2 :] = 1
    return np.abs(x - (random.random(x.shape) < 0.05)), y


def saved(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def learned(made, epochs: int = 10) -> float:
    net = made.network()
    return made.fit(net, epochs=epochs).evaluate(made.held_out()).accuracy


def test_spikes_of_an_npz_file_enter_as_they_are(tmp_path: Path) -> None:
    x, y = patterns()
    made = task(saved(tmp_path / "mine.npz", x=x, y=y, kind="spikes", dt=1e-3))
    assert (made.name, made.channels, made.dt, made.classes) == ("mine.npz", 6, 1e-3, ("0", "1"))
    assert torch.equal(made.encode(made.test.x, torch.Generator()), made.test.x)
    assert (len(made.train), len(made.test), made.split) == (48, 12, "at random, by class")
    assert any("it flatters" in note for note in made.notes)
    assert learned(made) > 0.9


def test_what_the_file_does_not_say_can_be_given(tmp_path: Path) -> None:
    x, y = patterns(10)
    path = saved(tmp_path / "mine.npz", x=x, y=y)
    with pytest.raises(FileError, match=r"mine.npz: x: may be \[sample, time, channel\] or images.*Save kind='spikes'"):
        task(path)
    with pytest.raises(FileError, match=r"mine.npz: needs the time step \(s\) of its spikes. Give it: dt=0.001"):
        task(path, kind="spikes")
    with pytest.raises(FileError, match=r"takes no gain: its samples are spikes; got gain=2"):
        task(path, kind="spikes", dt=1e-3, gain=2.0)
    assert task(path, kind="spikes", dt=2e-3, hidden=7).network()["hid"].n == 7
    with pytest.raises(RunError, match=r"has no option 'dtt'.*Did you mean 'dt'"):
        task(path, dtt=1)


def test_values_flow_into_the_neurons(tmp_path: Path) -> None:
    x, y = patterns()
    path = saved(tmp_path / "mine.npz", x=3 * x - 1, y=y, kind="values", dt=1e-3)
    made = task(path)
    assert any("multiplied by 50 /s" in note for note in made.notes)
    assert torch.equal(made.encode(made.test.x, torch.Generator()), 50 * made.test.x)
    assert torch.equal(task(path, gain=1.0).encode(made.test.x, torch.Generator()), made.test.x)
    assert learned(made) > 0.9


def test_images_become_times_to_a_first_spike(tmp_path: Path) -> None:
    """-8 ms ln x in slots of 1 ms; bytes are divided by 255, other values scaled by those of the training samples."""
    x = np.zeros((20, 2, 2), np.uint8)
    x[:, 0, 0] = np.where(np.arange(20) % 2, 255, 94)
    made = task(saved(tmp_path / "mine.npz", x=x, y=np.arange(20) % 2, kind="image"))
    spikes = made.encode(torch.from_numpy(x[:2]), torch.Generator())
    assert [s.tolist() for s in spikes.nonzero()] == [[0, 8, 0], [1, 0, 0]]  # -8 ln(94 / 255) = 7.98
    test = np.arange(20) >= 16
    table = np.stack([np.arange(20) % 2 * 10.0 - 5, np.full(20, 3.0)], 1)
    table[16:] *= 2
    made = task(saved(tmp_path / "own.npz", x=table, y=np.arange(20) % 2, test=test))
    assert made.split == "as the file says"
    assert made.test.x[:, 0].tolist() == [-10, 10, -10, 10]
    spikes = made.encode(made.test.x, torch.Generator())
    assert [s.tolist() for s in spikes.nonzero()] == [[0, 0, 1], [1, 0, 0], [1, 0, 1], [2, 0, 1], [3, 0, 0], [3, 0, 1]]
    assert any("become 0 and 1, others are cut there" in note for note in made.notes)


def test_events_are_counted_up_to_the_last_one(tmp_path: Path) -> None:
    """A sample without events has a place, for y says how many there are."""
    y = np.array([0, 1, 0, 1, 0, 1])
    events = {"sample": [1, 0, 0, 5], "time": [0.004, 0.002, 0.001, 0.0], "unit": [2, 0, 1, 0]}
    path = saved(tmp_path / "mine.npz", y=y, dt=1e-3, test=y == -1, **events)
    with pytest.raises(FileError, match="must have samples to train on and to test; got 0 to test"):
        task(path)
    path = saved(tmp_path / "mine.npz", y=y, dt=1e-3, test=np.arange(6) >= 4, **events)
    made = task(path)
    assert [x.tolist() for x in made.train.x] == [[[0.001, 1], [0.002, 0]], [[0.004, 2]], [], []]
    x, labels, lengths = next(iter(made.held_out()))
    assert list(x.shape) == [2, 5, 3]
    assert lengths.tolist() == [5, 5]
    assert labels.tolist() == [0, 1]
    assert made.encode(made.train.x[0], torch.Generator()).nonzero().tolist() == [[1, 1], [2, 0]]
    assert learned(made, 1) >= 0


def test_whole_groups_are_held_out(tmp_path: Path) -> None:
    x, y = patterns(60)
    groups = [f"p{i // 10}" for i in range(60)]
    path = saved(tmp_path / "mine.npz", x=x, y=y, kind="spikes", dt=1e-3, groups=groups)
    parts = [{part: set(getattr(task(path, seed=seed), part).by["group"]) for part in ("train", "test")} for seed in range(4)]
    assert all(p["train"] & p["test"] == set() and len(p["test"]) == 2 for p in parts)
    assert len({frozenset(p["test"]) for p in parts}) > 1
    made = task(path, seed=1)
    assert made.split == "by group: 2 of 6 groups are held out"
    assert not any("flatters" in note for note in made.notes)


def test_held_out_samples_of_the_file(tmp_path: Path) -> None:
    x, y = patterns(20)
    made = task(saved(tmp_path / "mine.npz", x=x[:14], y=y[:14], x_test=x[14:], y_test=y[14:], kind="spikes", dt=1e-3))
    assert torch.equal(made.test.x, torch.from_numpy(x[14:]).float())
    assert (len(made.train), made.split) == (14, "as the file says")


X, Y = patterns(20)
GOOD = {"x": X, "y": Y, "kind": "spikes", "dt": 1e-3}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"y": Y[:-1]}, "mine.npz: must have one label y for each sample; got 20 samples, 19 labels"),
        ({"y": np.zeros(20)}, "must have samples of at least two classes; got 20 samples, classes"),
        ({"y": np.zeros((20, 2))}, r"mine.npz: y: must be a list of numbers or text; got float64 \[20, 2\]"),
        ({"y": np.where(Y == 1, np.nan, 0)}, r"mine.npz: y\[1\]: must be a finite number; got nan"),
        ({"x": X - 1}, r"mine.npz: x\[\d+, \d+, \d+\]: spikes must be whole numbers of at least 0; got -1.0. For levels"),
        ({"x": np.where(X == 1, np.inf, 0)}, r"mine.npz: x\[0, \d+, \d+\]: must be a finite number; got inf"),
        ({"x": X[:, 0]}, r"mine.npz: x: must be \[sample, time, channel\] for spikes; got shape \[20, 6\]"),
        ({"x": X.astype(str)}, r"mine.npz: x: must be numbers \[sample, ...\]; got <U"),
        ({"kind": "spike"}, "mine.npz: kind: must be 'spikes', 'values', 'image' or 'events'; got 'spike'"),
        ({"kind": "events"}, "must hold sample, time, unit and y for events"),
        ({"dt": 0.0}, "task: dt: must be above 0 s"),
        ({"dt": [1.0, 2.0]}, "mine.npz: dt: must be one number"),
        ({"groups": ["a"] * 19}, "mine.npz: groups: must have one entry for each of 20 samples; got 19"),
        ({"groups": ["a"] * 20}, r"must have at least two groups to hold one out; got groups \['a'\]"),
        ({"x_test": X}, "must have both x_test and y_test"),
        ({"x_test": X[:, :5], "y_test": Y}, r"x and x_test must have samples of one shape"),
        ({"x_test": X, "y_test": Y + 5}, "must have samples of each class to train on; got none of class '5'"),
        ({"x": np.array([None] * 20)}, "mine.npz: x: must be a plain array of numbers or text"),
        ({"x": None, "sample": [0], "time": [0.0]}, "must hold x and y, or sample, time, unit and y; got no x, and no unit"),
        ({"x": None, "sample": [20], "time": [0.0], "unit": [0]}, r"mine.npz: sample\[0\]: must be from 0 to 19; got 20"),
        ({"x": None, "sample": [0, 1], "time": [0.0, -1], "unit": [0, 0]}, r"time\[1\]: must be a number of seconds from 0 on"),
        ({"kind": "image"}, "takes no dt: it has images, which become spikes in slots of 0.001 s; got dt=0.001"),
        (
            {"x": None, "sample": [0], "time": [1e9], "unit": [0]},
            r"at most 1e\+08 slots x units; got 1",
        ),
        ({"x": None, "sample": [0], "time": [0.0], "unit": [0.5]}, r"unit\[0\]: must be a whole number from 0 on; got 0.5"),
    ],
)
def test_an_npz_file_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, object], text: str) -> None:
    arrays = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
    if change.get("x", 0) is None:
        arrays.pop("kind")
    np.savez(tmp_path / "mine.npz", allow_pickle=True, **arrays)
    with pytest.raises(ship.ShipError, match=text):
        task(tmp_path / "mine.npz")


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_table_has_a_row_for_each_sample(tmp_path: Path) -> None:
    rows = "".join(f"{i % 3 * 10 + i % 2},{'cat' if i % 3 else 'dog'},{5 - i % 3},m{i % 4}\n" for i in range(60))
    made = task(written(tmp_path / "mine.csv", "width, animal ,height,group\n" + rows), label="animal")
    assert made.classes == ("cat", "dog")
    assert made.channels == 2
    assert made.train.x[:2].tolist() != []
    assert made.split == "by group: 1 of 4 groups are held out"
    assert learned(made) > 0.9


def test_a_table_may_have_a_row_for_each_event(tmp_path: Path) -> None:
    text = "sample,time,unit,label,test\n" + "".join(
        f"s{i},{0.001 * k},{k + 3 * (i % 2)},{'ab'[i % 2]},{int(i > 7)}\n" for i in range(10) for k in range(3)
    )
    made = task(written(tmp_path / "mine.csv", text), dt=1e-3)
    assert (len(made.train), len(made.test), made.channels) == (8, 2, 6)
    assert made.encode(made.test.x[1], torch.Generator()).nonzero().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert any("without events cannot stand" in note for note in made.notes)
    with pytest.raises(FileError, match="needs the time step"):
        task(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a,b\n1,2\n", "mine.csv: row 1: must name a column 'label'; got a, b"),
        ("a,label\n1,x\n\n2\n", "mine.csv: row 4: must have 2 cells, as the head has; got 1"),
        ("a,label\n1,x\n,y\n", "mine.csv: row 3, a: must be a finite number; got ''. Leave the row out"),
        ("a,label\n1,x\nnan,y\n", "mine.csv: row 3, a: must be a finite number; got 'nan'"),
        ("a,a,label\n1,2,x\n", "mine.csv: row 1: must name each column once; got 'a' twice"),
        ("a,label,test\n1,x,0\n2,y,yes\n", "mine.csv: row 3, test: must be 0 or 1; got 'yes'"),
        ("label\nx\n", "mine.csv: row 1: must name at least one column of numbers"),
        ("a,label\n", "mine.csv: must have a head and at least one row; got 1 rows"),
        ("sample,time,unit,label\n1,0,0,a\n2,0,0,b\n1,1,0,b\n", "row 4, label: must be 'a', as in the rows of sample '1' above"),
        ("sample,time,unit,label\n1,-1,0,a\n", "row 2: must have a time from 0 s on and a whole unit from 0 on; got -1, 0"),
        ("sample,time,unit,label\n1,x,0,a\n", "row 2, time: must be a finite number; got 'x'"),
        ("sample,time,unit,label,test\n1,0,0,a,0\n2,0,0,b,2\n", "row 3, test: must be 0 or 1; got '2'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(FileError, match=error):
        task(written(tmp_path / "mine.csv", text), dt=1e-3)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"label\xff\n")
    with pytest.raises(FileError, match="must be text in UTF-8; got byte 5"):
        task(tmp_path / "mine.csv")


CODE = """
from dataclasses import replace
import ship

def task(seed=0, scale=1.0):
    made = ship.study.task("digits", seed=seed)
    return replace(made, name=f"mine {scale:g}")
"""


def test_a_python_file_is_run(tmp_path: Path) -> None:
    made = task(written(tmp_path / "mine.py", CODE), seed=3, scale=2.0)
    assert made.name == "mine 2"
    assert made.test.hash() == task("digits", seed=3).test.hash()
    assert made.test.hash() != task("digits", seed=0).test.hash()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("def taks(): pass", r"mine.py: must have a function task\(\) that returns a ship.study.Task; got functions taks"),
        ("x = 1", "got no function"),
        ("def task(): return 3", r"mine.py: task\(\): must return a ship.study.Task; got int"),
        ("def task(): return 1 / 0", r"mine.py: task\(\): raised ZeroDivisionError: division by zero"),
        ("def task(:", r"mine.py: raised SyntaxError"),
        ("def task(): pass", r"mine.py: task\(\): takes no argument 'scale'"),
    ],
)
def test_a_python_file_that_does_not_do_is_refused(tmp_path: Path, code: str, text: str) -> None:
    options = {"scale": 1.0} if "takes no" in text else {}
    with pytest.raises(ship.ShipError, match=text):
        task(written(tmp_path / "mine.py", code), **options)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(FileError, match=r"nowhere.npz: no such file. Give the path of your file, or the name of a task"):
        task("nowhere.npz")
    with pytest.raises(RunError, match=r"no task named 'mnsit'.*Did you mean 'mnist'.*A file of yours ends in .npz, .csv, .py"):
        task("mnsit")
