"""Compiled code on disk: what cannot be kept or read costs time and one warning, never a run."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("numba")

PROGRAM = """
import sys
if sys.argv[1:]:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)  # as a quota or a full disk: writing ends there
from ship.base.native import cache
made = []
for factor in (2, 3):
    text = f"@njit(cache=CACHE)\\ndef f(x):\\n    return {factor} * x\\n@njit(cache=CACHE)\\ndef g(x):\\n    return f(x) + 1\\n"
    names = cache.load("kernel", text)
    made += [names["f"](7), names["g"](1)]
print(made)
"""


def run(folder, *arguments, **environment):
    """What the program warned of; its numbers are right, whatever the state of the folder is."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")} | {"SHIP_CACHE": str(folder)} | environment
    command = [sys.executable, "-W", "always::UserWarning", "-c", PROGRAM, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[14, 3, 21, 4]", done.stdout
    return [line for line in done.stderr.splitlines() if "UserWarning" in line]


def kept(folder, *endings):
    return [p for p in folder.rglob("*") if p.suffix in endings]


def test_damaged_code_is_compiled_again_with_one_warning(tmp_path):
    folder = tmp_path / "kernels"
    assert run(folder) == []
    assert (len(kept(folder, ".nbi")), len(kept(folder, ".nbc"))) == (4, 4)
    for i, path in enumerate(sorted(kept(folder, ".nbi", ".nbc"))):
        data = path.read_bytes()
        path.write_bytes(data[: i % 2 * len(data) // 2])  # empty, or half of it
    kept(folder, ".py")[0].write_bytes(b"\xff\xfe")  # no text at all
    warned = run(folder)
    assert len(warned) == 1, warned
    assert "damaged, and compiled again" in warned[0]
    assert run(folder) == []


@pytest.mark.skipif(os.name != "posix", reason="limits are those of POSIX")
@pytest.mark.parametrize("limit", [0, 1000])
def test_a_full_disk_stops_no_run(tmp_path, limit):
    """At 0 bytes not even the text is written; at 1000 the text is, and the index, but no code."""
    folder = tmp_path / "kernels"
    warned = run(folder, str(limit))
    assert len(warned) == 1, warned
    assert "kernels are not kept" in warned[0]
    assert bool(kept(folder, ".py")) == (limit > 0)
    assert not [p for p in folder.rglob("*") if ".tmp" in p.name]
    if limit:
        assert run(folder) == []  # space again
        assert len(kept(folder, ".nbc")) == 4


def test_code_stays_in_the_private_folder(tmp_path):
    """Numba's own variables do not lead it elsewhere: what is loaded is code, from a folder that is the user's alone."""
    other = tmp_path / "other"
    assert run(tmp_path / "kernels", NUMBA_CACHE_DIR=str(other), NUMBA_CACHE_LOCATOR_CLASSES="UserWideCacheLocator") == []
    assert not other.exists()
    assert len(kept(tmp_path / "kernels", ".nbc")) == 4
