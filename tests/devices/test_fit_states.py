"""Statistics of sweeps and maps of arrays: known populations, censored values, trends and yields come back."""

import numpy as np
import pytest

import ship
from ship.devices.fitting.distributions import FAMILIES, Sample, fit_family, limit_of
from ship.devices.fitting.switching import piled

pytestmark = pytest.mark.usefixtures("no_grad")
V = {"voltage": "V"}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_values_at_the_end_of_the_sweep_are_cut_off():
    """v_reset log-normal around 0.9 V, swept to 1.5 V: the pile there is found, and median and sigma are as if all were known."""
    x = 0.9 * np.exp(0.3 * normal(400))
    beyond = int((x > 1.5).sum())
    found = ship.fit({"v_reset": np.minimum(np.round(x, 2), 1.5)}, "statistics", unit=V, replicates=50)
    assert beyond > 10
    assert found.summary["v_reset, cut off"].value == beyond + int((np.round(x[x <= 1.5], 2) == 1.5).sum())
    law = {f.name: f for f in found.ranking}["v_reset: log-normal"]
    assert law.fits
    assert law.parameters["sigma of ln"].low < 0.3 < law.parameters["sigma of ln"].high
    assert law.parameters["median"].low < 0.9 < law.parameters["median"].high
    assert any("count as cut off" in note for note in found.notes)


def test_a_pile_is_no_grid():
    """On a grid of 0.1 the largest value is as common as those below it: none is cut off."""
    assert not piled(np.repeat(np.arange(1.0, 2.0, 0.1), 5)).any()
    assert piled(np.r_[np.linspace(0.5, 2.4, 60), [2.5] * 8]).sum() == 8


def test_many_values_are_judged_by_relevance():
    """5,000 values of a gamma distribution near a log-normal one: any test of chance refuses it; it misses by less than 5 %."""
    x = np.random.default_rng(0).gamma(60, 1 / 60, 5000)
    found = ship.fit({"v_set": x}, "statistics", unit=V, replicates=20)
    law = {f.name: f for f in found.ranking}["v_set: log-normal"]
    assert 0.886 / np.sqrt(5000) < law.residual < 0.05
    assert law.fits
    assert law.verdict.startswith("fits within")


@pytest.mark.parametrize("n", [20, 100, 1000])
def test_a_right_distribution_is_refused_seldom(n):
    """The limit of the distance: at most 7 % of normal samples lie above it (5 % by its table, none where it is 5 %)."""
    rng = np.random.default_rng(n)
    none = np.zeros(n, dtype=bool)
    above = [fit_family(FAMILIES[0], Sample(rng.standard_normal(n), none), "").distance > limit_of(n) for _ in range(300)]
    assert np.mean(above) < (0.085 if n < 300 else 0.01)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name.replace(" ", "_"))
def test_distributions_come_back(family):
    rng = np.random.default_rng(5)
    drawn = {
        "normal": (1 + 0.2 * rng.standard_normal(500), {"mean": 1.0, "std": 0.2}),
        "log-normal": (2 * np.exp(0.5 * rng.standard_normal(500)), {"median": 2.0, "sigma of ln": 0.5}),
        "Weibull": (1.5 * rng.weibull(4.0, 500), {"scale": 1.5, "shape": 4.0}),
        "two log-normal": (
            np.r_[np.exp(0.2 * rng.standard_normal(150)), 10 * np.exp(0.3 * rng.standard_normal(350))],
            {"median, first": 1.0, "sigma of ln, first": 0.2, "median, second": 10.0, "share of the first": 0.3},
        ),
    }
    x, truth = drawn[family.name]
    cut = x > np.percentile(x, 97)
    for sample in (Sample(x, np.zeros(500, dtype=bool)), Sample(np.minimum(x, np.percentile(x, 97)), cut)):
        law = fit_family(family, sample, "V")
        assert law.distance < limit_of(500)
        for name, value in truth.items():
            estimate = law.parameters[name]
            assert estimate.low < value < estimate.high, name


def test_trends_and_their_absence():
    n = np.arange(600)
    x = 1.0 + 0.1 * normal(600)
    found = ship.fit({"v_set": x, "v_reset": -x * (1 + 0.4 * n / 600)}, "statistics", unit=V, replicates=20)
    assert any(note == "v_set: no trend over the sweeps within 10 %" for note in found.notes)
    change = found.summary["v_reset, change over the sweeps"]
    assert change.low < 40 / 1.2 < change.high
    assert found.summary["v_reset, median"].value < 0


def test_currents_and_a_read_voltage_give_states():
    """i_on and i_off read at -0.2 V: conductances are |I / V|; without the voltage the device is refused, and asks for it."""
    i_on, i_off = -1e-4 * np.exp(0.2 * normal(80)), -1e-6 * np.exp(0.6 * normal(80, seed=1))
    columns = {"i_on": i_on, "i_off": i_off, "device": ["a"] * 80}
    with pytest.raises(ship.FitError, match="needs the voltage at which i_on and i_off were read"):
        _ = ship.fit(columns, "statistics", unit="A", replicates=20).device
    found = ship.fit(columns, "statistics", unit="A", v_read=-0.2, replicates=20)
    device = found.device
    assert device.g_max == pytest.approx(np.median(-i_on) / 0.2)
    assert (device.v_read, device.origins["d2d"].status, device.origins["c2c"].status) == (-0.2, "missing", "measured")
    assert device.programming.sigma_off == pytest.approx(0.6, rel=0.2)
    assert found.summary["on/off, median"].value == pytest.approx(np.median(i_on / i_off))


def test_outliers_do_not_widen_the_scatter():
    """Two of a hundred sweeps did not SET: they are counted and kept in the distribution, and not in the scatter."""
    on = 1e-4 * np.exp(0.2 * normal(100))
    on[[20, 60]] = 1e-7
    found = ship.fit({"g_on": on, "g_off": 1e-6 * np.exp(0.3 * normal(100, seed=2))}, "statistics", unit="S", replicates=20)
    assert found.device.programming.sigma_on == pytest.approx(0.2, rel=0.2)
    assert any(note.startswith("on: 2 of 100 values lie more than 3.5") for note in found.notes)


def test_values_at_the_floor_of_the_meter_are_said():
    off = np.maximum(1e-9 * np.exp(0.8 * normal(100)), 0.6e-9)
    found = ship.fit({"g_on": 1e-4 * np.exp(0.1 * normal(100, seed=1)), "g_off": off}, "statistics", unit="S", replicates=20)
    (note,) = [n for n in found.notes if "at its smallest" in n]
    assert note.startswith(f"off: {int((off == 0.6e-9).sum())} of 100 values are at its smallest, 6e-10 S: they may be cut off")


def test_a_unipolar_file_says_what_was_taken():
    x = 1.0 + 0.1 * normal(40)
    columns = {"v_set": 2 * x, "v_reset": x, "g_on": 1e-4 * x, "g_off": 1e-6 * x}
    found = ship.fit(columns, "statistics", unit={"voltage": "V", "conductance": "S"}, replicates=20)
    device = found.device
    assert any("magnitudes, or a unipolar device" in note for note in found.notes)
    assert (device.v_set > 0, device.v_reset < 0) == (True, True)
    assert "have one sign in the file" in device.origins["v_reset"].text


# -- maps ------------------------------------------------------------------------------------------------------------------------


def two_populations(seed=0, broken=30):
    rng = np.random.default_rng(seed)
    low, high = 5e-6 * np.exp(0.3 * rng.standard_normal(800)), 80e-6 * np.exp(0.1 * rng.standard_normal(1200))
    return np.r_[low, high, 10.0 ** rng.uniform(-9, -7.5, broken)]


def test_populations_of_a_map():
    """800 cells at 5 uS (sigma 0.3), 1,200 at 80 uS (0.1), 30 broken ones far below: states, spread and yield."""
    found = ship.fit({"conductance": two_populations()}, "map", unit="S", replicates=20)
    assert found.summary["states"].value == 2
    assert found.summary["yield"].low < 100 * 2000 / 2030 < found.summary["yield"].high
    for k, (at, sigma) in enumerate(((5e-6, 0.3), (80e-6, 0.1)), 1):
        middle, spread = found.summary[f"state {k}, median"], found.summary[f"ln state {k}, spread of cells"]
        assert middle.low < at < middle.high
        assert spread.low < sigma < spread.high
    device = found.device
    assert (device.g_min, device.g_max) == (found.summary["state 1, median"].value, found.summary["state 2, median"].value)
    assert device.programming.shift_off.d2d_abs == found.summary["ln state 1, spread of cells"].value
    assert device.origins["c2c"].status == "missing"


def test_a_skewed_population_is_one():
    """One broad, skewed population (a gamma distribution) takes several log-normal parts and is one state: no window follows."""
    g = 1e-5 * np.random.default_rng(0).gamma(1.5, 1.0, 3000)
    found = ship.fit({"conductance": g}, "map", unit="S", replicates=20)
    assert found.summary["states"].value == 1
    with pytest.raises(ship.FitError, match="needs two states, and the map shows one population"):
        _ = found.device


def test_states_that_the_file_names():
    g = two_populations(broken=0)
    found = ship.fit({"conductance": g, "state": ["HRS"] * 800 + ["LRS"] * 1200}, "map", unit="S", replicates=20)
    assert found.summary["state HRS, median"].value == pytest.approx(5e-6, rel=0.05)
    assert found.summary["overlap of state HRS and state LRS"].value == 0
    assert found.device.g_max == pytest.approx(80e-6, rel=0.02)


def test_a_course_over_the_die():
    """ln G rises by 0.3 over 32 rows: + 35 %; none over the columns."""
    row, column = np.divmod(np.arange(1024), 32)
    g = 1e-5 * np.exp(0.3 * row / 31 + 0.2 * normal(1024, seed=4))
    found = ship.fit({"conductance": g, "row": row, "column": column}, "map", unit="S", replicates=20)
    course = found.summary["change from the first to the last row"]
    assert course.low < 100 * np.expm1(0.3) < course.high
    assert "no course over the columns within 10 %" in found.notes


def test_dark_cells_count_as_outside():
    g = np.r_[two_populations(broken=0), np.zeros(50)]
    found = ship.fit({"conductance": g}, "map", unit="S", replicates=20)
    assert found.summary["cells outside"].value >= 50
    with pytest.raises(ship.FitError, match="must be above 0 S in most cells"):
        ship.fit({"conductance": np.r_[np.ones(20) * 1e-6, np.zeros(50)]}, "map", unit="S")
