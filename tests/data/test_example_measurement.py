"""The example measurement: it follows the law of the example device, and its seed."""

import csv
import math

import pytest
import torch

import ship
from ship.data import example_device, example_pulses


def test_the_made_measurement(tmp_path):
    """Columns in uS that follow the device's law: up with NL 1.2, down with NL 3.0, within the noise that it has."""
    path = example_pulses(tmp_path / "pulses.csv", seed=3)
    with path.open() as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    assert list(rows[0]) == ["G_up", "G_down"]
    assert len(rows) == 50
    up, down = torch.tensor([r["G_up"] for r in rows]), torch.tensor([r["G_down"] for r in rows])
    quiet = ship.DeviceArray(example_device(), 1, seed=3, variation=False)
    quiet.pulse(count=25)
    middle = 1e6 * float(quiet.conductance())
    assert float(up[-1] - up[0]) == pytest.approx(19.0, abs=2.5)  # the window, less one pulse
    assert float(up[24]) == pytest.approx(middle, abs=5 * math.hypot(0.2, 0.3))  # read noise, steps and spread of NL
    assert float(down[24]) < float(up[24]) - 2  # it falls faster than it rises
    assert path.read_text() == example_pulses(tmp_path / "again.csv", seed=3).read_text()
    assert path.read_text() != example_pulses(tmp_path / "other.csv", seed=4).read_text()
