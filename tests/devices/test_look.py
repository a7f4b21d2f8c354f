"""What is seen in a file, and the call that is suggested for it: never applied, with its reason, and right where numbers tell."""

import os
import shlex
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

import ship
from ship.devices.reading import look
from ship.devices.reading.columns import select
from ship.devices.reading.profile import profiles
from ship.devices.reading.request import Request
from ship.devices.reading.spelling import for_command
from ship.devices.reading.suggest import suggest
from ship.devices.reading.table import read

pytestmark = pytest.mark.usefixtures("no_grad")
RNG = np.random.default_rng(0)
PHASE = 2 * np.pi * (np.arange(200) / 200 + 0.3)
SINE = np.sin(PHASE)
SWEEP = np.concatenate([np.linspace(0, 1, 50), np.linspace(1, -1, 100), np.linspace(-1, 0, 50)])
NOISE = np.exp(0.1 * RNG.standard_normal(400))


def written(tmp_path, columns, name="a.csv", header=None):
    path = tmp_path / name
    lines = [",".join(f"{x:.10g}" if isinstance(x, float) else str(x) for x in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join(([header] if header else []) + lines) + "\n")
    return path


def as_read(made, suggestion):
    """The columns that a suggestion leads to."""
    return select(made, Request(suggestion.kind, suggestion.columns, dict(suggestion.unit), suggestion.options.get("label", {})))


LOOP = np.where(np.arange(200) < 100, 1e-4, 1e-5)
MEASURED = {
    "sine that starts in mid-phase": ([SINE, SINE * LOOP], "iv", {"voltage": "1", "current": "2"}),
    "current before voltage": ([SWEEP * LOOP * NOISE[:200], SWEEP], "iv", {"voltage": "2", "current": "1"}),
    "cells, current, ramp": (
        [
            np.repeat([7, 9], 100),
            np.tile(np.linspace(0, 0.35, 100), 2) * 7e-5 * NOISE[:200] - 2e-6,
            np.tile(np.linspace(0, 0.35, 100), 2),
        ],
        "iv",
        {"voltage": "3", "current": "2", "device": "1"},
    ),
    "cycles behind states": (
        [np.full(200, 5), 1e4 * NOISE[:200], 1e5 * NOISE[200:], np.arange(100, 20100, 100)],
        "endurance",
        {"cycle": "4", "on": "2", "off": "3", "device": "1"},
    ),
    "conductances, high is on": (
        [np.arange(1, 201), 1e-6 * NOISE[:200], 1e-4 * NOISE[200:]],
        "endurance",
        {"cycle": "1", "on": "3", "off": "2"},
    ),
    "a clock, R and G": (
        [np.full(200, 5), 1.6e9 + 0.05 * np.arange(200), 1e4 * NOISE[:200], 1e-4 / NOISE[:200]],
        "retention",
        {"time": "2", "conductance": "4", "device": "1"},
    ),
    "pulses, read voltage, currents": (
        [
            np.repeat([4.0, -2.0], 50),
            np.full(100, 0.5),
            *(np.abs(np.linspace(-1, 1, 100)) * 1e-9 * NOISE[k : k + 100] + 1e-11 for k in range(5)),
        ],
        "pulses",
        {"pulse_voltage": "1", "v_read": "2", "conductance": "3:7"},
    ),
    "addresses and resistances": ([np.arange(0, 800, 2), 1e4 * NOISE], "map", {"address": "1", "conductance": "2"}),
    "a smooth trace": ([np.arange(1, 201), 2e-5 * np.arange(1, 201) ** 0.03], "retention", {"time": "1", "conductance": "2"}),
}


@pytest.mark.parametrize("what", MEASURED)
def test_files_without_a_header(tmp_path, what):
    """A file of numbers is suggested as what it is; the suggestion reads it as it stands."""
    columns, kind, expected = MEASURED[what]
    made = read(written(tmp_path, columns))
    first = suggest(made)[0]
    assert (first.kind, dict(first.columns)) == (kind, expected)
    assert first.reason
    several = 5 if ":" in first.columns.get("conductance", "") else 1
    assert len(as_read(made, first).rows) == len(columns[0]) * several


def test_units_are_suggested_by_size(tmp_path):
    made = read(written(tmp_path, [SINE, 30 * SINE * NOISE[:200]]))
    assert dict(suggest(made)[0].unit) == {"voltage": "V", "current": "uA"}
    made = read(written(tmp_path, [np.arange(100, 20100, 100), 1e4 * NOISE[:200], 1e5 * NOISE[200:]]))
    assert dict(suggest(made)[0].unit) == {"resistance": "ohm"}


def test_names_say_more_than_numbers(tmp_path):
    """Where columns have names, no role is guessed from numbers; only what the names do not say is suggested."""
    path = written(tmp_path, [SINE, SINE * LOOP], header="courant (mA),tension")
    first = suggest(read(path))[0]
    assert (first.kind, dict(first.columns), dict(first.unit)) == ("iv", {}, {"voltage": "V"})


def test_a_file_that_looks_like_nothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\nx,5\nz,5\n")
    assert suggest(read(path)) == []
    assert "It does not look like a kind of measurement that is known: say kind= and columns=." in str(look.look(path))


def test_files_are_labels(tmp_path):
    """Two files of sweeps are devices, unless their names say runs; two files of the same addresses are stages."""
    for names, label in ((("M1.csv", "M2.csv"), {"device": "file"}), (("run1.csv", "run2.csv"), {"cycle": "file"})):
        paths = [written(tmp_path, [SINE, SINE * LOOP], name) for name in names]
        first = suggest(read(paths))[0]
        assert first.options["label"] == label
        assert "if they are" in first.reason
        assert len(set(as_read(read(paths), first)[next(iter(label))])) == 2
    paths = [written(tmp_path, [np.arange(0, 800, 2), 1e4 * NOISE], name) for name in ("before.csv", "after.csv")]
    first = suggest(read(paths))[0]
    assert (first.kind, first.options["label"], dict(first.columns)) == (
        "retention",
        {"stage": "file"},
        {"device": "1", "conductance": "2"},
    )


def test_a_fit_that_knows_no_columns_suggests(tmp_path):
    """The error ends in the call that could be meant, for its reader."""
    path = written(tmp_path, [SINE, SINE * LOOP])
    with pytest.raises(ship.FitError) as caught:
        ship.fit(path)
    said = f"It looks like iv: ship.fit('{path}', kind='iv', columns={{'voltage': '1', 'current': '2'}}"
    assert said in str(caught.value)
    with for_command(), pytest.raises(ship.FitError) as caught:
        ship.fit(path)
    assert f"ship look {path} shows what is in it. It looks like iv: ship fit {path} --kind iv --column voltage=1" in str(
        caught.value
    )
    with pytest.raises(ship.FitError) as caught:  # (what the user says is not argued with)
        ship.fit(path, "iv", columns={"voltage": 1})
    assert "It looks like" not in str(caught.value)


def test_the_page(tmp_path):
    """The page has at most 100 columns, in any script, and says what is left out."""
    header = "電圧の長い長い長い長い名前 (V),a_very_long_name_of_a_current_in_microampere (uA),x"
    path = written(tmp_path, [SINE, SINE * LOOP * 1e6, np.full(200, 5)], header=f"# measured on a Monday\n{header}")
    page = str(look.look(path))
    lines = [line for line in page.splitlines() if "ship.fit" not in line]
    assert max(sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) for line in lines) <= 100
    for text in ("a.csv: 200 rows, 3 columns", "a sweep through 0", "-1 to 1", "constant", "First rows", "comment: 1 row (1)"):
        assert text in page
    assert set("▁█") <= set(page)


def test_many_columns_share_a_line(tmp_path):
    page = str(look.look(written(tmp_path, MEASURED["pulses, read voltage, currents"][0] + [1e-9 * NOISE[:100]] * 20)))
    assert "3 ... 27 (25)" in page


@pytest.mark.parametrize(
    "content", ["clock", "levels", "constant", "rising", "large", "small", "sweep", "ramp", "labels", "dates", "single"]
)
def test_contents(tmp_path, content):
    """Each content is seen as such, whatever its scale."""
    made = {
        "clock": 1.6e9 + np.arange(50.0),
        "levels": np.repeat([1.0, -1.0], 25),
        "constant": np.full(50, 0.2),
        "rising": np.arange(50),
        "large": 1e5 * NOISE[:50],
        "small": 1e-5 * NOISE[:50],
        "sweep": np.concatenate([np.linspace(-1, 1, 25), np.linspace(1, -1, 25)]),
        "ramp": np.concatenate([np.linspace(0, 1, 25), np.linspace(1, 0, 25)]),
        "labels": ["on", "off"] * 25,
        "dates": [f"2021-04-12 10:30:{k:02d}" for k in range(50)],
        "single": ["1.5"] + [""] * 49,
    }[content]
    made = read(written(tmp_path, [NOISE[:50], made], header="a,b"))
    assert profiles(made)[1].content == content


def call(*words):
    done = subprocess.run([sys.executable, "-m", "ship.cli", *map(str, words)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def test_the_command_that_is_suggested_works(tmp_path):
    """`ship look` prints a command that fits the file as it stands."""
    path = written(tmp_path, [np.arange(1, 101), 5e-5 * np.arange(1, 101) ** -0.1 * NOISE[:100] ** 0.02], "trace of 1.csv")
    code, page, _ = call("look", path)
    assert code == 0
    command = next(line.strip() for line in page.splitlines() if line.strip().startswith("ship fit"))
    code, text, wrong = call(*shlex.split(command)[1:], "--replicates", 20, "--out", tmp_path / "out")
    assert code == 0, wrong
    assert "retention" in text
    assert (tmp_path / "out" / "report.json").is_file()


# -- published files -----------------------------------------------------------------------------------------------------------

LAB = Path(os.environ.get("SHIP_DATA", "")) / "lab"
KNOWM = [f"knowm_sdc_5k_100Hz_M{k}.csv" for k in (1, 2, 3)]
# files, kind, rows, and medians of roles in SI, from the table of right values and by hand (V_read 0.5 V and 0.2 V)
RIGHT = [
    (["keithley_cycle_summary.csv"], "statistics", 1000, {"v_set": 1.06, "v_reset": 0.90}),
    (["keithley_cycle_summary.txt"], "statistics", 1000, {"v_set": 1.06, "v_reset": 0.90}),
    (["keithley_set_run.txt"], "iv", 502, {"voltage": -1.25, "current": -5e-4}),
    (["keithley_set_runs.xlsx"], "iv", 5020, {"voltage": -1.25, "current": -5e-4}),
    (["rram_endurance_1us.tsv"], "endurance", 10050, {"on": 1 / 11.99e3, "off": 1 / 99.3e3}),
    (["rram_retention_1cell_3000.csv"], "retention", 3000, {"conductance": 94.1e-6}),
    (["rram_iv_100_cells.tsv"], "iv", 3600, {"voltage": 0.175}),
    (["rram_endurance_log_3000.csv"], "endurance", 1200, {"cycle": 1.5e7}),
    (["rram_prebake85_4096.tsv"], "map", 4096, {"conductance": 1 / 15.4e3}),
    (["rram_postbake85_4096.tsv"], "map", 4096, {"conductance": 1 / 185e3}),
    (["rram_prebake85_4096.tsv", "rram_postbake85_4096.tsv"], "retention", 8192, {}),
    (["pulses_current_53_devices.xlsx"], "pulses", 26500, {"v_read": 0.5}),
    (["pulses_current_40_states.xlsx"], "pulses", 80, {"v_read": 0.2}),
    (["retention_rising.xlsx"], "retention", 361, {"time": 181.0}),
    (["yflash_96_devices.txt"], "pulses", 6038, {}),
    *[([name], "iv", 200, {}) for name in KNOWM],
    (KNOWM, "iv", 600, {}),
    (["easyexpert_graphene_iv.csv"], "iv", 201, {"voltage": 0.0}),
]


@pytest.mark.skipif(not LAB.is_dir(), reason="SHIP_DATA (with lab/) is not set")
@pytest.mark.parametrize(("names", "kind", "rows", "medians"), RIGHT, ids=[" ".join(r[0]) for r in RIGHT])
def test_published_files_are_read_as_suggested(names, kind, rows, medians):
    """The first suggestion reads each file whole, and gives the right medians."""
    source = [LAB / name for name in names] if len(names) > 1 else LAB / names[0]
    seen = look.look(source)
    first = seen.suggestions[0]
    assert first.kind == kind
    found = as_read(seen.table, first)
    assert len(found.rows) == rows
    for role, value in medians.items():
        assert np.median(found[role]) == pytest.approx(value, rel=5e-3, abs=1e-9), role


@pytest.mark.skipif(not LAB.is_dir(), reason="SHIP_DATA (with lab/) is not set")
def test_published_pulses_in_siemens():
    """53 devices rise from 0.17 to 1.81 nS and fall to 0.18 nS; 40 states go from 2.2 to 54.9 mS."""
    seen = look.look(LAB / "pulses_current_53_devices.xlsx")
    g = as_read(seen.table, seen.suggestions[0])["conductance"].reshape(53, 500)
    top, start, end = (np.median(g[:, k]) for k in (249, 0, 499))
    assert (start * 1e9, top * 1e9, end * 1e9) == (
        pytest.approx(0.17, abs=0.02),
        pytest.approx(1.81, abs=0.06),
        pytest.approx(0.18, abs=0.02),
    )
    seen = look.look(LAB / "pulses_current_40_states.xlsx")
    g = as_read(seen.table, seen.suggestions[0])["conductance"]
    assert (g.min() * 1e3, g.max() * 1e3) == (pytest.approx(2.2, abs=0.05), pytest.approx(54.9, abs=0.05))


@pytest.mark.skipif(not LAB.is_dir(), reason="SHIP_DATA (with lab/) is not set")
def test_published_cells_before_and_after_a_bake():
    """G after / G before: median 0.432."""
    seen = look.look([LAB / "rram_prebake85_4096.tsv", LAB / "rram_postbake85_4096.tsv"])
    found = as_read(seen.table, seen.suggestions[0])
    stage = np.array(found["stage"])
    before, after = (found["conductance"][stage == name] for name in ("rram_prebake85_4096", "rram_postbake85_4096"))
    assert np.median(after / before) == pytest.approx(0.432, abs=0.001)
