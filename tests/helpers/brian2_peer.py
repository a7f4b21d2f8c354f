"""Asks Brian2 about a network, in an interpreter that has it: `make peers` makes one, and ``SHIP_PEERS`` names another."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from pages import ROOT

SIDE = Path(__file__).with_name("brian2_side.py")


def _can(python):
    return subprocess.run([python, "-c", "import brian2"], capture_output=True, check=False).returncode == 0


@functools.cache
def interpreter():
    """The first Python that has Brian2, or None."""
    made = [ROOT / folder / "bin" / "python" for folder in (".venv-peers", ".venv-bench")]  # of make peers, make bench
    for python in (os.environ.get("SHIP_PEERS"), *map(str, made), sys.executable):
        if python and Path(python).exists() and _can(python):
            return python
    return None


def brian2(case, **given):
    """What Brian2 found for a case of `brian2_side`, as arrays by name; skips where there is no Brian2."""
    python = interpreter()
    if python is None:
        pytest.skip("needs Brian2: `make peers` makes an environment with it, or set SHIP_PEERS to a Python that has it")
    with tempfile.TemporaryDirectory() as folder:
        asked, found = Path(folder) / "asked.npz", Path(folder) / "found.npz"
        np.savez(asked, case=case, **given)
        run = subprocess.run(
            [python, str(SIDE), str(asked), str(found)], capture_output=True, text=True, check=False, timeout=300
        )
        assert run.returncode == 0, run.stderr[-3000:]
        with np.load(found, allow_pickle=False) as file:
            return dict(file)
