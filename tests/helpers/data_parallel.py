"""Run by `torchrun`: trains in several processes, and the first one alone as well. Prints a line of JSON with what was seen."""

import contextlib
import json
import sys

import torch
import torch.distributed as dist

import ship
from ship.data import Batches
from ship.train import RateBounds, Trainer, sharded
from training_task import build, toy

N = 21  # in batches of 8: shares of 4 and 4, and of 2 and 3


def trained(net, data, checkpoint=None):
    trainer = Trainer(net, lr=1e-2, clip=1.0)
    history = trainer.fit(data, epochs=2, checkpoint=checkpoint, validation=data, progress=False)
    gradients = {name: p.grad.clone() for name, p in net.named_parameters()}
    return vars(history), gradients, net.state_dict()


def data(n=N, size=8):
    return Batches(*doubled(n), size, shuffle=True, seed=3)


def doubled(n):
    x, labels = toy(n)
    return x.double(), labels


def apart(mine, alone):
    return max(float((mine[k] - alone[k]).abs().max()) for k in alone)


def refused(call):
    with contextlib.suppress(ship.RunError):
        call()
        return ""
    try:
        call()
    except ship.RunError as error:
        return str(error)


def with_ddp(n=16):
    """One step by PyTorch's own wrapper, on equal parts: gradients are means over processes."""
    rank, world = dist.get_rank(), dist.get_world_size()
    x, labels = doubled(n)
    net = build(dtype=torch.float64)
    part = slice(rank * n // world, (rank + 1) * n // world)
    wrapper = torch.nn.parallel.DistributedDataParallel(net)  # as long as it lives
    scores = wrapper(x[part], first_sample=part.start).amax(-2)
    torch.nn.functional.cross_entropy(scores, labels[part]).backward()
    whole = build(dtype=torch.float64)
    torch.nn.functional.cross_entropy(whole(x).amax(-2), labels).backward()
    return apart({k: p.grad for k, p in net.named_parameters()}, {k: p.grad for k, p in whole.named_parameters()})


def main(folder):
    dist.init_process_group("gloo")
    rank, checkpoint = dist.get_rank(), f"{folder}/shared.ship"
    history, gradients, state = trained(build(dtype=torch.float64), sharded(data()), checkpoint)
    one = trained(build(dtype=torch.float64), sharded(data(1, 1)))  # the second process has no sample
    seen = {"ddp": with_ddp(), "world": dist.get_world_size()}
    seen["other seed"] = refused(lambda: trained(build(seed=dist.get_rank()), sharded(data())))
    bounded = Trainer(build(), regularisers=[RateBounds("hid", high=1.0)])
    seen["regulariser"] = refused(lambda: bounded.fit(sharded(data()), epochs=1, progress=False))
    dist.destroy_process_group()
    if rank == 0:
        alone = trained(build(dtype=torch.float64), data())
        seen["loss"] = max(abs(a - b) for a, b in zip(history["loss"], alone[0]["loss"], strict=True))
        seen["accuracies"] = [history[k] == alone[0][k] for k in ("accuracy", "validation_accuracy")]
        seen["gradients"], seen["parameters"] = apart(gradients, alone[1]), apart(state, alone[2])
        seen["one sample"] = apart(one[2], trained(build(dtype=torch.float64), data(1, 1))[2])
        noiseless = trained(build(dtype=torch.float64, sigma=0.0), data())
        seen["noise matters"] = abs(noiseless[0]["loss"][0] - history["loss"][0])
        resumed = build(dtype=torch.float64)
        Trainer(resumed, lr=1e-2, clip=1.0).resume(checkpoint)
        seen["checkpoint"] = apart(resumed.state_dict(), state)
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
