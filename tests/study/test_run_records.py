"""Runs of studies: what a record holds, what it refuses, and that a replay sees every difference."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from dataclasses import dataclass, replace
from types import ModuleType

import pytest
import torch

import ship
from ship.base.statistics import Interval
from ship.data.sets import About, LabelledSet
from ship.study import Run, compare_runs, conduct, read_run
from ship.study.record.settings import changed, from_plain

ABOUT = About("Three numbers", "CC0", "Nobody, nowhere (2020).", "https://example.org")


def numbers(x=(1.0, 2.0, 3.0)):
    return LabelledSet("three", torch.tensor(x)[:, None], torch.tensor([0, 1, 0]), ("a", "b"), ABOUT)


@dataclass(frozen=True)
class Config:
    """Settings of the study below."""

    n: int = 4
    scale: float = 1.0
    sizes: tuple[int, ...] = (1, 2)
    name: str = "plain"
    limit: float | None = None

    @classmethod
    def quick(cls):
        return cls(n=2)


def study(data=None, offset=0.0):
    """A study as a module: it draws numbers from its seed."""

    def run(config, run):
        run.uses(data or numbers())
        with run.stage("draw"):
            x = torch.rand(config.n, generator=torch.Generator().manual_seed(run.seed)).double() * config.scale + offset
        run.number("mean", ship.train.mean_interval(x), n=config.n, how="Student's t")
        run.number("rate", time.perf_counter(), unit="1/s", measured_time=True)
        run.table("draws", [{"k": k, "x": v} for k, v in enumerate(x)])
        run.note("Numbers of no meaning.")

    made = ModuleType("draws")
    made.Config, made.run = Config, run
    return made


@pytest.fixture
def first(tmp_path):
    return conduct(study(), tmp_path / "first", seed=3)


def test_a_record_holds_what_was_done(tmp_path, first):
    record = read_run(tmp_path / "first")
    assert record == first == json.loads((tmp_path / "first" / "run.json").read_text())
    assert record["config"] == {"n": 4, "scale": 1.0, "sizes": [1, 2], "name": "plain", "limit": None}
    assert (record["study"], record["seed"], record["notes"]) == ("draws", 3, ["Numbers of no meaning."])
    assert record["data"][0]["sha256"] == numbers().hash()
    assert record["data"][0]["licence"] == "CC0"
    mean = record["numbers"]["mean"]
    assert mean["low"] < mean["value"] < mean["high"]
    assert mean["n"] == 4
    assert [stage["what"] for stage in record["stages"]] == ["draw"]
    assert set(record["versions"]) >= {"ship", "python", "torch", "numpy"}
    assert record["threads"] == torch.get_num_threads()


def test_a_replay_is_equal(tmp_path, first):
    again = conduct(study(), tmp_path / "again", then=first)
    found = compare_runs(first, again)
    assert found.equal
    assert not found.around
    assert {(r.kind, r.name): r.equal for r in found.results}["number", "rate"] is None  # from a clock
    assert sum(r.equal is True for r in found.results) == 4  # settings, data, mean, draws
    assert str(found).endswith("All 4 results are equal.")


def test_a_replay_sees_a_difference_in_the_last_digit(tmp_path, first):
    again = conduct(study(offset=2.0**-50), tmp_path / "again", then=first)
    found = compare_runs(first, again)
    assert not found.equal
    unequal = {r.name: r.said for r in found.results if r.equal is False}
    assert set(unequal) == {"mean", "draws"}
    assert "difference" in unequal["mean"]
    assert "SHA-256" in unequal["draws"]


def test_a_replay_names_what_came_or_went_and_what_is_around(first):
    other = json.loads(json.dumps(first))
    del other["numbers"]["mean"]
    other["threads"], other["versions"]["torch"] = 99, "1.0"
    found = compare_runs(first, other)
    assert {r.name: r.said for r in found.results if r.equal is False} == {"mean": "only then"}
    assert any("threads" in text and "99" in text for text in found.around)
    assert any("torch" in text and "1.0" in text for text in found.around)


def test_other_data_are_refused(tmp_path, first):
    with pytest.raises(ship.RunError, match=r"data 'three': must be those of the run that is repeated.*--data"):
        conduct(study(numbers((1.0, 2.0, 4.0))), tmp_path / "again", then=first)
    assert not (tmp_path / "again" / "run.json").exists()


def test_parts_of_a_set_are_told_apart(tmp_path):
    with Run(tmp_path) as run:
        run.uses(numbers(), "train")
        run.uses(numbers((4.0, 5.0, 6.0)), "test")
        with pytest.raises(ship.RunError, match=r"'three \(test\)': were noted before"):
            run.uses(numbers(), "test")
    assert [each["name"] for each in run.record["data"]] == ["three (train)", "three (test)"]


def test_a_run_that_fails_leaves_no_record(tmp_path, first):
    """Neither its own nor that of the run that was there before, whose tables it has removed."""
    broken = study()
    broken.run = lambda config, run: (run.table("draws", [{"k": 1}]), 1 / 0)
    with pytest.raises(ZeroDivisionError):
        conduct(broken, tmp_path / "first")
    assert not (tmp_path / "first" / "run.json").exists()


def test_a_killed_run_leaves_no_record(tmp_path):
    script = """
        import os, signal, sys
        from ship.study import Run
        with Run(sys.argv[1]) as run:
            run.number("one", 1.0)
            run.table("half", [{"k": 1}])
            os.kill(os.getpid(), signal.SIGKILL)
    """
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], env=env, timeout=300)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "half.csv").exists()
    assert not (tmp_path / "run.json").exists()


def test_the_results_of_an_earlier_run_go(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with Run(tmp_path) as run:
        run.table("old", [{"a": 1}])
    with Run(tmp_path) as run:
        run.table("new", [{"a": Interval(1.0, 0.5, 1.5)}])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.txt", "new.csv", "run.json"]
    assert (tmp_path / "new.csv").read_text() == "a,a low,a high\n1.0,0.5,1.5\n"


def test_the_folder_of_another_program_is_left_alone(tmp_path):
    (tmp_path / "run.json").write_text('{"speed": 3}')
    with pytest.raises(ship.FileError, match=r"has a run\.json that would be lost"):
        Run(tmp_path)
    assert (tmp_path / "run.json").read_text() == '{"speed": 3}'


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"format": "ship run 1"}', '{"format": "ship run 1", "study": 3}'])
def test_a_damaged_record_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ship.FileError, match=r"is no record of a run|is damaged"):
        read_run(tmp_path)


def test_numbers_that_are_not_finite_are_words(tmp_path):
    with Run(tmp_path) as run:
        run.number("never", float("inf"))
        run.number("nothing", float("nan"))
    text = (tmp_path / "run.json").read_text()
    assert [run.record["numbers"][name]["value"] for name in ("never", "nothing")] == ["inf", "nan"]
    assert "Infinity" not in text
    assert compare_runs(run.record, read_run(tmp_path)).equal


def test_a_network_is_told_by_its_parameters(tmp_path):
    def made(weight):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=2)
        net.add(ship.LIF, "out", n=1, output=True)
        net.add(ship.ExpSynapse, "syn", source="in", target="out", weight=weight)
        net.init(dt=1e-3)
        return net

    with Run(tmp_path) as run:
        for name, weight in (("a", 0.5), ("same", 0.5), ("other", 0.5 + 2**-20)):
            run.network(name, made(weight))
        run.network("programme", made(0.5), dt=[(1e-3, 10), (1e-4, 100)])
    found = run.record["networks"]
    assert found["a"]["sha256"] == found["same"]["sha256"] != found["other"]["sha256"]
    assert found["a"]["dt"] == 1e-3
    assert found["programme"]["dt"] == [[1e-3, 10], [1e-4, 100]]
    assert found["a"]["groups"]["out"] == {"model": "LIF", "n": 1}


def test_figures_are_written_twice_with_their_words(tmp_path):
    from matplotlib.figure import Figure

    with Run(tmp_path) as run:
        figure = Figure()
        figure.add_subplot().plot([1, 2])
        run.figure("line", figure, "A rising line.")
        with pytest.raises(ship.ParameterError, match="must say what the figure shows"):
            run.figure("again", figure, " ")
    assert (tmp_path / "line.png").read_bytes()[:4] == b"\x89PNG"
    assert "A rising line." in (tmp_path / "line.svg").read_text()


def test_a_dataset_is_written_as_netcdf_too(tmp_path):
    xarray = pytest.importorskip("xarray", reason="tables of labelled axes need xarray")
    pytest.importorskip("h5netcdf", reason="NetCDF needs h5netcdf")
    data = xarray.Dataset({"accuracy": (("level", "draw"), [[0.5, 0.25], [1.0, 0.75]])}, {"level": [2, 4], "draw": [0, 1]})
    with Run(tmp_path) as run:
        run.table("levels", data)
    assert run.record["tables"]["levels"]["files"] == ["levels.csv", "levels.nc"]
    assert (tmp_path / "levels.csv").read_text().splitlines()[:2] == ["level,draw,accuracy", "2,0,0.5"]
    with xarray.open_dataset(tmp_path / "levels.nc", engine="h5netcdf") as again:
        xarray.testing.assert_identical(again.load(), data)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda run: run.number("x", 1.0, 0.5), "needs both ends"),
        (lambda run: run.number("x", 1.0, 2.0, 0.5), "the lower one first"),
        (lambda run: (run.number("x", 1.0), run.number("x", 2.0)), "must be another one than before"),
        (lambda run: run.table("../x", [{"a": 1}]), "must be the name of a file"),
        (lambda run: run.table("x", []), "at least one row"),
        (lambda run: run.table("x", {"a": 1}), "must be rows"),
        (lambda run: (run.close(), run.note("late")), "cannot add to a run that has ended"),
        (lambda run: run.record, "is there when the run has ended"),
    ],
)
def test_wrong_calls(tmp_path, call, text):
    with pytest.raises(ship.ShipError, match=text):
        call(Run(tmp_path))


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_warning_is_noted(tmp_path):
    """What is ideal without being asked for is said as a warning: it belongs beside the numbers."""
    made = study()
    made.run = lambda config, run: (warnings.warn("'syn' was written exactly", UserWarning, stacklevel=1), run.number("x", 1.0))
    with pytest.warns(UserWarning, match="written exactly"):
        record = conduct(made, tmp_path)
    assert record["notes"] == ["Warning: 'syn' was written exactly"]


# -- settings --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "field", "value"),
    [
        ("n=7", "n", 7),
        ("scale=2", "scale", 2.0),
        ("sizes=3,5,8", "sizes", (3, 5, 8)),
        ("sizes=[3]", "sizes", (3,)),
        ("name=7", "name", "7"),
        ("limit=0.5", "limit", 0.5),
        ("limit=null", "limit", None),
        ("limit=None", "limit", None),
    ],
)
def test_a_setting_is_changed(pair, field, value):
    made = getattr(changed("--set", Config(), [pair]), field)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        ("n=2.5", "n: must be int; got '2.5'"),
        ("n=true", "n: must be int; got 'true'"),
        ("sizes=1,a", r"sizes: must be tuple\[int, ...\]; got '1,a'"),
        ("sizes=3", "sizes: must be tuple"),
        ("limit=high", "limit: must be float"),
        ("size=3", "no setting 'size'.*Did you mean 'sizes'"),
        ("n", "must be KEY=VALUE"),
    ],
)
def test_a_wrong_setting_is_refused(pair, text):
    with pytest.raises(ship.ParameterError, match=text):
        changed("--set", Config(), [pair])


def test_settings_come_back_from_a_record(first):
    config = Config(n=4, scale=1.0)
    assert from_plain("record", Config, first["config"]) == config
    with pytest.raises(ship.ParameterError, match="no setting 'gone'"):
        from_plain("record", Config, first["config"] | {"gone": 1})
    with pytest.raises(ship.ParameterError, match="n: must be int"):
        from_plain("record", Config, first["config"] | {"n": "4"})


def test_quick_and_changes(tmp_path):
    record = conduct(study(), tmp_path, quick=True, changes=["scale=3"])
    assert (record["config"]["n"], record["config"]["scale"]) == (2, 3.0)


def test_what_is_no_study_is_named(tmp_path):
    made = study()
    del made.run
    with pytest.raises(ship.RunError, match="has no function run"):
        conduct(made, tmp_path)
    del made.Config
    with pytest.raises(ship.RunError, match="has no dataclass Config"):
        conduct(made, tmp_path)


def test_a_setting_that_json_cannot_hold_is_refused(tmp_path):
    made = study()
    made.Config = type("Config", (Config,), {"quick": classmethod(lambda cls: replace(cls(), name=torch.ones(1)))})
    with pytest.raises(ship.ParameterError, match=r"Config\.name: must be a number, text"):
        conduct(made, tmp_path, quick=True)
