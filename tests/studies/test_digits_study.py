"""The study of spoken digits, with the settings of a trial: it runs, says what it must, and is repeated by its record."""

import json
import os
from pathlib import Path

import pytest
import torch

from ship.studies import digits
from ship.study import conduct

DATA = Path(os.environ.get("SHIP_DATA", "nowhere"))


def test_levels_are_a_grid_with_a_stated_scatter():
    """n levels from -max to max; sigma is 2 max / n / 6. Of 2000 draws the standard deviation is known to 3 sigma = 5 %."""
    weight = torch.linspace(-1.0, 1.0, 41).reshape(-1, 1)
    made = digits.on_levels(weight, 5, 2000, seed=0)
    middle = made.mean(0)
    grid = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
    assert bool(((middle - grid).abs().min(-1).values < 3 * 2 / 5 / 6 / 2000**0.5 * 1.5).all())
    assert float(made.std(0).mean()) == pytest.approx(2 / 5 / 6, rel=0.02)
    assert float((middle - weight).abs().max()) < 0.25 + 0.01  # half a step


def test_the_smallest_number_of_levels_from_which_on_all_is_well():
    from ship.study import Curve

    curve = Curve("levels", "", (2.0, 4.0, 8.0, 16.0), tuple(torch.tensor([a, a]) for a in (0.95, 0.5, 0.94, 0.96)))
    assert digits.fewest(curve, 0.93) == 8.0
    assert digits.fewest(curve, 0.99) == float("inf")


@pytest.mark.skipif(not (DATA / "fsdd.npz").exists(), reason="SHIP_DATA does not hold fsdd.npz")
def test_the_trial_of_the_study(tmp_path):
    record = conduct(digits, tmp_path, quick=True, changes=["columns=1", "speakers=2", "levels=2,8,64", "draws=3"])
    numbers = {name: each["value"] for name, each in record["numbers"].items()}
    accuracy = record["numbers"]["official split: accuracy"]
    assert accuracy["n"] == 300
    assert accuracy["value"] > 0.88  # 600 recordings to learn from; 2700 give 0.96
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    few = [numbers[f"accuracy with {n} levels"] for n in (2, 8, 64)]
    assert few == sorted(few)
    assert numbers["official split: spikes a sample"] > 1000
    assert 0.05 < numbers["official split: latency to decision"] < 0.85
    by_speaker = numbers["speakers held out in turn: accuracy, column and readout"]
    assert 0.1 < by_speaker < accuracy["value"]  # the official split flatters
    assert any("stands in for" in note for note in record["notes"])
    assert {p.name for p in tmp_path.iterdir()} >= {"run.json", "levels.csv", "splits.csv", "levels.png", "raster.svg"}
    assert json.loads((tmp_path / "run.json").read_text())["data"][0]["sha256"]
