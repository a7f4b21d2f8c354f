"""Files of measurements: the right table, or an error of SHIP's that says what is wrong, whatever the bytes are."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

import ship
from sheets import NUMBERS, ROWS, container, inline, numbers, put, workbook
from ship.devices.reading import limits, units
from ship.devices.reading.table import read
from ship.devices.reading.xlsx import Book

# -- XLSX ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", ["A1:B37", "A1:B10", "A1", "A1:A37", "C3:D4", "A1:ZZ99999", "nonsense"])
def test_declared_dimension_does_not_count(tmp_path, dimension):
    """All 36 points are read, whatever the sheet says of its size."""
    table = read(put(tmp_path, workbook(ROWS, dimension), "a.xlsx"))
    assert list(table.columns) == ["a", "b"]
    assert numbers(table) == NUMBERS
    assert table.rows == list(range(2, 38))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda r: [*r[:9], r[9].replace("10", "5"), *r[10:]], "row 5 after row 9"),
        (lambda r: [*r[:9], r[8], *r[9:]], "row 9 after row 9"),
        (lambda r: [r[0], r[2], r[1], *r[3:]], "row 2 after row 3"),
        (lambda r: [*r, '<row r="9999999"/>'], "row 9999999 after row 37"),
        (lambda r: [*r[:9], r[9].replace('"B10"', '"A10"'), *r[10:]], "column 1 after column 1"),
        (lambda r: [*r[:9], r[9].replace('"A10"', '"A11"'), *r[10:]], "cell A11 in row 10"),
        (lambda r: [*r[:9], r[9].replace('"B10"', '"XFE10"'), *r[10:]], "column 16385"),
        (lambda r: [*r[:9], r[9].replace('"B10"', '"b10"'), *r[10:]], "cell b10"),
    ],
)
def test_cells_out_of_order_are_refused(tmp_path, change, text):
    """A cell that would hide another, or that stands in no place, is an error that names it."""
    with pytest.raises(ship.FileError, match="must stand in order, one in a place") as caught:
        read(put(tmp_path, workbook(change(ROWS)), "a.xlsx"))
    assert text in str(caught.value)


def test_places_that_are_not_said_follow(tmp_path):
    """Rows and cells without a place stand after the one before; gaps stay gaps, in rows and in columns."""
    bare = [re.sub(r' r="\w+"', "", row) for row in ROWS]
    assert numbers(read(put(tmp_path, workbook(bare), "a.xlsx"))) == NUMBERS
    gaps = [
        '<row r="3">' + inline("a", "B3") + inline("b", "D3") + "</row>",
        '<row r="7"><c r="B7"><v>1</v></c><c r="D7"><v>2</v></c></row>',
    ]
    table = read(put(tmp_path, workbook(gaps), "a.xlsx"))
    assert (table.columns, table.rows) == ({"a": ["1"], "b": ["2"]}, [7])


def test_kinds_of_cells(tmp_path):
    """Shared texts (without their pronunciation), truth values, errors, formulas with what was saved; dates are no numbers."""
    strings = "<sst><si><t>n</t></si><si><r><t>G </t></r><r><t>(uS)</t></r><rPh><t>j</t></rPh></si></sst>"
    styles = (
        '<styleSheet><numFmts><numFmt numFmtId="200" formatCode="yyyy\\-mm"/>'
        '<numFmt numFmtId="201" formatCode="0.0&quot; days&quot;"/>'
        '</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="200"/><xf numFmtId="201"/></cellXfs></styleSheet>'
    )
    cells = ["<v>1.5</v>", *(f"<v>{v}</v>" for v in ("1", "#DIV/0!")), "<f>A1*2</f><v>3</v>", "<f>A1*2</f>", *["<v>2.5</v>"] * 3]
    kinds = ["", ' t="b"', ' t="e"', "", "", ' s="1"', ' s="2"', ' s="3"']
    rows = ['<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row>']
    rows += [f"<row><c><v>{k}</v></c><c{kind}>{cell}</c></row>" for k, (kind, cell) in enumerate(zip(kinds, cells, strict=True))]
    table = read(put(tmp_path, workbook(rows, strings=strings, styles=styles), "a.xlsx"))
    assert list(table.columns) == ["n", "G (uS)"]
    expected = ["1.5", "True", "#DIV/0!", "3", "", "1900-01-01 12:00:00", "1900-01-01 12:00:00", "2.5"]
    assert table.columns["G (uS)"] == expected


def test_sheets_of_another_program(tmp_path):
    """What openpyxl writes is read as openpyxl reads it: texts, numbers, empty cells, several sheets."""
    openpyxl = pytest.importorskip("openpyxl")
    rng, book = np.random.default_rng(0), openpyxl.Workbook()
    book.active.title = "first"
    book.active.append(["t", "y"])
    book.active.append([1, 2])
    sheet = book.create_sheet("second & last")
    sheet.append(["up\n(uS)", "label", None, "x"])
    for k in range(50):
        sheet.append([float(rng.standard_normal()), f"d{k % 3} <&>", None, None if k % 7 else k])
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(ship.FitError, match=r"several sheets; got first, second & last. Choose one: sheet='first'"):
        read(tmp_path / "a.xlsx")
    with pytest.raises(ship.FitError, match="no sheet 'third'"):
        read(tmp_path / "a.xlsx", sheet="third")
    table = read(tmp_path / "a.xlsx", sheet="second & last")
    seen = list(openpyxl.load_workbook(tmp_path / "a.xlsx")["second & last"].values)[1:]
    assert list(table.columns) == ["up (uS)", "label", "x"]
    assert (table.column("4"), table.positions) == (table.columns["x"], {"1": "up (uS)", "2": "label", "4": "x"})
    assert [float(x) for x in table.columns["up (uS)"]] == [row[0] for row in seen]
    assert table.columns["label"] == [row[1] for row in seen]
    assert table.columns["x"] == ["" if row[3] is None else str(row[3]) for row in seen]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (lambda: b"PK", "damaged"),
        (lambda: b"\xd0\xcf\x11\xe0" + bytes(600), "protected, or of an old format"),
        (lambda: container({"x": "y"}), "has no 'xl/workbook.xml'"),
        (lambda: workbook([*ROWS, "<row"]), "damaged"),
        (lambda: workbook(ROWS, before='<!DOCTYPE x [<!ENTITY a "b">]>'), "must have no document type"),
        (lambda: workbook([*ROWS, f"<row>{inline('x' * 40_000, 'A38')}</row>"]), "must have at most 32767 characters in a cell"),
        (lambda: workbook(['<row><c t="s"><v>5</v></c></row>']), "damaged"),
        (lambda: container({f"m{k}": "" for k in range(limits.MEMBERS + 1)}), "must have at most 10000 members"),
    ],
)
def test_no_workbooks(tmp_path, data, text):
    with pytest.raises(ship.FileError) as caught:
        read(put(tmp_path, data(), "a.xlsx"))
    assert text in str(caught.value)


def test_limits_of_a_sheet(tmp_path, monkeypatch):
    """Too many cells end the reading when they come, gaps included; so do too many bytes."""
    monkeypatch.setattr(limits, "CELLS", 60)
    with pytest.raises(ship.FileError, match="must have at most 60 cells"):
        read(put(tmp_path, workbook(ROWS), "a.xlsx"))
    wide = ['<row r="1"><c r="CV1"><v>1</v></c></row>']
    with pytest.raises(ship.FileError, match="must have at most 60 cells"):
        read(put(tmp_path, workbook(wide), "a.xlsx"))
    monkeypatch.setattr(limits, "PART", 500)
    with pytest.raises(ship.FileError, match="unpacked"):
        read(put(tmp_path, workbook(ROWS), "a.xlsx"))


# -- NPZ -----------------------------------------------------------------------------------------------------------------------


def npy(shape, data=b"", dtype="<f8"):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def test_members_that_nobody_asks_for_are_not_read(tmp_path):
    """A damaged, a huge and an object member beside the two that are used."""
    np.savez_compressed(
        tmp_path / "a.npz", up=np.arange(20.0) + 1, down=np.arange(20.0, 0, -1), zero=np.zeros(10**6), rest=np.array([print])
    )
    table = read(tmp_path / "a.npz")
    assert set(table.columns) == {"up", "down", "zero", "rest"}
    found = ship.fit(tmp_path / "a.npz", unit="uS", replicates=20)
    assert found.settings["points"] == 40
    assert "columns that were not used: zero, rest" in found.notes
    assert table.column("up")[3] == 4
    assert set(table.columns._read) == {"up"}


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (npy((10**12,)), "8000000000000 bytes are declared; got 0 bytes"),
        (npy((5,), bytes(48)), "40 bytes are declared; got 48 bytes"),
        (npy((-5,), bytes(40)), "declared"),
        (npy((0,)), "empty"),
        (npy((1,), bytes(8), "|O"), "holds objects"),
        (npy("(" * 3000), "damaged"),
        (b"no array", "damaged"),
        (npy((5,), bytes(40))[:20], "damaged"),
    ],
)
def test_declared_sizes_are_checked_first(tmp_path, member, text):
    table = read(put(tmp_path, container({"up.npy": member}), "a.npz"))
    with pytest.raises(ship.FileError) as caught:
        table.column("up")
    assert text in str(caught.value)


def test_a_member_of_a_false_size(tmp_path):
    """The directory says 20 bytes, the packed data unfold to 50 MB: what was said is unpacked, and it is an error."""
    data = bytearray(container({"up.npy": bytes(5 * 10**7)}))
    for at in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = (20).to_bytes(4, "little")
    with pytest.raises(ship.FileError, match="damaged"):
        read(put(tmp_path, bytes(data), "a.npz")).column("up")


def test_large_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "ARRAY", 1000)
    table = read(put(tmp_path, container({"up.npy": npy((200,), bytes(1600))}), "a.npz"))
    with pytest.raises(ship.FileError, match="unpacked"):
        table.column("up")


def test_orders_and_types(tmp_path):
    made = {
        "c": np.arange(6.0).reshape(2, 3),
        "f": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "t": np.array(["a", "bc"]),
        "z": np.array(1.5),
    }
    np.savez(tmp_path / "a.npz", **made)
    table = read(tmp_path / "a.npz")
    for name, array in made.items():
        assert np.array_equal(table.column(name), array)
    assert len(table.sha256) == 64


# -- text ----------------------------------------------------------------------------------------------------------------------


def test_line_breaks_in_headers(tmp_path):
    """As spreadsheets write them: quoted, with either line break; rows keep the number of their line in the file."""
    text = '\ufeff"up\r\n(uS)";"down\n(uS)"\r\n# a comment\r\n1;20\r\n\r\n"2";19\r\n'
    table = read(put(tmp_path, text))
    assert table.columns == {"up (uS)": ["1", "2"], "down (uS)": ["20", "19"]}
    assert table.rows == [5, 7]
    assert table.notes == ["1 lines that begin with # were left out as comments"]


def test_nothing_within_a_quoted_cell_is_left_out(tmp_path):
    """Lines that look like comments or are empty, and other characters that end lines elsewhere."""
    table = read(put(tmp_path, 'label,x\n"a\n# b\n\nc",1\n"d\x0b\u2028e",2\n'))
    assert table.columns == {"label": ["a\n# b\n\nc", "d\x0b\u2028e"], "x": ["1", "2"]}
    assert table.rows == [2, 6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('x,label\n1,a\n2,"b\n3,c\n4,d\n', "row 3: is no row of a table"),  # it would hide two rows
        ('x,label\n1,"a"b\n', "row 2: is no row of a table"),
        ("x,y\n1," + "5" * 200_000, "row 2: is no row of a table"),
        ("x,y\n" + "1," * (3 * 2**20), "line 2: must have at most 4194304 characters"),
        ("(" * 50_000 + ",b\n1,2\n", "header: must have at most 1000 characters"),
    ],
)
def test_no_tables(tmp_path, text, message):
    with pytest.raises(ship.FileError) as caught:
        read(put(tmp_path, text))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_limits_of_a_text(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "CELLS", 1000)
    with pytest.raises(ship.FileError, match="must have at most 1000 cells"):
        read(put(tmp_path, "a,b\n" + "1,2\n" * 600))


def test_long_headers_are_read_in_linear_time():
    """Any header of 200,000 brackets or separators, for each quantity: quadratic time would be hours."""
    for header in ("(" * 200_000, "(" * 200_000 + ")", "_" * 200_000, "( " * 100_000 + "s)", "a/" * 100_000):
        assert units.bare(header)


def test_columns_without_a_header_are_named(tmp_path):
    """An index that some program wrote, and an empty column at the end: the first is called by its number, and is no data."""
    table = read(put(tmp_path, ",x,y,\n0,1,2,\n1,3,4,\n"))
    assert table.columns == {"1": ["0", "1"], "x": ["1", "3"], "y": ["2", "4"]}
    assert table.unnamed == ("1",)
    assert table.notes == ["columns without a header are called by their number: 1"]
    made = ship.measured_array(put(tmp_path, ",x,y,\n0,1,2,\n1,3,4,\n"), unit="uS")
    assert made.conductance.shape == (2, 2)
    assert made.notes == ("columns without a header are called by their number: 1", "columns without a name were left out: 1")


def test_numbers_of_programs_are_no_numbers(tmp_path):
    with pytest.raises(ship.FitError, match="row 2, column 'x': must be a number; got '1_000'"):
        ship.measured_array(put(tmp_path, "x,y\n1_000,2\n"), unit="uS")


@pytest.mark.parametrize("source", [{"up": [[1.0], [1.0, 2.0]]}, [[1.0], [1.0, 2.0]], {"up": 1j}, object(), b"abc", None, 5])
def test_sources_that_are_none(source):
    with pytest.raises(ship.ShipError):
        ship.fit(source, "pulses", unit="uS")


@pytest.mark.parametrize(
    ("cell", "value"), [("1,5", 1.5), ("1.234,5", 1234.5), ("-1.234.567,25", -1234567.25), ("1.5", 1.5), ("2e-3", 2e-3)]
)
def test_decimal_commas(tmp_path, cell, value):
    made = ship.measured_array(put(tmp_path, f"x;y\n{cell.lstrip('-')};1\n"), unit="S", decimal=",")
    assert made.conductance[0, 0] == abs(value)


def test_a_group_or_a_decimal_point(tmp_path):
    """With decimal commas, 1.234 may be 1234: 1000 times as much."""
    with pytest.raises(ship.FitError, match="could have a decimal point or a group of thousands"):
        ship.measured_array(put(tmp_path, "x;y\n1.234;1\n"), unit="S", decimal=",")


@pytest.mark.parametrize("name", ["retention_rising", "pulses_current_40_states", "keithley_set_runs"])
def test_sheets_of_laboratories(name):
    """Every cell of every sheet as openpyxl reads it."""
    openpyxl = pytest.importorskip("openpyxl")
    path = Path(os.environ.get("SHIP_DATA", "nowhere")) / "lab" / f"{name}.xlsx"
    if not path.exists():
        pytest.skip(f"SHIP_DATA does not hold lab/{name}.xlsx")
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    for sheet in book.sheetnames:
        raw = Book(name, path.read_bytes()).read(sheet)
        seen = {(row, j): cell for row, line in zip(raw.numbers, raw.cells, strict=True) for j, cell in enumerate(line) if cell}
        values = {(i, j): v for i, line in enumerate(book[sheet].values, 1) for j, v in enumerate(line) if v not in (None, "")}
        assert seen.keys() == values.keys()
        assert all(float(seen[at]) == v if isinstance(v, float | int) else seen[at] == v for at, v in values.items())
    book.close()


def test_fits_of_too_many_points(monkeypatch):
    """A fit that would take hours is refused before it begins; sweeps of a voltage are reduced first."""
    monkeypatch.setattr(limits, "POINTS", 30)
    up = np.arange(1.0, 41)
    with pytest.raises(ship.FitError, match="must have at most 30 points to be fitted; got 40"):
        ship.fit({"up": up, "down": up[::-1]}, "pulses", unit="uS")
    v = np.concatenate([np.linspace(0, 1, 100), np.linspace(1, 0, 100)])
    i = np.where(np.arange(200) < 100, 1e-7, 1e-6) * v
    assert ship.fit({"voltage_V": v, "current_A": i}, "iv", replicates=20).settings["points"] == 200
