"""Several files, and several sheets of a workbook, as one table."""

import numpy as np
import pytest

import ship
from sheets import put
from ship.devices.reading import limits
from ship.devices.reading.table import read


def test_several_files(tmp_path):
    """A label says the file; patterns are in natural order; each row knows its file and number; digests are combined."""
    for k in (10, 2, 1):
        put(tmp_path, f"V,I\n{k},1\n{k},2\n", f"run{k}.csv")
    table = read(str(tmp_path / "run*.csv"))
    assert table.columns["file"] == ["run1.csv"] * 2 + ["run2.csv"] * 2 + ["run10.csv"] * 2
    assert table.columns["V"] == ["1", "1", "2", "2", "10", "10"]
    assert table.row(5) == "run10.csv: row 3"
    assert table.name == "run1.csv and 2 more"
    assert [name for name, _ in table.sources] == ["run1.csv", "run2.csv", "run10.csv"]
    again = read([tmp_path / f"run{k}.csv" for k in (1, 2, 10)])
    assert (again.columns, again.sha256) == (table.columns, table.sha256)
    assert read([tmp_path / "run1.csv"]).columns == {"V": ["1", "1"], "I": ["1", "2"]}


def test_files_that_do_not_belong_together(tmp_path):
    one, other = put(tmp_path, "V,I\n1,2\n2,3\n", "a.csv"), put(tmp_path, "V,J\n1,2\n2,3\n", "b.csv")
    with pytest.raises(ship.FitError, match=r"b.csv: must have the columns of a.csv; got no column 'I'"):
        read([one, other])
    with pytest.raises(ship.FileError, match="is named twice"):
        read([one, one])
    with pytest.raises(ship.FileError, match="no file has such a name"):
        read(str(tmp_path / "x*.csv"))
    np.savez(tmp_path / "c.npz", V=np.arange(3.0))
    with pytest.raises(ship.FitError, match="cannot be read with other files"):
        read([one, tmp_path / "c.npz"])
    same = tmp_path / "more"
    same.mkdir()
    both = read([one, put(same, "V,I\n5,6\n", "a.csv")])
    assert len(set(both.columns["file"])) == 2  # of one name, so they have their folders


def book_of(tmp_path, sheets, name="a.xlsx"):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / name)
    return tmp_path / name


RUN = [["V", "I"], [0.0, 1.0], [1.0, 2.0]]


def test_several_sheets(tmp_path):
    """All that have the columns of the first; others are named; the order of the workbook stays."""
    path = book_of(
        tmp_path, {"Run3": RUN, "Calc": [], "Settings": [["Start"], ["Stop"]], "Run2": RUN, "Run1": [*RUN, [2.0, 3.0]]}
    )
    with pytest.raises(
        ship.FitError, match=r"several sheets; got Run3, Calc, .* Choose one: sheet='Run3', or all .* sheet='all'"
    ):
        read(path)
    table = read(path, sheet="all")
    assert table.columns["sheet"] == ["Run3"] * 2 + ["Run2"] * 2 + ["Run1"] * 3
    assert table.row(6) == "sheet Run1: row 4"
    assert "sheets without the columns of 'Run3' were left out: Calc, Settings" in table.notes
    assert any("falling order" in note for note in table.notes)
    assert read(path, sheet=["Run1", "Run3"]).columns["sheet"] == ["Run1"] * 3 + ["Run3"] * 2
    assert "sheet" not in read(path, sheet="Run1").columns
    with pytest.raises(ship.FitError, match="Settings'"):
        read(path, sheet="Settings")


def test_the_only_sheet_that_holds_a_table(tmp_path):
    """Empty sheets, and those of settings, are no reason to ask."""
    path = book_of(tmp_path, {"Sheet1": [], "Data": RUN, "Settings": [["Start"], ["Stop"]]})
    table = read(path)
    assert table.columns == {"V": ["0", "1"], "I": ["1", "2"]}
    assert "left out: Sheet1, Settings" in table.notes[0]


def test_too_many_cells_in_all(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "CELLS", 30)
    paths = [put(tmp_path, "V,I\n" + "1,2\n" * 10, f"{k}.csv") for k in range(3)]
    with pytest.raises(ship.FileError, match="must have at most 30 cells"):
        read(paths)
