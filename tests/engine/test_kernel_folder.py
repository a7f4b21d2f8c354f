"""The folder of compiled kernels: processes share it, and one that is not the user's alone is not used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from compiled_function import compiled
from ship.base.native import cache as compiled_texts
from ship.engine.compiled.emit import texts

F64, F32 = torch.float64, torch.float32


PROGRAM = """
import torch
from ship.engine.compiled.kernels.kernel import Kernel
assert Kernel(lambda s, x, p: ([x[0] * 0.3 + torch.exp(x[1])], []), (), 2, 0, torch.float32).forward
"""


def children(folder, count=1):
    """Processes that compile a kernel, at the same time."""
    env = os.environ | {"SHIP_CACHE": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error::UserWarning", "-c", PROGRAM]
    running = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for _ in range(count)]
    for process in running:
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err


def listing(folder):
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_several_processes_fill_a_folder_that_the_next_one_reads(tmp_path):
    """A process that finds everything compiled writes nothing. The folder is made, for the user alone."""
    folder = tmp_path / "deep" / "kernels"
    children(folder, 2)
    children(folder)  # where two wrote the same text at once, one of them may have compiled for nothing
    assert folder.stat().st_mode & 0o077 == 0
    before = listing(folder)
    assert any(name.endswith(".nbc") for name in before)
    assert not [name for name in before if name.endswith(".tmp")]
    children(folder)
    assert listing(folder) == before


@pytest.mark.skipif(os.name != "posix", reason="folders have modes")
@pytest.mark.parametrize("how", ["others can write", "others can read", "a file in the way", "another's"])
def test_a_folder_that_is_not_ours_alone_is_not_used(tmp_path, monkeypatch, how):
    """A folder that others can reach is left alone with a warning, and the kernel works all the same."""
    folder = tmp_path / "kernels"
    if how == "a file in the way":
        folder.write_text("a file")
        folder = folder / "below"
    else:
        folder.mkdir(mode=0o700)
    if how.startswith("others"):
        folder.chmod(0o722 if "write" in how else 0o755)
    monkeypatch.setenv("SHIP_CACHE", str(folder))
    if how == "another's":
        monkeypatch.setattr(os, "getuid", lambda: 12345678)
    compiled_texts._load.cache_clear()
    forward, _ = compiled(lambda x: x * 0.3 + 1, 1, F64)
    with pytest.warns(UserWarning, match="kernels are not kept"):
        found = forward(torch.ones(3, dtype=F64))
    assert found.tolist() == [1.3] * 3
    assert not folder.is_dir() or listing(folder) == {}


def test_kernels_are_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SHIP_CACHE", str(tmp_path / "here"))
    assert texts.folder() == tmp_path / "here"
    assert texts.private_folder() == tmp_path / "here"
    assert (texts.contents(), texts.clear()) == ([], 0)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "here")
    monkeypatch.setenv("SHIP_CACHE", str(link))
    with pytest.warns(UserWarning, match="kernels are not kept"):
        assert texts.private_folder() is None
    monkeypatch.delenv("SHIP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert texts.folder() == tmp_path / "xdg" / "ship"
