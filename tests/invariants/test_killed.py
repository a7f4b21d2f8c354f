"""A training and a sweep that are killed (SIGKILL), ten times at random moments, and a training while its checkpoint is written:
they end as without, bit for bit, and a sweep does nothing twice but the point that was under way.
"""

import json
import random
import sys
import time
from collections import Counter

import pytest

import killed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


@pytest.fixture(scope="module")
def forker():
    with killed.Forker() as made:
        yield made


@pytest.fixture(scope="module")
def straight(forker, tmp_path_factory):
    """What an uninterrupted training gives."""
    folder = tmp_path_factory.mktemp("straight")
    forker.start("training", folder / "c.ship", folder / "result.json")
    assert forker.end() == 0
    return json.loads((folder / "result.json").read_text())


def test_ten_kills_of_a_training_change_nothing(forker, straight, tmp_path):
    moments, path, result = random.Random(5), tmp_path / "c.ship", tmp_path / "result.json"
    seen = set()
    for _ in range(10):
        before = path.stat().st_mtime_ns if path.exists() else None
        child = forker.start("training", path, result)
        if moments.random() < 0.8:  # else it may be killed before its first epoch
            killed.until(lambda before=before: path.exists() and path.stat().st_mtime_ns != before)
        time.sleep(moments.uniform(0.0, 0.01))
        assert forker.kill(child), "it had ended: there is too little to do"
        seen.add(path.stat().st_mtime_ns if path.exists() else None)
    assert len(seen) > 3  # it got on in between
    forker.start("training", path, result)
    assert forker.end() == 0
    assert json.loads(result.read_text()) == straight


@pytest.mark.parametrize("stage", ["written in half", "before it is on the disk", "before it is in place", "when it is in place"])
def test_a_kill_while_the_checkpoint_is_written_changes_nothing(forker, straight, tmp_path, stage):
    path, result = tmp_path / "c.ship", tmp_path / "result.json"
    forker.start("training that dies", path, stage)
    assert forker.end() == -9
    assert len(list(tmp_path.glob("*.part"))) == (stage != "when it is in place")  # what the killed one left
    forker.start("training", path, result)
    assert forker.end() == 0
    assert json.loads(result.read_text()) == straight
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.ship", "result.json"]


def test_ten_kills_of_a_sweep_change_nothing(forker, tmp_path):
    """Each finished point was on the disk before the next one began, so that a kill costs the one that was under way."""
    xarray = pytest.importorskip("xarray")
    calls = {name: tmp_path / f"{name}.calls" for name in ("straight", "killed")}
    forker.start("sweep", tmp_path / "straight", calls["straight"])
    assert forker.end() == 0
    moments = random.Random(7)
    for _ in range(10):
        wanted = _lines(calls["killed"]) + moments.randrange(5)
        child = forker.start("sweep", tmp_path / "killed", calls["killed"])
        killed.until(lambda wanted=wanted: _lines(calls["killed"]) >= wanted)
        time.sleep(moments.uniform(0.0, 0.005))
        assert forker.kill(child), "it had ended: there is too little to do"
    assert 10 < _lines(calls["killed"]) < killed.N_POINTS
    forker.start("sweep", tmp_path / "killed", calls["killed"])
    assert forker.end() == 0

    results = [xarray.load_dataset(tmp_path / name / "result.nc", engine="h5netcdf") for name in calls]
    xarray.testing.assert_identical(*results)
    assert int(results[0].failed.sum()) == 4
    done = {name: Counter(path.read_text().split("\n")[:-1]) for name, path in calls.items()}
    assert set(done["killed"]) == set(done["straight"])
    assert set(done["straight"].values()) == {1}
    assert sum(done["killed"].values()) <= killed.N_POINTS + 10


def _lines(path):
    return path.read_text().count("\n") if path.exists() else 0
