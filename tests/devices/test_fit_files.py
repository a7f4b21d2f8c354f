"""Files that a fit reads: layouts, units, measured arrays, and what is refused."""

import numpy as np
import pytest
import torch

import ship
from ship.devices.fitting import trend, trend_noise
from ship.devices.reading import units

pytestmark = pytest.mark.usefixtures("no_grad")


def test_measured_array(tmp_path):
    g, faults = np.array([[10.0, 20.0], [np.nan, 40.0]]), np.array([[0, 1], [3, 0]])
    made = ship.measured_array(g, unit="uS", faults=faults)
    assert torch.allclose(made.conductance, torch.tensor([[10e-6, 20e-6], [0.0, 40e-6]], dtype=torch.float64), rtol=1e-14, atol=0)
    assert made.counts == {"sound": 2, "stuck low": 1, "stuck high": 0, "open": 1}
    assert "1 open devices were set to 0 S" in str(made)
    np.savez(tmp_path / "chip.npz", conductance=np.where(np.isnan(g), 0, g), faults=faults)
    again = ship.measured_array(tmp_path / "chip.npz", unit="uS")
    assert torch.equal(again.conductance, made.conductance)
    assert torch.equal(again.faults, made.faults)
    assert len(again.sha256) == 64
    (tmp_path / "chip.csv").write_text("a,b\n10,20\n5,40\n")
    assert ship.measured_array(tmp_path / "chip.csv", unit="kohm").conductance[1, 1] == pytest.approx(1 / 40e3)


@pytest.mark.parametrize(
    ("values", "more", "text"),
    [
        ([[1.0]], {}, "units are never guessed"),
        ([[1.0]], {"unit": "V"}, "must be a unit of conductance"),
        ([[1.0]], {"unit": "normalised"}, "must be physical"),
        ([[1.0, np.nan]], {"unit": "S"}, r"device \[0, 1\]: must be a finite number"),
        ([[1.0, -2.0]], {"unit": "S"}, r"device \[0, 1\]: must be at least 0 S"),
        ([[1.0, 0.0]], {"unit": "ohm"}, "resistances must be above 0 ohm"),
        ([1.0], {"unit": "S"}, r"must be numbers \[row, column\]"),
        ([[1.0]], {"unit": "S", "faults": [[4]]}, "must be 0 .sound."),
        ([[1.0]], {"unit": "S", "faults": [[0, 0]]}, r"must be \[1, 1\]"),
    ],
)
def test_wrong_arrays(values, more, text):
    with pytest.raises(ship.FitError, match=text):
        ship.measured_array(values, **more)


GOOD = "up_uS,down_uS\n" + "\n".join(f"{10 + k},{40 - k}" for k in range(20))


def fit_text(tmp_path, text, name="a.csv", **more):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ship.fit(path, **({"replicates": 20} | more))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "bom.csv", "semicolon.csv", "decimal.csv", "comment.csv"])
def test_layouts(tmp_path, name):
    text, more = GOOD, {}
    if "tsv" in name or "txt" in name:
        text = GOOD.replace(",", "\t")
    if name == "bom.csv":
        text = "\ufeff" + GOOD.replace("\n", "\r\n")
    if name == "semicolon.csv":
        text = GOOD.replace(",", ";")
    if name == "decimal.csv":
        text, more = "up_uS;down_uS\n" + "\n".join(f"{10 + k},0;{40 - k},0" for k in range(20)), {"decimal": ","}
    if name == "comment.csv":
        text = "# probe 3\n" + GOOD
    found = fit_text(tmp_path, text, name, **more)
    assert found.settings["points"] == 40
    assert found.summary["window, upper"].value == pytest.approx(38e-6, rel=0.1)
    assert any("comment" in note for note in found.notes) == (name == "comment.csv")


def rows(change):
    lines = GOOD.split("\n")
    return "\n".join(change(lines))


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        (GOOD.replace("_uS", ""), {}, "column 'up': needs a unit of conductance. Units are never guessed"),
        (GOOD.replace("down_uS", "down_norm"), {}, "must all be normalised, or none; got up in uS, down in normalised"),
        (GOOD, {"unit": "nS"}, "column 'up_uS': says uS; got unit='nS'"),
        (GOOD.replace("_uS", ""), {"unit": "V"}, "must be a unit of conductance; got 'V'"),
        (GOOD.replace("_uS", ""), {"unit": "normalised"}, "needs g_min, g_max, scale"),
        (GOOD, {"g_min": 1e-6}, "g_min: is only for data in unit='normalised'"),
        (rows(lambda x: [*x[:5], "oops,3", *x[5:]]), {}, "row 6, column 'up_uS': must be a number; got 'oops'"),
        (rows(lambda x: [*x[:5], ",3", *x[5:]]), {}, "row 6, up: must be a number; got an empty cell or NaN (1 such rows)"),
        (rows(lambda x: [*x[:5], "inf,3", *x[5:]]), {}, "row 6, up: must be a number; got an overflow (inf) (1 such rows)"),
        (rows(lambda x: [*x[:5], "1,2,3", *x[5:]]), {}, "row 6: must have 2 cells, as the header; got 3"),
        (rows(lambda x: x[:2]), {}, "pulses up: must be at least 8 in a row; got 1"),
        (rows(lambda x: x[:1]), {}, "needs a header and at least one row"),
        ("", {}, "is empty"),
        (rows(lambda x: ["a,b", *x[1:]]), {"kind": "pulses"}, "needs columns for up + down"),
        (rows(lambda x: ["a,b", *x[1:]]), {}, "the columns fit no kind of measurement"),
        (GOOD, {"columns": {"up": "upp"}}, "no column 'upp'. Known: 'up_uS', 'down_uS'. Did you mean 'up_uS'?"),
        (GOOD, {"kind": "pulses", "columns": {"upp": "up_uS"}}, "has no 'upp'"),
        (GOOD, {"columns": {"up": "down_uS", "down": "up_uS"}}, "must raise the conductance; got a fall"),
        ("up_uS,down_uS\n" + "\n".join(["5,5"] * 20), {}, "must change with the pulses; got a constant 5e-06 S"),
        (GOOD, {"only": {"up_uS": 99}}, "leaves no row"),
        (GOOD, {"kind": "pulse"}, "no kind 'pulse'. Known: 'pulses'"),
        (GOOD, {"kind": "array"}, "Use ship.measured_array"),
        (GOOD, {"seed": -1}, "seed: must be a whole number"),
        (GOOD, {"replicates": 2}, "replicates: must be a whole number from 20"),
        (GOOD, {"shunt": 0}, "shunt: must be a resistance above 0 ohm"),
        (
            "conductance_uS,polarity\n5,up\n" + "\n".join(f"{k},oops" for k in range(1, 20)),
            {},
            "row 3, polarity: must be up or down",
        ),
        (
            "conductance_uS,polarity\n" + "\n".join(f"{k},sideways" for k in range(1, 20)),
            {},
            "row 2, polarity: must be up or down",
        ),
    ],
)
def test_errors(tmp_path, text, more, message):
    with pytest.raises(ship.FitError) as caught:
        fit_text(tmp_path, text, **more)
    assert message in str(caught.value)


def test_skipped_rows_are_counted(tmp_path):
    found = fit_text(tmp_path, rows(lambda x: [*x[:5], ",3", *x[5:]]), skip_empty=True)
    assert "left out, as asked (skip_empty=True): 1 row with an empty cell or NaN (row 6)" in found.notes


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.csv", None, "no such file"),
        ("a.pdf", b"x", "must be .csv"),
        ("a.npz", b"x", "is damaged"),
        ("a.csv", b"a\0\xff", "is no text"),
    ],
)
def test_wrong_files(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ship.FileError, match=message):
        ship.fit(tmp_path / name)


def test_npz_with_objects_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", up=np.array([print], dtype=object))
    with pytest.raises(ship.FileError, match="holds objects"):
        ship.fit(tmp_path / "a.npz")


def test_xlsx(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    for line in GOOD.split("\n"):
        book.active.append([float(c) if c.replace(".", "").isdigit() else c for c in line.split(",")])
    book.save(path)
    assert ship.fit(path, replicates=20).settings["points"] == 40


@pytest.mark.parametrize(
    ("header", "quantity", "unit"),
    [
        ("G (uS)", "conductance", "uS"),
        ("conductance_uS", "conductance", "uS"),
        ("G [\N{GREEK SMALL LETTER MU}S]", "conductance", "uS"),
        ("time_s", "time", "s"),
        ("V_set_V", "voltage", "V"),
        ("R (k\N{GREEK CAPITAL LETTER OMEGA})", "resistance", "kohm"),
        ("conductance_up", "conductance", None),
        ("time_s", "conductance", None),
        ("g_us", "conductance", None),
        ("G", "conductance", None),
    ],
)
def test_units_of_headers(header, quantity, unit):
    assert units.split_header(header, quantity)[1] == unit


def test_arrays_need_matching_columns():
    with pytest.raises(ship.FitError, match="must have 20 rows"):
        ship.fit({"up": np.arange(20.0), "down": np.arange(10.0)}, "pulses", unit="uS")
    with pytest.raises(ship.FitError, match=r"numbers \[row, column\]"):
        ship.fit(np.array(["a"]))
    table = np.stack([np.arange(1, 21.0), np.arange(21.0, 1, -1)], 1)
    found = ship.fit(table, "pulses", columns={"up": 0, "down": 1}, unit="uS", replicates=20)
    assert found.settings["points"] == 40


def test_trend_needs_no_scale():
    """Laws are scale-free: the same data in S and in nS give the same exponent."""
    t = np.geomspace(1, 100, 9)
    law = trend.laws("S", "s")[2]
    curves = [{"": (t, s * t**-0.1)} for s in (1e-3, 1e-12)]
    one, two = (trend.fit_law(law, c, trend_noise.noise_of(list(c.values()))).theta[0, 1] for c in curves)
    assert one == pytest.approx(0.1, abs=1e-6)
    assert two == pytest.approx(one, abs=1e-9)
