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
    words = ("--chips", "3", "--limits", "3", "--epochs", "15", "--no-progress", "--out", str(tmp_path / "both"))
    done = call("ask", str(tmp_path / "good.toml"), str(tmp_path / "bad.toml"), *words)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines()[-2:]:
        result = json.loads(line)
        made[result["device"]] = result
        assert (tmp_path / "both" / result["device"] / "chips.png").stat().st_size > 5000
    assert (tmp_path / "both" / "devices.md").read_text().count("| read noise") == 1
    exact = made["good"]["floating_point"][0]
    assert exact > 0.8  # 87 % after 15 epochs
    assert made["good"]["conditions"]["verified"]["mean"][0] > exact - 0.03
    assert made["bad"]["conditions"]["verified"]["mean"][0] < exact - 0.15
    assert made["good"]["conditions"]["verified"]["yield"][0] == 1.0
    assert 0 < made["good"]["conditions"]["by pulses"]["weight_error"] < made["bad"]["conditions"]["by pulses"]["weight_error"]
    assert made["bad"]["limits"][0]["property"] == "read noise"
    assert made["bad"]["limits"][0]["gain"][1] > 0.1
    assert made["good"]["unknown"]["one shot"] == "not given: what a write to a target leaves (programming)"
    assert "--assume retention=" in made["good"]["unknown"]["after waiting"]


def test_ask_with_an_assumption(tmp_path):
    """What is missing is asked for in the command's words, and what is assumed stands beside the numbers."""
    pytest.importorskip("sklearn")
    origins = {"update": ship.devices.Origin("missing"), "v_set": ship.devices.Origin("measured", kind="iv", source="a.csv")}
    device = ship.Device(name="states", g_max=50e-6, update=ship.devices.Unmeasured(), origins=origins)
    ship.save_device(device, tmp_path / "states.toml")
    words = ("--chips", "2", "--limits", "0", "--epochs", "1", "--no-progress", "--out", str(tmp_path / "out"))
    made = []
    for more in ((), ("--assume", "update=gong_2018")):
        done = call("ask", str(tmp_path / "states.toml"), *words, *more)
        assert done.returncode == 0, done.stderr
        made.append((json.loads(done.stdout.splitlines()[-1]), done.stdout))
    (before, _), (after, text) = made
    assert list(before["conditions"]) == ["level by level"]
    assert before["unknown"]["by pulses"].endswith("to assume one: --assume update=gong_2018")
    assert {"by pulses", "verified"} <= set(after["conditions"])
    assert "by the user" in after["assumed"]["update"]
    assert "Assumed: update: gong_2018" in text
    assert after["origins"]["v_set"]["source"] == "a.csv"
    wrong = call("ask", str(tmp_path / "states.toml"), str(tmp_path / "a.csv"), *words)
    assert (wrong.returncode, "takes device files, or measurements" in wrong.stderr) == (2, True)


def test_ask_from_a_measurement(tmp_path):
    """A file that cannot be read as pulses is refused before anything is trained."""
    (tmp_path / "a.csv").write_text("up,down\n1,2\n2,1\n")
    done = call("ask", str(tmp_path / "a.csv"), "--kind", "pulses", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "unit" in done.stderr
    assert done.stderr.count("\n") == 1
