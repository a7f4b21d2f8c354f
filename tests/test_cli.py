"""The command ``ship``, as a user calls it."""

import json
import subprocess
import sys

import pytest

import ship
from ship.files import library_models


def call(*words):
    return subprocess.run([sys.executable, "-m", "ship.cli", *words], capture_output=True, text=True, timeout=300)


def test_version():
    done = call("version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ship.__version__}\n", "")


def test_describe_lists_all_models():
    done = call("describe")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert [line.split()[0] for line in lines] == list(library_models())
    assert all(len(line.split()) > 3 for line in lines)  # each with what it is
    assert len(lines) > 10


def test_describe_a_model():
    done = call("describe", "LIF")
    assert done.returncode == 0
    assert done.stdout.strip() == str(ship.describe(ship.LIF)).strip()
    for word in ("tau", "v_th", "t_ref", "0.02"):
        assert word in done.stdout


@pytest.mark.parametrize("name", ["lif", "Nonsense"])
def test_error_is_one_line(name):
    done = call("describe", name)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"ship: ship describe: no model named '{name}'")
    assert "Traceback" not in done.stderr
    assert "'LIF'" in done.stderr


@pytest.mark.parametrize("words", [("demo", "--chips", "1"), ("demo", "--epochs", "0"), ("demo", "--seed", "-1"), ("nonsense",)])
def test_wrong_options(words):
    done = call(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_help():
    done = call("--help")
    assert done.returncode == 0
    for word in ("demo", "describe", "version"):
        assert word in done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    pytest.importorskip("sklearn")
    out = tmp_path_factory.mktemp("demo") / "figures"
    return call("demo", "--epochs", "1", "--chips", "2", "--seed", "3", "--no-progress", "--out", str(out)), out


@pytest.mark.slow
def test_demo(demo):
    done, _ = demo
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert {"test_accuracy", "levels", "drift", "seconds", "chips", "seed"} <= set(result)
    assert (result["chips"], result["seed"]) == (2, 3)
    assert 0.2 < result["test_accuracy"] <= 1  # one epoch is little, ten classes by chance are 0.1
    low, high = result["test_interval"]
    assert low < result["test_accuracy"] < high
    assert len(result["levels"]) == 11
    assert [float(t) for t in result["drift"]] == sorted(float(t) for t in result["drift"])
    for value, low, high in (*result["levels"].values(), *result["drift"].values()):
        assert 0 <= value <= 1
        assert low <= value <= high
    assert result["seconds"] > 0


@pytest.mark.slow
def test_figures_of_the_demo(demo):
    _, out = demo
    names = {path.name for path in out.iterdir()}
    assert {"raster.png", "network.png", "training.png", "confusion.png", "weights.png", "levels.png", "drift.png"} <= names
    assert all(path.stat().st_size > 5000 for path in out.iterdir())
