"""Files of data sets: from the user's folders, or downloaded, whole and right, whatever happens on the way."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from file_server import FileServer, serving
from ship.base.errors import FileError
from ship.base.native.cache import private_folder
from ship.data.sets import fetch
from ship.data.sets.fetch import Remote

CONTENT = bytes(range(256)) * 512  # 128 KiB
RIGHT = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    pytest.importorskip("pooch")
    with serving({"/a.bin": CONTENT}) as made:
        yield made


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SHIP_DATA", raising=False)
    return tmp_path / "cache" / "data" / "trial"


def remote(server: FileServer, sha256: str | None = RIGHT, md5: str | None = None) -> Remote:
    return Remote(f"{server.url}/a.bin", sha256, "a.bin", md5)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != ".lock")


def test_a_file_is_downloaded_once(server: FileServer, cache: Path) -> None:
    for _ in range(2):
        assert fetch.files("trial", [remote(server)]) == [cache / "a.bin"]
    assert (cache / "a.bin").read_bytes() == CONTENT
    assert names(cache) == ["a.bin"]
    assert server.asked == [("/a.bin", None)]


def test_kernels_are_kept_beside_downloads_also_where_these_came_first(server: FileServer, cache: Path) -> None:
    """Kernels are code: their folder, in which data sets have one, too, is for its owner alone."""
    fetch.files("trial", [remote(server)])
    assert private_folder() == cache.parent.parent  # without a warning, which would fail here


def test_own_folders_come_first_and_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Remote("http://127.0.0.1:9/a.bin", RIGHT, "a.bin")
    for name in ("given", "variable/trial"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.bin").write_bytes(CONTENT)
    monkeypatch.setenv("SHIP_DATA", str(tmp_path / "variable"))
    assert fetch.files("trial", [nowhere]) == [tmp_path / "variable" / "trial" / "a.bin"]
    assert fetch.files("trial", [nowhere], tmp_path / "given") == [tmp_path / "given" / "a.bin"]
    assert fetch.prepared("trial", "a.bin", tmp_path / "given") == tmp_path / "given" / "a.bin"
    assert fetch.prepared("trial", "b.bin", tmp_path / "given") is None


def test_a_wrong_file_in_an_own_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"other")
    with pytest.raises(
        FileError, match=f"SHA-256 must be {RIGHT}.*got {hashlib.sha256(b'other').hexdigest()}. Download it again"
    ):
        fetch.files("trial", [Remote("http://127.0.0.1:9/a.bin", RIGHT, "a.bin")], tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="nowhere: must be a folder: it is given as that of the data"):
        fetch.prepared("trial", "a.bin", tmp_path / "nowhere")
    monkeypatch.setenv("SHIP_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileError, match="it is named by the variable SHIP_DATA as that of the data"):
        fetch.prepared("trial", "a.bin")


def test_a_download_with_a_wrong_hash_leaves_nothing(server: FileServer, cache: Path) -> None:
    with pytest.raises(
        FileError, match=f"SHA-256 must be {'0' * 64}, as published for {server.url}/a.bin; got {RIGHT}. The down"
    ):
        fetch.files("trial", [remote(server, "0" * 64)])
    assert names(cache) == []


def test_an_md5_is_checked_where_only_that_is_published(server: FileServer, cache: Path) -> None:
    fetch.files("trial", [remote(server, None, hashlib.md5(CONTENT).hexdigest())])
    (cache / "a.bin").unlink()
    with pytest.raises(FileError, match="MD5 must be 000"):
        fetch.files("trial", [remote(server, None, "0" * 32)])


def test_a_damaged_file_in_the_cache_is_downloaded_anew(server: FileServer, cache: Path) -> None:
    fetch.files("trial", [remote(server)])
    (cache / "a.bin").write_bytes(CONTENT[:-1])
    fetch.files("trial", [remote(server)])
    assert (cache / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_goes_on_or_starts_again(server: FileServer, cache: Path, ranges: bool) -> None:
    server.cut, server.ranges = 50_000, ranges
    with pytest.raises(FileError, match=r"cannot be downloaded.*Try again.*download by hand .*a.bin into FOLDER/trial"):
        fetch.files("trial", [remote(server)])
    assert names(cache) == ["a.bin.part"]
    have = (cache / "a.bin.part").stat().st_size
    assert 0 < have <= 50_000
    server.cut = None
    fetch.files("trial", [remote(server)])
    assert (cache / "a.bin").read_bytes() == CONTENT
    assert names(cache) == ["a.bin"]
    assert server.asked[-1] == ("/a.bin", f"bytes={have}-")


def test_a_part_without_a_published_hash_is_not_gone_on_with(server: FileServer, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "a.bin.part").write_bytes(b"of another version")
    fetch.files("trial", [remote(server, None)])
    assert (cache / "a.bin").read_bytes() == CONTENT
    assert server.asked == [("/a.bin", None)]
    assert fetch.sha256(cache / "a.bin") == RIGHT


@pytest.mark.parametrize("part", [b"of another file", CONTENT, CONTENT + b"too long"], ids=["other", "whole", "longer"])
def test_any_part_ends_in_the_right_file(server: FileServer, cache: Path, part: bytes) -> None:
    cache.mkdir(parents=True)
    (cache / "a.bin.part").write_bytes(part)
    fetch.files("trial", [remote(server)])
    assert (cache / "a.bin").read_bytes() == CONTENT
    assert names(cache) == ["a.bin"]
    assert len(server.asked) == (1 if part == CONTENT else 2)


def test_no_network_says_what_to_put_where(cache: Path) -> None:
    pytest.importorskip("pooch")
    site = "http://127.0.0.1:9"
    text = f"data set 'trial': cannot be downloaded from {site}/a.bin; got ConnectionError: .*refused.*"
    text += f"download by hand {site}/a.bin, {site}/b.bin as c.bin into FOLDER/trial, and name that FOLDER: --data FOLDER, or"
    with pytest.raises(FileError, match=text):
        fetch.files("trial", [Remote(f"{site}/a.bin", RIGHT, "a.bin"), Remote(f"{site}/b.bin", RIGHT, "c.bin")])
    assert names(cache) == []


def test_a_missing_page_is_an_error(server: FileServer, cache: Path) -> None:
    with pytest.raises(FileError, match="404"):
        fetch.files("trial", [Remote(f"{server.url}/b.bin", RIGHT, "b.bin")])
    assert names(cache) == []


def test_two_at_a_time_download_once(server: FileServer, cache: Path) -> None:
    """The second one waits for the first, and finds the file."""
    server.pause = 0.005
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: fetch.files("trial", [remote(server)]), range(2)))
    assert found == [[cache / "a.bin"]] * 2
    assert len(server.asked) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills at once")
def test_kill_in_the_middle_leaves_no_half_file_and_the_next_call_goes_on(server: FileServer, cache: Path) -> None:
    server.pause = 0.05
    wanted = f"fetch.Remote({server.url + '/a.bin'!r}, {RIGHT!r}, 'a.bin')"
    code = f"from ship.data.sets import fetch; fetch.files('trial', [{wanted}])"
    process = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ))
    part = cache / "a.bin.part"
    while not (part.exists() and part.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    have = part.stat().st_size
    assert 0 < have < len(CONTENT)
    assert not (cache / "a.bin").exists()
    server.pause = 0.0
    fetch.files("trial", [remote(server)])
    assert (cache / "a.bin").read_bytes() == CONTENT
    assert names(cache) == ["a.bin"], "also what pooch left is gone"
    assert server.asked[-1] == ("/a.bin", f"bytes={have}-")
