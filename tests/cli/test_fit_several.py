"""``ship fit`` with several measurements, with assumptions, and with a project file, as a user calls it."""

import json
import subprocess
import sys

import pytest

import ship
from measurements import two_files


def call(folder, *words):
    return subprocess.run([sys.executable, "-m", "ship.cli", *words], capture_output=True, text=True, timeout=300, cwd=folder)


@pytest.fixture
def folder(tmp_path):
    return two_files(tmp_path, 1)


def test_two_measurements_one_device(folder):
    done = call(
        folder, "fit", "pulses.csv", "decay.csv", "--replicates", "20", "--out", "mine", "--assume", "programming=cmo_hfox"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "mine: one device of 2 measurements" in done.stdout
    assert "Written: mine/report.json, mine/device.toml, mine/pulses/report.json" in done.stdout
    made = ship.load_device(folder / "mine" / "device.toml")
    assert made.name == "mine"
    assert made.origin_of("update").source == "pulses.csv"
    assert made.origin_of("retention").source == "decay.csv"
    assert made.origin_of("programming").status == "assumed"


def test_a_project_file(folder):
    (folder / "mine.toml").write_text('[[measurement]]\nfile = "pulses.csv"\n[[measurement]]\nfile = "decay.csv"\n')
    done = call(folder, "fit", "mine.toml", "--replicates", "20")
    assert (done.returncode, done.stderr) == (0, "")
    assert ship.load_device(folder / "fit-output" / "device.toml").name == "mine"
    done = call(folder, "fit", "mine.toml", "--unit", "uS")
    assert done.stderr == (
        "ship: ship fit: how a measurement is read stands in the project file; got unit. "
        "Write it to the project file, beside its measurement.\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("pulses.csv", "pulses.csv"),
            "2 files are of the kind 'pulses'; got pulses.csv, pulses.csv. Say what they are",
        ),
        (("pulses.csv", "--assume", "update=gong_2018"), "assume: update: was measured (pulses of pulses.csv"),
        (("pulses.csv", "--assume", "update"), "ship fit: --assume: must be two words with = between them"),
        (("fit-output/device.toml",), "ship fit: is neither a measurement nor a project file; got device.toml."),
    ],
)
def test_refusals_are_one_line(folder, words, said):
    ship.save_device(ship.Device(), (folder / "fit-output").mkdir() or folder / "fit-output" / "device.toml")
    done = call(folder, "fit", *words, "--replicates", "20")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ask_about_a_project(folder):
    """``ship ask mine.toml --learn``: pulses and retention of one device, each in its rows, and a layer that learns."""
    pytest.importorskip("sklearn")
    (folder / "mine.toml").write_text('[[measurement]]\nfile = "pulses.csv"\n[[measurement]]\nfile = "decay.csv"\n')
    words = ("--chips", "2", "--limits", "0", "--epochs", "1", "--learn", "--no-progress")
    done = call(folder, "ask", "mine.toml", *words)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["device"] == "mine"
    assert list(result["conditions"])[:2] == ["by pulses", "verified"]
    assert {"after 1 h", "learned on chip"} <= set(result["conditions"])
    assert result["conditions"]["learned on chip"]["mean"][0] > 0.5
    assert result["conditions"]["learned on chip"]["weight_error"] is None
    assert result["origins"]["retention"]["source"] == "decay.csv"
    assert (folder / "answer" / "chips.png").stat().st_size > 5000
