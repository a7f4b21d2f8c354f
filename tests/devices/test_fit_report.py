"""What a fit says and writes: report, figure, folder and device; and the command that makes them."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import known_devices
import ship
from measurements import pulses, up_down
from ship.devices.fitting.sentences import told

pytestmark = pytest.mark.usefixtures("no_grad")


def test_report_figure_and_folder(tmp_path):
    found = pulses(up_down(n=40, read=0.01))
    text = str(found)
    for word in ("Models, best first", "residual", "alpha_p = ", "[", "Device:", "Note:"):
        assert word in text
    written = found.save(tmp_path / "out")
    assert {p.name for p in written} == {"report.json", "figure.png", "device.toml"}
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["models"][0]["name"] == found.best.name
    assert report["settings"]["seed"] == 0
    device = ship.load_device(tmp_path / "out/device.toml")
    assert device == found.device
    axes = found.figure().axes
    assert [a.get_ylabel().split("\n")[0] for a in axes] == ["conductance (uS)", "residual"]


def test_a_folder_has_files_of_one_fit(tmp_path, monkeypatch):
    """A device of another fit goes; what fails half-way leaves no report beside files of another fit."""
    found = pulses(up_down(n=40, read=0.01))
    folder = tmp_path / "out"
    found.save(folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    other = replace(found, outcome=None, source="other.csv")
    with monkeypatch.context() as patched:
        patched.setattr(type(found), "figure", lambda self: (_ for _ in ()).throw(RuntimeError("no figure")))
        with pytest.raises(RuntimeError, match="no figure"):
            other.save(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(ship.FileError, match="cannot be written; got full"):
            other.save(folder)
    assert not (folder / "report.json").exists()
    assert [p.name for p in other.save(folder)] == ["report.json", "figure.png"]
    assert sorted(p.name for p in folder.iterdir()) == ["figure.png", "report.json"]
    assert json.loads((folder / "report.json").read_text())["source"] == "other.csv"
    assert (folder / "figure.png").read_bytes() != before["figure.png"]


def test_estimates_at_a_limit_read_as_zero():
    """1e-15 with an interval from 1e-12 on is 0, not a value outside its own interval."""
    assert str(ship.devices.fitting.Estimate(5e-15, 1.3e-12, 0.23, "S")) == "0 [0, 0.23] S"
    assert str(ship.devices.fitting.Estimate(1e-6, 9e-7, 2e-6, "S")) == "1e-06 [9e-07, 2e-06] S"
    assert str(ship.devices.fitting.Estimate(2.0)) == "2"


def test_read_noise_is_in_the_device():
    """2 % of a window of about 50 uS: 1 uS; the report says how to take it out."""
    found = pulses(up_down(n=40, read=0.02))
    window = found.best.parameters["g_max"].value - found.best.parameters["g_min"].value
    expected = found.best.parameters["read noise"].value * window
    assert float(found.device.noise.sigma) == pytest.approx(expected, rel=0.05)
    assert any(n.startswith("the read noise") and "take it out" in n for n in found.notes)


def call(*words):
    return subprocess.run(
        [sys.executable, "-m", "ship.cli", "fit", *map(str, words)], capture_output=True, text=True, timeout=300
    )


def test_command(tmp_path):
    g = up_down(n=40, read=0.01) * 1e6
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n" + "\n".join(f"{float(x)},{float(y)}" for x, y in zip(g[:40], g[40:], strict=True)))
    words = [path, "--kind", "pulses", "--column", "up=a", "--column", "down=b", "--replicates", "20", "--out", tmp_path / "out"]
    done = call(*words, "--unit", "uS", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "Models, best first" in done.stdout
    assert "Written:" in done.stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"report.json", "figure.png", "device.toml"}
    done = call(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("ship: mine.csv: column 'a': needs a unit of conductance.")
    done = call(*words, "--unit", "uS", "--column", "nonsense")
    assert done.returncode == 2
    assert done.stderr == "ship: ship fit: --column: must be two words with = between them; got 'nonsense'.\n"


UNIT = {"current": "A", "rate": "Hz"}


def of_each_kind(seed):
    """A fit of each kind of measurement of a device, and of a neuron."""
    rng = np.random.default_rng(seed)
    for make in (known_devices.loops, known_devices.switching, known_devices.windows, known_devices.decay, known_devices.trains):
        known = make(rng)
        columns = {role: role for role in known.rows}
        yield ship.fit(known.rows, known.kind, unit=known.units, columns=columns, replicates=40, seed=seed, **known.options)
    current = np.linspace(0, 2e-9, 25)
    rate = 4e10 * np.maximum(current - 0.5e-9, 0.0)
    yield ship.fit(
        {"current": current, "rate": rate + 0.2 * rng.random(25)}, "f-I", unit={"current": "A", "rate": "Hz"}, replicates=40
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_estimates_lie_inside_their_intervals(seed):
    """Of every kind, in every model and in the summary; and JSON has them."""
    kinds = set()
    for found in of_each_kind(seed):
        kinds.add(found.kind)
        parameters = {f"{f.name}: {name}": e for f in found.ranking for name, e in f.parameters.items() if name not in f.open}
        assert parameters
        for name, estimate in (parameters | found.summary).items():
            if not math.isnan(estimate.low):
                slack = 1e-6 * max(abs(x) for x in estimate if math.isfinite(x))  # at a limit of 0, fits end at nothing
                assert estimate.low - slack <= estimate.value <= estimate.high + slack, f"{found.kind}: {name}: {estimate}"
        json.dumps(found.report(), allow_nan=False)
    assert kinds == {"iv", "statistics", "endurance", "retention", "pulses", "f-I"}


def test_a_report_says_what_it_determines_and_what_not():
    """Each line says what a device takes from the measurement, what is assumed, and what nobody measured."""
    found = pulses(up_down(n=40, read=0.01))
    text = str(found)
    lines = {line.split(":")[0].strip(): line for line in text.splitlines()}
    for word in ("g_min = ", "g_max = ", "update = "):
        assert word in lines["Determines"]
    assert "(default of ship.Device)" in lines["Assumed"]
    assert "retention" in lines["Missing"]
    report = found.report()
    assert set(report["determines"]) >= {"g_min", "g_max", "update"}
    assert "retention" in report["missing"][""]
    part = replace(found, outcome=ship.FitError("fit: device", "has no window"), measured={"retention": None}, remarks={})
    text = str(part)
    assert "No device: fit: device: has no window." in text
    assert "Determines: retention = none" in text
    assert "Missing for a device: g_min, g_max, update" in text
    bare = replace(part, measured={})
    assert "Determines" not in str(bare)
    assert "Missing" not in str(bare)


def test_a_report_names_what_is_open_and_what_judges():
    """A parameter that the data leave open says so; the one noise that judges all models is named; limits are words."""
    found = pulses(up_down(n=40, read=0.01))
    first = found.ranking[0]
    name = next(iter(first.parameters))
    opened = replace(
        first, open=(name,), parameters=first.parameters | {"extra": ship.devices.fitting.Estimate(0.0, 0.0, 0.2, "S")}
    )
    made = replace(found, ranking=(opened,), settings=found.settings | {"noise": "noise of a point: 1 S", "intervals": "by rule"})
    text = str(made)
    assert f"{first.parameters[name]} (not determined)" in text
    assert "extra = at most 0.2 S" in text
    assert "judged by one noise of a point: 1 S" in text
    assert "[..]: by rule)" in text
    assert told(ship.devices.fitting.Estimate(math.inf, 2.5, math.inf, "V")) == "at least 2.5 V"
