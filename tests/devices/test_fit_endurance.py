"""Fits of endurance: wear, scatter and failures of known truth come back, files of laboratories give their right values."""

import csv
import math

import numpy as np
import pytest
import torch

import ship
from parts import bag
from published import published
from ship.devices import TwoStateProgramming, Wear
from ship.devices.fitting import failures

pytestmark = pytest.mark.usefixtures("no_grad")


def law(found, name):
    return next(f for f in found.ranking if f.name == name)


def cycled(n=2000, nu_on=0.03, nu_off=-0.05, seed=0):
    rng, x = np.random.default_rng(seed), 10.0 * np.arange(1, n + 1)
    on = 1e-4 * (x / 10) ** -nu_on * np.exp(0.1 * rng.standard_normal(n))
    return x, on, 5e-6 * (x / 10) ** -nu_off * np.exp(0.5 * rng.standard_normal(n))


def test_wear_and_scatter_are_in_the_device():
    """A window of decades that closes: the law, the scatter of both states, and a device that reaches its ends."""
    x, on, off = cycled()
    found = ship.fit({"cycle": x, "on": on, "off": off}, "endurance", unit="S")
    device = found.device
    assert isinstance(device.programming, TwoStateProgramming)
    assert device.programming.sigma_on == pytest.approx(0.1, rel=0.1)
    assert device.programming.sigma_off == pytest.approx(0.5, rel=0.1)
    assert isinstance(device.endurance, Wear)
    nu = law(found, "power").parameters
    assert nu["nu[on]"].low < 0.03 < nu["nu[on]"].high
    assert nu["nu[off]"].low < -0.05 < nu["nu[off]"].high
    ends = [torch.tensor(g, dtype=torch.float64) for g in (device.g_min, device.g_max)]
    low, high = device.endurance.window(*ends, torch.tensor(20000.0, dtype=torch.float64), bag(device.endurance))
    assert float(high) == pytest.approx(1e-4 * 2000**-0.03, rel=0.05)
    assert float(low) == pytest.approx(5e-6 * 2000**0.05, rel=0.1)


def test_states_that_do_not_wear():
    x, on, off = cycled(nu_on=0.0, nu_off=0.0)
    found = ship.fit({"cycle": x, "on": on, "off": off}, "endurance", unit="S")
    assert found.measured["endurance"] is None
    assert sum("no trend within" in note for note in found.notes) == 2
    assert found.device.g_max == pytest.approx(1e-4, rel=0.02)


def test_one_read_a_row():
    """Labels of the state: the one that conducts more is on; devices and their spread by a label."""
    rng, columns = np.random.default_rng(0), {"cycle": [], "conductance": [], "state": [], "device": []}
    for d in range(10):
        on, off = 1e-4 * math.exp(0.2 * rng.standard_normal()), 1e-6 * math.exp(0.3 * rng.standard_normal())
        for c in range(1, 31):
            for state, g in (("SET", on), ("RESET", off)):
                columns["cycle"].append(float(c))
                columns["conductance"].append(g * math.exp(0.05 * rng.standard_normal()))
                columns["state"].append(state)
                columns["device"].append(f"M{d}")
    found = ship.fit(columns, "endurance", unit="S")
    assert "of both states, 'SET' conducts more: it is the on state" in found.notes
    assert found.settings["devices"] == 10
    assert "on: y0, median" in found.ranking[0].parameters
    assert found.device.programming.shift_off.d2d_abs == pytest.approx(0.3, rel=0.6)
    assert not any("one device" in note for note in found.notes)


def test_failures_are_counted():
    """3 runs of closed rows, 5 rows in all, the last one to the end: the device stays on."""
    x = np.arange(1.0, 101.0)
    on, off = np.full(100, 1e-4), np.full(100, 1e-6)
    off[[10, 50]] = 9e-5
    off[97:] = 9e-5
    made = failures.count({"": (x, on, off)})
    assert made.summary["rows with on/off below 2"].value == 0.05
    assert made.table["device"] == {
        "closed": 5,
        "stuck on": 5,
        "stuck off": 0,
        "runs": 3,
        "longest run": 3,
        "failed at cycle": 98.0,
    }
    assert "the device stays on from cycle 98 on" in made.notes
    rate = made.summary["runs of closed rows per cycle"]  # 3 events in 99 cycles: exact limits 0.6187 and 8.7673
    assert [v * 99 for v in rate] == pytest.approx([3, 0.6187, 8.7673], rel=1e-4)
    assert failures.share(0, 20).high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_lifetimes_of_devices_that_differ():
    """Lifetimes of 10^(3 +- 0.3) cycles, watched for 10^3.3: those that lived are censored, and the median comes back."""
    rng, devices = np.random.default_rng(0), {}
    x = np.geomspace(1, 10**3.3, 200)
    for d in range(60):
        dead = x >= 10 ** (3 + 0.3 * rng.standard_normal())
        devices[str(d)] = (x, np.full(200, 1e-4), np.where(dead, 9e-5, 1e-6))
    made = failures.count(devices)
    assert made.summary["cycles to failure, median"].value == pytest.approx(1000, rel=0.25)
    assert made.lifetime["decades"].d2d_abs == pytest.approx(0.3, rel=0.3)


def test_slowing_is_a_trend_of_pulses():
    x, on, off = cycled(300)
    pulses = np.round(10 * (x / 10) ** 0.1)
    found = ship.fit({"cycle": x, "on": on, "off": off, "pulses": pulses}, "endurance", unit="S")
    change = found.summary["pulses to switch, change a decade"]
    assert change.value == pytest.approx(10**0.1 - 1, abs=0.02)


# -- the files of laboratories -----------------------------------------------------------------------------------------


def test_lab_endurance():
    """A million cycles: medians, ratios at both ends, rows that closed (right values of the README of the data)."""
    a = np.loadtxt(published("rram_endurance_1us.tsv"))
    found = ship.fit({"cycle": a[:, 3], "on": 1 / a[:, 1], "off": 1 / a[:, 2]}, "endurance", unit="S")
    s = found.summary
    assert s["on, median resistance"].value == pytest.approx(11.99e3, rel=1e-3)
    assert s["off, median resistance"].value == pytest.approx(99.3e3, rel=1e-3)
    assert s["on/off, median"].value == pytest.approx(8.17, abs=0.005)
    assert s["on/off, first 100 rows"].value == pytest.approx(12.4, abs=0.05)
    assert s["on/off, last 100 rows"].value == pytest.approx(8.35, abs=0.005)
    assert s["rows with on/off below 2"].value == pytest.approx(0.016, abs=0.0005)
    assert s["on, change a decade"].high < 0 < s["off, change a decade"].value
    assert 0.7 < found.device.programming.sigma_off < 0.9


def test_lab_log_of_operations():
    """30 million cycles of one cell without a trend."""
    cycles, state, columns = 0, "", {"cycle": [], "conductance": [], "state": []}
    with open(published("rram_endurance_log_3000.csv"), newline="") as file:
        for row in csv.reader(file):
            if row[3] == "ENDURANCE":
                cycles += int(row[-1])
            elif row[3] == "READ":
                columns["cycle"].append(float(cycles))
                columns["conductance"].append(float(row[5]))
                columns["state"].append(state)
            else:
                state = row[3]
    found = ship.fit(columns, "endurance", unit="S")
    s = found.summary
    assert s["cycles"].value == 3e7
    assert s["on, median resistance"].value == pytest.approx(8.42e3, rel=1e-3)
    assert s["off, median resistance"].value == pytest.approx(92.1e3, rel=1e-3)
    assert s["on/off of the medians"].value == pytest.approx(10.9, abs=0.05)
    assert sum("no trend within" in note for note in found.notes) == 2
    assert found.measured["endurance"] is None


def test_first_and_last_windows_of_few_rows():
    """Of 40 cycles a quarter each: the medians of both states at the begin and at the end, with intervals."""
    n = np.arange(1, 41)
    found = ship.fit({"cycle": n, "on": 1e-4 / n**0.1, "off": 1e-5 * n**0.1}, "endurance", unit="S")
    for state, first, last in (("on", 1e-4 / 5.5**0.1, 1e-4 / 35.5**0.1), ("off", 1e-5 * 5.5**0.1, 1e-5 * 35.5**0.1)):
        for text, value in (("first", first), ("last", last)):
            row = found.summary[f"{state}, {text} 10 rows"]
            assert row.value == pytest.approx(value, rel=0.01)
            assert row.low < row.value < row.high
