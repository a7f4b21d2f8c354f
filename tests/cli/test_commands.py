"""The command ``ship``, as a user calls it."""

import json
import subprocess
import sys

import pytest

import ship
from ship.network.files.files import library_models


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


def test_devices(tmp_path):
    """A list with what each is; one as a file that can be loaded."""
    done = call("devices")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(ship.devices.library())
    path = tmp_path / "pcm.toml"
    path.write_text(call("devices", "pcm").stdout)
    assert ship.load_device(path) == ship.devices.library()["pcm"]()
    wrong = call("devices", "pmc")
    assert (wrong.returncode, "no device named 'pmc'" in wrong.stderr, "pcm" in wrong.stderr) == (2, True, True)


def test_ask(tmp_path):
    """From a device file to the accuracy of chips: a good device keeps the network's accuracy, a bad one does not."""
    pytest.importorskip("sklearn")
    made = {}
    for name, noise in (("good", 1e-7), ("bad", 60e-6)):
        device = ship.Device(
            name=name, update=ship.devices.Bounded(alpha_p=0.02, alpha_d=0.02), noise=ship.devices.AdditiveNoise(sigma=noise)
        )
        ship.save_device(device, tmp_path / f"{name}.toml")
        words = ("--chips", "3", "--epochs", "15", "--no-progress", "--out", str(tmp_path / name))
        done = call("ask", str(tmp_path / f"{name}.toml"), *words)
        assert done.returncode == 0, done.stderr
        made[name] = json.loads(done.stdout.splitlines()[-1])
        assert (tmp_path / name / "chips.png").stat().st_size > 5000
    exact = made["good"]["floating_point"][0]
    assert exact > 0.8  # 87 % after 15 epochs
    assert made["good"]["conditions"]["pulses, verified"]["mean"][0] > exact - 0.03
    assert made["bad"]["conditions"]["pulses, verified"]["mean"][0] < exact - 0.15
    assert made["good"]["conditions"]["pulses, verified"]["yield"][0] == 1.0


def test_ask_from_a_measurement(tmp_path):
    """A file that cannot be read as pulses is refused before anything is trained."""
    (tmp_path / "a.csv").write_text("up,down\n1,2\n2,1\n")
    done = call("ask", str(tmp_path / "a.csv"), "--kind", "pulses", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "unit" in done.stderr
    assert done.stderr.count("\n") == 1
