"""Archives are read and unpacked whole, and never outside their folder."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from ship.base.errors import FileError
from ship.data.sets.archives import members, unpack

FILES = {"a/one.bin": b"1" * 100_000, "a/b/two.txt": b"22", "three.bin": b""}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
        box.writestr("a/", b"")
        for name, data in files.items():
            box.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tape:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(data) if kind == tarfile.REGTYPE else 0, kind, "/etc/hostname"
            tape.addfile(entry, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
    return path


MAKERS = {"x.zip": zipped, "x.tar.gz": tarred, "x.tar": tarred}


@pytest.mark.parametrize("name", MAKERS)
def test_members_and_files_are_those_of_the_archive(tmp_path: Path, name: str) -> None:
    archive = MAKERS[name](tmp_path / name, FILES)
    assert dict(members(archive)) == FILES
    assert dict(members(archive, ".txt")) == {"a/b/two.txt": b"22"}
    place = unpack(archive, tmp_path / "into")
    assert {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()} == FILES
    (place / "three.bin").write_bytes(b"kept")
    assert unpack(archive, tmp_path / "into") == place
    assert (place / "three.bin").read_bytes() == b"kept"


def test_gz_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "x.h5.gz").write_bytes(gzip.compress(b"data"))
    assert dict(members(tmp_path / "x.h5.gz")) == {"x.h5": b"data"}
    assert (unpack(tmp_path / "x.h5.gz", tmp_path / "into") / "x.h5").read_bytes() == b"data"


@pytest.mark.parametrize("bad", ["../out.bin", "/out.bin", "a/../../out.bin", "..\\out.bin", "C:/out.bin"])
@pytest.mark.parametrize("name", MAKERS)
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, name: str, bad: str) -> None:
    archive = MAKERS[name](tmp_path / name, {"good.bin": b"1", bad: b"2"})
    with pytest.raises(FileError, match=r"leads out of the folder of the archive; got '.*out.bin'"):
        unpack(archive, tmp_path / "into")
    assert [p.name for p in (tmp_path / "into").iterdir()] == [".lock"]
    assert not list(tmp_path.parent.glob("out.bin"))
    with pytest.raises(FileError, match="leads out"):
        list(members(archive))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tarred(tmp_path / "x.tar", {"link": b""}, kind)
    with pytest.raises(FileError, match="a link or a device; got 'link'"):
        unpack(archive, tmp_path / "into")


def test_links_of_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as box:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = 0o120777 << 16
        box.writestr(entry, "/etc/hostname")
    with pytest.raises(FileError, match="is a link"):
        unpack(tmp_path / "x.zip", tmp_path / "into")


@pytest.mark.parametrize("name", [*MAKERS, "x.gz"])
def test_a_damaged_archive_is_refused_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "x.gz":
        path.write_bytes(gzip.compress(FILES["a/one.bin"]))
    else:
        MAKERS[name](path, FILES)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FileError, match=r"cannot be unpacked: it is damaged.*Download it again"):
        unpack(path, tmp_path / "into")
    assert [p.name for p in (tmp_path / "into").iterdir()] == [".lock"]


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.rar").write_bytes(b"1")
    with pytest.raises(FileError, match=r"must be an archive: .zip, .tar, .tar.gz or .gz; got .rar"):
        unpack(tmp_path / "x.rar", tmp_path / "into")
