"""The study of heart beats, on a few of them: what it writes, and that its numbers are those of the networks it describes."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ship.studies import ecg
from ship.study import Run, conduct
from ship.study.reservoir import states

DATA = Path(os.environ.get("SHIP_DATA", "nowhere"))
pytestmark = [
    pytest.mark.skipif(not (DATA / "mitbih_48.npz").exists(), reason="SHIP_DATA does not hold mitbih_48.npz"),
    pytest.mark.slow,
]
HEAT_MAPS = ("heat-map-held-out-4", "heat-map-held-out-18", "heat-map-spikes", "heat-map-excitatory")
FIGURES = (*HEAT_MAPS, "confusion-4-classes", "confusion-18-classes", "confusion-aami", "beat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("ecg")
    conduct(ecg, made, quick=True)
    return made


@pytest.fixture(scope="module")
def record(folder):
    return json.loads((folder / "run.json").read_text())


def rows(folder, name):
    with (folder / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_figures_and_tables_are_written(folder, record):
    assert set(record["figures"]) == set(FIGURES)
    assert all((folder / f"{name}.png").stat().st_size > 2000 for name in FIGURES)
    assert {"classes", "heat-map", "aami", "4-classes-confusion"} <= set(record["tables"])
    assert (folder / "heat-map.nc").exists()
    assert not (folder / "networks").exists()  # where a study that was killed would go on


def test_most_classes_live_in_one_or_two_records(folder):
    """The counts of the database: e.g. all 472 beats of ventricular flutter are in record 207."""
    counts = {row["class"]: row for row in rows(folder, "classes")}
    assert (counts["!"]["beats"], counts["!"]["records"], counts["!"]["most in"]) == ("472", "1", "207")
    assert sum(float(row["in two records"]) > 0.5 for row in counts.values()) >= 9


def test_the_heat_map_has_every_network_and_stronger_recurrence_makes_more_spikes(folder):
    table = rows(folder, "heat-map")
    assert [(row["tau"], row["scale"]) for row in table] == [
        (tau, scale) for tau in ("0.01", "0.03") for scale in ("0.1", "0.375")
    ]
    for weak, strong in zip(table[::2], table[1::2], strict=True):
        assert float(strong["spikes"]) > float(weak["spikes"]) > 100
        assert float(strong["excitatory"]) > float(weak["excitatory"])


def test_networks_learn_from_few_beats(record):
    """Chance is a quarter of four classes, and with at most 8 held-out beats of each of 18 classes, 134 in all, at most 6 %."""
    numbers = record["numbers"]
    assert numbers["4 classes: accuracy"]["low"] > 0.5
    assert numbers["18 classes: accuracy"]["low"] > 0.4
    assert numbers["4 classes: accuracy of a random forest"]["value"] > 0.6


def test_the_whole_network_says_what_the_regression_said(record):
    """The accuracy of the spiking network, slot by slot, is that of the filtered spikes that its weights were found for."""
    numbers = record["numbers"]
    for name in ("4 classes", "18 classes"):
        regression = numbers[f"{name}: accuracy, learnt from at most 24 beats a class"]
        assert numbers[f"{name}: accuracy"]["value"] == pytest.approx(regression["value"], abs=1.5 / regression["n"])


def test_a_random_split_flatters(record):
    numbers = record["numbers"]
    for model in ("network", "random forest"):
        by_patient = numbers[f"AAMI classes, by patient, {model}: macro-F1"]
        assert numbers[f"AAMI classes, random split, {model}: macro-F1"]["value"] > by_patient["value"] > 0.15


def test_what_must_be_known_is_said(record):
    said = "\n".join(record["notes"])
    assert "a random split flatters" in said
    assert "published division shares him" in said
    assert "a price needs devices" in said


def test_a_heat_map_goes_on_with_the_networks_that_are_missing(tmp_path, monkeypatch):
    """Stopped at the second of two networks, it measures one in its second run, and says what the uninterrupted one said."""
    config, told, stop = replace(ecg.Config.quick(), taus=(0.01,), most=4, most_test=4), [], {2}

    def stopped(net, samples, read, **options):
        told.append(len(told) + 1)
        if told[-1] in stop:
            raise KeyboardInterrupt
        return states(net, samples, read, **options)

    def heat_map(name):
        with Run(tmp_path / name, seed=0) as run:
            return ecg.heat_map(config, run, ecg.loaded(None), run.folder / "networks")

    whole = heat_map("whole")
    monkeypatch.setattr(ecg, "states", stopped)
    with pytest.raises(KeyboardInterrupt):
        heat_map("cut")
    assert heat_map("cut") == whole
    assert told == [1, 2, 3]
    assert (tmp_path / "cut" / "heat-map.csv").read_text() == (tmp_path / "whole" / "heat-map.csv").read_text()
