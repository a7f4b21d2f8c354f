"""Raw exports of virtual devices: the call that `ship.look` suggests reads them, and gives back the device that made them."""

import pytest

import ship
from ship.data import example_export, example_loops
from ship.data.exports import exported_device, looped_device
from ship.devices.reading.look import look


def test_an_export_of_pulses(tmp_path):
    """The suggested call reads it as it is; voltages and widths come from the file, and NL 1.2 and 3.0 within their intervals."""
    path = example_export(tmp_path / "run.csv", seed=0)
    first = look(path).suggestions[0]
    assert first.columns == {"pulse_voltage": "Vpulse (V)", "v_read": "Vread (V)", "conductance": "Iread (A)"}
    found = ship.fit(path, **first.arguments())
    truth, device = exported_device(), found.device
    assert (device.v_set, device.v_reset, device.t_write, device.v_read) == (1.4, -1.6, 1e-6, 0.2)
    assert found.summary["devices"].value == 5
    law = next(f for f in found.ranking if f.name == "exponential").parameters
    for name, value in {"NL_p": truth.update.nl_up.nominal, "NL_d": truth.update.nl_down.nominal}.items():
        assert law[name].low <= value <= law[name].high
    assert found.summary["read noise"].value == pytest.approx(0.2e-6, rel=0.1)  # 500 reads
    assert path.read_text() == example_export(tmp_path / "again.csv", seed=0).read_text()
    assert path.read_text() != example_export(tmp_path / "other.csv", seed=1).read_text()


def test_an_export_of_loops(tmp_path):
    """Both states, their scatter, both voltages and the compliance come back, and the law of pulses is missing."""
    path = example_loops(tmp_path / "loops.txt", seed=0)
    found = ship.fit(path, **look(path).suggestions[0].arguments())
    truth, said = looped_device(), found.summary
    assert said["compliance"].value == pytest.approx(3e-4)
    assert abs(said["v_set, median"].value - 1.2) < 0.06  # of 30 loops with 0.1 V of scatter: 2 standard errors and a step
    assert abs(said["v_reset, median"].value + 1.0) < 0.06
    scatter = {"ln on, c2c": truth.programming.sigma_on, "ln off, c2c": truth.programming.sigma_off}
    for name, value in scatter.items():
        assert said[name].low <= value <= said[name].high
    assert found.device.origin_of("update").status == "missing"
    assert path.read_text() == example_loops(tmp_path / "again.txt", seed=0).read_text()
    assert path.read_text() != example_loops(tmp_path / "other.txt", seed=1).read_text()
