"""From a table to quantities: columns by number and pattern, labels, conditions, what is wanted of what was measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ship
from ship.devices.reading import melt, units
from ship.devices.reading.columns import select
from ship.devices.reading.conditions import split
from ship.devices.reading.request import Request
from ship.devices.reading.roles import ROLES
from ship.devices.reading.spelling import argument, call, for_command
from ship.devices.reading.table import read
from tables import chosen, table

pytestmark = pytest.mark.usefixtures("no_grad")


# -- columns -------------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.booleans())
def test_several_columns_are_one_below_the_other(rows, width, as_pattern):
    """Device by device, rows in their order; the header is the device, and each row says where it stands."""
    made = {"t (s)": range(1, rows + 1)} | {f"I{k}": [10 * k + i + 1 for i in range(rows)] for k in range(width)}
    found = chosen(table(made), "retention", {"conductance": "I*" if as_pattern else "2:"}, unit={"conductance": "uS"})
    assert np.allclose(found["conductance"], [1e-6 * (10 * k + i + 1) for k in range(width) for i in range(rows)])
    assert found["time"].tolist() == list(range(1, rows + 1)) * width
    if width > 1:
        assert found["device"] == [f"I{k}" for k in range(width) for _ in range(rows)]
        assert found.rows[rows] == "row 2, column 'I1'"
    else:
        assert "device" not in found


def test_what_columns_are_is_said():
    made = table({"t (s)": [1, 2], "a": [1, 2], "b": [3, 4], "device": ["x", "y"]})
    columns = {"conductance": "2:3"}
    with pytest.raises(ship.FitError, match=r"has 2 columns of one role; got a, b. Say what they are: label={'cycle': 'column'}"):
        chosen(made, "retention", columns, unit={"conductance": "S"})
    found = chosen(made, "retention", columns, unit={"conductance": "S"}, label={"cycle": "column"})
    assert found["cycle"] == ["a", "a", "b", "b"]
    assert found["device"] == ["x", "y", "x", "y"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2", ("b",)),
        (2, ("b",)),
        ("2:3", ("b", "c d")),
        (":2", ("a", "b")),
        ("2:", ("b", "c d")),
        ("c?d", ("c d",)),
        (["a", 3], ("a", "c d")),
    ],
)
def test_names_of_columns(said, expected):
    assert melt.headers(table({"a": [1], "b": [1], "c d": [1]}), said) == expected


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("7", "no column '7'. Its columns are 1 to 3"),
        ("2:9", "no such columns; got '2:9'. Its columns are 1 to 3"),
        ("3:2", "no such columns"),
        ("x*", "no column has a header of this form; got 'x*'. Headers: a, b, c d"),
        ("bb", "no column 'bb'. Known: 'a', 'b', 'c d'"),
    ],
)
def test_no_such_columns(said, text):
    with pytest.raises(ship.FitError) as caught:
        melt.headers(table({"a": [1], "b": [1], "c d": [1]}), said)
    assert text in str(caught.value)


def test_a_header_that_reads_like_a_range_is_a_header():
    assert melt.headers(table({"2": [1], "1:2": [1], "I*": [1]}), "1:2") == ("1:2",)
    assert melt.headers(table({"2": [1], "1:2": [1], "I*": [1]}), "I*") == ("I*",)


def test_as_many_columns_for_each_role():
    made = table({str(k): [1.0, 2.0] for k in range(1, 7)})
    with pytest.raises(ship.FitError, match="as many columns for each role; got 2 for up, 3 for down"):
        chosen(made, "pulses", {"up": "1:2", "down": "3:5"}, unit="uS")
    found = chosen(made, "pulses", {"up": "1:3", "down": "4:6"}, unit="uS")
    assert found["device"] == ["1", "1", "2", "2", "3", "3"]
    with pytest.raises(ship.FitError, match="'up' and 'down' must be different columns; got '3'"):
        chosen(made, "pulses", {"up": "1:3", "down": "3:5"}, unit="uS")


def test_a_group_of_columns_and_an_instrument_say_names():
    """The name behind that of a group is known; what the instrument says of a column comes before a column that was added."""
    made = table({"SET.VSET": [1, 2], "SET.ILRS": [1, 2], "SET.IHRS": [1, 2]})
    found = chosen(made, "statistics", unit={"voltage": "V", "current": "A"})
    assert set(found.values) == {"v_set", "i_on", "i_off"}
    made = table({"AV": [0, 1, 2], "AI": [0, 1, 2], "I": [5, 5, 5]})
    with pytest.raises(ship.FitError, match="more than one column can be 'current'; got AI, I"):
        chosen(made, "iv", unit={"voltage": "V", "current": "A"})
    made.units, made.quantities = {"AV": "V", "AI": "A"}, {"AV": "voltage", "AI": "current"}
    assert chosen(made, "iv")["current"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "header", ["Spannung (V)", "tension [V]", "U / V", "V_d_mV", "電圧 (V)", "電圧(V)", "DrainV (V)", "tensione_V"]
)
def test_names_in_several_languages(header):
    made = table({header: [0, 1, 2], "courant (uA)": [0, 1, 2]})
    found = chosen(made, "iv")
    assert found["voltage"].tolist() == ([0, 1e-3, 2e-3] if "mV" in header else [0, 1, 2])


@pytest.mark.parametrize(
    ("text", "unit"),
    [("seconds", "s"), ("Volts", "V"), ("kOhm", "kohm"), ("µA", "uA"), ("MΩ", "Mohm"), ("hrs", "h"), ("mS", "mS"), ("ms", "ms")],
)
def test_words_of_units(text, unit):
    assert units.spelled(text) == unit
    assert any(unit in known for known in units.UNITS.values())


# -- rows ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only", "rows"),
    [
        ("V>4", [5, 6]),
        (["V>=4", "V<6"], [4, 5]),
        ("state=on", [1, 3, 5]),
        ("state != on", [2, 4, 6]),
        ("V=4.0", [4]),
        ({"V": 4}, [4]),
        ({"state": "off", "V": "2"}, [2]),
        ("1<=2", [1, 2]),
        ("conductance>3", [4, 5, 6]),
    ],
)
def test_conditions(only, rows):
    """Numbers as in the file; columns by header, number or role."""
    made = table({"V": range(1, 7), "t (s)": range(1, 7), "G (uS)": range(1, 7), "state": ["on", "off"] * 3})
    found = chosen(made, "retention", only=only)
    assert found["time"].tolist() == rows
    assert len([note for note in found.notes if note.startswith("only rows with")]) == (
        len(only) if not isinstance(only, str) else 1
    )


@pytest.mark.parametrize(
    ("only", "text"),
    [
        ("V>40", "only 'V': leaves no row; got 'V>40'. The column goes from 1 to 6"),
        ("state=o", "only 'state': leaves no row; got 'o'. Known: 'off', 'on'. Did you mean 'on'?"),
        ("state>3", "only 'state': leaves no row; got 'state>3'. The column has no numbers"),
        ("V>four", "only 'V': > needs a number; got 'four'"),
        ("V", "must be a column, one of = != < <= > >=, and a value; got 'V'. E.g. only='V>4'"),
        ("W>4", "no column 'W'"),
        (["V>4", "V<2"], "leaves no row that meets all conditions; got V>4, V<2"),
    ],
)
def test_conditions_that_mean_nothing(only, text):
    made = table({"V": range(1, 7), "t (s)": range(1, 7), "G (uS)": range(1, 7), "state": ["on", "off"] * 3})
    with pytest.raises(ship.FitError) as caught:
        chosen(made, "retention", only=only)
    assert text in str(caught.value)


@settings(deadline=None)
@given(
    st.sampled_from(["V", "V (V)", "a<b", "x=1", "k>=2"]), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.floats(-9, 9)
)
def test_a_condition_is_split_at_a_known_name(name, sign, value):
    assert split(f"{name}{sign}{value}", [name]) == (name, sign, str(value))
    assert split(f"{name} {sign} {value}", [name]) == (name, sign, str(value))


def test_only_chosen_columns_must_be_whole():
    """Marks in a column that is not used do no harm; in one that is used, they are an error, or are left out and counted."""
    cells = {"t (s)": [1, 2, 3, 4], "G (uS)": [1, 2, 3, 4], "x": ["#REF", "", "OVERFLOW", "5"]}
    assert len(chosen(table(cells), "retention").rows) == 4
    bad = cells | {"G (uS)": ["1", "OVERFLOW", "", "9.91E37"]}
    with pytest.raises(ship.FitError) as caught:
        chosen(table(bad), "retention")
    assert "row 3, conductance: must be a number; got an overflow (OVERFLOW) (3 such rows)" in str(caught.value)
    assert "give skip_empty=True to leave such rows out" in str(caught.value)
    found = chosen(table(bad), "retention", skip_empty=True)
    assert found["time"].tolist() == [1]
    assert "left out, as asked (skip_empty=True): 1 row with an empty cell or NaN (row 4)" in found.notes
    assert "left out, as asked (skip_empty=True): 1 row with an overflow (9.91E37) (row 5)" in found.notes


def test_a_value_in_the_first_row_only():
    """A read voltage holds for all rows; where all columns are such, the row is kept; another one is no column of rows."""
    cells = {"t (s)": [1, 2, 3, 4], "I (uA)": [1, 2, 3, 4], "v_read (V)": [0.5, "", "", ""], "VSET (V)": [1.5, "", "", ""]}
    found = chosen(table(cells), "retention", {"conductance": "I (uA)"} | {"v_read": "v_read (V)"})
    assert np.allclose(found["conductance"], [2e-6, 4e-6, 6e-6, 8e-6])
    assert "v_read: the value in the first row holds for all rows" in found.notes
    found = chosen(table(cells), "statistics", {"v_set": "VSET (V)"})
    assert found["v_set"].tolist() == [1.5]
    with pytest.raises(ship.FitError, match="column 'VSET \\(V\\)': has a value in its first row only: a number of the whole"):
        chosen(table(cells), "iv", {"voltage": "VSET (V)", "current": "I (uA)"})


def test_decimal_commas_that_are_the_only_reading():
    made = table({"t (s)": ["1,5", "2,5"], "G (uS)": ["1", "2"]})
    with pytest.raises(ship.FitError, match=r"must be a number; got '1,5'. Decimal commas: give decimal=','"):
        chosen(made, "retention")
    made.decimal = ","
    found = chosen(made, "retention")
    assert found["time"].tolist() == [1.5, 2.5]
    assert any("decimal commas" in note for note in found.notes)


# -- labels --------------------------------------------------------------------------------------------------------------------

FILES = ["a.csv", "a.csv", "b.csv", "b.csv"]


def two_files():
    return table({"t (s)": [1, 2, 1, 2], "G (uS)": [1, 2, 3, 4]}, "a.csv and 1 more", FILES)


def test_files_must_be_said():
    """Several files of which nothing is said are a question, in the spelling of the caller."""
    with pytest.raises(ship.FitError) as caught:
        chosen(two_files(), "retention")
    said = "has 2 files; got a.csv, b.csv. Say what the files are: label={'device': 'file'}, or label={'cycle': 'file'}"
    assert said in str(caught.value)
    with for_command(), pytest.raises(ship.FitError) as caught:
        chosen(two_files(), "retention")
    assert "Say what the files are: --label device=file, or --label cycle=file, or --label stage=file." in str(caught.value)


@pytest.mark.parametrize(
    ("label", "role", "expected"),
    [
        ({"device": "file"}, "device", ["a", "a", "b", "b"]),
        ({"cycle": "x, y"}, "cycle", ["x", "x", "y", "y"]),
        ({"cycle": ["x", "y"]}, "cycle", ["x", "x", "y", "y"]),
        ({"device": "file", "cycle": "M1"}, "cycle", ["M1"] * 4),
    ],
)
def test_labels(label, role, expected):
    assert chosen(two_files(), "retention", label=label)[role] == expected


def test_labels_that_are_quantities():
    """Times for two files, in their units; their own column gives way to nothing: it is one or the other."""
    made = table({"R (kohm)": [15.4, 185.0], "cell": ["a", "a"]}, files=["a.csv", "b.csv"])
    found = chosen(made, "retention", label={"time": "0 s,24 h"})
    assert found["time"].tolist() == [0, 86400]
    assert found.units["time"] == "s"
    assert np.allclose(found["conductance"], [1 / 15.4e3, 1 / 185e3])


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ({"time": "1,2"}, "has a column too; got '1,2'. Give one of them"),
        ({"device": "t (s)", "cycle": "file"}, "'t (s)' is a column. Give columns={'device': 't (s)'} to take its cells"),
        ({"cycle": "x,y,z", "device": "file"}, "has 3 values, one for each file or sheet in their order; got 2 files"),
        ({"device": "sheet", "cycle": "file"}, "there is one sheet, whose name is not known"),
        ({"colour": "file"}, "the kind 'retention' has no such label. Known: 'time'"),
    ],
)
def test_labels_that_mean_nothing(label, text):
    with pytest.raises(ship.FitError) as caught:
        chosen(two_files(), "retention", {"time": "t (s)"}, label=label)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "label", "text"),
    [
        ("retention", {"time": "0,24"}, "label 'time': needs a unit of time; got '0'. E.g. label={'time': '0 s'}"),
        ("retention", {"time": "0 s,24 V"}, "label 'time': must be a unit of time; got 'V'"),
        ("retention", {"time": "now,later"}, "label 'time': must be a number with a unit; got 'now'"),
        ("endurance", {"cycle": "file"}, "label 'cycle': must be a number; got 'a'"),
    ],
)
def test_labels_that_are_no_quantities(kind, label, text):
    made = table({"R (kohm)": [15.4, 185.0], "state": ["on", "off"]}, files=["a.csv", "b.csv"])
    with pytest.raises(ship.FitError) as caught:
        chosen(made, kind, label=label)
    assert text in str(caught.value)


def test_every_kind_of_a_device_knows_devices_and_cycles():
    for kind, roles in ROLES.items():
        if kind not in ("map", "f-I"):
            assert {"device", "cycle"} <= set(roles)


# -- spelling ------------------------------------------------------------------------------------------------------------------


def test_calls_are_spelled_for_their_reader():
    options = {
        "kind": "iv",
        "columns": {"current": "I*"},
        "label": {"stage": ["a", "b"]},
        "only": "V>4",
        "unit": {},
        "sheet": None,
    }
    python = "ship.fit('a b.csv', kind='iv', columns={'current': 'I*'}, label={'stage': ['a', 'b']}, only='V>4')"
    assert call("fit", ["a b.csv"], options) == python
    with for_command():
        command = "ship fit 'a b.csv' --kind iv --column 'current=I*' --label stage=a,b --only 'V>4'"
        assert call("fit", ["a b.csv"], options) == command
        assert argument("series_resistance", 100.0) == "--series-resistance 100.0"


def test_a_file_with_names_only_for_the_instrument(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Zeit (s);Leitwert (uS)\n1,5;2,5\n3;4\n")
    found = chosen(read(path), "retention")
    assert found["time"].tolist() == [1.5, 3.0]
    assert np.allclose(found["conductance"], [2.5e-6, 4e-6])


def test_a_bare_matrix_is_a_map(tmp_path):
    """Without names, each cell of a matrix is a device at its row and column."""
    path = tmp_path / "matrix.csv"
    path.write_text("\n".join(",".join(str(10 * row + column) for column in range(1, 5)) for row in range(1, 9)) + "\n")
    found = select(read(path), Request("map", {"conductance": "1:"}, unit="uS"))
    assert found["conductance"] == pytest.approx(1e-6 * (10 * found["row"] + found["column"]))
    assert "a matrix of 8 rows and 4 columns: each cell is a device" in found.notes
