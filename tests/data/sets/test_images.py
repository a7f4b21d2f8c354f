"""MNIST and Fashion-MNIST from idx files, which the tests write byte by byte, or from a prepared file."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ship
from file_server import serving
from ship.base.errors import FileError
from ship.data.sets import fashion_mnist, idx, mnist

DATA = Path(os.environ["SHIP_DATA"]) if "SHIP_DATA" in os.environ else None  # before a test takes it away
MODULES = {"mnist": mnist, "fashion-mnist": fashion_mnist}
PARTS = [np.random.default_rng(i).integers(0, 256, (n, 4, 3), np.uint8) for i, n in enumerate((12, 5))]
CLASSES = [np.arange(n, dtype=np.uint8) % 10 for n in (12, 5)]


def idx_bytes(array: np.ndarray) -> bytes:
    """Write an array of bytes as the description of the format says."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def packed() -> dict[str, bytes]:
    arrays = (PARTS[0], CLASSES[0], PARTS[1], CLASSES[1])
    return {name: gzip.compress(idx_bytes(array)) for name, array in zip(idx.FILES, arrays, strict=True)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SHIP_DATA", raising=False)
    return tmp_path / "cache"


def with_these_hashes(module, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], site: str = "") -> None:
    """Let a data set expect the files of the test."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    made = tuple(replace(r, sha256=hashes[r.file], md5=None, url=f"{site}/{r.file}" if site else r.url) for r in module.REMOTES)
    monkeypatch.setattr(module, "REMOTES", made)


@pytest.mark.parametrize("name", MODULES)
def test_a_prepared_file_and_a_download_give_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pooch")
    files = packed()
    np.savez(tmp_path / f"{name}.npz", x_train=PARTS[0], y_train=CLASSES[0], x_test=PARTS[1], y_test=CLASSES[1])
    own = ship.data.load(name, tmp_path)
    with serving({f"/{file}": data for file, data in files.items()}) as server:
        with_these_hashes(MODULES[name], monkeypatch, files, server.url)
        downloaded = ship.data.load(name)
        assert len(server.asked) == 4
    assert torch.equal(own.x, torch.from_numpy(np.concatenate(PARTS)))
    assert own.labels.tolist() == np.concatenate(CLASSES).tolist()
    assert own.test.tolist() == [False] * 12 + [True] * 5
    assert downloaded.hash() == own.hash()
    assert torch.equal(downloaded.test, own.test)
    assert own.x.dtype == torch.uint8
    assert own.labels.dtype == torch.int64


def test_the_files_of_the_publisher_are_pinned() -> None:
    """Each has a SHA-256 of its own; those of one set are not those of the other."""
    hashes = [remote.sha256 for module in MODULES.values() for remote in module.REMOTES]
    assert len(set(hashes)) == 8
    assert all(len(h) == 64 for h in hashes)
    assert [len(r.md5) for r in fashion_mnist.REMOTES] == [32] * 4


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda d: d[:-1], r"must hold 24 values, as its head of 3 axes says; got 23 bytes"),
        (lambda d: d + b"1", r"must hold 24 values.*got 25 bytes"),
        (lambda d: b"\x01" + d[1:], r"must be an idx file of bytes, which begins with 00 00 08; got 01 00 08 03"),
        (lambda d: d[:2] + b"\x0d" + d[3:], r"must be an idx file of bytes.*got 00 00 0d 03"),
        (lambda d: d[:6], r"must hold the sizes of 3 axes; got 0 bytes"),
        (lambda d: b"", r"must be an idx file"),
    ],
)
def test_a_damaged_idx_file_is_refused(tmp_path: Path, damage, text: str) -> None:
    whole = idx_bytes(np.zeros((2, 4, 3), np.uint8))
    (tmp_path / "x").write_bytes(damage(whole))
    with pytest.raises(FileError, match=text):
        idx.read(tmp_path / "x")
    (tmp_path / "x.gz").write_bytes(gzip.compress(damage(whole)))
    with pytest.raises(FileError, match=text):
        idx.read(tmp_path / "x.gz")


def test_a_cut_gzip_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(idx_bytes(PARTS[0]))[:-20])
    with pytest.raises(FileError, match="is damaged: gzip cannot unpack it"):
        idx.read(tmp_path / "x.gz")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"y_train": CLASSES[0][:-1]}, r"train: must be images .* got images uint8 \[12, 4, 3\], labels \[11\]"),
        ({"x_test": PARTS[1].astype(np.float32)}, "test: must be images"),
        ({"x_test": PARTS[1][:, :, :2]}, "test: must be images"),
        ({"y_test": CLASSES[1] + 9}, "test: labels must be from 0 to 9; got 13"),
        ({"x_train": np.array([object()])}, "x_train: must be a plain array of numbers or text.*Objects are never loaded"),
        ({"x_train": None}, r"must hold the arrays x_train, y_train, x_test, y_test; got y_train, x_test, y_test"),
    ],
)
def test_a_prepared_file_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, object], text: str) -> None:
    arrays = {"x_train": PARTS[0], "y_train": CLASSES[0], "x_test": PARTS[1], "y_test": CLASSES[1], **change}
    np.savez(tmp_path / "mnist.npz", allow_pickle=True, **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(FileError, match=text):
        ship.data.load("mnist", tmp_path)


@pytest.mark.skipif(DATA is None or not (DATA / "mnist.npz").is_file(), reason="needs mnist.npz in the folder SHIP_DATA")
def test_the_real_images_are_those_of_the_published_files() -> None:
    """70,000 images, of each class as many test images as published, and the mean by which users normalise them, 0.1307."""
    real = ship.data.load("mnist", DATA)
    assert list(real.x.shape) == [70_000, 28, 28]
    assert torch.bincount(real.labels[real.test]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert float(real.x[~real.test].double().mean() / 255) == pytest.approx(0.1307, abs=5e-5)
