"""Descriptions of instruments: what they add to a file, what they may hold, and that a user can add one."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ship
from sheets import put, rows_of, workbook
from ship.devices.reading import instruments
from ship.devices.reading.spelling import for_command
from ship.devices.reading.table import read

EXPORT = """
SetupTitle, IV
TestParameter, Channel.UnitType, SMU, SMU
TestParameter, Channel.IName, Ix, Is
TestParameter, Channel.VName, Vx, Vs
MetaData, TestRecord.RecordTime, 01/02/2023 08:42:23
Dimension1, 3, 3
DataName, Vx, Ix, Rx
DataValue, -0.1, -1E-8, 1E7
DataValue, 0, 1E-10, 0
DataValue, 0.1, 1.1E-8, 9E6
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """No description of whoever runs the tests."""
    folder = tmp_path / "config" / "instruments"
    monkeypatch.setattr(instruments, "_users", lambda: folder)
    return folder


def test_every_description_of_ship_is_sound():
    """Each can be read, and says where its knowledge is from."""
    files = sorted(instruments.FOLDER.glob("*.toml"))
    assert {"easyexpert", "keithley_cycles", "keithley_run", "knowm", "ni_rram_log", "ni_rram_reads"} <= {f.stem for f in files}
    for file in files:
        assert instruments.read_description(file).name
        assert "source = " in file.read_text()
    packed = Path(__file__).parents[2] / "pyproject.toml"
    assert '"devices/reading/instruments/*.toml"' in packed.read_text()  # or a wheel would come without them


def test_easyexpert(tmp_path):
    """Rows that say what they are; names of voltages and currents from the preamble; columns of formulas have no unit."""
    table = read(put(tmp_path, EXPORT.replace("\n", "\r\n")))
    assert table.format == "Keysight EasyEXPERT export"
    assert table.recognised == "Keysight EasyEXPERT export; header in row 8, data in rows 9 to 11"
    assert table.columns == {"Vx": ["-0.1", "0", "0.1"], "Ix": ["-1E-8", "1E-10", "1.1E-8"], "Rx": ["1E7", "0", "9E6"]}
    assert table.units == {"Vx": "V", "Ix": "A"}
    assert table.quantities == {"Vx": "voltage", "Ix": "current"}
    assert table.meta["Channel.VName"] == "Vx, Vs"
    assert table.meta["SetupTitle"] == "IV"
    assert table.dropped == {"preamble": [2, 3, 4, 5, 6, 7]}
    twice = read(put(tmp_path, EXPORT + EXPORT.replace("0.1, 1.1E-8", "0.2, 2E-8")))
    assert twice.columns["block"] == ["1"] * 3 + ["2"] * 3
    with pytest.raises(ship.FitError, match="all of its tables must have one header; got Vy, Ix, Rx after Vx, Ix, Rx"):
        read(put(tmp_path, EXPORT + EXPORT.replace("DataName, Vx", "DataName, Vy")))
    with pytest.raises(ship.FitError, match="row 9: must have 3 cells, as the header; got 4"):
        read(put(tmp_path, EXPORT.replace("-1E-8, 1E7", "-1E-8, 1E7, 5")))


def test_keithley(tmp_path):
    """Names of units of the instrument; groups over names; a footer; scalars in the first row only."""
    run = (
        "\ufeffTime\tAI\tAV\tID\tVSET\n1E+0\t298.0951E-12\t000.0E+0\t#REF\t143.0E-2\n2E+0\t-122.9602E-10\t-100.0E-4\t119.9E-10\n"
    )
    table = read(put(tmp_path, run))
    assert table.format == "Keithley Clarius run"
    assert table.units == {"Time": "s", "AI": "A", "AV": "V"}
    assert table.columns["VSET"] == ["143.0E-2", ""]
    groups, names = "Cycle,SET#1,SET#1,RESET#1,RESET#1", "Index,ILRS,IHRS,IHRS,VRESET"
    rows = "1,1E-4,1E-6,1E-6,0.9\n2,1E-4,1E-6,1E-6,0.8\nSite,1\n\nTotal,2\n"
    table = read(put(tmp_path, f"{groups}\n{names}\n{rows}"))
    assert list(table.columns) == ["Cycle.Index", "SET#1.ILRS", "SET#1.IHRS", "RESET#1.IHRS", "RESET#1.VRESET"]
    assert table.format == "Keithley Clarius summary of cycles"
    assert table.units["RESET#1.VRESET"] == "V"
    assert table.quantities["Cycle.Index"] == "cycle"
    assert table.dropped == {"footer": [5, 7]}


LOG = [
    "C1,10.0,7,READ,1e5,1e-5,2e-6,1e-3",
    "C1,10.5,7,ENDURANCE,(2.5, 1.3),3,3,1e-06,500",
    "C1,11.0,7,RESET,2.5,0,3,1e-6",
    "C1,12.0,7,READ,9e4,1.1e-5,2e-6,1e-3",
    "C1,13.0,7,SET,1.3,3,0,1e-6",
    "C1,14.0,7,READ,1e4,1e-4,2e-5,1e-2",
    "C1,15.0,7,ENDURANCE,(2.5, 1.3),3,3,1e-06,1500",
    "C1,16.0,7,READ,1e4,1e-4,2e-5,1e-2",
]


def test_log_of_operations(tmp_path):
    """The reads, with the state that was set last and the cycles so far; a tuple is one cell."""
    table = read(put(tmp_path, "\n".join(LOG) + "\n"))
    assert table.format == "NI-RRAM log of operations"
    assert table.columns["cycle"] == ["0", "500", "500", "2000"]
    assert table.columns["state"] == ["", "off", "on", "on"]
    assert table.columns["R (ohm)"] == ["1e5", "9e4", "1e4", "1e4"]
    assert table.rows == [1, 4, 6, 8]
    assert read(put(tmp_path, "\n".join(LOG).replace("1500", "15D2"))).columns["cycle"][-1] == "2000"
    assert table.dropped == {"operation ENDURANCE": [2, 7], "operation RESET": [3], "operation SET": [5]}
    assert table.quantities == {"cycle": "cycle", "state": "state"}
    for line, wrong, message in [
        (1, LOG[1].replace("500", "many"), "row 2, column 9: must be the number of cycles of ENDURANCE; got 'many'"),
        (3, LOG[3] + ",5", "row 4: an operation READ must have 4 values; got 5"),
        (3, "C1,12.0,7,READ,9e4", "row 4: an operation READ must have 4 values; got 1"),
    ]:
        with pytest.raises(ship.FitError) as caught:
            read(put(tmp_path, "\n".join([*LOG[:line], wrong, *LOG[line + 1 :]])))
        assert message in str(caught.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.sampled_from(["DrainV", "GateV", "V1", "DrainI", "I1", "IG", "Rd", "Time"]), min_size=2, max_size=5, unique=True
    ),
    values=st.lists(st.floats(-1e-3, 1e-3), min_size=2, max_size=12),
    spaced=st.booleans(),
    extra=st.integers(0, 40),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_export_of_easyexpert(tmp_path_factory, names, values, spaced, extra, newline, encoding):
    """What is written as this instrument writes it is read back: names, numbers, units, rows; also from a sheet."""
    comma = ", " if spaced else ","
    voltages, currents = ([n for n in names if mark in n] for mark in "VI")
    rows = [["SetupTitle", "x"], ["TestParameter", "Channel.VName", *voltages], ["TestParameter", "Channel.IName", *currents]]
    rows += [["AnalysisSetup", f"Analysis.Setup.Vector.Graph.Y{k}.Thickness", str(k)] for k in range(extra)]
    rows += [["Dimension1", str(len(values)), str(len(values))], ["DataName", *names]]
    rows += [["DataValue", *(f"{v * (k + 1):.12G}" for k in range(len(names)))] for v in values]
    folder = tmp_path_factory.mktemp("export")
    table = read(put(folder, (newline + newline.join(comma.join(r) for r in rows)).encode(encoding)))
    sheet = read(put(folder, workbook(rows_of(rows)), "a.xlsx"))
    for found, first in ((table, len(rows) - len(values) + 2), (sheet, len(rows) - len(values) + 1)):
        assert found.format == "Keysight EasyEXPERT export"
        assert found.rows == list(range(first, first + len(values)))
        assert found.columns == {n: [row[k + 1] for row in rows[-len(values) :]] for k, n in enumerate(names)}
        assert found.units == dict.fromkeys(voltages, "V") | dict.fromkeys(currents, "A")


def test_each_cell_of_a_log_counts_for_itself(tmp_path):
    """States and cycles belong to a cell; a log that counts no cycles has no column of them."""
    other = [line.replace(",7,", ",8,") for line in LOG[1:]]
    mixed = [line for pair in zip(LOG[1:], other, strict=True) for line in pair]
    table = read(put(tmp_path, "\n".join(mixed)))
    for address in ("7", "8"):
        rows = [k for k, a in enumerate(table.columns["address"]) if a == address]
        assert [table.columns["cycle"][k] for k in rows] == ["500", "500", "2000"]
        assert [table.columns["state"][k] for k in rows] == ["off", "on", "on"]
    alone = read(put(tmp_path, "\n".join(line for line in LOG if "ENDURANCE" not in line)))
    assert "cycle" not in alone.columns
    assert alone.columns["state"] == ["", "off", "on", "on"]


def test_a_log_in_a_sheet(tmp_path):
    """Rows of a sheet are as long as the longest one; empty cells at their ends do not count."""
    rows = [line.replace("(2.5, 1.3)", "both").split(",") for line in LOG]
    table = read(put(tmp_path, workbook(rows_of(rows)), "a.xlsx"))
    assert table.columns["cycle"] == ["0", "500", "500", "2000"]


MINE = """
name = "Mine"
source = "its manual, page 3"
[recognise]
columns = ["Uquell", "Imess"]
[[columns]]
name = "U*"
quantity = "voltage"
unit = "mV"
[[columns]]
name = "Imess"
quantity = "current"
unit = "\u00b5A"
"""


def test_a_user_adds_an_instrument(tmp_path, own_folder):
    """By a file that is named, by its name in the folder of the user, or recognised by itself from there."""
    data = put(tmp_path, "Uquell,Imess,x\n1,2,3\n2,3,4\n", "d.csv")
    assert read(data).format == "comma-separated text"
    mine = put(tmp_path, MINE, "mine.toml")
    table = read(data, instrument=str(mine))
    assert (table.format, table.units) == ("Mine", {"Uquell": "mV", "Imess": "uA"})
    own_folder.mkdir(parents=True)
    put(own_folder, MINE, "bench.toml")
    assert read(data).format == "Mine"
    assert read(data, instrument="bench").format == "Mine"
    put(own_folder, MINE.replace('"Mine"', '"My own runs"'), "keithley_run.toml")
    assert read(data, instrument="keithley_run").format == "My own runs"  # the user's comes first
    put(own_folder, "name = 3", "broken.toml")
    with pytest.raises(ship.FileError, match=r"instrument broken.toml: name: must be text; got 3"):
        read(data)


def test_files_without_a_header_get_names_only_where_asked(tmp_path):
    data = put(tmp_path, "0.1,2.5\n0.2,5.1\n", "d.csv")
    assert list(read(data).columns) == ["1", "2"]
    table = read(data, instrument="knowm")
    assert (list(table.columns), table.column("2")) == (["V (V)", "I (uA)"], ["2.5", "5.1"])
    assert table.recognised == "Knowm Memristor Discovery export; no header, data in rows 1 to 2"
    with pytest.raises(ship.FitError, match="must have 6 columns, as files of NI-RRAM reads; got 2"):
        read(data, instrument="ni_rram_reads")
    with pytest.raises(ship.FitError, match=r"is no file of Keithley Clarius run. Leave instrument= out, or name another"):
        read(data, instrument="keithley_run")
    with for_command(), pytest.raises(ship.FileError, match=r"--instrument kowm: no instrument of that name. .* mean 'knowm'"):
        read(data, instrument="kowm")
    with pytest.raises(ship.FitError, match="is only for files of text and XLSX"):
        read({"V": [1.0]}, instrument="knowm")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is no TOML"),
        ("x = 1", "no entry 'x'. Known: 'name'"),
        ("source = 'x'", "needs an entry 'name'"),
        ("name = 'x'\nheader = [1]", "header: must be a list of texts; got [1]"),
        ("name = 'x'\nrecognise = 3", "recognise: must be a table; got 3"),
        ("name = 'x'\n[recognise]\ncolumn = ['a']", "[recognise]: no entry 'column'. Known: 'first', 'columns'"),
        ("name = 'x'\n[rows]\nnames = 'a'", "[rows]: needs an entry 'data'"),
        ("name = 'x'\n[[columns]]\nname = 'a'\nquantity = 'volts'", "no quantity 'volts'"),
        ("name = 'x'\n[[columns]]\nname = 'a'\nquantity = 'voltage'\nunit = 'A'", "must be a unit of voltage; got 'A'"),
        (
            "name = 'x'\n[[columns]]\nname = 'a'\nquantity = 'label'\nunit = 'A'",
            "must be a unit of label; got 'A'. Leave it out.",
        ),
        ("name = 'x'\ncolumns = [1]", "[[columns]] 1: must be a table; got 1"),
        ("name = 'x'\n[log]\nkind = 2\nread = 'R'\nnames = ['a']", "must name the 1 columns before the operation"),
        ("name = 'x'\n[log]\nkind = 1\nread = 'R'\nnames = ['a']\ncycles = {E = 'x'}", "cycles: must be a table of numbers"),
        ("name = 'x'\n[log]\nkind = 1\nread = 'R'\nnames = ['a']\nstates = {E = 1}", "states: must be a table of texts"),
        ("name = 'x'\n[log]\nkind = 1\nread = 'R'\nnames = ['a']\ncell = ['b']", "[log] cell: no column 'b'"),
        ("name = 'x'\n[recognise]\noperations = ['R']", "needs a part [log]"),
        ("a = " + "[" * 5000, "is no TOML"),
        ("#" * 200_000, "must have at most 100000 bytes"),
    ],
)
def test_descriptions_that_are_none(tmp_path, text, message):
    with pytest.raises(ship.FileError) as caught:
        instruments.read_description(put(tmp_path, text, "mine.toml"))
    assert message in str(caught.value)
    assert str(caught.value).startswith("instrument mine.toml")


def test_a_description_that_is_missing(tmp_path):
    with pytest.raises(ship.FileError, match=r"instrument no.toml: cannot be read"):
        read(put(tmp_path, "1,2\n"), instrument=str(tmp_path / "no.toml"))
