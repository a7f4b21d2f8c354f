"""The Free Spoken Digit Dataset: the prepared file and the archive of the release give the same samples, others are refused."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

import ship
from ship.data.sets import spoken_digits

DATA = Path(os.environ.get("SHIP_DATA", "nowhere"))
real = pytest.mark.skipif(not (DATA / "fsdd.npz").exists(), reason="SHIP_DATA does not hold fsdd.npz")


def archive(path, recordings, rate=8000):
    """Write recordings ``(label, speaker, take, signal)`` as the release lays them out, and a file beside them."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for label, speaker, take, signal in recordings:
            content = io.BytesIO()
            wavfile.write(content, rate, signal)
            member = tarfile.TarInfo(f"free-spoken-digit-dataset-1.0.10/recordings/{label}_{speaker}_{take}.wav")
            member.size = len(content.getvalue())
            tar.addfile(member, io.BytesIO(content.getvalue()))
        member = tarfile.TarInfo("free-spoken-digit-dataset-1.0.10/README.md")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    return path


def prepared(path, recordings):
    """Write the same recordings as a prepared file."""
    speakers = sorted({r[1] for r in recordings})
    np.savez(
        path,
        signal=np.concatenate([r[3] for r in recordings]),
        offsets=np.cumsum([0, *(len(r[3]) for r in recordings)]),
        label=[r[0] for r in recordings],
        speaker=[speakers.index(r[1]) for r in recordings],
        take=[r[2] for r in recordings],
        speakers=speakers,
        rate=8000,
    )
    return path


@pytest.fixture
def few():
    dice = np.random.default_rng(0)
    names = [(d, who, take) for d in (1, 0) for who in ("theo", "jackson") for take in (10, 4, 0)]
    return [(*name, dice.integers(-999, 999, 50 + 10 * i).astype(np.int16)) for i, name in enumerate(names)]


def test_prepared_file_and_archive_give_equal_samples(tmp_path, few):
    one = spoken_digits.from_archive(archive(tmp_path / "a.tar.gz", few))
    two = spoken_digits.from_prepared(prepared(tmp_path / "fsdd.npz", few))
    assert one.hash() == two.hash()
    assert dict(one.by).keys() == {"speaker", "take"}
    assert one.by["speaker"] == two.by["speaker"]
    assert torch.equal(one.by["take"], two.by["take"])
    assert one.labels.tolist() == [0] * 6 + [1] * 6  # digit, speaker, take: numbers in the order of numbers
    assert one.by["speaker"][:6] == ["jackson"] * 3 + ["theo"] * 3
    assert one.by["take"][:3].tolist() == [0, 4, 10]
    assert one.test[:3].tolist() == [True, True, False]
    kept = next(s for d, who, take, s in few if (d, who, take) == (0, "jackson", 4))
    assert torch.equal(one.x[1], torch.as_tensor(kept))


def test_other_recordings_are_refused(tmp_path, few):
    prepared(tmp_path / "fsdd.npz", few)
    with pytest.raises(ship.FileError, match=r"fsdd.npz.*must hold the recordings of Free Spoken Digit Dataset.*got"):
        ship.data.load("spoken-digits", tmp_path)


def test_damaged_files_are_named(tmp_path, few):
    (tmp_path / "fsdd.npz").write_bytes(b"no archive")
    with pytest.raises(ship.FileError, match=r"fsdd.npz: is no prepared file of spoken digits"):
        ship.data.load("spoken-digits", tmp_path)
    wrong = archive(tmp_path / "a.tar.gz", few, rate=16000)
    with pytest.raises(ship.FileError, match=r"8 kHz, 16 bit, mono; got .*16000 Hz"):
        spoken_digits.from_archive(wrong)
    with pytest.raises(ship.FileError, match=r"no recordings"):
        spoken_digits.from_archive(archive(tmp_path / "b.tar.gz", []))


@real
def test_the_real_set(tmp_path):
    """3000 recordings, 10 digits by 6 speakers by 50 takes; the archive of the same wave files gives the same."""
    found = ship.data.load("spoken-digits")
    assert len(found) == 3000
    assert int(found.test.sum()) == 300
    assert len(set(found.by["speaker"])) == 6
    assert torch.bincount(found.labels).tolist() == [300] * 10
    rows = zip(found.labels.tolist(), found.by["speaker"], found.by["take"].tolist(), found.x, strict=True)
    path = archive(tmp_path / spoken_digits.REMOTE.file, [(a, b, c, x.numpy()) for a, b, c, x in rows])
    assert spoken_digits.checked(path, spoken_digits.from_archive(path)).hash() == spoken_digits.HASH
