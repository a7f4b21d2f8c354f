"""What learning by pulses costs: a slot of pair STDP on 784 x 100 pairs of devices, and the same without devices.

``python benchmarks/learning.py`` prints one JSON line a case: seconds for a slot (the least of some rounds).
"""

import json
import time

import torch

import ship

SLOTS, ROUNDS, RATE = 50, 5, 0.02  # RATE in spikes per slot and input


def network(**synapse: object) -> ship.Network:
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=784)
    net.add(ship.LIF, "out", n=100)
    weight = ship.Uniform(0.0, 0.3)
    net.add(ship.ExpSynapse, "syn", source="in", target="out", weight=weight, rule=ship.PairSTDP(), **synapse)
    net.init(dt=1e-3, seed=0, engine="auto" if not synapse else "reference")
    return net


def main() -> None:
    x = (torch.rand(1, SLOTS, 784, generator=torch.Generator().manual_seed(0)) < RATE).float()
    update = ship.devices.Bounded(alpha_p=0.01, alpha_d=0.02, gamma_p=1.0, gamma_d=1.0)
    nets = {"weights": network(), "devices": network(device=ship.Device(update=update))}
    nets["devices"].program()
    for name, net in nets.items():
        best = float("inf")
        for _ in range(ROUNDS):
            start = time.perf_counter()
            net.run(x)
            best = min(best, time.perf_counter() - start)
        case = {"case": f"a slot of pair STDP, 784 x 100, {name}", "threads": torch.get_num_threads()}
        print(json.dumps(case | {"seconds": round(best / SLOTS, 6)}))


if __name__ == "__main__":
    main()
