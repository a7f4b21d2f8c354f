"""The command ``ship study``: a study of one's own, replays, and mistakes."""

import sys
from typing import NamedTuple

import pytest

from ship.cli import main as command
from ship.study import read_run

MINE = '''
"""The mean of uniform numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Config:
    """How many numbers, and how large."""

    n: int = 1000
    scale: float = 1.0

    @classmethod
    def quick(cls) -> Config:
        return cls(n=10)


def run(config, run):
    x = config.scale * torch.rand(config.n, generator=torch.Generator().manual_seed(run.seed))
    run.number("mean of uniform numbers", float(x.mean()), n=config.n)
    run.table("numbers", [{"x": value} for value in x])
    run.note("Of no meaning.")
'''


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


class Done(NamedTuple):
    """What a command has left."""

    code: int
    out: str
    err: str


@pytest.fixture
def ship_study(capsys, monkeypatch):
    """The command ``ship study``, in this process."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["ship", "study", *words])
        with pytest.raises(SystemExit) as end:
            command.main()
        return Done(end.value.code or 0, *capsys.readouterr())

    return call


def test_the_command(ship_study, mine, tmp_path):
    """Run, replay, and replay of a record whose number was changed: 0, 0 and 1."""
    listed = ship_study()
    assert listed.code == 0
    assert any(line.startswith("fig8b ") and "example network" in line for line in listed.out.splitlines())
    done = ship_study(str(mine), "--quick", "--set", "scale=3", "--seed", "2", "--out", str(tmp_path / "one"))
    assert (done.code, done.err) == (0, "")
    assert "mean of uniform numbers" in done.out
    assert "Note: Of no meaning." in done.out
    record = read_run(tmp_path / "one")
    assert record["seed"] == 2
    assert record["config"] == {"n": 10, "scale": 3.0}
    assert record["study"] == str(mine.resolve())
    path = tmp_path / "one" / "run.json"
    equal = ship_study("--replay", str(path))
    assert equal.code == 0
    assert "All 3 results are equal." in equal.out
    path.write_text(path.read_text().replace(_value(record), "0.125"))
    again = ship_study("--replay", str(path), "--out", str(tmp_path / "two"))
    assert again.code == 1
    assert "value 0.125 then" in again.out
    assert "1 of 3 results differ." in again.out
    into = ship_study("--replay", str(path), "--out", str(tmp_path / "one"))
    assert into.code == 2
    assert "holds the run that is repeated" in into.err


def _value(record):
    return repr(record["numbers"]["mean of uniform numbers"]["value"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("fig8",), "Did you mean 'fig8b'?"),
        (("fig8b", "--set", "rate=fast"), "--set rate: must be float; got 'fast'"),
        (("fig8b", "--replay", "x.json"), "takes study, settings and seed from the record"),
        (("--replay", "nothing.json"), "no such file"),
        (("nothing.py",), "is no file"),
    ],
)
def test_a_mistake_is_one_line(ship_study, tmp_path, monkeypatch, words, text):
    monkeypatch.chdir(tmp_path)
    done = ship_study(*words)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert text in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_was_changed_since_is_named(ship_study, mine, tmp_path):
    assert ship_study(str(mine), "--quick", "--out", str(tmp_path / "one")).code == 0
    mine.write_text(MINE.replace("x.mean()", "x.sum()"))
    done = ship_study("--replay", str(tmp_path / "one"))
    assert done.code == 1
    assert "not as then: source" in done.out


def test_a_file_that_is_no_study(ship_study, tmp_path):
    (tmp_path / "other.py").write_text("x = 1\n")
    done = ship_study(str(tmp_path / "other.py"))
    assert done.code == 2
    assert "has no dataclass Config" in done.err
