"""Files of measurements: the right table, or an error of SHIP's that says what is wrong, whatever the bytes are."""

import io
import itertools
import os
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import ship
from ship.fitting import limits, units
from ship.fitting.table import read
from ship.fitting.xlsx import read_xlsx

SPACE = "http://schemas.openxmlformats.org"
STRANGE = [
    "",
    "#",
    '"',
    "x,y",
    "1_000",
    "inf",
    "-",
    " ",
    "a\nb",
    "\u2028",
    "\x85",
    "0" * 40,
    "=1+1",
    "<v>1</v>",
    "é",
    "NaN",
    "1e999",
]


def put(tmp_path, data, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def container(members, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, **options) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


def rows_of(lines):
    """The XML of rows of numbers and texts, from row 1 on."""
    cells = [
        [
            f'<c r="{chr(65 + j)}{i}"><v>{v}</v></c>' if isinstance(v, int | float) else inline(v, f"{chr(65 + j)}{i}")
            for j, v in enumerate(line)
        ]
        for i, line in enumerate(lines, 1)
    ]
    return [f'<row r="{i}">{"".join(row)}</row>' for i, row in enumerate(cells, 1)]


def inline(text, place):
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def workbook(rows, dimension="A1:B37", **parts):
    """An XLSX file with one sheet, as small as it may be."""
    kinds = {"worksheet": "worksheets/sheet1.xml"} | ({"sharedStrings": "strings.xml"} if "strings" in parts else {})
    kinds |= {"styles": "styles.xml"} if "styles" in parts else {}
    related = "".join(
        f'<Relationship Id="r{k}" Type="{SPACE}/officeDocument/2006/relationships/{kind}" Target="{target}"/>'
        for k, (kind, target) in enumerate(kinds.items())
    )
    sheet = f'<worksheet><dimension ref="{dimension}"/><sheetData>{"".join(rows)}</sheetData></worksheet>'
    members = {
        "xl/workbook.xml": '<workbook xmlns:r="x"><sheets><sheet name="one" r:id="r0"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships>{related}</Relationships>",
        "xl/worksheets/sheet1.xml": parts.get("before", "") + sheet,
    }
    return container(members | {f"xl/{name}.xml": text for name, text in parts.items() if name != "before"})


NUMBERS = [[float(k), 100.0 - k] for k in range(36)]
ROWS = rows_of([["a", "b"], *NUMBERS])


def numbers(table):
    return [[float(x) for x in row] for row in zip(*table.columns.values(), strict=True)]


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
    """An index that some program wrote, and an empty column at the end: the first is said to be left out."""
    table = read(put(tmp_path, ",x,y,\n0,1,2,\n1,3,4,\n"))
    assert table.columns == {"x": ["1", "3"], "y": ["2", "4"]}
    assert table.notes == ["columns without a header were left out: 1"]
    made = ship.measured_array(put(tmp_path, ",x,y,\n0,1,2,\n1,3,4,\n"), unit="uS")
    assert made.conductance.shape == (2, 2)
    assert made.notes == ("columns without a header were left out: 1",)


def test_numbers_of_programs_are_no_numbers(tmp_path):
    with pytest.raises(ship.FitError, match="row 2, column 'x': must be a number; got '1_000'"):
        ship.measured_array(put(tmp_path, "x,y\n1_000,2\n"), unit="uS")


@pytest.mark.parametrize("source", [{"up": [[1.0], [1.0, 2.0]]}, [[1.0], [1.0, 2.0]], {"up": 1j}, object(), b"abc", None, 5])
def test_sources_that_are_none(source):
    with pytest.raises(ship.ShipError):
        ship.fit(source, "pulses", unit="uS")


# -- damaged files -------------------------------------------------------------------------------------------------------------


def damaged(data, rng):
    """Bytes flipped, cut out, doubled, exchanged, put in."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        a, b = sorted(rng.integers(0, len(data) + 1, 2).tolist())
        b = min(b, a + 40)
        what = rng.integers(0, 6)
        if what == 0 and a < len(data):
            data[a] ^= 1 << int(rng.integers(0, 8))
        elif what == 1:
            del data[a:b]
        elif what == 2:
            data[a:a] = data[a:b]
        elif what == 3:
            data[a:b] = rng.integers(0, 256, b - a, np.uint8).tobytes()
        elif what == 4:
            data[a:a] = STRANGE[rng.integers(0, len(STRANGE))].encode()
        elif rng.random() < 0.3:
            del data[a:]
    return bytes(data)


def parsed(text, delimiter):
    """Rows of a text, by the rules of RFC 4180, character by character; comments and empty lines between rows are left out."""
    rows, row, cell, quoted, start = [], [], "", False, True
    text = text.replace("\r\n", "\n").replace("\r", "\n") + ("" if text.endswith("\n") else "\n")
    at = 0
    while at < len(text):
        if start and not row and not cell and not quoted:
            line = text[at : text.index("\n", at)]
            if not line.strip() or line.lstrip().startswith("#"):
                at += len(line) + 1
                continue
        c = text[at]
        if quoted:
            if c == '"' and text[at + 1 : at + 2] == '"':
                cell, at = cell + '"', at + 1
            elif c == '"':
                quoted = False
            else:
                cell += c
        elif c == '"' and start:
            quoted = True
        elif c == delimiter:
            row, cell = [*row, cell], ""
        elif c == "\n":
            rows, row, cell = [*rows, [*row, cell]], [], ""
        else:
            cell += c
        start, at = c in (delimiter, "\n") and not quoted, at + 1
    return [r for r in rows if any(c.strip() for c in r)]


def test_damaged_text(tmp_path):
    """1500 damaged CSV files: an error of SHIP's, or the rows that an independent reader finds, all of them."""
    rng, good = np.random.default_rng(1), 0
    text = '# probe\n"time\n(s)",label,"G (uS)"\n' + "\n".join(f'{k},"d{k % 2}",{50 - k / 8}' for k in range(12)) + "\n"
    for _ in range(1500):
        data = damaged(text.encode(), rng)
        try:
            table = read(put(tmp_path, data))
        except ship.ShipError:
            continue
        good += 1
        try:
            plain = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            plain = data.decode("latin-1")
        options = [parsed(plain, d) for d in "\t;,"]
        rows = next(rows for rows in options if [" ".join(c.split()) for c in rows[0] if c.split()] == list(table.columns))
        kept = [i for i, head in enumerate(rows[0]) if head.split()]
        seen = [[row[i].strip() for i in kept] for row in rows[1:]]
        columns = [[c.replace("\r\n", "\n").replace("\r", "\n").strip() for c in column] for column in table.columns.values()]
        assert [list(row) for row in zip(*columns, strict=True)] == seen
    assert 150 < good < 1400


def test_damaged_containers(tmp_path):
    """1000 damaged XLSX and NPZ files: their bytes have checksums, so it is an error of SHIP's, or the same table as before."""
    rng = np.random.default_rng(2)
    file = io.BytesIO()
    np.savez(file, up=np.arange(20.0), label=np.array(["a", "b"] * 10))
    for name, data in (("a.xlsx", workbook(ROWS)), ("a.npz", file.getvalue())):
        whole = read(put(tmp_path, data, name))
        errors = 0
        for _ in range(500):
            try:
                table = read(put(tmp_path, damaged(data, rng), name))
                columns = {head: np.asarray(table.column(head)).tolist() for head in table.columns}
            except ship.ShipError:
                errors += 1
                continue
            for head, column in columns.items():
                assert column == np.asarray(whole.column(head)).tolist()
        assert errors > 200


def cells_of(xml):
    """Cells by their place, from the tree of a sheet in which all have one; None where a place is taken twice or does not fit."""
    found = {}
    for row in ElementTree.fromstring(xml).iter("row"):
        for cell in row.iter("c"):
            place = cell.get("r", "")
            match = re.fullmatch(r"([A-Z]+)(\d+)", place)
            if match is None or match[2] != row.get("r") or place in found:
                return None
            found[place] = "".join(t.text or "" for t in cell.iter() if t.tag in ("v", "t")).strip()
    return found


def test_damaged_sheets(tmp_path):
    """600 sheets with damaged XML and a right checksum: an error, or every cell that an independent reader finds."""
    rng, good = np.random.default_rng(3), 0
    lines = [["a", "b"], *NUMBERS[:8]]
    for _ in range(600):
        rows = rows_of(lines)
        for _ in range(rng.integers(1, 3)):
            i, j = rng.integers(0, len(rows), 2)
            what = rng.integers(0, 6)
            if what == 0:
                rows[i], rows[j] = rows[j], rows[i]
            elif what == 1:
                rows.insert(i, rows[j])
            elif what == 2:
                rows[i] = rows[i].replace(f'r="{i + 1}"', f'r="{rng.integers(0, 12)}"', 1)
            elif what == 3:
                rows[i] = re.sub(r"[AB](?=\d)", lambda _: "ABC"[rng.integers(0, 3)], rows[i])
            elif what == 4:
                rows[i] = damaged(rows[i].encode(), rng).decode("latin-1")
            else:
                del rows[i]
        data = workbook(rows, f"A1:B{rng.integers(1, 9)}")
        try:
            table = read(put(tmp_path, data, "a.xlsx"))
        except ship.ShipError:
            continue
        good += 1
        xml = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml")
        expected = cells_of(xml)
        if expected is None:
            assert any(
                'r="' not in row.split(">")[0] or row.count("<c r=") < row.count("<c") for row in rows
            )  # places that follow
            continue
        seen = sorted(c for c in itertools.chain(table.columns, *table.columns.values()) if c)
        assert seen == sorted(c for c in expected.values() if c) or table.notes  # a column without a header is a note
    assert good > 60


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
        cells, rows, _ = read_xlsx(name, path.read_bytes(), sheet)
        seen = {(row, j): cell for row, line in zip(rows, cells, strict=True) for j, cell in enumerate(line) if cell}
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
