"""Loops, statistics and maps that others published: the right values, which were derived without SHIP.

Skipped where SHIP_DATA does not hold them (``lab/``). The files are read here with a few lines each: these are tests of fits.
"""

import csv

import numpy as np
import pytest

import ship
from published import published

pytestmark = pytest.mark.usefixtures("no_grad")
IV = {"voltage": "V", "current": "A"}


def fit_iv(columns, **more):
    return ship.fit(columns, "iv", unit=IV, replicates=20, **more)


@pytest.mark.parametrize(("name", "ratio"), [("M1", 63), ("M2", 26.5), ("M3", 8.3)])
@pytest.mark.parametrize("turn", [0, 31, 150])
def test_sines(name, ratio, turn):
    v, i = np.roll(np.loadtxt(published(f"knowm_sdc_5k_100Hz_{name}.csv"), delimiter=",").T, turn, axis=1)
    found = fit_iv({"voltage": v, "current": i * 1e-6}, v_read=0.1)
    assert found.summary["on/off, median"].value == pytest.approx(ratio, rel=0.01)
    assert found.device.v_set > 0 > found.device.v_reset


def test_a_set_run():
    rows = [line.split("\t") for line in published("keithley_set_run.txt").read_text(encoding="utf-8-sig").splitlines()]
    at = [rows[0].index(name) for name in ("AV", "AI")]
    v, i = np.array([[float(row[k]) for k in at] for row in rows[1:]]).T
    found = fit_iv({"voltage": v, "current": i}, v_read=-0.2)
    assert found.summary["on/off, median"].value == pytest.approx(338.5, abs=0.1)
    assert found.summary["v_set, median"].value == pytest.approx(-1.43, abs=1e-3)
    assert found.summary["compliance"].value == pytest.approx(0.5e-3, rel=0.001)


def sheets(path):
    """The columns AV and AI of all sheets of an XLSX file that have them, by the sheet's name."""
    book = pytest.importorskip("openpyxl").load_workbook(path, read_only=True, data_only=True)
    for sheet in book.worksheets:
        rows = list(sheet.iter_rows(values_only=True))
        if rows and {"AV", "AI"} <= set(rows[0]):
            at = [rows[0].index(name) for name in ("AV", "AI")]
            yield sheet.title, np.array([[row[k] for k in at] for row in rows[1:]], dtype=float).T
    book.close()


def test_ten_set_runs():
    runs = list(sheets(published("keithley_set_runs.xlsx")))
    assert len(runs) == 10
    columns = {
        "cycle": np.repeat([name for name, _ in runs], [len(x[0]) for _, x in runs]),
        "voltage": np.concatenate([x[0] for _, x in runs]),
        "current": np.concatenate([x[1] for _, x in runs]),
    }
    found = fit_iv(columns, v_read=-0.2)
    assert found.summary["v_set, median"].value == pytest.approx(-1.275, abs=0.001)
    assert (found.summary["v_set, smallest"].value, found.summary["v_set, largest"].value) == pytest.approx((-0.66, -2.42))
    assert found.summary["on/off, median"].value == pytest.approx(439, abs=1)
    assert sorted(found.values["on/off"])[0] == pytest.approx(111, abs=1)
    assert sorted(found.values["on/off"])[-1] == pytest.approx(75153, abs=1)
    assert found.device.programming.sigma_off > 1


def test_100_cells_upward_only():
    cell, i, v = np.loadtxt(published("rram_iv_100_cells.tsv")).T
    found = fit_iv({"device": cell.astype(int), "voltage": v, "current": i})
    assert found.summary["slope, median"].value == pytest.approx(69.3e-6, rel=0.005)
    assert found.summary["slope, 5 %"].value == pytest.approx(15e-6, rel=0.05)
    assert found.summary["slope, 95 %"].value == pytest.approx(120e-6, rel=0.01)
    assert -2.8e-6 < found.summary["current at 0 V, median"].value < -1.8e-6
    assert "go one way: they show one" in found.refusal()


def test_graphene_is_a_resistor():
    rows = [
        line.split(",")[1:]
        for line in published("easyexpert_graphene_iv.csv").read_text().splitlines()
        if line.startswith("DataValue")
    ]
    v, i = np.array(rows, dtype=float).T
    found = fit_iv({"voltage": v, "current": i})
    assert found.summary["resistance, median"].value == pytest.approx(0.761e6, rel=0.001)
    assert "go one way: they show one" in found.refusal()


def test_a_thousand_cycles():
    with published("keithley_cycle_summary.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    groups, heads = rows[0], rows[1]

    def column(group, head):
        k = next(k for k, (a, b) in enumerate(zip(groups, heads, strict=False)) if a.startswith(group) and b == head)
        return np.array([float(row[k]) for row in rows[2:1002]])

    columns = {
        "v_set": column("SET_neg", "VSET"),
        "v_reset": column("RESET_pos", "VRESET"),
        "i_on": column("SET_neg", "ILRS"),
        "i_off": column("SET_neg", "IHRS"),
    }
    found = ship.fit(columns, "statistics", unit=IV, v_read=-0.2, replicates=20)
    assert found.summary["v_set, median"].value == pytest.approx(1.06)
    assert found.summary["v_reset, median"].value == pytest.approx(0.90)
    assert found.summary["v_reset, cut off"].value == 8
    assert found.summary["on/off, median"].value == pytest.approx(67.5, abs=0.05)
    for pair, r in (("v_set, v_reset", 0.52), ("v_reset, i_on", -0.66), ("v_set, i_off", -0.53)):
        assert found.summary[f"rank correlation {pair}"].value == pytest.approx(r, abs=0.005)
    assert found.best.name == "v_set: log-normal"
    assert found.device.programming.sigma_on == pytest.approx(0.51, abs=0.05)


@pytest.mark.parametrize(("name", "states", "median"), [("prebake", 1, 15.4e3), ("postbake", 2, 185e3)])
def test_maps_before_and_after_a_bake(name, states, median):
    """Before, one broad skewed population (no window); after, half of the cells have left the state that they were in."""
    resistance = np.loadtxt(published(f"rram_{name}85_4096.tsv"))[:, 1]
    found = ship.fit({"conductance": 1 / resistance}, "map", unit="S", replicates=20)
    assert 1 / found.summary["median"].value == pytest.approx(median, rel=0.01)
    assert found.summary["states"].value == states
    assert (found.refusal() is None) == (states == 2)
