"""The benchmark harness: rows, ratios, failures, the table. Sizes are tiny; times are not looked at."""

import importlib
import inspect
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ship.base.errors import FileError, RunError
from ship.cli.bench import crossbars, data, floors, harness, networks, plain, scipy_crossbar, table
from ship.cli.bench.cases import CASES, choose

TINY = {
    "lif": {"n": 4, "batch": 2, "steps": 5},
    "deep": {"n": 10, "batch": 2, "steps": 5},
    "reservoir": {"n": 20, "batch": 2, "steps": 10},
    "readout": {"n": 20, "batch": 2, "steps": 10},
    "own_tau": {"n": 6, "layers": 2, "steps": 5},
    "equal_tau": {"n": 6, "layers": 2, "steps": 5},
    "stdp": {"n_in": 12, "n": 6, "steps": 20},
    "brunel": {"n": 50, "steps": 20},
    "pulses": {"n_in": 12, "n": 6, "steps": 20},
    "sweep": {"taus": 2, "seeds": 1, "n": 6, "steps": 20, "workers": 0},
}
CROSSBAR = {"chips": 2, "rows": 5, "columns": 4}
CHIPS = {"chips": 2, "n_in": 10, "n": 8, "n_out": 3, "batch": 2, "steps": 20, "activity": 0.3}
TINY |= {case.kind: CROSSBAR for case in CASES.values() if case.kind.startswith("crossbar_")}
TINY |= {case.kind: CHIPS for case in CASES.values() if case.kind.startswith("chips_")}
PEER = """
NAME = "Peer"

def versions():
    return {"peer": "1.2"}

def lif(data, size):
    import time
    return {"forward": lambda: time.sleep(0.002), "backward": lambda out: time.sleep(0.001), "rate": lambda out: 5}
"""
BROKEN = """
import a_library_that_nobody_has

NAME = "Broken"

def lif(data, size):
    pass
"""
OTHER = 'NAME = "Other"\n\ndef brunel(data, size):\n    pass\n'
SILENT = 'NAME = "Silent"\n\ndef versions():\n    return {}\n\ndef lif(data, size):\n    import os\n    os._exit(3)\n'


def tiny(name):
    return replace(CASES[name], full={**CASES[name].full, **TINY[CASES[name].kind]}, repeat=3)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    for name, text in (("peer", PEER), ("broken", BROKEN), ("other", OTHER), ("silent", SILENT)):
        (folder / f"bench_{name}.py").write_text(text)
    sides = harness.ship_sides("reference") + harness.peer_sides(sys.executable, folder)
    return {row["engine"]: json.loads(json.dumps(row)) for row in harness.run([tiny("lif-128")], sides)}


def test_every_side_has_a_row(rows):
    assert list(rows) == ["floor", "ship-reference", "Broken", "Peer", "Silent"]  # Other does not have the case


@pytest.mark.parametrize("engine", ["floor", "ship-reference", "Peer"])
def test_rows_are_whole(rows, engine):
    row = rows[engine]
    assert row["case"] == "lif-128"
    assert row["repeat"] == 3
    assert 0 < row["forward_ms"] < row["total_ms"]
    for part in ("forward", "backward", "total"):
        low, high = row["range_ms"][part]
        assert low <= row[f"{part}_ms"] <= high
    assert row["peak_memory_mb"] >= 0
    assert row["first_ms"] > 0
    assert row["machine"]["cores"] >= 1
    assert "python" in row["versions"]
    assert row["ratio_to_best_peer"] > 0
    assert row["ratio_to_floor"] > 0


def test_ratios_to_itself(rows):
    assert rows["Peer"]["ratio_to_best_peer"] == 1
    assert rows["Peer"]["rate"] == 5
    assert rows["Peer"]["total_ms"] >= 3
    assert rows["floor"]["ratio_to_floor"] == 1


def test_failures_are_reported(rows):
    assert "a_library_that_nobody_has" in rows["Broken"]["error"]
    assert "ended" in rows["Silent"]["error"]


def test_a_missing_python_is_reported():
    (row,) = harness.measure(tiny("lif-128"), [harness.Side("Gone", "/no/such/python", "x")], repeat=1)
    assert "does not start" in row["error"]


def test_a_slow_side_is_reported(tmp_path):
    script = tmp_path / "bench_slow.py"
    script.write_text(PEER.replace("time.sleep(0.002)", "time.sleep(60)"))
    (row,) = harness.measure(tiny("lif-128"), harness.peer_sides(sys.executable, tmp_path), repeat=1, limit=0.5)
    assert "longer than 0.5 s" in row["error"]


def test_ratios_are_medians_of_rounds():
    """To the peer of the lowest median: 4 / 2, 6 / 4, 40 / 4 have the median 2, though the medians' ratio is 6 / 4."""
    totals = {"ours": [4.0, 6.0, 40.0], "fast": [2.0, 4.0, 4.0], "slow": [5.0, 9.0, 9.0], "floor": [1.0, 2.0, 1.0]}
    memory = {"ours": 30.0, "fast": 60.0, "slow": 40.0, "floor": 1.0}
    median = {"ours": 6.0, "fast": 4.0, "slow": 9.0, "floor": 1.0}
    found = [{"engine": e, "total_ms": median[e], "peak_memory_mb": memory[e]} for e in totals]
    found.append({"engine": "lost", "error": "x"})
    harness.compare(found, totals, {"fast", "slow", "lost"})
    ours = found[0]
    assert (ours["ratio_to_best_peer"], ours["ratio_to_floor"], ours["memory_ratio_to_best_peer"]) == (2, 4, 0.75)
    assert found[2]["ratio_to_best_peer"] == 2.25
    assert "ratio_to_floor" not in found[-1]


def test_without_peers_there_is_no_ratio_to_them():
    found = [{"engine": "ours", "total_ms": 1.0, "peak_memory_mb": 1.0, "ratio_to_best_peer": None}]
    harness.compare(found, {"ours": [1.0]}, set())
    assert found[0]["ratio_to_best_peer"] is None


def work_of(module, kind, arrays, size):
    make = getattr(module, kind)
    return make(arrays, size, **({"engine": "reference"} if "engine" in inspect.signature(make).parameters else {}))


@pytest.mark.parametrize("name", CASES)
def test_every_case_runs(name):
    """On each side that can do it, SHIP's among them; what sides say of their work agrees where that is the same work."""
    case = tiny(name)
    size = case.size(quick=False)
    arrays = data.make(case.kind, size)
    sides = [side for side in harness.ship_sides("reference") if harness.does(side, case.kind)]
    assert any(side.name in ("ship-reference", "ship") for side in sides)
    checks = {}
    for side in sides:
        work = work_of(importlib.import_module(side.module), case.kind, arrays, size)
        out = work["forward"]()
        if "backward" in work:
            work["backward"](out)
        if "rate" in work:
            assert 0 <= work["rate"](out) <= 1 / size["dt"]
        if "check" in work:
            checks[side.name] = work["check"](out)
    assert all(value == pytest.approx(checks["ship"], rel=1e-9) for value in checks.values())


def test_every_side_of_ship_has_cases():
    for side in harness.ship_sides("reference"):
        assert any(harness.does(side, case.kind) for case in CASES.values()), side.name


@pytest.mark.parametrize("kind", ["crossbar_currents", "crossbar_matrix", "crossbar_approximate"])
def test_crossbars_have_the_currents_that_scipy_finds(kind):
    """The total current, to rounding: also an approximate matrix has exact sums over its rows."""
    size = {**CROSSBAR, "probes": 2}
    arrays = data.make(kind, size)
    want = scipy_crossbar.crossbar_currents(arrays, size)
    work = getattr(crossbars, kind)(arrays, size)
    assert work["check"](work["forward"]()) == pytest.approx(want["check"](want["forward"]()), rel=1e-9)


def test_chips_that_share_all_do_the_work_of_a_batch():
    """The same weights and inputs: the same rate, and the gradients are sums over chips as over a batch."""
    arrays = data.make("chips_shared", {**CHIPS, "dt": 1e-3})
    size = {**CHIPS, "dt": 1e-3}
    own, batch = networks.chips_shared(arrays, size, "reference"), plain.chips_shared(arrays, size)
    a, b = own["forward"](), batch["forward"]()
    assert own["rate"](a) == pytest.approx(batch["rate"](b)) != 0
    assert np.allclose(a.detach().flatten(0, 1), b.detach(), atol=1e-6)


def test_help_has_a_line_for_each_case():
    done = subprocess.run([sys.executable, "-m", "ship.cli", "bench", "--help"], capture_output=True, text=True, check=True)
    lines = [line.strip() for line in done.stdout.splitlines()]
    for case in CASES.values():
        assert any(line.startswith(f"{case.name}: {case.about[:30]}") for line in lines), case.name


def test_training_cases_have_gradients():
    size = tiny("deep-sparse").size(quick=False)
    out = networks.deep(data.make("deep", size), size, "reference")["forward"]()
    assert out.requires_grad


def test_unknown_case():
    with pytest.raises(RunError, match=r"no case named 'brunell'.*Did you mean 'brunel'"):
        choose(["brunell"])
    assert [c.name for c in choose([])] == list(CASES)


def test_unknown_engine_and_missing_scripts(tmp_path):
    with pytest.raises(RunError, match="must be one of reference, fused, both; got 'gpu'"):
        harness.ship_sides("gpu")
    with pytest.raises(RunError, match="needs the folder benchmarks/peers"):
        harness.peer_sides(sys.executable, tmp_path)


def test_table(rows, tmp_path):
    results, readme = tmp_path / "r.jsonl", tmp_path / "README.md"
    results.write_text("".join(json.dumps(row) + "\n" for row in rows.values()))
    readme.write_text(f"# A\n\n{table.BEGIN}\nold\n{table.END}\n\n## B\n")
    for _ in range(2):  # a second time changes nothing
        table.refresh(results, readme)
        text = readme.read_text()
        assert text.startswith("# A\n")
        assert text.endswith("\n\n## B\n")
        assert "old" not in text
        assert text.count("`lif-128`") == 1
        assert "Broken failed" in text
        assert "peer 1.2" in text
    readme.write_text("# no markers\n")
    with pytest.raises(FileError, match="must have the markers"):
        table.refresh(results, readme)


def test_the_table_of_the_readme_leaves_out_cases_of_devices(rows):
    """They are compared with SHIP and SciPy alone, not with other simulators."""
    found = table.table([rows["floor"], {**rows["floor"], "case": "pulses"}, {**rows["floor"], "case": "a case of the past"}])
    assert "`lif-128`" in found
    assert "`pulses`" not in found
    assert "`a case of the past`" in found


def is_normal(array):
    """Whether numbers are zero or within the range in which processors compute at full speed."""
    size = np.abs(np.asarray(array))
    return bool(np.isfinite(size).all() and ((size == 0) | (size >= np.finfo(size.dtype).tiny)).all())


@pytest.mark.parametrize("name", [name for name in CASES if name != "memory-2048" and hasattr(floors, CASES[name].kind)])
def test_floors_stay_normal(name):
    """What a floor computes with: the shared arrays, and its results after as many slots as the case has, in repeated runs."""
    case = CASES[name]
    size = {**case.full, **TINY[case.kind], "steps": case.full.get("steps", 1) if case.kind in ("own_tau", "equal_tau") else 20}
    size = {k: int(v) if float(v).is_integer() else v for k, v in size.items()}
    arrays = data.make(case.kind, size)
    assert all(is_normal(v) for v in arrays.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f")
    work = getattr(floors, case.kind)(arrays, size)
    for _ in range(5):
        out = work["forward"]()
        if out is not None:
            assert is_normal(out)
    if case.kind == "own_tau":  # an independent product: the largest loss is that of one slot at the shortest time constant
        loss = np.exp(-size["dt"] / arrays["tau"].astype(np.float64))
        assert np.allclose(out.numpy(), arrays["w"] * loss, rtol=2e-4)  # float32: 1000 roundings of 6e-8, of factor and product
        assert out.abs().max() > 0
