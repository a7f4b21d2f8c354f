"""The Braille characters: from a prepared file, from the archive of Kaggle and from a folder of its images."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ship.base.errors import FileError
from ship.data import load

DATA = Path(os.environ.get("SHIP_DATA", "nowhere"))
NAMES = [f"{letter}1.JPG{version}{kind}.jpg" for letter in "bca" for version in (10, 2) for kind in ("rot", "dim")]


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Twelve images in the form of the set, and what a decoder makes of each; nothing else is found."""
    monkeypatch.delenv("SHIP_DATA", raising=False)
    monkeypatch.setenv("SHIP_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    made = {}
    for name in NAMES:
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8)).convert("RGB").save(file, "JPEG")
        made[name] = file.getvalue()
    return made


def folder(tmp_path, images):
    place = tmp_path / "raw" / "braille" / "Braille Dataset"
    place.mkdir(parents=True)
    for name, content in images.items():
        (place / name).write_bytes(content)
    (place / "readme.jpg").write_bytes(b"no image of the set")
    return tmp_path / "raw"


def archive(tmp_path, images):
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip" / "archive.zip", "w") as box:
        for name, content in images.items():
            box.writestr(f"Braille Dataset/Braille Dataset/{name}", content)
    return tmp_path / "zip"


def prepared(tmp_path, images):
    (tmp_path / "npz").mkdir()
    pixels = [np.asarray(Image.open(io.BytesIO(content)).convert("L")) for content in images.values()]
    np.savez(tmp_path / "npz" / "braille.npz", images=np.stack(pixels), filename=np.array(list(images)))
    return tmp_path / "npz"


def test_three_ways_give_the_same_images(tmp_path, images):
    found = [load("braille", made(tmp_path, images)) for made in (folder, archive, prepared)]
    assert len({each.hash() for each in found}) == 1
    assert found[0].x.shape == (12, 28, 28)
    assert found[0].labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4  # in the order of the names
    assert found[0].by["augmentation"][:4] == ["dim", "rot", "dim", "rot"]
    assert found[0].by["version"][:4].tolist() == [10, 10, 2, 2]
    assert 0 < float(found[0].x.max()) <= 1


def test_where_to_get_it_is_said(images):
    with pytest.raises(FileError, match=r"needs the images.*Download the archive from https://www.kaggle.com.*SHIP_DATA"):
        load("braille")


def test_damaged_files_are_refused(tmp_path, images):
    place = folder(tmp_path, images)
    (place / "braille" / "Braille Dataset" / NAMES[0]).write_bytes(b"none")
    with pytest.raises(FileError, match=f"{NAMES[0]}: must be a JPEG image"):
        load("braille", place)
    (tmp_path / "braille.npz").write_bytes(b"none")
    with pytest.raises(FileError, match="is no prepared file of Braille characters"):
        load("braille", tmp_path)


@pytest.mark.skipif(not (DATA / "braille.npz").exists(), reason="SHIP_DATA does not hold braille.npz")
def test_the_whole_set():
    """26 letters, 20 versions of each of three changes, three of them equal to another one."""
    whole = load("braille")
    assert torch.bincount(whole.labels).tolist() == [60] * 26
    assert {kind: whole.by["augmentation"].count(kind) for kind in ("dim", "rot", "whs")} == {"dim": 520, "rot": 520, "whs": 520}
    assert len(torch.unique(whole.x, dim=0)) == 1557
