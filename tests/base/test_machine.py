"""What is asked of the machine: the folder of kernels, and the memory that is free."""

from pathlib import Path

import pytest
from platformdirs import macos, unix

from ship.base.native import cache
from ship.network.memory_budget import available_bytes


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"SHIP_CACHE": "/x/kernels"}, "/x/kernels"),
        ({"SHIP_CACHE": "~/kernels"}, "~/kernels"),
        ({"SHIP_CACHE": "", "XDG_CACHE_HOME": "/x/cache"}, "/x/cache/ship"),
        ({"XDG_CACHE_HOME": "/x/cache"}, "/x/cache/ship"),
        ({"XDG_CACHE_HOME": ""}, "~/.cache/ship"),
        ({}, "~/.cache/ship"),
    ],
)
def test_kernels_lie_in_the_folder_that_the_system_means_for_them(monkeypatch, given, expected):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *names, **more: unix.Unix(*names, **more).user_cache_path)
    for name in ("SHIP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert cache.folder() == Path(expected).expanduser()


def test_the_folder_on_other_systems(monkeypatch):
    monkeypatch.delenv("SHIP_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *names, **more: macos.MacOS(*names, **more).user_cache_path)
    assert cache.folder() == Path("~/Library/Caches/ship").expanduser()


def test_free_memory_is_what_the_system_says():
    """On Linux the line MemAvailable; it may change between the two looks, by far less than a half."""
    lines = Path("/proc/meminfo")
    if not lines.exists():
        pytest.skip("no /proc/meminfo here")
    stated = next(1024 * int(line.split()[1]) for line in lines.read_text().splitlines() if line.startswith("MemAvailable:"))
    assert available_bytes() == pytest.approx(stated, rel=0.5)
