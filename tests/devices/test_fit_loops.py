"""Loops of known devices: states, switching voltages and their scatter come back, in any phase, polarity and direction."""

import numpy as np
import pytest

import ship
from loops import UNIT, Known, fit_loops, loops, sine
from ship.devices.fitting import to_device
from ship.devices.fitting.loops import phase
from ship.devices.fitting.switching_voltages import censored_median, median

pytestmark = pytest.mark.usefixtures("no_grad")


def test_states_and_switching_voltages():
    """20 cycles: medians and scatter are those of the cycles; ln off scatters by 0.4, v_set by 0.1 V."""
    columns, truth = loops(cycles=20)
    found = fit_loops(columns)
    assert found.settings["sweeps"] == 20
    assert found.values["on/off"] == pytest.approx(truth["on"] / truth["off"], rel=0.05)
    assert found.summary["on/off, median"].value == pytest.approx(np.median(truth["on"] / truth["off"]), rel=0.02)
    assert found.values["v_set"] == pytest.approx(truth["v_set"], abs=0.025)  # a step of the voltage is 20 mV
    assert found.values["v_reset"] == pytest.approx(truth["v_reset"], abs=0.021)
    for name, size in (("ln off, c2c", 0.4), ("v_set, c2c", 0.1), ("v_reset, c2c", 0.08)):
        assert found.summary[name].low < size < found.summary[name].high
    assert found.best.name == "ohmic"
    assert found.best.parameters["G, on"].value == pytest.approx(np.median(truth["on"]), rel=0.02)


def test_the_device_has_the_scatter():
    """10 devices of 5 cycles: what writes leave has the median, d2d and c2c of the states; pulses are refused."""
    known = Known(d2d_off=0.5, c2c_off=0.3, d2d_on=0.2, c2c_on=0.1)
    columns, _ = loops(known, devices=10, cycles=5, seed=3)
    found = fit_loops(columns)
    device = found.device
    part = device.programming
    assert found.summary["ln off, d2d"].low < 0.5 < found.summary["ln off, d2d"].high
    assert found.summary["ln off, c2c"].low < 0.3 < found.summary["ln off, c2c"].high
    assert (part.sigma_off, part.shift_off.d2d_abs) == (found.summary["ln off, c2c"].value, found.summary["ln off, d2d"].value)
    array = ship.DeviceArray(device, 4000, seed=1)
    array.write(float(device.g_min))
    both = np.log(array.conductance().double().numpy().ravel())
    assert both.std() == pytest.approx(np.hypot(part.sigma_off, part.shift_off.d2d_abs), rel=0.05)
    assert np.exp(np.median(both)) == pytest.approx(device.g_min, rel=0.05)
    assert {
        name: device.origins[name].status for name in ("g_max", "programming", "d2d", "c2c", "v_set", "update", "t_write")
    } == {
        **dict.fromkeys(("g_max", "programming", "d2d", "c2c", "v_set"), "measured"),
        "update": "missing",
        "t_write": "assumed",
    }
    with pytest.raises(ship.ParameterError, match="was not measured"):
        array.pulse(1)


@pytest.mark.parametrize("turn", [0.0, 0.1, 0.25, 0.37, 0.5, 0.63, 0.75, 0.9])
def test_the_phase_of_a_sine_does_not_matter(turn):
    v, i = sine(phase=turn)
    found = ship.fit({"voltage": v, "current": i}, "iv", unit=UNIT, v_read=0.2, replicates=20)
    assert found.summary["on/off, median"].value == pytest.approx(100, rel=0.01)
    assert found.summary["v_set, median"].value == pytest.approx(1.2, abs=0.06)
    assert found.summary["v_reset, median"].value == pytest.approx(-1.0, abs=0.06)


def test_a_set_at_negative_voltage():
    columns, truth = loops(Known(v_set=-1.2, v_reset=1.0), cycles=12)
    found = fit_loops(columns, v_read=-0.2)
    assert found.summary["v_set, median"].value == pytest.approx(np.median(truth["v_set"]), abs=0.021)
    assert found.summary["v_set, median"].low < -1.2 < found.summary["v_set, median"].high
    assert found.summary["v_reset, median"].value > 0
    assert (found.device.v_set, found.device.v_read) == (-found.summary["v_set, median"].value, -0.2)
    assert found.device.v_reset == -found.summary["v_reset, median"].value  # pulses of this sign lower the conductance
    assert "sign here is that of the change" in found.device.origins["v_set"].text


def test_compliance_is_found_and_left_out():
    """A compliance of 100 uA on 200 uS: flat above 0.5 V; the on state is read on the way back, below it."""
    columns, truth = loops(cycles=8, compliance=100e-6, noise=0.002)
    found = fit_loops(columns)
    assert found.summary["compliance"].value == pytest.approx(100e-6, rel=0.01)
    assert any("flat top at 0.0001 A" in note for note in found.notes)
    assert found.best.parameters["G, on"].value == pytest.approx(np.median(truth["on"]), rel=0.02)
    above = fit_loops(columns, v_read=0.8)
    assert any("on state of 8 sweeps is at the compliance: its conductance is at least that" in note for note in above.notes)


def test_sweeps_that_end_too_soon_count_as_beyond():
    """v_set 1.2 +- 0.3 V, swept to 1.3 V: the median is that of Kaplan and Meier; where most do not switch it is a limit."""
    known = Known(c2c_set=0.3)
    columns, truth = loops(known, cycles=40, reach=1.3, sides=(1,), seed=2)
    found = fit_loops(columns)
    beyond = int((truth["v_set"] > 1.3).sum())
    assert found.summary["v_set, beyond the sweep"].value == beyond > 5
    assert found.summary["v_set, median"].value == pytest.approx(np.median(truth["v_set"]), abs=0.03)
    columns, truth = loops(known, cycles=40, reach=1.0, sides=(1,), seed=2)
    found = fit_loops(columns)
    assert (truth["v_set"] > 1.0).mean() > 0.5
    assert "v_set, median" not in found.summary
    assert found.summary["v_set, median beyond"].value == pytest.approx(1.0)


def test_one_record_of_many_periods():
    """Without labels the periods of one record are its sweeps; nothing is said of devices."""
    columns, truth = loops(cycles=6)
    found = fit_loops({"voltage": columns["voltage"], "current": columns["current"]})
    assert found.settings["sweeps"] == 6
    assert found.values["on"] == pytest.approx(truth["on"], rel=0.03)
    assert "devices" not in found.summary
    assert any("no label says which sweeps are of one device" in note for note in found.notes)
    assert found.device.origins["d2d"].status == "missing"


def test_a_sweep_one_way_shows_one_state():
    """A resistor of 1 Mohm with an offset of 2 nA: slope and offset come back, and the refusal has the slope."""
    v = np.linspace(-0.05, 0.05, 101)
    i = 1e-6 * v + 2e-9 + 5e-11 * np.random.default_rng(0).standard_normal(101)
    found = ship.fit({"voltage": v, "current": i}, "iv", unit=UNIT, replicates=20)
    assert found.summary["slope, median"].value == pytest.approx(1e-6, rel=0.01)
    assert found.summary["resistance, median"].value == pytest.approx(1e6, rel=0.01)
    assert found.summary["current at 0 V, median"].value == pytest.approx(2e-9, rel=0.02)
    assert found.summary["offset of the line (I_0), median"].value == pytest.approx(2e-9, rel=0.02)
    with pytest.raises(ship.FitError, match=r"go one way: they show one; got slope \S+ S \(\S+ ohm\)"):
        _ = found.device


def test_many_sweeps_upward_only():
    rng = np.random.default_rng(1)
    g = 70e-6 * np.exp(0.5 * rng.standard_normal(100))
    v = np.tile(np.linspace(0, 0.35, 36), 100)
    i = np.repeat(g, 36) * v - 2.7e-6 + 5e-8 * rng.standard_normal(3600)
    found = ship.fit({"device": np.repeat(np.arange(100), 36), "voltage": v, "current": i}, "iv", unit=UNIT, replicates=20)
    assert found.summary["slope, median"].value == pytest.approx(np.median(g), rel=0.01)
    assert found.summary["slope, 5 %"].value == pytest.approx(np.percentile(g, 5), rel=0.03)
    assert found.summary["current at 0 V, median"].value == pytest.approx(-2.7e-6, rel=0.02)
    assert any("I/V is wrong by half and more below" in note for note in found.notes)
    assert "one way" in found.refusal()


def power_law(m, v_max=0.1):
    """One way up and down again of ``I = 1 uA (V / 1 V)^m`` with 0.2 % of noise, symmetric."""
    v = np.linspace(-v_max, v_max, 161)
    i = 1e-6 * np.sign(v) * np.abs(v) ** m * (1 + 0.002 * np.random.default_rng(0).standard_normal(161))
    return ship.fit({"voltage": v, "current": i}, "iv", unit=UNIT, replicates=20)


def test_the_simpler_of_laws_that_differ_by_less_than_matters():
    """An exponent of 0.98 misses the ohmic law by 1 % of the local current: ohmic, and the exponent is said."""
    found = power_law(0.98)
    assert found.best.name == "ohmic"
    assert found.ranking[0].criterion > min(f.criterion for f in found.ranking) + 2  # the power law is likelier
    assert any("exponent of a power law: m 0.9" in note for note in found.notes)


def test_a_law_that_misses_more_than_the_noise_is_refuted():
    """An exponent of 1.3 misses the ohmic law by more than 5 %: the verdict says by how much of the local current."""
    found = power_law(1.3)
    ohmic = next(f for f in found.ranking if f.name == "ohmic")
    assert found.best.name == "power"
    assert not ohmic.fits
    assert "misses the local current by" in ohmic.verdict
    assert "AICc over +1000" in str(found)


def test_a_unipolar_loop_has_a_device_whose_pulses_go_both_ways():
    """SET and RESET at positive voltages: the device's v_reset is below 0 V, the direction down, and says what was measured."""
    value, told = to_device.switching_voltage("v_reset", 0.7)
    assert value == -0.7
    assert told == "measured at 0.7 V; the sign here is that of the change of conductance"
    assert to_device.switching_voltage("v_set", 1.2) == (1.2, "")


def test_noise_does_not_make_two_states():
    """A resistor swept out and back, with a meter's offset larger than its current: no device, and the reason."""
    known = Known(on=1e-7, off=1e-7, c2c_on=0.0, c2c_off=0.0)
    columns, _ = loops(known, cycles=20, meter=0.0)
    assert "needs two states that differ at v_read" in fit_loops(columns).refusal()
    columns, _ = loops(Known(off=1e-9), cycles=20, meter=-1e-8)
    with pytest.raises(ship.FitError, match="both states need a current above 0 A"):
        fit_loops(columns)


def test_an_offset_is_said_not_subtracted():
    columns, truth = loops(cycles=10, meter=1e-7)
    found = fit_loops(columns)
    assert found.values["off"] == pytest.approx(truth["off"] + 1e-7 / 0.2, rel=0.05)
    assert any("at 0 V the current is 9.94e-08 A" in note and "it was not subtracted" in note for note in found.notes)


def test_the_read_current_of_a_curved_device_is_the_measured_one():
    """A sinh law: the conductance of the device is that at small voltages, and its current at v_read the measured one."""
    columns, truth = loops(Known(b=2.0), cycles=10)
    found = fit_loops(columns, v_read=0.5)
    assert found.best.name == "sinh"
    b, g = found.device.iv.b, found.device.g_max
    assert b == pytest.approx(2.0, rel=0.02)
    assert g / b * np.sinh(b * 0.5) / 0.5 == pytest.approx(np.median(found.values["on"]), rel=1e-6)
    assert g == pytest.approx(np.median(truth["on"]), rel=0.03)


def test_voltages_outside_the_sweeps_are_refused():
    columns, _ = loops(cycles=3, sides=(1,))
    with pytest.raises(ship.FitError, match=r"must lie within the sweeps, up to 2 V; got -0.2 V"):
        fit_loops(columns, v_read=-0.2)


def test_phase_leaves_open_sweeps_alone():
    assert phase(np.linspace(0, 1, 50)) == 0
    assert phase(np.linspace(-1, 1, 50)) == 0
    assert phase(np.r_[np.linspace(-1, 1, 50), np.linspace(1, -1, 50)]) > 0


def test_medians():
    """Of 1 ... 9 the median is 5; of values above 5 cut off, too; with six of nine cut off it is above the limit."""
    x = np.arange(1.0, 10.0)
    assert median(x).value == 5
    cut = x > 5
    assert censored_median(np.minimum(x, 5.5), cut).value == 5
    found = censored_median(np.minimum(x, 3.5), x > 3)
    assert np.isinf(found.value)
    assert found.low <= 3.5
    assert str(found).startswith("inf [")


@pytest.mark.parametrize("n", [3, 6, 9, 20])
def test_intervals_of_medians_cover(n):
    """95 % intervals of the median of log-normal samples: within 93 to 97 % (1,500 samples: +- 1.1 %)."""
    rng = np.random.default_rng(n)
    hits = [(m := median(np.exp(rng.standard_normal(n)))).low <= 1 <= m.high for _ in range(1500)]
    assert 0.93 < np.mean(hits) < 0.97


def test_a_figure_of_many_sweeps_has_bands():
    columns, _ = loops(cycles=30, points=40)
    found = fit_loops(columns)
    first = found.panels[0]
    assert sum(s.style == "band" for s in first.series) == 4  # two ways at two polarities
    assert first.log_y
    assert any(p.y.startswith("share") for p in found.panels)
    found.figure()
