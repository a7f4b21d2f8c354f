"""Damaged measurement files: a right reading or an error that can be read, through the reader and through whole fits.

``make mutants`` does the same with 10,000 of them, and with the published files.
"""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_instrument_files import CASES

import commands
import instruments
import known_devices
import mutants
import ship

pytestmark = pytest.mark.usefixtures("no_grad")
SMALL = {
    "iv": lambda rng: known_devices.loops(rng, devices=1, cycles=1),
    "statistics": lambda rng: known_devices.switching(rng, n=25),
    "endurance": lambda rng: known_devices.windows(rng, n=20),
    "retention": lambda rng: known_devices.decay(rng, n=30),
    "pulses": lambda rng: known_devices.trains(rng, devices=3, n=12),
}


def made(folder, form, kind, seed=0):
    rng = np.random.default_rng(seed)
    measurement = known_devices.loops(rng, devices=2, cycles=1) if form == "knowm" else SMALL[kind](rng)
    source = instruments.write(folder, form, measurement, rng).source
    name = f"{form} log" if form == "ni_log" else form
    return mutants.good(name, [str(p) for p in source] if isinstance(source, list) else str(source), folder / "mutants")


@pytest.mark.parametrize(("form", "kind"), CASES)
def test_readings(tmp_path, form, kind):
    """60 mutants of each form: what was not changed is read as before, what is left out is counted, or SHIP says why not."""
    good = made(tmp_path, form, kind)
    assert len(good.expected) > 5
    found = [mutants.outcome(good, seed) for seed in range(60)]
    assert [each for each in found if each.verdict not in ("right", "error")] == []
    count = Counter(each.verdict for each in found)
    assert count["right"] > 15
    assert count["error"] > 1


def test_a_silent_difference_would_be_seen(tmp_path):
    """The judgement itself: a value that is read from an unchanged line must be the one that stood there."""
    good = made(tmp_path, "plain", "retention")
    key, values = next((key, values) for key, values in good.expected.items() if key[1] > 5)
    good.expected[key] = [{role: v * 1.001 if role == "conductance" else v for role, v in values[0].items()}]
    verdicts = Counter(mutants.outcome(good, seed).verdict for seed in range(30))
    assert verdicts["silent"] > 5


@pytest.mark.parametrize(
    ("form", "kind"), [case for case in CASES if case[0] in ("plain", "knowm", "trains", "ni_log", "currents")]
)
def test_whole_fits(tmp_path, form, kind):
    """25 mutants of a form through the whole command: a fit, or an error of SHIP's; no other exception and no warning."""
    good, fitted = made(tmp_path, form, kind, seed=1), 0
    for seed in range(25):
        sheets, rng = good.fresh(), random.Random(seed)
        mutants.change(good, sheets, rng)
        paths = mutants.written(good, sheets)
        try:
            found = ship.fit(paths if len(paths) > 1 else paths[0], **{**good.arguments, "replicates": 20})
        except ship.ShipError:
            continue
        fitted += 1
        assert str(found)
        assert isinstance(found.refusal(), str | None)
    assert fitted > 5


def test_commands_of_mutants(tmp_path):
    """What is suggested for a damaged file can be taken apart as a command, whatever the file holds."""
    good = made(tmp_path, "plain", "iv")
    suggested = 0
    for seed in range(100):
        sheets, rng = good.fresh(), random.Random(seed)
        mutants.change(good, sheets, rng)
        [path] = mutants.written(good, sheets)
        try:
            files, arguments = commands.parsed(commands.suggestion(path))
        except ship.ShipError:
            continue
        except StopIteration:  # nothing is suggested
            continue
        suggested += 1
        assert files == [Path(path)]
        assert arguments["kind"] == "iv"
    assert suggested > 50
