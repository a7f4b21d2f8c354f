"""Training in two processes equals training in one on the same batches: loss, gradients and parameters, noise included.

Both are in float64, where sums in another order differ by some 1e-16, so that no spike moves.
"""

import json
import subprocess
import sys

import pytest
import torch

import data_parallel
import ship
from ship.train import Trainer, sharded
from training_task import batches, build

ROUNDING = 1e-12

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")


def test_two_processes_equal_one(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*command, data_parallel.__file__, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["world"] == 2
    for name in ("loss", "gradients", "parameters", "one sample", "ddp"):
        assert seen[name] < ROUNDING, name
    assert seen["accuracies"] == [True, True]
    assert seen["noise matters"] > 1e-3  # so the equality above is one of the noise, too
    assert seen["checkpoint"] == 0.0
    assert "needs the same parameters in each process" in seen["other seed"]
    assert "Trainer.regularisers: needs all samples" in seen["regulariser"]


def test_one_process_takes_all():
    made = []
    for data in (batches(), sharded(batches())):
        net = build()
        Trainer(net).fit(data, epochs=1, progress=False)
        made.append(net["hid>out"].weight.detach())
    assert torch.equal(*made)


def test_parts_cover_each_batch_once():
    whole = batches(size=7)
    parts = [list(ship.train.Sharded(whole, rank, 3)) for rank in range(3)]
    for (x, labels), *pieces in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([p.x for p in pieces]), x)
        assert torch.equal(torch.cat([p.labels for p in pieces]), labels)
        assert [p.share.first for p in pieces] == [0, *(sum(p.share.n for p in pieces[: k + 1]) for k in range(2))]
    chips = next(iter(ship.train.Sharded([(torch.rand(2, 4, 5, 3), torch.arange(4))], 1, 2)))
    assert chips.x.shape == (2, 2, 5, 3)
    with pytest.raises(ship.RunError, match="needs inputs as tensors"):
        next(iter(sharded([([torch.rand(5, 3)], torch.zeros(1))])))
