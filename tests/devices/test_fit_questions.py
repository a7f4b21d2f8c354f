"""What a fit asks instead of guessing: which of two columns is meant, which way to measure; and what it says of a model."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import ship
from ship.cli import ask, main
from ship.devices.fitting import pulse_curves, report, trend_result
from ship.devices.fitting.neuron import rate
from ship.devices.reading.roles import NEEDS, ROLES, WAYS
from ship.devices.reading.spelling import argument, for_command

pytestmark = pytest.mark.usefixtures("no_grad")
UP = np.arange(1.0, 21)


def needs(kind, role):
    """A need of the kind with the role in it, or of the way to measure that it goes with."""
    ways = WAYS.get(kind, ())
    others = set().union(*(way for way in ways if role not in way)) if any(role in way for way in ways) else set()
    fitting = [need for need in NEEDS[kind] if not others & set(need)]  # what stands in no way goes with each of them
    return next((need for need in fitting if role in need), fitting[0])


# -- which column --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "role"), [(k, r) for k in ROLES for r in ROLES[k] if len(ROLES[k][r].names) > 1])
def test_two_headers_for_a_role(kind, role):
    """Any two names of any role of any kind: neither column is taken; the answer that is asked for settles it."""
    names = ROLES[kind][role].names
    columns = {ROLES[kind][r].names[0]: UP for r in needs(kind, role) if r != role} | {names[0]: UP, names[1]: UP}
    with pytest.raises(ship.FitError, match="more than one column can be") as caught:
        ship.fit(columns, kind)
    assert f"columns={{{role!r}: {names[0]!r}}}, or columns={{{role!r}: {names[1]!r}}}" in str(caught.value)
    with pytest.raises(ship.FitError) as caught:  # settled: what is asked next is the unit, or whether it changes, ...
        ship.fit(columns, kind, columns={role: names[1]})
    assert "more than one column" not in str(caught.value)


def test_the_same_name_with_two_units():
    """``G (uS)`` and ``G (nS)`` are two columns of one name."""
    with pytest.raises(ship.FitError, match=r"can be 'conductance'; got G \(uS\), G \(nS\)"):
        ship.fit({"time (s)": UP, "G (uS)": UP, "G (nS)": UP}, "retention")


def test_the_chosen_column_is_used():
    """A set point beside a reading: the one that is chosen is fitted."""
    t = np.geomspace(1, 100, 20)
    columns = {"time (s)": t, "conductance (uS)": np.full(20, 50.0), "G (uS)": 40 * t**-0.1}
    found = ship.fit(columns, "retention", columns={"conductance": "G (uS)"}, replicates=20)
    assert found.summary["first"].value == pytest.approx(40e-6)
    assert "columns that were not used: conductance (uS)" in found.notes


@pytest.mark.parametrize("kind", list(WAYS))
def test_two_ways_to_measure(kind):
    """Columns for both ways are a question; with the columns of one way given, the other is left alone."""
    roles = [r for way in NEEDS[kind][:2] for r in way]
    columns = {ROLES[kind][r].names[0]: UP for r in roles}
    with pytest.raises(ship.FitError, match="can be read in two ways"):
        ship.fit(columns, kind)
    given = {r: ROLES[kind][r].names[0] for r in NEEDS[kind][1]}
    with pytest.raises(ship.FitError) as caught:
        ship.fit(columns, kind, columns=given)
    assert "two ways" not in str(caught.value)


def test_a_column_of_the_other_way_is_not_used():
    """Columns up and down beside a conductance without its polarity: the train is up and down, the rest is named as left out."""
    found = ship.fit({"up": UP, "down": UP[::-1], "conductance": UP}, unit="uS", replicates=20)
    assert found.settings["points"] == 40
    assert "columns that were not used: conductance" in found.notes
    assert "read as 'pulses' by its columns" in found.notes


def test_a_kind_that_fits_too_is_named():
    """A table of cycles with both states is endurance, and could be statistics."""
    columns = {"cycle": UP, "g_on": 100 - UP / 10, "g_off": UP / 10 + 1}
    found = ship.fit(columns, unit="uS", replicates=20)
    assert "read as 'endurance' by its columns; they fit 'statistics' too, which need fewer of them" in found.notes


def test_one_column_for_two_roles():
    with pytest.raises(ship.FitError, match="'up' and 'down' must be different columns; got 'a'"):
        ship.fit({"a": UP, "b": UP}, "pulses", columns={"up": "a", "down": "a"})


def test_a_header_of_another_quantity():
    with pytest.raises(ship.FitError, match="says V, which is no unit of conductance"):
        ship.fit({"up (uS)": UP, "down (V)": UP[::-1]}, unit={"down": "uS"})


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"unit": {"bogus": "uS"}}, "unit: there is no column of 'bogus' among those used"),
        ({"unit": {"conductance": "uS", "time": "s"}}, "unit: there is no column of 'time'"),
        ({"unit": {"conductance": 5}}, "fit: unit: must be str, Mapping[str, str] or None; got {'conductance': 5}"),
        ({"unit": 5}, "unit: must be str, Mapping[str, str] or None; got 5"),
        ({"unit": "uS", "shunt": 100.0}, "shunt: is only for the kind 'iv'"),
        ({"unit": "uS", "compliance": 1e-3}, "compliance: is only for the kind 'iv'; got a measurement of the kind 'pulses'"),
        ({"unit": "uS", "compliance": 0.0}, "compliance: must be a current above 0 A; got 0.0"),
        ({"unit": "uS", "series_resistance": -1.0}, "series_resistance: must be a resistance above 0 ohm; got -1.0"),
        ({"unit": "uS", "v_read": 0.0}, "v_read: must be a voltage (V), not 0; got 0.0"),
        ({"unit": "uS", "label": {"colour": "red"}}, "no kind of measurement has 'colour'. Known: 'up', "),
        ({"unit": "uS", "label": "M1"}, "label"),
        ({"unit": "uS", "only": 5}, "only"),
        ({"unit": "uS", "skip_empty": "no"}, "skip_empty: "),
        ({"unit": "uS", "columns": {"up": None}}, "columns: must be a mapping"),
        ({"unit": "uS", "sheet": "x"}, "sheet: is only for XLSX files"),
        ({"unit": "uS", "kind": ["pulses"]}, "kind"),
    ],
)
def test_options_that_mean_nothing(more, text):
    with pytest.raises(ship.ShipError) as caught:
        ship.fit({"up": UP, "down": UP[::-1]}, **more)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("more", "text"),
    [({"decimal": "comma"}, "decimal: must be '.' or ','"), ({"sheet": "x"}, "sheet: is only for XLSX"), ({"unit": 5}, "unit")],
)
def test_options_of_an_array(more, text):
    with pytest.raises(ship.ShipError) as caught:
        ship.measured_array([[1.0]], **({"unit": "uS"} | more))
    assert text in str(caught.value)


# -- how a remedy is spelled ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "python", "command"),
    [
        ("kind", None, "kind=", "--kind"),
        ("unit", "uS", "unit='uS'", "--unit uS"),
        ("columns", {"up": "G (uS)"}, "columns={'up': 'G (uS)'}", "--column 'up=G (uS)'"),
        ("skip_empty", True, "skip_empty=True", "--skip-empty"),
        ("shunt", 1000, "shunt=1000", "--shunt 1000"),
        ("scale", (0, 1), "scale=(0, 1)", "--scale 0 1"),
    ],
)
def test_spelling(name, value, python, command):
    """Each option that is named exists in the command."""
    assert argument(name, value) == python
    with for_command():
        assert argument(name, value) == command
    assert argument(name, value) == python
    option = command.split()[0].removeprefix("--").replace("-", "_")
    assert option in inspect.signature(main.fit).parameters


def call(*words):
    return subprocess.run([sys.executable, "-m", "ship.cli", *map(str, words)], capture_output=True, text=True, timeout=300)


def test_the_command_spells_its_options(tmp_path):
    """The remedy is an option that works as it stands: with it, the next question is another one."""
    path = tmp_path / "a.csv"
    path.write_text("time_s,G (uS),conductance (uS)\n" + "\n".join(f"{k},5,{10 - k / 10}" for k in range(1, 12)))
    for command in ("fit", "ask"):
        done = call(command, path, "--kind", "retention", "--out", tmp_path / "out")
        assert done.returncode == 2
        assert "Say which: --column 'conductance=G (uS)', or --column 'conductance=conductance (uS)'." in done.stderr
    words = ("--column", "conductance=conductance (uS)", "--replicates", 20)
    done = call("fit", path, "--kind", "retention", "--out", tmp_path / "out", *words)
    assert done.returncode == 0, done.stderr


def test_ask_takes_all_options_of_fit():
    assert set(inspect.signature(main.fit).parameters) - {"out", "seed"} <= set(inspect.signature(main.ask).parameters)


def test_ask_forwards_them(tmp_path):
    """An option that only some kinds have arrives; one beside a device file is an error."""
    path = tmp_path / "a.csv"
    path.write_text("up_uS;down_uS\n" + "\n".join(f"{10 + k},5;{40 - k},5" for k in range(20)))
    done = call("ask", path, "--decimal", ",", "--only", "up_uS=99", "--out", tmp_path)
    assert "only 'up_uS': leaves no row" in done.stderr
    done = call("ask", path, "--decimal", ",", "--shunt", "5", "--out", tmp_path)
    assert "shunt: is only for the kind 'iv'" in done.stderr
    ship.save_device(ship.Device(), tmp_path / "d.toml")
    done = call("ask", tmp_path / "d.toml", "--skip-empty", "--out", tmp_path)
    assert done.returncode == 2
    assert "only for measurements" in done.stderr


def test_stages_are_said_to_who_watches(capsys, monkeypatch):
    with ask.Stages().stage("nobody watches"):
        pass
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with ask.Stages(False).stage("not asked for"):
        pass
    with ask.Stages().stage("train"):
        assert capsys.readouterr().err == "train ...\n"
    assert capsys.readouterr().err == "train: 0 s\n"


# -- what is said of a model ---------------------------------------------------------------------------------------------------


def pulses(g):
    n = len(g) // 2
    return ship.fit({"up": g[:n], "down": g[n:]}, "pulses", unit="S", replicates=20)


def follows_the_rule(found):
    """No model "fits" that another beats by more than 10 in AICc and by more than 0.5 % of the scale."""
    fit = [f for f in found.ranking if f.fits and np.isfinite(f.criterion)]
    best = min(fit, key=lambda f: f.criterion)
    for f in fit:
        closer = np.sqrt(max(f.residual**2 - best.residual**2, 0))
        assert f.criterion - best.criterion <= 10 or closer <= 0.005
        assert (f.criterion - best.criterion > 10) == ("likelier" in f.verdict)
    return {f.name: f for f in found.ranking}


@pytest.mark.parametrize(("k", "scatter", "n"), [(3.0, 0.005, 100), (2.0, 0.002, 200), (5.0, 0.02, 100)])
def test_hard_bounds_do_not_fit_exponential_pulses(k, scatter, n):
    """The straight lines of hard bounds stay within 5 % of the window of exponential curves, on average, and do not fit them."""
    curve = next(c for c in pulse_curves.CURVES if c.name == "exponential")
    w = curve.follow(0.05, {"k_p": k, "k_d": k}, [(True, n), (False, n)], (n, n))
    g = 10e-6 + 80e-6 * (w + scatter * np.random.default_rng(1).standard_normal(2 * n))
    found = pulses(g)
    models = follows_the_rule(found)
    hard = models["hard"]
    assert 0.03 < hard.residual < 0.06
    assert hard.criterion > min(f.criterion for f in found.ranking) + 100
    assert not hard.fits
    assert hard.verdict.startswith("has not the shape of your data")
    assert models["exponential"].fits
    assert found.best.name != "hard"


def test_a_law_within_the_scatter_still_fits():
    """Soft bounds are an exponential curve: both fit, whichever is likelier."""
    curve = next(c for c in pulse_curves.CURVES if c.name == "soft")
    w = curve.follow(0.05, {"alpha_p": 0.03, "alpha_d": 0.05}, [(True, 80), (False, 80)], (80, 80))
    models = follows_the_rule(pulses(1e-5 + 8e-5 * (w + 0.01 * np.random.default_rng(0).standard_normal(160))))
    assert models["soft"].fits
    assert models["exponential"].fits
    assert models["power"].fits  # it contains soft


@pytest.mark.parametrize("noise_of", [1e-3, 1e-2])
def test_retention_of_a_drift_is_not_constant(noise_of):
    """A loss of 12 % (power law, nu 0.014) leaves a constant within 5 % of the mean, and is no constant."""
    t = np.geomspace(1, 1e4, 200)
    y = 50e-6 * t**-0.014 * (1 + noise_of * np.random.default_rng(0).standard_normal(200))
    models = follows_the_rule(ship.fit({"time_s": t, "G (uS)": y * 1e6}, "retention", replicates=20))
    assert models["constant"].residual < trend_result.ACCEPT
    assert not models["constant"].fits
    assert models["power"].fits


def test_a_rate_curve_of_another_neuron():
    """Rates of a linear leak: the LIF keeps within 5 % of them, and does not fit; its values are called approximate."""
    i = np.linspace(1.2e-9, 6e-9, 60)
    f = rate("linear leak", np.array([1e-9, 20e-12, 5e-3]), i)
    found = ship.fit(
        {"current_nA": i * 1e9, "rate_Hz": f * (1 + 1e-3 * np.random.default_rng(0).standard_normal(60))}, replicates=20
    )
    models = follows_the_rule(found)
    assert models["linear leak"].fits
    assert models["LIF"].residual < 0.05
    assert not models["LIF"].fits
    assert any("its values are approximate" in note for note in found.notes)
    assert found.values["ship.LIF"]["tau"] > 0


def test_iv_of_a_sinh_is_no_other_law():
    v = np.concatenate([np.linspace(0, 1, 100), np.linspace(1, 0, 100)])
    i = np.where(np.arange(200) < 100, 2e-7, 2e-6) * np.sinh(1.5 * v)
    i = i * (1 + 0.005 * np.random.default_rng(0).standard_normal(200))
    models = follows_the_rule(ship.fit({"voltage_V": v, "current_A": i}, "iv", replicates=20))
    assert models["sinh"].fits
    within = [f for f in models.values() if f.residual <= 0.15 and f.name != "sinh"]
    assert within  # some other law keeps within the limit of 15 %
    assert not any(f.fits for f in within)


def test_distributions_are_compared_within_their_quantity():
    """Log-normal values of two quantities: the normal law of each is beside the log-normal law of the same."""
    rng = np.random.default_rng(0)
    columns = {"g_on": 1e-4 * np.exp(0.5 * rng.standard_normal(100)), "g_off": 1e-6 * np.exp(0.7 * rng.standard_normal(100))}
    found = ship.fit(columns, "statistics", unit="S", replicates=50)
    models = {f.name: f for f in found.ranking}
    for name in ("on", "off"):
        assert models[f"{name}: log-normal"].fits
        assert not models[f"{name}: normal"].fits
        assert " is likelier" in models[f"{name}: normal"].verdict
        assert models[f"{name}: log-normal"].criterion < 10
    assert found.best.name == "on: log-normal"


def test_too_few_points_are_said():
    one = report.Fitted("a", {}, 0.01, float("inf"), 3)
    two = report.Fitted("b", {}, 0.01, 5.0, 2)
    assert [f.verdict for f in report.compared([one, two])] == ["fits; too few points for AICc", "fits"]
