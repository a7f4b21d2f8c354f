"""Files of measurements as instruments write them: any separator, preamble, header and encoding gives back what was written."""

import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ship
from sheets import put, rows_of, workbook
from ship.devices.reading.cells import is_number, mark
from ship.devices.reading.spelling import for_command
from ship.devices.reading.table import read

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "spaces": "   "}
PREAMBLES = {
    "none": "",
    "keys": "Operator: A. B.\nSample = M1\nPoints:7\n\n",
    "cells": "Operator,A. B.\nSite,3\n\n",
    "comments": "# Operator: A. B.\n# made 2021-04-12\n",
    "title": "Sweep of the third sample\n\n",
}
NAMES = ["Spannung", "I_D", "\u7535\u538b", "tension", "G", "R", "run time", "Zeit"]
UNITS = ["V", "A", "uA", "ohm", "S", "ms"]


def written(values, *, separator=",", preamble="", header="names", names=(), units=(), footer="", decimal=".", newline="\n"):
    """A file of numbers in the given form."""
    lines = []
    if header in ("names", "rows"):
        titles = names if header == "rows" else [f"{n} ({u})" for n, u in zip(names, units, strict=True)]
        lines.append(titles)
    if header == "rows":
        lines.append([f"[{u}]" for u in units])
    lines += [[f"{x:.6g}".replace(".", decimal) for x in row] for row in values]
    text = "\n".join(separator.join(line) for line in lines)
    return (preamble + text + "\n" + footer).replace("\n", newline)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.lists(st.floats(-1e3, 1e3).map(lambda x: x + 0.5), min_size=3, max_size=3), min_size=4, max_size=12),
    separator=st.sampled_from(sorted(SEPARATORS)),
    preamble=st.sampled_from(sorted(PREAMBLES)),
    header=st.sampled_from(["names", "rows", "none"]),
    names=st.lists(st.sampled_from(NAMES), min_size=3, max_size=3, unique=True),
    units=st.lists(st.sampled_from(UNITS), min_size=3, max_size=3),
    footer=st.sampled_from(["", "Total,3\n", "\nEnd of data\n", "Last Executed 12/06/2025\n"]),
    decimal=st.sampled_from([".", ","]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
)
def test_every_form_gives_back_what_was_written(
    tmp_path_factory, values, separator, preamble, header, names, units, footer, decimal, newline, encoding
):
    """Names, units, numbers, the decimal sign and the numbers of the rows, whatever stands around the table."""
    decimal = "." if separator == "comma" else decimal
    if separator == "spaces":
        names = [name.replace(" ", "_") for name in names]
    form = {"separator": SEPARATORS[separator], "preamble": PREAMBLES[preamble], "header": header, "names": names}
    text = written(values, **form, units=units, footer=footer, decimal=decimal, newline=newline)
    path = put(tmp_path_factory.mktemp("form"), text.encode(encoding))
    table = read(path)
    plain = re.split("\r\n|\r|\n", text)
    at = next(k for k, line in enumerate(plain, 1) if line.startswith(f"{values[0][0]:.6g}".replace(".", decimal)))
    assert table.rows == list(range(at, at + len(values)))
    expected = ["1", "2", "3"] if header == "none" else [f"{n} ({u})" for n, u in zip(names, units, strict=True)]
    assert list(table.columns) == expected
    assert table.header == (header != "none")
    found = np.array([[float(c.replace(decimal, ".")) for c in column] for column in table.columns.values()]).T
    assert np.array_equal(found, [[float(f"{x:.6g}") for x in row] for row in values])
    if separator != "comma":
        fractions = [x for row in values for x in row if "." in f"{x:.6g}"]
        thousands = [x for x in fractions if decimal == "," and re.fullmatch(r"-?[1-9]\d{0,2}\.\d{3}", f"{x:.6g}")]  # 1,625
        assert table.decimal == (decimal if len(thousands) < len(fractions) else "")
    if header == "rows":
        assert table.units == dict(zip(expected, units, strict=True))
    for k, name in enumerate(expected, 1):
        assert table.column(str(k)) == table.columns[name]
    dropped = sum(len(rows) for rows in table.dropped.values())
    there = sum(bool(line.strip()) for line in plain)
    assert dropped + len(values) + {"none": 0, "names": 1, "rows": 2}[header] == there


@pytest.mark.parametrize(
    ("text", "columns", "facts"),
    [
        ("V,I,V,I\n1,2,3,4\n2,3,4,5\n", ["V", "I", "V#2", "I#2"], {}),
        ("I (A),I (A)\n1,2\n2,3\n", ["I (A)", "I (A)#2"], {"units": {"I (A)#2": "A"}}),
        ("D 1,,D 2,\nV,I,V,I\n1,2,3,4\n2,3,4,5\n", ["D 1.V", "D 1.I", "D 2.V", "D 2.I"], {}),
        ("A,A,B,B\nV,I,V,I\nV,A,V,uA\n1,2,3,4\n", ["A.V (V)", "A.I (A)", "B.V (V)", "B.I (uA)"], {}),
        ("Voltage (V), Current (A)\n0.1\t1e-6\n0.2\t2e-6\n", ["Voltage (V)", "Current (A)"], {"decimal": "."}),
        ("  V (V)   I (A)\n  0.1  1\n  0.2  2\n", ["V (V)", "I (A)"], {}),
        ("# V (V) I (A)\n0.1 1\n0.2 2\n", ["V (V)", "I (A)"], {}),
        ("# sample: x\n# V,I\n0.1,1\n0.2,2\n", ["V", "I"], {"meta": {"sample": "x"}}),
        ("#,V\n1,0.1\n2,0.2\n", ["1", "V"], {"unnamed": ("1",)}),
        (",0,1,2\n0,5,6,7\n1,6,7,8\n", ["1#2", "0", "1", "2"], {"unnamed": ("1#2",)}),
        ("T,300,350\n0,1,2\n1,2,3\n", ["T", "300", "350"], {}),
        ("A,0,1\nA,1,2\nB,0,1\n", ["1", "2", "3"], {"header": False}),
        ("note,3\nV,I,0.5\n0,1,2\n1,2,3\n", ["V", "I", "0.5"], {"rows": [3, 4]}),
        ("V,I\n#REF,#REF\n1,2\n2,3\n", ["V", "I"], {"rows": [2, 3, 4]}),
        ("V | I\n---|---\n1 | 2\n2 | 3\n", ["V", "I"], {"rows": [3, 4], "dropped": {"line of signs": [2]}}),
        ("SET,1,2,3,4\nREAD,1,2,3,4,5\nSET,2,2,3,4\nREAD,1,2,3,4,6\n", ["1", "2", "3", "4", "5", "6"], {"header": False}),
        ("V\tI\tV\tI\nV\tA\tV\tA\nM1\tM1\tM2\tM2\n0\t1\t0\t2\n", ["M1.V (V)", "M1.I (A)", "M2.V (V)", "M2.I (A)"], {}),
        ("U\tI\nV\tA\nfirst\tagain\n0\t1\n1\t2\n", ["U (V)", "I (A)"], {"meta": {"remarks": "first, again"}}),
        ('"V","I"\n"0,1","1,5e-6"\n"0,2","2,5e-6"\n', ["V", "I"], {"decimal": ","}),
        ("EC-Lab ASCII FILE\nNb header lines : 3\nmode\tEwe/V\n1\t0.5\n", ["mode", "Ewe/V"], {"format": "tab-separated text"}),
        ("Datum;Zeit;U\n01.02.2021;10:00:00;1,5\n01.02.2021;10:00:01;1,6\n", ["Datum", "Zeit", "U"], {"decimal": ","}),
        ("n,R,S\n1,2,3\n2,3,4\nAverage,2,3\nStd,1,1\n", ["n", "R", "S"], {"dropped": {"footer": [4, 5]}}),
        ("1\n2\n3\n", ["1"], {"header": False, "rows": [1, 2, 3]}),
        ("V,I\n0,9.91E37\n1,OVERFLOW\n2,#REF\n3,#DIV/0!\n4,-\n5,inf\n", ["V", "I"], {"rows": [2, 3, 4, 5, 6, 7]}),
        ("#REF,1\n2,3\n4,5\n", ["1", "2"], {"rows": [1, 2, 3]}),
        ("V,I\n0,1\n1,2\nV,I\n2,3\n", ["V", "I", "block"], {"dropped": {"repeated header": [4]}}),
        ("V,I,t\n0,1,2\n1,2\n2,3,4\n", ["V", "I", "t"], {"rows": [2, 3, 4]}),
        ("Site,3\nV,I\n0,1\n1,2\n2,3\nMean,2\n", ["V", "I"], {"dropped": {"footer": [6], "preamble": [1]}}),
        ("t;x\n\u22120,5;1\n0,5;2\n", ["t", "x"], {"decimal": ","}),
        ("x;y\n1,000;1\n2,000;2\n", ["x", "y"], {"decimal": ""}),  # thousands, or decimal commas
        ("Date Time\tV\n2021-01-01 10:00:00\t1\n2021-01-01 10:00:01\t2\n", ["Date Time", "V"], {}),
        ('V,note\n1,"(2, 3)"\n2,(4, 5)\n', ["V", "note"], {}),
        ("x\n1.5D-3\n2.5D-3\n", ["x"], {"rows": [2, 3]}),
    ],
)
def test_forms(tmp_path, text, columns, facts):
    """One file for each form, with what is known of it."""
    table = read(put(tmp_path, text))
    assert list(table.columns) == columns
    for name, value in facts.items():
        assert getattr(table, name) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("words\nand, more words\n", "holds no numbers; got rows of text, the first of them 'words'"),
        ('{"a": [1, 2]}\n', "is JSON, XML or HTML, not a table. Export it as CSV."),
        ("<html><td>1</td></html>", "is JSON, XML or HTML"),
        ("V,I\n", "needs a header and at least one row"),
        ("V,I\n1,2,3\n2,3,4\n", "row 2: must have 2 cells, as the header; got 3. With decimal commas"),
        ("1,2\n2,3\n3,4,5\n", "row 3: must have 2 cells, as most rows; got 3"),
        ("0,25,1,05\n0,50,1,10\n0,75,1,15\n", "its commas may be decimal signs as well as separators; got 0,25,1,05"),
        ("1,5, 2,5\n3,5, 4,5\n", "its commas may be decimal signs as well as separators"),
        ("a" + "," * 17_000 + "\n" + "1," * 17_000 + "\n", "must have at most 16384 columns"),
    ],
)
def test_what_is_no_table(tmp_path, text, message):
    with pytest.raises(ship.ShipError) as caught:
        read(put(tmp_path, text))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_damaged_number_is_no_footer(tmp_path):
    """A last row that was a number stays, as an error for those who want its column; rows above the header are named."""
    assert read(put(tmp_path, "V,I\n1,2\n2,3\n1.x5,4\n")).rows == [2, 3, 4]
    assert read(put(tmp_path, "V,I\n1,2\noops,3\n2,4\n")).columns["V"] == ["1", "oops", "2"]
    table = read(put(tmp_path, "7,7\nV,I\n1,2\n2,3\n3,4\n"))
    assert table.dropped == {"numbers above the header": [1]}
    assert table.notes == ["1 rows of numbers above the header were left out: 1"]


def test_text_that_says_no_encoding(tmp_path):
    """UTF-16 without its mark is found by its zero bytes; Latin-1 is what is left; other zero bytes are no text."""
    text = "U (V)\tI (\u00b5A)\n1\t2\n3\t4\n"
    for encoding in ("utf-16-le", "utf-16-be", "latin-1", "utf-16"):
        assert list(read(put(tmp_path, text.encode(encoding))).columns) == ["U (V)", "I (\u00b5A)"]
    with pytest.raises(ship.FileError, match="is no text file"):
        read(put(tmp_path, b"V,I\n1,2\n\0\0\0"))


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("", "empty"),
        ("NaN", "empty"),
        ("-", "empty"),
        ("---", "no value"),
        ("#REF", "a failed formula"),
        ("#DIV/0!", "a failed formula"),
        ("9.91E+37", "an overflow"),
        ("9.9e37", "an overflow"),
        ("-OVLD", "an overflow"),
        ("1e999", "an overflow"),
        (9.91e37, "an overflow"),
        (float("nan"), "empty"),
        ("1.5", ""),
        ("label", ""),
        (2.5, ""),
    ],
)
def test_marks_of_no_value(cell, why):
    assert mark(cell) == why
    assert why == "" or not (isinstance(cell, str) and is_number(cell))


# -- logs and trains -----------------------------------------------------------------------------------------------------------


def test_trains_of_pulses(tmp_path):
    """A train a line becomes a row for each value; keys of one kind become one column."""
    text = "(A,0,1),tup=1e-3,Gup, 1e-6, 2e-6, 3e-6, 4e-6, 5e-6\n(A,0,1),tdown=2e-3,Gdown, 5e-6, 3e-6, 2e-6, 1e-6\n"
    table = read(put(tmp_path, text))
    assert list(table.columns) == ["label", "series", "width", "pulse", "value"]
    assert table.columns["pulse"] == ["1", "2", "3", "4", "5", "1", "2", "3", "4"]
    assert table.columns["label"] == ["(A,0,1)"] * 9
    assert table.columns["width"] == ["1e-3"] * 5 + ["2e-3"] * 4
    assert table.rows == [1] * 5 + [2] * 4
    assert table.recognised == "comma-separated text; one train a line: 2 lines of 4 to 5 values"
    named = read(put(tmp_path, text.replace("tdown", "tup")))
    assert "tup" in named.columns


def test_logs_of_unknown_instruments(tmp_path):
    """Rows of several kinds are told, and each can be read alone by the number of the column."""
    text = "1,SET,2.5,1\n2,READ,1e4\n3,RESET,2.5,0\n4,READ,9e4\n5,SET,2.5,1\n6,READ,1e4\n7,RESET,2.5,0\n"
    with for_command():
        table = read(put(tmp_path, text))
    assert "rows of 3 kinds by column 2: SET 2, READ 3, RESET 2" in table.recognised
    assert any("--only 2=SET" in note for note in table.notes)
    assert table.columns["3"] == ["2.5", "1e4", "2.5", "9e4", "2.5", "1e4", "2.5"]


def test_a_quoted_file_is_what_the_csv_module_reads(tmp_path):
    """Quoted cells with separators, quotes and line breaks in them."""
    rng = np.random.default_rng(5)
    for _ in range(30):
        rows = [["name", "x", "note, with comma"]]
        rows += [[f'd"{k}', f"{rng.standard_normal():.5f}", "a,b\nc" if rng.random() < 0.3 else "d"] for k in range(8)]
        file = io.StringIO()
        csv.writer(file).writerows(rows)
        table = read(put(tmp_path, file.getvalue()))
        assert [list(table.columns), *map(list, zip(*table.columns.values(), strict=True))] == rows


def test_sheets_without_a_header(tmp_path):
    table = read(put(tmp_path, workbook(rows_of([[1.0, 2.0], [3.0, 4.0]])), "a.xlsx"))
    assert (table.columns, table.header) == ({"1": ["1.0", "3.0"], "2": ["2.0", "4.0"]}, False)
