"""The first command that the tool suggests for a file is complete: run as printed, it ends in a fit."""

import numpy as np
import pytest
from test_instrument_files import CASES, known

import commands
import instruments
import known_devices
import ship

pytestmark = pytest.mark.usefixtures("no_grad")
SEEDED = [(form, kind, seed) for form, kind in CASES for seed in range(3 if form == "plain" else 1)]


@pytest.mark.parametrize(("form", "kind", "seed"), SEEDED)
def test_the_first_suggestion_is_complete(tmp_path, form, kind, seed):
    """Of each form of file the suggestion is of the right kind, and asks for nothing: every row is used, or left out by name."""
    measurement = known(form, kind, seed)
    made = instruments.write(tmp_path / "a folder with (signs) & spaces", form, measurement, np.random.default_rng(100 + seed))
    source = [str(p) for p in made.source] if isinstance(made.source, list) else str(made.source)
    command = commands.suggestion(source)
    try:
        found = commands.run(command, replicates=20)
    except ship.ShipError as error:  # a fit may refuse, but not ask what the columns are
        asked = [option for option in commands.QUESTIONS if option in str(error)]
        if asked:
            pytest.fail(f"{command}\n{error}")
        return
    assert found.kind == kind
    n = max(len(values) for values in measurement.rows.values())
    assert found.settings["points"] in (n, 2 * n)


def test_a_command_is_taken_apart_as_it_was_meant(tmp_path):
    """Units and labels of the suggestion stand in the arguments that the command line makes of it."""
    measurement = known_devices.loops(np.random.default_rng(0), devices=2, cycles=1)
    made = instruments.write(tmp_path, "knowm", measurement, np.random.default_rng(0))
    files, arguments = commands.parsed(commands.suggestion(made.source))
    assert [str(file) for file in files] == made.source
    assert arguments["columns"] == {"voltage": "1", "current": "2"}
    assert arguments["unit"] == {"voltage": "V", "current": "uA"}
    assert arguments["label"] == {"device": "file"}
