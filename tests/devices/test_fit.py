"""From a measurement to models and a device: known truth comes back, wrong files are refused, real files where they are."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ship
from ship.devices.fitting import pulse_curves, scatter, trend, units
from ship.devices.fitting.curve_fit import Scaled, fit_curve
from ship.devices.fitting.neuron import rate
from ship.devices.fitting.trains import PulseTrain

DATA = Path(os.environ.get("SHIP_DATA", "nowhere")) / "device"
CURVES = {curve.name: curve for curve in pulse_curves.CURVES}

pytestmark = pytest.mark.usefixtures("no_grad")


def real(name):
    if not (DATA / name).exists():
        pytest.skip(f"SHIP_DATA does not hold device/{name}")
    return DATA / name


def up_down(name="soft", n=100, step=0.0, read=0.0, seed=0, low=10e-6, high=90e-6, **own):
    """A train of one device in S: n pulses up and n down."""
    own = {"alpha_p": 0.03, "alpha_d": 0.05, "gamma_p": 1.5, "gamma_d": 2.0, "k_p": 3.0, "k_d": 5.0} | own
    w = CURVES[name].follow(0.05, own, [(True, n), (False, n)], (n, n))
    made = scatter.Noise(np.array([step]), np.zeros((1, len(scatter.RHO))), np.array([read]))
    phi = scatter.memory(w, np.array([0, n]))
    return low + (high - low) * (w + scatter.simulate(made, phi, 1, np.random.default_rng(seed))[0])


def pulses(g, **more):
    n = len(g) // 2
    return ship.fit({"up": g[:n], "down": g[n:]}, "pulses", unit="S", **({"replicates": 20} | more))


# -- curves --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "gamma"), [("hard", 0.0), ("soft", 1.0), ("power", 1.7)])
def test_curve_is_the_device(name, gamma):
    """The closed form follows ``Bounded`` pulse by pulse (float64: to 1e-12 of the window)."""
    update = ship.devices.Bounded(alpha_p=0.02, alpha_d=0.03, gamma_p=gamma, gamma_d=gamma)
    device = ship.Device(g_min=0.0, g_max=1.0, update=update)
    array = ship.DeviceArray(device, 1, dtype=torch.float64)
    seen = []
    for v in [1.0] * 30 + [-1.0] * 30:
        array.pulse(v)
        seen.append(float(array.conductance()))
    own = {"alpha_p": 0.02, "alpha_d": 0.03, "gamma_p": gamma, "gamma_d": gamma}
    w = CURVES[name].follow(0.0, own, [(True, 30), (False, 30)], (30, 30))
    assert np.abs(w - np.array(seen)).max() < 1e-12
    assert 0.3 < w.max() < 1


def test_exponential_curve():
    """Ends at the ends, is its own continuation, and mirrors itself downwards."""
    whole = pulse_curves.exponential(0.0, 4.0, 50, 50)
    assert whole[-1] == pytest.approx(1.0, abs=1e-12)
    assert pulse_curves.exponential(float(whole[19]), 4.0, 30, 50) == pytest.approx(whole[20:], abs=1e-12)
    assert pulse_curves.exponential(0.0, 0.0, 10, 10) == pytest.approx(np.arange(1, 11) / 10)
    w = CURVES["exponential"].follow(0.0, {"k_p": 2.0, "k_d": 2.0}, [(True, 20), (False, 20)], (20, 20))
    assert w[20:] == pytest.approx(1 - w[:20], abs=1e-12)


@pytest.mark.parametrize(("nl", "a"), [(1.0, 1.2517), (1.75, 0.7021), (2.4, 0.4992), (4.88, 0.2003)])
def test_nonlinearity_is_neurosims(nl, a):
    """NL against the table of NeuroSim (A over p_max), which it gives to about 1 %."""
    assert pulse_curves.nonlinearity(1 / a) == pytest.approx(nl, rel=0.015)


def test_monotone_polygon():
    n = np.arange(1.0, 101)
    y = 1 - np.exp(-n / 20)
    at, value = pulse_curves.monotone(n, y + 0.02 * np.random.default_rng(0).standard_normal(100), True, 12)
    assert (np.diff(value) >= -1e-12).all()
    assert np.abs(np.interp(n, at, value) - y).max() < 0.04
    _, falling = pulse_curves.monotone(n, -y, False, 12)
    assert (np.diff(falling) <= 1e-12).all()


# -- noise ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "read"), [(0.01, 0.0), (0.0, 0.05), (0.01, 0.05)])
def test_scatter_is_told_apart(step, read):
    """Steps that stay and reads that do not: each comes back within 20 % as a mean over 40 series of 400 points.

    One series does not tell a random walk from what is forgotten over 50 pulses: up to 0.03 of a walk counts as read.
    """
    phi = np.ones(400)
    made = scatter.Noise(np.array([step]), np.zeros((1, len(scatter.RHO))), np.array([read]))
    found = scatter.split(scatter.simulate(made, phi, 40, np.random.default_rng(1)), phi, np.array([0]))
    assert float(np.sqrt((found.step**2).mean())) == pytest.approx(step, rel=0.2, abs=0.002)
    assert float(np.sqrt((found.read**2).mean())) == pytest.approx(read, rel=0.2, abs=0.03 if step else 0.01)


# -- pulses --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hard", "soft", "power", "exponential"])
def test_each_law_is_found(name):
    """Of noisy data of each law, that law (or one that contains it) comes first, with its parameters."""
    own = {"alpha_p": 0.008, "alpha_d": 0.009} if name == "hard" else {}
    found = pulses(up_down(name, n=120, read=0.01, seed=3, **own))
    assert found.best.name == name or (name, found.best.name) in {("hard", "power"), ("soft", "exponential")}
    by_name = {f.name: f for f in found.ranking}
    assert by_name[name].fits
    window = (found.summary["window, upper"].value - found.summary["window, lower"].value) / 80e-6
    assert by_name[name].residual * window == pytest.approx(0.01, rel=0.2)
    truth = {"hard": {"alpha_p": 0.008}, "soft": {"alpha_d": 0.05}, "power": {"gamma_d": 2.0}, "exponential": {"k_d": 5.0}}[name]
    for parameter, value in truth.items():
        assert by_name[name].parameters[parameter].value == pytest.approx(value, rel=0.15)


@pytest.mark.slow
def test_intervals_cover_the_truth():
    """95 % intervals of four parameters hold the truth in at least 85 % of 40 data sets (binomial: 95 +- 4 %)."""
    truth = np.array([10.0, 90.0, 0.03, 0.05])
    inside = []
    for seed in range(40):
        y = up_down(n=80, step=0.004, read=0.02, seed=seed) * 1e6
        low, high = np.percentile(y, [2, 98])
        scaled = Scaled(PulseTrain("", [(True, 80), (False, 80)], y), (y - low) / (high - low), -low / (high - low))
        fit = fit_curve(CURVES["soft"], [scaled], 60, np.random.default_rng(seed))
        again = fit.replicates[0][:, [0, 1, 3, 4]]
        again[:, :2] = low + again[:, :2] * (high - low)
        bounds = np.percentile(again, [2.5, 97.5], axis=0)
        inside.append((bounds[0] <= truth) & (truth <= bounds[1]))
    assert 0.85 <= np.mean(inside) <= 1.0
    assert (np.mean(inside, axis=0) > 0.75).all()


def test_devices_and_their_correlation():
    """Of 24 emulated devices (d2d 20 %, correlation 0.8), spread and correlation come back, and go into the device."""
    update = ship.devices.Bounded(
        alpha_p=ship.Varied(0.05, d2d=0.2), alpha_d=ship.Varied(0.06, d2d=0.2), gamma_p=1.0, gamma_d=1.0, noise=0.003
    )
    truth = ship.Device(g_min=10e-6, g_max=90e-6, update=update, correlated=(("update.alpha_p", "update.alpha_d", 0.8),))
    array = ship.DeviceArray(truth, 24, dtype=torch.float64, seed=4)
    seen = []
    for v in [1.0] * 50 + [-1.0] * 50:
        array.pulse(v)
        seen.append(array.conductance())
    g = torch.stack(seen).numpy()
    columns = {
        "conductance": g.T.ravel(),
        "polarity": np.tile(np.repeat([1, -1], 50), 24),
        "device": np.repeat(np.arange(24), 100),
    }
    found = ship.fit(columns, unit="S", replicates=480)
    assert found.kind == "pulses"
    values = found.values["soft"]
    spread = dict(zip(values["names"], values["spread"], strict=True))
    alpha = array.value("update.alpha_p").numpy().ravel()
    assert spread["alpha_p"] == pytest.approx(alpha.std(ddof=1), rel=0.25)
    i, j = values["names"].index("alpha_p"), values["names"].index("alpha_d")
    r = np.corrcoef(alpha, array.value("update.alpha_d").numpy().ravel())[0, 1]
    assert values["correlation"][i, j] == pytest.approx(r, abs=0.15)
    soft = next(f for f in found.ranking if f.name == "soft")
    assert soft.fits
    assert soft.parameters["step noise"].value == pytest.approx(0.003, rel=0.3)
    assert soft.parameters["alpha_p"].low < 0.05 < soft.parameters["alpha_p"].high
    device = found.device
    assert isinstance(device.update.alpha_p, ship.Varied)
    ship.DeviceArray(device, 10, chips=3).pulse(count=5)
    if found.best.name == "soft":
        assert any({a, b} == {"update.alpha_p", "update.alpha_d"} for a, b, _ in device.correlated)


def test_one_device_has_no_spread():
    found = pulses(up_down(n=60, read=0.005))
    assert any("cannot be estimated" in note for note in found.notes)
    assert not isinstance(found.device.update.alpha_p, ship.Varied)


def test_drop_between_the_branches_is_refused():
    """A branch down that begins 30 % lower than the branch up ended: no law follows it, the table does."""
    w = np.concatenate([np.linspace(0, 1, 60), np.linspace(0.7, 0, 60)])
    g = 10e-6 + 80e-6 * (w + 0.004 * np.random.default_rng(0).standard_normal(120))
    found = pulses(g)
    laws = [f for f in found.ranking if f.name != "table"]
    assert not any(f.fits for f in laws)
    assert "cannot follow the drop between your branches" in laws[0].verdict
    assert "use the table device" in laws[0].verdict
    assert found.best.name == "table"
    array = ship.DeviceArray(found.device, 1, variation=False, dtype=torch.float64)
    array.pulse(count=60)
    top = float(array.conductance())
    array.pulse(-1.0, count=1)
    assert top == pytest.approx(90e-6, rel=0.02)  # the scatter of a point is 0.4 % of the window, the monotone branch's end less
    assert float(array.conductance()) == pytest.approx(66e-6, rel=0.03)


def test_same_seed_same_fit():
    g = up_down(n=40, read=0.01)
    one, two, other = (json.dumps(pulses(g, seed=s).report()) for s in (1, 1, 2))
    assert one == two
    assert one != other


def test_one_polarity_gives_no_device():
    g = up_down(n=60, read=0.004)[:60]
    found = ship.fit({"up": g}, "pulses", unit="S", replicates=20)
    assert found.ranking[0].fits
    with pytest.raises(ship.FitError, match="needs pulses down"):
        _ = found.device


def test_normalised_data_are_scaled():
    g = up_down(n=60, read=0.004, low=0.0, high=1.0)
    columns = {"up": g[:60] * 2 - 1, "down": g[60:] * 2 - 1}
    found = ship.fit(columns, "pulses", unit="normalised", g_min=1e-6, g_max=11e-6, scale=(-1, 1), replicates=20)
    soft = next(f for f in found.ranking if f.name == "soft")
    assert soft.parameters["g_min"].value == pytest.approx(1e-6, abs=0.3e-6)
    assert soft.parameters["g_max"].value == pytest.approx(11e-6, abs=0.3e-6)


# -- other kinds ---------------------------------------------------------------------------------------------------------------


def test_retention_power_law():
    rng, t = np.random.default_rng(0), np.geomspace(1, 1e4, 12)
    g = np.concatenate([g0 * t**-0.05 * (1 + 0.003 * rng.standard_normal(12)) for g0 in (150e-6, 200e-6, 300e-6)])
    columns = {"time_s": np.tile(t, 3), "G (uS)": g * 1e6, "level": np.repeat([0, 1, 2], 12)}
    found = ship.fit(columns, replicates=50)
    assert (found.kind, found.best.name) == ("retention", "power")
    nu = found.best.parameters["nu, mean"]
    assert nu.low < 0.05 < nu.high
    assert nu.value == pytest.approx(0.05, abs=0.001)


def test_retention_exponential():
    t = np.linspace(1, 300, 40)
    g = 5e-6 + 20e-6 * np.exp(-t / 60) + 0.05e-6 * np.random.default_rng(0).standard_normal(40)
    found = ship.fit({"t": t, "g": g}, "retention", unit={"time": "s", "conductance": "S"}, replicates=40)
    assert found.best.name == "exponential"
    tau = found.best.parameters["tau"]
    assert tau.low < 60 < tau.high
    with pytest.raises(ship.FitError, match="two levels"):
        _ = found.device


def iv_sweep(a_on, a_off, b, noise_of=0.01, seed=0):
    v = np.concatenate([np.linspace(0, 1, 100), np.linspace(1, 0, 100), np.linspace(0, -1, 100), np.linspace(-1, 0, 100)])
    a = np.concatenate([np.full(100, a_off), np.full(100, a_on), np.full(100, a_on), np.full(100, a_off)])
    i = a * np.sinh(b * v)
    return v, i * (1 + noise_of * np.random.default_rng(seed).standard_normal(400))


def test_iv_sinh_and_states():
    sweeps = [iv_sweep(2e-6, 2e-7, 3.0, seed=s) for s in range(4)]
    columns = {
        "voltage": np.concatenate([v for v, _ in sweeps]),
        "current": np.concatenate([i for _, i in sweeps]),
        "sweep": np.repeat(range(4), 400),
    }
    found = ship.fit(columns, "iv", unit={"voltage": "V", "current": "A"}, v_read=0.1, replicates=40)
    assert found.best.name == "sinh"
    assert found.best.parameters["b, on"].value == pytest.approx(3.0, rel=0.02)
    assert found.best.parameters["a, off"].value == pytest.approx(2e-7, rel=0.05)
    assert found.summary["on/off, median"].value == pytest.approx(10, rel=0.03)
    # area: integral of the difference of both sinh, cosh(3) - 1 over 3 on each side
    area = 2 * (2e-6 - 2e-7) * (math.cosh(3) - 1) / 3
    assert found.summary["area of the loop, median"].value == pytest.approx(area, rel=0.08)
    g = 2e-6 * math.sinh(0.3) / 0.1
    assert float(found.device.g_max) == pytest.approx(g, rel=0.03)
    assert found.device.v_read == 0.1


def test_iv_by_a_shunt():
    v, i = iv_sweep(2e-6, 2e-7, 3.0)
    columns = {"shunt": i * 1000, "source": v + i * 1000}
    with pytest.raises(ship.FitError, match="shunt=1000"):
        ship.fit(columns, unit="V")
    found = ship.fit(columns, unit="V", shunt=1000.0, v_read=0.1, replicates=20)
    assert found.summary["on/off, median"].value == pytest.approx(10, rel=0.05)


def test_iv_without_hysteresis_gives_no_device():
    v, i = iv_sweep(1e-6, 1e-6, 3.0)
    found = ship.fit({"voltage": v, "current": i}, unit={"voltage": "V", "current": "A"}, v_read=0.2, replicates=20)
    with pytest.raises(ship.FitError, match="two states"):
        _ = found.device


def test_statistics():
    rng = np.random.default_rng(2)
    z = rng.standard_normal((2, 60))
    v_set = 1.2 + 0.1 * z[0]
    r_off = 1e5 * np.exp(0.5 * (0.8 * z[0] + 0.6 * z[1]))
    r_on = 1e3 * np.exp(0.1 * rng.standard_normal(60))
    columns = {"V_set (V)": v_set, "R_on (ohm)": r_on, "R_off (ohm)": r_off}
    found = ship.fit(columns, replicates=200)
    assert found.kind == "statistics"
    by_name = {f.name: f for f in found.ranking}
    mean = by_name["v_set: normal"].parameters["mean"]
    assert mean.low < 1.2 < mean.high
    assert not by_name["off: normal"].fits
    assert by_name["off: log-normal"].fits
    assert by_name["off: log-normal"].parameters["sigma of ln"].value == pytest.approx(0.5, rel=0.25)
    assert found.summary["rank correlation v_set, off"].value < -0.6  # of conductances
    assert float(found.device.g_max) == pytest.approx(1e-3, rel=0.05)
    assert float(found.device.v_set) == pytest.approx(1.2, rel=0.05)


def test_statistics_of_two_populations_are_refused():
    rng = np.random.default_rng(0)
    g = np.concatenate([1e-9 * np.exp(0.3 * rng.standard_normal(20)), 1e-3 * np.exp(0.3 * rng.standard_normal(20))])
    found = ship.fit({"g_on": g, "g_off": g / 100}, "statistics", unit="S", replicates=100)
    assert not any(f.fits for f in found.ranking)
    with pytest.raises(ship.FitError, match="several populations"):
        _ = found.device


def test_endurance():
    rng, n = np.random.default_rng(0), np.geomspace(1, 1e6, 25).round()
    on, off = (100 - 6 * np.log10(n)) * 1e-6, (5 + 0.5 * np.log10(n)) * 1e-6
    columns = {"cycle": n, "g_on": on * (1 + 0.01 * rng.standard_normal(25)), "g_off": off * (1 + 0.01 * rng.standard_normal(25))}
    found = ship.fit(columns, unit="S", replicates=40)
    assert (found.kind, found.best.name) == ("endurance", "logarithmic")
    b = found.best.parameters["b[on]"]
    assert b.low < 6e-6 < b.high


def test_neuron():
    current = np.linspace(0.5e-9, 6e-9, 30)
    f = rate("LIF", np.array([1.5e-9, 15e-3, 3e-3]), current)
    f = f * (1 + 0.01 * np.random.default_rng(0).standard_normal(30))
    found = ship.fit({"current_nA": current * 1e9, "rate_Hz": f}, replicates=60)
    assert (found.kind, found.best.name) == ("f-I", "LIF")
    for name, value in (("tau", 15e-3), ("t_ref", 3e-3), ("i_th", 1.5e-9)):
        estimate = found.best.parameters[name]
        assert estimate.value == pytest.approx(value, rel=0.05)
        assert estimate.low * 0.98 < value < estimate.high * 1.02
    lif, gain = found.values["ship.LIF"], found.values["input"]["V/s per A"]
    model = ship.LIF(tau=lif["tau"], t_ref=lif["t_ref"], v_th=lif["v_th"])
    assert model.tau == lif["tau"]
    v0 = lif["tau"] * gain * 4e-9
    predicted = 1 / (lif["t_ref"] + lif["tau"] * math.log(v0 / (v0 - lif["v_th"])))
    assert predicted == pytest.approx(float(rate("LIF", np.array([1.5e-9, 15e-3, 3e-3]), np.array([4e-9]))[0]), rel=0.02)
    with pytest.raises(ship.FitError, match="not a memory device"):
        _ = found.device


def test_rate_is_the_textbook():
    """f = 1 / (t_ref + tau ln(v0 / (v0 - theta))) with tau 10 ms, t_ref 5 ms, theta 10 mV: 34.508 Hz at v0 = 11 mV."""
    p = np.array([10e-3, 10e-3, 5e-3])
    assert rate("LIF", p, np.array([11e-3, 15e-3, 20e-3, 9e-3])) == pytest.approx([34.508, 62.554, 83.812, 0.0], rel=1e-4)


# -- a measured array ----------------------------------------------------------------------------------------------------------


def test_measured_array(tmp_path):
    g, faults = np.array([[10.0, 20.0], [np.nan, 40.0]]), np.array([[0, 1], [3, 0]])
    made = ship.measured_array(g, unit="uS", faults=faults)
    assert torch.allclose(made.conductance, torch.tensor([[10e-6, 20e-6], [0.0, 40e-6]], dtype=torch.float64), rtol=1e-14, atol=0)
    assert made.counts == {"sound": 2, "stuck low": 1, "stuck high": 0, "open": 1}
    assert "1 open devices were set to 0 S" in str(made)
    np.savez(tmp_path / "chip.npz", conductance=np.where(np.isnan(g), 0, g), faults=faults)
    again = ship.measured_array(tmp_path / "chip.npz", unit="uS")
    assert torch.equal(again.conductance, made.conductance)
    assert torch.equal(again.faults, made.faults)
    assert len(again.sha256) == 64
    (tmp_path / "chip.csv").write_text("a,b\n10,20\n5,40\n")
    assert ship.measured_array(tmp_path / "chip.csv", unit="kohm").conductance[1, 1] == pytest.approx(1 / 40e3)


@pytest.mark.parametrize(
    ("values", "more", "text"),
    [
        ([[1.0]], {}, "units are never guessed"),
        ([[1.0]], {"unit": "V"}, "must be a unit of conductance"),
        ([[1.0]], {"unit": "normalised"}, "must be physical"),
        ([[1.0, np.nan]], {"unit": "S"}, r"device \[0, 1\]: must be a finite number"),
        ([[1.0, -2.0]], {"unit": "S"}, r"device \[0, 1\]: must be at least 0 S"),
        ([[1.0, 0.0]], {"unit": "ohm"}, "resistances must be above 0 ohm"),
        ([1.0], {"unit": "S"}, r"must be numbers \[row, column\]"),
        ([[1.0]], {"unit": "S", "faults": [[4]]}, "must be 0 .sound."),
        ([[1.0]], {"unit": "S", "faults": [[0, 0]]}, r"must be \[1, 1\]"),
    ],
)
def test_wrong_arrays(values, more, text):
    with pytest.raises(ship.FitError, match=text):
        ship.measured_array(values, **more)


# -- files and units -----------------------------------------------------------------------------------------------------------

GOOD = "up_uS,down_uS\n" + "\n".join(f"{10 + k},{40 - k}" for k in range(20))


def fit_text(tmp_path, text, name="a.csv", **more):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ship.fit(path, **({"replicates": 20} | more))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "bom.csv", "semicolon.csv", "decimal.csv", "comment.csv"])
def test_layouts(tmp_path, name):
    text, more = GOOD, {}
    if "tsv" in name or "txt" in name:
        text = GOOD.replace(",", "\t")
    if name == "bom.csv":
        text = "\ufeff" + GOOD.replace("\n", "\r\n")
    if name == "semicolon.csv":
        text = GOOD.replace(",", ";")
    if name == "decimal.csv":
        text, more = "up_uS;down_uS\n" + "\n".join(f"{10 + k},0;{40 - k},0" for k in range(20)), {"decimal": ","}
    if name == "comment.csv":
        text = "# probe 3\n" + GOOD
    found = fit_text(tmp_path, text, name, **more)
    assert found.settings["points"] == 40
    assert found.summary["window, upper"].value == pytest.approx(38e-6, rel=0.1)
    assert any("comment" in note for note in found.notes) == (name == "comment.csv")


def rows(change):
    lines = GOOD.split("\n")
    return "\n".join(change(lines))


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        (GOOD.replace("_uS", ""), {}, "column 'up': needs a unit of conductance. Units are never guessed"),
        (GOOD.replace("down_uS", "down_nS"), {}, "must have one unit; got up in uS, down in nS"),
        (GOOD, {"unit": "nS"}, "column 'up_uS': says uS; got unit='nS'"),
        (GOOD.replace("_uS", ""), {"unit": "V"}, "must be a unit of conductance; got 'V'"),
        (GOOD.replace("_uS", ""), {"unit": "normalised"}, "needs g_min, g_max, scale"),
        (GOOD, {"g_min": 1e-6}, "g_min: is only for data in unit='normalised'"),
        (rows(lambda x: [*x[:5], "oops,3", *x[5:]]), {}, "row 6, column 'up_uS': must be a number; got 'oops'"),
        (rows(lambda x: [*x[:5], ",3", *x[5:]]), {}, "row 6, up: must be a number; got an empty cell or NaN (1 such rows)"),
        (rows(lambda x: [*x[:5], "inf,3", *x[5:]]), {}, "row 6, column 'up_uS': must be finite"),
        (rows(lambda x: [*x[:5], "1,2,3", *x[5:]]), {}, "row 6: must have 2 cells, as the header; got 3"),
        (GOOD.replace(",", ";").replace("10;", "10,5;", 1), {}, "Decimal commas: give decimal=','"),
        (rows(lambda x: x[:2]), {}, "pulses up: must be at least 8 in a row; got 1"),
        (rows(lambda x: x[:1]), {}, "needs a header and at least one row"),
        ("", {}, "is empty"),
        (rows(lambda x: x[1:]), {}, "needs a header: names of the columns"),
        (rows(lambda x: ["up_uS,up_uS", *x[1:]]), {}, "needs different names"),
        (rows(lambda x: ["a,b", *x[1:]]), {"kind": "pulses"}, "needs columns for up + down"),
        (rows(lambda x: ["a,b", *x[1:]]), {}, "the columns fit no kind of measurement"),
        (GOOD, {"columns": {"up": "upp"}}, "no column 'upp'. Known: 'up_uS', 'down_uS'. Did you mean 'up_uS'?"),
        (GOOD, {"kind": "pulses", "columns": {"upp": "up_uS"}}, "has no 'upp'"),
        (GOOD, {"columns": {"up": "down_uS", "down": "up_uS"}}, "must raise the conductance; got a fall"),
        ("up_uS,down_uS\n" + "\n".join(["5,5"] * 20), {}, "must change with the pulses; got a constant 5e-06 S"),
        (GOOD, {"only": {"up_uS": 99}}, "leaves no row"),
        (GOOD, {"kind": "pulse"}, "no kind 'pulse'. Known: 'pulses'"),
        (GOOD, {"kind": "array"}, "Use ship.measured_array"),
        (GOOD, {"seed": -1}, "seed: must be a whole number"),
        (GOOD, {"replicates": 2}, "replicates: must be a whole number from 20"),
        (GOOD, {"shunt": 0}, "shunt: must be a resistance above 0 ohm"),
        (
            "conductance_uS,polarity\n" + "\n".join(f"{k},sideways" for k in range(1, 20)),
            {},
            "row 2, polarity: must be up or down",
        ),
    ],
)
def test_errors(tmp_path, text, more, message):
    with pytest.raises(ship.FitError) as caught:
        fit_text(tmp_path, text, **more)
    assert message in str(caught.value)


def test_skipped_rows_are_counted(tmp_path):
    found = fit_text(tmp_path, rows(lambda x: [*x[:5], ",3", *x[5:]]), skip_empty=True)
    assert "1 rows with empty cells or NaN were left out, as asked (skip_empty)" in found.notes


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.csv", None, "no such file"),
        ("a.pdf", b"x", "must be .csv"),
        ("a.npz", b"x", "is damaged"),
        ("a.csv", b"a\0\xff", "is no text"),
    ],
)
def test_wrong_files(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ship.FileError, match=message):
        ship.fit(tmp_path / name)


def test_npz_with_objects_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", up=np.array([print], dtype=object))
    with pytest.raises(ship.FileError, match="holds objects"):
        ship.fit(tmp_path / "a.npz")


def test_xlsx(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    for line in GOOD.split("\n"):
        book.active.append([float(c) if c.replace(".", "").isdigit() else c for c in line.split(",")])
    book.save(path)
    assert ship.fit(path, replicates=20).settings["points"] == 40


@pytest.mark.parametrize(
    ("header", "quantity", "unit"),
    [
        ("G (uS)", "conductance", "uS"),
        ("conductance_uS", "conductance", "uS"),
        ("G [\N{GREEK SMALL LETTER MU}S]", "conductance", "uS"),
        ("time_s", "time", "s"),
        ("V_set_V", "voltage", "V"),
        ("R (k\N{GREEK CAPITAL LETTER OMEGA})", "resistance", "kohm"),
        ("conductance_up", "conductance", None),
        ("time_s", "conductance", None),
        ("g_us", "conductance", None),
        ("G", "conductance", None),
    ],
)
def test_units_of_headers(header, quantity, unit):
    assert units.split_header(header, quantity)[1] == unit


def test_arrays_need_matching_columns():
    with pytest.raises(ship.FitError, match="must have 20 rows"):
        ship.fit({"up": np.arange(20.0), "down": np.arange(10.0)}, "pulses", unit="uS")
    with pytest.raises(ship.FitError, match=r"numbers \[row, column\]"):
        ship.fit(np.array(["a"]))
    table = np.stack([np.arange(1, 21.0), np.arange(21.0, 1, -1)], 1)
    found = ship.fit(table, "pulses", columns={"up": 0, "down": 1}, unit="uS", replicates=20)
    assert found.settings["points"] == 40


def test_trend_needs_no_scale():
    """Laws are scale-free: the same data in S and in nS give the same exponent."""
    t = np.geomspace(1, 100, 9)
    law = trend.laws("S", "s")[2]
    rng = np.random.default_rng(0)
    one, two = (trend.fit_law(law, {"": (t, s * t**-0.1)}, 20, rng).theta[0, 1] for s in (1e-3, 1e-12))
    assert one == pytest.approx(0.1, abs=1e-6)
    assert two == pytest.approx(one, abs=1e-9)


# -- report, folder, command ---------------------------------------------------------------------------------------------------


def test_report_figure_and_folder(tmp_path):
    found = pulses(up_down(n=40, read=0.01))
    text = str(found)
    for word in ("Models, best first", "residual", "alpha_p = ", "[", "Device:", "Note:"):
        assert word in text
    written = found.save(tmp_path / "out")
    assert {p.name for p in written} == {"report.json", "figure.png", "device.toml"}
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["models"][0]["name"] == found.best.name
    assert report["settings"]["seed"] == 0
    device = ship.load_device(tmp_path / "out/device.toml")
    assert device == found.device
    axes = found.figure().axes
    assert [a.get_ylabel().split("\n")[0] for a in axes] == ["conductance (uS)", "residual"]


def test_a_folder_has_files_of_one_fit(tmp_path, monkeypatch):
    """A device of another fit goes; what fails half-way leaves no report beside files of another fit."""
    found = pulses(up_down(n=40, read=0.01))
    folder = tmp_path / "out"
    found.save(folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    other = replace(found, make_device=None, source="other.csv")
    with monkeypatch.context() as patched:
        patched.setattr(type(found), "figure", lambda self: (_ for _ in ()).throw(RuntimeError("no figure")))
        with pytest.raises(RuntimeError, match="no figure"):
            other.save(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(ship.FileError, match="cannot be written; got full"):
            other.save(folder)
    assert not (folder / "report.json").exists()
    assert [p.name for p in other.save(folder)] == ["report.json", "figure.png"]
    assert sorted(p.name for p in folder.iterdir()) == ["figure.png", "report.json"]
    assert json.loads((folder / "report.json").read_text())["source"] == "other.csv"
    assert (folder / "figure.png").read_bytes() != before["figure.png"]


def test_estimates_at_a_limit_read_as_zero():
    """1e-15 with an interval from 1e-12 on is 0, not a value outside its own interval."""
    assert str(ship.devices.fitting.Estimate(5e-15, 1.3e-12, 0.23, "S")) == "0 [0, 0.23] S"
    assert str(ship.devices.fitting.Estimate(1e-6, 9e-7, 2e-6, "S")) == "1e-06 [9e-07, 2e-06] S"
    assert str(ship.devices.fitting.Estimate(2.0)) == "2"


def test_read_noise_is_in_the_device():
    """2 % of a window of about 50 uS: 1 uS; the report says how to take it out."""
    found = pulses(up_down(n=40, read=0.02))
    window = found.best.parameters["g_max"].value - found.best.parameters["g_min"].value
    expected = found.best.parameters["read noise"].value * window
    assert float(found.device.noise.sigma) == pytest.approx(expected, rel=0.05)
    assert any(n.startswith("the read noise") and "take it out" in n for n in found.notes)


def call(*words):
    return subprocess.run(
        [sys.executable, "-m", "ship.cli", "fit", *map(str, words)], capture_output=True, text=True, timeout=300
    )


def test_command(tmp_path):
    g = up_down(n=40, read=0.01) * 1e6
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n" + "\n".join(f"{float(x)},{float(y)}" for x, y in zip(g[:40], g[40:], strict=True)))
    words = [path, "--kind", "pulses", "--column", "up=a", "--column", "down=b", "--replicates", "20", "--out", tmp_path / "out"]
    done = call(*words, "--unit", "uS", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "Models, best first" in done.stdout
    assert "Written:" in done.stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"report.json", "figure.png", "device.toml"}
    done = call(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("ship: mine.csv: column 'a': needs a unit of conductance.")
    done = call(*words, "--unit", "uS", "--column", "nonsense")
    assert done.returncode == 2
    assert done.stderr == "ship: ship fit: --column: must be two words with = between them; got 'nonsense'.\n"


# -- real files ----------------------------------------------------------------------------------------------------------------


def test_gong():
    """Gong et al. 2018: an almost straight branch up and a curved one down; the scatter is of reads, it does not add up."""
    path = real("gong_potentiation_depression.csv")
    with pytest.raises(ship.FitError, match="needs a unit of conductance"):
        ship.fit(path)
    found = ship.fit(path, unit="normalised", g_min=1e-6, g_max=100e-6, scale=(-1, 1), replicates=20)
    by_name = {f.name: f for f in found.ranking}
    assert found.settings["points"] == 2000
    assert by_name["power"].fits
    assert by_name["power"].residual < 0.09
    assert by_name["power"].parameters["gamma_p"].value < 0.4
    assert 0.5 < by_name["power"].parameters["gamma_d"].value < 1.5
    assert by_name["hard"].criterion > by_name["power"].criterion + 20
    assert by_name["power"].parameters["step noise"].value < 0.01
    array = ship.DeviceArray(found.device, 1000, chips=2)
    array.pulse(count=20)
    assert bool(torch.isfinite(array.conductance()).all())


def test_data_below_zero_are_reported():
    """Normalised data called uS: the report is there, and says why no device follows."""
    found = ship.fit(real("gong_potentiation_depression.csv"), unit="uS", replicates=20)
    assert "Models, best first" in str(found)
    with pytest.raises(ship.FitError, match="must be at least 0 S"):
        _ = found.device
    assert "normalised" in found.refusal()


def test_hfo2_figure():
    """The published law against the figure that it was fitted to: 0.7 uS at most, over eight levels."""
    path = real("rram_multilevel_drift_digitised.csv")
    found = ship.fit(path, "retention", columns={"conductance": "value"}, unit="uS", only={"statistic": "mean"}, replicates=20)
    assert found.best.name == "hfo2"
    assert found.summary["published HfO2 law, largest deviation"].value < 0.7e-6
    assert len(found.values["hfo2"]["levels"]) == 8


def test_nbsto():
    """No simple law holds over the decades of a Schottky junction with memory; the states are told apart all the same."""
    path = real("nbsto_iv.npz")
    found = ship.fit(path, "iv", unit={"voltage": "V", "current": "A"}, replicates=20)
    assert found.settings["sweeps"] == 60
    assert not any(f.fits for f in found.ranking)
    assert found.summary["on/off, median"].value > 5
    with pytest.raises(ship.FitError, match="no model follows the data"):
        _ = found.best
    assert float(found.device.g_max) > 5 * float(found.device.g_min)


@pytest.mark.slow
def test_sdc():
    """A triangle of 1 kHz, 56 records: almost no loop, hence no device; the shunt's resistance is asked for."""
    path = real("sdc_iv_triangle.npz")
    columns = {"shunt": "volt[0]", "source": "volt[1]"}
    with pytest.raises(ship.FitError, match="shunt"):
        ship.fit(path, "iv", columns=columns, unit="V")
    found = ship.fit(path, "iv", columns=columns, unit="V", shunt=1000.0, replicates=20)
    assert found.settings["sweeps"] == 56
    assert found.summary["on/off, median"].value == pytest.approx(1.0, abs=0.1)
    with pytest.raises(ship.FitError, match="two states"):
        _ = found.device


def test_mos2():
    """Two switching voltages are no statistics, and the currents are several populations: both are said."""
    path = real("mos2_memeffect_sweep.csv")
    with pytest.raises(ship.FitError, match="37 such rows"):
        ship.fit(path)
    with pytest.raises(ship.FitError, match="needs at least 8 values"):
        ship.fit(path, "statistics", skip_empty=True)


def test_sdc_retention():
    """One read a minute of one device: conductances that jump tenfold, no law; rows with NaN are not dropped in silence."""
    with np.load(real("sdc_retention1.npz")) as file:
        volt = file["volt"].astype(np.float64)
    with pytest.raises(ship.FitError, match="NaN"):
        ship.fit({"shunt": volt[..., 0], "source": volt[..., 1]}, "iv", unit="V", shunt=1000.0)
    g = []
    for read in volt:
        good = ~np.isnan(read).any(1)
        g.append(np.polyfit(read[good, 1] - read[good, 0], read[good, 0] / 1000, 1)[0])
    found = ship.fit({"time_min": 1.0 + np.arange(60), "g": np.array(g)}, "retention", unit="S", replicates=20)
    assert not any(f.fits for f in found.ranking)
    assert "the values jump" in found.ranking[0].verdict
