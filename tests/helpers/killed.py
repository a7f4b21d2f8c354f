"""Work to be killed: a process that has imported all, and forks a child for each line that it reads.

As a module it has `Forker`, which starts that process and speaks to it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AXES, SEEDS = {"tau": [0.1, 0.2, 0.3, 0.4], "scale": [1, 2, 3]}, 4
N_POINTS, EPOCHS = 48, 14


class Forker:
    """Children that begin at once, for all is imported already."""

    def __enter__(self):
        command = [sys.executable, "-W", "ignore", __file__]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def start(self, what, *words):
        """Start a child, and return its process id."""
        print(json.dumps([what, *map(str, words)]), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def end(self):
        """Wait for its end: 0, or the negative of the signal that killed it."""
        return os.waitstatus_to_exitcode(int(self.process.stdout.readline()))

    def kill(self, child):
        """Kill it, and return whether it was still at work."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        return self.end() == -signal.SIGKILL


def until(condition, limit=60.0):
    """Wait until a condition holds."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.001)


def point(tau, scale, seed):
    """A run of a few milliseconds; it writes down that it is done, as far as the file system sees it."""
    time.sleep(0.004)
    with open(os.environ["SHIP_TEST_CALLS"], "a") as file:
        file.write(f"{tau} {scale} {seed}\n")
    if scale == 2 and seed == 1:
        raise ArithmeticError(f"no result at {tau}")
    return {"a": tau**scale / 3 + seed, "b": [tau, scale / 7]}


def sweep(folder, calls):
    """The whole grid in this process."""
    os.environ["SHIP_TEST_CALLS"] = calls
    return study.grid(point, AXES, SEEDS, folder=folder, workers=0, progress=False)


def trainer_of_a_small_task():
    """A trainer of noisy neurons whose order, noise and schedule all take part, and its batches."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.NoisyLIF, "hid", n=6, sigma=0.05)
    net.add(ship.LeakyIntegrator, "out", n=2, output=True)
    net.add(ship.ExpSynapse, "in>hid", source="in", target="hid", weight=ship.Normal(0.3, 0.3))
    net.add(ship.ExpSynapse, "hid>out", source="hid", target="out", weight=ship.Normal(0.0, 0.3))
    net.init(dt=1e-3, seed=0, engine="reference")
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(12, 6, 4, generator=generator) < 0.4).float()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    trainer = Trainer(net, optimizer=optimizer, schedule=schedule, clip=1.0)
    return trainer, Batches(x, torch.arange(12) % 2, 5, shuffle=True, seed=3)


def training(path, result):
    """Train to the end from wherever the checkpoint is, and write what came of it."""
    trainer, batches = trainer_of_a_small_task()
    if Path(path).exists():
        trainer.resume(path)
    trainer.fit(batches, epochs=EPOCHS, validation=batches, checkpoint=path, progress=False)
    made = {name: value.tolist() for name, value in trainer.net.state_dict().items()}
    Path(result).write_text(json.dumps([made, vars(trainer.history), trainer.trial]))


def training_that_dies(path, stage):
    """Be killed while the third checkpoint is written, at a stage of the writing."""
    from ship.base import atomic_write

    os_there = atomic_write.os
    saves = 0
    replace = os_there.replace

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def after(*paths):
        replace(*paths)
        die()

    class Half:
        def __init__(self, file):
            self.file, self.name = file, file.name

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            die()

    part = atomic_write._part

    @contextlib.contextmanager
    def half(path):
        with part(path) as file:
            yield Half(file)

    def arm():
        if stage == "written in half":
            atomic_write._part = half
        elif stage == "before it is on the disk":
            os_there.fsync = die
        elif stage == "before it is in place":
            os_there.replace = die
        else:
            os_there.replace = after

    class Armed(Trainer):
        def save(self, path):
            nonlocal saves
            saves += 1
            if saves == 3:
                arm()
            super().save(path)

    trainer, batches = trainer_of_a_small_task()
    trainer.__class__ = Armed
    trainer.fit(batches, epochs=EPOCHS, validation=batches, checkpoint=path, progress=False)


def main():
    work = {"sweep": sweep, "training": training, "training that dies": training_that_dies}
    for line in sys.stdin:
        what, *words = json.loads(line)
        child = os.fork()
        if not child:
            code = 1
            try:
                work[what](*words)
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    import ship
    from ship import study
    from ship.data import Batches
    from ship.train import Trainer

    sys.modules["killed"] = sys.modules["__main__"]
    with tempfile.TemporaryDirectory() as warm:  # children then have what is imported at first use
        warm_trainer, warm_batches = trainer_of_a_small_task()
        warm_trainer.fit(warm_batches, epochs=1, validation=warm_batches, checkpoint=f"{warm}/c", progress=False)
        trainer_of_a_small_task()[0].resume(f"{warm}/c")
        SEEDS = 1
        sweep(f"{warm}/s", f"{warm}/calls")
        SEEDS = 4
    main()
