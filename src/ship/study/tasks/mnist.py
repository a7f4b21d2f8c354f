"""Handwritten digits of MNIST as spike times, for a network of 784-256-10 units.

A pixel spikes once, the earlier the brighter it is; dark ones are silent. 256 LIF neurons and 10 leaky readouts learn the digits;
the highest value of a readout, up to some slots after the last pixel, is its score.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ... import data
from ...network.network import Network
from ...network.readout import Max
from .layers import hidden_layer
from .task import Recipe, Task

STEPS, DT = 10, 1e-3  # slots of an input; s
TAIL = 4  # slots of silence after the input, in which its last spikes still act
PIXEL_NOISE = 0.2  # standard deviation of what is added to a pixel in training, as a fraction of white


def encode(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Encode images of bytes as times to a first spike: dark pixels stay silent, bright ones come early."""
    return _spikes(x.flatten(1).float() / 255)


def encode_noisy(x: Tensor, generator: torch.Generator) -> Tensor:
    """Encode images for training, with noise on pixels that are not dark, so that nothing relies on single spike times."""
    level = x.flatten(1).float() / 255
    noise = PIXEL_NOISE * torch.randn(level.shape, generator=generator)
    return _spikes((level + noise * (level > 0)).clamp(0.0, 1.0))


def _spikes(level: Tensor) -> Tensor:
    return data.latency(level, steps=STEPS, dt=DT, tau=5e-3, threshold=0.1)


def build() -> Network:
    """Build the network: 784 pixels, 256 LIF neurons, 10 leaky readouts. A digit has about 130 spikes."""
    return hidden_layer(784, 256, 10, spread=0.1)


def mnist(*, folder: str | Path | None = None, seed: int = 0) -> Task:
    """Make the task.

    Args:
        folder: where the files are looked for first.
        seed: not needed, for nothing is drawn.

    Raises:
        FileError: a file is damaged, or cannot be downloaded.
        RunError: a file must be downloaded, and pooch is not installed.
    """
    return images("mnist", folder)


def images(name: str, folder: str | Path | None, *, notes: tuple[str, ...] = ()) -> Task:
    """Make a task of a set of 28 x 28 images with the official split of MNIST."""
    samples = data.load(name, folder)
    assert samples.test is not None
    return Task(
        name=name,
        train=samples.part(~samples.test),
        test=samples.part(samples.test),
        channels=784,
        dt=DT,
        encode=encode,
        encode_train=encode_noisy,
        readout=Max(tail=TAIL),
        build=build,
        recipe=Recipe(epochs=10, size=256, lr=4e-3),
        split="the official one",
        notes=((samples.about.note,) if samples.about.note else ()) + notes,
    )
