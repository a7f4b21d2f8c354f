"""The first use of a model compiles its kernels: a message says so, once, where that takes longer than a second."""

import os
import subprocess
import sys
import time

import pytest

from ship.base.native.patience import Patience

OWN = """
import sys, torch, ship
from dataclasses import dataclass
from typing import NamedTuple
from ship.base.native import patience

patience.PATIENCE.left = float(sys.argv[1])

class S(NamedTuple):
    v: torch.Tensor

@dataclass(frozen=True)
class Own(ship.Neuron):
    emits = "values"
    ports = {"charge": ship.Port("charge", "V")}
    states = S(v=ship.State(0.0))
    def emit(self, state, jump, p, c):
        return state.v, state
    def advance(self, state, x, p, c):
        return S(0.5 * state.v + x.charge)

net = ship.Network()
net.add(ship.CurrentInput, "i", n=2)
net.add(Own, "o", n=2, output=True)
net.add(ship.Link, "l", source="i", target="o")
net.init(dt=1e-3)
for _ in range(2):
    net.run(torch.ones(1, 5, 2))
"""


def run(cache, seconds):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OWN, str(seconds)],
        env={**os.environ, "SHIP_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.count("compiling kernels")


@pytest.mark.slow
def test_once_in_a_process_and_never_again(tmp_path):
    """With no patience left the first process says it once; the second finds what was compiled, and says nothing."""
    pytest.importorskip("numba")
    assert run(tmp_path / "kept", 0.0) == 1
    assert run(tmp_path / "kept", 0.0) == 0


def test_short_work_is_silent_and_long_work_is_not(caplog):
    """Times add up over functions; one that is compiled for another is part of it."""
    short = Patience(seconds=30.0)
    short.start()
    short.start()
    short.stop()
    assert short.timer is not None  # the outer one goes on
    time.sleep(0.01)
    short.stop()
    assert short.timer is None
    assert 0 < 30.0 - short.left < 29
    assert not caplog.records
    long = Patience(seconds=0.01)
    for _ in range(2):
        long.start()
        deadline = time.monotonic() + 20
        while not long.said and time.monotonic() < deadline:
            time.sleep(0.005)
        long.stop()
    assert [record.name for record in caplog.records] == ["ship"]
    assert "compiling kernels" in caplog.text
