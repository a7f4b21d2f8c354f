"""The task of `ship demo` and `ship ask`: handwritten digits as spike times, and a recurrent network that learns to read them.

Bright pixels of scikit-learn's digits spike early, dark ones stay silent. 128 recurrent LIF neurons and 10 leaky readouts learn
the digits in floating point; the highest value of a readout, up to some slots after the last pixel, is its score.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import data
from ..base.parameters import Normal
from ..models import LIF, ExpSynapse, LeakyIntegrator, SpikeInput
from ..network.network import Network
from ..train import Max, Trainer

STEPS, DT = 20, 1e-3  # slots of an input; s
TAIL = 8  # slots of silence after the input, in which its last spikes still act
PIXEL_NOISE = 0.2  # standard deviation of what is added to a pixel in training


def encode(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Encode pixels as times to a first spike: a dark pixel stays silent, a bright one comes early."""
    return data.latency(x, steps=STEPS, dt=DT, tau=8e-3, threshold=0.05)


def encode_noisy(x: Tensor, generator: torch.Generator) -> Tensor:
    """Encode pixels for training, with noise on those that are not blank, so that nothing relies on single spike times."""
    noise = PIXEL_NOISE * torch.randn(x.shape, generator=generator)
    return encode((x + noise * (x > 0)).clamp(0.0, 1.0))


def build(weights: dict[str, Any]) -> Network:
    """Build the network: 64 pixels, 128 recurrent LIF neurons, 10 leaky readouts."""
    net = Network()
    net.add(SpikeInput, "in", n=64)
    net.add(LIF, "hid", n=128, tau=20e-3)
    net.add(LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
    net.add(ExpSynapse, "in>hid", source="in", target="hid", tau=5e-3, weight=weights["in>hid"])
    net.add(ExpSynapse, "hid>hid", source="hid", target="hid", tau=5e-3, delay=1e-3, weight=weights["hid>hid"])
    net.add(ExpSynapse, "hid>out", source="hid", target="out", tau=5e-3, weight=weights["hid>out"])
    return net


def train(digits: data.Split, seed: int, epochs: int, progress: bool) -> tuple[Network, Trainer]:
    """Train the network in floating point; the held-out digits are not looked at."""
    net = build({"in>hid": Normal(0.1, 0.3), "hid>hid": Normal(0.0, 0.05), "hid>out": Normal(0.0, 0.2)})
    net.init(dt=DT, seed=seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(net, optimizer=optimizer, schedule=schedule, readout=Max(tail=TAIL))
    batches = data.Batches(digits.x, digits.labels, 64, encode=encode_noisy, shuffle=True, seed=seed)
    trainer.fit(batches, epochs=epochs, progress=progress)
    return net, trainer


def held_out(digits: data.Split, size: int = 120) -> data.Batches:
    """Make batches of the held-out digits, encoded."""
    return data.Batches(digits.x_test, digits.labels_test, size, encode=encode)
