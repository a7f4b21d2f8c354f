"""Fits of retention: known truth comes back, files of laboratories give their right values, what is open is said."""

import math

import numpy as np
import pytest

import ship
from published import published
from ship.devices import AdditiveNoise, LogDrift, PowerDrift, PowerTrend, RelativeNoise
from ship.devices.fitting import mixtures, trend_noise, trend_result
from ship.devices.fitting.report import Estimate

pytestmark = pytest.mark.usefixtures("no_grad")
SI = {"time": "s", "conductance": "S"}


def law(found, name):
    return next(f for f in found.ranking if f.name == name)


def flicker(n, rng):
    h = np.cumprod(np.append(1.0, (np.arange(1, n) - 0.5) / np.arange(1, n)))
    return np.convolve(h, rng.standard_normal(n))[:n]


# -- retention ---------------------------------------------------------------------------------------------------------


def test_one_level_has_parts_and_no_device():
    """The window is not measured: what is measured can be joined with one."""
    t = np.geomspace(1, 1e4, 60)
    g = 20e-6 * t**-0.05 * np.exp(0.01 * np.random.default_rng(0).standard_normal(60))
    found = ship.fit({"time": t, "conductance": g}, "retention", unit=SI)
    part = found.measured["retention"]
    assert isinstance(part, PowerDrift)
    assert float(part.nu) == pytest.approx(0.05, abs=0.002)
    assert float(found.measured["noise"].sigma) == pytest.approx(0.01, rel=0.25)
    assert "g_min" not in found.measured
    with pytest.raises(ship.FitError, match=r"two levels.*got one level.*Found\.measured"):
        _ = found.device


def test_what_rises_is_a_trend_with_a_negative_exponent():
    t = np.geomspace(1, 361, 60)
    g = 20e-6 * t**0.033 * np.exp(0.003 * np.random.default_rng(0).standard_normal(60))
    found = ship.fit({"time": t, "conductance": g}, "retention", unit=SI)
    part = found.measured["retention"]
    assert isinstance(part, PowerTrend)
    assert float(part.nu) == pytest.approx(-0.033, abs=0.001)
    assert any("rises by 7." in note for note in found.notes)


def test_levels_make_a_window_and_devices_a_spread():
    rng, t = np.random.default_rng(3), np.geomspace(1, 1e4, 20)
    nu = 0.05 + 0.01 * rng.standard_normal((2, 10))
    g = np.array([20e-6, 100e-6])[:, None, None] * t ** -nu[:, :, None] * np.exp(0.005 * rng.standard_normal((2, 10, 20)))
    g[1] *= np.exp(0.1 * rng.standard_normal((10, 1)))
    columns = {"time": np.tile(t, 20), "conductance": g.ravel()}
    columns |= {"level": np.repeat(["low", "high"], 200), "device": np.tile(np.repeat(np.arange(10), 20), 2)}
    found = ship.fit(columns, "retention", unit=SI)
    assert "nu, d2d" in law(found, "power").parameters
    device = found.device
    assert device.retention.nu.nominal == pytest.approx(0.05, abs=0.01)
    assert device.g_max.nominal == pytest.approx(100e-6, rel=0.1)
    assert device.g_max.d2d_abs == pytest.approx(10e-6, rel=0.5)
    assert device.g_min == pytest.approx(20e-6, rel=0.02)  # its spread is that of the reads alone
    assert device.origins["retention"].status == device.origins["g_min"].status == "measured"
    assert device.origins["update"].status == "missing"


def test_the_read_voltage_is_measured_where_states_are_currents_at_it():
    t, rng = np.geomspace(1, 1e4, 20), np.random.default_rng(0)
    i = 0.2 * np.array([20e-6, 100e-6])[:, None] * t**-0.03 * np.exp(0.005 * rng.standard_normal((2, 20)))
    columns = {"time": np.tile(t, 2), "conductance": i.ravel(), "level": np.repeat(["low", "high"], 20)}
    device = ship.fit(columns, "retention", unit={"time": "s", "conductance": "A"}, v_read=0.2).device
    assert (device.v_read, device.origins["v_read"].status) == (0.2, "measured")
    assert device.g_max == pytest.approx(100e-6, rel=0.02)


def test_additive_noise_is_told_from_relative_noise():
    """Four levels over two decades: the scatter is the same in S at each of them, or in percent."""
    rng, t, levels = np.random.default_rng(0), np.geomspace(1, 1e3, 60), (1e-6, 5e-6, 20e-6, 100e-6)
    for relative in (False, True):
        z = rng.standard_normal((4, 60))
        g = np.array([g0 * t**-0.01 + (0.01 * g0 if relative else 0.1e-6) * e for g0, e in zip(levels, z, strict=True)])
        columns = {"time": np.tile(t, 4), "conductance": g.ravel(), "level": np.repeat(levels, 60)}
        noise = ship.fit(columns, "retention", unit=SI).measured["noise"]
        assert isinstance(noise, RelativeNoise if relative else AdditiveNoise)
        assert float(noise.sigma) == pytest.approx(0.01 if relative else 0.1e-6, rel=0.2)


def test_slow_scatter_is_kept_apart_and_widens_intervals():
    """1/f noise of 0.4 %: its Allan deviation is sqrt(2 ln 2 / pi) of that; the interval holds the exponent and is wider."""
    rng, t = np.random.default_rng(1), 0.05 * np.arange(1, 1001)
    white = 0.01 * rng.standard_normal(1000)
    made = {}
    for size in (0.0, 0.004):
        g = 90e-6 * (t / t[0]) ** -0.004 * np.exp(white + size * flicker(1000, np.random.default_rng(2)))
        made[size] = ship.fit({"time": t, "conductance": g}, "retention", unit=SI)
    slow = made[0.004].summary["slow scatter (1/f), Allan deviation"].value
    assert slow == pytest.approx(0.004 * math.sqrt(2 * math.log(2) / math.pi), rel=0.5)
    nu = {size: law(found, "power").parameters["nu"] for size, found in made.items()}
    assert all(e.low < 0.004 < e.high for e in nu.values())
    assert nu[0.004].high - nu[0.004].low > 2 * 1.96 * 0.01 / math.sqrt(1000)  # of white noise, on an even log-time axis


def test_flicker_departures_are_those_of_the_sum():
    """The variances by which flicker is found, against a simulation."""
    rng, seen = np.random.default_rng(0), {}
    for _ in range(60):
        y = flicker(2048, rng)
        for m in (1, 2, 8, 64):
            means = y.reshape(-1, m).mean(1)
            seen.setdefault(m, []).append((trend_noise.departures(np.arange(len(means)) + 1.0, means) ** 2).mean())
    for m, values in seen.items():
        error = np.std(values) / math.sqrt(60)
        assert abs(np.mean(values) - trend_noise.DEPARTURE.get(m, trend_noise.LIMIT)) < 4 * error


def test_a_time_beyond_the_data_is_open_and_in_no_device():
    """A time constant of ten times the measurement: a straight line; tau and where it ends are not determined."""
    t = np.linspace(1, 100, 50)
    g = 50e-6 * np.exp(-t / 1000) + 0.05e-6 * np.random.default_rng(0).standard_normal(50)
    found = ship.fit({"time": t, "conductance": g}, "retention", unit=SI)
    fitted = law(found, "exponential")
    assert {"tau", "y_inf"} <= set(fitted.open)
    assert math.isnan(fitted.parameters["tau"].low)
    assert "tau = " in str(found)
    assert "(not determined)" in str(found)
    assert "tau" not in repr(found.measured.get("retention"))


def test_a_clock_counts_from_the_first_read():
    t = 1.6e9 + 0.05 * np.arange(500)
    g = 90e-6 * np.exp(0.01 * np.random.default_rng(0).standard_normal(500))
    found = ship.fit({"time": t, "conductance": g}, "retention", unit=SI)
    assert any("those of a clock" in note for note in found.notes)
    assert any("is assumed to be a step of time" in note for note in found.notes)
    assert "no trend within" in "; ".join(found.notes)
    assert found.measured["retention"] is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ((-0.002, -0.02, 0.016), "x: no trend within 2 % a decade"),
        ((0.004, 0.002, 0.006), "x: no trend within 0.6 % a decade"),  # sure, and of no use
        ((-0.08, -0.1, -0.06), "x: falls by 8 % a decade, 6 to 10 %"),
        ((0.2, -0.4, 1.2), "x: a trend is not determined (within 120 % a decade)"),
        ((0.2, math.nan, math.nan), "x: a trend is not determined"),
    ],
)
def test_a_trend_in_words(change, text):
    assert trend_result.trend_in_words(Estimate(*change), "x") == text


def test_many_curves_are_drawn_as_bands():
    rng, t = np.random.default_rng(0), np.geomspace(1, 1e3, 10)
    g = 50e-6 * t**-0.03 * np.exp(0.01 * rng.standard_normal((20, 10)))
    columns = {"time": np.tile(t, 20), "conductance": g.ravel(), "device": np.repeat(np.arange(20), 10)}
    found = ship.fit(columns, "retention", unit=SI)
    assert [s.style for s in found.panels[0].series] == ["band", "solid", "dashed"]
    assert found.figure() is not None


# -- two times ---------------------------------------------------------------------------------------------------------


def baked(rng, n=400):
    before = 50e-6 * np.exp(0.5 * rng.standard_normal(n))
    lost = rng.uniform(size=n) < 0.4
    return before, before * np.exp(np.where(lost, -3 + 0.5 * rng.standard_normal(n), 0.05 * rng.standard_normal(n)))


def test_a_bake_is_a_distribution_of_ratios():
    before, after = baked(np.random.default_rng(0))
    columns = {"stage": ["fresh"] * 400 + ["baked"] * 400, "conductance": np.append(before, after)}
    columns["device"] = np.tile(np.arange(400), 2)
    found = ship.fit(columns, "retention", unit="S", replicates=40)
    best = found.best
    assert best.name == "two populations"
    assert best.parameters["share 1"].low < 0.4 < best.parameters["share 1"].high
    assert best.parameters["ratio 1"].low < math.exp(-3) < best.parameters["ratio 1"].high
    assert found.summary["cells that lose more than half"].value == pytest.approx(0.4, abs=0.06)
    assert found.measured == {}
    with pytest.raises(ship.FitError, match="times of the stages are not known"):
        _ = found.device


def test_two_times_give_an_assumed_law():
    before, after = baked(np.random.default_rng(0))
    columns = {"time": np.repeat([1.0, 1000.0], 400), "conductance": np.append(before, after)}
    found = ship.fit(columns, "retention", unit=SI, replicates=20)
    assert any("in the same order" in note for note in found.notes)
    assert isinstance(found.measured["retention"], PowerTrend)
    assert "is assumed" in found.remarks["retention"]
    with pytest.raises(ship.FitError, match="two stages tell no law"):
        _ = found.device


@pytest.mark.parametrize(
    ("stage", "text"),
    [(["a", "a", "a"], "needs two stages"), (["a", "a", "b"], "both stages need the same cells; got 2 before, 1 after")],
)
def test_stages_that_do_not_match(stage, text):
    with pytest.raises(ship.FitError, match=text):
        ship.fit({"stage": stage, "conductance": [1.0, 2.0, 3.0]}, "retention", unit="uS")


def test_a_mixture_finds_its_populations():
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(-4, 0.5, 300), rng.normal(0, 0.1, 700)])
    made = mixtures.mixture(y, 2, background=0.0)
    assert made.weight == pytest.approx([0.3, 0.7, 0.0], abs=0.02)
    assert made.mean == pytest.approx([-4, 0], abs=0.1)
    assert made.width == pytest.approx([0.5, 0.1], rel=0.1)


# -- the files of laboratories -----------------------------------------------------------------------------------------


def test_lab_reads_of_one_cell():
    a = np.loadtxt(published("rram_retention_1cell_3000.csv"), delimiter=",")
    found = ship.fit({"time": a[:, 1], "conductance": a[:, 3]}, "retention", unit=SI)
    s = found.summary
    assert s["median"].value == pytest.approx(94.07e-6, rel=1e-4)
    assert s["first, median of 100 reads"].value == pytest.approx(94.94e-6, rel=1e-4)
    assert s["last, median of 100 reads"].value == pytest.approx(93.35e-6, rel=1e-4)
    assert s["scatter of a read (white)"].value == pytest.approx(0.012, rel=0.03)
    assert 0.001 < s["slow scatter (1/f), Allan deviation"].value < 0.005
    assert float(found.measured["noise"].sigma) == pytest.approx(0.012, rel=0.03)


def test_lab_bake():
    before, after = (np.loadtxt(published(f"rram_{when}bake85_4096.tsv")) for when in ("pre", "post"))
    columns = {"stage": ["before"] * 4096 + ["after"] * 4096, "conductance": 1 / np.append(before[:, 1], after[:, 1])}
    columns["device"] = np.append(before[:, 0], after[:, 0]).astype(int)
    found = ship.fit(columns, "retention", unit="S", replicates=20)
    s = found.summary
    assert s["median resistance, before"].value == pytest.approx(15.4e3, rel=2e-3)
    assert s["median resistance, after"].value == pytest.approx(185e3, rel=2e-3)
    assert s["ratio, median"].value == pytest.approx(0.432, abs=0.001)
    assert s["ratio, 5 % of cells below"].value == pytest.approx(0.0046, abs=1e-4)
    assert s["ratio, 95 % of cells below"].value == pytest.approx(1.21, abs=0.01)


def test_lab_rising():
    """Read with plain code: the two columns of the sheet's cells."""
    import re
    import zipfile

    with zipfile.ZipFile(published("retention_rising.xlsx")) as file:
        text = file.read("xl/worksheets/sheet1.xml").decode()
    rows = [re.findall(r"<v>(.*?)</v>", row) for row in re.findall(r"<row .*?</row>", text, re.S)]
    t, g = np.array([[float(v) for v in row[:2]] for row in rows]).T
    found = ship.fit({"time": t, "conductance": g}, "retention", unit=SI)
    assert found.summary["change, first to last"].value == pytest.approx(0.126, abs=0.001)
    part = found.measured["retention"]
    assert isinstance(part, PowerTrend)
    assert float(part.nu) == pytest.approx(-0.033, abs=0.001)
    assert "tau" in law(found, "exponential").open


def test_a_logarithmic_drift_is_a_part():
    rng, t = np.random.default_rng(0), np.geomspace(1, 1e4, 40)
    levels = [g0 - 2e-6 * np.log10(t) + 0.05e-6 * rng.standard_normal(40) for g0 in (20e-6, 90e-6)]
    columns = {"time": np.tile(t, 2), "conductance": np.concatenate(levels), "level": np.repeat([0, 1], 40)}
    device = ship.fit(columns, "retention", unit=SI).device
    assert isinstance(device.retention, LogDrift)
    assert device.noise.sigma == pytest.approx(0.05e-6, rel=0.2)
