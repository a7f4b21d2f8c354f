"""The command ``ship check``, on files as a user writes them."""

import pytest

import ship
from commands import called

FILE = '''
from dataclasses import dataclass
from typing import NamedTuple
import torch
import ship
from ship.devices.update.bounded import Bounded


class V(NamedTuple):
    v: torch.Tensor


@dataclass(frozen=True)
class Leaky(ship.Neuron):
    """A leaky integrator."""

    tau: float = ship.param(20e-3, unit="s", above=0.0, role="time constant")
    emits = "values"
    ports = {"charge": ship.Port("charge", "V")}
    states = V(v=ship.State(0.0, unit="V"))

    def discretise(self, p, dt):
        return (-torch.expm1(-dt / p.tau),)

    def emit(self, state, jump, p, c):
        return state.v, state

    def advance(self, state, x, p, c):
        return V(state.v - state.v * c[0] + x.charge)


class Active(Bounded):
    """A device that delivers energy."""

    def current(self, x, v, p):
        return -x.g * v
'''


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "mymodel.py"
    path.write_text(FILE)
    return path


def test_a_good_model_and_a_bad_part(written):
    code, text, _ = called("check", str(written), "Leaky", "--skip", "engines")
    assert code == 0
    assert "check_model(Leaky)" in text
    assert "0 failed" in text
    code, text, _ = called("check", str(written), "--skip", "engines")
    assert code == 1
    assert "check_device_part(Active)" in text
    assert "an active device" in text


def test_settings_in_the_file(written):
    written.write_text(FILE + '\ncheck_settings = {"Leaky": {"tau": 5e-3, "skip": ("engines",)}}\n')
    code, text, _ = called("check", str(written), "Leaky")
    assert code == 0
    assert "declared 0.005 s, measured 0.005 s" in " ".join(text.split())
    written.write_text(FILE + '\ncheck_settings = {"Leeky": {}}\n')
    with pytest.raises(ship.FileError, match=r"no class named 'Leeky'.*Did you mean 'Leaky'"):
        called("check", str(written))


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (None, (), "is no file"),
        ("x = 1", (), "defines no model, rule or part"),
        ("1 / 0", (), "raises an error when it is imported; got ZeroDivisionError"),
        (FILE, ("Leeky",), "no class named 'Leeky'.*Did you mean 'Leaky'"),
        (FILE, ("--skip", "engine"), "no check named 'engine'.*Did you mean 'engines'"),
        (FILE + "\ncheck_settings = 3\n", (), "must be a dictionary"),
    ],
)
def test_errors(tmp_path, text, words, said):
    path = tmp_path / "mymodel.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ship.ShipError, match=said):
        called("check", str(path), *words)
