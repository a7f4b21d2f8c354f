"""A sweep on processes of this machine whose parent is killed, then on a Dask scheduler that was started apart and loses a
worker; and the job that SLURM would be given.
"""

import contextlib
import json
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter

import psutil
import pytest

import ship
from killed import until
from ship.cli.sweep import job_script
from ship.study import grid

xarray = pytest.importorskip("xarray")
pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes as POSIX does")

TEXT = """
    import os, time

    AXES = {"a": [1, 2, 3, 4], "b": [0.5, 1.5]}
    SEEDS = 3

    def point(a, b, seed):
        import torch

        time.sleep(0.1)
        with open(CALLS, "a") as file:
            file.write(f"{a} {b} {seed} {os.getpid()}\\n")
        if a == 3 and seed == 1:
            raise ValueError("no result")
        return {"sum": a / 3 + b * seed, "threads": torch.get_num_threads()}
"""
N = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture
def file(folder):
    path = folder / "mine.py"
    path.write_text(f"CALLS = {str(folder / 'calls')!r}\n" + textwrap.dedent(TEXT))
    return path


def calls(folder):
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


@contextlib.contextmanager
def process(*words):
    made = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield made
    finally:
        if made.poll() is None:
            made.terminate()
        made.communicate(timeout=60)


def test_a_kill_of_the_parent_ends_its_workers(folder, file):
    with process("ship.cli", "sweep", str(file), "--workers", "2", "--out", str(folder / "out")) as command:
        until(lambda: len(calls(folder)) >= 6 or command.poll() is not None, 300)
        assert command.poll() is None, command.stdout.read()
        workers = psutil.Process(command.pid).children(recursive=True)
        command.kill()
        command.wait(60)
        assert len(workers) >= 2
        psutil.wait_procs(workers, 60)
        assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    assert len(calls(folder)) < N
    kept = (folder / "out" / "journal.jsonl").read_text().count('"point"')
    assert len(calls(folder)) - 2 - 2 <= kept  # two were under way, two on their way


def test_the_same_file_on_a_scheduler_that_was_started_apart(folder, file, monkeypatch):
    """It goes on where the killed one ended; one of two workers is killed half-way."""
    before, known = calls(folder), folder / "scheduler.json"
    stored = [json.loads(line.partition("\t")[0]) for line in (folder / "out" / "journal.jsonl").read_text().splitlines()]
    done = {entry["point"] for entry in stored if "point" in entry}
    from ship.cli.check import imported

    module = imported(file)
    with contextlib.ExitStack() as stack:
        where = ("--scheduler-file", str(known))
        stack.enter_context(
            process("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *where)
        )
        until(known.exists, 120)
        worker = ("distributed.cli.dask_worker", *where, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        victim, _ = (stack.enter_context(process(*worker)) for _ in range(2))
        until(lambda: known.stat().st_size > 0)
        address = json.loads(known.read_text())["address"]

        def end_one():
            until(lambda: sum(line.endswith(f" {victim.pid}") for line in calls(folder)) >= 2, 120)
            victim.kill()

        killer = threading.Thread(target=end_one)
        killer.start()
        table = grid(module.point, module.AXES, module.SEEDS, folder=folder / "out", scheduler=address, progress=False)
        killer.join()
        assert victim.wait(60) == -signal.SIGKILL
    after = Counter(line.rpartition(" ")[0] for line in calls(folder)[len(before) :])
    assert not {tuple(map(float, each.split())) for each in after} & {_numbers(key) for key in done}
    assert sum(after.values()) <= N - len(done) + 1 + 4  # what the killed one was doing, and what it had not handed over
    here = grid(module.point, module.AXES, module.SEEDS, workers=0, threads=1, progress=False)
    xarray.testing.assert_identical(table, here)
    assert int(table.failed.sum()) == 2
    assert float(table.threads.max()) == 1


def _numbers(key):
    point = json.loads(key)
    return float(point["a"]), float(point["b"]), float(point["seed"])


def test_a_scheduler_that_does_not_answer(file):
    from ship.cli.check import imported

    module = imported(file)
    with pytest.raises(ship.RunError, match="no Dask scheduler answers there; got nonsense"):
        grid(module.point, module.AXES, scheduler="nonsense")


def test_the_job_that_slurm_would_be_given():
    pytest.importorskip("dask_jobqueue", reason="ship-snn[slurm] is not installed")
    text = job_script(["cores=4", "memory=8GB", "queue=short", "walltime=01:00:00", "jobs=3"])
    for line in ("#SBATCH -p short", "#SBATCH --cpus-per-task=4", "#SBATCH --mem=8G", "#SBATCH -t 01:00:00"):
        assert line in text.splitlines()
    assert "--nthreads 1" in text
    assert "--nworkers 4" in text
    with pytest.raises(ship.RunError, match="needs cores=, of one job"):
        job_script(["memory=8GB"])
    with pytest.raises(ship.RunError, match=r"cannot make a job of these settings.*quue"):
        job_script(["cores=4", "memory=8GB", "quue=short"])
