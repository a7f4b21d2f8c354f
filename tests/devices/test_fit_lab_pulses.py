"""Pulse trains of laboratories against values that were derived without SHIP, where the folder ``SHIP_DATA`` holds them."""

import numpy as np
import pytest

import lab_pulses
import ship
from published import published

UNITS = {"conductance": "S", "voltage": "V"}
pytestmark = pytest.mark.usefixtures("no_grad")


def test_one_device_of_40_states():
    """2.2 to 54.9 mS and back, ratio 24.6, almost linear; noise of a step about 0.5 % of the window."""
    found = ship.fit(lab_pulses.currents(published("pulses_current_40_states.xlsx")), "pulses", unit=UNITS, v_read=None)
    facts = {name: float(e.value) for name, e in found.summary.items()}
    assert facts["up, first read"] == pytest.approx(2.2e-3, rel=0.03)
    assert facts["down, first read"] == pytest.approx(54.9e-3, rel=0.01)
    assert facts["down, ratio of its ends"] == pytest.approx(24.6, rel=0.01)
    assert facts["scatter around neighbours"] == pytest.approx(0.005, rel=0.25)
    assert (found.device.v_set, found.device.v_reset) == (1.0, -1.0)
    assert {found.device.origins[name].status for name in ("v_set", "v_reset", "update")} == {"measured"}
    assert found.device.origins["t_write"].status == "assumed"


def test_53_devices():
    """0.17 to 1.81 to 0.18 nS, on/off 10.7, spread 3.3 % at the top and 16 % at the bottom, 77 % of the steps up rise."""
    data = lab_pulses.currents(published("pulses_current_53_devices.xlsx"))
    kept = np.isin(data["device"], [f"d{k}" for k in range(1, 54, 5)])
    found = ship.fit({k: v[kept] for k, v in data.items()}, "pulses", unit=UNITS, replicates=20)
    facts = {name: float(e.value) for name, e in found.summary.items()}
    assert facts["up, first read"] == pytest.approx(0.166e-9, rel=0.1)
    assert facts["up, last read"] == pytest.approx(1.81e-9, rel=0.03)
    assert facts["up, ratio of its ends"] == pytest.approx(10.7, rel=0.1)
    assert facts["up, spread of the last read over devices"] == pytest.approx(0.033, abs=0.015)
    assert facts["down, spread of the last read over devices"] == pytest.approx(0.16, abs=0.05)
    assert facts["up, share of steps that rise"] == pytest.approx(0.77, abs=0.03)
    assert (found.device.v_set, found.device.v_reset) == (4.0, -2.0)
    assert found.device.origins["d2d"].status == "measured"


def test_programming_lowers_the_conductance_over_three_decades():
    """Ragged trains of 24 of 96 devices: ln G falls by 0.199 a pulse, with a coefficient of variation of 0.216 over devices."""
    data = lab_pulses.trains(published("yflash_96_devices.txt"), 24)
    found = ship.fit(data, "pulses", unit={"conductance": "S", "time": "s"}, replicates=20)
    facts = {name: float(e.value) for name, e in found.summary.items()}
    assert any("prog down, erase up" in note for note in found.notes)
    assert facts["down, first read"] == pytest.approx(1.056e-6, rel=0.05)
    assert facts["down, last read"] == pytest.approx(0.92e-9, rel=0.08)
    assert facts["down, slope of ln G"] == pytest.approx(-0.199, rel=0.12)
    assert facts["down, spread of that slope over devices"] == pytest.approx(0.216, abs=0.08)
    best = found.best
    assert best.name == "log power"
    assert best.residual < 0.035
    assert "not the shape: it misses 13% of the window of ln G at pulse 1 up" in best.verdict
    assert "at pulse 1 up" in found.device.origins["update"].text
    assert best.parameters["gamma_d"].value < 0.1  # ln G falls evenly
    assert best.parameters["alpha_d, over devices"].value == pytest.approx(0.216, abs=0.08)
    assert isinstance(found.device.update, ship.devices.LogBounded)
    assert found.device.origins["t_write"].text.startswith("of pulses up; those down took 0.0002 s")
    assert [panel.log_y for panel in found.panels[:2]] == [True, True]
