"""Digits learnt on the chip: gradient descent by pulses, on memory devices that are more or less linear and symmetric.

64 pixels as spike times, 10 leaky readouts, one layer of weights on differential pairs. The same network, the same order of
samples and the same rate of learning; what differs is what holds the weights.

``python examples/on_chip_learning.py`` takes half a minute; ``python examples/on_chip_learning.py --quick`` trains for one epoch,
on a part of the digits.
"""

import sys

import torch
from torch import Tensor

import ship
from ship import data
from ship.train import Mean, PulseOptimizer, Trainer

EPOCHS, RATE, W_MAX, DT = 5, 3.0, 2.0, 1e-3  # RATE in V per unit of gradient; W_MAX in V


def encode(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Time to first spike: a dark pixel stays silent, a bright one comes early."""
    return data.latency(x, steps=20, dt=DT, tau=8e-3, threshold=0.05)


def build(chips: int | None = None, **on_devices: object) -> ship.Network:
    """Pixels, one layer of weights, and ten leaky readouts."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=64)
    net.add(ship.LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
    net.add(ship.ExpSynapse, "syn", source="in", target="out", tau=5e-3, weight=ship.Normal(0.0, 0.05), **on_devices)
    net.init(dt=DT, seed=0, chips=chips)
    return net


def learn(net: ship.Network, optimizer: torch.optim.Optimizer, digits: data.Split, quick: bool) -> float:
    """Train, and return the share of the held-out digits that are read right, over all chips."""
    n, epochs = (256, 1) if quick else (len(digits.x), EPOCHS)
    trainer = Trainer(net, optimizer=optimizer, readout=Mean(tail=8))
    batches = data.Batches(digits.x[:n], digits.labels[:n], 64, encode=encode, shuffle=True, seed=0)
    trainer.fit(batches, epochs=epochs, progress=False)
    return trainer.evaluate(data.Batches(digits.x_test, digits.labels_test, 360, encode=encode)).accuracy


def device(steps_up: int, steps_down: int, gamma: float, spread: float = 0.0) -> ship.Device:
    """Make a device whose window is so many first pulses wide; with gamma 0 all steps are equal, with 1 they shrink towards the
    bound.
    """
    return ship.Device(
        update=ship.devices.Bounded(
            alpha_p=ship.Varied(1 / steps_up, d2d=spread, c2c=spread),
            alpha_d=ship.Varied(1 / steps_down, d2d=spread, c2c=spread),
            gamma_p=gamma,
            gamma_d=gamma,
        )
    )


DEVICES = {
    "linear, 1000 steps": device(1000, 1000, 0.0),
    "linear, 50 steps": device(50, 50, 0.0),
    "soft bounds, 200 steps": device(200, 200, 1.0),
    "soft bounds, 50 steps, 30 % spread": device(50, 50, 1.0, spread=0.3),
    "soft bounds, 50 steps up, 5 down": device(50, 5, 1.0),
}


def main(quick: bool = False) -> None:
    torch.set_num_threads(1)
    digits = data.digits(seed=0)
    net = build()
    print(f"{'float, SGD':38} {learn(net, torch.optim.SGD(net.parameters(), RATE), digits, quick):.1%}")
    for name, what in DEVICES.items():
        chips = 4 if "spread" in name else None
        net = build(chips, device=what, mapping=ship.Differential(w_max=W_MAX), learning=ship.Pulsing())
        net.program()
        accuracy = learn(net, PulseOptimizer(net, RATE), digits, quick)
        pulses = net["syn"].hardware.array.cycles.mean()
        print(f"{name:38} {accuracy:.1%}   {float(pulses):.0f} pulses for a device" + (f", {chips} chips" if chips else ""))


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
