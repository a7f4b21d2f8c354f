"""Measurement files as laboratories publish them: each opens as it came, with the right table. Needs SHIP_DATA."""

import os
from pathlib import Path
from statistics import median

import pytest

from ship.devices.reading import instruments
from ship.devices.reading.table import read

LAB = Path(os.environ.get("SHIP_DATA", "nowhere")) / "lab"
pytestmark = pytest.mark.skipif(not LAB.is_dir(), reason="SHIP_DATA does not name a folder with lab/")


@pytest.fixture(autouse=True)
def no_descriptions_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr(instruments, "_users", lambda: tmp_path)


def numbers(table, name):
    return [float(c) for c in table.column(name) if c]


FILES = {  # rows, columns, the first row of data, its first cells, what is recognised
    "easyexpert_graphene_iv.csv": (
        201,
        2,
        214,
        ["-0.05", "-6.7372199999999987E-08"],
        "Keysight EasyEXPERT export; header in row 213",
    ),
    "keithley_cycle_summary.csv": (
        1000,
        22,
        3,
        ["1", "0.000125846650917083"],
        "Keithley Clarius summary of cycles; header in row 2",
    ),
    "keithley_cycle_summary.txt": (1000, 22, 3, ["1", "125.8467E-6"], "Keithley Clarius summary of cycles; header in row 2"),
    "keithley_set_run.txt": (502, 11, 2, ["410.1377E-2", "298.0951E-12"], "Keithley Clarius run; header in row 1"),
    "rram_endurance_1us.tsv": (10_050, 4, 1, ["186", "10492.142048357642"], "tab-separated text; no header"),
    "rram_retention_1cell_3000.csv": (3000, 6, 1, ["16984", "1618447530.408875"], "comma-separated text; no header"),
    "rram_iv_100_cells.tsv": (3600, 3, 1, ["18433", "-1.9092736187808813e-06"], "tab-separated text; no header"),
    "rram_endurance_log_3000.csv": (1200, 9, 3, ["C4", "1619201838.5053282"], "NI-RRAM log of operations; 1200 reads"),
    "rram_prebake85_4096.tsv": (4096, 2, 1, ["0", "136527.10101001294"], "tab-separated text; no header"),
    "rram_postbake85_4096.tsv": (4096, 2, 1, ["0", "74014.79188938114"], "tab-separated text; no header"),
    "pulses_current_53_devices.xlsx": (500, 55, 1, ["4", "0.5"], "sheet 'Sheet1'; no header"),
    "pulses_current_40_states.xlsx": (80, 3, 1, ["1", "0.2"], "sheet 'Sheet1'; no header"),
    "retention_rising.xlsx": (361, 2, 1, ["1", "2.1359481895863342E-5"], "sheet 'Sheet1'; no header"),
    "yflash_96_devices.txt": (6038, 5, 1, ["(U2,0,0)", "Gprog"], "comma-separated text; one train a line: 192 lines of 15 to 66"),
    "knowm_sdc_5k_100Hz_M1.csv": (200, 2, 1, ["-0.0741899832947048", "-34.41984025805942"], "comma-separated text; no header"),
    "knowm_sdc_5k_100Hz_M2.csv": (200, 2, 1, ["-0.011873051252968858"], "comma-separated text; no header"),
    "knowm_sdc_5k_100Hz_M3.csv": (200, 2, 1, ["-0.6527499152013135"], "comma-separated text; no header"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_opens_as_it_came(name):
    rows, columns, first, cells, recognised = FILES[name]
    table = read(LAB / name)
    assert (len(table.rows), len(table.columns), table.rows[0]) == (rows, columns, first)
    assert [column[0] for column in table.columns.values()][: len(cells)] == cells
    assert table.recognised.startswith(recognised)
    assert table.sources == [(name, table.sha256)]


def test_sheets_of_runs():
    """Ten runs in falling order, the other two sheets named; the right values of the first row's scalars."""
    table = read(LAB / "keithley_set_runs.xlsx", sheet="all")
    assert len(table.rows) == 5020
    assert list(dict.fromkeys(table.columns["sheet"])) == [f"Run{k}" for k in range(122, 112, -1)]
    assert "sheets without the columns of 'Run122' were left out: Calc, Settings" in table.notes
    v_set = numbers(table, "VSET")
    assert (len(v_set), round(min(v_set), 2), round(max(v_set), 2), round(median(v_set), 3)) == (10, 0.66, 2.42, 1.275)
    assert table.units == {"Time": "s", "AI": "A", "AV": "V"}


def test_three_devices_in_three_files():
    table = read(str(LAB / "knowm_*.csv"))
    assert (len(table.rows), len(set(table.columns["file"]))) == (600, 3)
    assert table.row(599) == "knowm_sdc_5k_100Hz_M3.csv: row 200"


def test_right_values():
    """Medians that were derived elsewhere: set statistics, endurance, retention, trains."""
    cycles = read(LAB / "keithley_cycle_summary.csv")
    assert median(numbers(cycles, "SET_negative#1.VSET")) == pytest.approx(1.06, abs=0.005)
    assert median(numbers(cycles, "RESET_positive#1.VRESET")) == pytest.approx(0.90, abs=0.005)
    assert cycles.units["SET_negative#1.ILRS"] == "A"
    assert cycles.dropped["footer"] == [1003, 1004, 1005, 1007, 1008, 1009]
    assert cycles.meta["Total Cycles"] == "1000"
    log = read(LAB / "rram_endurance_log_3000.csv")
    on, off = (
        [float(r) for r, s in zip(log.columns["R (ohm)"], log.columns["state"], strict=True) if s == k] for k in ("on", "off")
    )
    assert log.columns["cycle"][-1] == "30000000"
    assert (median(on), median(off)) == pytest.approx((8.42e3, 92.1e3), rel=2e-3)
    retention = read(LAB / "rram_retention_1cell_3000.csv", instrument="ni_rram_reads")
    assert median(numbers(retention, "G (S)")) == pytest.approx(94.1e-6, rel=1e-3)
    trains = read(LAB / "yflash_96_devices.txt")
    last = {(a, b): int(p) for a, b, p in zip(*(trains.columns[k] for k in ("label", "series", "pulse")), strict=True)}
    programmed, erased = ([n for (_, series), n in last.items() if series == k] for k in ("Gprog", "Gerase"))
    assert (len(programmed), min(programmed), max(programmed), median(programmed)) == (96, 22, 66, 37)
    assert (min(erased), max(erased), median(erased)) == (15, 43, 24)
    assert set(trains.columns["width"]) == {"0.0002", "0.0001"}


def test_the_two_forms_of_one_measurement_agree():
    """CSV with all digits and text with seven of them."""
    a, b = read(LAB / "keithley_cycle_summary.csv"), read(LAB / "keithley_cycle_summary.txt")
    assert list(a.columns) == list(b.columns)
    for name in a.columns:
        assert numbers(a, name) == pytest.approx(numbers(b, name), rel=1e-5)
