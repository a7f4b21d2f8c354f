"""What virtual chips cost: K dies with one weight matrix against a batch K times as large, and with a weight matrix each.

``python benchmarks/chips.py [chips]`` prints one JSON line a case: seconds (the least of some rounds), the ratio to the batch,
and the bytes that a forward run moves at least (all weights read once, all signals between groups written and read once) with the
time that the memory takes for them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import torch

import ship

INPUTS, HIDDEN, CLASSES, STEPS, BATCH, ROUNDS = 64, 128, 10, 100, 8, 5
RATE = 0.05  # spikes per slot and input


def network(chips: int | None, neurons: dict[str, object] | None = None, **synapse: object) -> ship.Network:
    """Inputs, a hidden layer of LIF neurons, leaky readouts."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=INPUTS)
    net.add(ship.LIF, "hid", n=HIDDEN, **(neurons or {}))
    net.add(ship.LeakyIntegrator, "out", n=CLASSES, output=True)
    net.add(ship.ExpSynapse, "in>hid", source="in", target="hid", **synapse)
    net.add(ship.ExpSynapse, "hid>out", source="hid", target="out", **synapse)
    net.init(chips=chips, seed=0, dtype=torch.float32)
    return net


def spikes(batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.rand((batch, STEPS, INPUTS), generator=generator) < RATE).float()


def least(work: Callable[[], object]) -> float:
    """Seconds, the least of some rounds after one to warm up."""
    work()
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took)


def forward(net: ship.Network, x: torch.Tensor) -> Callable[[], object]:
    def work() -> None:
        with torch.no_grad():
            net.run(x)

    return work


def training(net: ship.Network, x: torch.Tensor) -> Callable[[], object]:
    def work() -> None:
        net.zero_grad()
        net.run(x).square().mean().backward()

    return work


def bandwidth() -> float:
    """Bytes per second of a sum over 256 MiB, which reads each byte once."""
    data = torch.ones(2**26)
    return data.numel() * 4 / least(lambda: data.sum())


def main(chips: int) -> None:
    device = ship.Device(g_min=1e-6, g_max=ship.Varied(50e-6, d2d=0.05))
    x, wide = spikes(BATCH), spikes(BATCH * chips)
    varied = {"tau": ship.Varied(20e-3, d2d=0.1)}
    shared, neurons, each = network(chips), network(chips, varied), network(chips, varied, device=device)
    weights, plain = network(chips, weight=ship.Varied(ship.FanIn(), d2d=0.1)), network(None)
    each.program()
    speed, matrix = bandwidth(), (INPUTS * HIDDEN + HIDDEN * CLASSES) * 4
    signals = STEPS * BATCH * (INPUTS + chips * (2 * HIDDEN + 2 * CLASSES)) * 4  # spikes and charges of each group
    setting = {"chips": chips, "batch": BATCH, "steps": STEPS, "threads": torch.get_num_threads()}
    for way, make in (("forward", forward), ("forward and backward", training)):
        base = least(make(plain, wide))
        print(json.dumps(setting | {"case": "one network, batch x chips", "way": way, "seconds": round(base, 5)}))
        cases = [("one weight matrix", shared, 1), ("one weight matrix, neurons vary", neurons, 1)]
        cases.append(("a weight matrix each (Varied)", weights, chips))
        if way == "forward":
            cases.append(("a weight matrix each (programmed devices), neurons vary", each, chips))
        for name, net, matrices in cases:
            took = least(make(net, x))
            line = setting | {"case": f"chips, {name}", "way": way, "seconds": round(took, 5), "ratio": round(took / base, 2)}
            if way == "forward":
                moved = matrices * matrix + 2 * signals
                line |= {"moved_MiB": round(moved / 2**20, 2), "floor_seconds": round(moved / speed, 5)}
            print(json.dumps(line))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 64)
