"""What is wanted of what was measured: conductances of currents and resistances, without what is in series; clocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ship
from ship.devices.reading import physical
from ship.devices.reading.spelling import for_command
from tables import chosen, table

pytestmark = pytest.mark.usefixtures("no_grad")


# -- what is wanted ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.floats(1e-9, 1e-3), st.floats(0.01, 2.0), st.floats(0.0, 0.9), st.sampled_from(["G", "R", "I", "-I"]))
def test_current_resistance_and_conductance_are_one(g, volts, share, how):
    """However a state was measured, and with a resistance in series, the same conductance comes out: G' = 1 / (1 / G + R)."""
    series = share / g
    seen = 1 / (1 / g + series)
    cell, unit = {"G": (seen, "S"), "R": (1 / seen, "ohm"), "I": (seen * volts, "A"), "-I": (-seen * volts, "A")}[how]
    made = table({"t (s)": [1, 2], "x": [repr(cell)] * 2})
    found = chosen(
        made, "retention", {"conductance": "x"}, unit={"conductance": unit}, v_read=volts, series_resistance=series or 1e-9
    )
    assert np.allclose(found["conductance"], g, rtol=1e-6)


def test_a_current_needs_a_read_voltage():
    made = table({"t (s)": [1, 2], "I (uA)": [1, 2]})
    with pytest.raises(ship.FitError) as caught:
        chosen(made, "retention", {"conductance": "I (uA)"})
    assert "is a current, no conductance. Say at which voltage (V) it was read: v_read=, or columns={'v_read'" in str(
        caught.value
    )
    with for_command(), pytest.raises(ship.FitError, match=r"--v-read, or --column v_read=HEADER"):
        chosen(made, "retention", {"conductance": "I (uA)"})
    found = chosen(made, "retention", v_read=0.1)  # (with it, a current by its usual name will do)
    assert np.allclose(found["conductance"], [1e-5, 2e-5])
    with pytest.raises(ship.FitError, match="was read at 0 V"):
        chosen(table({"t (s)": [1], "I (uA)": [1], "v_read (V)": [0]}), "retention", {"conductance": "I (uA)", "v_read": "3"})


def test_series_resistance():
    made = table({"V (V)": [0, 1], "I (mA)": [0, 2]})
    assert np.allclose(chosen(made, "iv", series_resistance=100.0)["voltage"], [0, 0.8])
    made = table({"t (s)": [1, 2], "R (ohm)": [150, 90]})
    with pytest.raises(
        ship.FitError, match=r"conductance, row 3: must have a resistance above that in series, 100 ohm; got 90 ohm"
    ):
        chosen(made, "retention", series_resistance=100.0)
    made = table({"up (normalised)": [0, 1]})
    with pytest.raises(ship.FitError, match="cannot be taken off normalised values"):
        chosen(made, "pulses", series_resistance=100.0)


@pytest.mark.parametrize(
    ("cells", "unit"),
    [
        ([1619201838.5, 1619201840.5, 1619201848.5, 1619201848.5, 1619201868.5], {"time": "s"}),
        ([1.6192018385e12, 1.6192018405e12, 1.6192018485e12, 1.6192018485e12, 1.6192018685e12], {"time": "ms"}),
        (["2021-04-12 10:30:00", "2021-04-12 10:30:02", "2021-04-12 10:30:10", "2021-04-12 10:30:10", "2021-04-12 10:30:30"], {}),
        (["12.04.2021 10:30:00", "12.04.2021 10:30:02", "12.04.2021 10:30:10", "12.04.2021 10:30:10", "12.04.2021 10:30:30"], {}),
    ],
)
def test_clocks_are_relative(cells, unit):
    """Times of a clock are counted from the first row of each device."""
    made = table({"time": cells, "G (uS)": range(5), "device": ["a", "a", "a", "b", "b"]})
    found = chosen(made, "retention", unit=unit)
    assert np.allclose(found["time"], [0, 2, 10, 0, 20])
    assert any("times are those of a clock" in note for note in found.notes)


def test_a_date_that_is_none():
    made = table({"time": ["2021-04-12 10:30:00", "later"], "G (uS)": [1, 2]})
    with pytest.raises(ship.FitError, match="must be a date and time in each row; got 'later'"):
        chosen(made, "retention")
    assert physical.seconds("x", ["1.5", "2"]) is None
