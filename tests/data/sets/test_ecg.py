"""Beats of the MIT-BIH database: files of PhysioNet and the prepared file say the same, and the counts are the published ones."""

import os
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

import ship
from ship.base.errors import FileError
from ship.data.sets import ecg
from ship.study.tasks import ecg as task

DATA = Path(os.environ.get("SHIP_DATA", "nowhere"))
wfdb = pytest.importorskip("wfdb")
prepared = pytest.mark.skipif(not (DATA / "mitbih_48.npz").exists(), reason="SHIP_DATA does not hold mitbih_48.npz")


@pytest.fixture(scope="module")
def recordings():
    return {record.name: record for record in ecg.records()}


@pytest.fixture(scope="module")
def beats():
    return ship.data.load("ecg")


def write(folder, name, samples, at, symbols):
    """Write a record as PhysioNet ships them: header, samples in format 212, annotations."""
    leads = {"fs": 360, "units": ["mV", "mV"], "sig_name": ["MLII", "V1"], "fmt": ["212", "212"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb calls pandas in a way that pandas warns of
        wfdb.wrsamp(name, d_signal=samples, adc_gain=[200.0, 200.0], baseline=[1024, 1024], write_dir=str(folder), **leads)
        wfdb.wrann(name, "atr", np.array(at), symbol=symbols, fs=360, write_dir=str(folder))


def small(name):
    """Three beats and a note of rhythm in 2000 samples that depend on the name."""
    samples = np.random.default_rng(int(name)).integers(900, 1200, (2000, 2))
    return samples, [300, 500, 700, 1100, 1600], ["N", "+", "A", "V", "N"]


def test_files_of_physionet_are_read_and_cut(tmp_path, monkeypatch):
    """48 small records: of N A V N at 300, 700, 1100 and 1600 the first and the last have one neighbour only."""
    monkeypatch.delenv("SHIP_DATA", raising=False)
    for name in ecg.RECORDS:
        write(tmp_path, name, *small(name))
    found = ship.data.load("ecg", tmp_path)
    assert len(found) == 2 * 48
    assert [found.classes[i] for i in found.labels[:2].tolist()] == ["A", "V"]
    assert found.by["at"][:2].tolist() == [700, 1100]
    assert found.by["before"][:2].tolist() == [200, 200]  # (300 + 700) / 2 = 500
    samples, _, _ = small("100")
    torch.testing.assert_close(found.x[0], torch.as_tensor((samples[500:900] - 1024) / 200, dtype=torch.float32))
    assert found.by["record"][-1] == "234"
    later = ship.data.load("ecg", tmp_path, after=2.6)  # 936 samples: behind 1100 there are only 900
    assert [later.classes[i] for i in later.labels.tolist()] == ["A"] * 48
    torch.testing.assert_close(later.x[0], torch.as_tensor((samples[500:1636] - 1024) / 200, dtype=torch.float32))


def test_a_damaged_record_and_one_of_another_kind_are_refused(tmp_path):
    write(tmp_path, "100", *small("100"))
    (tmp_path / "100.hea").write_bytes(b"short")
    with pytest.raises(FileError, match="cannot be read as a WFDB record"):
        ecg.read(tmp_path, "100")
    write(tmp_path, "101", *small("101"))
    header = tmp_path / "101.hea"
    header.write_text(header.read_text().replace(" 360 ", " 250 "))
    with pytest.raises(FileError, match="must have two leads at 360 Hz with 200 units for 1 mV"):
        ecg.read(tmp_path, "101")


def test_a_prepared_file_of_another_kind_is_refused(tmp_path):
    np.savez(tmp_path / "mitbih_48.npz", fs=360)
    with pytest.raises(FileError, match="is not the prepared file of this data set"):
        ship.data.load("ecg", tmp_path)


@prepared
@pytest.mark.parametrize("name", ["100", "203"])
def test_the_prepared_file_says_what_physionet_ships(name, recordings):
    if not (DATA / "mitbih_original" / f"{name}.dat").exists():
        pytest.skip(f"SHIP_DATA does not hold mitbih_original/{name}.dat")
    original, other = ecg.read(DATA / "mitbih_original", name), recordings[name]
    assert original.leads == other.leads
    assert torch.equal(original.signal, other.signal)
    assert torch.equal(original.at, other.at)
    assert original.symbols == other.symbols


@prepared
def test_lead_0_is_mlii_except_in_three_records(recordings):
    assert tuple(recordings) == ecg.RECORDS
    others = {name: record.leads for name, record in recordings.items() if record.leads[0] != "MLII"}
    assert others == {"102": ("V5", "V2"), "104": ("V5", "V2"), "114": ("V5", "MLII")}


@prepared
def test_counts_of_the_aami_classes_are_those_of_the_published_division(recordings):
    """De Chazal et al. (2004), table II: N, S, V, F and Q of DS1 and of DS2; all beats, the first and last of a record too."""
    wanted = {"DS1": (45866, 944, 3788, 415, 8), "DS2": (44259, 1837, 3221, 388, 7)}
    for which, names in (("DS1", task.DS1), ("DS2", task.DS2)):
        counts = Counter(symbol for name in names for symbol in recordings[name].symbols)
        assert tuple(sum(counts[symbol] for symbol in symbols) for symbols in task.AAMI.values()) == wanted[which]
    assert len({*task.DS1, *task.DS2, *task.PACED}) == 48
    assert not {*task.DS1} & {*task.DS2}


@prepared
def test_all_beats_but_the_first_and_last_of_each_record_are_there(beats, recordings):
    assert len(beats) == sum(len(record.at) for record in recordings.values()) - 2 * 48 == 110195
    assert set(beats.by["patient"]) == set(ecg.RECORDS) - {"202"}
    assert max(len(x) for x in beats.x) == 540  # 0.75 s on either side
    i = 50000
    record, at, before = recordings[beats.by["record"][i]], int(beats.by["at"][i]), int(beats.by["before"][i])
    assert torch.equal(beats.x[i], record.signal[at - before : at - before + len(beats.x[i])])
    assert record.symbols[record.at.tolist().index(at)] == beats.classes[int(beats.labels[i])]


@prepared
def test_splits_share_no_beat_and_by_patient_no_record(beats):
    parts = task.divided(beats, most=20, most_test=10)
    train, test = (set(part.by["number"].tolist()) for part in (parts.train, parts.test))
    assert not train & test
    counts = torch.bincount(parts.test.labels, minlength=18)
    assert counts.tolist() == [10, 10, 10, 10, 10, 10, 1, 10, 10, 10, 5, 10, 10, 10, 10, 10, 9, 10]  # S: 2 // 4 + 1; e: 16; Q: 33
    four = task.divided(beats, classes="4", most=20, most_test=10)
    symbols = torch.tensor([ecg.CLASSES.index(symbol) for symbol in "RAVF"])
    assert set(four.test.by["number"].tolist()) <= test
    assert torch.equal(symbols[four.test.labels], beats.labels[four.test.by["number"]])
    people = task.divided(beats, classes="aami", split="patient", most=10, most_test=10)
    assert set(people.train.by["record"]) <= set(task.DS1)
    assert set(people.test.by["record"]) <= set(task.DS2)
    assert len({*people.train.by["record"], *people.test.by["record"]}) > 20
    assert "published division shares him" in people.notes[-1]
