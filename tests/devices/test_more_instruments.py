"""Files of further instruments: potentiostats, oscilloscopes, LabVIEW, KickStart; what they hold, and what they are not."""

import numpy as np
import pytest

import ship
from ship.devices.reading.suggest import suggest
from ship.devices.reading.table import read

GAMRY = """EXPLAIN
TAG\tCV
SCANRATE\tQUANT\t1.00000E+002\t&Scan Rate (mV/s)
CURVE1\tTABLE
\tPt\tT\tVf\tIm\tVu\tIERange\tOver
\t#\ts\tV vs. Ref.\tA\tV\t#\tbits
"""
EC_LAB = """EC-Lab ASCII FILE\r
Nb header lines : 9\r
\r
Cyclic Voltammetry\r
\r
Electrode surface area : 0.001 cm\N{SUPERSCRIPT TWO}\r
dE/dt               20.000              \r
\r
mode\ttime/s\tcontrol/V\tEwe/V\t<I>/mA\tcycle number\t\r
"""
KICKSTART = """Common Settings,\t,,
.Channel,\tSMU-1,,
...Limit,\t0.1,,
,,,
"Index","SMU-1 Time (s)","SMU-1 Voltage (V)","SMU-1 Current (A)"
"""
STATISTICS = '\n"Min","0","-5","-5E-05"\n"Mean","0.7","0","0"\n"CV","76.1%","8%","-5%"\n'
LABVIEW = """LabVIEW Measurement
Separator\tTab
Decimal_Separator\t.
***End_of_Header***

Channels\t2
X_Dimension\tTime\tTime
***End_of_Header***
X_Value\tVoltage (V)\tCurrent (A)\tComment
"""


def there_and_back(n=12, top=1.0):
    """A voltage from 0 to both ends and back, and the current of a device of two states."""
    up = np.linspace(0, top, n)
    v = np.r_[up, up[::-1], -up, -up[::-1]]
    g = np.r_[np.full(n, 1e-5), np.full(2 * n, 1e-4), np.full(n, 1e-5)]
    return v, g * v


def wrote(folder, name, text, encoding="utf-8"):
    """The path of a text."""
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def kinds(path):
    """What the suggestions for a file are."""
    return [(made.kind, dict(made.columns)) for made in suggest(read(path))]


def test_files_of_potentiostats(tmp_path):
    """Units that refer to an electrode, a number sign as a unit, text whose name has an ending of its own."""
    v, i = there_and_back()
    rows = "".join(f"\t{k}\t{k}\t{a:.6E}\t{b:.6E}\t0\t5\t...........\n" for k, (a, b) in enumerate(zip(v, i, strict=True)))
    table = read(wrote(tmp_path, "a.dta", GAMRY + rows))
    assert {"Vf (V)", "Im (A)"} <= set(table.columns)
    found = ship.fit(tmp_path / "a.dta")
    assert found.summary["on/off, median"].value == pytest.approx(10, rel=1e-3)
    again = "CURVE2\tTABLE\n" + "\n".join(GAMRY.splitlines()[-2:]) + "\n" + rows
    found = ship.fit(wrote(tmp_path, "two.dta", GAMRY + rows + again))
    assert found.settings["points"] == 2 * len(v)
    assert found.summary["on/off, median"].value == pytest.approx(10, rel=1e-3)
    rows = "".join(f"2\t{k}\t{a:.6E}\t{a:.6E}\t{1e3 * b:.6E}\t1.0\r\n" for k, (a, b) in enumerate(zip(v, i, strict=True)))
    found = ship.fit(wrote(tmp_path, "b.mpt", EC_LAB + rows, "latin-1"))
    assert found.device.g_max == pytest.approx(1e-4, rel=1e-3)


def test_a_labview_measurement(tmp_path):
    """The endings of its two headers are no data, and its empty columns no columns."""
    v, i = there_and_back()
    rows = "".join(f"{k * 1e-3:.6f}\t{a:.6f}\t{b:.9f}\n" for k, (a, b) in enumerate(zip(v, i, strict=True)))
    found = ship.fit(wrote(tmp_path, "a.lvm", LABVIEW + rows))
    assert found.summary["on/off, median"].value == pytest.approx(10, rel=1e-2)


def test_the_units_of_a_header_decide_what_a_column_can_be(tmp_path):
    """A current is not suggested as a voltage, a time not as a current, and the statistics below the table are no rows."""
    v = np.linspace(-5, 5, 21)
    rows = "".join(f'"{k}","{k * 0.07:.4f}","{a:.6f}","{a * 1e-5:.6E}"\n' for k, a in enumerate(v, 1))
    path = wrote(tmp_path, "k.csv", KICKSTART + rows + STATISTICS)
    assert kinds(path)[0] == ("iv", {"voltage": "SMU-1 Voltage (V)", "current": "SMU-1 Current (A)"})
    found = ship.fit(path, "iv", columns=kinds(path)[0][1])
    assert found.summary["resistance, median"].value == pytest.approx(1e5, rel=1e-3)
    assert found.settings["points"] == 21


def test_traces_of_an_oscilloscope_are_no_current_voltage_curves(tmp_path):
    """A time base of even steps is no voltage, whether its header says "second", or stands beside the settings."""
    t = np.arange(30) * 2e-6
    keysight = "x-axis,1,2\nsecond,Volt,Volt\n" + "".join(f"{a:+.4E},{np.sin(a * 1e5):+.4E},{0.1:+.4E}\n" for a in t)
    siglent = "Source,CH1\nSecond,Volt\n" + "".join(f"{a:.6E},{np.sin(a * 1e5):+.6E}\n" for a in t)
    head = [
        "Record Length,30",
        "Sample Interval,2e-6",
        "Trigger Point,0",
        ",",
        "Source,CH2",
        "Vertical Units,A",
        "Horizontal Units,s",
    ]
    head += [","] * (len(t) - len(head))
    tek = "".join(f"{key},,{a:.9f},{np.sin(a * 1e5):.5f},\n" for key, a in zip(head, t, strict=True))
    for name, text in (("k.csv", keysight), ("s.csv", siglent), ("t.csv", tek)):
        assert kinds(wrote(tmp_path, name, text)) == [], name
    assert "time (s)" in read(tmp_path / "t.csv").columns


def test_units_in_words(tmp_path):
    """Voltage (in Volt), Current (in Ampere)."""
    v, i = there_and_back()
    rows = "".join(f"{a:.6f},{b:.6E}\n" for a, b in zip(v, i, strict=True))
    found = ship.fit(wrote(tmp_path, "a.csv", "Voltage (in Volt),Current (in Ampere)\n" + rows))
    assert found.device.g_max == pytest.approx(1e-4, rel=1e-3)


def test_a_loop_of_a_capacitance_is_no_device():
    """A charging current flows against the voltage on the way back; on/off of it means nothing."""
    v, _ = there_and_back(40, 3.0)
    rate = np.sign(np.gradient(v))
    found = ship.fit({"voltage": v, "current": 1e-10 * v + 1e-10 * rate}, "iv", unit={"voltage": "V", "current": "A"})
    with pytest.raises(ship.base.errors.FitError, match="needs currents that flow with the voltage"):
        found.device  # noqa: B018
    assert any("open at 0 V" in note for note in found.notes)


def test_the_current_at_0_v_of_a_diode_is_what_was_measured_there():
    """A line through the whole curve has another, and through a sweep that does not reach 0 V none is known."""
    v = np.linspace(-1, 1, 81)
    found = ship.fit({"voltage": v, "current": 1e-9 * np.expm1(v / 0.15)}, "iv", unit={"voltage": "V", "current": "A"})
    assert abs(found.summary["current at 0 V, median"].value) < 1e-8
    far = ship.fit({"voltage": v + 5, "current": 1e-6 * (v + 5) ** 2}, "iv", unit={"voltage": "V", "current": "A"})
    assert "current at 0 V, median" not in far.summary


def test_a_trend_beyond_all_numbers_is_no_traceback():
    """A trace of a few microseconds, far from time 0, would change by more than any number in a decade."""
    t = 0.015873862 + 2e-7 * np.arange(20)
    g = 3e-3 * (1 - 0.01 * np.arange(20) + 0.1 * np.cos(7.0 * np.arange(20)))
    found = ship.fit({"time": t, "conductance": g}, "retention", unit={"time": "s", "conductance": "S"})
    assert any("a trend is not determined" in note for note in found.notes)


def test_two_equal_columns_are_no_two_states_and_pulses_no_map(tmp_path):
    """Suggestions that would be fitted, and say nothing."""
    g = np.r_[np.geomspace(1e-5, 1e-7, 20), np.linspace(1e-7, 4e-6, 20)]
    twice = "".join(f"0.3\t{k}\t{x:.5E}\t{x:.5E}\n" for k, x in enumerate(g))
    assert "endurance" not in [kind for kind, _ in kinds(wrote(tmp_path, "a.txt", twice))]
    rows = "".join(f"{k}\t{1 / x:.5E}\t{2 / x:.5E}\n" for k, x in enumerate(g, 1))
    pulses = wrote(tmp_path, "b.txt", "--\t1 V\t0.9 V\npulse number\tResistance (Ohm)\tResistance (Ohm)\n" + rows)
    assert "map" not in [kind for kind, _ in kinds(pulses)]


def test_files_of_programs_say_what_to_export(tmp_path):
    """Binary formats are refused by name; any other ending is read if its bytes are text."""
    for name, fix in (("a.mpr", "EC-Lab"), ("a.opju", "Origin"), ("a.wfm", "oscilloscope")):
        (tmp_path / name).write_bytes(b"\x00\x01\x02\x03" * 100)
        with pytest.raises(ship.base.errors.FileError, match=fix):
            ship.fit(tmp_path / name)
    (tmp_path / "a.abf").write_bytes(b"ABF2\x00\x00\x06\x02" * 100)
    with pytest.raises(ship.base.errors.FileError, match="other text"):
        ship.fit(tmp_path / "a.abf")
