"""The kernels for CUDA in Triton's interpreter, on CPU tensors: all tests of this folder, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from triton_tapes import INTERPRETED, needs_triton


@needs_triton
@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason="it is this run")
def test_in_the_interpreter():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(Path(__file__).parent)],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "passed" in done.stdout
