"""N-MNIST, SHD and DVS Gesture from archives that the tests write byte by byte, after the published descriptions."""

from __future__ import annotations

import gzip
import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ship
from event_files import aedat, atis, packet, tarred, zipped
from file_server import serving
from ship.base.errors import FileError
from ship.data.sets import dvs_gesture, events, n_mnist, shd


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SHIP_DATA", raising=False)
    return tmp_path / "cache" / "data"


def place(module, monkeypatch: pytest.MonkeyPatch, folder: Path, files: dict[str, bytes]) -> Path:
    """Put files into a folder, and let the data set expect their MD5."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    made = [replace(r, md5=hashlib.md5(files[r.file]).hexdigest()) for r in module.REMOTES if r.file in files]
    monkeypatch.setattr(module, "REMOTES", tuple(made))
    return folder


def digits(bad: bytes | None = None) -> dict[str, bytes]:
    train = {
        "Train/5/00002.bin": atis([(300_000, 33, 0, 1), (1, 0, 33, 0)]) if bad is None else bad,
        "Train/0/00001.bin": atis([(100, 1, 2, 1), (0, 0, 240, 0), (50, 1, 2, 0)]),
        "__MACOSX/Train/0/._00001.bin": b"?",
    }
    return {"Train.zip": zipped(train), "Test.zip": zipped({"Test/7/00001.bin": atis([(9, 5, 6, 1)])})}


def test_n_mnist_is_read_as_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 240 adds 2^13 us to what follows, and is no event."""
    found = ship.data.load("n-mnist", place(n_mnist, monkeypatch, tmp_path, digits()))
    assert found.labels.tolist() == [0, 5, 7]
    assert found.by["image"].tolist() == [1, 2, 1]
    assert found.test.tolist() == [False, False, True]
    seen = [[v.tolist() for v in events.pixels(x, 34, 34)] for x in found.x]
    assert seen[0] == [[100, 50 + 8192], [1, 1], [2, 2], [1, 0]]
    assert seen[1] == [[1, 300_000], [0, 33], [33, 0], [0, 1]]
    assert seen[2] == [[9], [5], [6], [1]]
    again = ship.data.load("n-mnist", tmp_path)
    assert again.hash() == found.hash()


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (atis([(1, 1, 1, 1)])[:-1], r"Train/5/00002.bin: must hold 5 bytes for each event; got 4 bytes"),
        (atis([(1, 1, 1, 1), (2, 34, 3, 1)]), r"Train/5/00002.bin: event 1: must be a pixel of 34 x 34; got column 34, row 3"),
    ],
)
def test_damaged_events_of_n_mnist_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes, text: str) -> None:
    with pytest.raises(FileError, match=text):
        ship.data.load("n-mnist", place(n_mnist, monkeypatch, tmp_path, digits(bad)))


def test_another_archive_than_n_mnist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"Train.zip": zipped({"a/b.bin": b""}), "Test.zip": zipped({})}
    with pytest.raises(FileError, match=r"such as Train/5/00001.bin; got a/b.bin"):
        ship.data.load("n-mnist", place(n_mnist, monkeypatch, tmp_path, files))


def utterances(labels: list[int], times: list[list[float]], units: list[list[int]], without: str = "") -> bytes:
    """Write an HDF5 file in the layout of the home page of SHD, packed."""
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        for name, rows, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            part = made.create_dataset(f"spikes/{name}", (len(rows),), h5py.vlen_dtype(kind))
            for i, row in enumerate(rows):
                part[i] = np.array(row, kind)
        made["labels"] = np.array(labels, np.uint16)
        made["extra/speaker"] = np.arange(len(labels), dtype=np.uint16)
        made["extra/keys"] = [b"zero", b"one", b"null"]
        if without:
            del made[without]
    return gzip.compress(file.getvalue())


def test_shd_is_read_as_described_packed_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "shd_train.h5.gz": utterances([2, 0], [[0.5, 0.25], []], [[699, 0], []]),
        "shd_test.h5.gz": utterances([1], [[1.0]], [[3]]),
    }
    found = ship.data.load("shd", place(shd, monkeypatch, tmp_path, files))
    assert [x.tolist() for x in found.x] == [[[250_000, 0], [500_000, 699]], [], [[1_000_000, 3]]]
    assert found.classes == ("zero", "one", "null")
    assert found.labels.tolist() == [2, 0, 1]
    assert found.by["speaker"] == ["0", "1", "0"]
    assert found.test.tolist() == [False, False, True]
    own = tmp_path / "own" / "shd"
    own.mkdir(parents=True)
    for name, data in files.items():
        (own / name.removesuffix(".gz")).write_bytes(gzip.decompress(data))
    assert ship.data.load("shd", tmp_path / "own").hash() == found.hash()


@pytest.mark.parametrize(
    ("train", "text"),
    [
        (([0], [[0.5]], [[700]]), "utterance 0: units must be from 0 to 699; got 700 to 700"),
        (([0], [[np.nan]], [[1]]), "utterance 0: times must be numbers of seconds from 0 on"),
        (([0], [[0.1, 0.2]], [[1]]), "utterance 0: must hold a time and a unit of each spike"),
        (([3], [[0.1]], [[1]]), r"labels: must be from 0 to 2, as extra/keys says; got 3"),
        (([0], [[0.1]], [[1]], "extra/speaker"), "must hold spikes/times, spikes/units, labels, extra/speaker and extra/keys"),
    ],
)
def test_a_damaged_file_of_shd_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train, text: str) -> None:
    files = {"shd_train.h5.gz": utterances(*train), "shd_test.h5.gz": utterances([1], [[1.0]], [[3]])}
    with pytest.raises(FileError, match=text):
        ship.data.load("shd", place(shd, monkeypatch, tmp_path, files))


def test_what_is_no_hdf5_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("h5py")
    files = {"shd_train.h5.gz": gzip.compress(b"no"), "shd_test.h5.gz": gzip.compress(b"no")}
    with pytest.raises(FileError, match="is no HDF5 file, or damaged"):
        ship.data.load("shd", place(shd, monkeypatch, tmp_path, files))


HEAD = "class,startTime_usec,endTime_usec\n"


def trials(table: str = HEAD + "1,100,200\n11,150,300\n", recording: str = "user24_led.aedat") -> dict[str, bytes]:
    shown = [(99, 1, 1, 1), (100, 0, 127, 1), (199, 127, 0, 0), (250, 5, 6, 1)]
    return {
        "trials_to_train.txt": b"user01_fluorescent_led.aedat\n",
        "trials_to_test.txt": b"user24_led.aedat\n\n",
        "user01_fluorescent_led.aedat": aedat([packet(shown[:2]), packet(shown[2:])]),
        "user01_fluorescent_led_labels.csv": table.encode(),
        recording: aedat([packet([(20, 3, 4, 0)])]),
        "user24_led_labels.csv": (HEAD + "2,20,21\n").encode(),
    }


def test_dvs_gesture_is_read_as_described_packed_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gesture is what lies from its start up to its end; times count from its start."""
    place(dvs_gesture, monkeypatch, tmp_path, {"DvsGesture.tar.gz": tarred(trials())})
    found = ship.data.load("dvs-gesture", tmp_path)
    assert found.labels.tolist() == [0, 10, 1]
    assert found.by["user"] == ["user01", "user01", "user24"]
    assert found.by["light"] == ["fluorescent_led", "fluorescent_led", "led"]
    assert found.test.tolist() == [False, False, True]
    seen = [[v.tolist() for v in events.pixels(x, 128, 128)] for x in found.x]
    assert seen == [
        [[0, 99], [0, 127], [127, 0], [1, 0]],
        [[49, 100], [127, 5], [0, 6], [0, 1]],
        [[0], [3], [4], [0]],
    ]
    own = tmp_path / "own" / "dvs-gesture"
    own.mkdir(parents=True)
    for name, data in trials().items():
        (own / name).write_bytes(data)
    assert ship.data.load("dvs-gesture", tmp_path / "own").hash() == found.hash()


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (
            HEAD + "1,100,200\n12,100,200\n",
            r"user01_\w+_labels.csv: row 3: must be a class from 1 to 11.*got 12,100,200",
        ),
        (HEAD + "1,200,100\n", r"row 2: must be a class from 1 to 11, a start and a later end in us; got 1,200,100"),
        (HEAD + "1,x,100\n", "row 2: must be a class"),
        ("a,b\n", "must begin with class,startTime_usec,endTime_usec; got a,b"),
        ("", "got an empty file"),
    ],
)
def test_a_wrong_table_of_gestures_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, text: str) -> None:
    place(dvs_gesture, monkeypatch, tmp_path, {"DvsGesture.tar.gz": tarred(trials(table))})
    with pytest.raises(FileError, match=text):
        ship.data.load("dvs-gesture", tmp_path)


def test_a_recording_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(dvs_gesture, monkeypatch, tmp_path, {"DvsGesture.tar.gz": tarred(trials(recording="user25_led.aedat"))})
    with pytest.raises(FileError, match=r"must hold the recordings that its lists name; got no user24_led.aedat"):
        ship.data.load("dvs-gesture", tmp_path)


def test_what_only_people_can_download_says_so() -> None:
    text = r"is given by its publisher on a page for people.*So download by hand https://ibm.ent.box.com"
    text += r".* as DvsGesture.tar.gz into FOLDER/dvs-gesture, and name that FOLDER: --data FOLDER"
    with pytest.raises(FileError, match=text):
        ship.data.load("dvs-gesture")


def test_a_download_gives_the_same_as_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pooch")
    files = digits()
    own = ship.data.load("n-mnist", place(n_mnist, monkeypatch, tmp_path, files))
    with serving({f"/{name}": data for name, data in files.items()}) as server:
        made = tuple(replace(r, url=f"{server.url}/{r.file}") for r in n_mnist.REMOTES)
        monkeypatch.setattr(n_mnist, "REMOTES", made)
        downloaded = ship.data.load("n-mnist")
    assert downloaded.hash() == own.hash()
    assert torch.equal(downloaded.labels, own.labels)
