"""Sweeps: results with their labels, what is kept and done again, journals that were cut off, and searches."""

import json
import math
import textwrap

import numpy as np
import pytest
import torch

import ship
from ship.cli.check import imported
from ship.study import Between, grid, search
from ship.study.sweeps.journal import Journal
from ship.study.sweeps.plan import key_of, plan
from ship.study.sweeps.source import function_of, source_of, used
from ship.study.sweeps.values import from_plain, to_plain

xarray = pytest.importorskip("xarray")
HERE = {"workers": 0, "progress": False}


def written(path, text):
    path.write_text(textwrap.dedent(text))
    return imported(path)


def test_results_stand_at_their_labels():
    def fn(tau, kind, seed):
        if tau == 0.2 and seed == 7:
            raise ValueError("no\nsuch")
        return {"sum": tau + seed, "name": len(kind), "trace": torch.tensor([tau, math.nan])}

    table = grid(fn, {"tau": np.array([0.1, 0.2]), "kind": ["a", "bcd"]}, [7, 3], units={"tau": "s", "sum": "V"}, **HERE)
    assert table["sum"].dims == ("tau", "kind", "seed")
    assert table["trace"].dims == ("tau", "kind", "seed", "trace 0")
    assert float(table["sum"].sel(tau=0.2, kind="a", seed=3)) == 3.2
    assert int(table["name"].sel(tau=0.1, kind="bcd", seed=7)) == 3
    assert table["trace"].sel(tau=0.1, kind="a", seed=3).values.tolist()[0] == np.float32(0.1)
    assert table["failed"].sel(seed=7).values.tolist() == [[False, False], [True, True]]
    assert np.isnan(table["sum"].sel(tau=0.2, seed=7)).all()
    assert (table["tau"].attrs["units"], table["sum"].attrs["units"]) == ("s", "V")
    assert table.attrs["failures"].splitlines()[0] == '{"tau": 0.2, "kind": "a", "seed": 7}: ValueError: no'
    assert json.loads(table.attrs["versions"])["ship"] == ship.__version__
    whole = grid(lambda n, seed: n * seed, {"n": [2, 3]}, 2, **HERE)
    assert (whole["value"].dtype, whole["value"].values.tolist()) == (np.int64, [[0, 2], [0, 3]])


def test_what_is_there_is_kept_and_more_may_be_asked_for(tmp_path):
    calls = []

    def fn(a, seed):
        calls.append((a, seed))
        if a == 2 and len(calls) < 4:
            raise RuntimeError("not yet")
        return a + seed / 7

    first = grid(fn, {"a": [1, 2]}, 1, folder=tmp_path, **HERE)
    assert bool(first["failed"].sel(a=2, seed=0))
    assert "not yet" in next((tmp_path / "failures").iterdir()).read_text()
    grid(fn, {"a": [1, 2]}, 1, folder=tmp_path, **HERE)
    assert calls == [(1, 0), (2, 0)]
    more = grid(fn, {"a": [3, 1.0, 2]}, 2, folder=tmp_path, **HERE)
    assert calls[2:] == [(3, 0), (3, 1), (1.0, 1), (2, 1)]
    again = grid(fn, {"a": [3, 1, 2]}, 2, folder=tmp_path, retry=True, **HERE)
    assert calls[6:] == [(2, 0)]
    assert not again["failed"].any()
    assert again["value"].sel(a=1).equals(more["value"].sel(a=1))
    stored = xarray.load_dataset(tmp_path / "result.nc", engine="h5netcdf")
    xarray.testing.assert_identical(stored, again)
    assert len((tmp_path / "result.csv").read_text().splitlines()) == 7
    with pytest.raises(ship.RunError, match=r"must go on with what it began with; got .*axes: \['a'\], not \['a', 'b'\]\."):
        grid(lambda a, b, seed: 0, {"a": [1], "b": [1]}, folder=tmp_path, changed="keep", **HERE)


TEXT = """
    import math
    SCALE = 2.0
    AXES = {"a": [1, 2]}

    def helper(x):
        return SCALE * x

    def point(a, seed):
        return helper(a) + math.pi
"""


def test_a_changed_function_is_noticed(tmp_path):
    path, folder = tmp_path / "mine.py", tmp_path / "out"
    first = grid(written(path, TEXT).point, {"a": [1]}, folder=folder, **HERE)
    same = TEXT.replace("[1, 2]", "[1, 2, 3]").replace("return helper", "# a word\n        return  helper")
    more = grid(written(path, same).point, {"a": [1, 2]}, folder=folder, **HERE)
    assert more.attrs["source_sha256"] == first.attrs["source_sha256"]
    other = written(path, same.replace("2.0", "3.0")).point
    with pytest.raises(ship.RunError, match=r"another version of 'point'.*changed='keep'"):
        grid(other, {"a": [1, 2]}, folder=folder, **HERE)
    kept = grid(other, {"a": [1, 2, 3]}, folder=folder, changed="keep", **HERE)
    assert kept["value"].values.ravel().tolist() == [2 + math.pi, 4 + math.pi, 9 + math.pi]
    assert len(kept.attrs["source_sha256"].split(", ")) == 2


def test_what_a_function_uses_of_its_file():
    text = used(textwrap.dedent(TEXT + "\n    def other():\n        return AXES\n"), "point")
    assert "SCALE = 2.0" in text
    assert "import math" in text
    assert "AXES" not in text
    assert "def other" not in text


def test_a_function_travels_as_the_text_of_its_file(tmp_path):
    path = tmp_path / "mine.py"
    source = source_of("x", written(path, TEXT + '\n    if __name__ == "__main__":\n        raise SystemExit\n').point)
    path.unlink()
    assert function_of(source)(a=1, seed=0) == 2 + math.pi
    assert function_of(source) is function_of(source)
    named = source_of("x", ship.study.siegert)
    assert (named.module, named.text) == ("ship.study.siegert", "")
    assert function_of(named) is ship.study.siegert
    broken = source._replace(text="raise OSError('no disk')")
    with pytest.raises(ship.FileError, match="raises an error when it is imported; got OSError: no disk"):
        function_of(broken)


@pytest.mark.parametrize(
    "value", [True, 3, 0.1 + 0.2, math.inf, -math.inf, 1e-320, [1, 2], np.float32(0.1), np.arange(4).reshape(2, 2)]
)
def test_values_come_back_bit_for_bit(value):
    back = from_plain(json.loads(json.dumps(to_plain("f", value))))["value"]
    assert np.array_equal(back, np.asarray(value))
    assert np.asarray(back).dtype == np.asarray(value if not isinstance(value, np.generic) else float(value)).dtype
    assert math.isnan(from_plain(to_plain("f", math.nan))["value"])


def test_a_journal_that_was_cut_off_goes_on(tmp_path):
    """At any byte of its last line, as a machine leaves it that stops; zeros, too, which a file system may leave."""
    with Journal(tmp_path) as journal:
        journal.begin({"kind": "grid"}, {"source": "s"})
        for k in range(3):
            journal.done(f"p{k}", {"values": {"value": k}})
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    *before, last = whole.splitlines(keepends=True)
    for cut in range(len(last)):
        for tail in (last[:cut], last[:cut] + bytes(len(last) - cut)):
            path.write_bytes(b"".join(before) + tail)
            with Journal(tmp_path) as journal:
                assert sorted(journal.points) == ["p0", "p1"]
                journal.done("p2", {"values": {"value": 2}})
            assert path.read_bytes() == whole
    path.write_bytes(whole[:20])
    with Journal(tmp_path) as journal:
        assert journal.head is None  # nothing was noted yet
    path.write_bytes(whole.replace(b'"p0"', b'"p9"'))
    with pytest.raises(ship.FileError, match="line 3: is damaged"):
        Journal(tmp_path)
    path.write_text("a file of someone else\nwith lines\n")
    with pytest.raises(ship.FileError, match="line 1: is damaged, or the file is no journal"):
        Journal(tmp_path)


def test_a_folder_is_for_one_process_at_a_time(tmp_path):
    with Journal(tmp_path), pytest.raises(ship.FileError, match="is in use by another process"):
        grid(lambda a, seed: 0, {"a": [1]}, folder=tmp_path, **HERE)


def test_one_number_is_one_point():
    points = plan("x", {"b": [1, 2.5], "a": [True]}, [4]).points
    assert points == [{"b": 1, "a": True, "seed": 4}, {"b": 2.5, "a": True, "seed": 4}]
    assert key_of({"b": 1.0, "a": 2}) == key_of({"a": 2.0, "b": 1}) != key_of({"a": 1, "b": 2})


def two(a, seed):
    return a


WRONG = [
    (lambda: grid(two, {}), "grid: axes: must name at least one axis"),
    (lambda: grid(two, {"a": []}), r"axes\['a'\]: must have at least one value"),
    (lambda: grid(two, {"a": [1, 1.0]}), "must have each value once"),
    (lambda: grid(two, {"a": [1, "b"]}), "must be values of one kind"),
    (lambda: grid(two, {"a": [math.nan]}), "must be finite numbers"),
    (lambda: grid(two, {"a": 3}), "must be a list of values"),
    (lambda: grid(two, {"seed": [1]}), "must not name 'seed'"),
    (lambda: grid(two, {"a": [1]}, 0), "grid: seeds: must be"),
    (lambda: grid(two, {"b": [1]}), "two: takes no argument 'b'. Known: 'a', 'seed'"),
    (lambda: grid(lambda a, b, seed: 0, {"a": [1]}), "needs a value of 'b'"),
    (lambda: grid(lambda a, seed: 0, {"a": [1]}), "cannot send '.*<lambda>' to other processes.*workers=0"),
    (lambda: grid(two, {"a": [1]}, workers=2, scheduler="tcp://x:1"), "workers: are those of the scheduler"),
    (lambda: grid(max, {"a": [1]}), "must be a function written in Python"),
    (lambda: grid(lambda a, seed: 1 / 0, {"a": [1, 2]}, workers=0), "all 2 points failed; got ZeroDivisionError"),
    (lambda: grid(lambda a, seed: "x", {"a": [1]}, workers=0), "must be a number, an array of numbers, or a table"),
    (lambda: grid(lambda a, seed: [0] * a, {"a": [1, 2]}, workers=0), r"must have one shape at all points; got \[1\] and \[2\]"),
    (lambda: grid(lambda a, seed: {"a": 1}, {"a": [1]}, workers=0), "must not be named as an axis"),
    (lambda: search(two, {}, 3), "must be a table with at least one parameter"),
    (lambda: search(two, {"a": 3}, 3), "must be Between"),
    (lambda: search(two, {"a": [1, 1]}, 3), "each once"),
    (lambda: search(two, {"a": [1]}, 0), "trials: must be"),
    (lambda: search(two, {"a": [1]}, 3, direction="up"), "must be 'maximise' or 'minimise'"),
    (lambda: Between(2.0, 1.0), "needs low below high"),
    (lambda: Between(0.0, 1.0, log=True), "above 0 where log=True"),
]


@pytest.mark.parametrize(("call", "text"), WRONG, ids=[text[:40] for _, text in WRONG])
def test_wrong_calls(call, text):
    with pytest.raises(ship.ShipError, match=text):
        call()


SPACE = {"x": Between(0.01, 1.0, log=True), "n": Between(1, 5), "kind": ["a", "b"]}


def test_a_search_finds_the_top_and_goes_on(tmp_path):
    """The same trials at once, in pieces, and with a trial that fails; better than the same number of random ones."""
    pytest.importorskip("optuna")
    calls = []

    def fn(x, n, kind, seed):
        calls.append(x)
        assert (type(x), type(n)) == (float, int)
        if n == 5:
            raise ValueError("too many")
        return {"value": -((math.log10(x / 0.3)) ** 2) - 0.01 * (n - 3) ** 2 + 0.1 * (kind == "b"), "other": seed}

    whole = search(fn, SPACE, 24, seed=2, **HERE)
    calls.clear()
    search(fn, SPACE, 6, seed=2, folder=tmp_path, **HERE)
    found = search(fn, SPACE, 24, seed=2, folder=tmp_path, **HERE)
    assert (found.best, found.value, found.trials) == (whole.best, whole.value, whole.trials)
    assert len(calls) == 24 == len(found.trials)
    assert any(row["error"] == "ValueError: too many" for row in found.trials)
    assert found.value == max(row["value"] for row in found.trials if not row["error"])
    assert found.value > 0.05
    assert found.best["kind"] == "b"
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 25
    least = search(fn, SPACE, 4, seed=2, direction="minimise", **HERE)
    assert least.value == min(row["value"] for row in least.trials if not row["error"])
    with pytest.raises(ship.RunError, match="must go on with what it began with; got seed: 2, not 3"):
        search(fn, SPACE, 4, seed=3, folder=tmp_path, **HERE)


def test_a_trial_is_the_mean_over_its_seeds():
    pytest.importorskip("optuna")
    found = search(lambda a, seed: a + seed, {"a": [1]}, 1, seeds=[0, 4], **HERE)
    assert (found.value, found.best) == (3.0, {"a": 1})
    with pytest.raises(ship.RunError, match="all 1 trials failed; got must return a finite number"):
        search(lambda a, seed: math.inf, {"a": [1]}, 1, **HERE)
