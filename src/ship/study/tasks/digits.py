"""Handwritten digits as spike times, for a small recurrent network: the task of ``ship demo`` and ``ship ask``.

Bright pixels of scikit-learn's digits spike early, dark ones stay silent. 128 recurrent LIF neurons and 10 leaky readouts learn
the digits in floating point; the highest value of a readout, up to some slots after the last pixel, is its score.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ... import data
from ...base.parameters import Normal
from ...models import LIF, ExpSynapse, LeakyIntegrator, SpikeInput
from ...network.network import Network
from ...network.readout import Max
from .task import Recipe, Task

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


def build() -> Network:
    """Build the network: 64 pixels, 128 recurrent LIF neurons, 10 leaky readouts."""
    net = Network()
    net.add(SpikeInput, "in", n=64)
    net.add(LIF, "hid", n=128, tau=20e-3)
    net.add(LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
    net.add(ExpSynapse, "in>hid", source="in", target="hid", tau=5e-3, weight=Normal(0.1, 0.3))
    net.add(ExpSynapse, "hid>hid", source="hid", target="hid", tau=5e-3, delay=1e-3, weight=Normal(0.0, 0.05))
    net.add(ExpSynapse, "hid>out", source="hid", target="out", tau=5e-3, weight=Normal(0.0, 0.2))
    return net


def digits(*, folder: str | Path | None = None, seed: int = 0) -> Task:
    """Make the task.

    Args:
        folder: not needed, for nothing is downloaded.
        seed: seed of the split.

    Raises:
        RunError: scikit-learn is not installed.
    """
    samples = data.load("digits", folder, seed=seed)
    assert samples.test is not None
    return Task(
        name="digits",
        train=samples.part(~samples.test),
        test=samples.part(samples.test),
        channels=64,
        dt=DT,
        encode=encode,
        encode_train=encode_noisy,
        readout=Max(tail=TAIL),
        build=build,
        recipe=Recipe(epochs=40, size=64, lr=5e-3),
        split="at random, by class; seeds of the split differ in which digits are held out",
        notes=("Digits of one writer can be in both parts: the set does not say who wrote which.",),
    )
